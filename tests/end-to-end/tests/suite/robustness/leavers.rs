//! A user who leaves is off, or the status says that it is not: over every request, every answer and both families of
//! dialects. No cell of the table ends in sync with an active account.

use std::{collections::BTreeMap, fmt};

use model::Status;
use serde_json::json;
use simulator::{ActiveForm, FaultEffect, ReplyBody, SimulatedReply, SimulatorOptions, TargetFault};

use super::engine::{EngineOptions, OneUser};

const SCIM_ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// How a user leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// Out of the group; the account is deactivated.
    OutOfScope,
    /// Out of the group; the account is deleted.
    OutOfScopeWithDelete,
    /// Disabled, with another title; disabled users are provisioned.
    Disabled,
}

impl Leaving {
    const ALL: [Self; 3] = [Self::OutOfScope, Self::OutOfScopeWithDelete, Self::Disabled];

    fn options(self) -> &'static str {
        match self {
            Self::OutOfScope => "",
            Self::OutOfScopeWithDelete => "remove_action = \"delete\"\n",
            Self::Disabled => "provision_disabled = true\n",
        }
    }

    fn leave(self, one: &OneUser) {
        match self {
            Self::OutOfScope | Self::OutOfScopeWithDelete => one.leave(),
            Self::Disabled => {
                one.set("employeeType", "disabled");
                one.set("title", "Left");
            }
        }
    }

    fn come_back(self, one: &OneUser) {
        match self {
            Self::OutOfScope | Self::OutOfScopeWithDelete => one.come_back(),
            Self::Disabled => {
                one.set("employeeType", "active");
                one.set("title", &one.person.title);
            }
        }
    }
}

/// Requests that get the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnsweredRequests {
    Put,
    Patch,
    Delete,
    GetById,
    List,
    ById,
    All,
}

impl AnsweredRequests {
    const ALL: [Self; 7] =
        [Self::Put, Self::Patch, Self::Delete, Self::GetById, Self::List, Self::ById, Self::All];

    fn fault(self, base: &str, effect: FaultEffect) -> TargetFault {
        let fault = TargetFault::always(effect);
        let by_id = format!("{base}/Users/");
        match self {
            Self::Put => fault.method("PUT"),
            Self::Patch => fault.method("PATCH"),
            Self::Delete => fault.method("DELETE"),
            Self::GetById => fault.method("GET").path(&by_id),
            Self::List => fault.method("GET").path(&format!("{base}/Users$")),
            Self::ById => fault.path(&by_id),
            Self::All => fault,
        }
    }
}

/// Every answer of the table, with its name.
fn answers() -> Vec<(String, FaultEffect)> {
    let mut answers = vec![
        ("no effect, the account as it is".to_owned(), FaultEffect::Ignore),
        ("no answer".to_owned(), FaultEffect::Drop),
        ("no answer after the effect".to_owned(), FaultEffect::EffectThenDrop),
        ("a part of the account".to_owned(), FaultEffect::EffectThenPartial),
        ("token expired".to_owned(), FaultEffect::TokenExpired),
        ("throttled".to_owned(), FaultEffect::TooManyRequests { retry_after: Some(60) }),
        ("throttled by Graph".to_owned(), FaultEffect::GraphThrottle { status: 400, code: 4 }),
    ];
    let mut add = |status: u16, name: &str, content: ReplyBody| {
        let reply = SimulatedReply::status(status).content(content);
        answers.push((format!("{status} {name}"), FaultEffect::Answer(reply)));
    };
    for status in [200, 204] {
        add(status, "empty", ReplyBody::Empty);
    }
    for (name, body) in [
        ("{}", json!({})),
        ("null", json!(null)),
        ("message", json!({"message": "ok"})),
        ("list", json!({"totalResults": 0, "Resources": []})),
        ("other account", json!({"id": "1", "userName": "boss@acme.test", "active": false})),
    ] {
        add(200, name, ReplyBody::Json(body));
    }
    add(200, "HTML", ReplyBody::Html);
    add(200, "cut off", ReplyBody::MalformedJson);
    add(302, "empty", ReplyBody::Empty);
    for status in [400, 401, 403, 405, 409, 410, 412, 422, 500, 501, 502, 503] {
        add(status, "error", ReplyBody::Error);
    }
    add(
        400,
        "invalidPath",
        ReplyBody::Json(json!({"schemas": [SCIM_ERROR], "status": "400", "scimType": "invalidPath"})),
    );
    for (name, content) in [
        (
            "SCIM",
            ReplyBody::Json(json!({"schemas": [SCIM_ERROR], "status": "404", "detail": "no such user"})),
        ),
        ("gateway", ReplyBody::Json(json!({"message": "no Route matched with those values"}))),
        ("text", ReplyBody::Text("404 page not found".to_owned())),
        ("HTML", ReplyBody::Html),
        ("empty", ReplyBody::Empty),
    ] {
        add(404, name, content);
    }
    answers
}

