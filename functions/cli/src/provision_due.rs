//! Provisioning of all users that are due.

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::pin;

use anyhow::Result;
use futures::StreamExt;
use futures::future::OptionFuture;
use futures::stream::FuturesUnordered;
use model::AnchorHash;
use operate::retry_scheduled;
use plan::Decision;
use provision::{Action, Outcome, Provisioner, Stop, deactivates, open_breaker, reactivates};
use scim::TargetError;
use serde::Serialize;

use crate::interrupt::interrupted;
use crate::output::Output;
use crate::session::Session;

/// Attempts for one user in one run. A reference that appears during the run makes a user due again.
const ATTEMPTS: u32 = 4;

/// Users in progress per concurrent call: while one calls the target, another one is recorded.
const USERS_PER_CALL: usize = 2;

/// Users fetched at a time, and the number of waiting users below which more are fetched.
const FETCHED: usize = 500;
const REFILL_BELOW: usize = 100;

/// What was done, in numbers of actions.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProvisionCounts {
    /// Accounts created.
    pub created: u64,
    /// Existing accounts linked.
    pub linked: u64,
    /// Accounts updated.
    pub updated: u64,
    /// Accounts reactivated.
    pub reactivated: u64,
    /// Accounts deactivated.
    pub deactivated: u64,
    /// Accounts deleted.
    pub deleted: u64,
    /// Accounts linked in this run, with a removal that needs the safeguard of another scan.
    #[serde(skip)]
    pub awaiting_safeguard: u64,
    /// Why the run stopped early.
    #[serde(skip)]
    pub stopped: Option<StopReason>,
}

/// Why a run stopped early. The users that are left stay pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The target serves no requests.
    Target(Stop),
    /// Ctrl-C.
    Interrupted,
}

/// The decisions of an approved plan, by user. Without a plan, every decision is executed.
pub type ApprovedDecisions = HashMap<AnchorHash, Vec<Decision>>;

/// Provisions all due users of a session, or those of an approved plan, and writes each outcome.
pub async fn provision_due(
    session: &Session,
    provisioner: &Provisioner<'_>,
    approved: Option<&ApprovedDecisions>,
    output: &mut Output,
) -> Result<ProvisionCounts> {
    if let Some(stopped) = probe_open_breaker(session, provisioner).await? {
        let stopped = Some(StopReason::Target(stopped));
        return Ok(ProvisionCounts { stopped, ..ProvisionCounts::default() });
    }
    let mask = session.operator().mask();
    let expected = session.store.count_by_status().await?.get("pending").copied();
    let progress = session.progress("provisioning", expected);
    let concurrency = session.connection().target.concurrency;
    let counts = run(provisioner, concurrency, approved, |outcome| {
        progress.step();
        match mask.outcome(outcome) {
            Some(item) => Ok(progress.aside(|| output.item(&item))?),
            None => Ok(()),
        }
    })
    .await?;
    if let Some(StopReason::Target(stop)) = counts.stopped {
        open_breaker(provisioner, stop).await?;
    }
    Ok(counts)
}

/// Sends a probe if the breaker is open. If the target serves it, the breaker is closed, and users with a scheduled retry are
/// due at once, because an operator has started the run. Otherwise returns why the run stops.
async fn probe_open_breaker(session: &Session, provisioner: &Provisioner<'_>) -> Result<Option<Stop>> {
    let store = &session.store;
    let Some(seen) = store.fetch_breaker().await? else { return Ok(None) };
    let stop = match provisioner.target.probe().await {
        Ok(()) => {
            store.close_breaker(seen).await?;
            retry_scheduled(&session.operator()).await?;
            return Ok(None);
        }
        Err(TargetError::Unauthorized { .. }) => Stop::Unauthorized,
        Err(TargetError::RateLimited { .. }) => Stop::Throttled,
        Err(_) => Stop::Unavailable,
    };
    open_breaker(provisioner, stop).await?;
    Ok(Some(stop))
}

