//! One life of an account at servers that somebody else wrote, call by call.

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

/// The account has what is wanted of it, and nothing of what is to be cleared.
fn check(resource: &Resource, wanted: &DesiredUser) {
    let shown = &resource.account.attributes;
    for (attribute, managed) in &wanted.attributes {
        let expect = match managed {
            Managed::Set(value) => Some(value),
            Managed::Clear => None,
        };
        assert_eq!(shown.get(attribute), expect, "{attribute}");
    }
}

/// Everything that is ever done to an account, and what it cost.
async fn live(target: &Target) -> CallCounts {
    target.check().await.expect("it can be used");
    let boss = target.create(&user("boss@acme.test", [])).await.expect("a boss");
    let chief = target.create(&user("chief@acme.test", [])).await.expect("a chief");
    let wanted = user(
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
    let made = target.create(&wanted).await.expect("Ada");
    check(&made, &wanted);
    let error = target.create(&wanted).await.expect_err("there is one");
    assert!(matches!(error, TargetError::Conflict { .. }), "{error}");
    assert_eq!(target.list(1).await.expect("a list").total, 3);

    let now = target.find_by_user_name(&name(ADA)).await.expect("it answers").expect("there");
    // SCIMMY looks names up as they are spelled.
    let read = target.find_by_listing(&name("ADA@acme.test"), 10).await.expect("it answers");
    assert_eq!(read.as_ref(), Some(&now));
    let ada = owned(&now.account.id);
    let wanted = user(
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
    let changed = target.update(&ada, &now, &wanted).await.expect("it can be changed");
    check(&changed, &wanted);
    // Nobody mapped these.
    let kept = [("nickName", text("Countess")), ("costCenter", text("98765")), ("emails.work", text(ADA))];
    check(&changed, &user(ADA, kept));
    let before = target.calls();
    assert_eq!(target.update(&ada, &changed, &wanted).await.as_ref(), Ok(&changed));
    assert_eq!(target.calls(), before, "what is as it should be costs nothing");

    let alone = user("king@acme.test", [("manager", Managed::Clear)]);
    let renamed = target.update(&ada, &changed, &alone).await.expect("it can be renamed");
    check(&renamed, &alone);
    assert!(!target.set_active(&ada, false).await.expect("off").account.active);
    assert!(target.set_active(&ada, true).await.expect("on").account.active);
    let found = target.find_by_external_id("a-1").await.expect("it answers").expect("there").account;
    assert_eq!((found.id, found.user_name.as_deref()), (now.account.id, Some("king@acme.test")));

    assert_eq!(target.delete(&ada).await, Ok(DeleteOutcome::Deleted));
    assert_eq!(target.delete(&ada).await, Ok(DeleteOutcome::AlreadyGone));
    assert_eq!(target.fetch(ada.id()).await, Err(TargetError::NotFound));
    target.calls()
}

#[tokio::test]
async fn by_patch() {
    for (product, reads) in [(ScimProduct::Scim2Server, 13), (ScimProduct::Scimmy, 9)] {
        let server = ScimServer::start(product).unwrap();
        // Three reads are about the server itself. scim2-server answers a PATCH with nothing, so each is followed by a look.
        assert_eq!(live(&client(&server)).await, CallCounts { reads, writes: 10, throttled: 0 }, "{product}");
    }
}

#[tokio::test]
async fn by_put() {
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
            live(&client(&server)).await,
            CallCounts { reads: 11, writes: 10, throttled: 0 },
            "{product}"
        );
    }
}

#[tokio::test]
async fn a_wrong_token_is_told_from_a_wrong_user() {
    for product in ScimProduct::ALL {
        let server = ScimServer::start(product).unwrap();
        let error = client_with(&server, "another").check().await.unwrap_err();
        assert!(matches!(error, TargetError::Unauthorized { .. }), "{product}: {error}");
    }
}

#[tokio::test]
async fn their_schemas_have_all_that_the_dialect_has() {
    for product in ScimProduct::ALL {
        let server = ScimServer::start(product).unwrap();
        let target = client(&server);
        let lacking = target.missing_from_schemas(target.dialect().attributes()).await.unwrap();
        assert_eq!(lacking, Vec::<&str>::new(), "{product}");
    }
}
