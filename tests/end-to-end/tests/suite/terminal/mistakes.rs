//! What an administrator reads after each common mistake. `mistakes.md` is the table of the messages.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use end_to_end::{
    GroupEntry, ProgramOutput, Slapd, SlapdOptions, TerminalFixture, TestConfiguration, enabled_people,
};
use simulator::{FaultEffect, ReplyBody, SimulatedReply, TargetFault};

/// Words of Rust and of libraries that no message contains.
const INTERNAL: [&str; 13] = [
    "struct",
    "enum ",
    "variant",
    "unknown field",
    ", expected ",
    "untagged",
    "i64",
    "u64",
    "usize",
    "invalid type",
    "serde",
    "relative URL",
    "panicked",
];

/// Rows of the table: the mistake, the command, and what it prints.
struct MistakeTable {
    fixture: TerminalFixture<Slapd>,
    rows: String,
    /// Mistakes without a message, and messages with words of [`INTERNAL`].
    wrong: Vec<String>,
}

impl MistakeTable {
    fn new() -> Self {
        let people = enabled_people(3);
        let groups = vec![GroupEntry::of("workplace", &people)];
        let fixture =
            TerminalFixture::start(SlapdOptions { people, groups, tls: true, ..SlapdOptions::default() });
        Self { fixture, rows: String::new(), wrong: Vec::new() }
    }

    /// Runs a command with the configuration of the fixture.
    fn run(&mut self, mistake: &str, command: &[&str]) {
        let output = self.fixture.dir.provisioner(command).run().unwrap();
        self.add(mistake, command, &output);
    }

    /// Runs `check` with a changed configuration, without a server.
    fn configuration(&mut self, mistake: &str, change: impl FnOnce(&mut TestConfiguration)) {
        let good = self.fixture.configuration().clone();
        self.fixture.configure(change);
        self.run(mistake, &["check", "--offline", "-c", "corp.toml"]);
        self.fixture.configure(|it| *it = good);
    }

    /// Runs `check` with a changed configuration.
    fn check(&mut self, mistake: &str, change: impl FnOnce(&mut TestConfiguration)) {
        let good = self.fixture.configuration().clone();
        self.fixture.configure(change);
        self.run(mistake, &["check", "-c", "corp.toml"]);
        self.fixture.configure(|it| *it = good);
    }

    /// Runs `check` with another text of the file.
    fn file(&mut self, mistake: &str, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.fixture.dir.file(name);
        let good = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        self.run(mistake, &["check", "--offline", "-c", "corp.toml"]);
        fs::write(&path, good).unwrap();
    }

    /// Runs `check` while the target answers every request in this way.
    fn target(&mut self, mistake: &str, effect: FaultEffect) {
        self.fixture.workplace.inject(TargetFault::always(effect));
        self.run(mistake, &["check", "-c", "corp.toml"]);
        self.fixture.workplace.clear_faults();
    }

    fn add(&mut self, mistake: &str, command: &[&str], output: &ProgramOutput) {
        let is_finding = |line: &&str| line.starts_with("FAIL") || line.starts_with("warning");
        let findings = output.stdout.lines().filter(is_finding);
        let lines = output.stderr.lines().chain(findings).map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<String> =
            lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let message = self.without_addresses(&lines.join("<br>"));
        if message.is_empty() {
            self.wrong.push(format!("{mistake} is not reported\n{output}"));
        }
        for word in INTERNAL {
            if message.contains(word) {
                self.wrong.push(format!("{mistake}: {message}\ncontains {word}"));
            }
        }
        let exit = output.exit_code.unwrap_or(-1);
        let message = message.replace('|', "\\|").replace('<', "&lt;").replace("&lt;br>", "<br>");
        writeln!(self.rows, "| {mistake} | `{}` | {exit} | {message} |", command.join(" ")).unwrap();
    }

