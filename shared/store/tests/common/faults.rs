//! Proxy between the client and the engine that injects faults of DynamoDB.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use store::Table;

use super::Place;
use super::place::client;

/// Fault.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The request is refused with this code.
    Refused(&'static str),
    /// The transaction conflicts with another one on its first item.
    Conflict,
    /// The request succeeds, and the answer is an internal error.
    Lost,
    /// The request succeeds, and no answer comes before the client's timeout.
    Silent,
    /// Every other element of a batch is processed.
    Half,
    /// No element of a batch is processed.
    None,
}

/// Number of operations of this name that fail, after a number that succeed.
#[derive(Clone, Copy, Debug)]
pub struct FaultRule {
    pub operation: &'static str,
    pub after: usize,
    pub times: usize,
    pub fault: Fault,
}

impl FaultRule {
    /// The next operation fails.
    pub fn next(operation: &'static str, fault: Fault) -> Self {
        Self { operation, after: 0, times: 1, fault }
    }
}

pub struct Faults {
    rules: Arc<Mutex<Vec<FaultRule>>>,
    /// Operations received, in order.
    seen: Arc<Mutex<Vec<String>>>,
    /// Limits of the queries received, in order.
    limits: Arc<Mutex<Vec<Option<u64>>>>,
    pub table: Table,
    /// URL of the engine.
    pub place: Place,
}

#[derive(Clone)]
struct Proxy {
    rules: Arc<Mutex<Vec<FaultRule>>>,
    seen: Arc<Mutex<Vec<String>>>,
    limits: Arc<Mutex<Vec<Option<u64>>>>,
    upstream: String,
    http: reqwest::Client,
}

impl Faults {
    pub async fn start() -> Self {
        let place = Place::embedded().await;
        let (rules, seen, limits) = (Arc::default(), Arc::default(), Arc::default());
        let proxy = Proxy {
            rules: Arc::clone(&rules),
            seen: Arc::clone(&seen),
            limits: Arc::clone(&limits),
            upstream: place.endpoint().to_owned(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(handle).with_state(proxy);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let table = Table::new(client(&endpoint), place.table().name());
        Self { rules, seen, limits, table, place }
    }

    /// Replaces the faults.
    pub fn set(&self, rules: impl IntoIterator<Item = FaultRule>) {
        *self.rules.lock().unwrap() = rules.into_iter().collect();
    }

    /// Operations since the last call. Checks that every fault was used.
    pub fn seen(&self) -> Vec<String> {
        let left: Vec<_> = self.rules.lock().unwrap().iter().filter(|rule| rule.times > 0).copied().collect();
        assert!(left.is_empty(), "unused faults: {left:?}");
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// Limits of the queries since the last call; `None` where a page may have any number of items.
    pub fn limits(&self) -> Vec<Option<u64>> {
        std::mem::take(&mut self.limits.lock().unwrap())
    }
}

impl Faults {
    /// Refuses all transactions until the concurrent action has ended.
    pub async fn meanwhile<T>(
        &self,
        writing: impl Future<Output = T>,
        something: impl Future<Output = ()>,
    ) -> T {
        let fault = Fault::Refused("ThrottlingException");
        self.seen.lock().unwrap().clear();
        self.set([FaultRule { operation: "TransactWriteItems", after: 0, times: usize::MAX, fault }]);
        let waiting = async {
            while !self.seen.lock().unwrap().iter().any(|operation| operation == "TransactWriteItems") {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            something.await;
            self.set([]);
        };
        tokio::join!(writing, waiting).0
    }
}

impl Proxy {
    fn fault(&self, operation: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| rule.operation == operation && rule.times > 0)?;
        if rule.after > 0 {
            rule.after -= 1;
            return None;
        }
        rule.times -= 1;
        Some(rule.fault)
    }

    async fn forward(&self, headers: &HeaderMap, body: Vec<u8>) -> (StatusCode, Value) {
        let mut request = self.http.post(&self.upstream).body(body);
        for name in ["content-type", "x-amz-target", "x-amz-date", "authorization"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap())
    }
}

async fn handle(State(proxy): State<Proxy>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").unwrap().to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap().to_owned();
    proxy.seen.lock().unwrap().push(operation.clone());
    if operation == "Query" {
        let query: Value = serde_json::from_slice(&body).unwrap();
        proxy.limits.lock().unwrap().push(query["Limit"].as_u64());
    }
    let (status, answer) = match proxy.fault(&operation) {
        None => proxy.forward(&headers, body.to_vec()).await,
        Some(Fault::Refused(code)) => (StatusCode::BAD_REQUEST, error(code, "not now")),
        Some(Fault::Conflict) => (StatusCode::BAD_REQUEST, conflict(&body)),
        Some(Fault::Lost) => {
            proxy.forward(&headers, body.to_vec()).await;
            (StatusCode::INTERNAL_SERVER_ERROR, error("InternalServerError", "of unknown reason"))
        }
        Some(Fault::Silent) => {
            proxy.forward(&headers, body.to_vec()).await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            (StatusCode::INTERNAL_SERVER_ERROR, Value::Null)
        }
        Some(Fault::Half) => {
            let (now, later) = halves(&body, 2);
            let (status, mut answer) = proxy.forward(&headers, now.to_string().into_bytes()).await;
            answer[unprocessed(&operation)] = later;
            (status, answer)
        }
        Some(Fault::None) => {
            let (_, later) = halves(&body, usize::MAX);
            (StatusCode::OK, json!({ unprocessed(&operation): later }))
        }
    };
    let headers = [("content-type", "application/x-amz-json-1.0")];
    (status, headers, answer.to_string()).into_response()
}

fn error(code: &str, message: &str) -> Value {
    json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message })
}

fn conflict(body: &[u8]) -> Value {
    let request: Value = serde_json::from_slice(body).unwrap();
    let count = request["TransactItems"].as_array().unwrap().len();
    let mut reasons = vec![json!({ "Code": "None" }); count];
    reasons[0] = json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
    let mut answer =
        error("TransactionCanceledException", "Transaction cancelled, please refer to the reasons");
    answer["CancellationReasons"] = Value::Array(reasons);
    answer
}

fn unprocessed(operation: &str) -> &'static str {
    match operation {
        "BatchGetItem" => "UnprocessedKeys",
        _ => "UnprocessedItems",
    }
}

/// A batch request with every `each`-th element from the first on, and the elements that were left out, in the
/// form of the answer.
fn halves(body: &[u8], each: usize) -> (Value, Value) {
    let mut request: Value = serde_json::from_slice(body).unwrap();
    let mut later = request["RequestItems"].clone();
    let keep = |elements: &mut Value, wanted: &dyn Fn(usize) -> bool| {
        let elements = elements.as_array_mut().unwrap();
        let mut place = 0;
        elements.retain(|_| {
            place += 1;
            wanted(place - 1)
        });
    };
    for (of_now, wanted) in [(true, 0), (false, 1)] {
        let tables = if of_now { &mut request["RequestItems"] } else { &mut later };
        for table in tables.as_object_mut().unwrap().values_mut() {
            let elements = if table.is_array() { table } else { &mut table["Keys"] };
            let is_now = |place: usize| each != usize::MAX && place.is_multiple_of(each);
            keep(elements, &|place| is_now(place) == (wanted == 0));
        }
    }
    (request, later)
}
