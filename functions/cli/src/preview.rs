//! A dry run: the scan's planning and provisioning's decisions, with nothing applied.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use futures::{StreamExt, stream};
use model::{Anchor, AnchorHash, Desired, Status, UserRecord};
use plan::{RecordPlan, ReleasedRemoval, RemovalCandidate, Removals};
use scan::{HandOver, Mode, PlannedUser, Planning, Reading, Seen, plan_ending};
use target::Target;

use crate::commands::plan::PlanSummary;
use crate::report::{HeldPart, Item, Shown};
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
    // Whoever asks for a plan wants to see everybody's.
    let (snapshot, reading) = Reading::begin(&context, &mut directory, Mode::Full).await?;
    let (actions, conflicts) = Default::default();
    let mut preview = Preview { session, shown, sink, target: &target, actions, conflicts, unchanged: 0 };

    let memory = session.store.fetch_connection().await?.memory;
    let mut gate = scan::gate(&context, &memory, &snapshot);
    let mut planning = Planning::new(&context, &snapshot, reading);
    while let Some(users) = planning.next().await? {
        gate.let_through(users.clone());
        preview.sink.read(planning.summary().read);
        preview.users(users).await?;
    }
    let (mut seen, verdict) = planning.finish().await;
    let ending = plan_ending(&context, &mut directory, &mut seen, verdict).await?;
    gate.let_through(ending.users.clone());
    let change = gate.finish(seen.summary.complete).held;
    preview.hand_overs(ending.hand_overs).await?;
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
        change: change.map(|change| HeldPart::of_change(&change)),
        unidentified: summary.nameless,
    })
}

struct Preview<'a, S> {
    session: &'a Session,
    shown: &'a Shown,
    sink: &'a mut S,
    target: &'a Target,
    actions: BTreeMap<&'static str, u64>,
    /// Those whose name another entry has, unless that one turns out at the end to be gone.
    conflicts: Vec<(AnchorHash, Item)>,
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
                    let item = self.shown.item(&anchor, desired.user_name(), "conflict", why);
                    self.conflicts.push((anchor.hash(), item));
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

    /// Who takes whose place, what that changes in the account, and whose conflict stays.
    async fn hand_overs(&mut self, changes: Vec<HandOver>) -> Result<()> {
        let takers: HashSet<AnchorHash> = changes.iter().map(|change| change.to.anchor.hash()).collect();
        let conflicts = std::mem::take(&mut self.conflicts);
        let stay = conflicts.into_iter().filter(|(hash, _)| !takers.contains(hash));
        stay.into_iter().try_for_each(|(_, item)| self.say(item))?;

        let mut looks = Vec::new();
        for HandOver { from, to, with_account, .. } in changes {
            let PlannedUser { anchor, record, plan, .. } = to;
            let known = record.as_ref().and_then(|record| record.desired.clone());
            let planned = match plan {
                RecordPlan::Desire { desired, .. } => Some(desired),
                _ => known,
            };
            let Some(desired) = planned else { continue };
            let what = match with_account {
                true => format!("takes over the account of {}, whose place it takes", from.anchor),
                false => format!("takes the user name that {} gives up", from.anchor),
            };
            self.say(self.shown.item(&anchor, desired.user_name(), "take-over", what))?;
            let own = record.and_then(|record| record.link);
            let link = if with_account { from.link.clone().or(own) } else { own };
            if link.is_some() {
                let record =
                    UserRecord { anchor: anchor.clone(), desired: Some(desired.clone()), link, ..from };
                looks.push(Look { anchor, record: Some(record), desired, released: false });
            }
        }
        self.look_at(looks).await
    }

    async fn removals(&mut self, removals: Removals) -> Result<()> {
        match removals {
            Removals::Held(candidates) => self.held(&candidates),
            Removals::Withheld(candidates) => candidates.iter().try_for_each(|candidate| {
                let why = format!("{}; options.deprovision is off", candidate.departure);
                self.say(self.shown.item(&candidate.anchor, candidate.user_name.as_ref(), "withheld", why))
            }),
            Removals::Approved { released, held } => {
                self.released(&released).await?;
                self.held(&held)
            }
            Removals::Released(released) => self.released(&released).await,
        }
    }

    fn held(&mut self, candidates: &[RemovalCandidate]) -> Result<()> {
        candidates.iter().try_for_each(|candidate| {
            let why = format!("{}; more removals than the safety limits allow", candidate.departure);
            self.say(self.shown.item(&candidate.anchor, candidate.user_name.as_ref(), "held", why))
        })
    }

    async fn released(&mut self, released: &[ReleasedRemoval]) -> Result<()> {
        for released in released.chunks(100) {
            let hashes: Vec<AnchorHash> = released.iter().map(|r| r.candidate().anchor.hash()).collect();
            let mut records = self.session.store.fetch_records(&hashes).await?;
            let looks = released.iter().map(ReleasedRemoval::candidate).map(|candidate| Look {
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

    /// Looks at accounts, several at a time, and shows what would be done in the order of the users.
    async fn look_at(&mut self, looks: Vec<Look>) -> Result<()> {
        let (connection, store) = (self.session.connection(), &self.session.store);
        let (target, options) = (self.target, &connection.options);
        let mut previews = stream::iter(looks)
            .map(|look| async move {
                let Look { record, desired, released, .. } = &look;
                let at = provision::Look {
                    record: record.as_ref(),
                    desired,
                    removal_released: *released,
                    deletion_due: false,
                };
                let preview = provision::preview(store, target, options, at).await;
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
