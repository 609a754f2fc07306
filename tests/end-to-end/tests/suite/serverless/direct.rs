//! What a person asks the functions for.

use end_to_end::GroupEntry;
use serde_json::json;

use super::deployment::{Deployment, DeploymentOptions, names};

#[test]
fn one_user_is_read_provisioned_and_explained() {
    let deployment = Deployment::start(DeploymentOptions { members: 3, ..DeploymentOptions::default() });
    let ada = &deployment.people[0];
    let invoke = |user: &str| {
        let answer = deployment.functions.invoke("provision", &json!({ "connection": "corp", "user": user }));
        answer.unwrap_or_else(|error| panic!("{error:#}\n{}", deployment.functions.log("provision")))
    };
    let dry = json!({ "user": ada.mail, "dry_run": true });
    let answer = deployment.functions.invoke("provision", &dry).unwrap();
    assert_eq!(answer["done"], "nothing; this was a dry run", "{answer}");
    assert_eq!(answer["explanation"]["would"], json!(["create an account"]), "{answer}");
    assert_eq!(answer["explanation"]["entry"]["scope"][2]["how"], "direct", "{answer}");
    assert_eq!(deployment.creates(), 0);

    let answer = invoke(&ada.mail);
    assert_eq!(answer["done"], "created", "{answer}");
    let told = &answer["explanation"];
    assert_eq!((&told["entry"]["in_scope"], &told["entry"]["says"]), (&json!(true), &json!("active")));
    assert_eq!(told["account"]["active"], true);
    assert_eq!(told["account"]["differs"], json!([]));
    assert_eq!(told["history"][0]["action"], "created");
    assert_eq!(told["verdict"], "in scope; nothing is left to do");
    assert_eq!(deployment.active(), names([ada]));

    // By DN, by e-mail in another spelling, and by anchor, nothing is done twice.
    let anchor = told["entry"]["anchor"].as_str().unwrap();
    for user in [&ada.dn(), &ada.mail.to_uppercase(), anchor] {
        let answer = invoke(user);
        assert_eq!(answer["explanation"]["entry"]["anchor"], anchor, "{user}: {answer}");
        assert_eq!(answer["done"], "nothing; nothing was due", "{user}");
    }
    assert_eq!(deployment.creates(), 1);

    // A scan afterwards is not confused by it.
    let answer = deployment.scan(json!({}));
    assert_eq!((&answer["read"], &answer["created"]), (&json!(3), &json!(2)), "{answer}");
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[..3]));

    // Whoever left keeps the account until a scan of everybody has decided.
    deployment.slapd.admin().remove_member(&GroupEntry::of("workplace", []).dn(), &ada.dn()).unwrap();
    let answer = invoke(&ada.mail);
    assert_eq!(answer["explanation"]["entry"]["in_scope"], false, "{answer}");
    assert!(answer["explanation"]["would"][0].as_str().unwrap().contains("a scan of everybody"), "{answer}");
    assert_eq!(deployment.active().len(), 3);
    deployment.scan(json!({}));
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[1..3]));

    // Each look at an account counts as a call, so that a target that is asked for nothing else is seen not to be idle.
    let log = deployment.functions.log("provision");
    assert!(log.contains("\"TargetLatency\":["), "{log}");

    let answer = invoke("nobody@acme.test");
    assert!(answer["explanation"]["verdict"].as_str().unwrap().contains("no such entry"), "{answer}");
}

#[test]
fn a_user_who_left_right_after_being_provisioned_by_hand_is_noticed() {
    let deployment = Deployment::start(DeploymentOptions { members: 3, ..DeploymentOptions::default() });
    let event = json!({ "user": deployment.people[0].mail });
    deployment.functions.invoke("provision", &event).unwrap();
    assert_eq!(deployment.active(), names(&deployment.people[..1]));
    deployment.slapd.admin().delete(&deployment.people[0].dn()).unwrap();
    let answer = deployment.scan(json!({}));
    assert_eq!(answer["deprovisioned"], 1, "{answer}");
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[1..3]));
}

#[test]
fn a_dry_run_counts_and_does_nothing() {
    let deployment = Deployment::start(DeploymentOptions::default());
    let answer = deployment.scan(json!({ "connection": "corp", "dry_run": true }));
    assert_eq!(
        (&answer["read"], &answer["created"], &answer["dry_run"], &answer["version"]),
        (&json!(20), &json!(20), &json!(true), &json!(0)),
        "{answer}"
    );
    assert_eq!(deployment.statuses(), [].into());
    assert_eq!(end_to_end::aws().queue_depth(&deployment.queue.url).unwrap().total(), 0);

    let answer = deployment.scan(json!({ "dry_run": true, "user": deployment.people[0].mail }));
    assert_eq!((&answer["read"], &answer["created"]), (&json!(1), &json!(1)), "{answer}");
    assert_eq!(deployment.statuses(), [].into());

    // The scan that writes finds the same numbers.
    let dry = deployment.scan(json!({ "connection": "corp", "dry_run": true }));
    let real = deployment.scan(json!({ "connection": "corp" }));
    for key in ["read", "created", "updated", "deprovisioned", "unchanged", "conflicts", "held", "complete"] {
        assert_eq!(dry[key], real[key], "{key}");
    }
    assert_eq!(deployment.statuses(), [("pending".to_owned(), 20)].into());
}

#[test]
fn one_user_alone_is_scanned_and_announced() {
    let deployment = Deployment::start(DeploymentOptions::default());
    let answer = deployment.scan(json!({ "connection": "corp", "user": deployment.people[2].uid }));
    assert!(
        answer["note"].as_str().unwrap().contains("no such entry"),
        "the user name is the e-mail: {answer}"
    );
    let answer = deployment.scan(json!({ "connection": "corp", "user": deployment.people[2].mail }));
    assert_eq!(answer["created"], 1, "{answer}");
    deployment.drain();
    assert_eq!(deployment.active(), names([&deployment.people[2]]));
}

#[test]
fn an_event_that_makes_no_sense_is_refused_and_nothing_is_done() {
    let deployment = Deployment::start(DeploymentOptions::default());
    for (event, expect) in [
        (json!({ "connection": "corp", "dryrun": true }), "unknown field `dryrun`"),
        (json!({ "connection": "crop" }), "which is not deployed; there are: corp"),
        (json!({ "mode": "sometimes" }), "unknown variant `sometimes`"),
        (json!("corp"), "the event should look like"),
        (json!({ "dry_run": "yes" }), "invalid type"),
    ] {
        let error = deployment.failed_scan(event.clone());
        assert!(error.contains(expect) && error.contains("BadEvent"), "{event}: {error}");
    }
    for (event, expect) in [
        (json!({}), "missing field `user`"),
        (json!({ "user": 7 }), "invalid type"),
        (json!({ "Records": 7 }), "invalid type"),
    ] {
        let error = deployment.functions.invoke("provision", &event).unwrap_err().to_string();
        assert!(error.contains(expect) && error.contains("BadEvent"), "{event}: {error}");
    }
    assert_eq!(deployment.statuses(), [].into());
    let answer = deployment.scan(json!({ "connection": "corp", "mode": "incremental" }));
    assert_eq!((&answer["mode"], &answer["read"]), (&json!("full"), &json!(20)));
    assert_eq!(answer["full_reason"], "there is nothing to go on from");
}
