//! The terminal's dry run: the plan of a scan, and provisioning's decisions about it, with nothing written.

mod plan_inputs;

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use futures::{StreamExt, stream};
use model::{AccountLink, Anchor, AnchorHash, Desired, Status, UserRecord};
use plan::{Decision, RecordPlan, ReleasedRemoval, RemovalCandidate, RemovalVerdict};
use scan::{
    AccountTransfer, FinalPlan, NameTransfer, PagePlan, PagePlanner, ScanMode, ScanRead, ScanStart, UserPlan,
    plan_final,
};
use scim::Target;

use crate::commands::plan::PlanSummary;
use crate::report::{HeldSummary, PlanInputs, ReportItem, ValueMask, moment};
use crate::session::Session;

/// Why a creation or an update is held.
const CONFIGURATION_CHANGED: &str = "the changed configuration would touch more accounts than max_changes";

/// Why a removal is held.
const OVER_LIMIT: &str = "more removals than the safety limits allow";

/// Why a removal is skipped.
const OPTION_OFF: &str = "options.deprovision is off";

/// Takes a plan, item by item.
pub trait PlanSink {
    /// Takes the next item.
    fn item(&mut self, item: ReportItem) -> Result<()>;
    /// Takes the number of entries read so far.
    fn read(&mut self, entries: u64);
    /// Takes the plan of a page.
    fn page(&mut self, _page: &PagePlan) {}
    /// Takes the final plan.
    fn final_plan(&mut self, _plan: &FinalPlan) {}
    /// Takes the decisions about one account.
    fn decided(&mut self, _user: AnchorHash, _decisions: &[Decision]) {}
}

/// One user whose account has to be read for the plan.
struct AccountCheck {
    anchor: Anchor,
    record: Option<UserRecord>,
    desired: Desired,
    released: bool,
    deletion_due: bool,
    /// Why nothing is done to the account.
    held: Option<&'static str>,
}

impl AccountCheck {
    fn of(anchor: Anchor, record: Option<UserRecord>, desired: Desired) -> Self {
        Self { anchor, record, desired, released: false, deletion_due: false, held: None }
    }

    fn inputs(&self, account: Option<&model::Account>) -> PlanInputs {
        plan_inputs::of(Some(&self.desired), self.record.as_ref(), account)
    }
}

/// Plans everything that `sync` would do now.
pub async fn preview(session: &Session, mask: &ValueMask, sink: &mut impl PlanSink) -> Result<PlanSummary> {
    let target = session.connections.target().await?;
    let mut directory = session.connections.directory().await?;
    let context = session.scan_context();
    // A plan shows all users, so it needs a full read.
    let ScanStart { state, snapshot, read } =
        ScanRead::begin(&context, &mut directory, ScanMode::Full).await?;
    let (actions, conflicts) = Default::default();
    let mut preview = Preview { session, mask, sink, target: &target, actions, conflicts, unchanged: 0 };

    let mut planner = PagePlanner::new(&context, &state.memory, &snapshot, read);
    while let Some(page) = planner.next_page().await? {
        preview.sink.read(planner.summary().read);
        preview.sink.page(&page);
        preview.page(page).await?;
    }
    let finished = planner.finish().await;
    let mut plan = plan_final(&mut directory, finished).await?;
    preview.sink.final_plan(&plan);
    preview.page(std::mem::take(&mut plan.late)).await?;
    let accounts = std::mem::take(&mut plan.account_transfers);
    let names = std::mem::take(&mut plan.name_transfers);
    preview.transfers(accounts, names).await?;
    preview.page(std::mem::take(&mut plan.changes)).await?;
    let removals = std::mem::replace(&mut plan.removals, RemovalVerdict::Released(Vec::new()));
    preview.removals(removals).await?;
    preview.already_due(|hash| plan.plans_for(hash)).await?;

    let Preview { actions, unchanged, .. } = preview;
    let summary = plan.summary;
    Ok(PlanSummary {
        read: summary.read,
        unchanged: summary.unchanged + unchanged,
        actions,
        complete: summary.complete,
        incomplete: summary.incomplete,
        change: plan.held_change.map(|change| HeldSummary::of_change(&change)),
        unidentified: summary.unidentified_entries,
    })
}

