//! One provisioner's place: its configuration and state, and the Workplace it provisions into.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::Path,
};

use embedded_ldap::EmbeddedLdap;
use end_to_end::{Configuration, Group, PEOPLE_DN, Person, TestDir};
use serde_json::{Value, json};
use simulator::{Options, Request, Simulator};
use tokio::runtime::{Builder, Runtime};

pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The account status of somebody in the directory, for a configuration's `[directory]`.
pub const STATUS: &str = "status = { algorithm = \"flag\", attribute = \"employeeType\", value = \"disabled\", means = \"disabled\" }\n";

/// No limit on removals, so that nothing but the proof of a complete read stands between a bad read and somebody's
/// account.
pub const NO_LIMITS: &str = "max_removals = 100000\nmax_removal_percent = 100\n";

/// The group that decides who gets an account.
pub fn group_dn() -> String {
    Group::of("workplace", []).dn()
}

/// One place to run the provisioner in. Its parts end with it.
pub struct Site {
    pub dir: TestDir,
    pub workplace: Simulator,
    configuration: Configuration,
    secret: Value,
    /// Last, because the Workplace runs on it.
    runtime: Runtime,
}

/// A new seed for random choices, or the one in `ROBUSTNESS_SEED`; printed, so that a run can be repeated.
#[expect(clippy::disallowed_methods, reason = "whoever repeats a run has no other way to say which")]
pub fn seed(what: &str) -> u64 {
    let asked = std::env::var("ROBUSTNESS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = asked.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("{what}: seed {seed} (ROBUSTNESS_SEED repeats it)");
    seed
}

/// Where the servers of this process run, while the test waits for the provisioner.
pub fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

impl Site {
    /// A new place: no state, and a Workplace without accounts. The configuration's target is replaced by that.
    pub fn new(configuration: Configuration, secret: &Value) -> Self {
        let runtime = runtime();
        let options = Options { unknown_fields: false, ..Options::default() };
        let workplace = runtime.block_on(Simulator::start(options)).unwrap();
        let dir = TestDir::new().unwrap();
        let target = Configuration::openldap_at("", &workplace.url()).target;
        let configuration = Configuration { target, ..configuration };
        dir.configure(&configuration).unwrap();
        dir.directory_secret(secret).unwrap();
        dir.target_secret(&workplace.token()).unwrap();
        Self { dir, workplace, configuration, secret: secret.clone(), runtime }
    }

    /// Another place with the same state and the same accounts, which go their own way from here.
    pub fn copy(&self) -> Self {
        let copy = Self::new(self.configuration.clone(), &self.secret);
        for account in self.workplace.accounts() {
            copy.workplace.seed(account);
        }
        copy_state(self.dir.path(), copy.dir.path());
        copy
    }

    /// Changes the configuration from now on, the target apart.
    pub fn configure(&mut self, change: impl FnOnce(&mut Configuration)) {
        let target = self.configuration.target.clone();
        change(&mut self.configuration);
        self.configuration.target = target;
        self.dir.configure(&self.configuration).unwrap();
    }

    /// The configuration as it is.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// `provisioner sync`, not started.
    pub fn sync(&self) -> end_to_end::Invocation {
        self.dir.provisioner(["sync", "--config", "corp.toml"])
    }

    /// `provisioner plan --json`, not started.
    pub fn plan(&self) -> end_to_end::Invocation {
        self.dir.provisioner(["plan", "--json", "--config", "corp.toml"])
    }

    /// Syncs and expects success; from then on only what follows counts as asked of the target.
    #[track_caller]
    pub fn settle(&self) {
        self.sync().run().unwrap().expect_exit(0);
        self.workplace.clear_requests();
    }

    /// Runs something that wants the servers' runtime.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The names of the active accounts.
    pub fn active(&self) -> Vec<String> {
        let accounts = self.workplace.accounts();
        let active = accounts.iter().filter(|account| account["active"] == json!(true));
        active.map(|account| account["userName"].as_str().unwrap().to_owned()).collect()
    }

    /// Every account by its user name, without what the target made up: ids, and ids of managers, which become names.
    pub fn accounts(&self) -> BTreeMap<String, Value> {
        accounts(&self.workplace)
    }
}

/// Every account by its user name, without ids: a manager's id becomes the name.
pub fn accounts(workplace: &Simulator) -> BTreeMap<String, Value> {
    let accounts = workplace.accounts();
    let name_of = |account: &Value| account["userName"].as_str().unwrap().to_lowercase();
    let names: BTreeMap<String, String> =
        accounts.iter().map(|account| (account["id"].to_string(), name_of(account))).collect();
    let mut by_name = BTreeMap::new();
    for mut account in accounts {
        let name = name_of(&account);
        account["id"] = Value::Null;
        let manager = account.get_mut(ENTERPRISE).and_then(|part| part.pointer_mut("/manager/managerId"));
        if let Some(manager) = manager {
            *manager = json!(names.get(&manager.to_string()));
        }
        assert_eq!(by_name.insert(name.clone(), account), None, "two accounts are called {name}");
    }
    by_name
}

/// Panics with each account that is not the same in both.
#[track_caller]
pub fn expect_same(what: &str, found: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let text = |account: Option<&Value>| account.map_or("none".to_owned(), Value::to_string);
    let differences: Vec<String> = names
        .into_iter()
        .filter(|name| found.get(*name) != expected.get(*name))
        .map(|name| {
            format!("{name}\n  found    {}\n  expected {}\n", text(found.get(name)), text(expected.get(name)))
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{what}: {} accounts differ:\n{}",
        differences.len(),
        differences.concat()
    );
}

/// Copies a connection's state, with what of it is still in the log beside it.
fn copy_state(from: &Path, to: &Path) {
    for name in ["corp.state", "corp.state-wal"] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

/// Whether a request takes somebody's account away, by whichever way.
pub fn takes_away(request: &Request) -> bool {
    let off = |value: &Value| *value == json!(false);
    let by_body = request.body.as_ref().is_some_and(|body| {
        let by_patch = body["Operations"].as_array().into_iter().flatten().any(|operation| {
            off(&operation["value"]["active"]) || (operation["path"] == "active" && off(&operation["value"]))
        });
        off(&body["active"]) || by_patch
    });
    request.method == "DELETE" || by_body
}

/// Puts people into an embedded directory, with the group `workplace` of some of them.
pub fn populate<'a>(
    directory: &EmbeddedLdap,
    people: &[Person],
    members: impl IntoIterator<Item = &'a Person>,
) {
    let unit = |dn: &str| {
        if directory.entry_uuid(dn).is_none() {
            directory.add(dn, &[("objectClass", &["organizationalUnit"])]).unwrap();
        }
    };
    unit(PEOPLE_DN);
    unit("ou=groups,dc=acme,dc=test");
    for person in people {
        unit(&format!("ou={},{PEOPLE_DN}", person.unit));
        add(directory, person);
    }
    directory.add(&group_dn(), &[("objectClass", &["groupOfNames"])]).unwrap();
    members.into_iter().for_each(|person| directory.add_member(&group_dn(), &person.dn()).unwrap());
}

/// Puts one person into an embedded directory.
pub fn add(directory: &EmbeddedLdap, person: &Person) {
    let attributes = person.attributes();
    let values: Vec<[&str; 1]> = attributes.iter().map(|(_, value)| [value.as_str()]).collect();
    let attributes: Vec<(&str, &[&str])> =
        attributes.iter().zip(&values).map(|((name, _), value)| (*name, value.as_slice())).collect();
    directory.add(&person.dn(), &attributes).unwrap();
}
