//! A dry run: the scan's planning and provisioning's decisions, with nothing applied.

mod seen;

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use futures::{StreamExt, stream};
use model::{Anchor, AnchorHash, Desired, Status, UserRecord};
use plan::{Decision, RecordPlan, ReleasedRemoval, RemovalCandidate, RemovalVerdict};
use scan::{FinalPlan, Passed, Planning, Reading, ScanMode, Transfer, UserPlan, plan_final};
use scim::Target;

use crate::commands::plan::PlanSummary;
use crate::report::{HeldSummary, PlanInputs, ReportItem, ValueMask, moment};
use crate::session::Session;

/// Why a creation or an update is held.
const CHANGED: &str = "the configuration was changed, and would touch more accounts than max_changes";

/// Where a plan goes, item by item.
pub trait PlanSink {
    /// Takes the next item.
    fn item(&mut self, item: ReportItem) -> Result<()>;
    /// Is told how many entries were read.
    fn read(&mut self, entries: u64);
    /// Is told of users whose records would be written.
    fn users(&mut self, _users: &[UserPlan]) {}
    /// Is told of the removals and hand-overs.
    fn ending(&mut self, _ending: &FinalPlan) {}
    /// Is told what would be done to one account.
    fn decided(&mut self, _user: AnchorHash, _decisions: &[Decision]) {}
}

/// One user whose account has to be looked at.
struct Look {
    anchor: Anchor,
    record: Option<UserRecord>,
    desired: Desired,
    released: bool,
    deletion_due: bool,
    /// Why nothing of it is done.
    held: Option<&'static str>,
}

impl Look {
    fn of(anchor: Anchor, record: Option<UserRecord>, desired: Desired) -> Self {
        Self { anchor, record, desired, released: false, deletion_due: false, held: None }
    }
}

/// Plans everything that a `sync` would do now.
pub async fn preview(session: &Session, shown: &ValueMask, sink: &mut impl PlanSink) -> Result<PlanSummary> {
    let target = session.connections.target().await?;
    let mut directory = session.connections.directory().await?;
    let context = session.scan_context();
    // Whoever asks for a plan wants to see everybody's.
    let (snapshot, reading) = Reading::begin(&context, &mut directory, ScanMode::Full).await?;
    let (actions, conflicts) = Default::default();
    let mut preview = Preview { session, shown, sink, target: &target, actions, conflicts, unchanged: 0 };

    let memory = session.store.fetch_connection().await?.memory;
    let mut gate = scan::gate(&context, &memory, &snapshot);
    let mut planning = Planning::new(&context, &snapshot, reading);
    while let Some(users) = planning.next().await? {
        preview.sink.read(planning.summary().read);
        preview.passed(gate.let_through(users)).await?;
    }
    let (mut seen, verdict) = planning.finish().await;
    let mut ending = plan_final(&context, &mut directory, &mut seen, verdict).await?;
    let passed = gate.let_through(std::mem::take(&mut ending.users));
    let judged = gate.finish(seen.summary.complete);
    preview.passed(Passed { go: judged.users, held: judged.waiting }).await?;
    preview.sink.ending(&ending);
    preview.transfers(ending.transfers).await?;
    preview.passed(passed).await?;
    preview.removals(ending.removals).await?;
    preview.left_over(|hash| seen.was_handled(hash)).await?;

    let Preview { actions, unchanged, .. } = preview;
    let summary = seen.summary;
    Ok(PlanSummary {
        read: summary.read,
        unchanged: summary.unchanged + unchanged,
        actions,
        complete: summary.complete,
        incomplete: summary.incomplete,
        change: judged.held.map(|change| HeldSummary::of_change(&change)),
        unidentified: summary.unidentified_entries,
    })
}

struct Preview<'a, S> {
    session: &'a Session,
    shown: &'a ValueMask,
    sink: &'a mut S,
    target: &'a Target,
    actions: BTreeMap<String, u64>,
    /// Those whose name another entry has, unless that one turns out at the end to be gone.
    conflicts: Vec<(AnchorHash, ReportItem)>,
    unchanged: u64,
}

