//! A dry run: the scan's planning and provisioning's decisions, with nothing applied.

use std::collections::BTreeMap;

use anyhow::Result;
use futures::{StreamExt, stream};
use model::{Anchor, AnchorHash, Desired, Status, UserRecord};
use plan::{RecordPlan, Removals};
use scan::{HandOver, PlannedUser, Planning, Seen, plan_ending, plan_without_proof};
use target::Target;

use crate::commands::plan::PlanSummary;
use crate::report::{Item, Shown};
use crate::session::Session;

/// Where a plan goes, item by item.
pub trait PlanSink {
    /// Takes the next item.
    fn item(&mut self, item: &Item) -> Result<()>;
    /// Is told how many entries were read.
    fn read(&mut self, entries: u64);
}

/// One user whose account has to be looked at.
struct Look {
    anchor: Anchor,
    record: Option<UserRecord>,
    desired: Desired,
    released: bool,
}

/// Plans everything that a `sync` would do now.
pub async fn preview(session: &Session, shown: &Shown, sink: &mut impl PlanSink) -> Result<PlanSummary> {
    let target = session.ends.target().await?;
    let mut directory = session.ends.directory().await?;
    let context = session.scan_context();
    let snapshot = session.store.fetch_snapshot().await?;
    let mut preview =
        Preview { session, shown, sink, target: &target, actions: BTreeMap::new(), unchanged: 0 };

    let mut planning = Planning::new(&context, &snapshot, directory.read().await?);
    while let Some(users) = planning.next().await? {
        preview.sink.read(planning.summary().read);
        preview.users(users).await?;
    }
    let (mut seen, verdict) = planning.finish().await;
    let ending = match verdict {
        Ok(proof) => plan_ending(&context, &mut directory, &mut seen, &proof).await?,
        Err(_) => plan_without_proof(&context, &mut seen).await?,
    };
    ending.hand_overs.iter().try_for_each(|change| preview.hand_over(change))?;
    preview.users(ending.users).await?;
    preview.removals(ending.removals).await?;
    preview.pending(&seen).await?;

    let Preview { actions, unchanged, .. } = preview;
    let summary = seen.summary;
    Ok(PlanSummary {
        read: summary.read,
        unchanged: summary.unchanged + unchanged,
        actions,
        complete: summary.complete,
        incomplete: summary.incomplete,
    })
}

struct Preview<'a, S> {
    session: &'a Session,
    shown: &'a Shown,
    sink: &'a mut S,
    target: &'a Target,
    actions: BTreeMap<&'static str, u64>,
    unchanged: u64,
}

