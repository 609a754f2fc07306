//! `provisioner init` asks questions, asks the directory what it is, and writes a configuration that runs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use end_to_end::{
    BASE_DN, Ds389, GroupEntry, READER_DN, Slapd, TerminalFixture, TestConfiguration, enabled_people,
    program, until, workplace_group,
};

/// Only a program that hangs takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// The program on a pseudo-terminal, made by `script`.
struct Terminal {
    script: Child,
    input: ChildStdin,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(folder: &Path, arguments: &str) -> Self {
        let command = format!("exec '{}' {arguments}", program("provisioner").display());
        let mut script = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = script.stdin.take().unwrap();
        let mut output = script.stdout.take().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let copy = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                copy.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { script, input, shown }
    }

    fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    /// Waits for a question.
    #[track_caller]
    fn await_text(&self, text: &str) {
        let found = until(LIMIT, || self.shown().contains(text).then_some(()));
        assert!(found.is_some(), "{text:?} is not asked:\n{}", self.shown());
    }

    /// Waits for a question and types the answer.
    #[track_caller]
    fn answer(&mut self, question: &str, answer: &str) {
        self.await_text(question);
        writeln!(self.input, "{answer}").unwrap();
    }

    /// Waits for a question with a hidden answer, until the terminal shows no input, and types the answer.
    #[track_caller]
    fn answer_hidden(&mut self, question: &str, answer: &str) {
        self.await_text(question);
        let id = self.script.id();
        let hides = || {
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
            let child = children.split_whitespace().next()?.to_owned();
            let device = fs::read_link(format!("/proc/{child}/fd/0")).ok()?;
            let settings = Command::new("stty").arg("-F").arg(device).arg("-a").output().ok()?;
            String::from_utf8_lossy(&settings.stdout).contains("-echo ").then_some(())
        };
        assert!(until(LIMIT, hides).is_some(), "the terminal shows the input:\n{}", self.shown());
        writeln!(self.input, "{answer}").unwrap();
    }

    /// Waits for the end.
    fn end(mut self) -> String {
        drop(self.input);
        let status = self.script.wait().unwrap();
        let shown = self.shown.lock().unwrap().clone();
        assert!(status.success(), "{shown}");
        shown
    }
}

#[test]
fn answers_on_a_terminal_give_a_configuration_that_runs() {
    let fixture = TerminalFixture::of(&enabled_people(3));
    let folder = tempfile::tempdir().unwrap();
    let password = fixture.directory.reader_password().to_owned();
    let token = fixture.workplace.token();

    let mut terminal = Terminal::start(folder.path(), "init acme.toml");
    terminal.answer("1/6", "no address");
    terminal.answer("the directory's address can't be used", &fixture.directory.url());
    terminal.answer("2/6", READER_DN);
    terminal.answer_hidden("Password", &password);
    // The proposed base DN.
    terminal.answer("3/6", "");
    terminal.answer("4/6", "workplace");
    terminal.answer("\"workplace\" is no DN", &workplace_group());
    terminal.answer("5/6", "");
    terminal.answer("base URL", &fixture.workplace.url());
    terminal.answer_hidden("6/6", &token);
    terminal.await_text("provisioner check --config acme.toml");
    let shown = terminal.end();
    assert!(shown.contains("The directory is of the kind openldap"), "{shown}");
    assert!(!shown.contains(&password) && !shown.contains(&token), "{shown}");

    let text = fs::read_to_string(folder.path().join("acme.toml")).unwrap();
    for line in
        ["kind = \"openldap\"", &format!("base_dn = \"{BASE_DN}\""), "department = \"departmentNumber\""]
    {
        assert!(text.contains(line), "{text}");
    }
    for secret in ["acme-directory.json", "acme-target.json"] {
        let mode = fs::metadata(folder.path().join(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
    for command in [&["check", "--offline", "acme.toml"][..], &["check", "acme.toml"], &["plan", "acme.toml"]]
    {
        let call = fixture.dir.provisioner(command).directory(folder.path());
        call.run().unwrap().expect_exit(0).never_says("warning");
    }

    // Nothing is overwritten.
    let mut again = fixture.dir.provisioner(["init", "acme.toml"]).directory(folder.path());
    again.run().unwrap().expect_exit(2).says("exists already");
    again = fixture.dir.provisioner(["init", "other.toml"]).directory(folder.path());
    again.run().unwrap().expect_exit(0).says("an example");
}

#[test]
fn options_name_what_is_not_asked_of_the_server() {
    let people = enabled_people(2);
    let server = Ds389::start().unwrap();
    people.iter().for_each(|person| server.admin().add_person(person).unwrap());
    server.admin().add_group(&GroupEntry::of("workplace", &people)).unwrap();
    let configuration = TestConfiguration::openldap_at(&server.url(), "");
    let fixture = TerminalFixture::new(configuration, &server.reader_secret());
    let target = fixture.workplace.url();
    let init = |more: &[&str]| {
        let url = server.url();
        let mut arguments = vec!["init", "ds.toml", "--url", &url];
        arguments.extend(["--secret", "file:directory-secret.json", "--target-url", &target]);
        arguments.extend(["--target-secret", "file:target-secret.json"]);
        arguments.extend(more);
        fixture.dir.provisioner(arguments).run().unwrap()
    };
    init(&[]).expect_exit(2).says("add --group DN or --filter FILTER");
    init(&["--group", "workplace"]).expect_exit(2).says("is no DN");
    init(&["--group", &workplace_group()])
        .expect_exit(0)
        .says("of the kind 389ds")
        .says("check --config ds.toml");
    let text = fixture.dir.read("ds.toml").unwrap();
    assert!(
        text.contains("kind = \"389ds\"") && text.contains(&format!("base_dn = \"{BASE_DN}\"")),
        "{text}"
    );
    fixture.dir.provisioner(["check", "--offline", "ds.toml"]).run().unwrap().expect_exit(0);
    fixture.dir.provisioner(["check", "ds.toml"]).run().unwrap().expect_exit(0).says("matches 2 entries");
}

/// Without the server the preset must be named.
#[test]
fn unreachable_server_needs_a_kind() {
    let fixture = TerminalFixture::<Slapd>::of(&enabled_people(1));
    let init = |more: &[&str]| {
        let mut arguments = vec!["init", "new.toml", "--url", "ldap://127.0.0.1:1", "--group"];
        let group = workplace_group();
        arguments.extend([group.as_str(), "--base-dn", BASE_DN, "--secret", "env:DIRECTORY"]);
        arguments.extend(more);
        fixture
            .dir
            .provisioner(arguments)
            .env("DIRECTORY", "{\"bind_dn\":\"x\",\"password\":\"y\"}")
            .run()
            .unwrap()
    };
    init(&[]).expect_exit(2).says("can't reach the directory").says("add --kind KIND");
    assert!(!fixture.dir.file("new.toml").exists());
    init(&["--kind", "active-directory"]).expect_exit(0).says("Store the access token of the target in");
    assert!(fixture.dir.read("new.toml").unwrap().contains("department = \"department\""));
}
