//! The life cycle of an account at SCIM servers that are not ours, request by request.

use std::collections::BTreeMap;
use std::time::Duration;

use end_to_end::{ScimProduct, ScimServer};
use model::{AccountId, DesiredUser, Managed, OwnedAccount, UnixSeconds, UserName, Value};
use scim::{
    CallCounts, DeleteOutcome, Dialect, Resource, RetryPolicy, Target, TargetCredentials, TargetError,
    TargetOptions,
};
use serde_json::json;

const ADA: &str = "ada@acme.test";

fn client(server: &ScimServer) -> Target {
    client_with(server, server.token())
}

fn client_with(server: &ScimServer, token: &str) -> Target {
    let options = TargetOptions {
        max_concurrent_calls: 8,
        url: server.url().to_owned(),
        timeout: Duration::from_secs(20),
        retry: RetryPolicy { attempts: 1, ..RetryPolicy::default() },
        now: || UnixSeconds(0),
    };
    let credentials = TargetCredentials { access_token: token.into(), app_secret: None };
    Target::new(Dialect::named("scim2").expect("it exists"), options, credentials).expect("loopback")
}

fn text(text: &str) -> Managed {
    Managed::Set(Value::Text(text.to_owned()))
}

fn manager(resource: &Resource) -> Managed {
    Managed::Set(Value::Account(resource.account.id.clone()))
}

fn name(name: &str) -> UserName {
    UserName::new(name).expect("a user name")
}

fn user<const N: usize>(user_name: &str, attributes: [(&str, Managed); N]) -> DesiredUser {
    DesiredUser {
        user_name: name(user_name),
        active: true,
        attributes: attributes.into_iter().map(|(name, managed)| (name.into(), managed)).collect(),
        create_only: BTreeMap::new(),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test stands in for the store")]
fn owned(id: &AccountId) -> OwnedAccount {
    OwnedAccount::from_claim(id.clone())
}

/// Expects the desired values, and no value where the attribute is to be cleared.
fn check(resource: &Resource, desired: &DesiredUser) {
    let shown = &resource.account.attributes;
    for (attribute, managed) in &desired.attributes {
        let expect = match managed {
            Managed::Set(value) => Some(value),
            Managed::Clear => None,
        };
        assert_eq!(shown.get(attribute), expect, "{attribute}");
    }
}

/// Runs every operation on an account, and counts the requests.
#[expect(
    clippy::too_many_lines,
    clippy::cognitive_complexity,
    reason = "one scenario, told in the order in which it happens"
)]
async fn run_life_cycle(target: &Target) -> CallCounts {
    target.check().await.expect("it can be used");
    let boss = target.create(&user("boss@acme.test", [])).await.expect("a boss");
    let chief = target.create(&user("chief@acme.test", [])).await.expect("a chief");
    let desired = user(
        ADA,
        [
            ("externalId", text("a-1")),
            ("name.formatted", text("Ada Lovelace")),
            ("name.givenName", text("Ada")),
            ("name.middleName", text("King")),
            ("title", text("Analyst")),
            ("nickName", text("Countess")),
            ("emails.work", text(ADA)),
            ("phoneNumbers.work", text("+44-20-1")),
            ("phoneNumbers.mobile", text("+44-7712-2")),
            ("addresses.work.formatted", text("London")),
            ("department", text("Research")),
            ("costCenter", text("98765")),
            ("manager", manager(&boss)),
        ],
    );
    let made = target.create(&desired).await.expect("Ada");
    check(&made, &desired);
    let error = target.create(&desired).await.expect_err("there is one");
    assert!(matches!(error, TargetError::Conflict { .. }), "{error}");
    assert_eq!(target.list(1).await.expect("a list").total, 3);

    let now = target.find_by_user_name(&name(ADA)).await.expect("it answers").expect("there");
    // SCIMMY's filter is case-sensitive.
    let read = target.find_by_listing(&name("ADA@acme.test"), 10).await.expect("it answers");
    assert_eq!(read.as_ref(), Some(&now));
    let ada = owned(&now.account.id);
    let desired = user(
        ADA,
        [
            ("title", text("Poet")),
            ("name.middleName", Managed::Clear),
            ("phoneNumbers.work", Managed::Clear),
            ("phoneNumbers.mobile", text("+44-7712-3")),
            ("addresses.work.formatted", Managed::Clear),
            ("department", text("Poetry")),
            ("manager", manager(&chief)),
        ],
    );
    let changed = target.update(&ada, &now, &desired).await.expect("it can be changed");
    check(&changed, &desired);
    // Unmapped attributes keep their values.
    let kept = [("nickName", text("Countess")), ("costCenter", text("98765")), ("emails.work", text(ADA))];
    check(&changed, &user(ADA, kept));
    let before = target.calls();
    assert_eq!(target.update(&ada, &changed, &desired).await.as_ref(), Ok(&changed));
    assert_eq!(target.calls(), before, "an unchanged account costs no request");

    let alone = user("king@acme.test", [("manager", Managed::Clear)]);
    let renamed = target.update(&ada, &changed, &alone).await.expect("it can be renamed");
    check(&renamed, &alone);
    assert_eq!(target.deactivate(&ada).await.expect("off").resource().account.active, Some(false));
    assert_eq!(target.activate(&ada).await.expect("on").account.active, Some(true));
    let found = target.find_by_external_id("a-1").await.expect("it answers").expect("there").account;
    assert_eq!((found.id, found.user_name.as_deref()), (now.account.id, Some("king@acme.test")));

    assert!(matches!(target.delete(&ada, Some(&name("king@acme.test"))).await, Ok(DeleteOutcome::Gone(_))));
    assert!(matches!(target.delete(&ada, Some(&name("king@acme.test"))).await, Ok(DeleteOutcome::Gone(_))));
    assert_eq!(target.fetch(ada.id()).await, Err(TargetError::NotFound));
    target.calls()
}

#[tokio::test]
async fn life_cycle_by_patch() {
    for (product, reads) in [(ScimProduct::Scim2Server, 17), (ScimProduct::Scimmy, 14)] {
        let server = ScimServer::start(product).unwrap();
        // Three reads fetch the server's own resources. scim2-server answers a PATCH without a body, so a read
        // follows each. A read precedes an update of what a look-up or a change showed, and verifies a deletion.
        assert_eq!(
            run_life_cycle(&client(&server)).await,
            CallCounts { reads, writes: 10, throttled: 0 },
            "{product}"
        );
    }
}

#[tokio::test]
async fn life_cycle_by_put() {
    let config = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": false},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": 100},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": false},
        "authenticationSchemes": [],
    });
    for product in ScimProduct::ALL {
        let server = ScimServer::announcing(product, &config).unwrap();
        assert_eq!(
            run_life_cycle(&client(&server)).await,
            CallCounts { reads: 16, writes: 10, throttled: 0 },
            "{product}"
        );
    }
}

#[tokio::test]
async fn wrong_token_is_reported_as_unauthorized() {
    for product in ScimProduct::ALL {
        let server = ScimServer::start(product).unwrap();
        let error = client_with(&server, "another").check().await.unwrap_err();
        assert!(matches!(error, TargetError::Unauthorized { .. }), "{product}: {error}");
    }
}

#[tokio::test]
async fn server_schemas_offer_all_attributes_of_the_dialect() {
    for product in ScimProduct::ALL {
        let server = ScimServer::start(product).unwrap();
        let target = client(&server);
        let lacking = target.missing_from_schemas(target.dialect().attributes()).await.unwrap();
        assert_eq!(lacking, Vec::<&str>::new(), "{product}");
    }
}
