//! Proof that a read of the directory was complete.

use std::collections::HashSet;

use crate::freshness::{DoubtfulRead, Freshness, FreshnessDoubt, FreshnessMark, FreshnessProof};
use crate::{AnchorHash, RemovalSet};

/// Evidence that the reader collects, verified by [`CompleteRead::verify`] alone.
#[derive(Clone, Debug, Default)]
pub struct ReadEvidence {
    /// LDAP result code of each page, in order.
    pub page_results: Vec<u32>,
    /// Whether the last page had an empty cookie, which marks the end.
    pub ended_by_server: bool,
    /// Number of referrals to other servers that were not followed.
    pub unfollowed_referrals: usize,
    /// Number of entries that could not be decoded, and so have no known anchor.
    pub undecodable_entries: usize,
    /// Why users in scope may be hidden from the reading account.
    pub hidden: Option<String>,
    /// Whether the base entry was readable before the first page and after the last.
    pub base_readable: (bool, bool),
    /// Identity of the server before the first page and after the last.
    pub server: (String, String),
    /// How recent the server's data is, with the mark that shows it.
    pub freshness: Freshness,
    /// For an incremental read, the users that the server reported. `None` for a full read.
    pub named: Option<HashSet<AnchorHash>>,
}

/// Why a read is not complete. No account is deprovisioned after such a read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncompleteRead {
    /// The connection failed, or the server sent something other than LDAP.
    #[error("the read was interrupted: {0}")]
    BrokeOff(String),
    /// A page ended with an error, such as a size limit.
    #[error("page {page} ended with LDAP result {code} ({meaning}){}", page_advice(*code))]
    Refused {
        /// Number of the page, from 1.
        page: usize,
        /// LDAP result code.
        code: u32,
        /// Meaning of the code.
        meaning: &'static str,
    },
    /// No page was read, or the last page did not mark the end.
    #[error(
        "the server did not mark the end of its results; a proxy before it may remove the paging control"
    )]
    NoEnd,
    /// Part of the data is on another server.
    #[error("{0} referral(s) to other servers were not followed")]
    Referrals(usize),
    /// Entries without a known anchor may belong to users that seem to be missing.
    #[error("{0} entries could not be identified")]
    Undecodable(usize),
    /// The bind account can't read the base entry, so an empty result proves nothing.
    #[error("the base entry could not be read {0} the search")]
    BaseUnreadable(&'static str),
    /// A group can't be seen completely, or the reading account lacks a right.
    #[error("users in scope may be hidden: {0}")]
    Hidden(String),
    /// The server at the end is not the server of the start.
    #[error("the server changed during the read")]
    ServerChanged,
    /// The server is a replica that lags, or was restored from a backup. Its entries are old, so they are not read.
    #[error(
        "the server's data is older than at the last read ({0}): the server has not replicated yet, or was restored from \
         a backup"
    )]
    Behind(FreshnessMark),
    /// Every entry was read, and the server has not shown how recent they are.
    #[error("{0}")]
    Doubtful(DoubtfulRead),
}

/// Proof that a full read returned every user in scope, or that an incremental read returned every change, and that the
/// server knew at least what the reads behind the last snapshot knew. Planning a removal requires it.
///
/// The fields are private, so other crates can't construct it:
///
/// ```compile_fail
/// let proof = model::CompleteRead { pages: 1 };
/// ```
#[derive(Debug)]
pub struct CompleteRead {
    pages: usize,
    named: Option<HashSet<AnchorHash>>,
    freshness: FreshnessProof,
}

