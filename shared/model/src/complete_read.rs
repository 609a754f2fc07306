//! The proof that a read of the directory was complete.

use std::collections::HashSet;

use crate::AnchorHash;

/// What was seen while the directory was read, gathered by the reader and judged in one place.
#[derive(Clone, Debug, Default)]
pub struct ReadEvidence {
    /// The LDAP result code of each page, in order.
    pub page_results: Vec<u32>,
    /// Whether the last page came with an empty cookie, which says that there are no more.
    pub ended_by_server: bool,
    /// References to other servers that were not followed.
    pub unfollowed_referrals: usize,
    /// Entries that could not be decoded, so that it is unknown who they were.
    pub undecodable_entries: usize,
    /// Whether the base entry could be read before the first page and after the last.
    pub base_readable: (bool, bool),
    /// The server's identity before the first page and after the last.
    pub server: (String, String),
    /// Whether the server knows at least what was known at the read before.
    pub freshness: Freshness,
    /// For a read of what has changed: of whom the server spoke. `None` for a read of everybody.
    pub named: Option<HashSet<AnchorHash>>,
}

/// What a server knows, next to what was known at the read before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// As much or more; or nothing was read before, or the server says nothing about it.
    #[default]
    NotOlder,
    /// Less.
    Older,
    /// It is another server than before, and does not say how much it has taken over from that one.
    Unknown,
}

/// Why a read doesn't count as complete. Nobody is removed after such a read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncompleteRead {
    /// The connection failed or the server answered something that is not LDAP.
    #[error("the read broke off: {0}")]
    BrokeOff(String),
    /// A page ended with an error, such as a size limit.
    #[error("page {page} ended with LDAP result {code} ({meaning})")]
    Refused {
        /// Counted from 1.
        page: usize,
        /// The LDAP result code.
        code: u32,
        /// What that code means.
        meaning: &'static str,
    },
    /// No page was read at all, or the server did not say that the last one was the last.
    #[error("the server did not say that its last page was the last")]
    NoEnd,
    /// Part of the data lies on another server.
    #[error("{0} referral(s) to other servers were not followed")]
    Referrals(usize),
    /// Somebody could not be identified, and must not be taken for gone.
    #[error("{0} entries could not be identified")]
    Undecodable(usize),
    /// The account used for reading can't see the base entry, so an empty answer proves nothing.
    #[error("the base entry could not be read {0} the search")]
    BaseUnreadable(&'static str),
    /// Another server answered at the end than at the start.
    #[error("the server changed during the read")]
    ServerChanged,
    /// A replica that is behind, or a server that was restored from a backup.
    #[error(
        "the server knows less than was known at the last read: it has not caught up, or was restored from a backup"
    )]
    Behind,
    /// Another domain controller, say. Those who are new might not have come to it yet.
    #[error(
        "another server answered than at the last read, and it does not show that it has caught up; who is missing on it is judged at the next full read from it"
    )]
    AnotherServer,
}

/// Proof that one read saw everybody in scope, or that a read of the changes saw all of them. Removals can't be planned
/// without it.
///
/// The fields are private, so it can't be made up:
///
/// ```compile_fail
/// let proof = model::CompleteRead { pages: 1 };
/// ```
#[derive(Debug)]
pub struct CompleteRead {
    pages: usize,
    named: Option<HashSet<AnchorHash>>,
}

impl CompleteRead {
    /// Judges the evidence. Only the directory crate gathers any; `clippy.toml` refuses other callers.
    pub fn verify(evidence: ReadEvidence) -> Result<Self, IncompleteRead> {
        let ReadEvidence {
            page_results,
            ended_by_server,
            unfollowed_referrals,
            undecodable_entries,
            base_readable,
            server,
            freshness,
            named,
        } = evidence;
        if let Some(at) = page_results.iter().position(|code| *code != 0) {
            let code = page_results.get(at).copied().unwrap_or_default();
            return Err(IncompleteRead::Refused { page: at + 1, code, meaning: result_meaning(code) });
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
        match base_readable {
            (true, true) => {}
            (false, _) => return Err(IncompleteRead::BaseUnreadable("before")),
            (true, false) => return Err(IncompleteRead::BaseUnreadable("after")),
        }
        if server.0 != server.1 {
            return Err(IncompleteRead::ServerChanged);
        }
        match freshness {
            Freshness::NotOlder => {}
            Freshness::Older => return Err(IncompleteRead::Behind),
            Freshness::Unknown => return Err(IncompleteRead::AnotherServer),
        }
        Ok(Self { pages: page_results.len(), named })
    }

    /// How many pages the read had.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Whether not having been seen means that this user left: after a read of everybody always, after a read of the
    /// changes only if the server named the user.
    pub fn accounts_for(&self, user: &AnchorHash) -> bool {
        self.named.as_ref().is_none_or(|named| named.contains(user))
    }
}

/// What an LDAP result code means (RFC 4511, appendix A), for those that reading a directory can end with.
pub fn result_meaning(code: u32) -> &'static str {
    match code {
        0 => "success",
        1 => "operations error",
        2 => "protocol error",
        3 => "time limit exceeded",
        4 => "size limit exceeded",
        7 => "authentication method not supported",
        8 => "stronger authentication required",
        10 => "referral",
        11 => "administrative limit exceeded",
        12 => "critical extension unavailable",
        13 => "confidentiality required",
        18 => "inappropriate matching",
        32 => "no such object",
        34 => "invalid DN",
        48 => "inappropriate authentication",
        49 => "invalid credentials",
        50 => "insufficient access rights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling to perform",
        _ => "other",
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "this tests the judgement itself")]
mod tests {
    use super::*;

    fn good() -> ReadEvidence {
        ReadEvidence {
            page_results: vec![0, 0],
            ended_by_server: true,
            unfollowed_referrals: 0,
            undecodable_entries: 0,
            base_readable: (true, true),
            server: ("a".into(), "a".into()),
            freshness: Freshness::NotOlder,
            named: None,
        }
    }

    #[test]
    fn good_evidence_is_a_proof() {
        assert_eq!(CompleteRead::verify(good()).unwrap().pages(), 2);
    }

    #[test]
    fn changes_speak_of_those_whom_they_name() {
        let hash = |text: &str| crate::Anchor::from_text(text).unwrap().hash();
        let changes =
            CompleteRead::verify(ReadEvidence { named: Some([hash("ada")].into()), ..good() }).unwrap();
        assert!(changes.accounts_for(&hash("ada")));
        assert!(!changes.accounts_for(&hash("grace")));
        assert!(CompleteRead::verify(good()).unwrap().accounts_for(&hash("grace")));
    }

    #[test]
    fn each_single_doubt_refutes_it() {
        let doubts: [fn(&mut ReadEvidence); 11] = [
            |e| e.page_results = vec![],
            |e| e.page_results = vec![0, 4],
            |e| e.page_results = vec![52, 0],
            |e| e.ended_by_server = false,
            |e| e.unfollowed_referrals = 1,
            |e| e.undecodable_entries = 1,
            |e| e.base_readable.0 = false,
            |e| e.base_readable.1 = false,
            |e| e.server.1 = "b".into(),
            |e| e.freshness = Freshness::Older,
            |e| e.freshness = Freshness::Unknown,
        ];
        for (number, doubt) in doubts.into_iter().enumerate() {
            let mut evidence = good();
            doubt(&mut evidence);
            assert!(CompleteRead::verify(evidence).is_err(), "doubt {number}");
        }
    }
}
