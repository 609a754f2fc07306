//! The terminal program on the deployed state.

use end_to_end::{ConsoleProcess, GroupEntry};
use model::UnixSeconds;
use serde_json::json;
use simulator::{FaultEffect, TargetFault};
use store::BreakerReason;

use super::deployment::{DeploymentFixture, DeploymentOptions, names};

/// Arguments of a command on the deployed state.
fn arguments<'a>(command: &'a str, user: Option<&'a str>, state: &'a str) -> Vec<&'a str> {
    let mut arguments = vec![command, "--config", "corp.toml", "--json", "--state", state];
    arguments.extend(user);
    arguments
}

#[test]
#[expect(clippy::cognitive_complexity, reason = "one scenario, told in the order in which it happens")]
fn terminal_reads_and_applies_plans_on_the_deployed_state() {
    let deployment = DeploymentFixture::start(DeploymentOptions::default());
    let state = format!("dynamodb:{}", deployment.table.name());
    let (refused, in_sync) = (&deployment.people[3].mail, &deployment.people[4].mail);
    deployment.workplace.inject(TargetFault::always(FaultEffect::status(400)).method("POST").user(refused));
    deployment.scan(json!({}));
    deployment.drain();

    let status = deployment.terminal(&arguments("status", None, &state)).run().unwrap();
    status.expect_exit(3);
    let status = status.json().unwrap();
    assert_eq!((&status["in_scope"], &status["users"]), (&json!(20), &json!({ "failed": 1 })), "{status}");
    assert_eq!(status["last_scan"]["complete"], true);
    assert!(status["waiting"][0]["why"].as_str().unwrap().contains("target rejects"), "{status}");

    let history = deployment.terminal(&arguments("history", Some(in_sync), &state)).run().unwrap();
    history.expect_exit(0);
    assert_eq!(history.json().unwrap()["events"][0]["action"], "created");
    let history = deployment.terminal(&arguments("history", Some(refused), &state)).run().unwrap();
    assert_eq!(history.json().unwrap()["status"]["action"], "failed");

    let console = ConsoleProcess::start(deployment.terminal(&arguments("console", None, &state))).unwrap();
    for (path, says) in [("", "20 users"), ("failed", refused), (&format!("user?user={in_sync}"), "created")]
    {
        let page = console.page(path).unwrap();
        assert!(page.status.is_success() && page.text.contains(says), "{path}: {page:#?}");
    }
    drop(console);

    let explained = deployment.terminal(&arguments("explain", Some(refused), &state)).run().unwrap();
    explained.expect_exit(0);
    let explained = explained.json().unwrap();
    assert_eq!(explained["record"]["status"], "failed", "{explained}");
    assert_eq!(explained["would"][0]["action"], "create", "{explained}");

    deployment.slapd.admin().set(&deployment.people[4].dn(), "title", &["Planned"]).unwrap();
    deployment.workplace.clear_requests();
    let plan = deployment.terminal(&arguments("plan", None, &state)).run().unwrap();
    let plan = plan.json().unwrap();
    assert_eq!(plan["summary"]["actions"], json!({ "failed": 1, "update": 1 }), "{plan}");
    assert_eq!(explained["entry"]["scope"][2]["how"], "direct", "{explained}");
    assert_eq!(explained["waits"][0]["what"], "failed", "{explained}");
    let place = ["--config", "corp.toml", "--state", state.as_str()];
    let terminal = |command: &[&str]| deployment.terminal(&[command, &place].concat()).run().unwrap();
    terminal(&["plan", "--out", "plan.json", "--html", "plan.html"]).expect_exit(3);
    assert!(deployment.workplace.writes().is_empty());
    let after = || deployment.runtime.block_on(deployment.store().fetch_connection()).unwrap();
    assert_eq!((after().version.0, after().lease), (1, None), "reading is not a scan");

    // A plan is applied under the functions' leases, and only while it is up to date.
    deployment.slapd.admin().set(&deployment.people[5].dn(), "title", &["Not planned"]).unwrap();
    terminal(&["apply", "plan.json"]).expect_exit(1);
    assert!(deployment.workplace.writes().is_empty());
    deployment
        .slapd
        .admin()
        .set(&deployment.people[5].dn(), "title", &[&deployment.people[5].title])
        .unwrap();
    let applied = terminal(&["apply", "plan.json"]);
    assert!(applied.stdout.contains("1 updated"), "{applied}");
    assert_eq!(deployment.workplace.account(in_sync).unwrap()["title"], "Planned");
    assert_eq!((after().version.0, after().lease), (2, None));
}

