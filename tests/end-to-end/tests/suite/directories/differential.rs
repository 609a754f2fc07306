//! Incremental scans against full scans: after every batch of a long random history, both must lead to the same records
//! and accounts.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use anyhow::{Context as _, Result, ensure};
use end_to_end::{
    DirectoryAdmin, EngineFixture, NO_LIMITS, SeededRandom, TestConfiguration, accounts_by_name,
    advance_clock, seed,
};
use model::{Anchor, Desired, DnKey, Status, UserName};
use scan::{ScanMode, ScanSummary};
use serde_json::Value;
use simulator::SimulatorOptions;

use super::{history::RandomCompany, server::TestServer};

/// Changes of a history, at least.
pub const CHANGES: usize = 300;
/// Changes between two scans, at most.
const BATCH: usize = 12;
/// Batches between two restarts of the server.
const RESTART_EVERY: usize = 16;

/// `[mapping]` without a reference; `description` stays unmapped.
pub const MAPPING: &str = concat!(
    "userName = \"mail\"\n",
    "\"name.givenName\" = \"givenName\"\n",
    "\"name.familyName\" = \"sn\"\n",
    "displayName = \"displayName\"\n",
    "title = \"title\"\n",
);

/// A connection without limits to a directory at `urls`, a TOML value.
pub fn connection(kind: &str, urls: &str, base_dn: &str, scope: &str) -> TestConfiguration {
    TestConfiguration {
        directory: format!(
            "kind = \"{kind}\"\nurl = {urls}\nbase_dn = \"{base_dn}\"\nsecret = \"file:directory-secret.json\"\n"
        ),
        scope: format!("{scope}\n"),
        safety: NO_LIMITS.to_owned(),
        mapping: MAPPING.to_owned(),
        ..TestConfiguration::openldap_at("", "")
    }
}

/// A further line of `[mapping]`, with a reference.
pub const MANAGER: &str = "manager = { reference = \"manager\" }\n";

/// An engine with an empty state.
pub async fn engine(configuration: &TestConfiguration, secret: &Value) -> Result<EngineFixture> {
    let server = SimulatorOptions { unknown_fields: false, ..SimulatorOptions::default() };
    EngineFixture::start(configuration, secret, server).await
}

/// Content of a record without versions, times and account ids, which differ between two states.
#[derive(Debug, PartialEq, Eq)]
struct ComparableRecord {
    desired: Option<Desired>,
    dn: Option<DnKey>,
    removal_released: bool,
    status: Status,
    /// Whether an account is linked, and the user name and activity that were last applied to it.
    account: Option<Option<(Option<UserName>, bool)>>,
}

/// The comparable records of these users.
async fn records(engine: &EngineFixture, anchors: &[Anchor]) -> Result<BTreeMap<Anchor, ComparableRecord>> {
    let hashes: Vec<_> = anchors.iter().map(Anchor::hash).collect();
    let records = engine.store.fetch_records(&hashes).await?.into_values();
    let comparable = |record: model::UserRecord| {
        let account = record.link.map(|link| link.applied.map(|applied| (applied.user_name, applied.active)));
        let comparable = ComparableRecord {
            desired: record.desired,
            dn: record.dn,
            removal_released: record.removal_released,
            status: record.status,
            account,
        };
        (record.anchor, comparable)
    };
    Ok(records.map(comparable).collect())
}

/// Users whose account is to be deprovisioned.
pub async fn planned_removals(engine: &EngineFixture, anchors: &[Anchor]) -> Result<BTreeSet<Anchor>> {
    let records = records(engine, anchors).await?.into_iter();
    let removed = |record: &ComparableRecord| {
        matches!(record.desired, Some(Desired::Absent { .. })) || record.removal_released
    };
    Ok(records.filter(|(_, record)| removed(record)).map(|(anchor, _)| anchor).collect())
}

/// One configuration, scanned incrementally and fully.
pub struct ScanComparison {
    /// Scope and reader, for messages.
    pub what: &'static str,
    incremental: EngineFixture,
    full: Rc<EngineFixture>,
    /// Another comparison, earlier in the list, runs the full scans.
    shares_full: bool,
    incremental_scans: usize,
    /// Full scans instead of incremental ones, by the reason in the summary.
    full_scans: BTreeMap<String, usize>,
}

impl ScanComparison {
    pub async fn new(what: &'static str, configuration: &TestConfiguration, secret: &Value) -> Result<Self> {
        let full = Rc::new(engine(configuration, secret).await?);
        Self::with(what, engine(configuration, secret).await?, (full, false))
    }

    /// Another way to read the same changes, compared with this comparison's full scans.
    pub async fn beside(
        &self,
        what: &'static str,
        configuration: &TestConfiguration,
        secret: &Value,
    ) -> Result<Self> {
        Self::with(what, engine(configuration, secret).await?, (Rc::clone(&self.full), true))
    }

