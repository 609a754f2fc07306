//! The end of a scan: who left, who takes whose place, and which removals may go.

use std::collections::{HashMap, HashSet};

use directory::{DepartureCheck, Directory};
use model::{
    Anchor, AnchorHash, CompleteRead, DeprovisionReason, Desired, DisabledOption, HeldRemovals,
    IncompleteRead, ScanVersion, Status, UserName, UserRecord,
};
use plan::{
    Deprovision, DirectoryMatch, RecordPlan, RemovalCandidate, RemovalVerdict, SafeguardInputs,
    check_removals, plan_departure, plan_held, status_for,
};

use crate::approval::circumstances;
use crate::planning::{InSnapshot, Seen, UserPlan};
use crate::{ScanContext, ScanError, ScanMode};

/// From so many known users on, a read that shows none of them, but others, is of another directory.
const STRANGE_FROM: usize = 3;

/// An entry that takes the place of another one with the same user name.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Whose place: gone, disabled and settled, or renamed.
    pub from: UserRecord,
    /// Who takes it.
    pub to: UserPlan,
    /// Whether the account comes along, as it does when the other entry is gone.
    pub with_account: bool,
    /// What the next snapshot holds for the other entry once this is done.
    pub(crate) snapshot: InSnapshot,
}

/// What is left to do once everybody was seen.
#[derive(Debug)]
pub struct FinalPlan {
    /// Entries that take another one's place.
    pub transfers: Vec<Transfer>,
    /// Records that change without anybody losing an account.
    pub users: Vec<UserPlan>,
    /// The verdict on the removals.
    pub removals: RemovalVerdict,
    /// What the snapshot holds for those whose removal is judged, once it is released.
    pub(crate) after_removal: HashMap<AnchorHash, InSnapshot>,
    /// Users who are in the snapshot and of whom nothing is known.
    pub(crate) forgotten: Vec<AnchorHash>,
}

impl FinalPlan {
    /// How many removals go.
    pub(crate) fn released(&self) -> u64 {
        match &self.removals {
            RemovalVerdict::Released(released) | RemovalVerdict::PartlyReleased { released, .. } => {
                released.len() as u64
            }
            RemovalVerdict::Held(_) | RemovalVerdict::Skipped(_) => 0,
        }
    }

    /// The removals that wait for a person after the scan of this version.
    pub(crate) fn held(&self, version: ScanVersion) -> Option<HeldRemovals> {
        let held = match &self.removals {
            RemovalVerdict::Held(held) | RemovalVerdict::PartlyReleased { held, .. } => held.as_slice(),
            RemovalVerdict::Released(_) | RemovalVerdict::Skipped(_) => &[],
        };
        let held = held.iter().map(|candidate| (candidate.anchor.hash(), candidate.reason));
        HeldRemovals::of(held.collect(), version)
    }
}

/// Plans the end of a scan. Nobody is removed, and nobody is taken to be gone, without the proof that the read was
/// complete, nor when the directory does not answer for those whom it did not show. What was seen counts either way.
pub async fn plan_final(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    seen: &mut Seen<'_>,
    verdict: Result<CompleteRead, IncompleteRead>,
) -> Result<FinalPlan, ScanError> {
    let doubt = match verdict {
        Ok(proof) => match plan_with_proof(context, directory, seen, &proof).await {
            Err(ScanError::Directory(error)) => {
                seen.checkpoint = None;
                error.to_string()
            }
            planned => return planned,
        },
        Err(incomplete) => incomplete.to_string(),
    };
    (seen.summary.complete, seen.summary.incomplete) = (false, Some(doubt));
    plan_without_proof(context, seen).await
}