    /// The message with names for what differs from run to run.
    fn without_addresses(&self, message: &str) -> String {
        let Self { fixture, .. } = self;
        let directory = fixture.directory.address().to_string();
        let secure = fixture.directory.ldaps_url().trim_start_matches("ldaps://").to_owned();
        let target = fixture.workplace.url().trim_start_matches("http://").to_owned();
        message
            .replace(&directory, "DIRECTORY")
            .replace(&secure, "DIRECTORY")
            .replace(&target, "TARGET")
            .replace(&fixture.dir.path().display().to_string(), ".")
    }
}

fn arguments(table: &mut MistakeTable) {
    table.run("no configuration", &["check"]);
    table.run("a configuration that does not exist", &["check", "-c", "nowhere.toml"]);
    table.run("a folder as configuration", &["check", "-c", "."]);
    table.run("two configurations", &["check", "corp.toml", "-c", "corp.toml"]);
    table.run("an unknown command", &["stauts", "-c", "corp.toml"]);
    table.run("an unknown option", &["sync", "--ful", "-c", "corp.toml"]);
    table.run("an unknown status", &["status", "--only", "fialed", "-c", "corp.toml"]);
    table.run("a number as text", &["status", "--limit", "many", "-c", "corp.toml"]);
    table.run("a folder as state", &["plan", "-c", "corp.toml", "--state", "."]);
    table.run("another file as state", &["plan", "-c", "corp.toml", "--state", "corp.toml"]);
    table.run("a state in a missing folder", &["sync", "-c", "corp.toml", "--state", "nowhere/corp.state"]);
    table.run(
        "a state that does not exist",
        &["retry", "--failed", "-c", "corp.toml", "--state", "none.state"],
    );
}

fn texts(table: &mut MistakeTable) {
    let good = table.fixture.dir.read("corp.toml").unwrap();
    table.file("an empty file", "corp.toml", "");
    table.file("text without quotes", "corp.toml", good.replace("kind = \"openldap\"", "kind = openldap"));
    table.file("a missing quote", "corp.toml", good.replace("kind = \"openldap\"", "kind = \"openldap"));
    table.file(
        "a colon instead of =",
        "corp.toml",
        good.replace("kind = \"openldap\"", "kind: \"openldap\""),
    );
    table.file("a missing bracket", "corp.toml", good.replace("[directory]", "[directory"));
    let twice = "title = \"title\"\ntitle = \"title\"";
    table.file("a target attribute twice", "corp.toml", good.replace("title = \"title\"", twice));
    let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    table.file("a file in UTF-16", "corp.toml", wide);
    table.file("a secret that is no JSON", "directory-secret.json", "hunter2");
    table.file("a secret without its key", "target-secret.json", "{\"token\": \"hunter2\"}");
    table.file("a secret in UTF-16", "target-secret.json", b"\xff\xfe{\0}\0");
    let secret = table.fixture.dir.file("target-secret.json");
    fs::set_permissions(&secret, Permissions::from_mode(0o644)).unwrap();
    table.run("a secret that others can read", &["check", "--offline", "-c", "corp.toml"]);
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
}

