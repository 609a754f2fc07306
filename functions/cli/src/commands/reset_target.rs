//! `provisioner reset-target`: binds the state to the configured target.

use anyhow::{Result, bail};
use model::TargetIdentity;
use serde_json::json;
use store::TargetReset;

use crate::args::{Confirmation, ConnectionArgs};
use crate::exit::Exit;
use crate::output::Output;
use crate::session::Session;

/// Lease for the whole reset, so that no scan writes meanwhile.
const LEASE_SECONDS: i64 = 900;

/// Shows the target of the state and the configured one; with a confirmation, binds the state to the configured target.
pub async fn run(connection: &ConnectionArgs, confirmation: Confirmation) -> Result<Exit> {
    let session = &Session::open_existing(connection).await?;
    let output = &mut Output::of(connection);
    let configured = &session.connection().policy.target;
    let stored = session.store.fetch_target().await?.map(|target| target.to_string());
    let is_bound = session.store.check_target(configured).await.is_ok();
    let is_reset = !is_bound && confirmation == Confirmation::Given;
    let unlinked = if is_reset { reset(session, configured).await?.unlinked } else { 0 };
    let value = json!({
        "stored": stored,
        "configured": configured.to_string(),
        "reset": is_reset,
        "unlinked": unlinked,
    });
    output.show(&value, |_| {
        let stored = stored.as_deref().unwrap_or("none yet");
        let result = match (is_bound, is_reset) {
            (true, _) => "nothing to reset".to_owned(),
            (false, true) => format!(
                "the state belongs to the configured target now; account links forgotten: {unlinked}. The next sync matches users by \
user name. Accounts at the earlier target were not changed"
            ),
            (false, false) => format!(
                "nothing was changed. A reset forgets all account ids, so that the next sync matches users by user name at the \
configured target. Check both targets, then:\n  {}",
                session.next(&["reset-target", "--yes"])
            ),
        };
        format!("target in the state:         {stored}\ntarget in the configuration: {configured}\n{result}")
    })?;
    Ok(if is_bound || is_reset { Exit::Done } else { Exit::Held })
}

async fn reset(session: &Session, configured: &TargetIdentity) -> Result<TargetReset> {
    let store = &session.store;
    let lease = store.take_lease(session.owner(), runtime::now(), LEASE_SECONDS).await??;
    let reset = store.reset_target(&lease, configured).await;
    store.release(lease, None, None).await?;
    match reset? {
        reset @ TargetReset { busy: 0, .. } => Ok(reset),
        TargetReset { busy, .. } => bail!(
            "the reset is unfinished: {busy} users are being provisioned; in some minutes, run {}",
            session.next(&["reset-target", "--yes"])
        ),
    }
}
