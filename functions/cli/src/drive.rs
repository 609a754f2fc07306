//! Provisioning until nothing is left that could go now.

use std::collections::{HashMap, HashSet, VecDeque};

use anyhow::Result;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use model::AnchorHash;
use plan::Decision;
use provision::{Outcome, Provisioned, Provisioner, Step, Stop, switches_off};
use serde::Serialize;

/// How often one user is tried in one run. More than one try serves those who waited for another's account.
const TRIES: u32 = 4;

/// What was done, in numbers of users.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Accounts made.
    pub created: u64,
    /// Existing accounts linked.
    pub linked: u64,
    /// Accounts updated or reactivated.
    pub updated: u64,
    /// Accounts made inactive or deleted.
    pub deprovisioned: u64,
    /// Linked just now; their removal needs another look by the scan.
    #[serde(skip)]
    pub awaiting_check: u64,
    /// Why the run broke off.
    #[serde(skip)]
    pub stopped: Option<Stop>,
}

/// What may be done to whose account, where a person has agreed to that alone.
pub type Planned<'a> = Option<&'a HashMap<AnchorHash, Vec<Decision>>>;

/// How many users are worked on for each call that the target takes at a time: while some have a call, the others are
/// written down.
const USERS_A_CALL: usize = 2;

/// How many users are asked for at a time.
const PORTION: usize = 500;

/// Provisions everybody who is due, and was planned for if need be. `show` is told of each outcome as it comes.
pub async fn provision_due(
    provisioner: &Provisioner<'_>,
    concurrency: usize,
    planned: Planned<'_>,
    mut show: impl FnMut(&Outcome),
) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut due = Due { provisioner, planned, tries: HashMap::new(), under_way: HashSet::new() };
    let provision = |user| async move {
        let done = match planned.and_then(|planned| planned.get(&user)) {
            Some(decisions) => provisioner.provision_planned(user, decisions).await,
            None => provisioner.provision(user).await,
        };
        (user, done)
    };
    let mut waiting = VecDeque::new();
    let mut working = FuturesUnordered::new();
    let mut all_known = false;
    loop {
        // Whoever comes to be due meanwhile is found when all others are done.
        if waiting.is_empty() && (!all_known || working.is_empty()) {
            waiting = due.fetch().await?;
            all_known = waiting.is_empty();
            if all_known && working.is_empty() {
                return Ok(tally);
            }
        }
        while working.len() < concurrency * USERS_A_CALL
            && let Some(user) = waiting.pop_front()
        {
            due.begun(user);
            working.push(provision(user));
        }
        let Some((user, done)) = working.next().await else { continue };
        due.under_way.remove(&user);
        let Provisioned { outcome, .. } = done?;
        show(&outcome);
        tally.count(&outcome);
        if let Outcome::Failed { stop: Some(stop), .. } = outcome {
            tally.stopped = Some(stop);
            // Those that are under way are dropped; their users stay pending.
            return Ok(tally);
        }
    }
}

/// Who is due, and has not been tried too often.
struct Due<'a> {
    provisioner: &'a Provisioner<'a>,
    planned: Planned<'a>,
    tries: HashMap<AnchorHash, u32>,
    under_way: HashSet<AnchorHash>,
}

impl Due<'_> {
    /// The next few, the longest due first.
    async fn fetch(&mut self) -> Result<VecDeque<AnchorHash>> {
        let Provisioner { store, clock, .. } = *self.provisioner;
        loop {
            let exhausted: HashSet<AnchorHash> =
                self.tries.iter().filter(|(_, tries)| **tries >= TRIES).map(|(user, _)| *user).collect();
            let limit = PORTION + exhausted.len() + self.under_way.len();
            let mut due: VecDeque<AnchorHash> = store.fetch_due(clock(), limit).await?.into();
            due.retain(|user| !exhausted.contains(user) && !self.under_way.contains(user));
            let found = due.len();
            // Whoever is none of the plan's is left to another run.
            if let Some(planned) = self.planned {
                let others = due.iter().filter(|user| !planned.contains_key(*user));
                self.tries.extend(others.map(|user| (*user, TRIES)));
                due.retain(|user| planned.contains_key(user));
            }
            if !due.is_empty() || found == 0 {
                return Ok(due);
            }
        }
    }

    fn begun(&mut self, user: AnchorHash) {
        *self.tries.entry(user).or_default() += 1;
        self.under_way.insert(user);
    }
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        if matches!(outcome, Outcome::AwaitsCheck { .. }) {
            self.awaiting_check += 1;
        }
        for step in outcome.steps() {
            match step {
                Step::Created { .. } => self.created += 1,
                Step::Linked => self.linked += 1,
                Step::Updated(found) if switches_off(found) => self.deprovisioned += 1,
                Step::Updated(_) => self.updated += 1,
                Step::Deactivated(_) | Step::Deleted(_) | Step::DeactivatedInstead(_) => {
                    self.deprovisioned += 1
                }
                Step::Vanished => {}
            }
        }
    }

    /// Adds the numbers of another round.
    pub fn add(&mut self, other: Self) {
        let Self { created, linked, updated, deprovisioned, awaiting_check, stopped } = other;
        self.created += created;
        self.linked += linked;
        self.updated += updated;
        self.deprovisioned += deprovisioned;
        self.awaiting_check = awaiting_check;
        self.stopped = self.stopped.or(stopped);
    }
}
