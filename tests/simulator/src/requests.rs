//! Log of the received requests.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Serialize, Serializer};
use serde_json::Value;

/// A request and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordedRequest {
    /// The method, in capitals.
    pub method: String,
    /// The path, such as `/Users/100000000000001`.
    pub path: String,
    /// The query parameters, decoded.
    pub query: BTreeMap<String, String>,
    /// Response status; 0 if the connection was closed without a response.
    pub status: u16,
    /// Whether the method requests a change, refused or not.
    pub write: bool,
    /// Whether the request created, changed or deleted an account.
    pub changed: bool,
    /// The body, if it was JSON.
    pub body: Option<Value>,
    /// Time of arrival since the simulator's start.
    #[serde(rename = "at_ms", serialize_with = "milliseconds")]
    pub at: Duration,
}

impl RecordedRequest {
    /// Filter of a look-up.
    pub fn filter(&self) -> Option<&str> {
        self.query.get("filter").map(String::as_str)
    }
}

impl fmt::Display for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        for (position, (name, value)) in self.query.iter().enumerate() {
            let separator = if position == 0 { '?' } else { '&' };
            write!(f, "{separator}{name}={value}")?;
        }
        match self.status {
            0 => write!(f, " → no response"),
            status => write!(f, " → {status}"),
        }
    }
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u128(time.as_millis())
}
