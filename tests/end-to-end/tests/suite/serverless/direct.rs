//! Direct invocations of the functions: one user on demand, dry runs, and malformed events.

use end_to_end::GroupEntry;
use serde_json::json;

use super::deployment::{DeploymentFixture, DeploymentOptions, names};

#[test]
#[expect(clippy::cognitive_complexity, reason = "one scenario, told in the order in which it happens")]
fn on_demand_user_is_scanned_provisioned_and_explained() {
    let deployment =
        DeploymentFixture::start(DeploymentOptions { members: 3, ..DeploymentOptions::default() });
    let ada = &deployment.people[0];
    let invoke = |user: &str| {
        let answer = deployment.functions.invoke("scan", &json!({ "connection": "corp", "user": user }));
        answer.unwrap_or_else(|error| panic!("{error:#}\n{}", deployment.functions.log("scan")))
    };
    let dry = json!({ "user": ada.mail, "dry_run": true });
    let answer = deployment.scan(dry);
    assert_eq!(answer["done"], "nothing; this was a dry run", "{answer}");
    assert_eq!(answer["explanation"]["would"][0]["action"], "create", "{answer}");
    assert_eq!(answer["explanation"]["entry"]["scope"][2]["how"], "direct", "{answer}");
    assert_eq!(deployment.creates(), 0);

    let answer = invoke(&ada.mail);
    assert_eq!(answer["done"], "created", "{answer}");
    let told = &answer["explanation"];
    assert_eq!((&told["entry"]["in_scope"], &told["entry"]["desired"]), (&json!(true), &json!("active")));
    assert_eq!(told["account"]["active"], true);
    assert_eq!(told["would"], json!([]));
    assert_eq!(told["history"][0]["action"], "created");
    assert_eq!(
        (&told["result"], &told["next"]),
        (&json!("in sync: nothing is left to do"), &json!("nothing"))
    );
    assert_eq!(deployment.active(), names([ada]));

    // The provision function alone explains the account side by anchor.
    let anchor = told["entry"]["anchor"].as_str().unwrap();
    let direct = json!({ "connection": "corp", "anchor": anchor });
    let account = deployment.functions.invoke("provision", &direct).unwrap();
    assert_eq!(account["explanation"]["record"]["status"], "in_sync", "{account}");
    assert_eq!(account["explanation"]["would"], json!([]), "{account}");

    // By DN, by e-mail in another spelling, and by anchor, nothing is done twice.
    for user in [&ada.dn(), &ada.mail.to_uppercase(), anchor] {
        let answer = invoke(user);
        assert_eq!(answer["explanation"]["entry"]["anchor"], anchor, "{user}: {answer}");
        assert_eq!(answer["done"], "nothing; nothing was due", "{user}");
    }
    assert_eq!(deployment.creates(), 1);

    // The next scan finds the same user in sync.
    let answer = deployment.scan(json!({}));
    assert_eq!((&answer["read"], &answer["created"]), (&json!(3), &json!(2)), "{answer}");
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[..3]));

    // A user who left the scope keeps the account until a full scan has decided.
    deployment.slapd.admin().remove_member(&GroupEntry::of("workplace", []).dn(), &ada.dn()).unwrap();
    let answer = invoke(&ada.mail);
    assert_eq!(answer["explanation"]["entry"]["in_scope"], false, "{answer}");
    assert_eq!(answer["explanation"]["result"], "deactivate: out of scope", "{answer}");
    assert_eq!(answer["explanation"]["next"], "scan", "{answer}");
    assert_eq!(deployment.active().len(), 3);
    deployment.scan(json!({}));
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[1..3]));

    // Reads of an account are measured too, so that a target without changes is not reported as idle.
    let log = deployment.functions.log("provision");
    assert!(log.contains("\"TargetLatency\":["), "{log}");

    let answer = invoke("missing@acme.test");
    assert_eq!(answer["explanation"]["result"], "not found", "{answer}");
}

