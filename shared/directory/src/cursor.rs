//! State of one read that the next one continues from.

use model::{Anchor, DnKey, Fingerprint, FreshnessMark, RemovalSet, UnixSeconds};
use serde::{Deserialize, Serialize};

use crate::server_state::{ServerState, UnprovedServer};

/// Position up to which a directory was read. It belongs to one server, one query and one method of change detection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Server of the read.
    pub(crate) server: Fingerprint,
    /// What the reads behind the snapshot knew. A server that does not show that it knows all of it proves no departure.
    pub(crate) known: Vec<ServerState>,
    /// The last complete read of a server that did not show it.
    pub(crate) unproved: Option<UnprovedServer>,
    pub(crate) query: Fingerprint,
    /// Position for change detection; `None` where the server supports none.
    pub(crate) position: Option<CursorPosition>,
    /// Groups in scope: the configured one and those nested in it.
    pub(crate) groups: Vec<KnownGroup>,
    pub(crate) read_at: UnixSeconds,
}

/// Group in scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct KnownGroup {
    /// `None` if the bind account can't read it.
    pub(crate) anchor: Option<Anchor>,
    pub(crate) dn: String,
}

impl KnownGroup {
    /// Whether it is one of these groups, possibly renamed.
    pub(crate) fn is_among(&self, groups: &[Self]) -> bool {
        groups.iter().any(|other| match (&self.anchor, &other.anchor) {
            (Some(one), Some(other)) => one == other,
            _ => DnKey::of(&self.dn) == DnKey::of(&other.dn),
        })
    }
}

impl Cursor {
    /// Whether an incremental read can start here.
    pub fn is_resumable(&self) -> bool {
        self.position.is_some() && !self.is_unproved()
    }

    /// Whether the server of the last read has not shown how recent its data is. A second full read decides.
    pub fn is_unproved(&self) -> bool {
        self.unproved.is_some()
    }

    /// Whether both cursors belong to the same query of the same directory.
    pub fn is_same_query(&self, other: &Self) -> bool {
        self.server == other.server && self.query == other.query
    }

    /// The mark by which the server shows how recent its data is; `None` if it shows none.
    pub fn mark(&self) -> Option<FreshnessMark> {
        let state = self.known.iter().find(|state| state.identity == self.server)?;
        match &state.replication {
            Some(replication) => Some(replication.mark()),
            None => state.newest.as_ref().map(|_| FreshnessMark::NewestChange),
        }
    }

    /// Cursor to store before the first write of a read; `last` is the cursor of the read before.
    ///
    /// It keeps `last`'s position and adds what the server knows to what was known. If the read or the writer fails, an older
    /// server is then still recognised as older than what was written.
    pub fn before_writes(&self, last: Option<&Self>) -> Self {
        let mut known = last.map(|last| last.known.clone()).unwrap_or_default();
        self.known.iter().for_each(|state| state.add_to(&mut known));
        match last.filter(|last| last.server == self.server) {
            Some(last) => Self { known, ..last.clone() },
            // The position is valid only after a read that ended, and the agreement of two reads only without a third server.
            None => Self { known, position: None, unproved: None, ..self.clone() },
        }
    }

    /// Cursor after the removals of an unproved server were confirmed: from now on it is what is known.
    pub fn confirmed(mut self) -> Self {
        if let Some(UnprovedServer { state, .. }) = self.unproved.take() {
            self.known = vec![state];
        }
        self
    }

    /// Cursor that remembers which removals the read of an unproved server called for.
    pub fn doubted(mut self, removals: RemovalSet) -> Self {
        if let Some(unproved) = &mut self.unproved {
            unproved.removals = Some(removals);
        }
        self
    }

    /// Hash by which an administrator accepts the unproved server.
    pub fn acceptance(&self) -> Option<Fingerprint> {
        self.unproved.as_ref().map(UnprovedServer::hash)
    }

    /// Cursor after an administrator has accepted the unproved server.
    pub fn accepted(mut self) -> Self {
        self.unproved.iter_mut().for_each(|unproved| unproved.is_accepted = true);
        self
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
    use crate::server_state::ReplicationState;

    fn cursor(server: u8, usn: u64) -> Cursor {
        let identity = Fingerprint([server; 16]);
        let replication = Some(ReplicationState::Usn(usn));
        let site = Some(Fingerprint([0; 16]));
        Cursor {
            server: identity,
            known: vec![ServerState { identity, site, invocation: None, replication, newest: None }],
            unproved: None,
            query: Fingerprint([0; 16]),
            position: Some(CursorPosition::Sync { cookie: SyncCookie(vec![5]) }),
            groups: Vec::new(),
            read_at: UnixSeconds(0),
        }
    }

    #[test]
    fn cursor_before_writes_knows_what_both_servers_know() {
        let last = cursor(1, 7);
        let same = cursor(1, 9).before_writes(Some(&last));
        assert_eq!(same, Cursor { known: cursor(1, 9).known, ..last.clone() });
        let behind = cursor(1, 3).before_writes(Some(&last));
        assert_eq!(behind, last);
        let other = cursor(2, 3).before_writes(Some(&last));
        assert_eq!(other.known, [last.known, cursor(2, 3).known].concat());
        assert_eq!((other.server, other.position), (Fingerprint([2; 16]), None));
    }

    #[test]
    fn another_server_ends_the_agreement_of_two_reads() {
        let state = cursor(1, 3).known.remove(0);
        let unproved = UnprovedServer { state: state.clone(), removals: None, is_accepted: false };
        let doubtful =
            Cursor { unproved: Some(unproved), ..cursor(1, 7) }.doubted(RemovalSet::of(Vec::new()));
        assert!(!doubtful.is_resumable());
        assert_eq!(cursor(1, 3).before_writes(Some(&doubtful)).unproved, doubtful.unproved);
        assert_eq!(cursor(2, 3).before_writes(Some(&doubtful)).unproved, None);
        assert_eq!(doubtful.confirmed(), Cursor { known: vec![state], ..cursor(1, 7) });
    }

    #[test]
    fn cookie_survives_serialisation() {
        let position = CursorPosition::Sync { cookie: SyncCookie(b"rid=000,csn=\x00\xff".to_vec()) };
        let text = serde_json::to_string(&position).unwrap();
        assert_eq!(serde_json::from_str::<CursorPosition>(&text).unwrap(), position);
        assert!(serde_json::from_str::<CursorPosition>(r#"{"by":"sync","cookie":"0x"}"#).is_err());
    }
}
