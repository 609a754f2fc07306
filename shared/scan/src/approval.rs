//! What a person lets through: held removals, or a configuration that would touch many users at once.
//!
//! An approval names what was seen, by hash. It is a ceiling, because the plan is made anew: whoever was held when it was
//! given, and still is, for the same reason, goes; nobody else does as long as somebody of them is left. Then the limits
//! count again, though not for those whom the ceiling has held.

use std::collections::BTreeSet;

use model::{
    AnchorHash, ChangeApproval, Fingerprint, HeldChange, HeldRemovals, HoldReason, RemovalApproval,
    SafeguardMemory, Status, UnixSeconds, UserRecord,
};
use plan::{ApprovedRemovals, DirectoryMatch, RemovalCandidate, SafeguardInputs};

use crate::writer::take_lease;
use crate::{ScanContext, ScanError};

/// How long an approval holds.
const APPROVAL_SECONDS: i64 = 24 * 60 * 60;

/// For how long a released removal counts against the day's limit.
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// So much of a hash tells one held set from another.
const SHORTEST_HASH: usize = 8;

/// What came of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// These removals go with the next scan.
    Removals(RemovalApproval),
    /// This configuration is applied by the next scan.
    Change(ChangeApproval),
    /// Nothing of that hash waits, or not any more.
    Nothing {
        /// The removals that wait.
        held: Option<HeldRemovals>,
        /// The configuration that waits.
        change: Option<HeldChange>,
    },
}

/// Lets through what waits under this hash, or the beginning of it. Nothing is done yet: the next scan plans anew.
pub async fn approve(context: &ScanContext<'_>, hash: &str) -> Result<Approval, ScanError> {
    let store = context.store;
    // Under the lease, so that no scan holds anybody else meanwhile.
    let lease = take_lease(context).await?;
    let memory = store.fetch_connection().await?.memory;
    let (approval, memory) = approved(memory, hash, (context.clock)());
    let kept = match approval {
        Approval::Nothing { .. } => Ok(true),
        Approval::Removals(_) | Approval::Change(_) => store.save_safety_memory(&lease, &memory).await,
    };
    store.release(lease, None, None).await?;
    if kept? { Ok(approval) } else { Err(ScanError::LeaseLost) }
}

fn approved(memory: SafeguardMemory, hash: &str, now: UnixSeconds) -> (Approval, SafeguardMemory) {
    let until = now.plus(APPROVAL_SECONDS);
    let is_meant = |known: Fingerprint| {
        hash.len() >= SHORTEST_HASH && known.to_string().starts_with(&hash.to_ascii_lowercase())
    };
    if let Some(set) = memory.held.filter(|set| is_meant(set.hash)) {
        let approval = RemovalApproval { set, until };
        return (Approval::Removals(approval), SafeguardMemory { approval: Some(approval), ..memory });
    }
    if let Some(change) = memory.change.filter(|change| is_meant(change.hash)) {
        let approval = ChangeApproval { change, until };
        let memory = SafeguardMemory { change_approval: Some(approval), ..memory };
        return (Approval::Change(approval), memory);
    }
    (Approval::Nothing { held: memory.held, change: memory.change }, memory)
}

/// What these removals are judged by.
pub(crate) async fn circumstances(
    context: &ScanContext<'_>,
    candidates: &[RemovalCandidate],
    directory_match: DirectoryMatch,
) -> Result<SafeguardInputs, ScanError> {
    if candidates.is_empty() {
        return Ok(SafeguardInputs::default());
    }
    let (store, now) = (context.store, (context.clock)());
    let memory = store.fetch_connection().await?.memory;
    let removed_today = memory.released_since(now.plus(-DAY_SECONDS));
    let to_judge = (candidates.len() as u64).saturating_add(removed_today);
    let to_count = context.policy.safety.accounts_to_count(to_judge);
    let enabled_accounts = store.count_enabled_accounts(to_count).await?;
    let mut circumstances =
        SafeguardInputs { enabled_accounts, removed_today, directory_match, ..SafeguardInputs::default() };
    if let Some(approval) = memory.approval_at(now) {
        let (covered, held_back) = sorted(context, candidates, approval).await?;
        circumstances.held_back = held_back;
        // With nobody left whom it is about, everybody gone or back, it has served its turn.
        let is_consumed = covered.is_empty();
        circumstances.approved =
            (!is_consumed).then_some(ApprovedRemovals { users: covered, ceiling: approval.set.count });
    }
    Ok(circumstances)
}

/// Whom of these the approval is about, and whom it has held.
async fn sorted(
    context: &ScanContext<'_>,
    candidates: &[RemovalCandidate],
    approval: &RemovalApproval,
) -> Result<(BTreeSet<AnchorHash>, BTreeSet<AnchorHash>), ScanError> {
    let (mut covered, mut held_back) = (BTreeSet::new(), BTreeSet::new());
    for candidates in candidates.chunks(100) {
        let hashes: Vec<AnchorHash> = candidates.iter().map(|candidate| candidate.anchor.hash()).collect();
        let records = context.store.fetch_records(&hashes).await?;
        for candidate in candidates {
            let hash = candidate.anchor.hash();
            let Some(record) = records.get(&hash) else { continue };
            if is_covered(record, candidate, approval) {
                covered.insert(hash);
            } else if is_held_since(record, approval) {
                held_back.insert(hash);
            }
        }
    }
    Ok((covered, held_back))
}

