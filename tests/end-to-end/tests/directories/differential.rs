//! Through a long random history, a provisioner that reads only what changed and one that reads everybody must say the
//! same after every batch of changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    rc::Rc,
};

use anyhow::{Context as _, Result, ensure};
use end_to_end::{Admin, Configuration, Random};
use model::Anchor;
use serde_json::Value;

use crate::{
    history::Company,
    server::Kind,
    side::{Side, wait_seconds, was_incremental},
};
use scan::ScanMode;

/// How many changes there are at least, in a history that decides.
pub const CHANGES: usize = 300;
/// How many of them come between two scans at most.
const BATCH: usize = 12;
/// After how many batches the server is restarted, again and again.
const RESTART_EVERY: usize = 16;

/// A new seed for random choices, or the one in `DIRECTORIES_SEED`; printed, so that a run can be repeated.
#[expect(clippy::disallowed_methods, reason = "whoever repeats a run has no other way to say which")]
pub fn seed(what: &str) -> u64 {
    let asked = std::env::var("DIRECTORIES_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = asked.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("{what}: seed {seed} (DIRECTORIES_SEED repeats it)");
    seed
}

/// Who is provisioned, by one configuration, in both ways.
pub struct Pair {
    /// Which scope, and who reads.
    pub what: &'static str,
    incremental: Side,
    full: Rc<Side>,
    /// Whether another pair, which comes first, has the same provisioner read everybody.
    shares_full: bool,
    /// How many scans read only what changed.
    incremental_reads: usize,
    /// How many were asked to and read everybody, by the reason that they gave.
    excuses: BTreeMap<String, usize>,
}

impl Pair {
    pub async fn new(what: &'static str, configuration: &Configuration, secret: &Value) -> Result<Self> {
        let incremental = Side::new(configuration, secret).await?;
        let full = Rc::new(Side::new(configuration, secret).await?);
        Ok(Self {
            what,
            incremental,
            full,
            shares_full: false,
            incremental_reads: 0,
            excuses: BTreeMap::new(),
        })
    }

    /// Another way of reading the same changes, which must lead to the same as that pair's full read.
    pub async fn beside(
        &self,
        what: &'static str,
        configuration: &Configuration,
        secret: &Value,
    ) -> Result<Self> {
        let incremental = Side::new(configuration, secret).await?;
        let full = Rc::clone(&self.full);
        Ok(Self {
            what,
            incremental,
            full,
            shares_full: true,
            incremental_reads: 0,
            excuses: BTreeMap::new(),
        })
    }

    async fn scan_and_provision(&mut self) -> Result<()> {
        let summary = self.incremental.scan(ScanMode::Incremental).await?;
        ensure!(summary.complete, "{}: the incremental read was not complete: {summary:?}", self.what);
        match was_incremental(&summary) {
            Ok(true) => self.incremental_reads += 1,
            Ok(false) => {}
            Err(why) => *self.excuses.entry(why).or_default() += 1,
        }
        self.incremental.provision().await?;
        if self.shares_full {
            return Ok(());
        }
        let summary = self.full.scan(ScanMode::Full).await?;
        ensure!(summary.complete, "{}: the full read was not complete: {summary:?}", self.what);
        self.full.provision().await
    }

    async fn expect_same(&self, anchors: &[Anchor]) -> Result<()> {
        let (incremental, full) =
            (self.incremental.remembered(anchors).await?, self.full.remembered(anchors).await?);
        let mut differences = String::new();
        for anchor in anchors {
            let (one, other) = (incremental.get(anchor), full.get(anchor));
            if one != other {
                differences += &format!("{anchor}\n  incremental {one:#?}\n  full {other:#?}\n");
            }
        }
        ensure!(differences.is_empty(), "{}: the records differ:\n{differences}", self.what);
        let (incremental, full) = (self.incremental.accounts()?, self.full.accounts()?);
        let names: BTreeSet<&String> = incremental.keys().chain(full.keys()).collect();
        for name in names {
            let (one, other) = (incremental.get(name), full.get(name));
            ensure!(
                one == other,
                "{}: {name}'s accounts differ:\n  incremental {one:?}\n  full {other:?}",
                self.what
            );
        }
        Ok(())
    }
}

/// What is lived through.
pub struct History<'a> {
    /// For the messages.
    pub what: &'a str,
    /// Which server it is.
    pub kind: Kind,
    /// Who changes things there.
    pub admin: &'a Admin,
    /// How many changes there are at least.
    pub at_least: usize,
}

/// Lives through a history with all of these pairs, which `check` may look at after each batch. Now and then the server
/// is restarted.
pub async fn compare(
    History { what, kind, admin, at_least }: History<'_>,
    mut pairs: Vec<Pair>,
    check: impl Fn(&Company, &Pair) -> Result<()>,
    mut restart: impl FnMut() -> Result<()>,
) -> Result<()> {
    let mut random = Random::seeded(seed(what));
    let mut company = Company::found(kind, admin, &mut random)?;
    let (mut changes, mut batches) = (0, 0);
    let mut batch = vec!["the company was founded".to_owned()];
    loop {
        wait_seconds(30);
        batches += 1;
        for pair in &mut pairs {
            let said = format!("after batch {batches} ({changes} changes):\n  {}", batch.join("\n  "));
            pair.scan_and_provision().await.with_context(|| said.clone())?;
            pair.expect_same(&company.anchors).await.with_context(|| said.clone())?;
            check(&company, pair).with_context(|| said.clone())?;
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
    for Pair { what: scope, incremental_reads, excuses, .. } in &pairs {
        let excused: usize = excuses.values().sum();
        println!(
            "{what}, {scope}: {changes} changes in {batches} batches, {incremental_reads} incremental reads, \
             {excused} full ones for a reason: the same plans"
        );
        excuses.iter().for_each(|(why, times)| println!("  {times} × {why}"));
    }
    Ok(())
}

/// Whether the accounts are those of the users whom the history itself takes to be in scope.
pub fn expect_truth(company: &Company, pair: &Pair) -> Result<()> {
    for (mode, side) in [("incremental", &pair.incremental), ("full", &pair.full)] {
        let wrong = company.wrong_accounts(&side.accounts()?);
        ensure!(wrong.is_empty(), "{mode}: {wrong:?}");
    }
    Ok(())
}

/// No limit on removals: what one read would do, the other must do as well.
pub const NO_LIMITS: &str = "max_removals = 100000\nmax_removal_percent = 100\n";

/// What is mapped; `description` is not.
pub const MAPPING: &str = concat!(
    "userName = \"mail\"\n",
    "\"name.givenName\" = \"givenName\"\n",
    "\"name.familyName\" = \"sn\"\n",
    "displayName = \"displayName\"\n",
    "title = \"title\"\n",
);

/// Somebody else's entry, on top of that.
pub const MANAGER: &str = "manager = { reference = \"manager\" }\n";

/// Runs a test on a runtime of its own, on this thread.
#[track_caller]
pub fn block_on(test: impl Future<Output = Result<()>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Err(error) = runtime.block_on(test) {
        panic!("{error:#}");
    }
}
