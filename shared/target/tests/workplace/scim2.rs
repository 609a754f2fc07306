//! A server that keeps to the RFCs: PUT replaces, PATCH is announced.

use model::{AccountId, DesiredUser, Managed, Value};
use serde_json::json;
use simulator::{Effect, Fault, Options, Simulator};
use target::{Dialect, Resource, Target, TargetError};

use crate::support::*;

const CUSTOM: &str = "urn:acme:params:scim:schemas:extension:badge:1.0:User";
const CONFIG: &str = "/scim/v2/ServiceProviderConfig";

fn without_patch() -> Options {
    Options { patch: false, ..Options::scim2() }
}

/// Ada with much that nobody mapped, as the client sees her.
async fn with_ada(options: Options) -> (Simulator, Target, Resource) {
    let server = Simulator::start(options).await.expect("a free port");
    let options = options_at(&server.url(), QUICK);
    let dialect = Dialect::named("scim2").expect("it exists");
    let target = Target::new(dialect, options, credentials(&server.token())).expect("loopback");
    let more = json!({
        "title": "Analyst", "nickName": "Countess",
        "name": {"formatted": "Ada Lovelace", "givenName": "Ada", "middleName": "King"},
        "ims": [{"type": "xmpp", "value": "ada@im.acme.test"}],
        "phoneNumbers": [{"type": "home", "value": "1"}, {"type": "work", "value": "2", "primary": true}],
        (ENTERPRISE): {
            "department": "Research", "costCenter": "98765",
            "manager": {"value": "7", "displayName": "Boss", "$ref": "../Users/7"},
        },
        (CUSTOM): {"colour": "green"},
    });
    seed_ada(&server, more);
    let ada = target.find_by_user_name(&name(ADA)).await.expect("it answers").expect("she is there");
    server.clear_requests();
    (server, target, ada)
}

fn poet() -> DesiredUser {
    ada([
        ("title", text("Poet")),
        ("name.middleName", Managed::Clear),
        ("phoneNumbers.work", Managed::Clear),
        ("department", text("Poetry")),
        ("manager", Managed::Set(Value::Account(AccountId::new("8").expect("not empty")))),
    ])
}

fn asked(server: &Simulator) -> Vec<String> {
    server.requests().iter().map(|request| format!("{} {}", request.method, request.status)).collect()
}

/// What Ada's account must be after [`poet`], whichever way it went.
fn check_poet(server: &Simulator) {
    let account = server.account(ADA).expect("she is there");
    for (place, expect) in [
        ("/title", json!("Poet")),
        ("/nickName", json!("Countess")),
        ("/name", json!({"formatted": "Ada Lovelace", "givenName": "Ada"})),
        ("/ims", json!([{"type": "xmpp", "value": "ada@im.acme.test"}])),
        ("/phoneNumbers", json!([{"type": "home", "value": "1"}])),
    ] {
        assert_eq!(account.pointer(place), Some(&expect), "{place}");
    }
    assert_eq!(account.get(CUSTOM), Some(&json!({"colour": "green"})));
    let enterprise = account.get(ENTERPRISE).expect("it is there");
    for (place, expect) in [("/costCenter", "98765"), ("/department", "Poetry"), ("/manager/value", "8")] {
        assert_eq!(enterprise.pointer(place), Some(&json!(expect)), "{place}");
    }
}

#[tokio::test]
async fn a_patch_says_what_differs_and_no_more() {
    let (server, target, now) = with_ada(Options::scim2()).await;
    target.update(&owned(&now), &now, &poet()).await.unwrap();
    check_poet(&server);
    assert_eq!(asked(&server), ["GET 200", "PATCH 200"]);
    let body = server.writes()[0].body.clone().unwrap();
    let mut said: Vec<_> = body["Operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|operation| {
            let of = |name: &str| operation[name].as_str().unwrap().trim_start_matches(ENTERPRISE).to_owned();
            format!("{} {}", of("path"), of("op"))
        })
        .collect();
    said.sort();
    assert_eq!(
        said,
        [
            ":department replace",
            ":manager replace",
            "name.middleName remove",
            "phoneNumbers replace",
            "title replace"
        ]
    );
}