async fn run(
    provisioner: &Provisioner<'_>,
    concurrency: usize,
    approved: Option<&ApprovedDecisions>,
    mut show: impl FnMut(&Outcome) -> Result<()>,
) -> Result<ProvisionCounts> {
    let Provisioner { store, clock, .. } = *provisioner;
    let mut counts = ProvisionCounts::default();
    let mut due = DueUsers { approved, ..DueUsers::default() };
    let provision = |user| async move {
        let provisioned = match approved.and_then(|approved| approved.get(&user)) {
            Some(decisions) => provisioner.provision_planned(user, decisions).await,
            None => provisioner.provision(user).await,
        };
        (user, provisioned)
    };
    let mut in_progress = FuturesUnordered::new();
    let mut fetching = None;
    let mut interrupt = pin!(interrupted());
    loop {
        let is_idle = in_progress.is_empty() && due.waiting.is_empty();
        if is_idle && counts.stopped.is_some() {
            return Ok(counts);
        }
        if counts.stopped.is_none()
            && fetching.is_none()
            && (is_idle || !due.is_exhausted && due.waiting.len() < REFILL_BELOW)
        {
            fetching = Some((is_idle, Box::pin(store.fetch_due(clock(), due.fetch_limit()))));
        }
        while in_progress.len() < concurrency * USERS_PER_CALL
            && let Some(user) = due.start_next()
        {
            in_progress.push(provision(user));
        }
        let fetched = OptionFuture::from(fetching.as_mut().map(|(_, fetched)| fetched));
        tokio::select! {
            Some(fetched) = fetched => {
                due.add(fetched?);
                // A fetch that began while users were in progress may miss users that became due meanwhile.
                let was_idle = fetching.take().is_some_and(|(was_idle, _)| was_idle);
                if was_idle && due.is_exhausted {
                    return Ok(counts);
                }
            }
            Some((user, provisioned)) = in_progress.next() => {
                due.in_progress.remove(&user);
                let outcome = provisioned?.outcome;
                show(&outcome)?;
                // The users in progress stay pending.
                if let Some(stop) = counts.count(&outcome) {
                    return Ok(ProvisionCounts { stopped: Some(StopReason::Target(stop)), ..counts });
                }
            }
            // The users in progress are finished, unless Ctrl-C is pressed again.
            () = &mut interrupt => {
                if counts.stopped.replace(StopReason::Interrupted).is_some() {
                    return Ok(counts);
                }
                let left = in_progress.len();
                anstream::eprintln!("finishing {left} users in progress; press Ctrl-C again to end at once");
                (due.waiting, fetching) = (VecDeque::new(), None);
                interrupt.set(interrupted());
            }
            else => {}
        }
    }
}

/// Due users with attempts left.
#[derive(Default)]
struct DueUsers<'a> {
    approved: Option<&'a ApprovedDecisions>,
    attempts: HashMap<AnchorHash, u32>,
    waiting: VecDeque<AnchorHash>,
    in_progress: HashSet<AnchorHash>,
    /// Users started since the last fetch began. Its result may contain them.
    started: HashSet<AnchorHash>,
    /// Whether the last fetch returned no new user.
    is_exhausted: bool,
}

impl DueUsers<'_> {
    /// A limit that leaves room for new users beside all known ones.
    fn fetch_limit(&mut self) -> usize {
        self.started.clear();
        let exhausted = self.attempts.values().filter(|attempts| **attempts >= ATTEMPTS).count();
        FETCHED + exhausted + self.in_progress.len() + self.waiting.len()
    }

    /// Adds fetched users, the longest due first.
    fn add(&mut self, mut fetched: Vec<AnchorHash>) {
        let known: HashSet<AnchorHash> = self.waiting.iter().copied().collect();
        fetched.retain(|user| {
            let is_exhausted = self.attempts.get(user).is_some_and(|attempts| *attempts >= ATTEMPTS);
            let is_started = self.in_progress.contains(user) || self.started.contains(user);
            !is_exhausted && !is_started && !known.contains(user)
        });
        self.is_exhausted = fetched.is_empty();
        // Users outside the approved plan are left to another run.
        if let Some(approved) = self.approved {
            let others = fetched.iter().filter(|user| !approved.contains_key(*user));
            self.attempts.extend(others.map(|user| (*user, ATTEMPTS)));
            fetched.retain(|user| approved.contains_key(user));
        }
        self.waiting.extend(fetched);
    }

    fn start_next(&mut self) -> Option<AnchorHash> {
        let user = self.waiting.pop_front()?;
        *self.attempts.entry(user).or_default() += 1;
        self.started.insert(user);
        self.in_progress.insert(user);
        Some(user)
    }
}

impl ProvisionCounts {
    /// Counts an outcome, and returns the reason to stop if it has one.
    fn count(&mut self, outcome: &Outcome) -> Option<Stop> {
        if matches!(outcome, Outcome::AwaitsSafeguard { .. }) {
            self.awaiting_safeguard += 1;
        }
        for action in outcome.actions() {
            match action {
                Action::Create { .. } => self.created += 1,
                Action::Link => self.linked += 1,
                Action::Update(found) if deactivates(found) => self.deactivated += 1,
                Action::Update(found) if reactivates(found) => self.reactivated += 1,
                Action::Update(_) => self.updated += 1,
                Action::Deactivate(_) | Action::DeactivateInstead(_) => self.deactivated += 1,
                Action::Delete(_) => self.deleted += 1,
                Action::AccountGone | Action::FreeName { .. } | Action::PassTo { .. } => {}
            }
        }
        match outcome {
            Outcome::Failed { stop, .. } => *stop,
            _ => None,
        }
    }

    /// Adds the numbers of another round.
    pub fn add(&mut self, other: Self) {
        let Self { created, linked, updated, reactivated, deactivated, deleted, awaiting_safeguard, stopped } =
            other;
        self.created += created;
        self.linked += linked;
        self.updated += updated;
        self.reactivated += reactivated;
        self.deactivated += deactivated;
        self.deleted += deleted;
        self.awaiting_safeguard = awaiting_safeguard;
        self.stopped = self.stopped.or(stopped);
    }

    /// Each number with its word.
    pub fn words(&self) -> Vec<String> {
        let numbers = [
            (self.created, "created"),
            (self.linked, "linked"),
            (self.updated, "updated"),
            (self.reactivated, "reactivated"),
            (self.deactivated, "deactivated"),
            (self.deleted, "deleted"),
        ];
        numbers
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect()
    }
}
