//! A plan as a file: the same inputs give the same file, and `apply` performs exactly it or names what changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use end_to_end::{
    Browser, ColourScheme, PersonEntry, ProgramOutput, STATUS, Slapd, TerminalFixture, deactivates,
    enabled_people,
};
use serde_json::{Value, json};
use simulator::{FaultEffect, TargetFault};

const PLAN: &str = "plan.json";

#[track_caller]
fn plan(fixture: &TerminalFixture<Slapd>, exit: i32) -> Value {
    fixture.run(&["plan", "--out", PLAN]).expect_exit(exit);
    let text = fs::read_to_string(fixture.dir.file(PLAN)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn apply(fixture: &TerminalFixture<Slapd>) -> ProgramOutput {
    fixture.run(&["apply", PLAN])
}

/// Waits for an event in another process.
#[track_caller]
fn wait_until(happened: impl Fn() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(300), "the awaited event did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Expects a refusal that changes neither the target nor the state.
#[track_caller]
fn expect_refused(fixture: &TerminalFixture<Slapd>, words: &[&str]) {
    fixture.workplace.clear_requests();
    let state = fixture.state();
    apply(fixture).expect_exit(1).says("Nothing was done").says_in_one_line(words);
    fixture.expect_no_write();
    assert_eq!(fixture.state(), state);
    let told = fixture.run(&["apply", PLAN, "--json"]);
    told.expect_exit(1);
    assert_eq!(told.json().unwrap()["applied"], json!(false));
}

/// Four users with accounts and one without: an update, a deactivation and a creation are due.
fn with_pending_changes() -> (TerminalFixture<Slapd>, Vec<PersonEntry>) {
    let people = enabled_people(6);
    let fixture = TerminalFixture::with(&people, &people[..4]).configured(|it| {
        it.directory += STATUS;
        it.safety = "max_removal_percent = 100".to_owned();
    });
    fixture.settle(0);
    fixture.set(&people[0], "title", &["Chief Gardener"]);
    fixture.leave(&people[1]);
    fixture.join(&people[4]);
    (fixture, people)
}

#[test]
fn same_inputs_give_the_same_plan_file() {
    let (fixture, people) = with_pending_changes();
    let file = plan(&fixture, 0);
    let names: Vec<&str> =
        file["users"].as_array().unwrap().iter().map(|it| it["user_name"].as_str().unwrap()).collect();
    assert!(names.is_sorted() && names.len() == 3, "{names:?}");
    assert_eq!(file["summary"]["actions"], json!({ "create": 1, "deactivate": 1, "update": 1 }));
    let path = fixture.dir.file(PLAN);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let first = fs::read(&path).unwrap();
    plan(&fixture, 0);
    assert_eq!(fs::read(&path).unwrap(), first);

    fixture.workplace.clear_requests();
    apply(&fixture).expect_exit(0).says("1 created, 1 updated, 1 deactivated");
    assert_eq!(fixture.workplace.writes().len(), 3);
    fixture.expect_active(&people[1].mail, false);
    assert_eq!(fixture.account(&people[0].mail)["title"], "Chief Gardener");
    fixture.plan().expect_exit(0).says("nothing to do");

    // The plan is applied, so it differs from what is due now.
    expect_refused(&fixture, &[&people[0].mail, "planned: update title; now: nothing"]);
}

#[test]
fn first_load_is_applied_without_a_state() {
    let fixture = TerminalFixture::of(&enabled_people(3));
    plan(&fixture, 0);
    apply(&fixture).expect_exit(0).says("3 created");
    fixture.plan().says("nothing to do");
}

#[test]
fn planned_transfers_are_applied() {
    let people = enabled_people(5);
    let fixture = TerminalFixture::with(&people, &people[..3]);
    fixture.settle(0);
    let [id, other] = [&people[1], &people[2]].map(|person| fixture.id(&person.mail));
    // One entry is recreated. Another user takes a new name, and a new user takes the old one.
    fixture.delete(&people[1]);
    fixture.hire(&PersonEntry { title: "Second Self".to_owned(), ..people[1].clone() });
    fixture.set(&people[2], "mail", &["renamed@acme.test"]);
    fixture.set(&people[3], "mail", &[&people[2].mail]);
    fixture.join(&people[3]);
    let file = plan(&fixture, 0);
    assert_eq!(file["summary"]["actions"], json!({ "transfer": 1, "update": 2 }), "{file:#}");

    apply(&fixture).expect_exit(0).never_says("not as planned");
    assert_eq!(fixture.id(&people[1].mail), id);
    assert_eq!(fixture.account(&people[1].mail)["title"], "Second Self");
    assert_eq!(fixture.id("renamed@acme.test"), other);
    assert_ne!(fixture.id(&people[2].mail), other);
    fixture.plan().expect_exit(0).says("nothing to do");
}

#[test]
fn outdated_plan_is_refused() {
    let (mut fixture, people) = with_pending_changes();
    let file = plan(&fixture, 0);

    // An entry of the plan changes, in an attribute of the plan or in another one.
    fixture.set(&people[0], "title", &["Second Gardener"]);
    expect_refused(&fixture, &[&people[0].mail, "entry"]);
    fixture.set(&people[0], "title", &["Chief Gardener"]);
    fixture.set(&people[4], "departmentNumber", &["another"]);
    expect_refused(&fixture, &[&people[4].mail, "entry"]);
    fixture.set(&people[4], "departmentNumber", &[&people[4].department_number]);

    // A user outside the plan leaves, or a user in it returns.
    fixture.leave(&people[2]);
    expect_refused(&fixture, &[&people[2].mail, "planned: nothing; now: deactivate"]);
    fixture.join(&people[2]);
    fixture.join(&people[1]);
    expect_refused(&fixture, &[&people[1].mail, "planned: deactivate; now: nothing"]);
    fixture.leave(&people[1]);

    // An account changes at the target.
    let title = fixture.account(&people[0].mail)["title"].clone();
    fixture.workplace.edit(&people[0].mail, json!({ "title": "Impostor" }));
    expect_refused(&fixture, &[&people[0].mail, "account"]);
    fixture.workplace.edit(&people[0].mail, json!({ "title": title }));

    // Another configuration, another connection, a file that is no plan.
    fixture.configure(|it| it.mapping = it.mapping.replace("displayName = \"cn\"", "displayName = \"sn\""));
    expect_refused(&fixture, &["configuration"]);
    fixture.configure(|it| it.mapping = it.mapping.replace("displayName = \"sn\"", "displayName = \"cn\""));
    let path = fixture.dir.file(PLAN);
    for broken in [
        json!({ "users": [] }).to_string(),
        file.to_string().replace("\"format\":1", "\"format\":2"),
        file.to_string().replace("\"connection\":\"corp\"", "\"connection\":\"other\""),
    ] {
        fs::write(&path, broken).unwrap();
        apply(&fixture).expect_exit(2);
    }

    // The unchanged inputs are applied.
    fs::write(&path, file.to_string()).unwrap();
    apply(&fixture).expect_exit(0).says("1 created, 1 updated, 1 deactivated");
}

#[test]
fn user_changed_during_apply_is_left_alone() {
    let (fixture, people) = with_pending_changes();
    plan(&fixture, 0);
    fixture.workplace.clear_requests();
    // The account to deactivate is read last when the plan is computed again; all entries are read before it.
    let last = format!("/{}", fixture.id(&people[1].mail));
    fixture
        .workplace
        .inject(TargetFault::once(FaultEffect::Delay { ms: 3_000 }).method("GET").user(&people[1].mail));
    let applying = fixture.dir.provisioner(["apply", PLAN, "--config", "corp.toml"]).start().unwrap();
    wait_until(|| fixture.workplace.requests().iter().any(|request| request.path.ends_with(&last)));
    fixture.set(&people[0], "title", &["Second Gardener"]);
    fixture.set(&people[2], "title", &["Not in the plan"]);
    fixture.leave(&people[3]);
    fixture.join(&people[1]);
    let applied = applying.finish().unwrap();
    applied.expect_exit(3).says("1 created").says("not as planned").never_says("deactivated");
    let writes = fixture.workplace.writes();
    assert_eq!(writes.len(), 1, "{writes:?}");
    fixture.expect_active(&people[4].mail, true);
    fixture.expect_active(&people[1].mail, true);

    // The next sync finds all changes.
    fixture.sync().expect_exit(0).says("2 updated, 1 deactivated");
    assert_eq!(fixture.account(&people[0].mail)["title"], "Second Gardener");
    assert_eq!(fixture.account(&people[2].mail)["title"], "Not in the plan");
    fixture.expect_active(&people[3].mail, false);
}

#[test]
fn account_changed_during_apply_is_left_alone() {
    let people = enabled_people(2);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    fixture.set(&people[0], "title", &["Chief Gardener"]);
    plan(&fixture, 0);
    fixture.workplace.clear_requests();
    // The account is read for the new plan, and the answer is delayed.
    fixture.workplace.inject(TargetFault::once(FaultEffect::EffectThenDelay { ms: 3_000 }).method("GET"));
    let applying = fixture.dir.provisioner(["apply", PLAN, "--config", "corp.toml"]).start().unwrap();
    wait_until(|| !fixture.workplace.requests().is_empty());
    std::thread::sleep(Duration::from_millis(500));
    fixture.workplace.edit(&people[0].mail, json!({ "displayName": "Impostor" }));
    applying
        .finish()
        .unwrap()
        .expect_exit(3)
        .says_in_one_line(&[&people[0].mail, "not part of the approved plan"]);
    fixture.expect_no_write();
    fixture.run(&["explain", &people[0].mail]).says("the action is not part of the approved plan");
    fixture.sync().expect_exit(0).says("1 updated");
    assert_eq!(fixture.account(&people[0].mail)["title"], "Chief Gardener");
    assert_eq!(fixture.account(&people[0].mail)["displayName"], people[0].name());
}

#[test]
fn plan_does_not_release_held_removals() {
    let people = enabled_people(8);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    people[1..5].iter().for_each(|person| fixture.leave(person));
    fixture.set(&people[6], "title", &["Chief Gardener"]);
    let file = plan(&fixture, 4);
    assert_eq!(file["summary"]["actions"], json!({ "held": 4, "update": 1 }));
    fixture.workplace.clear_requests();
    apply(&fixture).expect_exit(4).says("1 updated").says("4 awaiting approval");
    assert!(!fixture.workplace.writes().iter().any(deactivates));

    // After the approval, a new plan contains the removals.
    let waiting = fixture.run(&["approve", "--json"]).json().unwrap();
    fixture.run(&["approve", waiting["waiting"][0]["hash"].as_str().unwrap()]).expect_exit(0);
    expect_refused(&fixture, &[&people[1].mail, "planned: held; now: deactivate"]);
    plan(&fixture, 0);
    apply(&fixture).expect_exit(0).says("4 deactivated");
}

#[test]
fn plan_hides_masked_values_and_detects_their_changes() {
    let mut people = enabled_people(2);
    people[1].mobile = Some("SECRET-phone".to_owned());
    let fixture = TerminalFixture::of(&people).configured(|it| {
        it.mapping = it.mapping.replace("= \"mobile\"", "= { from = \"mobile\", masked = true }")
    });
    fixture.settle(0);
    fixture.set(&people[1], "mobile", &["SECRET-second-phone"]);
    plan(&fixture, 0);
    let page = fixture.run(&["plan", "--html", "plan.html"]);
    page.expect_exit(0);
    for file in [PLAN, "plan.html"] {
        let text = fs::read_to_string(fixture.dir.file(file)).unwrap();
        assert!(text.contains("•••") && !text.contains("SECRET"), "{file}");
        assert!(
            !text.contains(&fixture.workplace.token()) && !text.contains(fixture.directory.reader_password())
        );
    }
    fixture.set(&people[1], "mobile", &["SECRET-other-phone"]);
    expect_refused(
        &fixture,
        &[&people[1].mail, "entry", "planned: update phoneNumbers.mobile; now: update phoneNumbers.mobile"],
    );
}

#[test]
fn html_plan_is_filtered_in_a_browser() {
    let (fixture, people) = with_pending_changes();
    fixture.set(
        &people[0],
        "title",
        &["<script>document.title = 'taken over'</script><b class=x>Boss</b> & \"Co\""],
    );
    fixture.run(&["plan", "--html", "plan.html"]).expect_exit(0);
    let url = format!("file://{}", fixture.dir.file("plan.html").display());
    let browser = Browser::start().unwrap();
    browser.set_width(1100).unwrap();
    browser.open(&url).unwrap();
    assert_eq!(browser.title().unwrap(), "Plan for corp");
    assert_eq!(browser.count("b.x").unwrap(), 0);
    assert_eq!(browser.text("ul.counts").unwrap(), "1\ncreate\n1\ndeactivate\n1\nupdate");
    let update = browser.text("tr[data-action=update]").unwrap();
    assert!(update.contains(&people[0].mail) && update.contains("title differs"), "{update}");
    assert_eq!(browser.text("tr[data-action=update] del").unwrap(), people[0].title);
    let after = browser.text("tr[data-action=update] ins").unwrap();
    assert_eq!(after, "<script>document.title = 'taken over'</script><b class=x>Boss</b> & \"Co\"");
    // Attribute names have enough width, and the page is not wider than the window.
    let squeezed = "return [...document.querySelectorAll('td th')].filter(it => it.offsetWidth < 120).length";
    assert_eq!(browser.run(squeezed).unwrap(), 0);
    assert_eq!(browser.run("return document.documentElement.scrollWidth <= innerWidth").unwrap(), true);
    browser.screenshot("plan-page").unwrap();
    browser.set_colours(ColourScheme::Dark).unwrap();
    browser.screenshot("plan-page-dark").unwrap();

    let shown = || {
        browser.run("return [...document.querySelectorAll('#users > tbody > tr')].filter(row => row.checkVisibility()).map(row => row.dataset.action)").unwrap()
    };
    assert_eq!(shown().as_array().unwrap().len(), 3);
    browser.type_into("#text", &people[4].mail).unwrap();
    assert_eq!(shown(), json!(["create"]));
    assert_eq!(browser.text("#shown").unwrap(), "1 of 3");
    browser.open("about:blank").unwrap();
    browser.open(&format!("{url}#action=deactivate")).unwrap();
    assert_eq!(shown(), json!(["deactivate"]));
    // The page loads no other resource.
    assert_eq!(browser.run("return performance.getEntriesByType('resource').length").unwrap(), 0);
}

#[test]
fn plan_overwrites_no_other_file() {
    let fixture = TerminalFixture::of(&enabled_people(2));
    fixture.settle(0);
    for file in ["corp.toml", "corp.state", "target-secret.json"] {
        let before = std::fs::read(fixture.dir.file(file)).unwrap();
        for option in ["--out", "--html"] {
            fixture.run(&["plan", option, file]).expect_exit(2).says(file).says("is not a plan");
        }
        assert_eq!(std::fs::read(fixture.dir.file(file)).unwrap(), before, "{file}");
    }
    for _ in 0..2 {
        fixture.run(&["plan", "--out", "the.plan", "--html", "the.html"]).expect_exit(0);
    }
}
