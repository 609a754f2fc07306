//! Users at a simulated target: which requests are sent, and what the record says afterwards. The state is the embedded
//! engine, and the test sets the time.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail loudly"
)]

use std::cell::Cell;
use std::time::Duration;

use model::{
    Anchor, CompleteRead, DeprovisionReason, Desired, DesiredUser, DnKey, Freshness, FreshnessProof, Managed,
    Options, ReadEvidence, RemoveAction, Status, TargetIdentity, UnixSeconds, UserName, UserRecord, Value,
};
use plan::{ReleasedRemoval, RemovalCandidate, SafeguardInputs, SafetyLimits, check_removals};
use provision::{Action, Health, Outcome, Provisioner};
use scim::{Dialect, RetryPolicy, Target, TargetCredentials, TargetOptions};
use serde_json::{Value as Json, json};
use simulator::{FaultEffect, ReplyBody, SimulatedReply, Simulator, SimulatorOptions, TargetFault};
use store::{DesiredWrite, Embedded, ScanLease, Store, Table};

const BEGIN: UnixSeconds = UnixSeconds(1_800_000_000);
const DAY: i64 = 24 * 60 * 60;
const USERS: &str = "/scim/v2/Users";
const MANAGER: &str = "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/manager/value";

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(BEGIN.0) };
}

fn clock() -> UnixSeconds {
    UnixSeconds(NOW.get())
}

/// One connection with its state and a target that conforms to the RFCs.
struct SimulatedConnection {
    server: Simulator,
    target: Target,
    store: Store,
    table: Table,
    health: Health,
    options: Options,
    max_link_drops: u64,
    _engine: Embedded,
}

impl SimulatedConnection {
    async fn start() -> Self {
        let server = Simulator::start(SimulatorOptions::scim2()).await.unwrap();
        let retry = RetryPolicy {
            attempts: 2,
            initial_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(5),
        };
        let options = TargetOptions {
            url: server.url(),
            timeout: Duration::from_secs(30),
            retry,
            max_concurrent_calls: 4,
            now: clock,
        };
        let credentials = TargetCredentials { access_token: server.token().into(), app_secret: None };
        let target = Target::new(Dialect::named("scim2").unwrap(), options, credentials).unwrap();
        let (engine, table) = Embedded::in_memory().await.unwrap();
        Self {
            server,
            target,
            store: table.connection("corp"),
            table,
            health: Health::default(),
            options: Options::default(),
            max_link_drops: 10,
            _engine: engine,
        }
    }

    async fn scan(&self) -> ScanLease {
        self.store.take_lease("scan", clock(), 900).await.unwrap().unwrap()
    }

    /// Writes a desired user, as a scan does.
    async fn want(&self, user: &str, attributes: &[(&str, Value)]) {
        let managed = |(name, value): &(&str, Value)| ((*name).into(), Managed::Set(value.clone()));
        let desired = Desired::Present(DesiredUser {
            user_name: user_name(user),
            active: true,
            attributes: attributes.iter().map(managed).collect(),
            create_only: Default::default(),
        });
        let previous = self.store.fetch_record(anchor(user).hash()).await.unwrap();
        let write = DesiredWrite {
            anchor: anchor(user),
            dn: Some(dn(user)),
            desired,
            status: Status::Pending,
            previous,
        };
        self.store.write_desired(&self.scan().await, write).await.unwrap();
    }

    /// Writes a removal that the safeguard released.
    async fn remove(&self, user: &str) {
        self.store.write_removal(&self.scan().await, &released(user)).await.unwrap();
    }

