//! The console: pages in a real browser, access control, and no effect on other work.

mod access;
mod browser;
mod numbers;
mod phone;
mod speed;

use std::path::PathBuf;

use end_to_end::{ConsoleProcess, PersonEntry, Slapd, TerminalFixture, enabled_people};
use simulator::{FaultEffect, TargetFault};

/// A name that a browser must not execute.
const SCRIPT: &str = "<script>document.title='taken over'</script>";

/// Twelve users: four removals are held, and the target refuses the first and the third user. Titles are masked.
struct ConsoleFixture {
    fixture: TerminalFixture<Slapd>,
    people: Vec<PersonEntry>,
}

impl ConsoleFixture {
    fn start() -> Self {
        let people = enabled_people(12);
        let fixture = TerminalFixture::of(&people).configured(|it| {
            it.safety = "max_removals = 3\nmax_removal_percent = 100".to_owned();
            it.mapping =
                it.mapping.replace("title = \"title\"", "title = { from = \"title\", masked = true }");
        });
        fixture.set(&people[1], "cn", &[SCRIPT]);
        fixture.set(&people[0], "mail", &[&format!("{SCRIPT}@acme.test")]);
        fixture
            .workplace
            .inject(TargetFault::always(FaultEffect::status(400)).method("POST").user(&people[2].mail));
        fixture.settle(3);
        people[4..8].iter().for_each(|person| fixture.leave(person));
        // The refused users count before the held ones.
        fixture.settle(3);
        Self { fixture, people }
    }

    fn state(&self) -> PathBuf {
        self.fixture.dir.file("corp.state")
    }

    fn console(&self, options: &[&str]) -> ConsoleProcess {
        console(&self.fixture, options)
    }

    /// Expiry of the approval of the held removals.
    fn approved_until(&self) -> Option<i64> {
        let waiting = self.fixture.run(&["approve", "--json"]).json().unwrap();
        waiting["waiting"][0]["approved_until"].as_i64()
    }
}

/// Starts a console on this fixture.
fn console(fixture: &TerminalFixture<Slapd>, options: &[&str]) -> ConsoleProcess {
    let arguments = ["console", "--config", "corp.toml", "--json"].into_iter().chain(options.iter().copied());
    ConsoleProcess::start(fixture.dir.provisioner(arguments)).unwrap()
}