fn keys(table: &mut MistakeTable) {
    table.configuration("an unknown section", |it| it.more = "[safty]\nmax_removals = 5".to_owned());
    table.configuration("an unknown key", |it| it.safety = "max_removal = 5".to_owned());
    table.configuration("a misspelt word", |it| it.options = "remove_action = \"deactivate\"".to_owned());
    table.configuration("a number as text", |it| it.safety = "max_removals = \"5\"".to_owned());
    table.configuration("a negative number", |it| it.safety = "max_removals = -5".to_owned());
    table
        .configuration("a number that is too large", |it| it.safety = "max_removal_percent = 500".to_owned());
    table.configuration("true as text", |it| it.options = "observe = \"yes\"".to_owned());
    table.configuration("an unknown kind of directory", |it| {
        it.directory = it.directory.replace("openldap", "novell");
    });
    table.configuration("an unknown kind of target", |it| {
        it.target = it.target.replace("workplace", "myspace")
    });
    table.configuration("group and filter", |it| it.scope += "filter = \"(uid=*)\"\n");
    table.configuration("neither group nor filter", |it| it.scope = "nested = false".to_owned());
    table.configuration("a group that is no DN", |it| it.scope = "group = \"workplace\"".to_owned());
    table.configuration("an invalid filter", |it| it.scope = "filter = \"(uid=*\"".to_owned());
    let target = |url: &'static str| move |it: &mut TestConfiguration| *it = it.with_target_url(url);
    table.configuration("a target without TLS", target("http://scim.example"));
    table.configuration("a URL without a scheme", target("scim.example"));
    table.configuration("LDAP without TLS", |it| {
        *it = TestConfiguration {
            target: it.target.clone(),
            ..TestConfiguration::openldap_at("ldap://dc1.example", "")
        };
    });
    table.configuration("a secret of an unknown kind", |it| {
        it.target = it.target.replace("file:target-secret.json", "vault:corp/token");
    });
    table.configuration("a secret that does not exist", |it| {
        it.target = it.target.replace("target-secret.json", "nowhere.json");
    });
    table.configuration("an unknown target attribute", |it| it.mapping += "titel = \"title\"\n");
    table.configuration("an expression with a mistake", |it| it.mapping += "nickName = \"{{ cn | }}\"\n");
    table.configuration("an unknown filter of an expression", |it| {
        it.mapping += "nickName = \"{{ cn | shout }}\"\n"
    });
    table.configuration("a mapping without userName", |it| it.mapping = "title = \"title\"".to_owned());
}

fn servers(table: &mut MistakeTable) {
    table.check("an unknown source attribute", |it| {
        it.mapping = it.mapping.replace("\"departmentNumber\"", "\"departmentNumbr\"");
    });
    table.check("a source attribute that no entry shows", |it| {
        it.mapping = it.mapping.replace("\"mobile\"", "\"telexNumber\"");
    });
    table.check("an unreachable directory", |it| {
        *it = TestConfiguration {
            target: it.target.clone(),
            ..TestConfiguration::openldap_at("ldap://127.0.0.1:1", "")
        };
    });
    let (plain, secure) = (table.fixture.directory.url(), table.fixture.directory.ldaps_url());
    table.check("a directory of an unknown authority", |it| {
        it.directory = it.directory.replace(&plain, &secure)
    });
    table.check("a base DN that does not exist", |it| {
        it.directory = it.directory.replace("dc=acme", "dc=acne");
    });
    table.check("a target that is down", |it| *it = it.with_target_url("http://127.0.0.1:1"));
    table.target("a target that answers 401", FaultEffect::status(401));
    table.target("a target that answers 403", FaultEffect::status(403));
    table.target("a target that answers 500", FaultEffect::status(500));
    let html = SimulatedReply::status(200).content(ReplyBody::Html);
    table.target("a page instead of SCIM", FaultEffect::Answer(html));
    let wrong = table.fixture.directory.reader_secret();
    table.fixture.admin().set_reader_password("another").unwrap();
    table.fixture.dir.directory_secret(&wrong).unwrap();
    table.run("a wrong password", &["check", "-c", "corp.toml"]);
}

#[test]
fn each_mistake_has_a_message_in_plain_words() {
    let mut table = MistakeTable::new();
    arguments(&mut table);
    texts(&mut table);
    keys(&mut table);
    servers(&mut table);
    let text = format!(
        "# Mistakes and their messages\n\nWritten by the test `terminal::mistakes`, which also compares it.\n\n\
         | mistake | command | exit code | message |\n| --- | --- | --- | --- |\n{}",
        table.rows
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/terminal/mistakes.md");
    let is_current = fs::read_to_string(&path).is_ok_and(|committed| committed == text);
    fs::write(&path, text).unwrap();
    assert!(table.wrong.is_empty(), "{}", table.wrong.join("\n"));
    assert!(
        is_current,
        "{} was out of date and is rewritten; read the changed messages, and commit it",
        path.display()
    );
}
