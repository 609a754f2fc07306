//! The real terminal program between a directory and a simulated Workplace.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use embedded_ldap::{EmbeddedLdap, LdapOptions, company};
use serde_json::{Value, json};
use simulator::{RecordedRequest, Simulator, SimulatorOptions};
use tokio::runtime::{Builder, Runtime};

use crate::{
    DirectoryAdmin, GroupEntry, PersonEntry, ProgramCall, ProgramOutput, Slapd, SlapdOptions, StateDump,
    TestConfiguration, TestDir, accounts_by_name, active_names, embedded_secret, populate, request_lines,
    state_dump::rebind_target, workplace_group,
};

/// A configuration, its state and the target. `D` is the directory where the fixture owns one.
pub struct TerminalFixture<D = ()> {
    /// The directory's server.
    pub directory: D,
    /// The target's server.
    pub workplace: Simulator,
    /// The folder of the configuration, the secrets and the state.
    pub dir: TestDir,
    configuration: TestConfiguration,
    secret: Value,
    /// Last, because the servers of this process run on it.
    runtime: Runtime,
}

/// A runtime for the servers of this process, while the test waits for the program.
pub fn server_runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

impl TerminalFixture<Slapd> {
    /// An OpenLDAP in which all of these people are in the group `workplace`.
    pub fn of(people: &[PersonEntry]) -> Self {
        Self::with(people, people)
    }

    /// An OpenLDAP with these people, some of them in the group `workplace`.
    pub fn with(people: &[PersonEntry], members: &[PersonEntry]) -> Self {
        Self::start(SlapdOptions {
            people: people.to_vec(),
            groups: vec![GroupEntry::of("workplace", members)],
            ..SlapdOptions::default()
        })
    }

    /// An OpenLDAP with these options.
    pub fn start(options: SlapdOptions) -> Self {
        Self::start_with(options, SimulatorOptions::default())
    }

    /// An OpenLDAP and a target with these options.
    pub fn start_with(options: SlapdOptions, target: SimulatorOptions) -> Self {
        let slapd = Slapd::start(options).unwrap();
        let configuration = TestConfiguration::openldap(&slapd, "");
        let secret = slapd.reader_secret();
        TerminalFixture::between(slapd, configuration, (secret, target))
    }

    /// Changes of the directory.
    pub fn admin(&self) -> DirectoryAdmin {
        self.directory.admin()
    }

    /// Adds an entry to the group `workplace`.
    pub fn join(&self, person: &PersonEntry) {
        self.admin().add_member(&workplace_group(), &person.dn()).unwrap();
    }

    /// Removes an entry from the group `workplace`.
    pub fn leave(&self, person: &PersonEntry) {
        self.admin().remove_member(&workplace_group(), &person.dn()).unwrap();
    }

    /// Adds a new entry, and adds it to the group `workplace`.
    pub fn hire(&self, person: &PersonEntry) {
        self.admin().add_person(person).unwrap();
        self.join(person);
    }

    /// Deletes an entry; the server removes it from its groups.
    pub fn delete(&self, person: &PersonEntry) {
        self.admin().delete(&person.dn()).unwrap();
    }

    /// Replaces an attribute's values.
    pub fn set(&self, person: &PersonEntry, attribute: &str, values: &[&str]) {
        self.admin().set(&person.dn(), attribute, values).unwrap();
    }
}

impl TerminalFixture<EmbeddedLdap> {
    /// The embedded directory with these people, some of them in the group `workplace`.
    pub fn embedded(people: &[PersonEntry], members: &[PersonEntry]) -> Self {
        let runtime = server_runtime();
        let directory = runtime.block_on(EmbeddedLdap::start(LdapOptions::default())).unwrap();
        populate(&directory, people, members).unwrap();
        let configuration = TestConfiguration::openldap_at(&directory.url(), "");
        Self::on(runtime, directory, configuration, (embedded_secret(), SimulatorOptions::default()))
    }

    /// Replaces an attribute of each of these entries. No values remove it, as if the reader may not see it.
    pub fn set_all(
        &self,
        people: &[PersonEntry],
        attribute: &str,
        values: impl Fn(&PersonEntry) -> Vec<String>,
    ) {
        for person in people {
            let values = values(person);
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            self.directory.set(&person.dn(), attribute, &values).unwrap();
        }
    }

    /// Adds an entry to the group `workplace`.
    pub fn enrol(&self, person: &PersonEntry) {
        self.directory.add_member(&workplace_group(), &person.dn()).unwrap();
    }

    /// The embedded directory with its company of twelve, eight of them in the group.
    pub fn company() -> Self {
        let runtime = server_runtime();
        let directory = runtime.block_on(EmbeddedLdap::start(LdapOptions::default())).unwrap();
        company::populate(&directory).unwrap();
        let configuration = TestConfiguration::openldap_at(&directory.url(), "");
        Self::on(runtime, directory, configuration, (embedded_secret(), SimulatorOptions::default()))
    }
}

impl TerminalFixture {
    /// A fixture whose directory lives elsewhere, with an empty state and a target without accounts.
    pub fn new(configuration: TestConfiguration, secret: &Value) -> Self {
        let options = SimulatorOptions { unknown_fields: false, ..SimulatorOptions::default() };
        Self::between((), configuration, (secret.clone(), options))
    }
}

impl<D> TerminalFixture<D> {
    fn between(directory: D, configuration: TestConfiguration, rest: (Value, SimulatorOptions)) -> Self {
        Self::on(server_runtime(), directory, configuration, rest)
    }

