//! `provisioner apply`: does what a plan file says, or names what has changed since and does nothing.

use std::collections::HashMap;
use std::io::Write;

use anyhow::Result;
use model::AnchorHash;
use plan::Decision;
use scan::{ApprovedPlan, FinalPlan, PagePlan};
use serde_json::json;

use super::sync::{self, SyncTask};
use crate::exit::{Exit, UsageError};
use crate::plan_file::{PlanDeviation, PlanFile, deviations};
use crate::preview::{PlanSink, preview};
use crate::report::{BAD, FAINT, Progress, ReportItem, ValueMask, paint, plain};
use crate::session::Session;

/// The content of an approved plan file, for the scan and for provisioning.
#[derive(Default)]
pub struct ApprovedWork {
    /// The records that may be written.
    pub plan: ApprovedPlan,
    /// The decisions that may be executed, by user.
    pub decisions: HashMap<AnchorHash, Vec<Decision>>,
}

/// Plans anew. If the plan equals the file, it is carried out, and nothing else.
pub async fn run(
    session: &Session,
    planned: &PlanFile,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    let connection = session.connection();
    if planned.connection != connection.policy.name {
        let text = format!(
            "the plan is for the connection {}, but the configuration is for {}",
            planned.connection, connection.policy.name
        );
        return Err(UsageError(text).into());
    }
    if let Some(breaker) = session.store.fetch_breaker().await? {
        let reason = breaker.reason.word();
        anyhow::bail!(
            "circuit breaker open: no requests are sent to the target ({reason}); see provisioner breaker"
        );
    }
    let mask = ValueMask { masked: connection.policy.rules.mapping.masked() };
    let progress = Progress::start("planning", None);
    let mut replan = Replan { progress, users: Vec::new(), approved: ApprovedWork::default() };
    let summary = preview(session, &mask, &mut replan).await?;
    let Replan { progress, users, approved } = replan;
    drop(progress);
    let deviations = deviations(planned, &PlanFile::of(connection, &summary, users));
    if deviations.is_empty() {
        return sync::run(session, SyncTask::Approved(&approved), json, out).await;
    }
    refuse(&deviations, json, out)
}

fn refuse(deviations: &[PlanDeviation], json: bool, out: &mut impl Write) -> Result<Exit> {
    if json {
        writeln!(out, "{}", json!({ "applied": false, "deviations": deviations }))?;
        return Ok(Exit::CouldNotRun);
    }
    let heading = paint(BAD, "Nothing was done, because the present plan differs from the plan file:");
    writeln!(out, "{heading} make a new plan")?;
    for PlanDeviation { anchor, user_name, what, how } in deviations {
        let user = user_name.as_ref().or(anchor.as_ref());
        let user = user.map_or_else(String::new, |user| plain(user) + " ");
        writeln!(out, "  {user}{what} {}", paint(FAINT, &plain(how)))?;
    }
    Ok(Exit::CouldNotRun)
}

/// The present plan.
struct Replan {
    progress: Progress,
    users: Vec<ReportItem>,
    approved: ApprovedWork,
}

impl PlanSink for Replan {
    fn item(&mut self, item: ReportItem) -> Result<()> {
        self.users.push(item);
        Ok(())
    }

    fn read(&mut self, entries: u64) {
        self.progress.at(entries);
    }

    fn page(&mut self, page: &PagePlan) {
        self.approved.plan.add_page(page);
    }

    fn final_plan(&mut self, plan: &FinalPlan) {
        self.approved.plan.add_final(plan);
    }

    fn decided(&mut self, user: AnchorHash, decisions: &[Decision]) {
        self.approved.decisions.insert(user, decisions.to_vec());
    }
}