impl<S: PlanSink> Preview<'_, S> {
    async fn users(&mut self, users: Vec<PlannedUser>) -> Result<()> {
        let mut looks = Vec::new();
        for PlannedUser { anchor, record, plan, conflict, .. } in users {
            let name = || record.as_ref().and_then(UserRecord::user_name);
            match (plan, conflict) {
                (RecordPlan::Desire { desired, .. }, Some(with)) => {
                    let why = format!("another entry has this user name ({with})");
                    self.say(self.shown.item(&anchor, desired.user_name(), "conflict", why))?;
                }
                (RecordPlan::Desire { desired, status }, None) if status.is_due() => {
                    looks.push(Look { anchor, record, desired, released: false });
                }
                (RecordPlan::Mark(Status::Unmappable { error }), _) => {
                    self.say(self.shown.item(&anchor, name(), "unmappable", error))?;
                }
                (RecordPlan::Mark(status), _) if status.is_due() => {
                    let Some(desired) = record.as_ref().and_then(|record| record.desired.clone()) else {
                        continue;
                    };
                    looks.push(Look { anchor, record, desired, released: false });
                }
                // Left over from an earlier run: looked at with all the others of that kind.
                _ if record.is_some_and(|record| record.status.is_due()) => {}
                _ => self.unchanged += 1,
            }
        }
        self.look_at(looks).await
    }

    /// Those whose work is left over from an earlier run.
    async fn pending(&mut self, seen: &Seen<'_>) -> Result<()> {
        for word in ["pending", "retrying"] {
            let mut after = None;
            loop {
                let page = self.session.store.fetch_by_status(word, after, 100).await?;
                let looks = page.items.into_iter().filter(|record| !seen.was_handled(&record.anchor.hash()));
                let looks = looks.filter_map(|record| {
                    let desired = record.desired.clone()?;
                    let (anchor, released) = (record.anchor.clone(), record.removal_released);
                    Some(Look { anchor, record: Some(record), desired, released })
                });
                let looks = looks.collect();
                self.look_at(looks).await?;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn hand_over(&mut self, change: &HandOver) -> Result<()> {
        let HandOver { from, to, with_account } = change;
        let desired = match (&to.plan, &to.record) {
            (RecordPlan::Desire { desired, .. }, _) => Some(desired),
            (_, Some(record)) => record.desired.as_ref(),
            _ => None,
        };
        let what = if *with_account { "the account" } else { "the user name" };
        let why = format!("takes over {what} of {}, which the directory replaced", from.anchor);
        self.say(self.shown.item(&to.anchor, desired.and_then(Desired::user_name), "take-over", why))
    }

    async fn removals(&mut self, removals: Removals) -> Result<()> {
        match removals {
            Removals::Held(candidates) => candidates.iter().try_for_each(|candidate| {
                let why = format!("{}; more removals than the safety limits allow", candidate.departure);
                self.say(self.shown.item(&candidate.anchor, candidate.user_name.as_ref(), "held", why))
            }),
            Removals::Withheld(candidates) => candidates.iter().try_for_each(|candidate| {
                let why = format!("{}; options.deprovision is off", candidate.departure);
                self.say(self.shown.item(&candidate.anchor, candidate.user_name.as_ref(), "withheld", why))
            }),
            Removals::Released(released) => {
                for released in released.chunks(100) {
                    let hashes: Vec<AnchorHash> =
                        released.iter().map(|r| r.candidate().anchor.hash()).collect();
                    let mut records = self.session.store.fetch_records(&hashes).await?;
                    let looks = released.iter().map(plan::ReleasedRemoval::candidate).map(|candidate| Look {
                        anchor: candidate.anchor.clone(),
                        record: records.remove(&candidate.anchor.hash()),
                        desired: candidate.desired.clone(),
                        released: true,
                    });
                    let looks = looks.collect();
                    self.look_at(looks).await?;
                }
                Ok(())
            }
        }
    }

    /// Looks at accounts, several at a time, and shows what would be done in the order of the users.
    async fn look_at(&mut self, looks: Vec<Look>) -> Result<()> {
        let (connection, store) = (self.session.connection(), &self.session.store);
        let (target, options) = (self.target, &connection.options);
        let mut previews = stream::iter(looks)
            .map(|look| async move {
                let Look { record, desired, released, .. } = &look;
                let preview =
                    provision::preview(store, target, options, record.as_ref(), desired, *released).await;
                (look, preview)
            })
            .buffered(connection.target.concurrency);
        while let Some((look, preview)) = previews.next().await {
            let Look { anchor, desired, .. } = &look;
            match preview? {
                Err(error) if matches!(error, target::TargetError::Unauthorized { .. }) => {
                    return Err(error.into());
                }
                Err(error) => {
                    let item = self.shown.item(anchor, desired.user_name(), "failed", error.to_string());
                    self.say(item)?;
                }
                Ok(preview) => {
                    if let Some(with) = preview.conflict {
                        let why = format!("the account belongs to another entry ({with})");
                        self.say(self.shown.item(anchor, desired.user_name(), "conflict", why))?;
                        continue;
                    }
                    let items: Vec<Item> = preview
                        .decisions
                        .iter()
                        .filter_map(|d| self.shown.decision(anchor, desired, d))
                        .collect();
                    if items.is_empty() {
                        self.unchanged += 1;
                    }
                    items.into_iter().try_for_each(|item| self.say(item))?;
                }
            }
        }
        Ok(())
    }

    fn say(&mut self, item: Item) -> Result<()> {
        *self.actions.entry(item.action).or_default() += 1;
        self.sink.item(&item)
    }
}