impl CompleteRead {
    /// Verifies the evidence. `clippy.toml` refuses callers outside the directory crate.
    pub fn verify(evidence: ReadEvidence) -> Result<Self, IncompleteRead> {
        let ReadEvidence {
            page_results,
            ended_by_server,
            unfollowed_referrals,
            undecodable_entries,
            hidden,
            base_readable,
            server,
            freshness,
            named,
        } = evidence;
        if let Some((at, code)) = page_results.iter().enumerate().find(|(_, code)| **code != 0) {
            return Err(IncompleteRead::Refused {
                page: at + 1,
                code: *code,
                meaning: result_meaning(*code),
            });
        }
        if page_results.is_empty() || !ended_by_server {
            return Err(IncompleteRead::NoEnd);
        }
        if unfollowed_referrals > 0 {
            return Err(IncompleteRead::Referrals(unfollowed_referrals));
        }
        if undecodable_entries > 0 {
            return Err(IncompleteRead::Undecodable(undecodable_entries));
        }
        if let Some(why) = hidden {
            return Err(IncompleteRead::Hidden(why));
        }
        match base_readable {
            (true, true) => {}
            (false, _) => return Err(IncompleteRead::BaseUnreadable("before")),
            (true, false) => return Err(IncompleteRead::BaseUnreadable("after")),
        }
        if server.0 != server.1 {
            return Err(IncompleteRead::ServerChanged);
        }
        let pages = page_results.len();
        match freshness {
            Freshness::Proved(freshness) => Ok(Self { pages, named, freshness }),
            Freshness::Behind(mark) => Err(IncompleteRead::Behind(mark)),
            Freshness::Unproved { doubt, agreed } => {
                Err(IncompleteRead::Doubtful(DoubtfulRead { pages, doubt, agreed }))
            }
        }
    }

    /// Number of pages read.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// What shows that the server's data is recent enough.
    pub fn freshness(&self) -> FreshnessProof {
        self.freshness
    }

    /// Whether the absence of this user from the read proves that the user left: always after a full read, and after an
    /// incremental read only if the server named the user.
    pub fn accounts_for(&self, user: &AnchorHash) -> bool {
        self.named.as_ref().is_none_or(|named| named.contains(user))
    }
}

impl DoubtfulRead {
    /// The proof, if the read calls for no removal, or for the same ones as the complete read of this server before it.
    pub fn confirm(self, removals: RemovalSet) -> Result<CompleteRead, Self> {
        let freshness = match self.agreed {
            _ if removals.count == 0 => FreshnessProof::NothingMissing,
            Some(agreed) if agreed == removals && self.doubt != FreshnessDoubt::OtherDirectory => {
                FreshnessProof::SecondRead
            }
            _ => return Err(self),
        };
        Ok(CompleteRead { pages: self.pages, named: None, freshness })
    }
}

/// Remedy for the result code of a page.
fn page_advice(code: u32) -> &'static str {
    match code {
        3 => "; raise the server's time limit for the reading account",
        4 | 11 => "; raise the server's limits for the reading account, or lower directory.page_size",
        _ => "",
    }
}

/// Meanings of the LDAP result codes that a read can end with (RFC 4511, appendix A).
const RESULT_MEANINGS: [(u32, &str); 20] = [
    (0, "success"),
    (1, "operations error"),
    (2, "protocol error"),
    (3, "time limit exceeded"),
    (4, "size limit exceeded"),
    (7, "authentication method not supported"),
    (8, "stronger authentication required"),
    (10, "referral"),
    (11, "administrative limit exceeded"),
    (12, "critical extension unavailable"),
    (13, "confidentiality required"),
    (18, "inappropriate matching"),
    (32, "no such object"),
    (34, "invalid DN"),
    (48, "inappropriate authentication"),
    (49, "invalid credentials"),
    (50, "insufficient access rights"),
    (51, "busy"),
    (52, "unavailable"),
    (53, "unwilling to perform"),
];

/// The meaning of an LDAP result code.
pub fn result_meaning(code: u32) -> &'static str {
    RESULT_MEANINGS.iter().find(|(known, _)| *known == code).map_or("other", |(_, meaning)| meaning)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the verification itself is under test")]
mod tests {
    use super::*;

    #[test]
    fn result_codes_have_the_meanings_of_the_rfc() {
        assert_eq!(result_meaning(4), "size limit exceeded");
        assert_eq!(result_meaning(32), "no such object");
        assert_eq!(result_meaning(54), "other");
    }

