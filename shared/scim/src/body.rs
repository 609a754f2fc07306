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
    /// Text that is no JSON and no HTML.
    Text(String),
    /// Anything else: JSON that is no object, incomplete JSON, binary data.
    Other,
    /// Larger than the client reads.
    TooLong,
}

impl ResponseBody {
    pub(crate) fn read(content_type: Option<&str>, bytes: &[u8]) -> Self {
        // Some servers begin with a byte order mark.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.trim_ascii().is_empty() {
            return Self::Empty;
        }
        if let Ok(json) = serde_json::from_slice(bytes) {
            return match json {
                Value::Object(object) => Self::Json(object),
                Value::String(text) => Self::Text(text),
                _ => Self::Other,
            };
        }
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        let bytes = bytes.trim_ascii_start();
        if content_type.contains("html") || bytes.starts_with(b"<") {
            return Self::Html;
        }
        let is_json = bytes.starts_with(b"{") || bytes.starts_with(b"[");
        match std::str::from_utf8(bytes) {
            Ok(text) if !is_json && !text.contains('\0') => Self::Text(text.to_owned()),
            _ => Self::Other,
        }
    }

    /// Error described by the body in any of the known shapes, or an empty value.
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
    /// Origin of the body, by its shape.
    pub(crate) origin: ErrorOrigin,
}

/// Origin of an error body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ErrorOrigin {
    /// A SCIM resource: an Error message (RFC 7644, 3.12), `Errors[]`, or the Graph platform.
    Scim,
    /// Anything else, such as a gateway or another API.
    #[default]
    Unknown,
}

impl ErrorDetails {
    fn read(body: &JsonObject) -> Self {
        if let Some(error) = json::object(body, "error") {
            let is_graph = json::member(error, "code").or(json::member(error, "type")).is_some();
            return Self { is_graph: true, ..Self::of(error).with_origin(is_graph) };
        }
        match body.get("Errors") {
            Some(Value::Array(errors)) => {
                if let Some(error) = errors.iter().find_map(Value::as_object) {
                    return Self::of(error).with_origin(true);
                }
            }
            Some(Value::Object(error)) => return Self::of(error).with_origin(true),
            _ => {}
        }
        let scim_type = json::member(body, "scimType").and_then(Value::as_str).map(str::to_owned);
        let is_scim = has_error_schema(body) || names_its_status(body);
        Self { scim_type, ..Self::of(body).with_origin(is_scim) }
    }

    fn of(error: &JsonObject) -> Self {
        Self {
            code: json::member(error, "code").and_then(json::integer),
            detail: sentence(error),
            ..Self::default()
        }
    }

    fn with_origin(self, is_scim: bool) -> Self {
        Self { origin: if is_scim { ErrorOrigin::Scim } else { ErrorOrigin::Unknown }, ..self }
    }
}

/// Whether a body declares the schema of an Error message.
fn has_error_schema(body: &JsonObject) -> bool {
    let schemas = json::list(body, "schemas").iter().filter_map(Value::as_str);
    let mut schemas = schemas.map(str::to_ascii_lowercase);
    schemas.any(|schema| schema.ends_with(":messages:2.0:error") || schema.starts_with("urn:scim:schemas:"))
}

/// Whether a body has the members of an Error message: a `status` and a `detail` or `scimType` (RFC 7644, 3.12).
fn names_its_status(body: &JsonObject) -> bool {
    let has = |name| json::member(body, name).is_some();
    let status = json::member(body, "status").and_then(json::integer);
    status.is_some_and(|status| (400..600).contains(&status)) && (has("detail") || has("scimType"))
}

/// The explanation in an error, under the names that servers use.
fn sentence(error: &JsonObject) -> Option<String> {
    const NAMES: [&str; 8] =
        ["detail", "description", "message", "error_description", "errorMessage", "errors", "error", "title"];
    NAMES.into_iter().find_map(|name| json::member(error, name).and_then(words))
}

/// The words of a text, of the first text of an object, or of all elements of a list.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::Object(error) => sentence(error),
        Value::Array(errors) => {
            let all: Vec<String> = errors.iter().take(MAX_ERRORS).filter_map(words).collect();
            (!all.is_empty()).then(|| all.join("; "))
        }
        text => json::text(text),
    }
}

/// Errors of a list that are shown.
const MAX_ERRORS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn details(body: &str) -> ErrorDetails {
        ResponseBody::read(None, body.as_bytes()).error_details()
    }

    #[test]
    fn explanation_is_found_in_each_shape() {
        for (body, expect) in [
            (r#"{"Errors":[{"description":"too long","code":7}]}"#, "too long"),
            (r#"{"error":{"message":"too long","code":100}}"#, "too long"),
            (r#"{"detail":"too long"}"#, "too long"),
            (r#"{"detail":["too long","too short"]}"#, "too long; too short"),
            (r#"{"detail":[{"loc":["body","title"],"msg":"x","message":"too long"}]}"#, "too long"),
            (r#"{"message":"too long"}"#, "too long"),
            (r#"{"error":"too long"}"#, "too long"),
            (r#"{"error":"invalid_request","error_description":"too long"}"#, "too long"),
            (r#"{"errors":["too long"]}"#, "too long"),
            (r#"{"errors":[{"message":"too long"},{"detail":"too short"}]}"#, "too long; too short"),
            (r#"{"errors":{"title":["too long"]}}"#, "too long"),
            (r#"{"title":"too long","status":400}"#, "too long"),
            (r#""too long""#, "too long"),
            ("too long", "too long"),
            ("\u{feff}{\"detail\":\"too long\"}", "too long"),
        ] {
            assert_eq!(details(body).detail.as_deref(), Some(expect), "{body}");
        }
        for body in ["", "{}", "[]", "<html>", "{\"Errors\":", r#"{"detail":""}"#] {
            assert_eq!(details(body).detail, None, "{body}");
        }
    }

    #[test]
    fn origin_follows_from_the_shape() {
        const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
        for (body, expect) in [
            (format!(r#"{{"schemas":["{ERROR}"]}}"#), ErrorOrigin::Scim),
            (r#"{"status":"404","detail":"no"}"#.to_owned(), ErrorOrigin::Scim),
            (r#"{"Errors":[{"description":"no","code":404}]}"#.to_owned(), ErrorOrigin::Scim),
            (r#"{"error":{"message":"no","code":100}}"#.to_owned(), ErrorOrigin::Scim),
            (r#"{"error":{"message":"no route"}}"#.to_owned(), ErrorOrigin::Unknown),
            (r#"{"message":"no Route matched with those values"}"#.to_owned(), ErrorOrigin::Unknown),
            (r#"{"detail":"Not Found"}"#.to_owned(), ErrorOrigin::Unknown),
            (r#"{"errors":[{"message":"no route"}]}"#.to_owned(), ErrorOrigin::Unknown),
            ("404 page not found".to_owned(), ErrorOrigin::Unknown),
        ] {
            assert_eq!(details(&body).origin, expect, "{body}");
        }
    }
}
