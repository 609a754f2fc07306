use simulator::SimulatorOptions;

use crate::client::{Client, STATUS, ada};

#[tokio::test]
async fn an_account_that_nobody_claimed_is_deleted() {
    let (client, id) = Client::with_ada(SimulatorOptions::default()).await;
    assert_eq!(client.delete(id).await.status, 200);
    assert_eq!(client.get(&format!("/Users/{id}")).await.status, 404);
    assert_eq!(client.delete(id).await.status, 404);
    let again = client.post(ada()).await;
    assert_eq!(again.status, 201, "its name is free");
    assert_ne!(again.json()["id"], id, "its id is not");
}

#[tokio::test]
async fn an_account_that_was_claimed_is_not() {
    let (client, id) = Client::with_ada(SimulatorOptions::default()).await;
    assert!(client.simulator.set_claimed("ADA@acme.test", true));
    assert_eq!(client.ada()[STATUS]["canDelete"], false);
    assert_eq!(client.delete(id).await.status, 412);
    assert_eq!(client.simulator.accounts().len(), 1);
}
