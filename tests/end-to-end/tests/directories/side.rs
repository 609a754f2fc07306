//! One provisioner: a configuration, a state and the Workplace that it provisions into, run by the real handlers in this
//! process.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use anyhow::{Context as _, Result};
use end_to_end::Configuration;
use model::{Anchor, Desired, DnKey, Status, UnixSeconds, UserName};
use provision::{Health, Provisioner};
use runtime::{Connection, Secrets};
use scan::{ScanContext, ScanMode, ScanSummary};
use scim::{RetryPolicy, Target, TargetCredentials, TargetOptions};
use serde_json::{Value, json};
use simulator::Simulator;
use store::{Embedded, Store};
use tempfile::TempDir;

thread_local! {
    /// Each test has a thread, and everything of it that asks for the time runs there. It only grows.
    static NOW: Cell<i64> = const { Cell::new(1_700_000_000) };
}

fn clock() -> UnixSeconds {
    UnixSeconds(NOW.get())
}

/// The time in so many seconds.
pub fn in_seconds(seconds: i64) -> UnixSeconds {
    clock().plus(seconds)
}

/// So much time passes.
pub fn wait_seconds(seconds: i64) {
    NOW.set(NOW.get() + seconds);
}

/// What a record says, apart from what belongs to one state alone: versions, times and the target's ids.
#[derive(Debug, PartialEq, Eq)]
pub struct Remembered {
    desired: Option<Desired>,
    dn: Option<DnKey>,
    removal_released: bool,
    status: Status,
    /// Whether there is an account, and what it was last made to be.
    account: Option<Option<(Option<UserName>, bool)>>,
}

/// One provisioner.
pub struct Side {
    connection: Connection,
    store: Store,
    workplace: Simulator,
    target: Target,
    health: Health,
    _engine: Embedded,
    _dir: TempDir,
}

impl Side {
    pub async fn new(configuration: &Configuration, secret: &Value) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("directory-secret.json"), secret.to_string())?;
        let workplace =
            Simulator::start(simulator::Options { unknown_fields: false, ..simulator::Options::default() })
                .await?;
        let target = Configuration::openldap_at("", &workplace.url()).target;
        let text = Configuration { target, ..configuration.clone() }.to_string();
        let connection = runtime::config::parse(&text, &dir.path().join("corp.toml"))?;
        let (engine, table) = Embedded::in_memory().await?;
        Ok(Self {
            store: connection.store(&table),
            target: target_of(&connection, &workplace)?,
            health: Health::default(),
            connection,
            workplace,
            _engine: engine,
            _dir: dir,
        })
    }

    pub async fn scan(&self, mode: ScanMode) -> Result<ScanSummary> {
        let mut directory = self.connection.directory.open(&Secrets::default()).await?;
        let context = ScanContext {
            policy: &self.connection.policy,
            store: &self.store,
            queue: None,
            owner: "scanner",
            stop_at: None,
            clock,
        };
        scan::scan(&context, &mut directory, mode, |_| {}).await.context("the scan could not run")
    }

    /// Provisions everybody who is due, until nobody is.
    pub async fn provision(&self) -> Result<()> {
        let provisioner = Provisioner {
            store: &self.store,
            target: &self.target,
            health: &self.health,
            options: &self.connection.policy.options,
            max_attempts: self.connection.target.max_attempts,
            requests: None,
            owner: "worker",
            lease_seconds: 300,
            clock,
        };
        for _ in 0..20 {
            let due = self.store.fetch_due(clock(), 1_000).await?;
            if due.is_empty() {
                return Ok(());
            }
            for user in due {
                provisioner.provision(user).await?;
            }
        }
        anyhow::bail!("somebody is due again and again")
    }

    /// What is remembered about each of these users.
    pub async fn remembered(&self, anchors: &[Anchor]) -> Result<BTreeMap<Anchor, Remembered>> {
        let hashes: Vec<_> = anchors.iter().map(Anchor::hash).collect();
        let records = self.store.fetch_records(&hashes).await?.into_values();
        Ok(records
            .map(|record| {
                let account =
                    record.link.map(|link| link.applied.map(|applied| (applied.user_name, applied.active)));
                let remembered = Remembered {
                    desired: record.desired,
                    dn: record.dn,
                    removal_released: record.removal_released,
                    status: record.status,
                    account,
                };
                (record.anchor, remembered)
            })
            .collect())
    }

    /// Who of these users is to lose an account, or waits for somebody to agree with that.
    pub async fn leaving(&self, anchors: &[Anchor]) -> Result<BTreeSet<Anchor>> {
        let remembered = self.remembered(anchors).await?.into_iter();
        let leaves = |remembered: &Remembered| {
            let absent = matches!(remembered.desired, Some(Desired::Absent { .. }));
            absent || remembered.removal_released
        };
        Ok(remembered.filter(|(_, remembered)| leaves(remembered)).map(|(anchor, _)| anchor).collect())
    }

    /// Every account by its user name, without ids: a manager's id becomes the name.
    pub fn accounts(&self) -> Result<BTreeMap<String, Value>> {
        const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let name_of = |account: &Value| account["userName"].as_str().unwrap_or_default().to_lowercase();
        let accounts = self.workplace.accounts();
        let names: BTreeMap<String, String> =
            accounts.iter().map(|account| (account["id"].to_string(), name_of(account))).collect();
        let mut by_name = BTreeMap::new();
        for mut account in accounts {
            let name = name_of(&account);
            account["id"] = Value::Null;
            if let Some(manager) = account.pointer_mut(&format!("/{ENTERPRISE}/manager/managerId")) {
                *manager = json!(names.get(&manager.to_string()));
            }
            anyhow::ensure!(by_name.insert(name.clone(), account).is_none(), "two accounts called {name}");
        }
        Ok(by_name)
    }

    /// The names of the active accounts, in lower case.
    pub fn active(&self) -> Result<BTreeSet<String>> {
        let accounts = self.accounts()?.into_iter();
        Ok(accounts.filter(|(_, account)| account["active"] == json!(true)).map(|(name, _)| name).collect())
    }
}

/// Whether only what changed was read, or else the reason that the summary gives.
pub fn was_incremental(summary: &ScanSummary) -> Result<bool, String> {
    match &summary.full_reason {
        Some(why) => Err(why.clone()),
        None => Ok(summary.mode == ScanMode::Incremental),
    }
}

/// A client that loses no time with waiting.
fn target_of(connection: &Connection, workplace: &Simulator) -> Result<Target> {
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