    fn complete() -> ReadEvidence {
        ReadEvidence {
            page_results: vec![0, 0],
            ended_by_server: true,
            unfollowed_referrals: 0,
            undecodable_entries: 0,
            hidden: None,
            base_readable: (true, true),
            server: ("a".into(), "a".into()),
            freshness: Freshness::Proved(FreshnessProof::FirstRead),
            named: None,
        }
    }

    #[test]
    fn complete_evidence_is_a_proof() {
        assert_eq!(CompleteRead::verify(complete()).unwrap().pages(), 2);
    }

    #[test]
    fn incremental_read_accounts_for_named_users_only() {
        let hash = |text: &str| crate::Anchor::from_text(text).unwrap().hash();
        let named = Some([hash("ada")].into());
        let incremental = CompleteRead::verify(ReadEvidence { named, ..complete() }).unwrap();
        assert!(incremental.accounts_for(&hash("ada")));
        assert!(!incremental.accounts_for(&hash("grace")));
        assert!(CompleteRead::verify(complete()).unwrap().accounts_for(&hash("grace")));
    }

    #[test]
    fn each_doubt_refutes_the_read() {
        type Doubt = fn(&mut ReadEvidence);
        let doubts: [(Doubt, &str); 13] = [
            (|e| e.page_results = vec![], "did not mark the end"),
            (|e| e.page_results = vec![0, 4], "page 2 ended with LDAP result 4 (size limit exceeded)"),
            (|e| e.page_results = vec![52, 0], "page 1 ended with LDAP result 52 (unavailable)"),
            (|e| e.ended_by_server = false, "did not mark the end"),
            (|e| e.unfollowed_referrals = 1, "1 referral(s)"),
            (|e| e.undecodable_entries = 1, "1 entries could not be identified"),
            (|e| e.hidden = Some("a group".into()), "users in scope may be hidden: a group"),
            (|e| e.base_readable.0 = false, "could not be read before the search"),
            (|e| e.base_readable.1 = false, "could not be read after the search"),
            (|e| e.server.1 = "b".into(), "the server changed"),
            (
                |e| e.freshness = Freshness::Behind(FreshnessMark::ContextCsn),
                "older than at the last read (contextCSN)",
            ),
            (|e| e.freshness = Freshness::default(), "not compared"),
            (
                |e| e.freshness = Freshness::Unproved { doubt: FreshnessDoubt::OtherServer, agreed: None },
                "another server answered",
            ),
        ];
        for (doubt, message) in doubts {
            let mut evidence = complete();
            doubt(&mut evidence);
            let error = CompleteRead::verify(evidence).unwrap_err().to_string();
            assert!(error.contains(message), "{error} should contain {message}");
        }
    }

    #[test]
    fn doubtful_read_proves_what_two_reads_agree_on() {
        let set = |users: &[u8]| RemovalSet::of(users.iter().map(|byte| AnchorHash([*byte; 16])).collect());
        let doubtful = |agreed| {
            let freshness = Freshness::Unproved { doubt: FreshnessDoubt::OtherServer, agreed };
            match CompleteRead::verify(ReadEvidence { freshness, ..complete() }) {
                Err(IncompleteRead::Doubtful(read)) => read,
                other => panic!("{other:?}"),
            }
        };
        assert!(doubtful(None).confirm(set(&[1])).is_err(), "the first read");
        assert!(doubtful(Some(set(&[2]))).confirm(set(&[1])).is_err(), "another user");
        assert!(
            doubtful(Some(set(&[1, 2]))).confirm(set(&[1])).is_err(),
            "fewer users: the server still receives entries"
        );
        let proof = doubtful(Some(set(&[2, 1]))).confirm(set(&[1, 2])).unwrap();
        assert_eq!(proof.freshness(), FreshnessProof::SecondRead);
        let other = DoubtfulRead { doubt: FreshnessDoubt::OtherDirectory, ..doubtful(Some(set(&[1]))) };
        assert!(other.confirm(set(&[1])).is_err(), "another directory agrees with itself");
        assert_eq!(doubtful(None).confirm(set(&[])).unwrap().freshness(), FreshnessProof::NothingMissing);
    }
}