async fn plan_with_proof(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    seen: &mut Seen<'_>,
    proof: &CompleteRead,
) -> Result<FinalPlan, ScanError> {
    let candidates = std::mem::take(&mut seen.candidates);
    let mut sorted = Sorted { candidates, users: Vec::new(), has_known: false };
    let mut forgotten = Vec::new();
    let mut check = directory.check_departures();
    let departed = seen.planner.departed(proof);
    for hashes in departed.chunks(100) {
        let records = context.store.fetch_records(hashes).await?;
        forgotten.extend(hashes.iter().filter(|hash| !records.contains_key(hash)));
        sorted.take_unseen(&mut check, seen, records.into_values().collect()).await?;
    }
    let mut unseen = plan_waiting(context, seen, &mut sorted).await?;
    // Those whom the snapshot knows were asked for just now.
    unseen.retain(|record| departed.binary_search(&record.anchor.hash()).is_err());
    sorted.take_unseen(&mut check, seen, unseen).await?;
    let Sorted { mut candidates, mut users, has_known } = sorted;

    // Whether each of those who lose their account now is gone, rather than disabled.
    let mut leaving: HashMap<AnchorHash, bool> = candidates
        .iter()
        .map(|(candidate, _)| (candidate.anchor.hash(), candidate.reason != DeprovisionReason::Disabled))
        .collect();
    let inactive_and_gone = users.iter().filter(|user| user.snapshot == InSnapshot::Gone);
    leaving.extend(inactive_and_gone.map(|user| (user.anchor.hash(), true)));
    let transfers = plan_transfers(context, seen, &leaving, &mut users).await?;
    let replaced: Vec<AnchorHash> = transfers
        .iter()
        .filter(|change| change.with_account)
        .map(|change| change.from.anchor.hash())
        .collect();
    candidates.retain(|(candidate, _)| !replaced.contains(&candidate.anchor.hash()));

    // Whoever is not among those who left was seen, if everybody was read. Where the same was asked as the last time and somebody of
    // those who were known is still there, it is the same directory, and all of them have really left the scope.
    let is_strange = seen.summary.mode == ScanMode::Full
        && !(seen.asks_again && has_known)
        && departed.len() == seen.planner.known()
        && departed.len() >= STRANGE_FROM
        && seen.summary.read > 0;
    let directory_match = if is_strange { DirectoryMatch::Mismatch } else { DirectoryMatch::Same };
    let limits = &context.policy.safety;
    let deprovision = if context.policy.options.deprovision { Deprovision::On } else { Deprovision::Off };
    let after_removal = candidates.iter().map(|(candidate, then)| (candidate.anchor.hash(), *then)).collect();
    let candidates: Vec<RemovalCandidate> = candidates.into_iter().map(|(candidate, _)| candidate).collect();
    let circumstances =
        SafeguardInputs { deprovision, ..circumstances(context, &candidates, directory_match).await? };
    let removals = check_removals(candidates, proof, limits, &circumstances);
    users.iter().for_each(|user| seen.summary.count(user));
    match &removals {
        RemovalVerdict::Released(released) => seen.summary.deprovisioned = released.len() as u64,
        RemovalVerdict::Held(candidates) => seen.summary.held = candidates.len() as u64,
        RemovalVerdict::PartlyReleased { released, held } => {
            (seen.summary.deprovisioned, seen.summary.held) = (released.len() as u64, held.len() as u64);
        }
        RemovalVerdict::Skipped(candidates) => seen.summary.skipped = candidates.len() as u64,
    }
    Ok(FinalPlan { transfers, users, removals, after_removal, forgotten })
}

/// What can be done all the same: entries whose predecessor was known to be gone before take its place.
async fn plan_without_proof(context: &ScanContext<'_>, seen: &mut Seen<'_>) -> Result<FinalPlan, ScanError> {
    let mut users = Vec::new();
    let transfers = plan_transfers(context, seen, &HashMap::new(), &mut users).await?;
    Ok(FinalPlan {
        transfers,
        users,
        removals: RemovalVerdict::Released(Vec::new()),
        after_removal: HashMap::new(),
        forgotten: Vec::new(),
    })
}

