//! The real handlers between an embedded directory and a Workplace, all in this process, with a clock of the test's own.

use std::{cell::Cell, fs, time::Duration};

use embedded_ldap::EmbeddedLdap;
use end_to_end::Person;
use model::UnixSeconds;
use operate::{Explaining, Explanation};
use provision::{Health, Provisioner};
use runtime::{Connection, Secrets};
use scan::ScanContext;
use scim::{RetryPolicy, Target, TargetCredentials, TargetOptions};
use serde_json::json;
use simulator::{Options, Simulator};
use store::{Embedded, Store};
use tempfile::TempDir;

use crate::site::{NO_LIMITS, STATUS, group_dn, populate};

thread_local! {
    /// Each test has a thread, and everything of it that asks for the time runs there. It only grows.
    static NOW: Cell<i64> = const { Cell::new(1_700_000_000) };
}

pub fn clock() -> UnixSeconds {
    UnixSeconds(NOW.get())
}

/// Time passes.
pub fn pass(seconds: i64) {
    NOW.set(NOW.get() + seconds);
}

/// A directory with the group `workplace` of all these people.
pub async fn directory_of(people: &[Person]) -> EmbeddedLdap {
    let directory = EmbeddedLdap::start(embedded_ldap::LdapOptions::default()).await.unwrap();
    populate(&directory, people, people);
    directory
}

/// A connection from a directory to a Workplace of its own, with nothing done yet.
pub struct Workshop {
    pub workplace: Simulator,
    pub store: Store,
    pub target: Target,
    health: Health,
    connection: Connection,
    _engine: Embedded,
    _dir: TempDir,
}

impl Workshop {
    /// `options` is the text under `[options]`.
    pub async fn new(directory: &EmbeddedLdap, options: &str) -> Self {
        let server = Options { unknown_fields: false, ..Options::default() };
        Self::speaking(directory, "workplace", server, options, "").await
    }

    /// The same with a target of another kind, and with more in the mapping.
    pub async fn speaking(
        directory: &EmbeddedLdap,
        kind: &str,
        server: Options,
        options: &str,
        mapping: &str,
    ) -> Self {
        let workplace = Simulator::start(server).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let bind = embedded_ldap::LdapOptions::default();
        let secret = json!({ "bind_dn": bind.bind_dn, "password": bind.password });
        fs::write(dir.path().join("directory.json"), secret.to_string()).unwrap();
        let (ldap, scim, group) = (directory.url(), workplace.url(), group_dn());
        let text = format!(
            "name = \"workshop\"\n\
             [directory]\nkind = \"openldap\"\nurl = \"{ldap}\"\nbase_dn = \"dc=acme,dc=test\"\n\
             secret = \"file:directory.json\"\n{STATUS}\n\
             [scope]\ngroup = \"{group}\"\n\
             [target]\nkind = \"{kind}\"\nurl = \"{scim}\"\nsecret = \"file:none\"\nmax_attempts = 20\n\
             [options]\n{options}\n\
             [safety]\n{NO_LIMITS}\n\
             [mapping]\nuserName = \"mail\"\n\"name.formatted\" = \"cn\"\ntitle = \"title\"\n\
             \"phoneNumbers.mobile\" = \"mobile\"\nmanager = {{ reference = \"manager\" }}\n{mapping}"
        );
        let connection = runtime::config::parse(&text, &dir.path().join("workshop.toml")).unwrap();
        let (engine, table) = Embedded::in_memory().await.unwrap();
        let store = table.connection(&connection.policy.name);
        let target = client(&workplace, &connection, LATE);
        let health = Health::default();
        Self { workplace, store, target, health, connection, _engine: engine, _dir: dir }
    }

    /// Another process takes over: nothing but the table is left.
    pub fn restart(&mut self) {
        self.target = client(&self.workplace, &self.connection, LATE);
        self.health = Health::default();
    }

    /// What is told of one user.
    pub async fn explain(&self, user: &str) -> Explanation {
        let mut directory = self.connection.directory.open(&Secrets::default()).await.unwrap();
        let Self { connection, store, target, .. } = self;
        operate::explain(
            &Explaining { policy: &connection.policy, store, target, clock },
            &mut directory,
            user,
        )
        .await
        .unwrap()
    }

    /// With a client that waits, for whoever counts calls on a busy machine.
    pub fn patient(mut self) -> Self {
        self.target = client(&self.workplace, &self.connection, Duration::from_secs(10));
        self
    }

    /// Reads the directory and writes down what everybody should be.
    pub async fn scan(&self) {
        let mut directory = self.connection.directory.open(&Secrets::default()).await.unwrap();
        let context = ScanContext {
            policy: &self.connection.policy,
            store: &self.store,
            queue: None,
            owner: "scanner",
            stop_at: None,
            clock,
        };
        let summary = scan::scan(&context, &mut directory, scan::ScanMode::Auto, |_| {}).await.unwrap();
        assert!(summary.complete, "{summary:?}");
    }

    /// What provisions its users.
    pub fn provisioner(&self) -> Provisioner<'_> {
        Provisioner {
            store: &self.store,
            target: &self.target,
            health: &self.health,
            options: &self.connection.policy.options,
            max_attempts: self.connection.target.max_attempts,
            requests: None,
            owner: "worker",
            lease_seconds: 300,
            clock,
        }
    }

    /// Provisions everybody who is due now, and says how many times that was.
    pub async fn drive(&self) -> usize {
        let provisioner = self.provisioner();
        let mut tries = 0;
        for _ in 0..20 {
            let due = self.store.fetch_due(clock(), 1_000).await.unwrap();
            if due.is_empty() {
                return tries;
            }
            for user in due {
                tries += 1;
                provisioner.provision(user).await.unwrap();
            }
        }
        tries
    }
}

/// A client that loses no time: an answer is late after this.
pub const LATE: Duration = Duration::from_millis(40);

fn client(workplace: &Simulator, connection: &Connection, timeout: Duration) -> Target {
    let retry = RetryPolicy {
        attempts: 2,
        initial_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(5),
    };
    let options =
        TargetOptions { url: workplace.url(), timeout, retry, max_concurrent_calls: 8, now: runtime::now };
    let credentials = TargetCredentials { access_token: workplace.token().into(), app_secret: None };
    Target::new(connection.target.dialect, options, credentials).unwrap()
}
