//! The end of a scan: who left, who takes whose place, and which removals may go.

use std::collections::HashMap;

use directory::Directory;
use model::{AnchorHash, CompleteRead, Desired, Fingerprint, Status, UserRecord, WithheldBy};
use plan::{
    Deprovision, RecordPlan, RemovalCandidate, Removals, judge_removals, plan_departure, plan_held,
    status_for,
};

use crate::planning::{PlannedUser, Seen};
use crate::{ScanContext, ScanError};

/// An entry that takes the place of another one with the same user name.
#[derive(Clone, Debug)]
pub struct HandOver {
    /// Whose place: gone, disabled and settled, or renamed.
    pub from: UserRecord,
    /// Who takes it.
    pub to: PlannedUser,
    /// Whether the account comes along, as it does when the other entry is gone.
    pub with_account: bool,
}

/// What is left to do once everybody was seen.
#[derive(Debug)]
pub struct Ending {
    /// Entries that take another one's place.
    pub hand_overs: Vec<HandOver>,
    /// Records that change without anybody losing an account.
    pub users: Vec<PlannedUser>,
    /// The verdict on the removals.
    pub removals: Removals,
    /// What the snapshot holds for those who are removed: nothing, unless they are still in scope.
    pub(crate) fingerprints: HashMap<AnchorHash, Option<Fingerprint>>,
    /// Users who are in the snapshot and of whom nothing is known.
    pub(crate) forgotten: Vec<AnchorHash>,
}

/// Plans the end of a scan. Without a proof of completeness there is none: see [`plan_without_proof`].
pub async fn plan_ending(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    seen: &mut Seen<'_>,
    proof: &CompleteRead,
) -> Result<Ending, ScanError> {
    let mut candidates = std::mem::take(&mut seen.candidates);
    let mut users = Vec::new();
    let mut forgotten = Vec::new();

    let departed = seen.planner.departed(proof);
    for hashes in departed.chunks(100) {
        let mut records = context.store.fetch_records(hashes).await?;
        forgotten.extend(hashes.iter().filter(|hash| !records.contains_key(hash)));
        let anchors: Vec<_> = records.values().map(|record| record.anchor.clone()).collect();
        let reasons = directory.departures(&anchors).await?;
        for hash in hashes {
            let Some(record) = records.remove(hash) else { continue };
            // Asked by anchor, the entry turns out to be in scope after all: the read only missed it.
            let Some(reason) = reasons.get(&record.anchor).copied() else {
                seen.summary.missed += 1;
                continue;
            };
            seen.handled.insert(*hash);
            let plan = plan_departure(&record, reason);
            sort_out(record, plan, None, &mut candidates, &mut users);
        }
    }
    plan_waiting(context, seen, &mut candidates, &mut users).await?;

    let leaving: HashMap<AnchorHash, bool> = candidates
        .iter()
        .map(|(candidate, _)| (candidate.anchor.hash(), candidate.departure != model::Departure::Disabled))
        .collect();
    let hand_overs = plan_hand_overs(context, seen, &leaving).await?;
    let replaced: Vec<AnchorHash> = hand_overs
        .iter()
        .filter(|change| change.with_account)
        .map(|change| change.from.anchor.hash())
        .collect();
    candidates.retain(|(candidate, _)| !replaced.contains(&candidate.anchor.hash()));
    forgotten.extend(replaced.iter().filter(|hash| !seen.planner.has_seen(hash)));

    let limits = &context.connection.safety;
    let deprovision = if context.connection.options.deprovision { Deprovision::On } else { Deprovision::Off };
    let to_count = limits.accounts_to_count(candidates.len() as u64);
    let enabled = match candidates.len() as u64 {
        0 => 0,
        _ => context.store.count_enabled_accounts(to_count).await?,
    };
    let fingerprints =
        candidates.iter().map(|(candidate, print)| (candidate.anchor.hash(), *print)).collect();
    let candidates: Vec<RemovalCandidate> = candidates.into_iter().map(|(candidate, _)| candidate).collect();
    let removals = judge_removals(candidates, proof, limits, enabled, deprovision);
    Ok(Ending { hand_overs, users, removals, fingerprints, forgotten })
}

/// What can be done after a read that was not complete: nobody is removed, and nobody is taken to be gone.
/// Entries whose predecessor was known to be gone before still take its place.
pub async fn plan_without_proof(context: &ScanContext<'_>, seen: &mut Seen<'_>) -> Result<Ending, ScanError> {
    let hand_overs = plan_hand_overs(context, seen, &HashMap::new()).await?;
    Ok(Ending {
        hand_overs,
        users: Vec::new(),
        removals: Removals::Released(Vec::new()),
        fingerprints: HashMap::new(),
        forgotten: Vec::new(),
    })
}

