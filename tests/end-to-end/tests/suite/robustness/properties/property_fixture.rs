//! A few entries that change at random, and the engines that provision them.

use std::{collections::BTreeSet, future::poll_fn, pin::pin, task::Poll};

use anyhow::{Context as _, Result, bail};
use embedded_ldap::{EmbeddedLdap, LdapOptions};
use end_to_end::{
    EngineFixture, GROUPS_DN, NO_LIMITS, STATUS, TestConfiguration, advance_clock, clock, embedded_secret,
    workplace_group,
};
use futures::{StreamExt as _, stream};
use model::{Anchor, AnchorHash};
use scan::{ScanMode, ScanSummary, approve};
use serde_json::{Value, json};

use super::history::{DeliveryOrder, HistoryChange, HistoryOptions, InitialPeople};

/// Entries at most.
pub const SLOTS: usize = 6;
/// User names; one more than entries, so that one is always free.
pub const NAMES: usize = SLOTS + 1;

const FOREIGN_ACCOUNT: &str = "visitor@partner.test";

/// Longer than any lease and any wait before a retry.
const LONG_SECONDS: i64 = 7_200;

/// Lets every lease and every wait before a retry end.
pub fn wait_long() {
    advance_clock(LONG_SECONDS);
}

/// Expected content of one entry.
#[derive(Clone, Debug)]
pub struct KnownEntry {
    pub anchor: Anchor,
    pub dn: String,
    pub name: usize,
    pub title: Option<usize>,
    pub enabled: bool,
    pub member: bool,
    pub manager: Option<usize>,
}

/// A user name as an address; every other entry spells it with capitals.
pub fn mail(slot: usize, name: usize) -> String {
    if slot.is_multiple_of(2) { format!("n{name}@acme.test") } else { format!("N{name}@Acme.Test") }
}

pub fn title(title: usize) -> String {
    format!("Title {title}")
}

pub fn display_name(slot: usize) -> String {
    format!("Person {slot}")
}

/// The directory, its expected content, and the engines.
pub struct PropertyFixture {
    pub options: HistoryOptions,
    pub directory: EmbeddedLdap,
    pub engine: EngineFixture,
    pub entries: Vec<Option<KnownEntry>>,
    /// Anchors of all entries that ever existed.
    pub anchors: BTreeSet<Anchor>,
    /// Accounts that existed before the first scan.
    pub seeds: Vec<Value>,
    moves: usize,
}

impl PropertyFixture {
    pub async fn start(options: HistoryOptions, people: &InitialPeople) -> Result<Self> {
        let directory = EmbeddedLdap::start(LdapOptions::default()).await?;
        let server =
            simulator::SimulatorOptions { unknown_fields: false, ..simulator::SimulatorOptions::default() };
        let engine =
            EngineFixture::start(&configuration(options, &directory), &embedded_secret(), server).await?;
        let workplace = &engine.workplace;
        workplace.seed(json!({ "userName": FOREIGN_ACCOUNT, "active": true, "title": "Visitor" }));
        for (name, account) in people.accounts.iter().enumerate() {
            let Some((active, claimed)) = account else { continue };
            let status = json!({ "claimed": claimed });
            let urn = "urn:ietf:params:scim:schemas:extension:facebook:accountstatusdetails:2.0:User";
            workplace.seed(
                json!({ "userName": mail(name, name), "active": active, "title": "Existing", urn: status }),
            );
        }
        let mut fixture = Self {
            options,
            seeds: workplace.accounts(),
            directory,
            engine,
            entries: vec![None; SLOTS],
            anchors: BTreeSet::new(),
            moves: 0,
        };
        fixture.directory.add(GROUPS_DN, &[("objectClass", &["organizationalUnit"])])?;
        fixture.directory.add(&workplace_group(), &[("objectClass", &["groupOfMembers"])])?;
        for slot in (0..SLOTS).filter(|slot| people.present[*slot]) {
            fixture.change(HistoryChange::Add(slot))?;
        }
        Ok(fixture)
    }