    fn provisioner(&self) -> Provisioner<'_> {
        Provisioner {
            store: &self.store,
            target: &self.target,
            health: &self.health,
            options: &self.options,
            max_link_drops: self.max_link_drops,
            max_attempts: 5,
            requests: None,
            owner: "worker",
            lease_seconds: 300,
            clock,
        }
    }

    async fn provision(&self, user: &str) -> Outcome {
        self.provisioner().provision(anchor(user).hash()).await.unwrap().outcome
    }

    /// Provisions a user with an account as desired, and forgets the requests.
    async fn create(&self, user: &str, attributes: &[(&str, Value)]) {
        self.want(user, attributes).await;
        assert!(matches!(self.provision(user).await, Outcome::InSync { .. }), "{user}");
        self.server.clear_requests();
    }

    async fn record(&self, user: &str) -> UserRecord {
        self.store.fetch_record(anchor(user).hash()).await.unwrap().unwrap()
    }

    fn account(&self, user: &str) -> Json {
        self.server.account(user_name(user).as_str()).unwrap()
    }

    /// Method and status of each write.
    fn writes(&self) -> Vec<String> {
        let writes = self.server.writes();
        writes.iter().map(|write| format!("{} {}", write.method, write.status)).collect()
    }

    fn answer(&self, method: &str, reply: SimulatedReply) {
        self.server.inject(TargetFault::always(FaultEffect::Answer(reply)).method(method).path(USERS));
    }
}

fn anchor(user: &str) -> Anchor {
    Anchor::from_text(&format!("anchor-{user}")).unwrap()
}

fn user_name(user: &str) -> UserName {
    UserName::new(&format!("{user}@acme.test")).unwrap()
}

