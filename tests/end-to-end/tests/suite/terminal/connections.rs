//! Two connections with one target: units of a company, each with its own scope and its own run.

use end_to_end::{ProgramOutput, Slapd, TerminalFixture, deactivates, enabled_people, request_lines};

/// A fixture with the connections `north` and `south` in one state file. The department of a user decides.
struct UnitsFixture {
    fixture: TerminalFixture<Slapd>,
    mail: Vec<String>,
}

impl UnitsFixture {
    fn start() -> Self {
        let people = enabled_people(4);
        let fixture = TerminalFixture::of(&people);
        people.iter().for_each(|person| fixture.set(person, "departmentNumber", &["north"]));
        for name in ["north", "south"] {
            let mut configuration = fixture.configuration().clone();
            configuration.name = name.to_owned();
            configuration.scope = format!("filter = \"(departmentNumber={name})\"\n");
            std::fs::write(fixture.dir.file(&format!("{name}.toml")), configuration.to_string()).unwrap();
        }
        let mail = people.iter().map(|person| person.mail.clone()).collect();
        let units = Self { fixture, mail };
        units.sync("north").expect_exit(0);
        units.sync("south").expect_exit(0);
        units
    }

    fn sync(&self, name: &str) -> ProgramOutput {
        let arguments = ["sync", "--config", &format!("{name}.toml"), "--state", "units.state"];
        self.fixture.dir.provisioner(arguments).run().unwrap()
    }

    /// Moves the first user to the other unit.
    fn move_first(&self) {
        let people = enabled_people(4);
        self.fixture.set(&people[0], "departmentNumber", &["south"]);
        self.fixture.workplace.clear_requests();
    }

    #[track_caller]
    fn expect_first_moved(&self, id: u64) {
        self.sync("north").expect_exit(0).says("nothing to do");
        self.sync("south").expect_exit(0).says("nothing to do");
        assert_eq!(self.fixture.id(&self.mail[0]), id, "one account, the same");
        self.mail.iter().for_each(|mail| self.fixture.expect_active(mail, true));
    }
}

#[test]
fn user_that_joins_the_other_connection_first_is_never_deactivated() {
    let units = UnitsFixture::start();
    let id = units.fixture.id(&units.mail[0]);
    units.move_first();
    // The account belongs to the entry in the other connection's records, until that connection sees it leave.
    units.sync("south").expect_exit(3).says_in_one_line(&[&units.mail[0], "conflict"]);
    units
        .sync("north")
        .expect_exit(0)
        .says_in_one_line(&[&units.mail[0], "the account passes to the connection south"]);
    units.sync("south").expect_exit(0);
    let writes = units.fixture.workplace.writes();
    assert!(!writes.iter().any(deactivates), "{}", request_lines(&writes));
    units.expect_first_moved(id);
}

#[test]
fn user_that_leaves_the_other_connection_first_gets_the_account_back() {
    let units = UnitsFixture::start();
    let id = units.fixture.id(&units.mail[0]);
    units.move_first();
    units.sync("north").expect_exit(0).says_in_one_line(&[&units.mail[0], "deactivated"]);
    units.sync("south").expect_exit(0);
    units.expect_first_moved(id);
}

#[test]
fn changed_name_is_noticed_before_anything_is_linked() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    let rename = |name: &str| {
        let mut configuration = fixture.configuration().clone();
        name.clone_into(&mut configuration.name);
        std::fs::write(fixture.dir.file("corp.toml"), configuration.to_string()).unwrap();
    };
    fixture.sync().expect_exit(0).never_says("no connection");
    rename("corporate");
    let expected = ["has no connection \"corporate\", but \"corp\" with the same target", "change it back"];
    for command in ["status", "plan", "sync"] {
        let output = fixture.run(&[command]);
        expected.iter().for_each(|text| _ = output.says(text));
    }
    assert_eq!(fixture.workplace.accounts().len(), people.len());
    rename("corp");
    fixture.sync().never_says("no connection");
}

#[test]
fn second_file_with_the_same_name_is_noticed() {
    let people = enabled_people(4);
    let mut fixture = TerminalFixture::of(&people);
    fixture.sync().expect_exit(0).never_says("if a second file has this name");
    fixture.configure(|it| it.scope = "filter = \"(objectClass=inetOrgPerson)\"\n".to_owned());
    fixture
        .sync()
        .says("the configuration has changed since the last scan of \"corp\"")
        .says("give it another one");
    fixture.sync().never_says("if a second file has this name");
}
