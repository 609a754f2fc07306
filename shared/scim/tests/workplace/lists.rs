//! Multi-valued attributes at servers that store another form than was sent, and at servers that serve less.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, Uri};
use model::{AppliedState, DesiredUser};
use scim::{Dialect, Target};
use serde_json::{Value, json};

use crate::support::*;

/// How the server stores an element of `emails`.
type Stored = fn(&Value) -> Value;

/// A server with one account, which announces schemas and stores e-mail addresses in its own form.
async fn server(schemas: Value, stored: Stored) -> (Target, Arc<Mutex<Vec<Value>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (account, log) = (Arc::new(Mutex::new(json!({}))), Arc::<Mutex<Vec<Value>>>::default());
    let sent = log.clone();
    let handler = move |method: Method, uri: Uri, body: Bytes| {
        let (path, mut account) = (uri.path().to_owned(), account.lock().expect("no panic"));
        let answer = match path.rsplit('/').next() {
            Some("Schemas") => schemas.clone(),
            Some("ServiceProviderConfig" | "ResourceTypes") => json!({}),
            _ => {
                if method != Method::GET {
                    let mut body: Value = serde_json::from_slice(&body).expect("JSON");
                    let emails = body.pointer_mut("/emails").expect("addresses");
                    log.lock().expect("no panic").push(emails.clone());
                    for element in emails.as_array_mut().into_iter().flatten() {
                        *element = stored(element);
                    }
                    body.as_object_mut().expect("an object").insert("id".to_owned(), json!("1"));
                    *account = body;
                }
                account.clone()
            }
        };
        async move { answer.to_string() }
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(handler)).into_future());
    let dialect = Dialect::named("scim2").expect("a dialect");
    let target = Target::new(dialect, options_at(&url, QUICK), credentials("the-token")).expect("loopback");
    (target, sent)
}

fn with_mail(number: usize) -> DesiredUser {
    user(ADA, [("emails.work", text(&format!("ada{number}@acme.test")))])
}

/// Creates the account, changes its address ten times, and returns the lists that were sent.
async fn ten_changes(schemas: Value, stored: Stored) -> Vec<Value> {
    let (target, sent) = server(schemas, stored).await;
    let mut now = target.create(&with_mail(0)).await.expect("an account");
    for number in 1..=10 {
        let (before, user) = (with_mail(number - 1), with_mail(number));
        let applied = AppliedState::of(&before, &before, true);
        now = target.update_applied(&owned(&now), (&now, Some(&applied)), &user).await.expect("an update");
    }
    sent.lock().expect("no panic").clone()
}

#[tokio::test]
async fn list_does_not_grow_whatever_the_server_stores() {
    let forms: [(&str, Stored); 4] = [
        ("as sent", |element| element.clone()),
        ("plain texts", |element| element["value"].clone()),
        ("no type", |element| json!({"value": element["value"]})),
        ("another type", |element| json!({"type": "business", "value": element["value"]})),
    ];
    for (form, stored) in forms {
        let sent = ten_changes(json!({}), stored).await;
        assert_eq!(sent.len(), 11, "{form}: {sent:?}");
        for (number, emails) in sent.iter().enumerate() {
            assert_eq!(emails.as_array().map(Vec::len), Some(1), "{form}: {emails}");
            assert_eq!(emails[0]["value"], format!("ada{number}@acme.test"), "{form}: {emails}");
        }
    }
}

#[tokio::test]
async fn parts_that_the_schemas_lack_are_not_sent() {
    let schemas = json!({"Resources": [{
        "id": "urn:ietf:params:scim:schemas:core:2.0:User",
        "attributes": [{"name": "userName"}, {"name": "emails", "subAttributes": [{"name": "value"}]}],
    }]});
    for (number, emails) in ten_changes(schemas, |element| element.clone()).await.iter().enumerate() {
        assert_eq!(*emails, json!([{"value": format!("ada{number}@acme.test")}]));
    }
}
