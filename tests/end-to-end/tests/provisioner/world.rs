//! A directory, a Workplace and the provisioner between them, each of a test's own.

use embedded_ldap::{EmbeddedLdap, company};
use end_to_end::{Admin, Configuration, Finished, Group, Person, Slapd, SlapdOptions, TestDir, people};
use serde_json::{Value, json};
use simulator::{Options, Request, Simulator};
use tokio::runtime::{Builder, Runtime};

use crate::said::lines;
use crate::state::State;

pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A directory of either kind, a Workplace, and the provisioner's configuration for them.
pub struct World<D> {
    pub directory: D,
    pub workplace: Simulator,
    pub dir: TestDir,
    configuration: Configuration,
    /// Last, because the servers that live in this process run on it.
    _runtime: Runtime,
}

/// The group that decides who gets an account.
pub fn workplace_group() -> String {
    Group::of("workplace", []).dn()
}

/// The account status of somebody in the directory, for a configuration's `[directory]`.
pub const STATUS: &str = "status = { algorithm = \"flag\", attribute = \"employeeType\", value = \"disabled\", means = \"disabled\" }\n";

/// So many people, all of them enabled.
pub fn staff(count: usize) -> Vec<Person> {
    let mut staff = people::generate(count, 1);
    staff.iter_mut().for_each(|person| person.employee_type = "active".to_owned());
    staff
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

impl World<Slapd> {
    /// An OpenLDAP in which these people are in the group `workplace`.
    pub fn of(people: &[Person]) -> Self {
        Self::with(people, people)
    }

    /// An OpenLDAP with these people, of whom some are in the group `workplace`.
    pub fn with(people: &[Person], members: &[Person]) -> Self {
        Self::start(SlapdOptions {
            people: people.to_vec(),
            groups: vec![Group::of("workplace", members)],
            ..SlapdOptions::default()
        })
    }

    /// An OpenLDAP as the options say.
    pub fn start(options: SlapdOptions) -> Self {
        let slapd = Slapd::start(options).unwrap();
        let secret = slapd.reader_secret();
        let url = slapd.url();
        World::between(slapd, &url, &secret, runtime())
    }

    pub fn admin(&self) -> Admin {
        self.directory.admin()
    }

    /// Puts somebody who is in the directory into the group.
    pub fn join(&self, person: &Person) {
        self.admin().add_member(&workplace_group(), &person.dn()).unwrap();
    }

    /// Takes somebody out of the group.
    pub fn leave(&self, person: &Person) {
        self.admin().remove_member(&workplace_group(), &person.dn()).unwrap();
    }

    /// Adds somebody to the directory and to the group.
    pub fn hire(&self, person: &Person) {
        self.admin().add_person(person).unwrap();
        self.join(person);
    }

    /// Deletes somebody's entry; the server takes it out of the group.
    pub fn delete(&self, person: &Person) {
        self.admin().delete(&person.dn()).unwrap();
    }

    /// Replaces an attribute's values.
    pub fn set(&self, person: &Person, attribute: &str, values: &[&str]) {
        self.admin().set(&person.dn(), attribute, values).unwrap();
    }
}

impl World<EmbeddedLdap> {
    /// The embedded directory with its company of twelve, of whom eight are in the group.
    pub fn company() -> Self {
        let runtime = runtime();
        let options = embedded_ldap::LdapOptions::default();
        let secret = json!({ "bind_dn": options.bind_dn, "password": options.password });
        let directory = runtime.block_on(EmbeddedLdap::start(options)).unwrap();
        company::populate(&directory).unwrap();
        let url = directory.url();
        World::between(directory, &url, &secret, runtime)
    }
}

impl<D> World<D> {
    fn between(directory: D, url: &str, secret: &Value, runtime: Runtime) -> Self {
        let workplace = runtime.block_on(Simulator::start(Options::default())).unwrap();
        let configuration = Configuration::openldap_at(url, &workplace.url());
        let dir = TestDir::new().unwrap();
        dir.configure(&configuration).unwrap();
        dir.directory_secret(secret).unwrap();
        dir.target_secret(&workplace.token()).unwrap();
        Self { directory, workplace, dir, configuration, _runtime: runtime }
    }

    /// Changes the configuration, from now on.
    pub fn configure(&mut self, change: impl FnOnce(&mut Configuration)) {
        change(&mut self.configuration);
        self.dir.configure(&self.configuration).unwrap();
    }

    /// The same, at the start of a test.
    pub fn configured(mut self, change: impl FnOnce(&mut Configuration)) -> Self {
        self.configure(change);
        self
    }

    /// The configuration as it is.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Runs a command on the connection, with more arguments if need be.
    pub fn run(&self, command: &[&str]) -> Finished {
        let arguments = command.iter().copied().chain(["--config", "corp.toml"]);
        self.dir.provisioner(arguments).run().unwrap()
    }

    pub fn sync(&self) -> Finished {
        self.run(&["sync"])
    }

    pub fn plan(&self) -> Finished {
        self.run(&["plan"])
    }

    pub fn check(&self) -> Finished {
        self.run(&["check"])
    }

    /// Syncs and expects an exit code; from then on only what follows counts as asked of the target.
    #[track_caller]
    pub fn settle(&self, exit: i32) -> Finished {
        let finished = self.sync();
        finished.expect_exit(exit);
        self.workplace.clear_requests();
        finished
    }

    /// All that the provisioner remembers.
    pub fn state(&self) -> State {
        State::read(&self.dir.file("corp.state"))
    }

    /// The account of this name.
    #[track_caller]
    pub fn account(&self, user_name: &str) -> Value {
        self.workplace.account(user_name).unwrap_or_else(|| panic!("there is no account {user_name}"))
    }

    /// The id of the account of this name.
    #[track_caller]
    pub fn id(&self, user_name: &str) -> u64 {
        self.account(user_name)["id"].as_u64().unwrap()
    }

    #[track_caller]
    pub fn expect_active(&self, user_name: &str, active: bool) {
        let account = self.account(user_name);
        assert_eq!(account["active"], json!(active), "{user_name}: {account:#}");
    }

    #[track_caller]
    pub fn expect_no_account(&self, user_name: &str) {
        let account = self.workplace.account(user_name);
        assert!(account.is_none(), "there is an account: {account:#?}");
    }

    /// Nobody asked the target anything.
    #[track_caller]
    pub fn expect_no_call(&self) {
        let requests = self.workplace.requests();
        assert!(requests.is_empty(), "the target was asked:\n{}", lines(&requests));
    }

    /// Nobody asked the target for a change.
    #[track_caller]
    pub fn expect_no_write(&self) {
        let writes = self.workplace.writes();
        assert!(writes.is_empty(), "the target was asked for changes:\n{}", lines(&writes));
    }

    /// The only change that the target was asked for.
    #[track_caller]
    pub fn only_write(&self) -> Request {
        let writes = self.workplace.writes();
        assert_eq!(writes.len(), 1, "not one change was asked for:\n{}", lines(&writes));
        writes.into_iter().next().unwrap()
    }
}
