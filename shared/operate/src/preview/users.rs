//! The users of a plan, one after the other: what would be done to each, or why nothing is.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::io;

use explain::{ReportItem, ValueMask, hold_reason};
use futures::{StreamExt, stream};
use model::{
    AccountLink, Anchor, AnchorHash, DeprovisionReason, Desired, DisabledOption, HoldReason, Status,
    UserRecord,
};
use plan::{Decision, HeldPlan, RecordPlan, ReleasedRemoval, RemovalCandidate, RemovalVerdict};
use provision::{Preview, PreviewSubject};
use scan::{AccountTransfer, NameTransfer, PagePlan, UserPlan};
use scim::{Target, TargetError};

use super::PlanEvent;
use crate::plan_inputs;
use crate::{OperateError, OperatorContext};

/// Number of users read at a time.
const PAGE: usize = 100;

/// Users of a plan, each counted once.
#[derive(Debug, Default)]
pub(super) struct UserCounts {
    pub actions: BTreeMap<String, u64>,
    pub links: u64,
    pub in_scope: u64,
    pub out_of_scope: u64,
}

impl UserCounts {
    pub fn count(&mut self, action: &str, is_in_scope: bool) {
        *self.actions.entry(action.to_owned()).or_default() += 1;
        *if is_in_scope { &mut self.in_scope } else { &mut self.out_of_scope } += 1;
    }
}

/// One user with an account that has to be read for the plan.
struct AccountCheck {
    anchor: Anchor,
    record: Option<UserRecord>,
    desired: Desired,
    released: bool,
    deletion_due: bool,
    /// Why the decision is held.
    held: Option<String>,
    /// Action that counts for the user if none is decided.
    otherwise: Option<&'static str>,
}

impl AccountCheck {
    fn of(anchor: Anchor, record: Option<UserRecord>, desired: Desired) -> Self {
        let (released, deletion_due, held, otherwise) = Default::default();
        Self { anchor, record, desired, released, deletion_due, held, otherwise }
    }
}

/// Shows the users of a plan, and counts them.
pub(super) struct UserPreviews<'a, S> {
    context: OperatorContext<'a>,
    mask: ValueMask,
    target: &'a Target,
    concurrency: usize,
    pub sink: S,
    pub counts: UserCounts,
    /// Conflicts about a user name. A transfer at the end may resolve them.
    conflicts: Vec<(AnchorHash, ReportItem)>,
}

