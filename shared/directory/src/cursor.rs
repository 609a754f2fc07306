//! State of one read that the next one continues from.

use std::collections::BTreeMap;

use model::{Anchor, Fingerprint, UnixSeconds};
use serde::{Deserialize, Serialize};

/// Position up to which a directory was read. It belongs to one server, one query and one method of change detection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub(crate) server: Fingerprint,
    /// Id of the domain controller's database, in Active Directory.
    pub(crate) invocation: Option<String>,
    pub(crate) replication: Option<ReplicationState>,
    pub(crate) query: Fingerprint,
    /// Position for change detection; `None` where the server supports none.
    pub(crate) position: Option<CursorPosition>,
    /// Groups in scope: the configured one and those nested in it.
    pub(crate) groups: Vec<Anchor>,
    pub(crate) read_at: UnixSeconds,
}

impl Cursor {
    /// Whether an incremental read can start here.
    pub fn is_resumable(&self) -> bool {
        self.position.is_some()
    }

    /// Whether both cursors belong to the same query of the same directory.
    pub fn is_same_query(&self, other: &Self) -> bool {
        self.server == other.server && self.query == other.query
    }

    /// Cursor to store before the first write of a read; `last` is the cursor of the read before.
    ///
    /// It keeps `last`'s position and the newer replication state. If the read or the writer fails, an older server is then
    /// still recognised as older than what was written.
    pub fn before_writes(&self, last: Option<&Self>) -> Self {
        let same = last.filter(|last| last.server == self.server || self.shares_replication_with(last));
        match same {
            Some(last) => {
                let replication =
                    ReplicationState::latest(last.replication.clone(), self.replication.clone());
                Self { replication, ..last.clone() }
            }
            // The position is valid only after a read that ended.
            None => Self { position: None, ..self.clone() },
        }
    }

    fn shares_replication_with(&self, other: &Self) -> bool {
        matches!(
            (&self.replication, &other.replication),
            (Some(ReplicationState::Csn(_)), Some(ReplicationState::Csn(_)))
        )
    }

    /// Configuration word of the method of change detection.
    pub fn method(&self) -> Option<&'static str> {
        self.position.as_ref().map(|position| match position {
            CursorPosition::Dirsync { .. } => "dirsync",
            CursorPosition::Sync { .. } => "sync",
            CursorPosition::Timestamp { .. } => "timestamp",
        })
    }
}

/// Position of one method of change detection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub(crate) enum CursorPosition {
    Dirsync {
        cookie: SyncCookie,
        /// Whether the server shows deleted objects to the bind account.
        sees_deleted: bool,
    },
    Sync {
        cookie: SyncCookie,
    },
    Timestamp {
        /// Latest modification that was read, by the server's clock.
        since: String,
        /// Fingerprint of the DNs of all containers.
        containers: Fingerprint,
    },
}

/// Changes that a server has received, in a comparable form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReplicationState {
    /// A domain controller's `highestCommittedUSN`. Other controllers count separately.
    Usn(u64),
    /// Values of OpenLDAP's `contextCSN` by server id. All servers of a site use the same.
    Csn(BTreeMap<String, String>),
}

impl ReplicationState {
    /// Reads `contextCSN`: `20260101120000.000000Z#000000#001#000000`, with the server id third.
    pub(crate) fn of_csns(values: &[impl AsRef<[u8]>]) -> Option<Self> {
        let latest: BTreeMap<String, String> = values
            .iter()
            .filter_map(|value| {
                let text = std::str::from_utf8(value.as_ref()).ok()?;
                Some((text.split('#').nth(2)?.to_owned(), text.to_owned()))
            })
            .collect();
        (!latest.is_empty()).then_some(Self::Csn(latest))
    }

