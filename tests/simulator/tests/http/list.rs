use serde_json::{Value, json};
use simulator::{DateForm, EmptyListForm, IdForm, SimulatorOptions};

use crate::client::{ENTERPRISE, STATUS, TestClient, new_user};

async fn with_users(count: usize, options: SimulatorOptions) -> TestClient {
    let client = TestClient::start(options).await;
    for number in 1..=count {
        client.simulator.seed(new_user(&format!("u{number}@acme.test")));
    }
    client
}

fn numbers(page: &Value) -> (u64, u64, u64, usize) {
    let number = |name: &str| page[name].as_u64().unwrap();
    (
        number("totalResults"),
        number("startIndex"),
        number("itemsPerPage"),
        page["Resources"].as_array().map_or(0, Vec::len),
    )
}

#[tokio::test]
async fn start_index_counts_from_one() {
    let client = with_users(25, SimulatorOptions::default()).await;
    for (query, expect) in [
        ("", (25, 1, 10, 10)),
        ("?startIndex=21", (25, 21, 5, 5)),
        ("?startIndex=26", (25, 26, 0, 0)),
        ("?startIndex=0&count=3", (25, 1, 3, 3)),
        ("?startIndex=-4&count=3", (25, 1, 3, 3)),
        ("?count=100", (25, 1, 25, 25)),
        ("?count=0", (25, 1, 0, 0)),
        ("?count=-1", (25, 1, 0, 0)),
        ("?startIndex=9223372036854775807&count=9223372036854775807", (25, i64::MAX as u64, 0, 0)),
    ] {
        let page = client.get(&format!("/Users{query}")).await.json();
        assert_eq!(numbers(&page), expect, "{query}");
    }
    let page = client.get("/Users?startIndex=11&count=1").await.json();
    assert_eq!(page["Resources"][0]["userName"], "u11@acme.test");
    assert_eq!(client.get("/Users?startIndex=x").await.status, 400);
    assert_eq!(client.get("/Users?count=1.5").await.status, 400);
}

#[tokio::test]
async fn page_never_exceeds_the_maximum() {
    let options = SimulatorOptions { page_max: 7, ..SimulatorOptions::default() };
    let client = with_users(20, options).await;
    let page = client.get("/Users?count=100").await.json();
    assert_eq!(numbers(&page), (20, 1, 7, 7));
}

#[tokio::test]
async fn filter_finds_user_names_without_case() {
    let client = with_users(3, SimulatorOptions::default()).await;
    client.simulator.seed(json!({"userName": "o'neil+x@acme.test", "externalId": r#"q"\x"#}));
    for (filter, found) in [
        (r#"userName eq "u2@acme.test""#, 1),
        (r#"userName eq "U2@ACME.TEST""#, 1),
        (r#"userName eq "o'neil+x@acme.test""#, 1),
        (r#"userName eq "u4@acme.test""#, 0),
        (r#"externalId eq "q\"\\x""#, 1),
        (r#"externalId eq "Q\"\\X""#, 0),
    ] {
        let page = client.find(filter).await.json();
        let (total, _, items, listed) = numbers(&page);
        assert_eq!((total, items, listed), (found, found, found as usize), "{filter}");
    }
    for filter in ["", "active eq true", r#"userName co "u""#, "userName eq u"] {
        assert_eq!(client.find(filter).await.status, 400, "{filter}");
    }
}

#[tokio::test]
async fn empty_list_has_two_forms() {
    let nothing = r#"userName eq "x@y.z""#;
    let client = TestClient::default().await;
    assert_eq!(client.find(nothing).await.json()["Resources"], json!([]));
    let client = TestClient::start(SimulatorOptions {
        no_match: EmptyListForm::Absent,
        ..SimulatorOptions::default()
    })
    .await;
    let answer = client.find(nothing).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["totalResults"], 0);
    assert_eq!(answer.json().get("Resources"), None);
}

#[tokio::test]
async fn ids_and_dates_have_two_forms() {
    let client = TestClient::start(SimulatorOptions {
        ids: IdForm::Text,
        dates: DateForm::Iso8601,
        ..SimulatorOptions::default()
    })
    .await;
    let manager = client.post(new_user("m@acme.test")).await.json();
    assert_eq!(manager["id"], "100000000000001");
    assert!(manager[STATUS]["inviteDate"].is_string());
    let mut body = new_user("a@acme.test");
    body[ENTERPRISE] = json!({"manager": {"managerId": manager["id"]}});
    let account = client.post(body).await.json();
    assert_eq!(account[ENTERPRISE]["manager"]["managerId"], manager["id"]);
}

#[tokio::test]
async fn server_announces_its_features() {
    let client = TestClient::default().await;
    let config = client.get("/ServiceProviderConfigs").await.json();
    assert_eq!(config["patch"]["supported"], true);
    let schema = client.get("/Schemas/Users").await.json();
    let attributes = schema["attributes"].as_array().unwrap();
    assert!(attributes.iter().any(|a| a["name"] == "userName"));
    assert_eq!(client.get("/Groups").await.status, 404);
}
