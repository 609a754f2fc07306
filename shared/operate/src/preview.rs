//! Preview of a sync: the plan of a scan, and provisioning's decisions about it. Nothing is written.

mod users;

use std::collections::BTreeMap;
use std::io;

use directory::Directory;
use explain::{HeldSummary, ReportItem};
use model::{AnchorHash, Fingerprint, HeldEffect, LimitedEffect};
use plan::Decision;
use scan::{FinalPlan, PagePlan, PagePlanner, ScanMode, ScanRead, ScanStart, UnidentifiedEntry, plan_final};
use scim::Target;
use serde::Serialize;

use self::users::{UserCounts, UserPreviews};
use crate::{OperateError, OperatorContext};

/// The numbers of a plan. Each user counts once: `actions` and `unchanged` add up to `read` and `out_of_scope`.
#[derive(Debug, Default, Serialize)]
pub struct PlanSummary {
    /// Entries in scope.
    pub read: u64,
    /// Users in sync.
    pub unchanged: u64,
    /// Users by action, or by the reason why none is performed. The last action of several counts.
    pub actions: BTreeMap<String, u64>,
    /// Existing accounts that would be linked. Where the account is changed too, its user counts under that action.
    pub links: u64,
    /// Users out of scope, which count among the actions.
    pub out_of_scope: u64,
    /// Whether the directory read was complete. After an incomplete read no account is deprovisioned.
    pub complete: bool,
    /// Why the read was incomplete.
    pub incomplete: Option<String>,
    /// The removals that `sync` would hold.
    pub removals: Option<HeldSummary>,
    /// The changes that `sync` would hold.
    pub changes: Option<HeldSummary>,
    /// Whether an earlier scan holds these removals, so that they can be approved now.
    pub can_approve: bool,
    /// Approvals that are valid now. The plan has what they release.
    pub approved: Vec<HeldSummary>,
    /// Users of a first load that `sync` would hold until it is approved.
    pub first_load: Option<HeldEffect>,
    /// Entries without a usable anchor, up to a limit.
    pub unidentified: Vec<UnidentifiedEntry>,
}

/// A part of a plan, as it is computed.
#[derive(Debug)]
pub enum PlanEvent<'a> {
    /// The number of entries read so far.
    Read(u64),
    /// The plan of a page.
    Page(&'a PagePlan),
    /// The final plan.
    Final(&'a FinalPlan),
    /// The decisions about one account.
    Decided(AnchorHash, &'a [Decision]),
    /// An action of one user, or a reason why none is performed.
    Item(ReportItem),
}

/// Directory and target that a plan is computed from.
pub struct PlanSources<'a> {
    /// The directory.
    pub directory: &'a mut Directory,
    /// The target.
    pub target: &'a Target,
    /// Number of accounts read at the same time.
    pub concurrency: usize,
}

/// Plans everything that `sync` would do now. `sink` gets the plan part by part.
pub async fn preview_sync(
    context: &OperatorContext<'_>,
    sources: PlanSources<'_>,
    sink: impl FnMut(PlanEvent<'_>) -> io::Result<()>,
) -> Result<PlanSummary, OperateError> {
    let PlanSources { directory, target, concurrency } = sources;
    let scan = context.scan();
    // A plan shows all users, so it needs a full read.
    let ScanStart { state, snapshot, read } = ScanRead::begin(&scan, directory, ScanMode::Full).await?;
    let mut users = UserPreviews::of(context, (target, concurrency), sink);

    let mut planner = PagePlanner::new(&scan, &state.memory, &snapshot, read);
    // The first plan is what an administrator approves a first load by.
    planner.allow_first_load(true);
    while let Some(page) = planner.next_page().await? {
        (users.sink)(PlanEvent::Read(planner.summary().read))?;
        (users.sink)(PlanEvent::Page(&page))?;
        users.page(page).await?;
    }
    let finished = planner.finish().await;
    let mut plan = plan_final(directory, finished).await?;
    (users.sink)(PlanEvent::Final(&plan))?;
    users.page(std::mem::take(&mut plan.late)).await?;
    let accounts = std::mem::take(&mut plan.account_transfers);
    let names = std::mem::take(&mut plan.name_transfers);
    users.transfers(accounts, names).await?;
    users.page(std::mem::take(&mut plan.changes)).await?;
    let held = plan.held_removals(state.version);
    let removals = std::mem::take(&mut plan.removals);
    users.removals(removals).await?;
    users.due_users(|hash| plan.plans_for(hash)).await?;

    let (memory, now) = (&state.memory, (context.clock)());
    let summary = plan.summary;
    let changes = plan.held_changes.as_ref();
    let known =
        |known: Option<Fingerprint>, planned: Option<Fingerprint>| planned.is_none() || planned == known;
    let can_approve = known(memory.held.map(|held| held.hash), held.map(|held| held.hash))
        && known(memory.changes.as_ref().map(|held| held.hash), changes.map(|held| held.hash));
    let options = &context.policy.options;
    let approved = [HeldSummary::removals(memory, options, now), HeldSummary::changes(memory, now)];
    (0..summary.unreadable).for_each(|_| users.counts.count("unreadable", true));
    let UserCounts { actions, links, in_scope, out_of_scope } = users.counts;
    Ok(PlanSummary {
        read: summary.read,
        unchanged: summary.read.saturating_sub(in_scope),
        actions,
        links,
        out_of_scope,
        complete: summary.complete,
        incomplete: summary.incomplete,
        first_load: first_load(summary.first_load, context.policy.safety.max_first_load),
        removals: held.as_ref().map(|held| HeldSummary::of_removals(held, options)),
        changes: changes.map(HeldSummary::of_changes),
        can_approve,
        approved: approved.into_iter().flatten().filter(|held| held.approved_by.is_some()).collect(),
        unidentified: summary.unidentified_entries,
    })
}

/// The first load, if it is above its limit.
fn first_load(count: u64, limit: Option<u64>) -> Option<HeldEffect> {
    let limit = limit.filter(|limit| count > *limit)?;
    Some(HeldEffect { effect: LimitedEffect::FirstLoad, count, limit })
}
