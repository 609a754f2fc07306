use simulator::SimulatorOptions;

use crate::client::{STATUS, TestClient, ada};

#[tokio::test]
async fn unclaimed_account_is_deleted() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::default()).await;
    assert_eq!(client.delete(id).await.status, 200);
    assert_eq!(client.get(&format!("/Users/{id}")).await.status, 404);
    assert_eq!(client.delete(id).await.status, 404);
    let again = client.post(ada()).await;
    assert_eq!(again.status, 201, "the user name is free");
    assert_ne!(again.json()["id"], id, "the id is not reused");
}

#[tokio::test]
async fn claimed_account_is_not_deleted() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::default()).await;
    assert!(client.simulator.set_claimed("ADA@acme.test", true));
    assert_eq!(client.ada()[STATUS]["canDelete"], false);
    assert_eq!(client.delete(id).await.status, 412);
    assert_eq!(client.simulator.accounts().len(), 1);
}
