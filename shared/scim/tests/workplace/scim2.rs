//! Server that conforms to the RFCs: PUT replaces, PATCH is announced.

use std::sync::{Arc, Mutex};

use axum::http::{Method, StatusCode, Uri};
use model::{AccountId, DesiredUser, Managed, Value};
use scim::{Dialect, Resource, Target, TargetError};
use serde_json::json;
use simulator::{FaultEffect, ReplyBody, SimulatedReply, Simulator, SimulatorOptions, TargetFault};

use crate::support::*;

const CUSTOM: &str = "urn:acme:params:scim:schemas:extension:badge:1.0:User";
const CONFIG: &str = "/scim/v2/ServiceProviderConfig";

fn without_patch() -> SimulatorOptions {
    SimulatorOptions { patch: false, ..SimulatorOptions::scim2() }
}

fn client_of(server: &Simulator) -> Target {
    let dialect = Dialect::named("scim2").expect("a dialect");
    Target::new(dialect, options_at(&server.url(), QUICK), credentials(&server.token())).expect("loopback")
}

fn asked_for(server: &Simulator) -> Vec<String> {
    server.requests().iter().map(|request| format!("{} {}", request.path, request.status)).collect()
}

/// Account with many unmapped values, as the client reads it.
async fn with_ada(options: SimulatorOptions) -> (Simulator, Target, Resource) {
    let server = Simulator::start(options).await.expect("a free port");
    let target = client_of(&server);
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
    let found = target.find_by_user_name(&name(ADA)).await.expect("a response").expect("the account");
    let ada = target.fetch(&found.account.id).await.expect("the whole account");
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

/// Checks the account after the update to [`poet`].
fn check_poet(server: &Simulator) {
    let account = server.account(ADA).expect("the account");
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
    let enterprise = account.get(ENTERPRISE).expect("the extension");
    for (place, expect) in [("/costCenter", "98765"), ("/department", "Poetry"), ("/manager/value", "8")] {
        assert_eq!(enterprise.pointer(place), Some(&json!(expect)), "{place}");
    }
}

#[tokio::test]
async fn patch_contains_only_differences() {
    let (server, target, now) = with_ada(SimulatorOptions::scim2()).await;
    target.update(&owned(&now), &now, &poet()).await.unwrap();
    check_poet(&server);
    assert_eq!(asked(&server), ["PATCH 200"]);
    let body = server.writes()[0].body.clone().unwrap();
    let mut operations: Vec<_> = body["Operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|operation| {
            let of = |name: &str| operation[name].as_str().unwrap().trim_start_matches(ENTERPRISE).to_owned();
            format!("{} {}", of("path"), of("op"))
        })
        .collect();
    operations.sort();
    assert_eq!(
        operations,
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
async fn without_patch_the_whole_account_is_sent() {
    let (server, target, now) = with_ada(without_patch()).await;
    target.update(&owned(&now), &now, &poet()).await.unwrap();
    check_poet(&server);
    assert_eq!(asked(&server), ["PUT 200"]);
    let body = server.writes()[0].body.clone().unwrap();
    // Name and URL of the old manager are dropped.
    assert_eq!(body[ENTERPRISE]["manager"], json!({"value": "8"}));
    assert_eq!(body.get("id"), None);
}

/// The answer to a look-up may show the id and the user name alone. A PUT of such an account would clear the other values.
#[tokio::test]
async fn account_is_read_before_a_put_that_rests_on_a_partial_answer() {
    let (server, target, _) = with_ada(without_patch()).await;
    let partial = TargetFault::once(FaultEffect::EffectThenPartial).method("GET").path("/scim/v2/Users$");
    server.inject(partial);
    let found = target.find_by_user_name(&name(ADA)).await.unwrap().unwrap();
    assert_eq!((shown(&found, "title"), found.account.active), (String::new(), None));
    server.clear_requests();
    target.update(&owned(&found), &found, &poet()).await.unwrap();
    check_poet(&server);
    assert_eq!(asked(&server), ["GET 200", "PUT 200"]);
}

#[tokio::test]
async fn active_is_sent_while_the_target_does_not_show_it() {
    for shape in [json!(null), json!("suspended"), json!(2)] {
        let (server, target, now) = with_ada(SimulatorOptions::scim2()).await;
        let mut shown = server.account(ADA).unwrap();
        shown["active"] = shape.clone();
        let reply = FaultEffect::Answer(SimulatedReply::json(200, shown));
        server.inject(TargetFault::once(reply).method("GET"));
        let unclear = target.fetch(&now.account.id).await.unwrap();
        assert_eq!(unclear.account.active, None, "{shape}");
        server.edit(ADA, json!({"active": false}));
        target.update(&owned(&now), &unclear, &ada([("title", text("Analyst"))])).await.unwrap();
        assert_eq!(server.account(ADA).unwrap()["active"], json!(true), "{shape}");
        let body = server.writes()[0].body.clone().unwrap();
        let operation = &body["Operations"][0];
        assert_eq!((&operation["path"], &operation["value"]), (&json!("active"), &json!(true)), "{body}");
    }
}

#[tokio::test]
async fn first_refusal_of_an_update_is_reported() {
    let refusal =
        |status, words: &str| FaultEffect::Answer(SimulatedReply::json(status, json!({"detail": words})));
    for (options, methods, status) in [
        (SimulatorOptions::scim2(), ["PATCH", "PUT"], 400),
        (SimulatorOptions::scim2(), ["PATCH", "PUT"], 501),
        (without_patch(), ["PUT", "PATCH"], 405),
    ] {
        let (server, target, now) = with_ada(options).await;
        server.inject(TargetFault::always(refusal(status, "not on Fridays")).method(methods[0]));
        server.inject(TargetFault::always(refusal(400, "something else")).method(methods[1]));
        let error = target.update(&owned(&now), &now, &poet()).await.unwrap_err().to_string();
        assert!(error.contains("not on Fridays"), "{methods:?} {status}: {error}");
        assert_eq!(server.writes().len(), 2, "{methods:?} {status}");
    }
}

#[tokio::test]
async fn server_features_are_fetched_once() {
    for options in [SimulatorOptions::scim2(), without_patch()] {
        let server = Simulator::start(options).await.unwrap();
        let target = client_of(&server);
        seed_ada(&server, json!({"title": "Analyst"}));
        target.check().await.unwrap();
        let mut discovery = asked_for(&server);
        discovery.sort();
        let expected = ["ResourceTypes 404", "Schemas 404", "ServiceProviderConfig 200", "Users 200"];
        assert_eq!(discovery, expected.map(|it| format!("/scim/v2/{it}")));
        server.clear_requests();
        let now = target.find_by_user_name(&name(ADA)).await.unwrap().unwrap();
        let same = ada([("title", text("Analyst")), ("name.formatted", text("Ada Lovelace"))]);
        assert_eq!(target.update(&owned(&now), &now, &same).await, Ok(now.clone()));
        let poet = target.update(&owned(&now), &now, &poet()).await.unwrap();
        target.deactivate(&owned(&poet)).await.unwrap();
        assert!(asked_for(&server).iter().all(|path| path.starts_with("/scim/v2/Users")));
    }
}

#[tokio::test]
async fn deactivation_keeps_all_values() {
    for (options, calls) in
        [(SimulatorOptions::scim2(), ["PATCH 200"].as_slice()), (without_patch(), &["GET 200", "PUT 200"])]
    {
        let (server, target, now) = with_ada(options).await;
        let mut before = server.account(ADA).unwrap();
        let off = target.deactivate(&owned(&now)).await.unwrap().into_resource();
        assert!(off.account.active == Some(false));
        before["active"] = json!(false);
        assert_eq!(server.account(ADA).unwrap(), before);
        assert_eq!(asked(&server), calls);
    }
}

#[tokio::test]
async fn unavailable_configuration_is_fetched_again() {
    let server = Simulator::start(SimulatorOptions::scim2()).await.unwrap();
    let target = client_of(&server);
    server.inject(TargetFault::times(3, FaultEffect::status(503)).path(CONFIG));
    let error = target.check().await.unwrap_err();
    assert!(matches!(error, TargetError::Unavailable { .. }), "{error}");
    seed_ada(&server, json!({}));
    let now = target.find_by_user_name(&name(ADA)).await.unwrap().unwrap();
    target.deactivate(&owned(&now)).await.unwrap();
    assert_eq!(server.writes()[0].method, "PATCH");
}

#[tokio::test]
async fn server_without_configuration_is_updated_by_put() {
    let plain = [400, 403, 404, 405, 500, 501].map(FaultEffect::status);
    let html = |status| SimulatedReply::status(status).content(ReplyBody::Html);
    let html = [200, 403, 404, 405, 500].map(|status| FaultEffect::Answer(html(status)));
    for effect in plain.into_iter().chain(html) {
        let server = Simulator::start(SimulatorOptions::scim2()).await.unwrap();
        for document in ["ServiceProviderConfig", "ResourceTypes", "Schemas"] {
            server.inject(TargetFault::always(effect.clone()).path(&format!("/scim/v2/{document}")));
        }
        let target = client_of(&server);
        seed_ada(&server, json!({"title": "Analyst"}));
        let now = target.find_by_user_name(&name(ADA)).await.unwrap().unwrap();
        target.update(&owned(&now), &now, &ada([("title", text("Poet"))])).await.unwrap();
        assert_eq!(server.writes()[0].method, "PUT", "{effect:?}");
        assert_eq!(target.missing_from_schemas(["title", "nickName"]).await.unwrap(), Vec::<&str>::new());
    }
}

/// Server with another path for users, two users a page and no filter support.
async fn unusual_server() -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let people: Vec<_> = (1..=5)
        .map(|id| json!({"id": id.to_string(), "userName": format!("P{id}@acme.test"), "active": true}))
        .collect();
    let answer = move |method: Method, uri: Uri| {
        let (log, people) = (log.clone(), people.clone());
        async move {
            log.lock().expect("no panic").push(format!("{method} {uri}"));
            let number = |name: &str| {
                let (_, rest) = uri.query()?.split_once(&format!("{name}="))?;
                rest.split('&').next()?.parse::<usize>().ok()
            };
            let body = match (method.as_str(), uri.path()) {
                ("GET", "/scim/ServiceProviderConfig") => {
                    json!({"patch": {"supported": true}, "filter": {"supported": false, "maxResults": 2}})
                }
                ("GET", "/scim/ResourceTypes") => {
                    json!({"Resources": [{"id": "User", "endpoint": "/v9/People"}]})
                }
                ("GET", "/scim/Schemas") => json!({"Resources": [
                    {"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [{"name": "userName"}, {"name": "title"}]},
                ]}),
                ("GET", "/scim/v9/People") => {
                    let start = number("startIndex").unwrap_or(1);
                    let page: Vec<_> =
                        people.iter().skip(start - 1).take(number("count").unwrap_or(9)).collect();
                    json!({"totalResults": people.len(), "startIndex": start, "itemsPerPage": page.len(), "Resources": page})
                }
                ("PATCH", "/scim/v9/People/4") => json!({"id": "4", "active": false}),
                _ => return (StatusCode::NOT_FOUND, String::new()),
            };
            (StatusCode::OK, body.to_string())
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/scim", listener.local_addr().expect("bound"));
    tokio::spawn(axum::serve(listener, axum::Router::new().fallback(answer)).into_future());
    (url, asked)
}

#[tokio::test]
async fn announced_features_are_used() {
    let (url, asked) = unusual_server().await;
    let dialect = Dialect::named("scim2").unwrap();
    let target = Target::new(dialect, options_at(&url, QUICK), credentials("the-token")).unwrap();
    target.check().await.unwrap();
    asked.lock().unwrap().clear();
    let found = target.find_by_user_name(&name("p4@ACME.test")).await.unwrap().unwrap();
    target.deactivate(&owned(&found)).await.unwrap();
    assert_eq!(
        *asked.lock().unwrap(),
        [
            "GET /scim/v9/People?startIndex=1&count=2",
            "GET /scim/v9/People?startIndex=3&count=2",
            "GET /scim/v9/People?startIndex=5&count=2",
            "PATCH /scim/v9/People/4",
        ]
    );
    assert_eq!(target.find_by_user_name(&name("unknown@acme.test")).await, Ok(None));
    assert_eq!(target.find_by_external_id("x").await, Ok(None));
    let lacking =
        target.missing_from_schemas(["title", "nickName", "department", "externalId"]).await.unwrap();
    assert_eq!(lacking, ["nickName", "department"]);
}

#[tokio::test]
async fn read_values_are_redacted_from_error_texts() {
    for options in [SimulatorOptions::scim2(), without_patch()] {
        let (server, target, now) = with_ada(options).await;
        target.deactivate(&owned(&now)).await.unwrap();
        let error_body = json!({"detail": "Countess King of green is not welcome", "status": "400"});
        let reply = simulator::SimulatedReply::json(400, error_body);
        server.inject(TargetFault::always(FaultEffect::Answer(reply)));
        let error = target.update(&owned(&now), &now, &poet()).await.unwrap_err();
        assert!(
            error.to_string().ends_with("HTTP 400: (value) (value) of (value) is not welcome"),
            "{error}"
        );
    }
}
