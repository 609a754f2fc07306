//! What one server knows, and its comparison with what the reads behind the snapshot knew.
//!
//! Marks are compared within one identity only: a domain controller's change number with its own, the newest change with
//! that of the same address, and `contextCSN` between the servers that replicate one directory.

use std::collections::BTreeMap;

use model::{Fingerprint, Fingerprinter, FreshnessDoubt, FreshnessMark, RemovalSet};
use serde::{Deserialize, Serialize};

/// What a server knew at the end of a read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerState {
    /// Equal for the same server with the same data.
    pub(crate) identity: Fingerprint,
    /// Equal for all servers that replicate one directory; `None` if its root entry has no readable anchor.
    pub(crate) site: Option<Fingerprint>,
    /// Id of a domain controller's database. A restored database gets another one.
    pub(crate) invocation: Option<String>,
    pub(crate) replication: Option<ReplicationState>,
    /// Time of the latest change among the entries read, by the server's clock. It is read only where the server shows no
    /// replication state.
    pub(crate) newest: Option<String>,
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

/// A complete read of a server that has not shown how recent its data is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnprovedServer {
    pub(crate) state: ServerState,
    /// Removals that the read called for; `None` if it did not get that far.
    pub(crate) removals: Option<RemovalSet>,
    /// Whether an administrator has accepted the server.
    pub(crate) is_accepted: bool,
}

/// Result of a comparison of two states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StateComparison {
    /// Everything is known.
    Covered(FreshnessMark),
    /// Something is missing.
    Behind(FreshnessMark),
    /// The states can't be compared.
    Doubtful(FreshnessDoubt),
    /// It depends on the domain controller's list of changes: that database, up to that number.
    ByReplicationCursor(String, u64),
    /// It depends on the latest change among the entries, which must be at least as late.
    ByNewestChange(String),
}

impl UnprovedServer {
    /// Hash by which an administrator accepts the server.
    pub(crate) fn hash(&self) -> Fingerprint {
        let mut hash = Fingerprinter::new("provisioner 2026 accepted server");
        hash.bytes(&self.state.identity.0);
        hash.finish()
    }
}

impl ServerState {
    /// Compares this state of now with an earlier one.
    pub(crate) fn compare(&self, before: &Self) -> StateComparison {
        use StateComparison::{ByNewestChange, ByReplicationCursor, Doubtful};
        if self.site.zip(before.site).is_some_and(|(site, before)| site != before) {
            return Doubtful(FreshnessDoubt::OtherDirectory);
        }
        let is_same = self.identity == before.identity;
        let is_site = self.site.is_some() && self.site == before.site;
        match (&self.replication, &before.replication) {
            (Some(ReplicationState::Csn(now)), Some(ReplicationState::Csn(before_csn)))
                if is_same || is_site =>
            {
                compare_csns(now, before_csn)
            }
            (Some(ReplicationState::Usn(now)), Some(ReplicationState::Usn(usn))) if is_same => {
                by_mark(now >= usn, FreshnessMark::ChangeNumber)
            }
            (_, Some(ReplicationState::Usn(usn))) if !is_same => match &before.invocation {
                Some(invocation) => ByReplicationCursor(invocation.clone(), *usn),
                None => Doubtful(FreshnessDoubt::OtherServer),
            },
            (_, Some(gone)) if is_same => Doubtful(FreshnessDoubt::MarkGone(gone.mark())),
            (None, Some(gone @ ReplicationState::Csn(_))) if is_site => {
                Doubtful(FreshnessDoubt::MarkGone(gone.mark()))
            }
            (_, None) if is_same => match &before.newest {
                Some(newest) => ByNewestChange(newest.clone()),
                None => Doubtful(FreshnessDoubt::NoMark),
            },
            _ => Doubtful(FreshnessDoubt::OtherServer),
        }
    }

    /// Adds the state to those behind a snapshot. States of one server, or of one set of writing servers, become one.
    pub(crate) fn add_to(&self, known: &mut Vec<Self>) {
        let shares_writers = |other: &Self| match (&self.replication, &other.replication) {
            (Some(ReplicationState::Csn(now)), Some(ReplicationState::Csn(before))) => {
                self.site.is_some() && self.site == other.site && now.keys().eq(before.keys())
            }
            _ => false,
        };
        let same = known.iter_mut().find(|other| other.identity == self.identity || shares_writers(other));
        match same {
            Some(other) => {
                let replication =
                    ReplicationState::latest(other.replication.take(), self.replication.clone());
                let newest = self.newest.clone().max(other.newest.take());
                *other = Self { replication, newest, ..self.clone() };
            }
            None => known.push(self.clone()),
        }
    }
}

fn by_mark(is_covered: bool, mark: FreshnessMark) -> StateComparison {
    if is_covered { StateComparison::Covered(mark) } else { StateComparison::Behind(mark) }
}