    fn with(
        what: &'static str,
        incremental: EngineFixture,
        (full, shares_full): (Rc<EngineFixture>, bool),
    ) -> Result<Self> {
        Ok(Self { what, incremental, full, shares_full, incremental_scans: 0, full_scans: BTreeMap::new() })
    }

    async fn scan_and_provision(&mut self) -> Result<()> {
        let summary = self.incremental.scan(ScanMode::Incremental).await?;
        ensure!(summary.complete, "{}: the incremental scan was not complete: {summary:?}", self.what);
        self.count(&summary);
        self.incremental.provision_due().await?;
        if !self.shares_full {
            let summary = self.full.scan(ScanMode::Full).await?;
            ensure!(summary.complete, "{}: the full scan was not complete: {summary:?}", self.what);
            self.full.provision_due().await?;
        }
        Ok(())
    }

    fn count(&mut self, summary: &ScanSummary) {
        match &summary.full_reason {
            Some(reason) => *self.full_scans.entry(reason.clone()).or_default() += 1,
            None if summary.mode == ScanMode::Incremental => self.incremental_scans += 1,
            None => {}
        }
    }

    async fn expect_same(&self, anchors: &[Anchor]) -> Result<()> {
        let incremental = records(&self.incremental, anchors).await?;
        let full = records(&self.full, anchors).await?;
        let mut differences = String::new();
        for anchor in anchors {
            let (one, other) = (incremental.get(anchor), full.get(anchor));
            if one != other {
                differences += &format!("{anchor}\n  incremental {one:#?}\n  full {other:#?}\n");
            }
        }
        ensure!(differences.is_empty(), "{}: the records differ:\n{differences}", self.what);
        let incremental = accounts_by_name(&self.incremental.workplace);
        let full = accounts_by_name(&self.full.workplace);
        let names: BTreeSet<&String> = incremental.keys().chain(full.keys()).collect();
        for name in names {
            let (one, other) = (incremental.get(name), full.get(name));
            ensure!(
                one == other,
                "{}: the accounts {name} differ:\n  incremental {one:?}\n  full {other:?}",
                self.what
            );
        }
        Ok(())
    }
}

/// A random history on one server.
pub struct HistoryRun<'a> {
    /// Name in messages.
    pub what: &'a str,
    pub kind: TestServer,
    pub admin: &'a DirectoryAdmin,
    /// Changes, at least.
    pub at_least: usize,
}

/// Runs a history with all of these comparisons. `check` runs after each batch; the server is restarted now and then.
pub async fn compare(
    HistoryRun { what, kind, admin, at_least }: HistoryRun<'_>,
    mut comparisons: Vec<ScanComparison>,
    check: impl Fn(&RandomCompany, &ScanComparison) -> Result<()>,
    mut restart: impl FnMut() -> Result<()>,
) -> Result<()> {
    let mut random = SeededRandom::seeded(seed(what));
    let mut company = RandomCompany::create(kind, admin, &mut random)?;
    let (mut changes, mut batches) = (0, 0);
    let mut batch = vec!["the company was created".to_owned()];
    loop {
        advance_clock(30);
        batches += 1;
        for comparison in &mut comparisons {
            let context = format!("after batch {batches} ({changes} changes):\n  {}", batch.join("\n  "));
            comparison.scan_and_provision().await.with_context(|| context.clone())?;
            comparison.expect_same(&company.anchors).await.with_context(|| context.clone())?;
            check(&company, comparison).with_context(|| context.clone())?;
        }
        if changes >= at_least {
            break;
        }
        batch.clear();
        if batches % RESTART_EVERY == 0 {
            restart()?;
            batch.push("the server was restarted".to_owned());
        }
        for _ in 0..=random.below(BATCH) {
            batch.push(company.change(&mut random, admin)?);
            changes += 1;
        }
    }
    for ScanComparison { what: scope, incremental_scans, full_scans, .. } in &comparisons {
        let full: usize = full_scans.values().sum();
        println!(
            "{what}, {scope}: {changes} changes in {batches} batches, {incremental_scans} incremental scans, \
             {full} full scans for a reason: the same result"
        );
        full_scans.iter().for_each(|(reason, times)| println!("  {times} × {reason}"));
    }
    Ok(())
}

/// Expects the accounts of the users that the history itself counts as in scope.
pub fn expect_accounts_in_scope(company: &RandomCompany, comparison: &ScanComparison) -> Result<()> {
    for (mode, engine) in [("incremental", &comparison.incremental), ("full", &comparison.full)] {
        let wrong = company.wrong_accounts(&accounts_by_name(&engine.workplace));
        ensure!(wrong.is_empty(), "{mode}: {wrong:?}");
    }
    Ok(())
}

/// Runs an async test on this thread.
#[track_caller]
pub fn block_on(test: impl Future<Output = Result<()>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Err(error) = runtime.block_on(test) {
        panic!("{error:#}");
    }
}
