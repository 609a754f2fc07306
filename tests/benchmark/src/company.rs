//! A directory of any size, a simulated target, and the provisioner between them.

use std::collections::BTreeMap;
use std::time::Duration;

use ::runtime::Secrets;
use anyhow::{anyhow, bail, ensure};
use directory::ReadItem;
use end_to_end::{
    GroupEntry, PersonEntry, ProgramOutput, Slapd, SlapdOptions, TestConfiguration, TestDir, people,
};
use model::UnixSeconds;
use plan::{EntryDiff, SnapshotDiff};
use scan::{ScanContext, ScanMode};
use serde_json::Value;
use simulator::{Simulator, SimulatorOptions};
use store::{Embedded, Snapshot, SnapshotSave};
use tokio::runtime::{Builder, Runtime};

const TIMEOUT: Duration = Duration::from_secs(900);

/// One directory and everything that provisions its users.
pub struct BenchmarkCompany {
    pub people: Vec<PersonEntry>,
    pub slapd: Slapd,
    pub target: Simulator,
    dir: TestDir,
    configuration: TestConfiguration,
    /// Last, because the target runs on it.
    runtime: Runtime,
}

impl BenchmarkCompany {
    /// All users are in scope, and none is provisioned.
    pub fn of(count: usize) -> anyhow::Result<Self> {
        Self::with(people::generate(count, 1), 10, TestConfiguration::scope_all_people)
    }

    /// All users are in a group that is the scope.
    pub fn in_one_group(count: usize) -> anyhow::Result<Self> {
        Self::with(people::generate(count, 1), count, crate::group::by_group)
    }

    /// All users are in scope, without managers: a user who waits for a manager's account is provisioned twice.
    pub fn without_managers(count: usize) -> anyhow::Result<Self> {
        let mut people = people::generate(count, 1);
        people.iter_mut().for_each(|person| person.manager = None);
        Self::with(people, 10, TestConfiguration::scope_all_people)
    }

    fn with(
        people: Vec<PersonEntry>,
        members: usize,
        scope: fn(&mut TestConfiguration),
    ) -> anyhow::Result<Self> {
        let slapd = Slapd::start(SlapdOptions {
            people: people.clone(),
            groups: vec![GroupEntry::of("workplace", people.iter().take(members))],
            database_lines: vec![
                "syncprov-checkpoint 1000 10".to_owned(),
                "syncprov-sessionlog 100000".to_owned(),
                "index employeeNumber pres".to_owned(),
            ],
            ..SlapdOptions::default()
        })?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let target = runtime.block_on(Simulator::start(SimulatorOptions {
            unknown_fields: false,
            ..SimulatorOptions::default()
        }))?;
        let mut configuration = TestConfiguration::openldap(&slapd, &target.url());
        scope(&mut configuration);
        let dir = TestDir::new()?;
        dir.configure(&configuration)?;
        dir.directory_secret(&slapd.reader_secret())?;
        dir.target_secret(&target.token())?;
        Ok(Self { people, slapd, target, dir, configuration, runtime })
    }

    /// Changes the configuration from now on.
    pub fn configure(&mut self, change: impl FnOnce(&mut TestConfiguration)) -> anyhow::Result<()> {
        change(&mut self.configuration);
        self.dir.configure(&self.configuration)?;
        Ok(())
    }

    /// Saves the snapshot of a full scan, without the records, which an unchanged scan does not read.
    pub fn save_snapshot_of_all(&self) -> anyhow::Result<()> {
        let connection =
            ::runtime::config::parse(&self.configuration.to_string(), &self.dir.file("corp.toml"))?;
        self.runtime.block_on(async {
            let now = UnixSeconds(0);
            let (_engine, table) = Embedded::open(&self.dir.file("corp.state")).await?;
            let store = connection.store(&table);
            let mut directory = connection.directory.open(&Secrets::default()).await?;
            let mut read = directory.read(None, now).await?;
            let mut planner = SnapshotDiff::new(&connection.policy.rules, &[], now);
            let mut seen = BTreeMap::new();
            while let Some(page) = read.next_page().await? {
                for sighting in page {
                    let ReadItem::Entry(entry) = sighting else { bail!("an entry has no anchor") };
                    let EntryDiff::Changed(change) = planner.compare(&entry) else {
                        bail!("an entry is read twice")
                    };
                    seen.insert(change.anchor.hash(), Some(change.fingerprint));
                }
            }
            read.finish().await?;
            ensure!(seen.len() == self.people.len(), "{} were seen", seen.len());
            let lease = store.take_lease("benchmark", now, 600).await?;
            let lease = lease.map_err(|taken| anyhow!("{} has the lease", taken.owner))?;
            ensure!(store.save_snapshot(&lease, Snapshot::default(), seen).await? == SnapshotSave::Done);
            store.release(lease, None, None).await?;
            Ok(())
        })
    }

    /// Runs a full scan, which writes the records, and provisions no user.
    pub fn write_records(&self) -> anyhow::Result<()> {
        let connection =
            ::runtime::config::parse(&self.configuration.to_string(), &self.dir.file("corp.toml"))?;
        self.runtime.block_on(async {
            let (_engine, table) = Embedded::open(&self.dir.file("corp.state")).await?;
            let store = connection.store(&table);
            let mut directory = connection.directory.open(&Secrets::default()).await?;
            let context = ScanContext {
                policy: &connection.policy,
                store: &store,
                queue: None,
                owner: "benchmark",
                stop_at: None,
                clock: ::runtime::now,
            };
            let scanned = scan::scan(&context, &mut directory, ScanMode::Full, |_| ()).await?;
            ensure!(scanned.created == self.people.len() as u64, "{scanned:?}");
            Ok(())
        })
    }

    /// Runs `provisioner` with these arguments to its end.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<ProgramOutput> {
        let arguments = arguments.iter().chain(&["--config", "corp.toml", "--json"]);
        self.dir.provisioner(arguments).timeout(TIMEOUT).run()
    }

    /// Runs `provisioner sync` to its end, and gives what it says of itself.
    pub fn sync(&self, full: bool) -> anyhow::Result<(Value, ProgramOutput)> {
        let finished = self.run(if full { &["sync", "--full"] } else { &["sync"] })?;
        ensure!(finished.exit_code == Some(0), "sync ended with {finished}");
        Ok((finished.json()?, finished))
    }
}
