//! Provisioning: brings one user's account in line with its record.
//!
//! A call names a user, never a change. Four steps follow each other: [`load`] takes the lease and resolves references,
//! [`decide`] asks the pure decision table, [`execute`] calls the target, [`record_outcome`] writes link, applied state,
//! history and status. Repeated, late or reordered calls end in the same account.

mod adopt;
mod breaker;
mod dead_letters;
mod decide;
mod error;
mod error_response;
mod execute;
mod execution;
mod free_name;
mod health;
mod link;
mod load;
mod outcome;
mod preview;
mod record_outcome;
mod references;
mod remove;
mod siblings;
mod update;
mod worker;

pub use breaker::open_breaker;
pub use dead_letters::handle_dead_letter;
pub use health::Health;
pub use outcome::{Action, FollowUp, Outcome, Provisioned, Stop, deactivates, describe_actions, reactivates};
pub use preview::{Preview, PreviewSubject, preview};
pub use references::resolve_references;
pub use worker::{MessageDisposition, work};

use std::time::Duration;

use free_name::NameConflict;
use model::{AnchorHash, Options, Status, UnixSeconds};
use plan::Decision;
use queue::Queue;
use scim::Target;
use store::{Store, StoreError, UserLease};

/// Handles and options of a worker.
#[derive(Clone, Copy)]
pub struct Provisioner<'a> {
    /// The connection's state.
    pub store: &'a Store,
    /// The account store.
    pub target: &'a Target,
    /// Recent failures of the target.
    pub health: &'a Health,
    /// The administrator's options.
    pub options: &'a Options,
    /// Links to accounts that are gone, dropped within a day without an approval.
    pub max_link_drops: u64,
    /// Failed attempts after which a user is left to an operator.
    pub max_attempts: u32,
    /// Queue for users that are woken because a reference was resolved. Without it, they are found among those due.
    pub requests: Option<RequestQueue<'a>>,
    /// Owner of the leases. The lease of a dead worker expires, or the same owner takes it again.
    pub owner: &'a str,
    /// How long a lease lasts.
    pub lease_seconds: i64,
    /// The time.
    pub clock: fn() -> UnixSeconds,
}

/// Where provision requests of a connection are sent.
#[derive(Clone, Copy)]
pub struct RequestQueue<'a> {
    /// The queue.
    pub queue: &'a Queue,
    /// The connection's name.
    pub connection: &'a str,
}

/// Pause before a user is tried again that waits for another user to free its name.
const NAME_PAUSE: Duration = Duration::from_secs(1);

/// Which users are provisioned.
#[derive(Clone, Copy)]
enum Urgency {
    /// Those that are due.
    WhenDue,
    /// Also those that wait for their next attempt, or that the target refused.
    Now,
}

impl Provisioner<'_> {
    /// Brings one user's account in line with its record, if that is due.
    pub async fn provision(&self, user: AnchorHash) -> Result<Provisioned, StoreError> {
        self.provision_leased(user, Urgency::WhenDue, None).await
    }

    /// The same, but only actions of the plan are performed. A user that needs another action stays due.
    pub async fn provision_planned(
        &self,
        user: AnchorHash,
        planned: &[Decision],
    ) -> Result<Provisioned, StoreError> {
        self.provision_leased(user, Urgency::WhenDue, Some(planned)).await
    }

    /// The same at once, because an operator asks for it: before the next attempt, and after a refusal too.
    pub async fn provision_now(&self, user: AnchorHash) -> Result<Provisioned, StoreError> {
        self.provision_leased(user, Urgency::Now, None).await
    }

    async fn provision_leased(
        &self,
        user: AnchorHash,
        urgency: Urgency,
        planned: Option<&[Decision]>,
    ) -> Result<Provisioned, StoreError> {
        let now = (self.clock)();
        let period = now..now.plus(self.lease_seconds);
        let Some(lease) = self.store.lease_user(user, self.owner, period).await? else {
            // Without a record there is nothing to wait for, and the message would come back until it is a dead letter.
            let is_known = self.store.fetch_record(user).await?.is_some();
            return Ok(if is_known { Outcome::Busy.into() } else { Outcome::NothingToDo.into() });
        };
        // On the heap: the future of one user is large for a thread's stack.
        match Box::pin(self.run(lease, urgency, planned)).await {
            // Another worker took the lease, and provisions the user.
            Err(StoreError::LeaseLost) => Ok(Outcome::Busy.into()),
            done => done,
        }
    }

    async fn run(
        &self,
        lease: UserLease,
        urgency: Urgency,
        planned: Option<&[Decision]>,
    ) -> Result<Provisioned, StoreError> {
        let mut user = match load::load(self, lease, |lease| urgency.accepts(lease, (self.clock)())).await? {
            Ok(user) => user,
            Err(outcome) => return Ok(outcome.into()),
        };
        let execution = execute::execute(self, &mut user, planned).await?;
        let is_name_awaited = execution.name == NameConflict::Awaited;
        let provisioned = record_outcome::record_outcome(self, user, execution).await?;
        if is_name_awaited {
            // Without the lease: the user that frees the name needs it.
            tokio::time::sleep(NAME_PAUSE).await;
        }
        Ok(provisioned)
    }
}

impl Urgency {
    /// Whether a user is provisioned now; else the outcome.
    fn accepts(self, lease: &UserLease, now: UnixSeconds) -> Result<(), Outcome> {
        let until = lease.record.next_attempt;
        match (self, &lease.record.status) {
            (
                Self::Now,
                Status::Pending | Status::Retrying { .. } | Status::Failed { .. } | Status::AccountGone,
            ) => Ok(()),
            (Self::WhenDue, Status::Retrying { .. } | Status::PendingDeletion { .. }) if until > now => {
                Err(Outcome::NotYet { until })
            }
            // A missing reference is rechecked.
            (Self::WhenDue, Status::InSync) if until > UnixSeconds(0) && until <= now => Ok(()),
            (Self::WhenDue, status) if status.is_due() => Ok(()),
            _ => Err(Outcome::NothingToDo),
        }
    }
}
