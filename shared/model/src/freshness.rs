//! How recent a server's data is, compared with what the reads behind the last snapshot knew.

use serde::{Deserialize, Serialize};

use crate::{AnchorHash, Fingerprint, Fingerprinter};

/// Result of the comparison, with its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The server has shown that it knows at least as much.
    Proved(FreshnessProof),
    /// The server lacks changes that an earlier read saw, as this mark shows.
    Behind(FreshnessMark),
    /// The server has shown neither.
    Unproved {
        /// Why the comparison is not possible.
        doubt: FreshnessDoubt,
        /// Removals that the complete read of the same server before this one called for.
        agreed: Option<RemovalSet>,
    },
}

impl Default for Freshness {
    fn default() -> Self {
        Self::Unproved { doubt: FreshnessDoubt::NotCompared, agreed: None }
    }
}

/// What shows that a server's data is recent enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreshnessProof {
    /// There is no earlier read to compare with.
    FirstRead,
    /// A mark that is not lower than at the last read.
    Mark(FreshnessMark),
    /// Two complete reads of the server in a row that call for the same removals.
    SecondRead,
    /// The read calls for no removal, so there is nothing to prove.
    NothingMissing,
    /// The approval of an administrator.
    Accepted,
}

impl std::fmt::Display for FreshnessProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FirstRead => f.write_str("first read"),
            Self::Mark(mark) => mark.fmt(f),
            Self::SecondRead => f.write_str("second complete read of the same server"),
            Self::NothingMissing => f.write_str("no user is missing"),
            Self::Accepted => f.write_str("the server was accepted"),
        }
    }
}

/// Kind of mark by which a server shows how recent its data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreshnessMark {
    /// A domain controller's number of its latest change.
    ChangeNumber,
    /// A domain controller's list of the changes that it has from the others.
    ReplicationCursor,
    /// OpenLDAP's latest change of each writing server.
    ContextCsn,
    /// The latest modification or creation among the entries read.
    NewestChange,
}

impl std::fmt::Display for FreshnessMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ChangeNumber => "highestCommittedUSN",
            Self::ReplicationCursor => "msDS-NCReplCursors",
            Self::ContextCsn => "contextCSN",
            Self::NewestChange => "newest modifyTimestamp",
        })
    }
}

/// Why a server's data can't be compared with that of the last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FreshnessDoubt {
    /// No comparison was made.
    #[error("the server's data was not compared with that of the last read")]
    NotCompared,
    /// The server is another one, and has no mark that both share.
    #[error("another server answered than at the last read, and it does not show that it has every change")]
    OtherServer,
    /// The server holds another directory: its root entry has another anchor. Two reads that agree are no proof.
    #[error("another directory of the same name answered: its root entry is another one")]
    OtherDirectory,
    /// The marks are of other writing servers: a provider was replaced, or its serverID retired.
    #[error(
        "contextCSN names other writing servers (serverID) than at the last read, so it can't be compared"
    )]
    OtherWriters,
    /// The server showed a mark at the last read, and shows none now.
    #[error("the server no longer shows {0}; a server that still receives its data shows none, too")]
    MarkGone(FreshnessMark),
    /// The entries with the latest changes are missing: they were deleted, or have not reached this server.
    #[error(
        "the newest entries of the last read are missing: they were deleted, or have not reached this server"
    )]
    NewestMissing,
    /// The server has no mark at all.
    #[error(
        "the server shows neither contextCSN nor, without replication, modifyTimestamp, so nothing shows how recent its data is"
    )]
    NoMark,
}

/// Complete read of a server that has not shown how recent its data is. `confirm` turns it into the proof that removals
/// require.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoubtfulRead {
    pub(crate) pages: usize,
    pub(crate) doubt: FreshnessDoubt,
    pub(crate) agreed: Option<RemovalSet>,
}

impl DoubtfulRead {
    /// Why the server's data can't be compared with that of the last read.
    pub fn doubt(&self) -> FreshnessDoubt {
        self.doubt
    }

    /// What the removals of the read wait for.
    pub fn awaits(&self) -> &'static str {
        match self.doubt {
            FreshnessDoubt::OtherDirectory => "an approval",
            _ => "the next complete read of this server, which must call for the same",
        }
    }
}

impl std::fmt::Display for DoubtfulRead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.doubt.fmt(f)
    }
}

/// Identity of the users that a read plans to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalSet {
    /// Hash of the users, in any order.
    pub hash: Fingerprint,
    /// Number of users.
    pub count: u64,
}

impl RemovalSet {
    /// The set of these users.
    pub fn of(mut users: Vec<AnchorHash>) -> Self {
        users.sort_unstable();
        users.dedup();
        let mut hash = Fingerprinter::new("provisioner 2026 removals in doubt");
        users.iter().for_each(|user| hash.bytes(&user.0));
        Self { hash: hash.finish(), count: users.len() as u64 }
    }
}