#[tokio::test]
async fn without_patch_everything_goes_back() {
    let (server, target, now) = with_ada(without_patch()).await;
    target.update(&owned(&now), &now, &poet()).await.unwrap();
    check_poet(&server);
    assert_eq!(asked(&server), ["GET 200", "PUT 200"]);
    let body = server.writes()[0].body.clone().unwrap();
    // The old manager's name and address are not the new one's.
    assert_eq!(body[ENTERPRISE]["manager"], json!({"value": "8"}));
    assert_eq!(body.get("id"), None);
}

#[tokio::test]
async fn the_configuration_is_read_once_and_only_when_it_matters() {
    for options in [Options::scim2(), without_patch()] {
        let (server, target, now) = with_ada(options).await;
        target.check().await.unwrap();
        target.create(&user("boss@acme.test", [])).await.unwrap();
        // Nothing differs.
        assert_eq!(
            target.update(&owned(&now), &now, &ada([("title", text("Analyst"))])).await,
            Ok(now.clone())
        );
        assert_eq!(asked(&server), ["GET 200", "POST 201"]);
        let poet = target.update(&owned(&now), &now, &poet()).await.unwrap();
        target.set_active(&owned(&poet), false).await.unwrap();
        target.set_active(&owned(&poet), true).await.unwrap();
        let configs = server.requests().iter().filter(|request| request.path == CONFIG).count();
        assert_eq!(configs, 1);
    }
}

#[tokio::test]
async fn switching_off_loses_nothing() {
    for (options, calls) in
        [(Options::scim2(), ["GET 200", "PATCH 200"]), (without_patch(), ["GET 200", "PUT 200"])]
    {
        let (server, target, now) = with_ada(options).await;
        let mut before = server.account(ADA).unwrap();
        let off = target.set_active(&owned(&now), false).await.unwrap();
        assert!(!off.account.active);
        before["active"] = json!(false);
        assert_eq!(server.account(ADA).unwrap(), before);
        let mut asked = asked(&server);
        // Without PATCH the account is read first.
        asked.dedup();
        assert_eq!(asked, calls);
    }
}

#[tokio::test]
async fn a_configuration_that_can_not_be_had_is_asked_for_again() {
    let (server, target, now) = with_ada(Options::scim2()).await;
    server.inject(Fault::times(3, Effect::status(503)).path(CONFIG));
    let error = target.set_active(&owned(&now), false).await.unwrap_err();
    assert!(matches!(error, TargetError::Unavailable { .. }), "{error}");
    assert_eq!(server.writes(), []);
    target.set_active(&owned(&now), false).await.unwrap();
    assert_eq!(server.writes()[0].method, "PATCH");
}

#[tokio::test]
async fn a_server_without_a_configuration_is_put() {
    for status in [404, 400, 501] {
        let (server, target, now) = with_ada(Options::scim2()).await;
        server.inject(Fault::always(Effect::status(status)).path(CONFIG));
        target.update(&owned(&now), &now, &poet()).await.unwrap();
        check_poet(&server);
        assert_eq!(server.writes()[0].method, "PUT", "{status}");
    }
}

#[tokio::test]
async fn what_was_read_is_not_repeated_in_a_complaint() {
    for options in [Options::scim2(), without_patch()] {
        let (server, target, now) = with_ada(options).await;
        target.set_active(&owned(&now), false).await.unwrap();
        let complaint = json!({"detail": "Countess King of green is not welcome", "status": "400"});
        let reply = simulator::Reply::json(400, complaint);
        server.inject(Fault::always(Effect::Answer(reply)));
        let error = target.update(&owned(&now), &now, &poet()).await.unwrap_err();
        assert!(
            error.to_string().ends_with("HTTP 400: (value) (value) of (value) is not welcome"),
            "{error}"
        );
    }
}