#[test]
fn terminal_refuses_to_sync_the_deployed_state() {
    let deployment =
        DeploymentFixture::start(DeploymentOptions { members: 2, ..DeploymentOptions::default() });
    let state = format!("dynamodb:{}", deployment.table.name());
    let sync = deployment.terminal(&["sync", "--config", "corp.toml", "--state", &state]).run().unwrap();
    sync.expect_exit(2);
    assert!(sync.stderr.contains("the terminal does not synchronise it"), "{}", sync.stderr);
    assert!(sync.stderr.contains("invoke the scan function"), "{}", sync.stderr);
    let missing = deployment
        .terminal(&["status", "--config", "corp.toml", "--state", "dynamodb:nowhere"])
        .run()
        .unwrap();
    missing.expect_exit(1);
    assert!(missing.stderr.contains("there is no table 'nowhere'"), "{}", missing.stderr);
    assert_eq!(deployment.statuses(), [].into());
}

#[test]
fn approvals_by_invoke_and_terminal_cover_only_their_set() {
    let deployment = DeploymentFixture::start(DeploymentOptions::default());
    let state = format!("dynamodb:{}", deployment.table.name());
    let terminal = |command: &[&str]| {
        let place = ["--config", "corp.toml", "--json", "--state", state.as_str()];
        deployment.terminal(&[command, &place].concat()).run().unwrap()
    };
    let group = GroupEntry::of("workplace", []).dn();
    let leave = |number: usize| {
        deployment.slapd.admin().remove_member(&group, &deployment.people[number].dn()).unwrap();
    };
    let hash = || {
        let waiting = terminal(&["approve"]).json().unwrap();
        waiting["waiting"][0]["hash"].as_str().unwrap().to_owned()
    };
    deployment.scan(json!({}));
    deployment.drain();
    (0..5).for_each(leave);
    assert_eq!(deployment.scan(json!({}))["held"], 5);

    assert!(deployment.failed_scan(json!({ "approve": "0123456789ab" })).contains("nothing was approved"));
    let seen = hash();
    leave(5);
    let answer = deployment.scan(json!({ "connection": "corp", "approve": seen }));
    assert_eq!((&answer["deprovisioned"], &answer["held"]), (&json!(5), &json!(1)), "{answer}");
    assert_eq!(answer["note"], "5 removals were approved");
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[5..20]));

    let approved = terminal(&["approve", &hash()]);
    approved.expect_exit(0);
    assert_eq!(
        approved.json().unwrap()["approved"],
        "1 account would be deactivated; an approval covers other removals and not these; no other removals"
    );
    assert_eq!(deployment.scan(json!({}))["deprovisioned"], 1);
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[6..20]));
    assert_eq!(terminal(&["retry", "--failed"]).json().unwrap()["retried"], 0);
}

#[test]
fn breaker_is_shown_and_reset() {
    let deployment =
        DeploymentFixture::start(DeploymentOptions { members: 2, ..DeploymentOptions::default() });
    let state = format!("dynamodb:{}", deployment.table.name());
    let terminal = |command: &[&str]| {
        let place = ["--config", "corp.toml", "--json", "--state", state.as_str()];
        deployment.terminal(&[command, &place].concat()).run().unwrap().json().unwrap()
    };
    assert_eq!(terminal(&["breaker"]), json!({ "open": false, "breaker": null }));
    let opened = deployment.store();
    let opened = opened.open_breaker(BreakerReason::Unauthorized, UnixSeconds(1_000), 600);
    deployment.runtime.block_on(opened).unwrap();
    let shown = terminal(&["breaker"]);
    assert_eq!((&shown["open"], &shown["breaker"]["reason"]), (&json!(true), &json!("unauthorized")));
    assert_eq!(terminal(&["status"])["breaker"]["until"], 1_600);
    assert_eq!(terminal(&["breaker", "reset"])["open"], false);
    assert_eq!(terminal(&["breaker"]), json!({ "open": false, "breaker": null }));
}

#[test]
fn drift_is_found_and_repaired_by_the_functions() {
    let deployment =
        DeploymentFixture::start(DeploymentOptions { members: 4, ..DeploymentOptions::default() });
    let state = format!("dynamodb:{}", deployment.table.name());
    deployment.scan(json!({}));
    deployment.drain();
    let mail = deployment.people[1].mail.clone();
    deployment.workplace.edit(&mail, json!({ "title": "Impostor" }));
    let drift = deployment.terminal(&arguments("drift", None, &state)).run().unwrap();
    drift.expect_exit(3);
    let drift = drift.json().unwrap();
    assert_eq!((&drift["equal"], &drift["changed"]), (&json!(3), &json!(1)), "{drift}");
    assert_eq!(deployment.statuses(), [].into(), "a drift report changes nothing");

    let repaired = deployment.terminal(&arguments("drift", Some("--repair"), &state)).run().unwrap();
    repaired.expect_exit(0);
    assert_eq!(repaired.json().unwrap()["repair"], json!({ "due": 1, "done": null, "left": 0 }));
    assert_eq!(
        deployment.workplace.account(&mail).unwrap()["title"],
        "Impostor",
        "the functions repair the account"
    );
    deployment.scan(json!({}));
    deployment.drain();
    assert_eq!(deployment.workplace.account(&mail).unwrap()["title"], deployment.people[1].title);
    assert_eq!(deployment.statuses(), [].into());
}
