//! The engine fixture of these tests: an embedded directory, and a mapping with a reference.

use embedded_ldap::EmbeddedLdap;
use end_to_end::{
    EngineFixture, NO_LIMITS, PersonEntry, STATUS, TestConfiguration, advance_clock, embedded_directory,
    embedded_secret, people, workplace_group,
};
use model::{AnchorHash, Status, UserRecord};
use scan::ScanMode;
use serde_json::Value;
use simulator::SimulatorOptions;

/// What differs between the tests' connections.
pub struct EngineOptions<'a> {
    /// `target.kind`.
    pub kind: &'a str,
    /// The simulated target.
    pub server: SimulatorOptions,
    /// Lines of `[options]`.
    pub options: &'a str,
    /// Further lines of `[mapping]`.
    pub mapping: &'a str,
}

impl Default for EngineOptions<'_> {
    fn default() -> Self {
        let server = SimulatorOptions { unknown_fields: false, ..SimulatorOptions::default() };
        Self { kind: "workplace", server, options: "", mapping: "" }
    }
}

/// A connection from an embedded directory to a target without accounts.
pub async fn engine_for(directory: &EmbeddedLdap, options: EngineOptions<'_>) -> EngineFixture {
    let EngineOptions { kind, server, options, mapping } = options;
    let mut configuration = TestConfiguration::openldap_at(&directory.url(), "");
    configuration.directory.push_str(STATUS);
    configuration.target = configuration.target.replace("workplace", kind) + "max_attempts = 20\n";
    configuration.options = options.to_owned();
    configuration.safety = NO_LIMITS.to_owned();
    configuration.mapping = format!(
        "userName = \"mail\"\n\"name.formatted\" = \"cn\"\ntitle = \"title\"\n\
         \"phoneNumbers.mobile\" = \"mobile\"\nmanager = {{ reference = \"manager\" }}\n{mapping}"
    );
    EngineFixture::start(&configuration, &embedded_secret(), server).await.unwrap()
}

/// One user, its entry and its account.
pub struct OneUser {
    pub directory: EmbeddedLdap,
    pub person: PersonEntry,
    pub engine: EngineFixture,
    /// Zero until the user has a record.
    user: AnchorHash,
}

impl OneUser {
    /// A directory with one user in scope, and a target without accounts.
    pub async fn new(options: EngineOptions<'_>) -> Self {
        let person = PersonEntry { manager: None, ..people::enabled(1, 7)[0].clone() };
        let directory = embedded_directory(std::slice::from_ref(&person)).await.unwrap();
        let engine = engine_for(&directory, options).await;
        Self { directory, person, engine, user: AnchorHash([0; 16]) }
    }

    /// The same, after the first scan.
    pub async fn scanned(options: EngineOptions<'_>) -> Self {
        let mut one = Self::new(options).await;
        one.engine.scan(ScanMode::Auto).await.unwrap();
        one.user = one.engine.store.fetch_due(end_to_end::clock(), 9).await.unwrap()[0];
        one
    }

    /// The same, with an account.
    pub async fn synced(options: EngineOptions<'_>) -> Self {
        let one = Self::scanned(options).await;
        one.provision().await;
        assert_eq!(one.status().await, Status::InSync);
        one
    }

    pub fn user(&self) -> AnchorHash {
        self.user
    }

    /// Takes the user out of scope.
    pub fn leave(&self) {
        self.directory.remove_member(&workplace_group(), &self.person.dn()).unwrap();
    }

    /// Brings the user into scope again.
    pub fn come_back(&self) {
        self.directory.add_member(&workplace_group(), &self.person.dn()).unwrap();
    }

    pub fn set(&self, attribute: &str, value: &str) {
        self.directory.set(&self.person.dn(), attribute, &[value]).unwrap();
    }

    /// Provisions what is due now.
    pub async fn provision(&self) {
        self.engine.provision_due().await.unwrap();
    }

    /// Scans, and provisions what is due now.
    pub async fn sync(&self) {
        self.engine.sync().await.unwrap();
    }

    /// Lets every wait before a retry end, then tries again at once, as an operator asks for it.
    pub async fn retry(&self) {
        for _ in 0..3 {
            advance_clock(7_200);
            self.provision().await;
        }
        self.engine.provisioner("operator").provision_now(self.user).await.unwrap();
    }

    pub async fn record(&self) -> UserRecord {
        self.engine.store.fetch_record(self.user).await.unwrap().unwrap()
    }

    pub async fn status(&self) -> Status {
        self.record().await.status
    }

    /// Explanation of the status.
    pub async fn why(&self) -> String {
        self.status().await.detail().unwrap_or_default()
    }

    /// The user's account, if there is one under its mail address.
    pub fn account(&self) -> Option<Value> {
        self.engine.workplace.account(&self.person.mail)
    }

    /// Whether the account is active, in each form; `None` if there is none.
    pub fn is_active(&self) -> Option<bool> {
        let account = self.account()?;
        let shown = account.get("active").map(ToString::to_string).unwrap_or_default();
        Some(matches!(shown.as_str(), "true" | "1" | "\"True\""))
    }
}