fn dn(user: &str) -> DnKey {
    DnKey::of(&format!("uid={user},dc=acme,dc=test"))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn released(user: &str) -> ReleasedRemoval {
    let proof = CompleteRead::verify(ReadEvidence {
        page_results: vec![0],
        ended_by_server: true,
        base_readable: (true, true),
        server: ("a".into(), "a".into()),
        freshness: Freshness::Proved(FreshnessProof::FirstRead),
        ..ReadEvidence::default()
    });
    let (user_name, reason) = (Some(user_name(user)), DeprovisionReason::OutOfScope);
    let candidate = RemovalCandidate {
        anchor: anchor(user),
        dn: None,
        user_name: user_name.clone(),
        reason,
        desired: Desired::Absent { user_name, reason },
        never_written: false,
    };
    let inputs = SafeguardInputs { enabled_accounts: 1_000, ..SafeguardInputs::default() };
    let judged = check_removals(vec![candidate], &proof.unwrap(), &SafetyLimits::default(), &inputs);
    judged.released.into_iter().next().unwrap()
}

#[tokio::test]
async fn refused_deletion_is_followed_by_a_deactivation() {
    for status in [400, 403, 409, 412, 500, 501] {
        let mut connection = SimulatedConnection::start().await;
        connection.options.remove_action = RemoveAction::Delete;
        connection.create("ada", &[]).await;
        connection.remove("ada").await;
        connection.answer("DELETE", SimulatedReply::status(status));
        let outcome = connection.provision("ada").await;
        let Outcome::InSync { actions, .. } = outcome else { panic!("{status}: {outcome:?}") };
        assert_eq!(actions, [Action::DeactivateInstead(DeprovisionReason::OutOfScope)], "{status}");
        assert_eq!(connection.account("ada").get("active"), Some(&json!(false)), "{status}");
        assert!(connection.record("ada").await.link.is_some(), "{status}");
    }
}

#[tokio::test]
async fn refused_deletion_is_reported_if_the_deactivation_is_refused_too() {
    let mut connection = SimulatedConnection::start().await;
    connection.options.remove_action = RemoveAction::Delete;
    connection.create("ada", &[]).await;
    connection.remove("ada").await;
    for (method, words) in [("DELETE", "owner of a workspace"), ("PATCH", "no patches"), ("PUT", "no puts")] {
        connection.answer(method, SimulatedReply::json(400, json!({"detail": words})));
    }
    connection.provision("ada").await;
    let Status::Failed { error } = connection.record("ada").await.status else { panic!("not failed") };
    assert!(error.contains("owner of a workspace"), "{error}");
    assert_eq!(connection.account("ada").get("active"), Some(&json!(true)));
}

#[tokio::test]
async fn creation_with_an_unexpected_answer_is_linked_at_once() {
    for content in [ReplyBody::Empty, ReplyBody::Html, ReplyBody::Json(json!({"message": "ok"}))] {
        let connection = SimulatedConnection::start().await;
        connection.want("ada", &[]).await;
        let reply = SimulatedReply::status(200).content(content.clone());
        connection.server.inject(TargetFault::once(FaultEffect::EffectThenAnswer(reply)).method("POST"));
        let outcome = connection.provision("ada").await;
        assert!(matches!(outcome, Outcome::InSync { .. }), "{content:?}: {outcome:?}");
        let link = connection.record("ada").await.link.unwrap();
        assert_eq!(connection.account("ada").get("id"), Some(&json!(link.account.as_str())), "{content:?}");
        assert_eq!(connection.writes(), ["POST 200"], "{content:?}");
    }
}

#[tokio::test]
async fn refusal_of_a_creation_is_reported_whatever_the_following_search_meets() {
    for status in [403, 404, 500, 501] {
        let connection = SimulatedConnection::start().await;
        connection.want("ada", &[("title", text("Analyst"))]).await;
        let none = SimulatedReply::json(200, json!({"totalResults": 0, "Resources": []}));
        let before = TargetFault::once(FaultEffect::Answer(none)).method("GET").path(&format!("{USERS}$"));
        connection.server.inject(before);
        connection.answer("GET", SimulatedReply::status(status));
        connection.answer("POST", SimulatedReply::json(400, json!({"detail": "title: is too long"})));
        let outcome = connection.provision("ada").await;
        assert!(
            matches!(outcome, Outcome::Failed { stop: None, retry_at: None, .. }),
            "{status}: {outcome:?}"
        );
        let Status::Failed { error } = connection.record("ada").await.status else { panic!("{status}") };
        assert!(error.contains("title: is too long"), "{status}: {error}");
    }
}

#[tokio::test]
async fn refused_reference_is_sent_again_with_growing_pauses() {
    let connection = SimulatedConnection::start().await;
    connection.create("boss", &[]).await;
    connection.want("ada", &[("manager", Value::Reference(dn("boss")))]).await;
    connection.answer("POST", SimulatedReply::json(400, json!({"detail": "manager.value: no such account"})));
    for pause in [30, 60, 120] {
        connection.provision("ada").await;
        let record = connection.record("ada").await;
        assert!(matches!(record.status, Status::Retrying { .. }), "{:?}", record.status);
        assert_eq!(record.next_attempt, clock().plus(pause));
        NOW.set(record.next_attempt.0);
    }
    connection.server.clear_faults();
    assert!(matches!(connection.provision("ada").await, Outcome::InSync { .. }));
    assert_eq!(connection.account("ada").pointer(MANAGER), connection.account("boss").get("id"));
}

#[tokio::test]
async fn refusal_that_names_no_reference_is_not_sent_again() {
    let connection = SimulatedConnection::start().await;
    connection.create("boss", &[]).await;
    connection.want("ada", &[("manager", Value::Reference(dn("boss"))), ("title", text("Analyst"))]).await;
    connection.answer("POST", SimulatedReply::json(400, json!({"detail": "title: is too long"})));
    connection.provision("ada").await;
    let status = connection.record("ada").await.status;
    assert!(matches!(status, Status::Failed { .. }), "{status:?}");
}

#[tokio::test]
async fn value_that_the_target_stores_otherwise_is_remembered_and_not_sent_again() {
    let connection = SimulatedConnection::start().await;
    let user = |nick: &str| [("title", text("Poet")), ("nickName", text(nick))];
    connection.want("ada", &user("Countess")).await;
    let id = "100000000000001";
    let stored = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": id, "active": true,
        "userName": user_name("ada").as_str(), "title": "poet", "nickName": "Countess",
    });
    let reply = FaultEffect::EffectThenAnswer(SimulatedReply::json(201, stored));
    connection.server.inject(TargetFault::once(reply).method("POST"));
    let outcome = connection.provision("ada").await;
    assert!(matches!(outcome, Outcome::InSync { .. }), "{outcome:?}");
    assert!(connection.server.edit(user_name("ada").as_str(), json!({"title": "poet"})));
    assert_eq!(connection.account("ada").get("id"), Some(&json!(id)));

    let applied = connection.record("ada").await.link.unwrap().applied.unwrap();
    assert!(applied.keeps(&"title".into(), Some(&text("poet"))));
    assert!(!applied.keeps(&"title".into(), Some(&text("clerk"))));
    assert!(!applied.keeps(&"nickName".into(), Some(&text("Countess"))));

    // The answer to the next change shows the stored form again.
    connection.server.clear_requests();
    connection.want("ada", &user("Ada")).await;
    connection.provision("ada").await;
    assert_eq!(connection.writes(), ["PATCH 200"]);
    let body = connection.server.writes()[0].body.as_ref().unwrap().to_string();
    assert!(body.contains("nickName") && !body.contains("title"), "{body}");
}

