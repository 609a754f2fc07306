//! What a message says.

use model::{Anchor, ScanVersion};
use serde::{Deserialize, Serialize};

/// The body of a message: `{"connection":"corp","anchor":"…","version":42}`. Fields that a later version adds are
/// ignored, so that old and new functions can share a queue during a deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProvisionRequest {
    /// The connection's name.
    pub connection: String,
    /// The user's directory entry.
    pub anchor: Anchor,
    /// The scan that sent this. It orders wake-ups for whoever reads them; what to do is in the user's record alone.
    pub version: ScanVersion,
}

/// A message that is no wake-up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message is not a wake-up, {expected}: {detail}", expected = ProvisionRequest::SHAPE)]
pub struct MalformedRequest {
    /// What is wrong with it, and where.
    pub detail: String,
}

impl ProvisionRequest {
    const SHAPE: &str = r#"{"connection": "…", "anchor": "…", "version": 42}"#;

    /// Reads a message's body.
    pub fn parse(body: &str) -> Result<Self, MalformedRequest> {
        serde_json::from_str(body).map_err(|error| MalformedRequest { detail: error.to_string() })
    }

    /// The message's body.
    pub fn body(&self) -> String {
        let Self { connection, anchor, version } = self;
        serde_json::json!({ "connection": connection, "anchor": anchor, "version": version }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_the_contract() {
        let request =
            ProvisionRequest::parse(r#"{"connection":"corp","anchor":"A-1","version":42}"#).unwrap();
        assert_eq!((request.connection.as_str(), request.version), ("corp", ScanVersion(42)));
        assert_eq!(request.anchor.as_str(), "a-1");
        assert_eq!(ProvisionRequest::parse(&request.body()), Ok(request.clone()));
        assert_eq!(serde_json::to_string(&request).unwrap().len(), request.body().len());
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let newer = r#"{"connection":"corp","anchor":"a","version":1,"why":{"new":true}}"#;
        assert!(ProvisionRequest::parse(newer).is_ok());
    }

    #[test]
    fn a_malformed_body_says_what_is_wrong() {
        for (body, expect) in [
            ("", "EOF"),
            ("hello", "expected value"),
            (r#"{"connection":"corp","version":1}"#, "missing field `anchor`"),
            (r#"{"connection":"corp","anchor":" ","version":1}"#, "the anchor attribute is empty"),
            (r#"{"connection":"corp","anchor":"a","version":"1"}"#, "expected u64"),
        ] {
            let error = ProvisionRequest::parse(body).unwrap_err().to_string();
            assert!(error.contains(expect) && error.contains("\"anchor\": \"…\""), "{body}: {error}");
        }
    }
}