/// One cell of the table.
struct TableCell<'a> {
    kind: &'a str,
    leaving: Leaving,
    requests: AnsweredRequests,
    answer: &'a (String, FaultEffect),
}

impl fmt::Display for TableCell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, leaving, requests, answer } = self;
        write!(f, "{kind}, {leaving:?}, {requests:?}: {}", answer.0)
    }
}

fn server_of(kind: &str) -> SimulatorOptions {
    match kind {
        "scim2" => SimulatorOptions::scim2(),
        _ => SimulatorOptions { unknown_fields: false, ..SimulatorOptions::default() },
    }
}

/// Creates the account, lets its user leave while the target answers so, and expects that it is off or that the status
/// says that it is not. Then the target is well again, and it is off.
async fn run_cell(one: &mut OneUser, cell: &TableCell<'_>) -> &'static str {
    let TableCell { kind, leaving, requests, answer } = cell;
    // A new client does not know what the target refused before.
    one.engine.restart().unwrap();
    assert_eq!(one.is_active(), Some(true), "{cell}");
    leaving.leave(one);
    let base = if *kind == "scim2" { "/scim/v2" } else { "" };
    one.engine.workplace.inject(requests.fault(base, answer.1.clone()));
    one.sync().await;
    let status = one.status().await;
    let is_off = one.is_active() != Some(true);
    assert!(is_off || status != Status::InSync, "{cell}: in sync, and the account is active");

    one.engine.workplace.clear_faults();
    one.retry().await;
    assert_ne!(one.is_active(), Some(true), "{cell}: the account is active in the end");
    assert_eq!(one.status().await, Status::InSync, "{cell}");
    assert!(one.engine.workplace.accounts().len() <= 1, "{cell}: there is a second account");
    leaving.come_back(one);
    one.sync().await;
    if is_off { "off" } else { status.word() }
}

/// Runs the cells of one dialect and one way of leaving.
async fn run_table(kind: &str, leaving: Leaving) -> BTreeMap<&'static str, usize> {
    let options = EngineOptions { kind, server: server_of(kind), options: leaving.options(), mapping: "" };
    let (mut one, mut results) = (OneUser::synced(options).await, BTreeMap::new());
    for requests in AnsweredRequests::ALL {
        if requests == AnsweredRequests::Delete && leaving != Leaving::OutOfScopeWithDelete {
            continue;
        }
        for answer in &answers() {
            let cell = TableCell { kind, leaving, requests, answer };
            *results.entry(run_cell(&mut one, &cell).await).or_default() += 1;
        }
    }
    results
}

#[test]
fn leaver_is_off_or_the_status_says_that_it_is_not() {
    let tables =
        ["workplace", "scim2"].into_iter().flat_map(|kind| Leaving::ALL.map(|leaving| (kind, leaving)));
    let threads: Vec<_> = tables
        .map(|(kind, leaving)| {
            let run = move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(run_table(kind, leaving))
            };
            (kind, leaving, std::thread::spawn(run))
        })
        .collect();
    for (kind, leaving, thread) in threads {
        println!("{kind}, {leaving:?}: {:?}", thread.join().unwrap());
    }
}

#[tokio::test]
async fn user_leaves_and_returns_whatever_the_form_of_active() {
    for kind in ["workplace", "scim2"] {
        for active in
            [ActiveForm::Boolean, ActiveForm::Number, ActiveForm::Text, ActiveForm::AbsentIfInactive]
        {
            let server = SimulatorOptions { active, ..server_of(kind) };
            let one = OneUser::synced(EngineOptions { kind, server, ..EngineOptions::default() }).await;
            // Another active account shows what the target leaves out.
            one.engine.workplace.seed(json!({"userName": "other@acme.test", "active": true}));
            let expect = async |is_on: bool| {
                assert_eq!(one.status().await, Status::InSync, "{kind}, {active:?}: {}", one.why().await);
                assert_eq!(one.is_active(), Some(is_on), "{kind}, {active:?}");
            };
            expect(true).await;
            one.leave();
            one.sync().await;
            expect(false).await;
            one.come_back();
            one.sync().await;
            expect(true).await;
            assert_eq!(one.engine.sync().await.unwrap(), 0, "{kind}, {active:?}: nothing is left");
        }
    }
}
