//! The engine fixture of these tests: an embedded directory, and a mapping with a reference.

use embedded_ldap::EmbeddedLdap;
use end_to_end::{EngineFixture, NO_LIMITS, STATUS, TestConfiguration, embedded_secret};
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