/// Users whose removal waited, and users whom an option stopped: judged afresh.
async fn plan_waiting(
    context: &ScanContext<'_>,
    seen: &mut Seen<'_>,
    sorted: &mut Sorted,
) -> Result<Vec<UserRecord>, ScanError> {
    let mut unseen = Vec::new();
    for word in ["held", "skipped"] {
        let mut after = None;
        loop {
            let page = context.store.fetch_by_status(word, after, 100).await?;
            for record in page.items {
                let hash = record.anchor.hash();
                if seen.handled.contains(&hash) {
                    continue;
                }
                if !seen.planner.has_seen(&hash) {
                    unseen.push(record);
                    continue;
                }
                seen.handled.insert(hash);
                let plan = match &record.status {
                    Status::Skipped { option: by } if *by != DisabledOption::Deprovision => {
                        resume(&record, *by, context)
                    }
                    _ => plan_held(&record),
                };
                sorted.take(record, plan, InSnapshot::AsItWas);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(unseen)
}

/// A user whom `create` or `update` stopped goes on once the option is on again.
fn resume(record: &UserRecord, by: DisabledOption, context: &ScanContext<'_>) -> RecordPlan {
    let options = &context.policy.options;
    let is_on = match by {
        DisabledOption::Create => options.create,
        DisabledOption::Update => options.update,
        DisabledOption::Deprovision => options.deprovision,
    };
    match &record.desired {
        Some(desired) if is_on => RecordPlan::SetStatus(status_for(desired, Some(record))),
        _ => RecordPlan::Nothing,
    }
}

/// Plans, sorted by what becomes of them.
#[derive(Default)]
struct Sorted {
    candidates: Vec<(RemovalCandidate, InSnapshot)>,
    users: Vec<UserPlan>,
    /// Whether the directory has any of those who were not shown, in scope or not.
    has_known: bool,
}

impl Sorted {
    fn take(&mut self, record: UserRecord, plan: RecordPlan, snapshot: InSnapshot) {
        match plan {
            RecordPlan::Remove(candidate) => self.candidates.push((candidate, snapshot)),
            plan => self.users.push(UserPlan {
                anchor: record.anchor.clone(),
                dn: record.dn,
                record: Some(record),
                plan,
                conflict: None,
                snapshot,
            }),
        }
    }

    /// Users whom the read did not show. Each is asked for once more, by anchor: the read may only have missed them.
    async fn take_unseen(
        &mut self,
        check: &mut DepartureCheck<'_>,
        seen: &mut Seen<'_>,
        records: Vec<UserRecord>,
    ) -> Result<(), ScanError> {
        let anchors: Vec<_> = records.iter().map(|record| record.anchor.clone()).collect();
        let reasons = check.departures(&anchors).await?;
        for record in records {
            let reason = reasons.get(&record.anchor);
            self.has_known |= reason != Some(&DeprovisionReason::Deleted);
            match reason {
                Some(reason) => {
                    seen.handled.insert(record.anchor.hash());
                    let plan = plan_departure(&record, *reason);
                    self.take(record, plan, InSnapshot::Gone);
                }
                None => seen.summary.missed += 1,
            }
        }
        Ok(())
    }
}

/// Entries that had to wait for a user name and need not any more. Those who go on waiting are added to `users`.
async fn plan_transfers(
    context: &ScanContext<'_>,
    seen: &mut Seen<'_>,
    leaving: &HashMap<AnchorHash, bool>,
    users: &mut Vec<UserPlan>,
) -> Result<Vec<Transfer>, ScanError> {
    let mut waiting = std::mem::take(&mut seen.conflicts);
    let mut after = None;
    loop {
        let page = context.store.fetch_by_status("conflict", after, 100).await?;
        waiting.extend(page.items.into_iter().filter_map(|record| known_conflict(record, seen)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    // Who has no account comes first: it can take one over together with the name.
    waiting.sort_by_key(has_account);
    let names: Vec<UserName> = waiting.iter().filter_map(wanted).cloned().collect();
    let owners = context.store.fetch_name_owners(&names, (context.clock)()).await?;
    let stuck: HashSet<Anchor> = waiting.iter().map(|user| user.anchor.clone()).collect();
    let mut transfers: Vec<Transfer> = Vec::new();
    for mut to in waiting {
        let owner = wanted(&to).and_then(|name| owners.get(&name.folded()));
        if owner.is_none() && to.plan == RecordPlan::Nothing {
            // Whoever had the name left so long ago that it is forgotten.
            users.extend(with_free_name(to));
            continue;
        }
        let owner = owner.filter(|owner| **owner != to.anchor).cloned();
        // The name may have passed to another entry since.
        if let Some(owner) = owner.filter(|owner| to.conflict.as_ref() != Some(owner)) {
            to.conflict = Some(owner.clone());
            if to.plan == RecordPlan::Nothing {
                to.plan = RecordPlan::SetStatus(Status::Conflict { owner });
            }
        }
        let Some(owner) = &to.conflict else { continue };
        // An owner without a record is new in this read, which a dry run does not write down: it has the name.
        let from = context.store.fetch_record(owner.hash()).await?;
        let from = from.filter(|from| !transfers.iter().any(|earlier| earlier.from.anchor == from.anchor));
        let left = from.as_ref().is_some_and(|from| match leaving.get(&from.anchor.hash()) {
            Some(gone) => *gone,
            None => !matches!(from.desired, Some(Desired::Present(_))),
        });
        match from {
            Some(from) if left || gives_name_up(&from, &to, seen, &stuck) => {
                let with_account = left && !has_account(&to);
                // Who is in scope still, disabled, stays in the snapshot.
                let gone = with_account && !seen.planner.has_seen(&from.anchor.hash());
                let snapshot = if gone { InSnapshot::Gone } else { InSnapshot::AsItWas };
                transfers.push(Transfer { from, to, with_account, snapshot });
            }
            _ => {
                seen.summary.conflicts += 1;
                // Who is new to it was planned with the page.
                users.extend((!matches!(to.plan, RecordPlan::SetDesired { .. })).then_some(to));
            }
        }
    }
    seen.summary.transferred += transfers.len() as u64;
    Ok(transfers)
}

/// A conflict of an earlier scan, unless this one has planned something else for that user.
fn known_conflict(record: UserRecord, seen: &Seen<'_>) -> Option<UserPlan> {
    let Status::Conflict { owner: with } = record.status.clone() else { return None };
    let wants_account = matches!(record.desired, Some(Desired::Present(_)));
    (wants_account && !seen.was_handled(&record.anchor.hash())).then(|| UserPlan {
        anchor: record.anchor.clone(),
        dn: record.dn,
        record: Some(record),
        plan: RecordPlan::Nothing,
        conflict: Some(with),
        snapshot: InSnapshot::AsItWas,
    })
}

/// A user who waited for a name that is nobody's any more.
fn with_free_name(user: UserPlan) -> Option<UserPlan> {
    let record = user.record.as_ref()?;
    let desired = record.desired.clone()?;
    let status = status_for(&desired, Some(record));
    Some(UserPlan { plan: RecordPlan::SetDesired { desired, status }, conflict: None, ..user })
}

/// Whether the entry that has the contested name has got another one by now, or is about to. An account keeps its name
/// while its owner waits for another one, or is refused it by the target; should they wait in a circle, a person
/// decides.
fn gives_name_up(from: &UserRecord, to: &UserPlan, seen: &Seen<'_>, stuck: &HashSet<Anchor>) -> bool {
    let Some(contested) = wanted(to) else { return false };
    let waits = stuck.contains(&from.anchor) || !matches!(from.status, Status::InSync | Status::Pending);
    if waits && from.link.is_some() {
        return false;
    }
    if let Some(new) = seen.names.new_name(&from.anchor) {
        return new != contested.folded();
    }
    from.desired.as_ref().and_then(Desired::user_name).is_some_and(|now| now != contested)
}

fn has_account(user: &UserPlan) -> bool {
    user.record.as_ref().is_some_and(|record| record.link.is_some())
}

fn wanted(user: &UserPlan) -> Option<&UserName> {
    let planned = match &user.plan {
        RecordPlan::SetDesired { desired, .. } => Some(desired),
        _ => user.record.as_ref().and_then(|record| record.desired.as_ref()),
    };
    planned.and_then(Desired::user_name)
}
