//! A handful of people in a directory that is told to change, and the real handlers between it and a Workplace, all in
//! this process.

use std::{cell::Cell, collections::BTreeSet, fs, future::poll_fn, pin::pin, task::Poll, time::Duration};

use anyhow::{Context as _, Result};
use embedded_ldap::EmbeddedLdap;
use end_to_end::GROUPS_DN;
use futures::{StreamExt as _, stream};
use model::{Anchor, AnchorHash, UnixSeconds};
use provision::{Health, Provisioner};
use runtime::{Connection, Secrets};
use scan::{ScanContext, ScanMode, ScanSummary};
use scim::{RetryPolicy, Target, TargetCredentials, TargetOptions};
use serde_json::{Value, json};
use simulator::Simulator;
use store::{Embedded, Store};
use tempfile::TempDir;

use super::history::{Change, Delivery, People, Setup};
use crate::site::{NO_LIMITS, STATUS, group_dn};

/// How many people there are at most, and how many names for them: one more, so that there is a free one.
pub const SLOTS: usize = 6;
pub const NAMES: usize = SLOTS + 1;

pub const STRANGER: &str = "visitor@partner.test";

/// Longer than any lease and any wait between two tries.
const LONG: i64 = 7_200;

thread_local! {
    /// Each test has a thread, and everything of it that asks for the time runs there. It only grows.
    static NOW: Cell<i64> = const { Cell::new(1_700_000_000) };
}

pub fn clock() -> UnixSeconds {
    UnixSeconds(NOW.get())
}

/// So much time passes that every wait is over, and every lease of somebody who died.
pub fn wait_long() {
    NOW.set(NOW.get() + LONG);
}

/// An entry of the directory, as the test knows it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub anchor: Anchor,
    pub dn: String,
    pub name: usize,
    pub title: Option<usize>,
    pub enabled: bool,
    pub member: bool,
    pub manager: Option<usize>,
}

/// The spelling of a name, which is not the same for everybody.
pub fn mail(slot: usize, name: usize) -> String {
    if slot.is_multiple_of(2) { format!("n{name}@acme.test") } else { format!("N{name}@Acme.Test") }
}

pub fn title(title: usize) -> String {
    format!("Title {title}")
}

pub fn display_name(slot: usize) -> String {
    format!("Person {slot}")
}

/// Everything together.
pub struct Village {
    pub setup: Setup,
    pub directory: EmbeddedLdap,
    pub workplace: Simulator,
    pub store: Store,
    pub target: Target,
    pub health: Health,
    pub connection: Connection,
    pub entries: Vec<Option<Entry>>,
    /// Every entry there ever was.
    pub anchors: BTreeSet<Anchor>,
    /// The accounts that were there before us.
    pub seeds: Vec<Value>,
    moves: usize,
    _dir: TempDir,
    _engine: Embedded,
}

impl Village {
    pub async fn start(setup: Setup, people: &People) -> Result<Self> {
        let directory = EmbeddedLdap::start(embedded_ldap::LdapOptions::default()).await?;
        let options = simulator::Options { unknown_fields: false, ..simulator::Options::default() };
        let workplace = Simulator::start(options).await?;
        workplace.seed(json!({ "userName": STRANGER, "active": true, "title": "Visitor" }));
        for (name, account) in people.accounts.iter().enumerate() {
            let Some((active, claimed)) = account else { continue };
            let status = json!({ "claimed": claimed });
            let urn = "urn:ietf:params:scim:schemas:extension:facebook:accountstatusdetails:2.0:User";
            workplace.seed(
                json!({ "userName": mail(name, name), "active": active, "title": "Of old", urn: status }),
            );
        }
        let dir = tempfile::tempdir()?;
        let connection = connection(&dir, setup, &directory, &workplace)?;
        let (engine, table) = Embedded::in_memory().await?;
        let mut village = Self {
            setup,
            target: target(&connection, &workplace)?,
            health: Health::default(),
            store: table.connection(&connection.policy.name),
            seeds: workplace.accounts(),
            directory,
            workplace,
            connection,
            entries: vec![None; SLOTS],
            anchors: BTreeSet::new(),
            moves: 0,
            _dir: dir,
            _engine: engine,
        };
        village.directory.add(GROUPS_DN, &[("objectClass", &["organizationalUnit"])])?;
        village.directory.add(&group_dn(), &[("objectClass", &["groupOfNames"])])?;
        for slot in 0..SLOTS {
            if people.there[slot] {
                village.change(Change::Add(slot))?;
            }
        }
        Ok(village)
    }