/// Two units of a company with one target: the user leaves the first one and joins the second one under the same name.
#[tokio::test]
async fn account_passes_to_the_connection_that_claims_its_user_name() {
    let mut connection = SimulatedConnection::start().await;
    let target = TargetIdentity::new("https://target.test", "scim2");
    let stores = ["north", "south"].map(|name| connection.table.connection(name));
    for store in &stores {
        let scan = store.take_lease("scan", clock(), 900).await.unwrap().unwrap();
        store.bind_target(&scan, &target).await.unwrap();
    }
    // Each store reads its siblings once, so they are opened after both have a target.
    let [north, south] = ["north", "south"].map(|name| connection.table.connection(name));
    connection.store = north.clone();
    connection.create("ada", &[]).await;
    connection.remove("ada").await;
    connection.store = south.clone();
    connection.want("ada", &[]).await;

    connection.store = north;
    let outcome = connection.provision("ada").await;
    let Outcome::InSync { actions, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(actions, [Action::PassTo { connection: "south".to_owned() }]);
    assert_eq!(connection.record("ada").await.link, None);
    connection.store = south;
    let outcome = connection.provision("ada").await;
    let Outcome::InSync { actions, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(actions, [Action::Link]);
    assert_eq!(connection.account("ada").get("active"), Some(&json!(true)));
    assert_eq!(connection.writes(), Vec::<String>::new());
}

/// Deletes an account at the target and changes the user, so that provisioning finds the account gone.
async fn lose_account(connection: &SimulatedConnection, user: &str) -> Outcome {
    assert!(connection.server.remove(user_name(user).as_str()));
    connection.want(user, &[("title", text("Poet"))]).await;
    connection.provision(user).await
}

async fn expect_kept(connection: &SimulatedConnection, user: &str) {
    let record = connection.record(user).await;
    assert_eq!(record.status, Status::AccountGone, "{user}");
    assert!(record.link.is_some() && connection.server.account(user_name(user).as_str()).is_none(), "{user}");
}

async fn expect_created_anew(connection: &SimulatedConnection, user: &str) {
    let record = connection.record(user).await;
    assert_eq!(record.status, Status::InSync, "{user}");
    let link = record.link.unwrap();
    assert_eq!(connection.account(user).get("id"), Some(&json!(link.account.as_str())), "{user}");
}

#[tokio::test]
async fn approval_resets_the_limit_on_dropped_links_for_the_approved_number() {
    let mut connection = SimulatedConnection::start().await;
    connection.max_link_drops = 1;
    for user in ["ada", "bob", "eve", "joe"] {
        connection.create(user, &[]).await;
    }
    lose_account(&connection, "ada").await;
    expect_created_anew(&connection, "ada").await;
    for user in ["bob", "eve"] {
        lose_account(&connection, user).await;
        expect_kept(&connection, user).await;
    }
    NOW.set(BEGIN.0 + 3 * DAY);
    assert!(matches!(connection.provision("bob").await, Outcome::NothingToDo));
    expect_kept(&connection, "bob").await;

    connection.store.approve_link_drops(2, clock()).await.unwrap();
    for user in ["bob", "eve"] {
        connection.provision(user).await;
        expect_created_anew(&connection, user).await;
    }
    lose_account(&connection, "joe").await;
    expect_kept(&connection, "joe").await;
}

#[tokio::test]
async fn limit_on_dropped_links_begins_anew_after_a_day_without_waiting_users() {
    let mut connection = SimulatedConnection::start().await;
    connection.max_link_drops = 1;
    for user in ["ada", "bob", "eve"] {
        connection.create(user, &[]).await;
    }
    lose_account(&connection, "ada").await;
    NOW.set(BEGIN.0 + DAY);
    lose_account(&connection, "bob").await;
    expect_created_anew(&connection, "bob").await;
    lose_account(&connection, "eve").await;
    expect_kept(&connection, "eve").await;
}