    /// Changes the directory and its expected content. A change that is impossible now is skipped.
    #[expect(clippy::too_many_lines, reason = "one step for each kind of change")]
    pub fn change(&mut self, change: HistoryChange) -> Result<()> {
        let entry_at = |slot: usize, entries: &[Option<KnownEntry>]| entries[slot].clone();
        match change {
            HistoryChange::Add(slot) => {
                if self.entries[slot].is_none() {
                    let manager = None;
                    let entry = KnownEntry {
                        anchor: Anchor::from_text("none")?,
                        dn: format!("uid=p{slot},dc=acme,dc=test"),
                        name: slot,
                        title: Some(slot),
                        enabled: true,
                        member: true,
                        manager,
                    };
                    self.add(slot, entry)?;
                }
            }
            HistoryChange::Delete(slot) => {
                if let Some(entry) = entry_at(slot, &self.entries) {
                    self.delete(slot, &entry)?;
                }
            }
            HistoryChange::Recreate(slot) => {
                if let Some(entry) = entry_at(slot, &self.entries) {
                    self.delete(slot, &entry)?;
                    self.add(slot, entry)?;
                }
            }
            HistoryChange::Join(slot) => {
                if let Some(entry) = self.entries[slot].as_mut().filter(|entry| !entry.member) {
                    entry.member = true;
                    self.directory.add_member(&workplace_group(), &entry.dn)?;
                }
            }
            HistoryChange::Leave(slot) => {
                if let Some(entry) = self.entries[slot].as_mut().filter(|entry| entry.member) {
                    entry.member = false;
                    self.directory.remove_member(&workplace_group(), &entry.dn)?;
                }
            }
            HistoryChange::Rename(slot, name) => {
                if let Some(entry) = self.entries[slot].as_mut() {
                    entry.name = name;
                    self.directory.set(&entry.dn, "mail", &[&mail(slot, name)])?;
                }
            }
            HistoryChange::Swap(one, other) => {
                if let (Some(a), Some(b)) = (entry_at(one, &self.entries), entry_at(other, &self.entries)) {
                    self.change(HistoryChange::Rename(one, b.name))?;
                    self.change(HistoryChange::Rename(other, a.name))?;
                }
            }
            HistoryChange::Retitle(slot, to) => {
                if let Some(entry) = self.entries[slot].as_mut() {
                    entry.title = to;
                    let value = to.map(title);
                    let values: Vec<&str> = value.as_deref().into_iter().collect();
                    self.directory.set(&entry.dn, "title", &values)?;
                }
            }
            HistoryChange::Enable(slot, enabled) => {
                if let Some(entry) = self.entries[slot].as_mut() {
                    entry.enabled = enabled;
                    let value = if enabled { "active" } else { "disabled" };
                    self.directory.set(&entry.dn, "employeeType", &[value])?;
                }
            }
            HistoryChange::Move(slot) => {
                self.moves += 1;
                let dn = format!("uid=p{slot}.{},dc=acme,dc=test", self.moves);
                if let Some(entry) = self.entries[slot].as_mut() {
                    self.directory.rename(&entry.dn, &dn)?;
                    entry.dn = dn;
                }
            }
            HistoryChange::Manager(slot, manager) => {
                let manager = manager.filter(|manager| *manager != slot && self.entries[*manager].is_some());
                let dn = manager.and_then(|manager| Some(self.entries[manager].as_ref()?.dn.clone()));
                if let Some(entry) = self.entries[slot].as_mut() {
                    entry.manager = manager;
                    let values: Vec<&str> = dn.as_deref().into_iter().collect();
                    self.directory.set(&entry.dn, "manager", &values)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, slot: usize, entry: KnownEntry) -> Result<()> {
        let name = display_name(slot);
        let attributes: [(&str, &[&str]); 6] = [
            ("objectClass", &["inetOrgPerson"]),
            ("cn", &[&name]),
            ("givenName", &["Person"]),
            ("sn", &[&slot.to_string()]),
            ("mail", &[&mail(slot, entry.name)]),
            ("employeeType", &[if entry.enabled { "active" } else { "disabled" }]),
        ];
        self.directory.add(&entry.dn, &attributes)?;
        if entry.member {
            self.directory.add_member(&workplace_group(), &entry.dn)?;
        }
        let uuid = self.directory.entry_uuid(&entry.dn).context("an entry without entryUUID")?;
        let anchor = Anchor::from_text(&uuid)?;
        self.anchors.insert(anchor.clone());
        let KnownEntry { title, manager, .. } = entry;
        self.entries[slot] = Some(KnownEntry { anchor, ..entry });
        self.change(HistoryChange::Retitle(slot, title))?;
        self.change(HistoryChange::Manager(slot, manager))
    }

    /// Deletes an entry; the directory removes it from the group and from `manager` attributes.
    fn delete(&mut self, slot: usize, entry: &KnownEntry) -> Result<()> {
        self.directory.delete(&entry.dn)?;
        self.entries[slot] = None;
        for other in self.entries.iter_mut().flatten() {
            other.manager = other.manager.filter(|manager| *manager != slot);
        }
        Ok(())
    }

    pub async fn scan(&self) -> Result<ScanSummary> {
        self.engine.scan(ScanMode::Auto).await
    }

    /// Runs a scan that dies after this many steps.
    pub async fn scan_cut_short(&self, steps: usize) -> Result<()> {
        cut_short(self.scan(), steps).await.transpose().map(drop)
    }

    async fn provision(&self, user: AnchorHash, owner: &str) -> Result<()> {
        self.engine.provisioner(owner).provision(user).await?;
        Ok(())
    }

    /// Provisions each due user once, in the order in which messages may arrive.
    pub async fn deliver(&self, delivery: &DeliveryOrder) -> Result<()> {
        let mut due = self.engine.store.fetch_due(clock(), 100).await?;
        match delivery {
            DeliveryOrder::InOrder => self.each(&due).await,
            DeliveryOrder::Shuffled(order) => {
                due.sort_by_key(|user| order[usize::from(user.0[0]) % order.len()]);
                self.each(&due).await
            }
            DeliveryOrder::Twice => {
                self.each(&due).await?;
                self.each(&due).await
            }
            DeliveryOrder::AtOnce => {
                let messages = due.iter().flat_map(|user| [(*user, "worker"), (*user, "other worker")]);
                let mut at_once = stream::iter(messages)
                    .map(|(user, owner)| self.provision(user, owner))
                    .buffer_unordered(32);
                while let Some(done) = at_once.next().await {
                    done?;
                }
                Ok(())
            }
            DeliveryOrder::Lost => {
                due.retain(|user| user.0[0] % 2 == 0);
                self.each(&due).await
            }
            DeliveryOrder::CutShort(steps) => {
                for (user, steps) in due.into_iter().zip(steps.iter().cycle()) {
                    let _ = cut_short(self.provision(user, "mortal"), *steps).await.transpose()?;
                }
                Ok(())
            }
        }
    }

    async fn each(&self, users: &[AnchorHash]) -> Result<()> {
        for user in users {
            self.provision(*user, "worker").await?;
        }
        Ok(())
    }

    /// Scans and provisions until nothing changes.
    pub async fn settle(&self) -> Result<()> {
        for _ in 0..12 {
            wait_long();
            let requests = self.engine.workplace.request_count();
            let summary = self.scan().await?;
            self.engine.provision_due().await?;
            // The account of a disabled user that was only linked is removed with an approval alone.
            let held = self.engine.store.fetch_connection().await?.memory.held;
            if let Some(held) = held {
                approve(&self.engine.context(), &held.hash.to_string(), "operator").await?;
            }
            let unchanged = requests == self.engine.workplace.request_count() && held.is_none();
            if unchanged && summary.changed + summary.deprovisioned == 0 {
                return Ok(());
            }
        }
        bail!("scans still find changes after twelve rounds")
    }
}

/// Polls a future this many times, then drops it.
async fn cut_short<F: Future>(future: F, mut polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

fn configuration(options: HistoryOptions, directory: &EmbeddedLdap) -> TestConfiguration {
    let HistoryOptions { provision_disabled, delete } = options;
    let remove_action = if delete { "delete" } else { "disable" };
    let mut configuration = TestConfiguration::openldap_at(&directory.url(), "");
    configuration.directory += &format!("page_size = 4\n{STATUS}");
    configuration.options =
        format!("provision_disabled = {provision_disabled}\nremove_action = \"{remove_action}\"\n");
    configuration.safety = NO_LIMITS.to_owned();
    configuration.mapping = "userName = \"mail\"\n\"name.formatted\" = \"cn\"\ndisplayName = \"cn\"\n\
         title = \"title\"\nmanager = { reference = \"manager\" }\n"
        .to_owned();
    configuration
}
