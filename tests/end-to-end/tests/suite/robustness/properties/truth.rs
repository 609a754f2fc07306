//! Conditions of the final state, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use end_to_end::ENTERPRISE;
use model::{AccountId, Anchor, AnchorHash, Desired, Status, UserRecord};
use plan::{RecordPlan, RemovalVerdict};
use scan::{PagePlanner, ScanMode, ScanRead, ScanStart, plan_final};
use serde_json::Value;

use super::property_fixture::{KnownEntry, PropertyFixture, display_name, mail, title};

/// Accounts, owners and records, as the target and the store show them.
struct FinalSnapshot {
    accounts: Vec<Value>,
    owners: BTreeMap<String, Anchor>,
    records: BTreeMap<Anchor, UserRecord>,
}

impl PropertyFixture {
    pub async fn records(&self) -> Result<BTreeMap<Anchor, UserRecord>> {
        let hashes: Vec<AnchorHash> = self.anchors.iter().map(Anchor::hash).collect();
        let records = self.engine.store.fetch_records(&hashes).await?;
        Ok(records.into_values().map(|record| (record.anchor.clone(), record)).collect())
    }

    async fn found(&self) -> Result<FinalSnapshot> {
        let accounts = self.engine.workplace.accounts();
        let mut owners = BTreeMap::new();
        for account in &accounts {
            let id = id_of(account);
            let owner =
                self.engine.store.fetch_account_owner(&AccountId::new(id.clone()).context("an id")?).await?;
            if let Some(owner) = owner {
                owners.insert(id, owner);
            }
        }
        Ok(FinalSnapshot { accounts, owners, records: self.records().await? })
    }

    /// Whether this entry should have an account, active or inactive.
    fn wants_account(&self, entry: &KnownEntry) -> bool {
        entry.member && (entry.enabled || self.options.provision_disabled)
    }

    /// Expects a correct account for each entry in scope, and no other change.
    pub async fn check_accounts_match_directory(&self) -> Result<()> {
        let found = self.found().await?;
        self.check_accounts(&found)?;
        let present: Vec<(usize, &KnownEntry)> = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)))
            .collect();
        for (slot, entry) in &present {
            if self.wants_account(entry) {
                self.check_user(&found, *slot, entry).with_context(|| {
                    format!("slot {slot}: {entry:?}, {:?}", found.records.get(&entry.anchor))
                })?;
            }
        }
        Ok(())
    }

    /// Each account is unchanged and unlinked, or is linked to one entry that determines whether it is active.
    fn check_accounts(&self, found: &FinalSnapshot) -> Result<()> {
        let created =
            self.engine.workplace.requests().iter().filter(|r| r.method == "POST" && r.changed).count();
        let deleted =
            self.engine.workplace.requests().iter().filter(|r| r.method == "DELETE" && r.changed).count();
        ensure!(
            found.accounts.len() + deleted == self.seeds.len() + created,
            "accounts exist without a creation"
        );
        ensure!(self.options.delete || deleted == 0, "{deleted} accounts were deleted");

        let mut owners = BTreeSet::new();
        for account in &found.accounts {
            let Some(owner) = found.owners.get(&id_of(account)) else {
                ensure!(self.seeds.contains(account), "an unlinked account was changed: {account}");
                continue;
            };
            ensure!(owners.insert(owner), "{owner} has two accounts");
            let record = found.records.get(owner).with_context(|| format!("no record of {owner}"))?;
            let linked = record.link.as_ref().map(|link| link.account.as_str().to_owned());
            ensure!(
                linked == Some(id_of(account)),
                "the record of {owner} has no link to its account: {record:?}"
            );
            let entry = self.entries.iter().flatten().find(|entry| entry.anchor == *owner);
            let active = entry.is_some_and(|entry| entry.member && entry.enabled);
            ensure!(
                account["active"] == active || (active && self.may_lack_its_name(found, record)),
                "it should be active: {active}, as {entry:?} says: {account}, {record:?}"
            );
        }
        Ok(())
    }

    /// A user in scope has an account with the right values, unless another entry has the name.
    fn check_user(&self, found: &FinalSnapshot, slot: usize, entry: &KnownEntry) -> Result<()> {
        let record = found.records.get(&entry.anchor).context("there is no record")?;
        match &record.status {
            Status::InSync => {}
            Status::Conflict { .. } | Status::Failed { .. } if self.may_lack_its_name(found, record) => {
                return Ok(());
            }
            status => bail!("the final status is {status:?}"),
        }
        let account = found.accounts.iter().find(|account| {
            account["userName"]
                .as_str()
                .is_some_and(|name| name.eq_ignore_ascii_case(&mail(slot, entry.name)))
        });
        let account = account.context("there is no account of this name")?;
        let context = || format!("the account is {account}");
        ensure!(
            found.owners.get(&id_of(account)) == Some(&entry.anchor),
            "it is not linked to the entry; {}",
            context()
        );
        ensure!(account["active"] == entry.enabled, "active; {}", context());
        ensure!(account["displayName"] == display_name(slot), "displayName; {}", context());
        let title = entry.title.map(title);
        ensure!(account.get("title").and_then(Value::as_str) == title.as_deref(), "title; {}", context());
        let manager = entry.manager.and_then(|manager| self.entries[manager].as_ref());
        let manager = manager.filter(|manager| self.wants_account(manager));
        let manager = manager.and_then(|manager| found.records.get(&manager.anchor)?.link.as_ref());
        if let Some(manager) = manager {
            let reference = account.get(ENTERPRISE).and_then(|part| part.pointer("/manager/managerId"));
            ensure!(
                reference.map(Value::to_string).as_deref() == Some(manager.account.as_str()),
                "manager should be {}; {}",
                manager.account,
                context()
            );
        }
        Ok(())
    }

    /// Expects an empty plan and a run without requests.
    pub async fn check_nothing_is_left(&self) -> Result<()> {
        let records = self.records().await?;
        self.engine.workplace.clear_requests();
        self.check_empty_plan().await?;

        let summary = self.scan().await?;
        ensure!(summary.complete, "incomplete: {summary:?}");
        ensure!(summary.changed == 0 && summary.deprovisioned == 0, "a scan changed something: {summary:?}");
        ensure!(summary.transferred == 0 && summary.missed == 0, "a scan did something: {summary:?}");
        super::property_fixture::wait_long();
        self.engine.provision_due().await?;
        let requests = self.engine.workplace.requests();
        ensure!(requests.is_empty(), "an unchanged run asked the target: {requests:?}");
        let after = self.records().await?;
        for (anchor, before) in records {
            let after = after.get(&anchor).cloned();
            // A recheck of a missing reference writes when the next one is due.
            let expected = match &after {
                Some(UserRecord { status: Status::InSync, attempts, next_attempt, .. })
                    if before.status == Status::InSync && before.next_attempt.0 > 0 =>
                {
                    UserRecord { attempts: *attempts, next_attempt: *next_attempt, ..before }
                }
                _ => before,
            };
            ensure!(after.as_ref() == Some(&expected), "a record was written: {expected:?} → {after:?}");
        }
        Ok(())
    }

    async fn check_empty_plan(&self) -> Result<()> {
        let context = self.engine.context();
        let mut directory = self.engine.open_directory().await?;
        let ScanStart { state, snapshot, read } =
            ScanRead::begin(&context, &mut directory, ScanMode::Full).await?;
        let mut planner = PagePlanner::new(&context, &state.memory, &snapshot, read);
        while let Some(page) = planner.next_page().await? {
            ensure!(page.users.is_empty() && page.held.is_empty(), "the plan changes {page:?}");
        }
        let finished = planner.finish().await;
        let plan = plan_final(&mut directory, finished).await?;
        ensure!(plan.account_transfers.is_empty(), "the plan has transfers: {:?}", plan.account_transfers);
        ensure!(plan.name_transfers.is_empty(), "the plan has transfers: {:?}", plan.name_transfers);
        for user in plan.late.users.iter().chain(&plan.changes.users) {
            ensure!(user.plan == RecordPlan::Nothing, "the plan changes {user:?}");
        }
        let held = plan.late.held.len() + plan.changes.held.len();
        ensure!(held == 0, "the plan holds {held} changes");
        let RemovalVerdict { released, held, skipped, cause: _ } = &plan.removals;
        let is_empty = released.is_empty() && held.is_empty() && skipped.is_empty();
        ensure!(is_empty, "the plan has removals: {:?}", plan.removals);
        Ok(())
    }
}

