use serde_json::json;
use simulator::SimulatorOptions;

use crate::client::{Client, ENTERPRISE, STATUS, ada, person};

#[tokio::test]
async fn what_it_holds_can_be_given_to_another() {
    let (client, id) = Client::with_ada(SimulatorOptions::default()).await;
    client.simulator.set_claimed("ada@acme.test", true);
    let held = client.ada();
    let other = Client::default().await;
    assert_eq!(other.simulator.seed(held.clone()), id);
    assert_eq!(other.ada(), held);
    let next = other.simulator.seed(person("bob@acme.test"));
    assert_eq!(next, id + 1);
}

#[tokio::test]
async fn a_seed_takes_the_place_of_its_rival() {
    let (client, id) = Client::with_ada(SimulatorOptions::default()).await;
    let new = client.simulator.seed(person("ADA@acme.test"));
    assert_ne!(new, id);
    assert_eq!(client.simulator.accounts().len(), 1);
    client.simulator.seed(json!("nonsense"));
    assert_eq!(client.simulator.accounts().len(), 2);
}

#[tokio::test]
async fn a_seed_in_a_strange_state_can_still_be_changed() {
    let client = Client::default().await;
    let id = client.simulator.seed(json!({"userName": "jsmith"}));
    let answer = client.put(id, json!({"active": false})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["active"], false);
}

#[tokio::test]
async fn somebody_else_changes_things() {
    let (client, _) = Client::with_ada(SimulatorOptions::default()).await;
    let simulator = &client.simulator;
    assert!(simulator.edit(
        "ada@acme.test",
        json!({"userName": "al@acme.test", "title": null, ENTERPRISE: {"department": "X"}, STATUS: {"claimed": true}}),
    ));
    assert_eq!(simulator.account("ada@acme.test"), None);
    let account = simulator.account("al@acme.test").unwrap();
    assert_eq!(account.get("title"), None);
    assert_eq!(account[ENTERPRISE]["costCenter"], "98765");
    assert_eq!(account[STATUS]["claimed"], true);
    assert!(simulator.remove("al@acme.test"));
    assert!(!simulator.remove("al@acme.test"));
    assert!(!simulator.edit("al@acme.test", json!({})));
    assert!(!simulator.set_claimed("al@acme.test", true));
    assert!(simulator.accounts().is_empty());
    assert_eq!(simulator.request_count(), 0);
}

#[tokio::test]
async fn requests_are_logged_in_order() {
    let client = Client::default().await;
    client.find(r#"userName eq "ada@acme.test""#).await;
    let id = client.post(ada()).await.json()["id"].as_u64().unwrap();
    client.put(id, json!({"title": "Analyst"})).await;
    client.put(id, json!({"title": "Countess"})).await;
    client.delete(id).await;
    let log = client.simulator.requests();
    let lines: Vec<String> = log.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            r#"GET /Users?filter=userName eq "ada@acme.test" → 200"#,
            "POST /Users → 201",
            "PUT /Users/100000000000001 → 200",
            "PUT /Users/100000000000001 → 200",
            "DELETE /Users/100000000000001 → 200",
        ]
    );
    assert_eq!(log[0].filter(), Some(r#"userName eq "ada@acme.test""#));
    assert_eq!(log[1].body, Some(ada()));
    assert_eq!(
        log.iter().map(|r| (r.write, r.changed)).collect::<Vec<_>>(),
        [(false, false), (true, true), (true, false), (true, true), (true, true)]
    );
    assert!(log.is_sorted_by_key(|request| request.at));
    assert_eq!(client.simulator.request_count(), 5);
    assert_eq!(client.simulator.writes().len(), 4);
    client.simulator.clear_requests();
    assert_eq!(client.simulator.requests(), []);
}

#[tokio::test]
async fn it_stops_when_it_is_dropped() {
    let client = Client::default().await;
    client.get("/Users").await;
    let url = client.simulator.url();
    drop(client.simulator);
    let stopped = async {
        while reqwest::get(&url).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(5);
    tokio::time::timeout(patience, stopped).await.unwrap();
}
