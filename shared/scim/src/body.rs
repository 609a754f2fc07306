//! Body of a response: its form, and the error that it describes.

use std::fmt;

use serde_json::Value;

use crate::json::{self, JsonObject};

/// Form of a body. The bytes decide, because servers label JSON with many content types.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ResponseBody {
    /// A JSON object.
    Json(JsonObject),
    /// An HTML page, usually from a proxy in front of the target.
    Html,
    /// No content.
    Empty,
    /// `text/plain`.
    Text(String),
    /// Anything else: JSON that is no object, incomplete JSON, binary data.
    Other,
    /// Larger than the client reads.
    TooLong,
}

impl ResponseBody {
    pub(crate) fn read(content_type: Option<&str>, bytes: &[u8]) -> Self {
        if bytes.trim_ascii().is_empty() {
            return Self::Empty;
        }
        if let Ok(json) = serde_json::from_slice(bytes) {
            return match json {
                Value::Object(object) => Self::Json(object),
                _ => Self::Other,
            };
        }
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        if content_type.contains("html") || bytes.trim_ascii_start().starts_with(b"<") {
            return Self::Html;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if content_type.starts_with("text/plain") => Self::Text(text.to_owned()),
            _ => Self::Other,
        }
    }

    /// Error described by the body in any of the three shapes, or an empty value.
    pub(crate) fn error_details(&self) -> ErrorDetails {
        match self {
            Self::Json(object) => ErrorDetails::read(object),
            Self::Text(text) => ErrorDetails { detail: Some(text.clone()), ..ErrorDetails::default() },
            Self::Html | Self::Empty | Self::Other | Self::TooLong => ErrorDetails::default(),
        }
    }
}

impl fmt::Display for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json(_) => "other JSON",
            Self::Html => "an HTML page",
            Self::Empty => "an empty body",
            Self::Text(_) => "plain text",
            Self::Other => "content that is no JSON object",
            Self::TooLong => "a body that is too long",
        })
    }
}

/// Error as the target describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ErrorDetails {
    /// Whether the body has the shape of the Graph platform; its codes have fixed meanings.
    pub(crate) is_graph: bool,
    /// Code of the Graph platform or of Workplace.
    pub(crate) code: Option<i64>,
    /// `scimType` (RFC 7644, 3.12).
    pub(crate) scim_type: Option<String>,
    /// Explanation, not redacted yet.
    pub(crate) detail: Option<String>,
}

impl ErrorDetails {
    fn read(body: &JsonObject) -> Self {
        if let Some(error) = json::object(body, "error") {
            return Self { is_graph: true, ..Self::of(error, "message") };
        }
        match json::member(body, "Errors") {
            Some(Value::Array(errors)) => {
                let first = errors.iter().find_map(Value::as_object);
                return first.map(|error| Self::of(error, "description")).unwrap_or_default();
            }
            Some(Value::Object(error)) => return Self::of(error, "description"),
            _ => {}
        }
        let scim_type = json::member(body, "scimType").and_then(Value::as_str).map(str::to_owned);
        Self { scim_type, ..Self::of(body, "detail") }
    }

    fn of(error: &JsonObject, text_member: &str) -> Self {
        Self {
            is_graph: false,
            code: json::member(error, "code").and_then(json::integer),
            scim_type: None,
            detail: json::member(error, text_member).and_then(json::text),
        }
    }
}