impl<'a, S: FnMut(PlanEvent<'_>) -> io::Result<()>> UserPreviews<'a, S> {
    /// No user yet. `concurrency` accounts are read at the same time.
    pub fn of(context: &OperatorContext<'a>, (target, concurrency): (&'a Target, usize), sink: S) -> Self {
        let (counts, conflicts) = Default::default();
        Self { context: *context, mask: context.mask(), target, concurrency, sink, counts, conflicts }
    }

    /// Shows the users of a page.
    pub async fn page(&mut self, page: PagePlan) -> Result<(), OperateError> {
        let PagePlan { users, held } = page;
        let users = users.into_iter().map(|user| (user, None));
        let held = held.into_iter().map(|HeldPlan { plan, by }| (plan, Some(hold_reason(&by))));
        let mut checks = Vec::new();
        for (user, held) in users.chain(held) {
            if let Some(check) = self.user(user)? {
                checks.push(AccountCheck { held, ..check });
            }
        }
        self.check_accounts(checks).await
    }

    /// Shows one user's plan; yields the check that it needs.
    fn user(&mut self, user: UserPlan) -> Result<Option<AccountCheck>, OperateError> {
        let UserPlan { anchor, record, plan, conflict, .. } = user;
        match (plan, conflict) {
            (RecordPlan::SetDesired { desired, .. }, Some(owner)) => {
                let why = format!("another entry has this user name ({owner})");
                let item = self.mask.item((&anchor, desired.user_name()), "conflict", why);
                let inputs = Some(plan_inputs::of(Some(&desired), record.as_ref(), None));
                self.conflicts.push((anchor.hash(), ReportItem { inputs, ..item }));
            }
            (RecordPlan::SetDesired { desired, status }, None) if status.is_due() => {
                return Ok(Some(AccountCheck::of(anchor, record, desired)));
            }
            // A conflict of an earlier scan.
            (RecordPlan::Nothing | RecordPlan::SetStatus(Status::Conflict { .. }), Some(owner)) => {
                self.show_status(&anchor, record.as_ref(), &Status::Conflict { owner })?;
            }
            (RecordPlan::SetStatus(status @ Status::DuplicateAnchor), _) => {
                self.show_status(&anchor, record.as_ref(), &status)?;
            }
            (RecordPlan::Nothing, None) if record.as_ref().is_some_and(has_standing_status) => {
                if let Some(record) = &record {
                    self.show_status(&anchor, Some(record), &record.status)?;
                }
            }
            (RecordPlan::SetStatus(Status::Invalid { error, dn }), _) => {
                let name = record.as_ref().and_then(UserRecord::user_name);
                let item = ReportItem { dn, ..self.mask.item((&anchor, name), "invalid", error) };
                self.show(item, (None, record.as_ref()))?;
            }
            (RecordPlan::SetStatus(status), _) if status.is_due() => {
                let desired = record.as_ref().and_then(|record| record.desired.clone());
                return Ok(desired.map(|desired| AccountCheck::of(anchor, record, desired)));
            }
            // Due since an earlier run: shown with all due users. Others are in sync.
            _ => {}
        }
        Ok(None)
    }

    /// Shows the unchanged status of a user.
    fn show_status(
        &mut self,
        anchor: &Anchor,
        record: Option<&UserRecord>,
        status: &Status,
    ) -> Result<(), OperateError> {
        let name = record.and_then(UserRecord::user_name);
        let item = self.mask.item((anchor, name), status.word(), status.detail().unwrap_or_default());
        let item = ReportItem { dn: status.entry_dn().map(str::to_owned), ..item };
        self.show(item, (record.and_then(|record| record.desired.as_ref()), record))
    }

    /// Shows users that are due or failed since an earlier run, and accounts that are deleted later.
    pub async fn due_users(&mut self, is_planned: impl Fn(&AnchorHash) -> bool) -> Result<(), OperateError> {
        for word in ["pending", "retrying", "pending_deletion", "failed", "account_gone", "invalid"] {
            let mut after = None;
            loop {
                let page = self.context.store.fetch_by_status(word, after, PAGE).await?;
                let mut checks = Vec::new();
                for record in page.items.into_iter().filter(|record| !is_planned(&record.anchor.hash())) {
                    checks.extend(self.waiting_user(record)?);
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

    fn waiting_user(&mut self, record: UserRecord) -> Result<Option<AccountCheck>, OperateError> {
        if matches!(record.status, Status::Invalid { .. } | Status::Failed { .. } | Status::AccountGone) {
            self.show_status(&record.anchor, Some(&record), &record.status)?;
            return Ok(None);
        }
        let Some(desired) = record.desired.clone() else { return Ok(None) };
        let is_deletion = matches!(record.status, Status::PendingDeletion { .. });
        let deletes = self.context.policy.options.delete_after_days.is_some();
        let now = (self.context.clock)();
        if is_deletion && deletes && record.next_attempt > now {
            let item = self.mask.status(&record, now, None);
            self.show(item, (Some(&desired), Some(&record)))?;
            return Ok(None);
        }
        let (anchor, released) = (record.anchor.clone(), record.removal_released);
        let deletion_due = is_deletion && deletes;
        let check = AccountCheck::of(anchor, Some(record), desired);
        Ok(Some(AccountCheck { released, deletion_due, ..check }))
    }

    /// Shows the transfers with their changes of the accounts, and the conflicts that remain.
    pub async fn transfers(
        &mut self,
        accounts: Vec<AccountTransfer>,
        names: Vec<NameTransfer>,
    ) -> Result<(), OperateError> {
        let account_takers = accounts.iter().map(|transfer| transfer.to.anchor.hash());
        let name_takers = names.iter().map(|transfer| transfer.to.anchor.hash());
        let takers: HashSet<AnchorHash> = account_takers.chain(name_takers).collect();
        for (hash, item) in std::mem::take(&mut self.conflicts) {
            if !takers.contains(&hash) {
                self.counts.count(&item.action, true);
                (self.sink)(PlanEvent::Item(item))?;
            }
        }
        let mut checks = Vec::new();
        for AccountTransfer { from, to, .. } in accounts {
            let why = format!("takes over the account of {}, which was deleted or left", from.anchor);
            let own = to.record.as_ref().and_then(|record| record.link.clone());
            let link = from.link.clone().or(own);
            checks.extend(self.transfer((from, to), link, why)?);
        }
        for NameTransfer { from, to, .. } in names {
            let why = format!("takes over the user name that {} gives up", from.anchor);
            let own = to.record.as_ref().and_then(|record| record.link.clone());
            checks.extend(self.transfer((from, to), own, why)?);
        }
        self.check_accounts(checks).await
    }

    /// Shows one transfer. `link` is the account of the user after it.
    fn transfer(
        &mut self,
        (from, to): (UserRecord, UserPlan),
        link: Option<AccountLink>,
        why: String,
    ) -> Result<Option<AccountCheck>, OperateError> {
        let UserPlan { anchor, record, plan, .. } = to;
        let recorded = record.as_ref().and_then(|record| record.desired.clone());
        let desired = match plan {
            RecordPlan::SetDesired { desired, .. } => Some(desired),
            _ => recorded,
        };
        let Some(desired) = desired else { return Ok(None) };
        let item = self.mask.item((&anchor, desired.user_name()), "transfer", why);
        let inputs = Some(plan_inputs::of(Some(&desired), record.as_ref(), None));
        (self.sink)(PlanEvent::Item(ReportItem { inputs, ..item }))?;
        if link.is_none() {
            self.counts.count("transfer", true);
            // The other entry's account still has the name, so a lookup by name would find the wrong account.
            (self.sink)(PlanEvent::Decided(anchor.hash(), &[Decision::Create]))?;
            return Ok(None);
        }
        let record = UserRecord { anchor: anchor.clone(), desired: Some(desired.clone()), link, ..from };
        let check = AccountCheck::of(anchor, Some(record), desired);
        Ok(Some(AccountCheck { otherwise: Some("transfer"), ..check }))
    }

    /// Shows the removals.
    pub async fn removals(&mut self, removals: RemovalVerdict) -> Result<(), OperateError> {
        let RemovalVerdict { released, held, skipped, cause: _ } = removals;
        self.released(&released).await?;
        for candidate in &held {
            let why = match candidate.hold_reason() {
                // The limit is said once, with its numbers.
                HoldReason::OverLimit => candidate.reason.to_string(),
                hold => Status::Held { reason: candidate.reason, hold }.detail().unwrap_or_default(),
            };
            self.not_released(candidate, "held", why)?;
        }
        for candidate in &skipped {
            let why = format!("{}; {}", candidate.reason, DisabledOption::Deprovision);
            self.not_released(candidate, "skipped", why)?;
        }
        Ok(())
    }

    fn not_released(
        &mut self,
        candidate: &RemovalCandidate,
        action: &'static str,
        why: String,
    ) -> Result<(), OperateError> {
        let RemovalCandidate { anchor, user_name, desired, .. } = candidate;
        let item = self.mask.item((anchor, user_name.as_ref()), action, why);
        self.show(item, (Some(desired), None))
    }

    async fn released(&mut self, released: &[ReleasedRemoval]) -> Result<(), OperateError> {
        for released in released.chunks(PAGE) {
            let hashes: Vec<AnchorHash> = released.iter().map(|r| r.candidate().anchor.hash()).collect();
            let mut records = self.context.store.fetch_records(&hashes).await?;
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
    async fn check_accounts(&mut self, checks: Vec<AccountCheck>) -> Result<(), OperateError> {
        let (store, target, options) = (self.context.store, self.target, &self.context.policy.options);
        let mut previews = stream::iter(checks)
            .map(|check| async move {
                let subject = PreviewSubject {
                    record: check.record.as_ref(),
                    desired: &check.desired,
                    removal_released: check.released,
                    deletion_due: check.deletion_due,
                };
                let preview = provision::preview(store, target, options, subject).await;
                (check, preview)
            })
            .buffered(self.concurrency);
        while let Some((check, preview)) = previews.next().await {
            match preview? {
                Err(error) if concerns_all_users(self.target, &error).await => {
                    return Err(OperateError::Target(error));
                }
                Err(error) => {
                    let user = (&check.anchor, check.desired.user_name());
                    let item = self.mask.item(user, "failed", error.to_string());
                    self.show(item, (Some(&check.desired), check.record.as_ref()))?;
                }
                Ok(preview) => self.decisions(&check, &preview)?,
            }
        }
        Ok(())
    }

    /// Shows what would be done to one account.
    fn decisions(&mut self, check: &AccountCheck, preview: &Preview) -> Result<(), OperateError> {
        let AccountCheck { anchor, desired, record, held, .. } = check;
        let inputs = Some(plan_inputs::of(Some(desired), record.as_ref(), preview.account.as_ref()));
        let is_conflict = preview.conflict.is_some();
        if held.is_none() && !is_conflict {
            (self.sink)(PlanEvent::Decided(anchor.hash(), &preview.decisions))?;
        }
        let mut counted = check.otherwise.map(Cow::from);
        for item in self.mask.preview(anchor, desired, preview) {
            let item = match held {
                Some(why) if !is_conflict => {
                    ReportItem { action: "held".into(), why: format!("{}; {why}", item.why), ..item }
                }
                _ => item,
            };
            self.counts.links += u64::from(item.action == "link");
            counted = Some(item.action.clone());
            (self.sink)(PlanEvent::Item(ReportItem { inputs: inputs.clone(), ..item }))?;
        }
        if let Some(action) = counted {
            self.counts.count(&action, is_in_scope(Some(desired)));
        }
        Ok(())
    }

    /// Shows an item that was planned without the account.
    fn show(
        &mut self,
        item: ReportItem,
        (desired, record): (Option<&Desired>, Option<&UserRecord>),
    ) -> Result<(), OperateError> {
        self.counts.count(&item.action, is_in_scope(desired));
        let inputs = Some(plan_inputs::of(desired, record, None));
        Ok((self.sink)(PlanEvent::Item(ReportItem { inputs, ..item }))?)
    }
}

/// Whether a user without a plan has a status that is shown.
fn has_standing_status(record: &UserRecord) -> bool {
    matches!(record.status, Status::Skipped { .. } | Status::DuplicateAnchor)
}

/// Whether the entry of this desired user is in scope. An entry that can't be mapped has no desired user, and is.
fn is_in_scope(desired: Option<&Desired>) -> bool {
    desired.and_then(Desired::deprovision_reason).is_none_or(DeprovisionReason::is_in_scope)
}

/// Whether the target serves no user: it refuses the token, or answers no request for the list of accounts either.
async fn concerns_all_users(target: &Target, error: &TargetError) -> bool {
    match error {
        TargetError::Unauthorized { .. } => true,
        TargetError::Unavailable { .. } | TargetError::Malformed { .. } => target.probe().await.is_err(),
        _ => false,
    }
}
