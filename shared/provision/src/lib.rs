//! Provisioning of one user: whatever the directory said last, brought about in the target.
//!
//! A call names a user, never a change. It reads what should be, finds the account, decides with the pure decision
//! table, calls the target, and writes down what it brought about. Called twice, late or in the wrong order, the
//! account ends as the directory last said.

mod account;
mod apply;
mod breaker;
mod creation;
mod dead_letters;
mod drift;
mod explain;
mod health;
mod outcome;
mod policy;
mod preview;
mod references;
mod unread;
mod worker;
mod write_down;

pub use dead_letters::handle_dead_letter;
pub use drift::{DriftCounts, DriftError, DriftFinding, DriftRepair, find_drift};
pub use explain::{
    AccountContext, AccountExplanation, AccountState, AppliedExplanation, AttributeComparison,
    RecordExplanation, ShownDifference, Wait, WaitKind, describe_status, explain_account,
};
pub use health::Health;
pub use outcome::{FollowUp, Outcome, Provisioned, Step, Stop, switches_off};
pub use policy::{Verdict, judge};
pub use preview::{Look, Preview, preview};
pub use worker::{MessageDisposition, work};
pub use write_down::describe;

use model::{AnchorHash, Options, Status, UnixSeconds};
use plan::Decision;
use queue::Queue;
use scim::Target;
use store::{Store, StoreError, UserLease};

/// What provisioning works with.
#[derive(Clone, Copy)]
pub struct Provisioner<'a> {
    /// The connection's state.
    pub store: &'a Store,
    /// The account store.
    pub target: &'a Target,
    /// How the target did lately.
    pub health: &'a Health,
    /// What the administrator has switched on.
    pub options: &'a Options,
    /// After so many tries in vain a user is left to a person.
    pub max_attempts: u32,
    /// Where users are announced who need not wait for another one any longer. Without it, they are found by looking for
    /// those who are due.
    pub requests: Option<RequestQueue<'a>>,
    /// Who is working; a dead worker's lease on a user runs out by itself, or is taken over by the same owner.
    pub owner: &'a str,
    /// How long one user may be worked on before another worker may try.
    pub lease_seconds: i64,
    /// The time.
    pub clock: fn() -> UnixSeconds,
}

/// Where the users of a connection are announced.
#[derive(Clone, Copy)]
pub struct RequestQueue<'a> {
    /// The queue.
    pub queue: &'a Queue,
    /// The connection's name.
    pub connection: &'a str,
}

impl Provisioner<'_> {
    /// Brings one user's account to what the directory said last, if that is due.
    pub async fn provision(&self, user: AnchorHash) -> Result<Provisioned, StoreError> {
        self.provision_if(user, None, |lease| self.is_due(lease)).await
    }

    /// The same, if what is to be done is among that which was planned; anything else is left undone, and stays due.
    pub async fn provision_planned(
        &self,
        user: AnchorHash,
        planned: &[Decision],
    ) -> Result<Provisioned, StoreError> {
        self.provision_if(user, Some(planned), |lease| self.is_due(lease)).await
    }

    /// The same at once, because somebody asks for it: it doesn't wait for the time of the next try, and tries again whom
    /// the target refused.
    pub async fn provision_now(&self, user: AnchorHash) -> Result<Provisioned, StoreError> {
        let due = |lease: &UserLease| match &lease.record.status {
            Status::Pending | Status::Retrying { .. } | Status::Failed { .. } => Ok(()),
            _ => Err(Outcome::NothingToDo),
        };
        self.provision_if(user, None, due).await
    }

    fn is_due(&self, lease: &UserLease) -> Result<(), Outcome> {
        match lease.record.status {
            Status::Retrying { .. } | Status::PendingDeletion { .. }
                if lease.record.next_attempt > (self.clock)() =>
            {
                Err(Outcome::NotYet { until: lease.record.next_attempt })
            }
            ref status if status.is_due() => Ok(()),
            _ => Err(Outcome::NothingToDo),
        }
    }

    async fn provision_if(
        &self,
        user: AnchorHash,
        planned: Option<&[Decision]>,
        due: impl Fn(&UserLease) -> Result<(), Outcome>,
    ) -> Result<Provisioned, StoreError> {
        let now = (self.clock)();
        let Some(lease) = self.store.lease_user(user, self.owner, now, self.lease_seconds).await? else {
            return Ok(Outcome::Busy.into());
        };
        if let Err(outcome) = due(&lease) {
            let waits_for = references::settled_on(&lease);
            self.store.return_lease(lease).await?;
            let rest = references::look_again(self, user, &waits_for).await?;
            return Ok(Provisioned { outcome, rest });
        }
        // On the heap: what one user's work holds while it waits is much for a thread's stack.
        match Box::pin(apply::apply(self, lease, planned)).await {
            // Somebody took the user over: whoever it was saw what there is to do.
            Err(StoreError::LeaseLost) => Ok(Outcome::Busy.into()),
            done => done,
        }
    }
}
