//! HTTP client for the tests.

use reqwest::{Method, Response, header};
use serde_json::{Value, json};
use simulator::{Simulator, SimulatorOptions};

pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub const STATUS: &str = "urn:ietf:params:scim:schemas:extension:facebook:accountstatusdetails:2.0:User";

pub struct TestClient {
    pub simulator: Simulator,
    http: reqwest::Client,
}

/// Response with any body.
#[derive(Debug)]
pub struct ClientResponse {
    pub status: u16,
    pub headers: header::HeaderMap,
    pub text: String,
}

impl ClientResponse {
    pub async fn read(response: Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// Text of an error of the `Errors` shape.
    pub fn description(&self) -> String {
        let body = self.json();
        body["Errors"][0]["description"].as_str().unwrap().to_owned()
    }
}

impl TestClient {
    pub async fn start(options: SimulatorOptions) -> Self {
        Self { simulator: Simulator::start(options).await.unwrap(), http: reqwest::Client::new() }
    }

    pub async fn default() -> Self {
        Self::start(SimulatorOptions::default()).await
    }

    /// Request without token and user agent.
    pub fn bare(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.simulator.url());
        self.http.request(method, url)
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.bare(method, path).bearer_auth(self.simulator.token()).header(header::USER_AGENT, "test")
    }

    pub async fn get(&self, path: &str) -> ClientResponse {
        send(self.request(Method::GET, path)).await
    }

    pub async fn find(&self, filter: &str) -> ClientResponse {
        send(self.request(Method::GET, "/Users").query(&[("filter", filter)])).await
    }

    pub async fn post(&self, body: Value) -> ClientResponse {
        send(self.request(Method::POST, "/Users").json(&body)).await
    }

    pub async fn put(&self, id: u64, body: Value) -> ClientResponse {
        let path = format!("/Users/{id}");
        send(self.request(Method::PUT, &path).json(&body)).await
    }

    pub async fn patch(&self, id: u64, operations: Value) -> ClientResponse {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        });
        let path = format!("/Users/{id}");
        send(self.request(Method::PATCH, &path).json(&body)).await
    }

    pub async fn delete(&self, id: u64) -> ClientResponse {
        send(self.request(Method::DELETE, &format!("/Users/{id}"))).await
    }

    /// Simulator with one account.
    pub async fn with_ada(options: SimulatorOptions) -> (Self, u64) {
        let client = Self::start(options).await;
        let id = client.simulator.seed(ada());
        (client, id)
    }

    pub fn ada(&self) -> Value {
        self.simulator.account("ada@acme.test").unwrap()
    }
}

pub async fn send(request: reqwest::RequestBuilder) -> ClientResponse {
    ClientResponse::read(request.send().await.unwrap()).await
}

pub fn ada() -> Value {
    json!({
        "userName": "ada@acme.test",
        "externalId": "a-1",
        "active": true,
        "name": {"formatted": "Ada Lovelace", "givenName": "Ada", "familyName": "Lovelace"},
        "title": "Analyst",
        "emails": [{"value": "ada@acme.test", "type": "work", "primary": true}],
        ENTERPRISE: {"department": "Research", "costCenter": "98765"},
    })
}

pub fn new_user(user_name: &str) -> Value {
    json!({"userName": user_name, "name": {"formatted": "Bob"}})
}
