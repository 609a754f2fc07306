//! From where to go on, the next time.

use std::collections::BTreeMap;

use model::{Anchor, Fingerprint, UnixSeconds};
use serde::{Deserialize, Serialize};

/// What a read leaves behind, so that the next one need only ask for what has changed. It belongs to one server, and to
/// one way of asking that server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Which server it was.
    pub(crate) server: Fingerprint,
    /// The database of that domain controller, where it is one.
    pub(crate) invocation: Option<String>,
    /// How much the server knew.
    pub(crate) mark: Option<Mark>,
    /// Whom it was asked for, and what about them.
    pub(crate) asked: Fingerprint,
    /// Where to go on; `None` where the server has no way to tell what has changed.
    pub(crate) position: Option<Position>,
    /// The groups in scope: the one that is configured, and those that are nested in it.
    pub(crate) groups: Vec<Anchor>,
    /// When that was.
    pub(crate) read_at: UnixSeconds,
}

impl Cursor {
    /// Whether the next read can ask for the changes alone.
    pub fn is_resumable(&self) -> bool {
        self.position.is_some()
    }

    /// Whether both belong to reads of the same directory that asked the same.
    pub fn is_same_query(&self, other: &Self) -> bool {
        self.server == other.server && self.asked == other.asked
    }

    /// What to remember before anything of the read that this belongs to is acted upon; `last` is what the read before
    /// left behind. Should the read break off, or whoever acts on it die, then nobody takes a server that knows less for
    /// one that knows as much: what was seen may be news to it.
    pub fn before_writes(&self, last: Option<&Self>) -> Self {
        let same = last.filter(|last| last.server == self.server || self.shares_marks_with(last));
        match same {
            Some(last) => Self { mark: Mark::later(last.mark.clone(), self.mark.clone()), ..last.clone() },
            // Where to go on is known when it has been read to its end.
            None => Self { position: None, ..self.clone() },
        }
    }

    fn shares_marks_with(&self, other: &Self) -> bool {
        matches!((&self.mark, &other.mark), (Some(Mark::Csn(_)), Some(Mark::Csn(_))))
    }

    /// In which way the changes are asked for, in a word.
    pub fn method(&self) -> Option<&'static str> {
        self.position.as_ref().map(Position::method)
    }
}

/// Where to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub(crate) enum Position {
    /// After what this cookie of Active Directory's stands for.
    Dirsync {
        cookie: Bytes,
        /// Whether deleted objects are told of.
        sees_deleted: bool,
    },
    /// After the change of this number.
    Usn {
        usn: u64,
        /// Whether deleted objects can be seen. If not, who is gone is found by comparing.
        sees_deleted: bool,
    },
    /// After what this cookie of RFC 4533 stands for.
    Sync { cookie: Bytes },
    /// At this time of the server's.
    Timestamp {
        since: String,
        /// What the branches of the tree were called.
        branches: Fingerprint,
    },
}

impl Position {
    fn method(&self) -> &'static str {
        match self {
            Self::Dirsync { .. } => "dirsync",
            Self::Usn { .. } => "usn",
            Self::Sync { .. } => "sync",
            Self::Timestamp { .. } => "timestamp",
        }
    }
}

/// How much a server knows, in a form that can be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mark {
    /// The number of a domain controller's latest change; each counts for itself.
    Usn(u64),
    /// The latest change from each server of an OpenLDAP site, whichever of them is asked.
    Csn(BTreeMap<String, String>),
}

impl Mark {
    /// From the values of `contextCSN`: `20260101120000.000000Z#000000#001#000000`, with the server's number third.
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

    /// What is known at either of two marks of the same kind; of two kinds, the one that is there now.
    pub(crate) fn later(before: Option<Self>, now: Option<Self>) -> Option<Self> {
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

    /// Whether less is known than at the other mark, for two marks that can be compared.
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

/// Bytes, kept as hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        bytes.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for Bytes {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        crate::anchor::hex_bytes(&text).map(Self).ok_or("a cookie is kept as hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csns(values: &[&str]) -> Mark {
        Mark::of_csns(&values.iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_replica_that_lacks_anything_is_behind() {
        let early = "20260101120000.000000Z#000000#001#000000";
        let late = "20260101120000.000001Z#000000#001#000000";
        let other = "20250101120000.000000Z#000000#002#000000";
        assert!(csns(&[early]).is_behind(&csns(&[late])));
        assert!(!csns(&[late]).is_behind(&csns(&[early])));
        assert!(!csns(&[late, other]).is_behind(&csns(&[late])));
        assert!(csns(&[late]).is_behind(&csns(&[early, other])));
        assert!(Mark::Usn(7).is_behind(&Mark::Usn(8)));
        assert!(!Mark::Usn(8).is_behind(&Mark::Usn(8)));
    }

    #[test]
    fn what_was_acted_upon_is_not_forgotten() {
        let cursor = |server: u8, mark: Mark| Cursor {
            server: Fingerprint([server; 16]),
            invocation: None,
            mark: Some(mark),
            asked: Fingerprint([0; 16]),
            position: Some(Position::Usn { usn: 5, sees_deleted: true }),
            groups: Vec::new(),
            read_at: UnixSeconds(0),
        };
        let last = cursor(1, Mark::Usn(7));
        let same = cursor(1, Mark::Usn(9)).before_writes(Some(&last));
        assert_eq!((same.mark, same.position.is_some()), (Some(Mark::Usn(9)), true));
        let behind = cursor(1, Mark::Usn(3)).before_writes(Some(&last));
        assert_eq!(behind.mark, Some(Mark::Usn(7)));
        let other = cursor(2, Mark::Usn(3)).before_writes(Some(&last));
        assert_eq!((other.mark, other.position), (Some(Mark::Usn(3)), None));
        // Marks that mean the same everywhere add up.
        let (one, two) = ("20260101120000.000000Z#0#001#0", "20260101120000.000000Z#0#002#0");
        let both = cursor(2, csns(&[two])).before_writes(Some(&cursor(1, csns(&[one]))));
        assert!(!both.mark.unwrap().is_behind(&csns(&[one, two])));
    }

    #[test]
    fn a_cookie_is_kept_as_it_is() {
        let position = Position::Sync { cookie: Bytes(b"rid=000,csn=\x00\xff".to_vec()) };
        let text = serde_json::to_string(&position).unwrap();
        assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), position);
        assert!(serde_json::from_str::<Position>(r#"{"by":"sync","cookie":"0x"}"#).is_err());
    }
}