struct Preview<'a, S> {
    session: &'a Session,
    mask: &'a ValueMask,
    sink: &'a mut S,
    target: &'a Target,
    actions: BTreeMap<String, u64>,
    /// Users whose name another entry has, unless a transfer resolves the conflict at the end.
    conflicts: Vec<(AnchorHash, ReportItem)>,
    unchanged: u64,
}

impl<S: PlanSink> Preview<'_, S> {
    async fn page(&mut self, page: PagePlan) -> Result<()> {
        let PagePlan { users, held } = page;
        self.users(users, None).await?;
        self.users(held, Some(CONFIGURATION_CHANGED)).await
    }

    async fn users(&mut self, users: Vec<UserPlan>, held: Option<&'static str>) -> Result<()> {
        let mut checks = Vec::new();
        for user in users {
            if let Some(check) = self.user(user)? {
                checks.push(AccountCheck { held, ..check });
            }
        }
        self.check_accounts(checks).await
    }

    /// Shows one user's plan; yields the check that it needs.
    fn user(&mut self, user: UserPlan) -> Result<Option<AccountCheck>> {
        let UserPlan { anchor, record, plan, conflict, .. } = user;
        match (plan, conflict) {
            (RecordPlan::SetDesired { desired, .. }, Some(owner)) => {
                let why = format!("another entry has this user name ({owner})");
                let mut item = self.mask.item(&anchor, desired.user_name(), "conflict", why);
                item.seen = Some(plan_inputs::of(Some(&desired), record.as_ref(), None));
                self.conflicts.push((anchor.hash(), item));
            }
            (RecordPlan::SetDesired { desired, status }, None) if status.is_due() => {
                return Ok(Some(AccountCheck::of(anchor, record, desired)));
            }
            // A conflict that was there before.
            (RecordPlan::Nothing | RecordPlan::SetStatus(Status::Conflict { .. }), Some(owner)) => {
                self.waits(&anchor, record.as_ref(), &Status::Conflict { owner })?;
            }
            (RecordPlan::Nothing, None) if record.as_ref().is_some_and(is_skipped) => {
                if let Some(record) = &record {
                    self.waits(&anchor, Some(record), &record.status)?;
                }
            }
            (RecordPlan::SetStatus(Status::Invalid { error }), _) => {
                let name = record.as_ref().and_then(UserRecord::user_name);
                let mut item = self.mask.item(&anchor, name, "invalid", error);
                item.seen = Some(plan_inputs::of(None, record.as_ref(), None));
                self.show(item)?;
            }
            (RecordPlan::SetStatus(status), _) if status.is_due() => {
                let desired = record.as_ref().and_then(|record| record.desired.clone());
                return Ok(desired.map(|desired| AccountCheck::of(anchor, record, desired)));
            }
            // Due since an earlier run: shown with all users of that kind.
            _ if record.is_some_and(|record| record.status.is_due()) => {}
            _ => self.unchanged += 1,
        }
        Ok(None)
    }

    /// Shows a user who waits and for whom nothing changes.
    fn waits(&mut self, anchor: &Anchor, record: Option<&UserRecord>, status: &Status) -> Result<()> {
        let name = record.and_then(UserRecord::user_name);
        let mut item = self.mask.item(anchor, name, status.word(), status.detail().unwrap_or_default());
        item.seen = Some(plan_inputs::of(record.and_then(|record| record.desired.as_ref()), record, None));
        self.show(item)
    }

    /// Users who are due since an earlier run, and users whose accounts are deleted at a later time.
    async fn already_due(&mut self, is_planned: impl Fn(&AnchorHash) -> bool) -> Result<()> {
        for word in ["pending", "retrying", "pending_deletion"] {
            let mut after = None;
            loop {
                let page = self.session.store.fetch_by_status(word, after, 100).await?;
                let mut checks = Vec::new();
                for record in page.items {
                    let Some(desired) = record.desired.clone() else { continue };
                    if !is_planned(&record.anchor.hash()) {
                        checks.extend(self.already_due_user(record, desired)?);
                    }
                }
                self.check_accounts(checks).await?;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn already_due_user(&mut self, record: UserRecord, desired: Desired) -> Result<Option<AccountCheck>> {
        let is_deletion = matches!(record.status, Status::PendingDeletion { .. });
        let deletes = self.session.connection().policy.options.delete_after_days.is_some();
        if is_deletion && deletes && record.next_attempt > runtime::now() {
            let why = record.status.detail().unwrap_or_default();
            let why = format!("{why}: {}", moment(record.next_attempt));
            let mut item = self.mask.item(&record.anchor, record.user_name(), "pending_deletion", why);
            item.seen = Some(plan_inputs::of(Some(&desired), Some(&record), None));
            self.show(item)?;
            return Ok(None);
        }
        let (anchor, released) = (record.anchor.clone(), record.removal_released);
        let deletion_due = is_deletion && deletes;
        let check = AccountCheck::of(anchor, Some(record), desired);
        Ok(Some(AccountCheck { released, deletion_due, ..check }))
    }

    /// Shows the transfers with what they change in the accounts, and the conflicts that remain.
    async fn transfers(&mut self, accounts: Vec<AccountTransfer>, names: Vec<NameTransfer>) -> Result<()> {
        let account_takers = accounts.iter().map(|transfer| transfer.to.anchor.hash());
        let name_takers = names.iter().map(|transfer| transfer.to.anchor.hash());
        let takers: HashSet<AnchorHash> = account_takers.chain(name_takers).collect();
        let conflicts = std::mem::take(&mut self.conflicts);
        let remaining = conflicts.into_iter().filter(|(hash, _)| !takers.contains(hash));
        remaining.into_iter().try_for_each(|(_, item)| self.show(item))?;

        let mut checks = Vec::new();
        for AccountTransfer { from, to, .. } in accounts {
            let why = format!("takes over the account of {}, whose entry is gone", from.anchor);
            let own = to.record.as_ref().and_then(|record| record.link.clone());
            let link = from.link.clone().or(own);
            checks.extend(self.transfer(from, to, link, why)?);
        }
        for NameTransfer { from, to, .. } in names {
            let why = format!("takes over the user name that {} gives up", from.anchor);
            let own = to.record.as_ref().and_then(|record| record.link.clone());
            checks.extend(self.transfer(from, to, own, why)?);
        }
        self.check_accounts(checks).await
    }

    /// Shows one transfer. `link` is the account of the user after it.
    fn transfer(
        &mut self,
        from: UserRecord,
        to: UserPlan,
        link: Option<AccountLink>,
        why: String,
    ) -> Result<Option<AccountCheck>> {
        let UserPlan { anchor, record, plan, .. } = to;
        let recorded = record.as_ref().and_then(|record| record.desired.clone());
        let desired = match plan {
            RecordPlan::SetDesired { desired, .. } => Some(desired),
            _ => recorded,
        };
        let Some(desired) = desired else { return Ok(None) };
        let mut item = self.mask.item(&anchor, desired.user_name(), "transfer", why);
        item.seen = Some(plan_inputs::of(Some(&desired), record.as_ref(), None));
        self.show(item)?;
        if link.is_none() {
            // The other entry's account still has the name, so a look-up by name would tell nothing.
            self.sink.decided(anchor.hash(), &[Decision::Create]);
            return Ok(None);
        }
        let record = UserRecord { anchor: anchor.clone(), desired: Some(desired.clone()), link, ..from };
        Ok(Some(AccountCheck::of(anchor, Some(record), desired)))
    }

    async fn removals(&mut self, removals: RemovalVerdict) -> Result<()> {
        match removals {
            RemovalVerdict::Held(candidates) => self.waiting(&candidates, "held", OVER_LIMIT),
            RemovalVerdict::Skipped(candidates) => self.waiting(&candidates, "skipped", OPTION_OFF),
            RemovalVerdict::PartlyReleased { released, held } => {
                self.released(&released).await?;
                self.waiting(&held, "held", OVER_LIMIT)
            }
            RemovalVerdict::Released(released) => self.released(&released).await,
        }
    }

    fn waiting(&mut self, candidates: &[RemovalCandidate], action: &'static str, by: &str) -> Result<()> {
        candidates.iter().try_for_each(|candidate| {
            let why = format!("{}; {by}", candidate.reason);
            let mut item = self.mask.item(&candidate.anchor, candidate.user_name.as_ref(), action, why);
            item.seen = Some(plan_inputs::of(Some(&candidate.desired), None, None));
            self.show(item)
        })
    }

    async fn released(&mut self, released: &[ReleasedRemoval]) -> Result<()> {
        for released in released.chunks(100) {
            let hashes: Vec<AnchorHash> = released.iter().map(|r| r.candidate().anchor.hash()).collect();
            let mut records = self.session.store.fetch_records(&hashes).await?;
            let checks = released.iter().map(ReleasedRemoval::candidate).map(|candidate| {
                let record = records.remove(&candidate.anchor.hash());
                let check = AccountCheck::of(candidate.anchor.clone(), record, candidate.desired.clone());
                AccountCheck { released: true, ..check }
            });
            let checks = checks.collect();
            self.check_accounts(checks).await?;
        }
        Ok(())
    }

    /// Reads accounts, several at a time, and shows the decisions in the order of the users.
    async fn check_accounts(&mut self, checks: Vec<AccountCheck>) -> Result<()> {
        let (connection, store) = (self.session.connection(), &self.session.store);
        let (target, options) = (self.target, &connection.policy.options);
        let mut previews = stream::iter(checks)
            .map(|check| async move {
                let at = provision::PreviewSubject {
                    record: check.record.as_ref(),
                    desired: &check.desired,
                    removal_released: check.released,
                    deletion_due: check.deletion_due,
                };
                let preview = provision::preview(store, target, options, at).await;
                (check, preview)
            })
            .buffered(connection.target.concurrency);
        while let Some((check, preview)) = previews.next().await {
            match preview? {
                Err(error) if matches!(error, scim::TargetError::Unauthorized { .. }) => {
                    return Err(error.into());
                }
                Err(error) => {
                    let name = check.desired.user_name();
                    let item = self.mask.item(&check.anchor, name, "failed", error.to_string());
                    self.show(ReportItem { seen: Some(check.inputs(None)), ..item })?;
                }
                Ok(preview) => self.decisions(&check, preview)?,
            }
        }
        Ok(())
    }

    /// Shows what would be done to one account.
    fn decisions(&mut self, check: &AccountCheck, preview: provision::Preview) -> Result<()> {
        let AccountCheck { anchor, desired, held, .. } = check;
        let seen = Some(check.inputs(preview.account.as_ref()));
        if let Some(owner) = preview.conflict {
            let why = format!("the account belongs to another entry ({owner})");
            let item = self.mask.item(anchor, desired.user_name(), "conflict", why);
            return self.show(ReportItem { seen, ..item });
        }
        if held.is_none() {
            self.sink.decided(anchor.hash(), &preview.decisions);
        }
        let decisions = preview.decisions.iter();
        let items: Vec<ReportItem> =
            decisions.filter_map(|decision| self.mask.decision(anchor, desired, decision)).collect();
        if items.is_empty() {
            self.unchanged += 1;
        }
        for item in items {
            let item = ReportItem { seen: seen.clone(), ..item };
            self.show(match held {
                Some(why) => {
                    ReportItem { action: "held".into(), why: format!("{}; {why}", item.why), ..item }
                }
                None => item,
            })?;
        }
        Ok(())
    }

    fn show(&mut self, item: ReportItem) -> Result<()> {
        *self.actions.entry(item.action.to_string()).or_default() += 1;
        self.sink.item(item)
    }
}

fn is_skipped(record: &UserRecord) -> bool {
    matches!(record.status, Status::Skipped { .. })
}