/// Whoever is held and was not in the set: the approval was given for others, and in that knowledge.
fn is_held_since(record: &UserRecord, approval: &RemovalApproval) -> bool {
    let over_limit = matches!(record.status, Status::Held { hold: HoldReason::OverLimit, .. });
    over_limit && record.version > approval.set.version
}

/// Whoever was in the held set is held since the scan that told of it, or since an earlier one, and for that reason.
fn is_covered(record: &UserRecord, candidate: &RemovalCandidate, approval: &RemovalApproval) -> bool {
    let held = Status::Held { reason: candidate.reason, hold: HoldReason::OverLimit };
    record.status == held && record.version <= approval.set.version
}

/// What is remembered of releases and approvals once they have run out: nothing.
pub(crate) fn forget_old(memory: SafeguardMemory, now: UnixSeconds) -> SafeguardMemory {
    let SafeguardMemory { held, approval, mut released, configuration, change, change_approval } = memory;
    released.retain(|batch| batch.at > now.plus(-DAY_SECONDS));
    SafeguardMemory {
        held,
        approval: approval.filter(|approval| now < approval.until),
        released,
        configuration,
        change,
        change_approval: change_approval.filter(|approval| now < approval.until),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Anchor, DeprovisionReason, Desired, ScanVersion};

    const NOW: UnixSeconds = UnixSeconds(1_000_000);

    fn held(count: u8) -> HeldRemovals {
        let who = (0..count).map(|n| (AnchorHash([n; 16]), DeprovisionReason::Deleted)).collect();
        HeldRemovals::of(who, ScanVersion(7)).unwrap()
    }

    #[test]
    fn an_approval_is_bound_to_the_set_that_was_seen() {
        let memory = SafeguardMemory { held: Some(held(30)), ..SafeguardMemory::default() };
        let seen = held(30).hash.to_string();
        let (approval, after) = approved(memory.clone(), &seen[..12], NOW);
        assert_eq!(approval, Approval::Removals(after.approval.unwrap()));
        assert_eq!(after.approval.unwrap().until, NOW.plus(APPROVAL_SECONDS));

        let others = held(31).hash.to_string();
        for wrong in [others.as_str(), "", &seen[..7]] {
            let (approval, after) = approved(memory.clone(), wrong, NOW);
            assert_eq!(approval, Approval::Nothing { held: memory.held, change: None }, "{wrong:?}");
            assert_eq!(after, memory);
        }
    }

    #[test]
    fn who_is_held_since_then_or_for_another_reason_is_not_covered() {
        let anchor = Anchor::from_text("a").unwrap();
        let candidate = |departure| RemovalCandidate {
            anchor: anchor.clone(),
            dn: None,
            user_name: None,
            reason: departure,
            desired: Desired::Absent { user_name: None, reason: departure },
        };
        let record = |status, version| UserRecord {
            anchor: anchor.clone(),
            dn: None,
            desired: None,
            version: ScanVersion(version),
            removal_released: false,
            link: None,
            before: None,
            create_intent: None,
            status,
            attempts: 0,
            next_attempt: UnixSeconds::default(),
        };
        let over = |departure| Status::Held { reason: departure, hold: HoldReason::OverLimit };
        let approval = RemovalApproval { set: held(1), until: NOW };
        let [gone, left] = [DeprovisionReason::Deleted, DeprovisionReason::OutOfScope];
        for (status, version, departure, covered) in [
            (over(gone), 7, gone, true),
            (over(gone), 3, gone, true),
            (over(gone), 8, gone, false),
            (over(left), 7, gone, false),
            (Status::InSync, 7, gone, false),
            (Status::Held { reason: gone, hold: HoldReason::AwaitingSafeguard }, 7, gone, false),
        ] {
            let record = record(status, version);
            assert_eq!(is_covered(&record, &candidate(departure), &approval), covered, "{record:?}");
            let over_limit = matches!(record.status, Status::Held { hold: HoldReason::OverLimit, .. });
            assert_eq!(is_held_since(&record, &approval), over_limit && version == 8, "{record:?}");
        }
    }

    #[test]
    fn what_has_run_out_is_forgotten() {
        let batch = |at| model::ReleasedBatch { at, count: 3 };
        let memory = SafeguardMemory {
            approval: Some(RemovalApproval { set: held(2), until: NOW }),
            released: vec![batch(NOW.plus(-DAY_SECONDS)), batch(NOW.plus(-1))],
            ..SafeguardMemory::default()
        };
        let after = forget_old(memory, NOW);
        assert_eq!(
            after,
            SafeguardMemory { released: vec![batch(NOW.plus(-1))], ..SafeguardMemory::default() }
        );
    }
}
