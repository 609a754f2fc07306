//! `provisioner apply`: does what a plan says, or says what has moved since and does nothing.

use std::collections::HashMap;
use std::io::Write;

use anyhow::Result;
use model::AnchorHash;
use plan::Decision;
use scan::{ApprovedPlan, FinalPlan, UserPlan};
use serde_json::json;

use super::sync::{self, Errand};
use crate::exit::{Exit, UsageError};
use crate::plan_file::{Moved, PlanFile, moved};
use crate::preview::{PlanSink, preview};
use crate::report::{BAD, FAINT, Progress, ReportItem, ValueMask, paint, plain};
use crate::session::Session;

/// What a person has agreed to, as the scan and provisioning take it.
#[derive(Default)]
pub struct Agreement {
    /// Who may be written down, and as what.
    pub agreed: ApprovedPlan,
    /// What may be done to whose account.
    pub decisions: HashMap<AnchorHash, Vec<Decision>>,
}

/// Plans anew; if that comes to the same, it is done, and nothing else.
pub async fn run(
    session: &Session,
    planned: &PlanFile,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    let connection = session.connection();
    if planned.connection != connection.policy.name {
        let text = format!(
            "the plan is for the connection {}, and this is {}",
            planned.connection, connection.policy.name
        );
        return Err(UsageError(text).into());
    }
    if let Some(breaker) = session.store.fetch_breaker().await? {
        let why = format!("nobody is tried at the target now ({})", breaker.reason.word());
        anyhow::bail!("{why}; see provisioner breaker");
    }
    let shown = ValueMask { masked: connection.policy.rules.mapping.masked() };
    let progress = Progress::start("planning", None);
    let mut again = Again { progress, users: Vec::new(), agreement: Agreement::default() };
    let summary = preview(session, &shown, &mut again).await?;
    let Again { progress, users, agreement } = again;
    drop(progress);
    let moved = moved(planned, &PlanFile::of(connection, &summary, users));
    if moved.is_empty() {
        return sync::run(session, Errand::ApprovedPlan(&agreement), json, out).await;
    }
    refuse(&moved, json, out)
}

fn refuse(moved: &[Moved], json: bool, out: &mut impl Write) -> Result<Exit> {
    if json {
        writeln!(out, "{}", json!({ "applied": false, "moved": moved }))?;
        return Ok(Exit::CouldNotRun);
    }
    writeln!(
        out,
        "{} make a new plan",
        paint(BAD, "The world has moved since the plan, and nothing was done:")
    )?;
    for Moved { anchor, user_name, what, how } in moved {
        let who = user_name.as_ref().or(anchor.as_ref()).map_or_else(String::new, |who| plain(who) + " ");
        writeln!(out, "  {who}{what} {}", paint(FAINT, &plain(how)))?;
    }
    Ok(Exit::CouldNotRun)
}

/// The plan as it is now.
struct Again {
    progress: Progress,
    users: Vec<ReportItem>,
    agreement: Agreement,
}

impl PlanSink for Again {
    fn item(&mut self, item: ReportItem) -> Result<()> {
        self.users.push(item);
        Ok(())
    }

    fn read(&mut self, entries: u64) {
        self.progress.at(entries);
    }

    fn users(&mut self, users: &[UserPlan]) {
        self.agreement.agreed.add_users(users);
    }

    fn ending(&mut self, ending: &FinalPlan) {
        self.agreement.agreed.add_ending(ending);
    }

    fn decided(&mut self, user: AnchorHash, decisions: &[Decision]) {
        self.agreement.decisions.insert(user, decisions.to_vec());
    }
}