    /// Union of two states of the same kind; of two kinds, the present one.
    pub(crate) fn latest(before: Option<Self>, now: Option<Self>) -> Option<Self> {
        match (before, now) {
            (Some(Self::Usn(before)), Some(Self::Usn(now))) => Some(Self::Usn(before.max(now))),
            (Some(Self::Csn(mut latest)), Some(Self::Csn(now))) => {
                for (server, csn) in now {
                    let known = latest.entry(server).or_default();
                    *known = std::mem::take(known).max(csn);
                }
                Some(Self::Csn(latest))
            }
            (before, None) => before,
            (_, now) => now,
        }
    }

    /// Whether changes of the other state are missing. States of two kinds can't be compared.
    pub(crate) fn is_behind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Usn(now), Self::Usn(before)) => now < before,
            (Self::Csn(now), Self::Csn(before)) => {
                before.iter().any(|(server, latest)| now.get(server).is_none_or(|now| now < latest))
            }
            _ => false,
        }
    }
}

/// Opaque cookie of a server, stored as hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct SyncCookie(pub(crate) Vec<u8>);

impl From<SyncCookie> for String {
    fn from(cookie: SyncCookie) -> Self {
        hex::encode(cookie.0)
    }
}

impl TryFrom<String> for SyncCookie {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        hex::decode(text).map(Self).map_err(|_| "a stored cookie consists of hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csns(values: &[&str]) -> ReplicationState {
        ReplicationState::of_csns(values).unwrap()
    }

    #[test]
    fn server_without_a_change_is_behind() {
        let early = "20260101120000.000000Z#000000#001#000000";
        let late = "20260101120000.000001Z#000000#001#000000";
        let other = "20250101120000.000000Z#000000#002#000000";
        assert!(csns(&[early]).is_behind(&csns(&[late])));
        assert!(!csns(&[late]).is_behind(&csns(&[early])));
        assert!(!csns(&[late, other]).is_behind(&csns(&[late])));
        assert!(csns(&[late]).is_behind(&csns(&[early, other])));
        assert!(ReplicationState::Usn(7).is_behind(&ReplicationState::Usn(8)));
        assert!(!ReplicationState::Usn(8).is_behind(&ReplicationState::Usn(8)));
    }

    #[test]
    fn cursor_before_writes_keeps_the_latest_replication_state() {
        use ReplicationState::Usn;
        let cursor = |server: u8, replication: ReplicationState| Cursor {
            server: Fingerprint([server; 16]),
            invocation: None,
            replication: Some(replication),
            query: Fingerprint([0; 16]),
            position: Some(CursorPosition::Sync { cookie: SyncCookie(vec![5]) }),
            groups: Vec::new(),
            read_at: UnixSeconds(0),
        };
        let last = cursor(1, Usn(7));
        let same = cursor(1, Usn(9)).before_writes(Some(&last));
        assert_eq!((same.replication, same.position.is_some()), (Some(Usn(9)), true));
        let behind = cursor(1, Usn(3)).before_writes(Some(&last));
        assert_eq!(behind.replication, Some(Usn(7)));
        let other = cursor(2, Usn(3)).before_writes(Some(&last));
        assert_eq!((other.replication, other.position), (Some(Usn(3)), None));
        // States of one site add up.
        let (one, two) = ("20260101120000.000000Z#0#001#0", "20260101120000.000000Z#0#002#0");
        let both = cursor(2, csns(&[two])).before_writes(Some(&cursor(1, csns(&[one]))));
        assert!(!both.replication.unwrap().is_behind(&csns(&[one, two])));
    }

    #[test]
    fn cookie_survives_serialisation() {
        let position = CursorPosition::Sync { cookie: SyncCookie(b"rid=000,csn=\x00\xff".to_vec()) };
        let text = serde_json::to_string(&position).unwrap();
        assert_eq!(serde_json::from_str::<CursorPosition>(&text).unwrap(), position);
        assert!(serde_json::from_str::<CursorPosition>(r#"{"by":"sync","cookie":"0x"}"#).is_err());
    }
}
