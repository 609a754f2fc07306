//! What the safeguard judges removals by: the accounts and removals counted so far, and the approval of held removals.

use std::collections::BTreeSet;

use model::{
    AnchorHash, HoldReason, ReleasedBatch, RemovalApproval, SafeguardMemory, Status, UnixSeconds, UserRecord,
};
use plan::{ApprovedRemovals, DirectoryMatch, RemovalCandidate, SafeguardInputs};

use crate::{ScanContext, ScanError};

/// Seconds for which a released removal counts against the daily limit.
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// The inputs for judging these removals.
pub(crate) async fn safeguard_inputs(
    context: &ScanContext<'_>,
    memory: &SafeguardMemory,
    candidates: &[RemovalCandidate],
    directory_match: DirectoryMatch,
) -> Result<SafeguardInputs, ScanError> {
    if candidates.is_empty() {
        return Ok(SafeguardInputs::default());
    }
    let now = (context.clock)();
    let removed_today = memory.released_since(now.plus(-DAY_SECONDS));
    let to_judge = (candidates.len() as u64).saturating_add(removed_today);
    let to_count = context.policy.safety.accounts_to_count(to_judge);
    let enabled_accounts = context.store.count_enabled_accounts(to_count).await?;
    let mut inputs =
        SafeguardInputs { enabled_accounts, removed_today, directory_match, ..SafeguardInputs::default() };
    if let Some(approval) = memory.approval_at(now) {
        let (covered, held_back) = split_by_approval(context, candidates, approval).await?;
        inputs.held_back = held_back;
        // An approval ends once each of its users has left or is back in scope.
        inputs.approved =
            (!covered.is_empty()).then_some(ApprovedRemovals { users: covered, ceiling: approval.set.count });
    }
    Ok(inputs)
}

/// The users that the approval covers, and those that it has held back.
async fn split_by_approval(
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

/// Whether the removal was in the approved set and is held for the same reason.
fn is_covered(record: &UserRecord, candidate: &RemovalCandidate, approval: &RemovalApproval) -> bool {
    let held = Status::Held { reason: candidate.reason, hold: candidate.hold_reason() };
    record.status == held && approval.covers(record)
}

/// Whether the removal is held since a later scan than the one that was approved.
fn is_held_since(record: &UserRecord, approval: &RemovalApproval) -> bool {
    let needs_approval =
        matches!(record.status, Status::Held { hold: HoldReason::OverLimit | HoldReason::NeverWritten, .. });
    needs_approval && record.version > approval.set.version
}

/// Whether released removals still count against the daily limit.
pub(crate) fn counts_against_limits(batch: &ReleasedBatch, now: UnixSeconds) -> bool {
    batch.at > now.plus(-DAY_SECONDS)
}

/// The memory without expired approvals and without removals of more than a day ago.
pub(crate) fn forget_expired(memory: SafeguardMemory, now: UnixSeconds) -> SafeguardMemory {
    let SafeguardMemory { held, approval, mut released, configuration, changes, change_approval } = memory;
    released.retain(|batch| counts_against_limits(batch, now));
    SafeguardMemory {
        held,
        approval: approval.filter(|approval| now < approval.until),
        released,
        configuration,
        changes,
        change_approval: change_approval.filter(|approval| now < approval.until),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_plan::testing::{self, held};
    use model::{Anchor, DeprovisionReason, Desired, ScanVersion};

    const NOW: UnixSeconds = UnixSeconds(1_000_000);

    #[test]
    fn approval_covers_only_removals_held_then_for_the_same_reason() {
        let anchor = Anchor::from_text("a").unwrap();
        let candidate = |reason| RemovalCandidate {
            anchor: anchor.clone(),
            dn: None,
            user_name: None,
            reason,
            desired: Desired::Absent { user_name: None, reason },
            never_written: false,
        };
        let over = |reason| Status::Held { reason, hold: HoldReason::OverLimit };
        let approval = RemovalApproval { set: held(1), by: "ada".to_owned(), until: NOW };
        let [gone, left] = [DeprovisionReason::Deleted, DeprovisionReason::OutOfScope];
        for (status, version, reason, covered) in [
            (over(gone), 7, gone, true),
            (over(gone), 3, gone, true),
            (over(gone), 8, gone, false),
            (over(left), 7, gone, false),
            (Status::InSync, 7, gone, false),
            (Status::Held { reason: gone, hold: HoldReason::AwaitingSafeguard }, 7, gone, false),
        ] {
            let version = ScanVersion(version);
            let record = UserRecord { status, version, ..testing::record("a", None, false) };
            assert_eq!(is_covered(&record, &candidate(reason), &approval), covered, "{record:?}");
            let over_limit = matches!(record.status, Status::Held { hold: HoldReason::OverLimit, .. });
            let is_later = over_limit && version == ScanVersion(8);
            assert_eq!(is_held_since(&record, &approval), is_later, "{record:?}");
        }
    }

    #[test]
    fn expired_approvals_and_old_removals_are_forgotten() {
        let batch = |at| ReleasedBatch { at, count: 3 };
        let memory = SafeguardMemory {
            approval: Some(RemovalApproval { set: held(2), by: "ada".to_owned(), until: NOW }),
            released: vec![batch(NOW.plus(-DAY_SECONDS)), batch(NOW.plus(-1))],
            ..SafeguardMemory::default()
        };
        let expected = SafeguardMemory { released: vec![batch(NOW.plus(-1))], ..SafeguardMemory::default() };
        assert_eq!(forget_expired(memory, NOW), expected);
    }
}
