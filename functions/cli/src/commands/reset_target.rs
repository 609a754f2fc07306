//! `provisioner reset-target`: binds the state to the configured target.

use std::io::Write;

use anyhow::{Result, bail};
use model::TargetIdentity;
use serde_json::json;
use store::TargetReset;

use crate::args::Confirmation;
use crate::exit::Exit;
use crate::session::Session;

/// Lease for the whole reset: no scan writes meanwhile.
const LEASE_SECONDS: i64 = 900;

/// Shows the target of the state and the configured one; with a confirmation, binds the state to the configured target.
pub async fn run(
    session: &Session,
    confirmation: Confirmation,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    let configured = &session.connection().policy.target;
    let stored = session.store.fetch_target().await?;
    let is_bound = session.store.check_target(configured).await.is_ok();
    let is_reset = !is_bound && confirmation == Confirmation::Given;
    let reset = if is_reset { reset(session, configured).await? } else { TargetReset::default() };
    if json {
        let text = json!({
            "stored": stored.map(|target| target.to_string()),
            "configured": configured.to_string(),
            "reset": is_reset,
            "unlinked": reset.unlinked,
        });
        writeln!(out, "{text}")?;
    } else {
        let stored = stored.map_or_else(|| "none yet".to_owned(), |target| target.to_string());
        writeln!(out, "target in the state:         {stored}")?;
        writeln!(out, "target in the configuration: {configured}")?;
        match (is_bound, is_reset) {
            (true, _) => writeln!(out, "nothing to reset")?,
            (false, true) => writeln!(
                out,
                "the state belongs to the configured target now; account links forgotten: {}. The next sync matches users by \
user name. Accounts at the earlier target were not changed",
                reset.unlinked
            )?,
            (false, false) => writeln!(
                out,
                "nothing was changed. A reset forgets all account ids, so that the next sync matches users by user name at the \
configured target. Check both targets, then repeat with --yes"
            )?,
        }
    }
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
            "the reset is unfinished: {busy} users are being provisioned; run 'provisioner reset-target --yes' again in some minutes"
        ),
    }
}
