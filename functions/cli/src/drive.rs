//! Provisioning until nothing is left that could go now.

use std::collections::{HashMap, HashSet, VecDeque};

use anyhow::Result;
use futures::StreamExt;
use futures::future::OptionFuture;
use futures::stream::FuturesUnordered;
use model::AnchorHash;
use plan::Decision;
use provision::{Action, Outcome, Provisioned, Provisioner, Stop, deactivates};
use serde::Serialize;

/// How often one user is tried in one run. More than one try serves those who waited for another's account.
const TRIES: u32 = 4;

/// What was done, in numbers of users.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProvisionCounts {
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

/// How many users are asked for at a time, and how few may be left before others are asked for.
const PORTION: usize = 500;
const FEW: usize = 100;

/// Provisions everybody who is due, and was planned for if need be. `show` is told of each outcome as it comes.
pub async fn provision_due(
    provisioner: &Provisioner<'_>,
    concurrency: usize,
    planned: Planned<'_>,
    mut show: impl FnMut(&Outcome),
) -> Result<ProvisionCounts> {
    let Provisioner { store, clock, .. } = *provisioner;
    let mut tally = ProvisionCounts::default();
    let mut due = Due { planned, ..Due::default() };
    let provision = |user| async move {
        let done = match planned.and_then(|planned| planned.get(&user)) {
            Some(decisions) => provisioner.provision_planned(user, decisions).await,
            None => provisioner.provision(user).await,
        };
        (user, done)
    };
    let mut working = FuturesUnordered::new();
    let mut asking = None;
    loop {
        let is_idle = working.is_empty() && due.waiting.is_empty();
        if asking.is_none() && (is_idle || !due.all_known && due.waiting.len() < FEW) {
            asking = Some((is_idle, Box::pin(store.fetch_due(clock(), due.ask()))));
        }
        while working.len() < concurrency * USERS_A_CALL
            && let Some(user) = due.begin()
        {
            working.push(provision(user));
        }
        let answer = OptionFuture::from(asking.as_mut().map(|(_, answer)| answer));
        tokio::select! {
            Some(found) = answer => {
                due.hear(found?);
                // Whoever came to be due while others were worked on is found by asking once more.
                let was_idle = asking.take().is_some_and(|(was_idle, _)| was_idle);
                if was_idle && due.all_known {
                    return Ok(tally);
                }
            }
            Some((user, done)) = working.next() => {
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
            else => {}
        }
    }
}

/// Who is due, and has not been tried too often.
#[derive(Default)]
struct Due<'a> {
    planned: Planned<'a>,
    tries: HashMap<AnchorHash, u32>,
    waiting: VecDeque<AnchorHash>,
    under_way: HashSet<AnchorHash>,
    /// Who was begun with since the last question: the answer may still name them.
    begun_since: HashSet<AnchorHash>,
    /// Whether the last answer named nobody who was not known.
    all_known: bool,
}

impl Due<'_> {
    /// How many to ask for, so that somebody is among them who is not known.
    fn ask(&mut self) -> usize {
        self.begun_since.clear();
        let exhausted = self.tries.values().filter(|tries| **tries >= TRIES).count();
        PORTION + exhausted + self.under_way.len() + self.waiting.len()
    }

    /// Takes the answer in, the longest due first.
    fn hear(&mut self, mut found: Vec<AnchorHash>) {
        let known: HashSet<AnchorHash> = self.waiting.iter().copied().collect();
        found.retain(|user| {
            let is_exhausted = self.tries.get(user).is_some_and(|tries| *tries >= TRIES);
            let is_begun = self.under_way.contains(user) || self.begun_since.contains(user);
            !is_exhausted && !is_begun && !known.contains(user)
        });
        self.all_known = found.is_empty();
        // Whoever is none of the plan's is left to another run.
        if let Some(planned) = self.planned {
            let others = found.iter().filter(|user| !planned.contains_key(*user));
            self.tries.extend(others.map(|user| (*user, TRIES)));
            found.retain(|user| planned.contains_key(user));
        }
        self.waiting.extend(found);
    }

    /// The next one to work on.
    fn begin(&mut self) -> Option<AnchorHash> {
        let user = self.waiting.pop_front()?;
        *self.tries.entry(user).or_default() += 1;
        self.begun_since.insert(user);
        self.under_way.insert(user);
        Some(user)
    }
}

impl ProvisionCounts {
    fn count(&mut self, outcome: &Outcome) {
        if matches!(outcome, Outcome::AwaitsSafeguard { .. }) {
            self.awaiting_check += 1;
        }
        for action in outcome.actions() {
            match action {
                Action::Create { .. } => self.created += 1,
                Action::Link => self.linked += 1,
                Action::Update(found) if deactivates(found) => self.deprovisioned += 1,
                Action::Update(_) => self.updated += 1,
                Action::Deactivate(_) | Action::Delete(_) | Action::DeactivateInstead(_) => {
                    self.deprovisioned += 1
                }
                Action::AccountGone => {}
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
