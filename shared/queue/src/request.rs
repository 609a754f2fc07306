//! Message bodies.

use model::{Anchor, ScanVersion};
use serde::{Deserialize, Serialize};

/// A request to provision one user. The body is `{"connection":"corp","anchor":"…","version":42}`. Unknown fields are
/// ignored, so that old and new functions can share a queue during a deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProvisionRequest {
    /// Name of the connection.
    pub connection: String,
    /// Anchor of the user's entry.
    pub anchor: Anchor,
    /// Version of the scan that sent the request, for ordering. The user's record alone says what to do.
    pub version: ScanVersion,
}

/// A message that is not a provision request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message is not a provision request, {expected}: {detail}", expected = ProvisionRequest::SHAPE)]
pub struct MalformedRequest {
    /// What is wrong, and where.
    pub detail: String,
}

impl ProvisionRequest {
    const SHAPE: &str = r#"{"connection": "…", "anchor": "…", "version": 42}"#;

    /// Parses a message body.
    pub fn parse(body: &str) -> Result<Self, MalformedRequest> {
        serde_json::from_str(body).map_err(|error| MalformedRequest { detail: error.to_string() })
    }

    /// The message body.
    pub fn body(&self) -> String {
        let Self { connection, anchor, version } = self;
        serde_json::json!({ "connection": connection, "anchor": anchor, "version": version }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_matches_the_contract() {
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
    fn malformed_body_is_explained() {
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
