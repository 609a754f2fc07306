//! An account becomes a user's only by the asked-for name, and a link is dropped only with proof.

use model::{AccountId, DeprovisionReason, Desired, Status};
use serde_json::{Value, json};
use simulator::{FaultEffect, ReplyBody, SimulatedReply, SimulatorOptions, TargetFault};

use super::engine::{EngineOptions, OneUser};

const BOSS: &str = "boss@acme.test";
const SCIM_ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

fn options(kind: &str) -> EngineOptions<'_> {
    match kind {
        "scim2" => EngineOptions { kind, server: SimulatorOptions::scim2(), ..EngineOptions::default() },
        _ => EngineOptions::default(),
    }
}

/// A 404 of a gateway, and one of the SCIM resource.
fn not_found_answers() -> [(&'static str, SimulatedReply); 2] {
    let scim = json!({"schemas": [SCIM_ERROR], "status": "404", "detail": "no such user"});
    [
        ("gateway", SimulatedReply::json(404, json!({"message": "no Route matched with those values"}))),
        ("SCIM", SimulatedReply::json(404, scim)),
    ]
}

fn seed_boss(one: &OneUser, external_id: &str) -> Value {
    one.engine.workplace.seed(json!({
        "userName": BOSS, "externalId": external_id, "active": true, "name": {"formatted": "The Boss"},
    }));
    one.engine.workplace.account(BOSS).unwrap()
}

async fn expect_not_linked(one: &OneUser, boss: &Value, context: &str) {
    let record = one.record().await;
    assert!(matches!(record.status, Status::Failed { .. }), "{context}: {:?}", record.status);
    assert!(
        one.why().await.contains("another account than the asked-for one"),
        "{context}: {}",
        one.why().await
    );
    assert_eq!(record.link, None, "{context}");
    assert_eq!(one.engine.workplace.account(BOSS).as_ref(), Some(boss), "{context}");
}

#[tokio::test]
async fn creation_answered_with_another_account_is_not_linked() {
    for kind in ["workplace", "scim2"] {
        for status in [200, 201] {
            let context = format!("{kind}, {status}");
            let one = OneUser::scanned(options(kind)).await;
            let boss = seed_boss(&one, "7");
            let reply = SimulatedReply::json(status, boss.clone());
            one.engine.workplace.inject(TargetFault::once(FaultEffect::Answer(reply)).method("POST"));
            one.provision().await;
            expect_not_linked(&one, &boss, &context).await;
            one.retry().await;
            assert_eq!(one.status().await, Status::InSync, "{context}");
            assert!(one.account().is_some(), "{context}");
        }
    }
}

#[tokio::test]
async fn account_with_the_same_external_id_and_another_name_is_not_linked() {
    for kind in ["workplace", "scim2"] {
        let mapping = "externalId = \"employeeNumber\"\n";
        let one = OneUser::scanned(EngineOptions { mapping, ..options(kind) }).await;
        let boss = seed_boss(&one, &one.person.employee_number);
        let record = one.record().await;
        let subject = provision::PreviewSubject {
            record: Some(&record),
            desired: record.desired.as_ref().unwrap(),
            removal_released: false,
            deletion_due: false,
        };
        let engine = &one.engine;
        let options = &engine.connection.policy.options;
        let preview = provision::preview(&engine.store, &engine.target, options, subject).await.unwrap();
        assert!(matches!(preview, Err(scim::TargetError::OtherAccount { .. })), "{kind}: {preview:?}");
        one.provision().await;
        expect_not_linked(&one, &boss, kind).await;
    }
}

#[tokio::test]
async fn rename_that_meets_a_404_creates_no_second_account() {
    for kind in ["workplace", "scim2"] {
        for (name, reply) in not_found_answers() {
            let context = format!("{kind}, {name}");
            let one = OneUser::synced(options(kind)).await;
            let path = if kind == "scim2" { "/scim/v2/Users/" } else { "/Users/" };
            one.engine.workplace.inject(TargetFault::always(FaultEffect::Answer(reply)).path(path));
            one.set("mail", "renamed@acme.test");
            one.sync().await;
            assert_ne!(one.status().await, Status::InSync, "{context}");
            assert_eq!(one.engine.workplace.accounts().len(), 1, "{context}");
            assert!(one.record().await.link.is_some(), "{context}");
            one.engine.workplace.clear_faults();
            one.retry().await;
            assert_eq!(one.status().await, Status::InSync, "{context}");
            assert_eq!(one.engine.workplace.accounts().len(), 1, "{context}");
            assert!(one.engine.workplace.account("renamed@acme.test").is_some(), "{context}");
        }
    }
}

#[tokio::test]
async fn new_account_answered_with_404_at_first_is_kept() {
    for kind in ["workplace", "scim2"] {
        let one = OneUser::synced(options(kind)).await;
        let [_, (_, reply)] = not_found_answers();
        let path = if kind == "scim2" { "/scim/v2/Users/" } else { "/Users/" };
        one.engine.workplace.inject(TargetFault::times(2, FaultEffect::Answer(reply)).path(path));
        one.set("title", "Poet");
        one.sync().await;
        one.retry().await;
        assert_eq!(one.status().await, Status::InSync, "{kind}");
        assert_eq!(one.account().unwrap()["title"], "Poet", "{kind}");
        assert_eq!(one.engine.workplace.accounts().len(), 1, "{kind}");
    }
}

/// Deletes the account and creates it again by hand, so that it has another id.
fn make_anew(one: &OneUser) -> AccountId {
    assert!(one.engine.workplace.remove(&one.person.mail));
    let name = json!({"formatted": "Made by hand"});
    let id = one.engine.workplace.seed(json!({"userName": one.person.mail, "active": true, "name": name}));
    AccountId::new(id.to_string()).unwrap()
}

#[tokio::test]
async fn account_made_anew_by_hand_is_linked_again() {
    for kind in ["workplace", "scim2"] {
        let one = OneUser::synced(options(kind)).await;
        let id = make_anew(&one);
        one.set("title", "Poet");
        one.sync().await;
        assert_eq!(one.record().await.link.map(|link| link.account), Some(id), "{kind}");
        assert_eq!(one.status().await, Status::InSync, "{kind}");
        assert_eq!(one.account().unwrap()["title"], "Poet", "{kind}");
        assert_eq!(one.engine.workplace.accounts().len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn leaver_with_an_account_made_anew_is_said() {
    for kind in ["workplace", "scim2"] {
        let one = OneUser::synced(options(kind)).await;
        make_anew(&one);
        one.leave();
        one.sync().await;
        assert!(matches!(one.status().await, Status::Failed { .. }), "{kind}: {:?}", one.status().await);
        assert!(one.why().await.contains("deactivate it at the target"), "{kind}: {}", one.why().await);
        assert_eq!(one.is_active(), Some(true), "{kind}: an account without a link is not changed");
        // Deactivated by hand, the user is in sync.
        one.engine.workplace.edit(&one.person.mail, json!({"active": false}));
        one.retry().await;
        assert_eq!(one.status().await, Status::InSync, "{kind}");
    }
}

#[tokio::test]
async fn leaver_with_a_deleted_account_is_in_sync() {
    for kind in ["workplace", "scim2"] {
        for options_of_removal in ["", "remove_action = \"delete\"\n"] {
            let one = OneUser::synced(EngineOptions { options: options_of_removal, ..options(kind) }).await;
            assert!(one.engine.workplace.remove(&one.person.mail));
            one.leave();
            one.sync().await;
            let record = one.record().await;
            assert_eq!((record.status, record.link), (Status::InSync, None), "{kind}");
            let reason = record.desired.as_ref().and_then(Desired::deprovision_reason);
            assert_eq!(reason, Some(DeprovisionReason::OutOfScope), "{kind}");
        }
    }
}

#[tokio::test]
async fn refused_deletion_is_followed_by_a_deactivation() {
    for kind in ["workplace", "scim2"] {
        for status in [400, 403, 404, 405, 409, 412, 500, 501] {
            let removal = "remove_action = \"delete\"\n";
            let one = OneUser::synced(EngineOptions { options: removal, ..options(kind) }).await;
            let reply = SimulatedReply::status(status).content(ReplyBody::Error);
            one.engine.workplace.inject(TargetFault::always(FaultEffect::Answer(reply)).method("DELETE"));
            one.leave();
            one.sync().await;
            assert_eq!(one.is_active(), Some(false), "{kind}, {status}");
            assert_eq!(one.status().await, Status::InSync, "{kind}, {status}: {}", one.why().await);
            let history = one.engine.store.fetch_history(one.user(), None, 1).await.unwrap();
            assert!(history[0].action.contains("refused to delete"), "{kind}, {status}: {history:?}");
        }
    }
}

/// Meta Admin Center drops attributes that it does not have. That is no change by another person.
#[tokio::test]
async fn value_that_the_target_drops_is_no_drift() {
    let (server, mapping) = (SimulatorOptions::admin_center(), "nickName = \"uid\"\n");
    let one = OneUser::synced(EngineOptions { server, mapping, ..EngineOptions::default() }).await;
    assert_eq!(one.account().unwrap().get("nickName"), None);
    let engine = &one.engine;
    let drift = async || {
        let report = operate::DriftRepair::ReportOnly;
        let found = operate::find_drift(&engine.operator(), &engine.target, report, |_| {}).await.unwrap();
        (found.changed, found.equal)
    };
    assert_eq!(drift().await, (0, 1));
    engine.workplace.clear_requests();
    one.set("title", "Poet");
    one.sync().await;
    assert_eq!(engine.workplace.request_count(), 1, "no second update for the dropped value");
    engine.workplace.edit(&one.person.mail, json!({"title": "Clerk"}));
    assert_eq!(drift().await, (1, 0));
}
