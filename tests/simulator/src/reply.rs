//! Responses and refusals.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::options::{ErrorShape, SimulatorOptions};

/// Graph code for an invalid token \[doc\].
pub(crate) const TOKEN_INVALID: i64 = 190;
/// Graph code for an invalid argument, such as the app secret proof \[inferred\].
pub(crate) const PROOF_INVALID: i64 = 100;
/// Code for a `userName` in a domain that the tenant has not verified \[doc\].
pub(crate) const DOMAIN_UNVERIFIED: i64 = 1_789_003;

/// A response.
#[derive(Clone, Debug, Deserialize)]
pub struct SimulatedReply {
    /// The HTTP status.
    pub status: u16,
    /// Body.
    #[serde(default)]
    pub content: ReplyBody,
    /// Seconds for the header `Retry-After`, which Workplace is not known to send.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

impl SimulatedReply {
    /// Response with this status and an error body of the configured shape.
    pub fn status(status: u16) -> Self {
        Self { status, content: ReplyBody::Error, retry_after: None }
    }

    /// Response with JSON.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, content: ReplyBody::Json(body), retry_after: None }
    }

    /// Sets the body.
    pub fn content(self, content: ReplyBody) -> Self {
        Self { content, ..self }
    }

    /// The same, with id and `userName` alone of each account.
    pub(crate) fn partial(mut self) -> Self {
        let strip = |account: &mut Value| {
            if let Some(account) = account.as_object_mut() {
                account.retain(|name, _| matches!(name.as_str(), "id" | "userName"));
            }
        };
        if let ReplyBody::Json(body) = &mut self.content {
            match body.get_mut("Resources").and_then(Value::as_array_mut) {
                Some(resources) => resources.iter_mut().for_each(strip),
                None => strip(body),
            }
        }
        self
    }

    /// Sets `Retry-After`, in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

/// Body of a response.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyBody {
    /// An error body of the configured shape.
    #[default]
    Error,
    /// This JSON.
    Json(Value),
    /// HTML page of a proxy \[doc\].
    Html,
    /// Plain text.
    Text(String),
    /// Empty body \[doc\].
    Empty,
    /// Truncated resource.
    MalformedJson,
}

/// Refused request, independent of the error shape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    status: u16,
    scim_type: Option<&'static str>,
    code: i64,
    detail: String,
    shape: Option<ErrorShape>,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            scim_type: None,
            code: i64::from(status),
            detail: detail.into(),
            shape: None,
            retry_after: None,
        }
    }

    pub(crate) fn invalid(scim_type: &'static str, detail: impl Into<String>) -> Self {
        Self { scim_type: Some(scim_type), ..Self::new(400, detail) }
    }

    pub(crate) fn invalid_value(detail: impl Into<String>) -> Self {
        Self::invalid("invalidValue", detail)
    }

    pub(crate) fn duplicate(attribute: &str, options: &SimulatorOptions) -> Self {
        Self {
            scim_type: Some("uniqueness"),
            shape: options.duplicate_shape,
            ..Self::new(options.duplicate_status, format!("{attribute} belongs to another account"))
        }
    }

    pub(crate) fn unverified_domain(domain: &str) -> Self {
        Self {
            code: DOMAIN_UNVERIFIED,
            ..Self::invalid_value(format!("userName: the domain {domain} is not verified for this community"))
        }
    }

    /// Refused token; always in Graph's shape \[doc\].
    pub(crate) fn token() -> Self {
        Self {
            shape: Some(ErrorShape::Graph),
            code: TOKEN_INVALID,
            ..Self::new(401, "Invalid OAuth access token")
        }
    }

    /// Refused proof; always in Graph's shape \[inferred\].
    pub(crate) fn proof(detail: &str, options: &SimulatorOptions) -> Self {
        Self {
            shape: Some(ErrorShape::Graph),
            code: PROOF_INVALID,
            ..Self::new(options.bad_proof_status, detail)
        }
    }

    pub(crate) fn too_many(seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(429, "too many requests") }
    }

    pub(crate) fn graph_throttle(status: u16, code: i64) -> Self {
        Self {
            shape: Some(ErrorShape::Graph),
            code,
            ..Self::new(status, "Application request limit reached")
        }
    }

    pub(crate) fn reply(&self, default_shape: ErrorShape) -> SimulatedReply {
        let Self { status, scim_type, code, detail, shape, retry_after } = self;
        let body = match shape.unwrap_or(default_shape) {
            ErrorShape::Errors => json!({"Errors": [{"description": detail, "code": code}]}),
            ErrorShape::Scim => {
                let mut body = json!({
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                    "status": status.to_string(),
                    "detail": detail,
                });
                if let (Some(scim_type), Some(body)) = (scim_type, body.as_object_mut()) {
                    body.insert("scimType".to_owned(), json!(scim_type));
                }
                body
            }
            ErrorShape::Graph => {
                json!({"error": {"message": detail, "type": "OAuthException", "code": code}})
            }
            ErrorShape::Empty => return SimulatedReply::status(*status).content(ReplyBody::Empty),
        };
        SimulatedReply { retry_after: *retry_after, ..SimulatedReply::json(*status, body) }
    }
}