#[test]
fn user_deleted_after_on_demand_provisioning_is_deprovisioned() {
    let deployment =
        DeploymentFixture::start(DeploymentOptions { members: 3, ..DeploymentOptions::default() });
    let event = json!({ "user": deployment.people[0].mail });
    deployment.scan(event);
    assert_eq!(deployment.active(), names(&deployment.people[..1]));
    deployment.slapd.admin().delete(&deployment.people[0].dn()).unwrap();
    let answer = deployment.scan(json!({}));
    assert_eq!(answer["deprovisioned"], 1, "{answer}");
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[1..3]));
}

#[test]
fn dry_run_counts_and_writes_nothing() {
    let deployment = DeploymentFixture::start(DeploymentOptions::default());
    let answer = deployment.scan(json!({ "connection": "corp", "dry_run": true }));
    assert_eq!(
        (&answer["read"], &answer["created"], &answer["dry_run"], &answer["version"]),
        (&json!(20), &json!(20), &json!(true), &json!(0)),
        "{answer}"
    );
    assert_eq!(deployment.statuses(), [].into());
    assert_eq!(end_to_end::aws().queue_depth(&deployment.queue.url).unwrap().total(), 0);

    let answer = deployment.scan(json!({ "dry_run": true, "user": deployment.people[0].mail }));
    assert_eq!(answer["explanation"]["would"][0]["action"], "create", "{answer}");
    assert_eq!(deployment.statuses(), [].into());

    // A scan that writes has the same counts.
    let dry = deployment.scan(json!({ "connection": "corp", "dry_run": true }));
    let real = deployment.scan(json!({ "connection": "corp" }));
    for key in ["read", "created", "updated", "deprovisioned", "unchanged", "conflicts", "held", "complete"] {
        assert_eq!(dry[key], real[key], "{key}");
    }
    assert_eq!(deployment.statuses(), [("pending".to_owned(), 20)].into());
}

#[test]
fn on_demand_user_is_provisioned_without_the_queue() {
    let deployment = DeploymentFixture::start(DeploymentOptions::default());
    // The user name is the e-mail address; the login name finds the entry too.
    let answer = deployment.scan(json!({ "connection": "corp", "user": deployment.people[2].uid }));
    assert_eq!(answer["done"], "created", "{answer}");
    assert_eq!(deployment.active(), names([&deployment.people[2]]));
}

#[test]
fn malformed_event_is_refused_and_nothing_is_written() {
    let deployment = DeploymentFixture::start(DeploymentOptions::default());
    for (event, expect) in [
        (json!({ "connection": "corp", "dryrun": true }), "unknown field `dryrun`"),
        (json!({ "connection": "crop" }), "which is not deployed; deployed connections: corp"),
        (json!({ "mode": "sometimes" }), "unknown variant `sometimes`"),
        (json!("corp"), "the event is invalid"),
        (json!({ "dry_run": "yes" }), "invalid type"),
    ] {
        let error = deployment.failed_scan(event.clone());
        assert!(error.contains(expect) && error.contains("BadEvent"), "{event}: {error}");
    }
    for (event, expect) in [
        (json!({}), "missing field `anchor`"),
        (json!({ "anchor": 7 }), "invalid type"),
        (json!({ "user": "jsmith" }), "unknown field `user`"),
        (json!({ "Records": 7 }), "invalid type"),
        (
            json!({ "Records": [{ "eventSource": "aws:s3", "body": "x" }] }),
            "records that are no SQS messages",
        ),
    ] {
        let error = deployment.functions.invoke("provision", &event).unwrap_err().to_string();
        assert!(error.contains(expect) && error.contains("BadEvent"), "{event}: {error}");
    }
    assert_eq!(deployment.statuses(), [].into());
    // A null counts as left out, and a text that is no DN names no entry.
    let answer =
        deployment.scan(json!({ "connection": "corp", "dry_run": true, "user": "=,,=", "mode": null }));
    assert_eq!(answer["explanation"]["result"], "not found", "{answer}");
    let answer = deployment
        .scan(json!({ "connection": "corp", "mode": "incremental", "dry_run": null, "user": null, "approve": null }));
    assert_eq!((&answer["mode"], &answer["read"]), (&json!("full"), &json!(20)));
    assert_eq!(answer["full_reason"], "there is no checkpoint to start from");
}