    fn on(
        runtime: Runtime,
        directory: D,
        configuration: TestConfiguration,
        (secret, target): (Value, SimulatorOptions),
    ) -> Self {
        let workplace = runtime.block_on(Simulator::start(target)).unwrap();
        let configuration = configuration.with_target_url(&workplace.url());
        let dir = TestDir::new().unwrap();
        dir.configure(&configuration).unwrap();
        dir.directory_secret(&secret).unwrap();
        dir.target_secret(&workplace.token()).unwrap();
        Self { directory, workplace, dir, configuration, secret, runtime }
    }

    /// A second fixture that starts from the same state and the same accounts, and is independent from then on.
    pub fn copy(&self) -> TerminalFixture {
        let copy = TerminalFixture::new(self.configuration.clone(), &self.secret);
        for account in self.workplace.accounts() {
            copy.workplace.seed(account);
        }
        // The embedded engine keeps recent writes in the log beside the file.
        for name in ["corp.state", "corp.state-wal"] {
            if self.dir.file(name).exists() {
                fs::copy(self.dir.file(name), copy.dir.file(name)).unwrap();
            }
        }
        let state = copy.dir.file("corp.state");
        if state.exists() {
            rebind_target(&state, &self.workplace.url(), &copy.workplace.url());
        }
        copy
    }

    /// Changes the configuration from now on. A copy of another fixture's configuration names that fixture's target.
    pub fn configure(&mut self, change: impl FnOnce(&mut TestConfiguration)) {
        change(&mut self.configuration);
        self.dir.configure(&self.configuration).unwrap();
    }

    /// Changes the configuration at the start of a test.
    pub fn configured(mut self, change: impl FnOnce(&mut TestConfiguration)) -> Self {
        self.configure(change);
        self
    }

    /// The current configuration.
    pub fn configuration(&self) -> &TestConfiguration {
        &self.configuration
    }

    /// A command on the connection, not started yet.
    pub fn call(&self, command: &[&str]) -> ProgramCall {
        self.dir.provisioner(command.iter().copied().chain(["--config", "corp.toml"]))
    }

    /// Runs a command on the connection.
    pub fn run(&self, command: &[&str]) -> ProgramOutput {
        self.call(command).run().unwrap()
    }

    /// Runs `provisioner sync`.
    pub fn sync(&self) -> ProgramOutput {
        self.run(&["sync"])
    }

    /// Approves the first of the held sets.
    #[track_caller]
    pub fn approve_held(&self) {
        self.approve_held_by("operator");
    }

    /// Approves the first of the held sets in this name.
    #[track_caller]
    pub fn approve_held_by(&self, name: &str) {
        let waiting = self.run(&["approve", "--json"]).json().unwrap();
        let hash = waiting["waiting"][0]["hash"].as_str().expect("nothing is held").to_owned();
        self.run(&["approve", &hash, "--by", name]).expect_exit(0);
    }

    /// Runs `provisioner plan`.
    pub fn plan(&self) -> ProgramOutput {
        self.run(&["plan"])
    }

    /// Runs `provisioner check`.
    pub fn check(&self) -> ProgramOutput {
        self.run(&["check"])
    }

    /// Syncs, expects an exit code, and forgets the requests that the target received until now.
    #[track_caller]
    pub fn settle(&self, exit: i32) -> ProgramOutput {
        let output = self.sync();
        output.expect_exit(exit);
        self.workplace.clear_requests();
        output
    }

    /// Runs a future on the servers' runtime.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Every item of the state.
    pub fn state(&self) -> StateDump {
        StateDump::read(&self.dir.file("corp.state"))
    }

    /// Every account by its user name, without ids.
    pub fn accounts(&self) -> BTreeMap<String, Value> {
        accounts_by_name(&self.workplace)
    }

    /// The user names of the active accounts.
    pub fn active(&self) -> BTreeSet<String> {
        active_names(&self.workplace)
    }

    /// The account with this user name.
    #[track_caller]
    pub fn account(&self, user_name: &str) -> Value {
        self.workplace.account(user_name).unwrap_or_else(|| panic!("there is no account {user_name}"))
    }

    /// The id of the account with this user name.
    #[track_caller]
    pub fn id(&self, user_name: &str) -> u64 {
        self.account(user_name)["id"].as_u64().unwrap()
    }

    /// Expects an account that is active, or inactive.
    #[track_caller]
    pub fn expect_active(&self, user_name: &str, active: bool) {
        let account = self.account(user_name);
        assert_eq!(account["active"], json!(active), "{user_name}: {account:#}");
    }

    /// Expects no account with this user name.
    #[track_caller]
    pub fn expect_no_account(&self, user_name: &str) {
        let account = self.workplace.account(user_name);
        assert!(account.is_none(), "there is an account: {account:#?}");
    }

    /// Expects that the target received no request.
    #[track_caller]
    pub fn expect_no_call(&self) {
        let requests = self.workplace.requests();
        assert!(requests.is_empty(), "the target received requests:\n{}", request_lines(&requests));
    }

    /// Expects that the target received no request that changes anything.
    #[track_caller]
    pub fn expect_no_write(&self) {
        let writes = self.workplace.writes();
        assert!(writes.is_empty(), "the target received changes:\n{}", request_lines(&writes));
    }

    /// The only change that the target received.
    #[track_caller]
    pub fn only_write(&self) -> RecordedRequest {
        let writes = self.workplace.writes();
        assert_eq!(
            writes.len(),
            1,
            "the target did not receive exactly one change:\n{}",
            request_lines(&writes)
        );
        writes.into_iter().next().unwrap()
    }
}