    /// Changes the directory, and what the test knows of it. A change that makes no sense now is none.
    pub fn change(&mut self, change: Change) -> Result<()> {
        let here = |slot: usize, entries: &[Option<Entry>]| entries[slot].clone();
        match change {
            Change::Add(slot) => {
                if self.entries[slot].is_none() {
                    let manager = None;
                    let entry = Entry {
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
            Change::Delete(slot) => {
                if let Some(entry) = here(slot, &self.entries) {
                    self.delete(slot, &entry)?;
                }
            }
            Change::Recreate(slot) => {
                if let Some(entry) = here(slot, &self.entries) {
                    self.delete(slot, &entry)?;
                    self.add(slot, entry)?;
                }
            }
            Change::Join(slot) => {
                if let Some(entry) = self.entries[slot].as_mut().filter(|entry| !entry.member) {
                    entry.member = true;
                    self.directory.add_member(&group_dn(), &entry.dn)?;
                }
            }
            Change::Leave(slot) => {
                if let Some(entry) = self.entries[slot].as_mut().filter(|entry| entry.member) {
                    entry.member = false;
                    self.directory.remove_member(&group_dn(), &entry.dn)?;
                }
            }
            Change::Rename(slot, name) => {
                if let Some(entry) = self.entries[slot].as_mut() {
                    entry.name = name;
                    self.directory.set(&entry.dn, "mail", &[&mail(slot, name)])?;
                }
            }
            Change::Swap(one, other) => {
                if let (Some(a), Some(b)) = (here(one, &self.entries), here(other, &self.entries)) {
                    self.change(Change::Rename(one, b.name))?;
                    self.change(Change::Rename(other, a.name))?;
                }
            }
            Change::Retitle(slot, to) => {
                if let Some(entry) = self.entries[slot].as_mut() {
                    entry.title = to;
                    let value = to.map(title);
                    let values: Vec<&str> = value.as_deref().into_iter().collect();
                    self.directory.set(&entry.dn, "title", &values)?;
                }
            }
            Change::Enable(slot, enabled) => {
                if let Some(entry) = self.entries[slot].as_mut() {
                    entry.enabled = enabled;
                    let value = if enabled { "active" } else { "disabled" };
                    self.directory.set(&entry.dn, "employeeType", &[value])?;
                }
            }
            Change::Move(slot) => {
                self.moves += 1;
                let dn = format!("uid=p{slot}.{},dc=acme,dc=test", self.moves);
                if let Some(entry) = self.entries[slot].as_mut() {
                    self.directory.rename(&entry.dn, &dn)?;
                    entry.dn = dn;
                }
            }
            Change::Manager(slot, manager) => {
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

    fn add(&mut self, slot: usize, entry: Entry) -> Result<()> {
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
            self.directory.add_member(&group_dn(), &entry.dn)?;
        }
        let uuid = self.directory.entry_uuid(&entry.dn).context("an entry without entryUUID")?;
        let anchor = Anchor::from_text(&uuid)?;
        self.anchors.insert(anchor.clone());
        let Entry { title, manager, .. } = entry;
        self.entries[slot] = Some(Entry { anchor, ..entry });
        self.change(Change::Retitle(slot, title))?;
        self.change(Change::Manager(slot, manager))
    }

    /// The directory takes the entry out of the group and out of everybody's manager.
    fn delete(&mut self, slot: usize, entry: &Entry) -> Result<()> {
        self.directory.delete(&entry.dn)?;
        self.entries[slot] = None;
        for other in self.entries.iter_mut().flatten() {
            other.manager = other.manager.filter(|manager| *manager != slot);
        }
        Ok(())
    }

    pub fn context(&self) -> ScanContext<'_> {
        ScanContext {
            policy: &self.connection.policy,
            store: &self.store,
            queue: None,
            owner: "scanner",
            stop_at: None,
            clock,
        }
    }

    pub async fn open_directory(&self) -> Result<directory::Directory> {
        Ok(self.connection.directory.open(&Secrets::default()).await?)
    }

    pub async fn scan(&self) -> Result<ScanSummary> {
        let mut directory = self.open_directory().await?;
        Ok(scan::scan(&self.context(), &mut directory, ScanMode::Auto, |_| {}).await?)
    }

    /// A worker dies under way, after so many steps that can be told apart.
    pub async fn scan_cut_short(&self, steps: usize) -> Result<()> {
        let mut directory = self.open_directory().await?;
        let _ = cut_short(scan::scan(&self.context(), &mut directory, ScanMode::Auto, |_| {}), steps)
            .await
            .transpose()?;
        Ok(())
    }

    pub async fn provision(&self, user: AnchorHash, owner: &str) -> Result<()> {
        let provisioner = Provisioner {
            store: &self.store,
            target: &self.target,
            health: &self.health,
            options: &self.connection.policy.options,
            max_attempts: self.connection.target.max_attempts,
            requests: None,
            owner,
            lease_seconds: 300,
            clock,
        };
        provisioner.provision(user).await?;
        Ok(())
    }

    /// Provisions everybody who is due, until nobody is.
    pub async fn drive(&self) -> Result<()> {
        for _ in 0..20 {
            let due = self.store.fetch_due(clock(), 100).await?;
            if due.is_empty() {
                return Ok(());
            }
            for user in due {
                self.provision(user, "worker").await?;
            }
        }
        anyhow::bail!("somebody is due again and again")
    }

    /// Provisions everybody who is due, once, as messages might come.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<()> {
        let mut due = self.store.fetch_due(clock(), 100).await?;
        match delivery {
            Delivery::InOrder => self.each(&due).await,
            Delivery::Shuffled(order) => {
                due.sort_by_key(|user| order[usize::from(user.0[0]) % order.len()]);
                self.each(&due).await
            }
            Delivery::Twice => {
                self.each(&due).await?;
                self.each(&due).await
            }
            Delivery::AtOnce => {
                let messages = due.iter().flat_map(|user| [(*user, "worker"), (*user, "other worker")]);
                let mut at_once = stream::iter(messages)
                    .map(|(user, owner)| self.provision(user, owner))
                    .buffer_unordered(32);
                while let Some(done) = at_once.next().await {
                    done?;
                }
                Ok(())
            }
            Delivery::Lost => {
                due.retain(|user| user.0[0] % 2 == 0);
                self.each(&due).await
            }
            Delivery::CutShort(steps) => {
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

    /// Scans and provisions until nothing changes any more, with all the time that it takes.
    pub async fn settle(&self) -> Result<()> {
        for _ in 0..8 {
            wait_long();
            let requests = self.workplace.request_count();
            let summary = self.scan().await?;
            self.drive().await?;
            if requests == self.workplace.request_count() && summary.changed + summary.deprovisioned == 0 {
                return Ok(());
            }
        }
        anyhow::bail!("it does not come to rest")
    }
}

/// Polls a future so often, and drops it then.
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

fn connection(
    dir: &TempDir,
    setup: Setup,
    directory: &EmbeddedLdap,
    workplace: &Simulator,
) -> Result<Connection> {
    let bind = embedded_ldap::LdapOptions::default();
    let secret = json!({ "bind_dn": bind.bind_dn, "password": bind.password });
    fs::write(dir.path().join("directory.json"), secret.to_string())?;
    let Setup { provision_disabled, delete } = setup;
    let remove_action = if delete { "delete" } else { "disable" };
    let (ldap, scim, group) = (directory.url(), workplace.url(), group_dn());
    let text = format!(
        "name = \"village\"\n\
         [directory]\nkind = \"openldap\"\nurl = \"{ldap}\"\nbase_dn = \"dc=acme,dc=test\"\n\
         secret = \"file:directory.json\"\npage_size = 4\n{STATUS}\n\
         [scope]\ngroup = \"{group}\"\n\
         [target]\nkind = \"workplace\"\nurl = \"{scim}\"\nsecret = \"file:none\"\n\
         [options]\nprovision_disabled = {provision_disabled}\nremove_action = \"{remove_action}\"\n\
         [safety]\n{NO_LIMITS}\n\
         [mapping]\nuserName = \"mail\"\n\"name.formatted\" = \"cn\"\ndisplayName = \"cn\"\n\
         title = \"title\"\n\
         manager = {{ reference = \"manager\" }}\n"
    );
    Ok(runtime::config::parse(&text, &dir.path().join("village.toml"))?)
}

/// A client that is as persistent as the real one and loses no time with it.
fn target(connection: &Connection, workplace: &Simulator) -> Result<Target> {
    let retry = RetryPolicy {
        attempts: 2,
        initial_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(5),
    };
    let options = TargetOptions {
        url: workplace.url(),
        timeout: Duration::from_secs(10),
        retry,
        max_concurrent_calls: 8,
        now: runtime::now,
    };
    let credentials = TargetCredentials { access_token: workplace.token().into(), app_secret: None };
    Ok(Target::new(connection.target.dialect, options, credentials)?)
}
