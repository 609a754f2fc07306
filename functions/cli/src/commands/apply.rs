//! `provisioner apply`: executes a plan file, or names the deviations from it and does nothing.

use std::path::Path;

use anyhow::Result;
use operate::{PlanEvent, PlanSources, preview_sync};
use scan::ApprovedPlan;
use serde_json::json;

use super::sync::{self, SyncTask};
use crate::args::{ConnectionArgs, StateLocation};
use crate::clean::plain;
use crate::exit::{Exit, UsageError};
use crate::output::{BAD, FAINT, Lines, Output, paint};
use crate::plan_file::{PlanDeviation, PlanFile, deviations};
use crate::provision_due::ApprovedDecisions;
use crate::session::{Connections, Session};

/// The content of an approved plan file, for the scan and for provisioning.
#[derive(Default)]
pub struct ApprovedActions {
    /// The records that may be written.
    pub plan: ApprovedPlan,
    /// The decisions that may be executed, by user.
    pub decisions: ApprovedDecisions,
}

/// Plans anew. If the plan equals the file, it is executed.
pub async fn run(connection: &ConnectionArgs, plan: &Path) -> Result<Exit> {
    let planned = PlanFile::read(plan)?;
    let session = match connection.state_location() {
        state @ StateLocation::File(_) => Session::open(Connections::read(connection)?, &state).await?,
        StateLocation::DynamoDb(_) => Session::open_to_act(connection).await?,
    };
    apply(&session, &planned, &mut Output::of(connection)).await
}

async fn apply(session: &Session, planned: &PlanFile, output: &mut Output) -> Result<Exit> {
    let connection = session.connection();
    if connection.options.observe {
        let text = "options.observe is on, so no plan can be applied; switch it off and make a new plan";
        return Err(UsageError(text.to_owned()).into());
    }
    if planned.connection != connection.policy.name {
        let text = format!(
            "the plan is for the connection {}, but the configuration is for {}",
            planned.connection, connection.policy.name
        );
        return Err(UsageError(text).into());
    }
    // With a state file, the run probes the target itself.
    if session.is_deployed()
        && let Some(breaker) = session.store.fetch_breaker().await?
    {
        let reason = breaker.reason.word();
        let command = session.next(&["breaker", "show"]);
        anyhow::bail!("circuit breaker open: no requests are sent to the target ({reason}); see {command}");
    }
    let (mut approved, mut users) = (ApprovedActions::default(), Vec::new());
    let progress = session.progress("planning", None);
    let (target, mut directory) =
        (session.connections.target().await?, session.connections.directory().await?);
    let sources = PlanSources {
        directory: &mut directory,
        target: &target,
        concurrency: connection.target.concurrency,
    };
    let operator = session.operator();
    let summary = preview_sync(&operator, sources, |event| {
        match event {
            PlanEvent::Read(entries) => progress.at(entries),
            PlanEvent::Page(page) => approved.plan.add_page(page),
            PlanEvent::Final(plan) => approved.plan.add_final(plan),
            PlanEvent::Decided(user, decisions) => {
                approved.decisions.insert(user, decisions.to_vec());
            }
            PlanEvent::Item(item) => users.push(item),
        }
        Ok(())
    });
    let summary = Box::pin(summary).await?;
    drop(progress);
    let deviations = deviations(planned, &PlanFile::of(connection, &summary, users));
    if deviations.is_empty() {
        return sync::synchronise(session, SyncTask::Approved(&approved), output).await;
    }
    output.show(&json!({ "applied": false, "deviations": deviations }), |_| text(&deviations))?;
    Ok(Exit::CouldNotRun)
}

fn text(deviations: &[PlanDeviation]) -> String {
    let mut lines = Lines::default();
    let heading = paint(BAD, "Nothing was done, because the present plan differs from the plan file:");
    lines.add(format!("{heading} make a new plan"));
    for PlanDeviation { anchor, user_name, what, how } in deviations {
        let user = user_name.as_ref().or(anchor.as_ref());
        let user = user.map_or_else(String::new, |user| plain(user) + " ");
        lines.add(format!("  {user}{what} {}", paint(FAINT, plain(how))));
    }
    lines.text()
}