/// Users whose removal waited, and users whom an option stopped: judged afresh.
async fn plan_waiting(
    context: &ScanContext<'_>,
    seen: &mut Seen<'_>,
    candidates: &mut Vec<(RemovalCandidate, Option<Fingerprint>)>,
    users: &mut Vec<PlannedUser>,
) -> Result<(), ScanError> {
    for word in ["held", "withheld"] {
        let mut after = None;
        loop {
            let page = context.store.fetch_by_status(word, after, 100).await?;
            for record in page.items {
                let hash = record.anchor.hash();
                if !seen.handled.insert(hash) {
                    continue;
                }
                let plan = match &record.status {
                    Status::Withheld { by } if *by != WithheldBy::Deprovision => {
                        resume(&record, *by, context)
                    }
                    _ if seen.planner.has_seen(&hash) => plan_held(&record),
                    _ => plan_departure(&record, model::Departure::Deleted),
                };
                sort_out(record, plan, None, candidates, users);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// A user whom `create` or `update` stopped goes on once the option is on again.
fn resume(record: &UserRecord, by: WithheldBy, context: &ScanContext<'_>) -> RecordPlan {
    let options = &context.connection.options;
    let is_on = match by {
        WithheldBy::Create => options.create,
        WithheldBy::Update => options.update,
        WithheldBy::Deprovision => options.deprovision,
    };
    match &record.desired {
        Some(desired) if is_on => RecordPlan::Mark(status_for(desired, Some(record))),
        _ => RecordPlan::Nothing,
    }
}

fn sort_out(
    record: UserRecord,
    plan: RecordPlan,
    fingerprint: Option<Fingerprint>,
    candidates: &mut Vec<(RemovalCandidate, Option<Fingerprint>)>,
    users: &mut Vec<PlannedUser>,
) {
    match plan {
        RecordPlan::Remove(candidate) => candidates.push((candidate, fingerprint)),
        plan => users.push(PlannedUser {
            anchor: record.anchor.clone(),
            dn: record.dn,
            record: Some(record),
            plan,
            conflict: None,
            fingerprint,
        }),
    }
}

/// Entries that had to wait for a user name and need not any more.
async fn plan_hand_overs(
    context: &ScanContext<'_>,
    seen: &mut Seen<'_>,
    leaving: &HashMap<AnchorHash, bool>,
) -> Result<Vec<HandOver>, ScanError> {
    let mut waiting = std::mem::take(&mut seen.conflicts);
    let mut after = None;
    loop {
        let page = context.store.fetch_by_status("conflict", after, 100).await?;
        for record in page.items {
            let Status::Conflict { with } = record.status.clone() else { continue };
            let fresh = seen.handled.contains(&record.anchor.hash());
            if fresh || !matches!(record.desired, Some(Desired::Present(_))) {
                continue;
            }
            waiting.push(PlannedUser {
                anchor: record.anchor.clone(),
                dn: record.dn,
                record: Some(record),
                plan: RecordPlan::Nothing,
                conflict: Some(with),
                fingerprint: None,
            });
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }

    let mut hand_overs: Vec<HandOver> = Vec::new();
    for to in waiting {
        let Some(owner) = &to.conflict else { continue };
        let from = context.store.fetch_record(owner.hash()).await?;
        let Some(from) = from else {
            // The other entry is new in this read too, or was forgotten; the next scan sees which.
            seen.summary.conflicts += 1;
            continue;
        };
        let taken_already = hand_overs.iter().any(|earlier| earlier.from.anchor == from.anchor);
        let left = match leaving.get(&from.anchor.hash()) {
            Some(gone) => *gone,
            None => !matches!(from.desired, Some(Desired::Present(_))),
        };
        let wants_another = match (wanted(&to), from.desired.as_ref().and_then(Desired::user_name)) {
            (Some(contested), Some(now)) => {
                contested != now && from.status != (Status::Conflict { with: to.anchor.clone() })
            }
            _ => false,
        };
        if taken_already || !(left || wants_another) {
            seen.summary.conflicts += 1;
            continue;
        }
        hand_overs.push(HandOver { from, to, with_account: left });
    }
    seen.summary.handed_over += hand_overs.len() as u64;
    Ok(hand_overs)
}

fn wanted(user: &PlannedUser) -> Option<&model::UserName> {
    let planned = match &user.plan {
        RecordPlan::Desire { desired, .. } => Some(desired),
        _ => user.record.as_ref().and_then(|record| record.desired.as_ref()),
    };
    planned.and_then(Desired::user_name)
}
