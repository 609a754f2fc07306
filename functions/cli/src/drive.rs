//! Provisioning until nothing is left that could go now.

use std::collections::HashMap;

use anyhow::Result;
use futures::{StreamExt, stream};
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

/// Provisions everybody who is due, and was planned for if need be. `show` is told of each outcome as it comes.
pub async fn provision_due(
    provisioner: &Provisioner<'_>,
    concurrency: usize,
    planned: Planned<'_>,
    mut show: impl FnMut(&Outcome),
) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut tries: HashMap<AnchorHash, u32> = HashMap::new();
    loop {
        let exhausted = tries.values().filter(|tries| **tries >= TRIES).count();
        let due = provisioner.store.fetch_due((provisioner.clock)(), 500 + exhausted).await?;
        let mut due: Vec<AnchorHash> =
            due.into_iter().filter(|user| tries.get(user).copied().unwrap_or_default() < TRIES).collect();
        if due.is_empty() {
            return Ok(tally);
        }
        due.iter().for_each(|user| *tries.entry(*user).or_default() += 1);
        // Whoever is none of the plan's is left to another run.
        let is_meant = |user: &AnchorHash| planned.is_none_or(|planned| planned.contains_key(user));
        let others = due.iter().filter(|user| !is_meant(user));
        tries.extend(others.map(|user| (*user, TRIES)));
        due.retain(is_meant);
        let provision = |user| async move {
            match planned.and_then(|planned| planned.get(&user)) {
                Some(decisions) => provisioner.provision_planned(user, decisions).await,
                None => provisioner.provision(user).await,
            }
        };
        let mut working = stream::iter(due).map(provision).buffer_unordered(concurrency);
        while let Some(outcome) = working.next().await {
            let Provisioned { outcome, .. } = outcome?;
            show(&outcome);
            tally.count(&outcome);
            if let Outcome::Failed { stop: Some(stop), .. } = outcome {
                tally.stopped = Some(stop);
                // Those that are under way are dropped; their users stay pending.
                return Ok(tally);
            }
        }
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