/// A lower number of a shared writing server is behind. A missing writing server proves nothing: its id may have been
/// retired, or its changes may not have arrived.
fn compare_csns(now: &BTreeMap<String, String>, before: &BTreeMap<String, String>) -> StateComparison {
    let mut shared = before.iter().filter_map(|(id, csn)| now.get(id).map(|now| (now, csn)));
    if shared.any(|(now, csn)| now < csn) {
        return StateComparison::Behind(FreshnessMark::ContextCsn);
    }
    match before.keys().all(|id| now.contains_key(id)) {
        true => StateComparison::Covered(FreshnessMark::ContextCsn),
        false => StateComparison::Doubtful(FreshnessDoubt::OtherWriters),
    }
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

    pub(crate) fn mark(&self) -> FreshnessMark {
        match self {
            Self::Usn(_) => FreshnessMark::ChangeNumber,
            Self::Csn(_) => FreshnessMark::ContextCsn,
        }
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

    /// Whether changes of an earlier state of the same read are missing.
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

#[cfg(test)]
mod tests {
    use StateComparison::{Behind, ByNewestChange, ByReplicationCursor, Covered, Doubtful};

    use super::*;

    const A: Fingerprint = Fingerprint([1; 16]);
    const B: Fingerprint = Fingerprint([2; 16]);
    const SITE: Fingerprint = Fingerprint([9; 16]);

    fn state(
        identity: Fingerprint,
        replication: Option<ReplicationState>,
        newest: Option<&str>,
    ) -> ServerState {
        let newest = newest.map(str::to_owned);
        ServerState { identity, site: Some(SITE), invocation: None, replication, newest }
    }

    fn csn(values: &[(u32, u32)]) -> Option<ReplicationState> {
        let values =
            values.iter().map(|(time, id)| format!("20260101{time:06}.000000Z#000000#{id:03}#000000"));
        ReplicationState::of_csns(&values.collect::<Vec<_>>())
    }

    #[test]
    fn marks_are_compared_within_one_identity() {
        use FreshnessDoubt::{MarkGone, NoMark, OtherDirectory, OtherServer, OtherWriters};
        use FreshnessMark::{ChangeNumber, ContextCsn};
        let usn = |number| Some(ReplicationState::Usn(number));
        let of_ad = |identity, number| ServerState {
            invocation: Some("i".into()),
            ..state(identity, usn(number), None)
        };
        let other_site = ServerState { site: Some(Fingerprint([8; 16])), ..state(B, csn(&[(1, 1)]), None) };
        let time = "20260101000000Z";
        let cases = [
            (state(A, csn(&[(5, 1)]), None), state(A, csn(&[(5, 1)]), None), Covered(ContextCsn)),
            (state(B, csn(&[(6, 1), (1, 2)]), None), state(A, csn(&[(5, 1)]), None), Covered(ContextCsn)),
            (state(B, csn(&[(4, 1)]), None), state(A, csn(&[(5, 1)]), None), Behind(ContextCsn)),
            (state(B, csn(&[(4, 1)]), None), state(A, csn(&[(5, 1), (1, 2)]), None), Behind(ContextCsn)),
            (state(A, csn(&[(5, 1)]), None), state(A, csn(&[(5, 1), (1, 2)]), None), Doubtful(OtherWriters)),
            (state(B, csn(&[(9, 2)]), None), state(A, csn(&[(5, 1)]), None), Doubtful(OtherWriters)),
            (state(A, csn(&[(9, 1)]), None), other_site, Doubtful(OtherDirectory)),
            (state(A, None, Some(time)), state(A, csn(&[(5, 1)]), None), Doubtful(MarkGone(ContextCsn))),
            (state(B, None, Some(time)), state(A, csn(&[(5, 1)]), None), Doubtful(MarkGone(ContextCsn))),
            (state(A, usn(5), None), state(A, usn(5), None), Covered(ChangeNumber)),
            (state(A, usn(4), None), state(A, usn(5), None), Behind(ChangeNumber)),
            (state(A, None, None), state(A, usn(5), None), Doubtful(MarkGone(ChangeNumber))),
            (of_ad(B, 1), of_ad(A, 5), ByReplicationCursor("i".into(), 5)),
            (state(B, usn(9), None), state(A, usn(5), None), Doubtful(OtherServer)),
            (state(A, None, Some(time)), state(A, None, Some(time)), ByNewestChange(time.into())),
            (state(A, csn(&[(5, 1)]), Some(time)), state(A, None, Some(time)), ByNewestChange(time.into())),
            (state(A, None, Some(time)), state(A, None, None), Doubtful(NoMark)),
            (state(B, None, Some(time)), state(A, None, Some(time)), Doubtful(OtherServer)),
        ];
        for (now, before, expected) in cases {
            assert_eq!(now.compare(&before), expected, "{now:?} after {before:?}");
        }
    }

    #[test]
    fn states_of_one_server_or_one_set_of_writers_become_one() {
        let mut known = vec![state(A, csn(&[(5, 1)]), None)];
        state(B, csn(&[(4, 1)]), None).add_to(&mut known);
        assert_eq!(known, [state(B, csn(&[(5, 1)]), None)]);
        state(A, csn(&[(1, 2)]), None).add_to(&mut known);
        assert_eq!(known.len(), 2, "other writing servers");
        state(A, None, Some("2")).add_to(&mut known);
        state(A, None, Some("1")).add_to(&mut known);
        assert_eq!(known[1], state(A, csn(&[(1, 2)]), Some("2")));
    }

    #[test]
    fn replication_states_are_united() {
        let (before, now) = (csn(&[(5, 1), (3, 2)]), csn(&[(4, 1), (4, 2), (1, 3)]));
        assert_eq!(ReplicationState::latest(before.clone(), now), csn(&[(5, 1), (4, 2), (1, 3)]));
        assert_eq!(ReplicationState::latest(before.clone(), None), before);
        assert_eq!(ReplicationState::of_csns(&["no csn"]), None);
    }
}
