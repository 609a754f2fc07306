//! Provisioning of one user: whatever the directory said last, brought about in the target.
//!
//! A call names a user, never a change. It reads what should be, finds the account, decides with the pure decision
//! table, calls the target, and writes down what it brought about. Called twice, late or in the wrong order, the
//! account ends as the directory last said.

mod account;
mod apply;
mod outcome;
mod policy;
mod preview;
mod references;

pub use outcome::{Outcome, Step, Stop};
pub use policy::{Verdict, verdict};
pub use preview::{Preview, preview};

use model::{AnchorHash, Options, UnixSeconds};
use store::{Store, StoreError};
use target::Target;

/// What provisioning works with.
#[derive(Clone, Copy)]
pub struct Provisioner<'a> {
    /// The connection's state.
    pub store: &'a Store,
    /// The account store.
    pub target: &'a Target,
    /// What the administrator has switched on.
    pub options: &'a Options,
    /// Who is working; a dead worker's lease on a user runs out by itself, or is taken over by the same owner.
    pub owner: &'a str,
    /// The time.
    pub clock: fn() -> UnixSeconds,
}

/// How long one user may be worked on before another worker may try.
const LEASE_SECONDS: i64 = 300;

impl Provisioner<'_> {
    /// Brings one user's account to what the directory said last.
    pub async fn provision(&self, user: AnchorHash) -> Result<Outcome, StoreError> {
        match self.provision_leased(user).await {
            // Somebody took the user over: whoever it was saw what there is to do.
            Err(StoreError::LeaseLost) => Ok(Outcome::Busy),
            outcome => outcome,
        }
    }

    async fn provision_leased(&self, user: AnchorHash) -> Result<Outcome, StoreError> {
        let now = (self.clock)();
        let Some(lease) = self.store.lease_user(user, self.owner, now, LEASE_SECONDS).await? else {
            return Ok(Outcome::Busy);
        };
        if !lease.record.status.is_due() {
            self.store.return_lease(lease).await?;
            return Ok(Outcome::NothingToDo);
        }
        apply::apply(self, lease).await
    }
}