impl PropertyFixture {
    /// Whether a user may lack its name: another entry wants the same name; or the account can't be renamed, because
    /// the name is on an unlinked account, on the account of a user who left, or on the account of a user who may
    /// lack its name too. Users in a circle of these can't go first.
    fn may_lack_its_name(&self, found: &FinalSnapshot, record: &UserRecord) -> bool {
        let mut seen = BTreeSet::new();
        let mut current = record;
        while seen.insert(&current.anchor) {
            let wanted = current.desired.as_ref().and_then(Desired::user_name);
            let has_account = current.link.is_some();
            if let Status::Conflict { owner: with } = &current.status
                && let Some(rival) = found.records.get(with).filter(|rival| self.wants_account_now(rival))
                && rival.desired.as_ref().and_then(Desired::user_name) == wanted
            {
                return true;
            }
            let Some(owner) = self.owner_of_name(found, current) else { return false };
            let Some(owner) = owner else { return has_account };
            if !self.wants_account_now(owner) {
                // The account of a user that is only disabled passes with an approval alone.
                return has_account || self.is_only_disabled(owner);
            }
            if owner.desired.as_ref().and_then(Desired::user_name) == wanted {
                return true;
            }
            current = owner;
        }
        true
    }

    fn is_only_disabled(&self, record: &UserRecord) -> bool {
        let entry = self.entries.iter().flatten().find(|entry| entry.anchor == record.anchor);
        entry.is_some_and(|entry| entry.member && !entry.enabled)
    }

    fn wants_account_now(&self, record: &UserRecord) -> bool {
        let entry = self.entries.iter().flatten().find(|entry| entry.anchor == record.anchor);
        entry.is_some_and(|entry| self.wants_account(entry))
    }

    /// Owner of the name that this record wants: none, an unlinked account (`Some(None)`), or another record.
    fn owner_of_name<'a>(
        &self,
        found: &'a FinalSnapshot,
        record: &UserRecord,
    ) -> Option<Option<&'a UserRecord>> {
        let wanted = record.desired.as_ref().and_then(Desired::user_name)?.folded();
        let named =
            |account: &&Value| account["userName"].as_str().is_some_and(|name| name.to_lowercase() == wanted);
        if let Some(account) = found.accounts.iter().find(named) {
            let owner = found.owners.get(&id_of(account));
            return (owner != Some(&record.anchor)).then(|| owner.and_then(|owner| found.records.get(owner)));
        }
        match &record.status {
            Status::Conflict { owner: with } => found.records.get(with).map(Some),
            _ => None,
        }
    }
}

fn id_of(account: &Value) -> String {
    account["id"].to_string()
}