impl<S: PlanSink> Preview<'_, S> {
    /// What the gate for changed configurations lets through, and what it holds.
    async fn passed(&mut self, passed: Passed) -> Result<()> {
        let Passed { go, held } = passed;
        self.sink.users(&go);
        self.users(go, None).await?;
        self.users(held, Some(CHANGED)).await
    }

    async fn users(&mut self, users: Vec<UserPlan>, held: Option<&'static str>) -> Result<()> {
        let mut looks = Vec::new();
        for UserPlan { anchor, record, plan, conflict, .. } in users {
            let name = || record.as_ref().and_then(UserRecord::user_name);
            match (plan, conflict) {
                (RecordPlan::SetDesired { desired, .. }, Some(with)) => {
                    let why = format!("another entry has this user name ({with})");
                    let mut item = self.shown.item(&anchor, desired.user_name(), "conflict", why);
                    item.seen = Some(seen::of(Some(&desired), record.as_ref(), None));
                    self.conflicts.push((anchor.hash(), item));
                }
                (RecordPlan::SetDesired { desired, status }, None) if status.is_due() => {
                    looks.push(Look { held, ..Look::of(anchor, record, desired) });
                }
                // They wait as before, and are told as before.
                (RecordPlan::Nothing | RecordPlan::SetStatus(Status::Conflict { .. }), Some(with)) => {
                    let status = Status::Conflict { owner: with };
                    self.stands(&anchor, record.as_ref(), &status)?;
                }
                (RecordPlan::Nothing, None) if record.as_ref().is_some_and(is_withheld) => {
                    if let Some(record) = &record {
                        self.stands(&anchor, Some(record), &record.status)?;
                    }
                }
                (RecordPlan::SetStatus(Status::Invalid { error }), _) => {
                    let mut item = self.shown.item(&anchor, name(), "invalid", error);
                    item.seen = Some(seen::of(None, record.as_ref(), None));
                    self.say(item)?;
                }
                (RecordPlan::SetStatus(status), _) if status.is_due() => {
                    let Some(desired) = record.as_ref().and_then(|record| record.desired.clone()) else {
                        continue;
                    };
                    looks.push(Look { held, ..Look::of(anchor, record, desired) });
                }
                // Left over from an earlier run: looked at with all the others of that kind.
                _ if record.is_some_and(|record| record.status.is_due()) => {}
                _ => self.unchanged += 1,
            }
        }
        self.look_at(looks).await
    }

    /// Somebody for whom nothing changes, and who waits.
    fn stands(&mut self, anchor: &Anchor, record: Option<&UserRecord>, status: &Status) -> Result<()> {
        let name = record.and_then(UserRecord::user_name);
        let mut item = self.shown.item(anchor, name, status.word(), status.detail().unwrap_or_default());
        item.seen = Some(seen::of(record.and_then(|record| record.desired.as_ref()), record, None));
        self.say(item)
    }

    /// Those whose work is left over from an earlier run, and those whose accounts are to be deleted in their time.
    async fn left_over(&mut self, was_handled: impl Fn(&AnchorHash) -> bool) -> Result<()> {
        for word in ["pending", "retrying", "pending_deletion"] {
            let mut after = None;
            loop {
                let page = self.session.store.fetch_by_status(word, after, 100).await?;
                let mut looks = Vec::new();
                for record in page.items {
                    let Some(desired) = record.desired.clone() else { continue };
                    if !was_handled(&record.anchor.hash()) {
                        looks.extend(self.left_over_one(record, desired)?);
                    }
                }
                self.look_at(looks).await?;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn left_over_one(&mut self, record: UserRecord, desired: Desired) -> Result<Option<Look>> {
        let is_leaving = matches!(record.status, Status::PendingDeletion { .. });
        let is_deleted = self.session.connection().policy.options.delete_after_days.is_some();
        if is_leaving && is_deleted && record.next_attempt > runtime::now() {
            let why = record.status.detail().unwrap_or_default();
            let why = format!("{why}: {}", moment(record.next_attempt));
            let mut item = self.shown.item(&record.anchor, record.user_name(), "pending_deletion", why);
            item.seen = Some(seen::of(Some(&desired), Some(&record), None));
            self.say(item)?;
            return Ok(None);
        }
        let (anchor, released) = (record.anchor.clone(), record.removal_released);
        let deletion_due = is_leaving && is_deleted;
        Ok(Some(Look { released, deletion_due, ..Look::of(anchor, Some(record), desired) }))
    }

    /// Who takes whose place, what that changes in the account, and whose conflict stays.
    async fn transfers(&mut self, changes: Vec<Transfer>) -> Result<()> {
        let takers: HashSet<AnchorHash> = changes.iter().map(|change| change.to.anchor.hash()).collect();
        let conflicts = std::mem::take(&mut self.conflicts);
        let stay = conflicts.into_iter().filter(|(hash, _)| !takers.contains(hash));
        stay.into_iter().try_for_each(|(_, item)| self.say(item))?;

        let mut looks = Vec::new();
        for Transfer { from, to, with_account, .. } in changes {
            let UserPlan { anchor, record, plan, .. } = to;
            let known = record.as_ref().and_then(|record| record.desired.clone());
            let planned = match plan {
                RecordPlan::SetDesired { desired, .. } => Some(desired),
                _ => known,
            };
            let Some(desired) = planned else { continue };
            let what = match with_account {
                true => format!("takes over the account of {}, whose place it takes", from.anchor),
                false => format!("takes the user name that {} gives up", from.anchor),
            };
            let mut item = self.shown.item(&anchor, desired.user_name(), "take-over", what);
            item.seen = Some(seen::of(Some(&desired), record.as_ref(), None));
            self.say(item)?;
            let own = record.and_then(|record| record.link);
            let link = if with_account { from.link.clone().or(own) } else { own };
            if link.is_some() {
                let record =
                    UserRecord { anchor: anchor.clone(), desired: Some(desired.clone()), link, ..from };
                looks.push(Look::of(anchor, Some(record), desired));
            } else {
                // The name is still that of the other one's account, so looking for it would tell nothing.
                self.sink.decided(anchor.hash(), &[Decision::Create]);
            }
        }
        self.look_at(looks).await
    }

    async fn removals(&mut self, removals: RemovalVerdict) -> Result<()> {
        match removals {
            RemovalVerdict::Held(candidates) => self.waiting(&candidates, "held", OVER_LIMIT),
            RemovalVerdict::Skipped(candidates) => self.waiting(&candidates, "skipped", OFF),
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
            let mut item = self.shown.item(&candidate.anchor, candidate.user_name.as_ref(), action, why);
            item.seen = Some(seen::of(Some(&candidate.desired), None, None));
            self.say(item)
        })
    }

    async fn released(&mut self, released: &[ReleasedRemoval]) -> Result<()> {
        for released in released.chunks(100) {
            let hashes: Vec<AnchorHash> = released.iter().map(|r| r.candidate().anchor.hash()).collect();
            let mut records = self.session.store.fetch_records(&hashes).await?;
            let looks = released.iter().map(ReleasedRemoval::candidate).map(|candidate| Look {
                released: true,
                ..Look::of(
                    candidate.anchor.clone(),
                    records.remove(&candidate.anchor.hash()),
                    candidate.desired.clone(),
                )
            });
            let looks = looks.collect();
            self.look_at(looks).await?;
        }
        Ok(())
    }

    /// Looks at accounts, several at a time, and shows what would be done in the order of the users.
    async fn look_at(&mut self, looks: Vec<Look>) -> Result<()> {
        let (connection, store) = (self.session.connection(), &self.session.store);
        let (target, options) = (self.target, &connection.policy.options);
        let mut previews = stream::iter(looks)
            .map(|look| async move {
                let at = provision::Look {
                    record: look.record.as_ref(),
                    desired: &look.desired,
                    removal_released: look.released,
                    deletion_due: look.deletion_due,
                };
                let preview = provision::preview(store, target, options, at).await;
                (look, preview)
            })
            .buffered(connection.target.concurrency);
        while let Some((look, preview)) = previews.next().await {
            let Look { anchor, record, desired, held, .. } = &look;
            let from = |account| Some(seen::of(Some(desired), record.as_ref(), account));
            match preview? {
                Err(error) if matches!(error, scim::TargetError::Unauthorized { .. }) => {
                    return Err(error.into());
                }
                Err(error) => {
                    let item = self.shown.item(anchor, desired.user_name(), "failed", error.to_string());
                    self.say(ReportItem { seen: from(None), ..item })?;
                }
                Ok(preview) => {
                    let seen: Option<PlanInputs> = from(preview.account.as_ref());
                    if let Some(with) = preview.conflict {
                        let why = format!("the account belongs to another entry ({with})");
                        let item = self.shown.item(anchor, desired.user_name(), "conflict", why);
                        self.say(ReportItem { seen, ..item })?;
                        continue;
                    }
                    if held.is_none() {
                        self.sink.decided(anchor.hash(), &preview.decisions);
                    }
                    let items = preview.decisions.iter();
                    let items: Vec<ReportItem> =
                        items.filter_map(|d| self.shown.decision(anchor, desired, d)).collect();
                    if items.is_empty() {
                        self.unchanged += 1;
                    }
                    for item in items {
                        let item = ReportItem { seen: seen.clone(), ..item };
                        self.say(match held {
                            Some(why) => ReportItem {
                                action: "held".into(),
                                why: format!("{}; {why}", item.why),
                                ..item
                            },
                            None => item,
                        })?;
                    }
                }
            }
        }
        Ok(())
    }

    fn say(&mut self, item: ReportItem) -> Result<()> {
        *self.actions.entry(item.action.to_string()).or_default() += 1;
        self.sink.item(item)
    }
}

fn is_withheld(record: &UserRecord) -> bool {
    matches!(record.status, Status::Skipped { .. })
}

/// Why a removal is held.
const OVER_LIMIT: &str = "more removals than the safety limits allow";

/// What stops a removal.
const OFF: &str = "options.deprovision is off";
