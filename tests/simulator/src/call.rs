//! Received request.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    body::{self, Bytes},
    extract::{Query, Request},
    http::header,
};
use serde_json::{Map, Value};

use crate::{options::Product, reply::Refusal};

/// Longest accepted body, in bytes.
const BODY_LIMIT: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct ReceivedRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) bearer: Option<String>,
    pub(crate) has_user_agent: bool,
    pub(crate) at: Duration,
    body: RequestBody,
}

#[derive(Debug)]
enum RequestBody {
    Empty,
    Json(Value),
    NotJson,
    TooLong,
}

impl ReceivedRequest {
    pub(crate) async fn read(request: Request, at: Duration) -> Self {
        let (parts, body) = request.into_parts();
        let header = |name| {
            let value = parts.headers.get(name)?;
            value.to_str().ok().map(str::trim)
        };
        let query = Query::<BTreeMap<String, String>>::try_from_uri(&parts.uri);
        Self {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: query.map(|Query(query)| query).unwrap_or_default(),
            bearer: header(header::AUTHORIZATION).and_then(bearer),
            has_user_agent: header(header::USER_AGENT).is_some_and(|agent| !agent.is_empty()),
            at,
            body: match body::to_bytes(body, BODY_LIMIT).await {
                Ok(bytes) => parse(&bytes),
                Err(_) => RequestBody::TooLong,
            },
        }
    }

    pub(crate) fn is_write(&self) -> bool {
        matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE")
    }

    /// Path segments below the base path; none for other paths.
    pub(crate) fn segments(&self, product: Product) -> Vec<&str> {
        let under = self.path.strip_prefix(product.base_path()).filter(|path| path.starts_with('/'));
        under.map(|path| path.trim_matches('/').split('/').collect()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Option<&Value> {
        match &self.body {
            RequestBody::Json(value) => Some(value),
            RequestBody::Empty | RequestBody::NotJson | RequestBody::TooLong => None,
        }
    }

    /// The body of a request that must carry a JSON object.
    pub(crate) fn object(&self) -> Result<&Map<String, Value>, Refusal> {
        match &self.body {
            RequestBody::Json(Value::Object(object)) => Ok(object),
            RequestBody::TooLong => Err(Refusal::new(413, "the body is too long")),
            RequestBody::Json(_) | RequestBody::Empty | RequestBody::NotJson => {
                Err(Refusal::invalid("invalidSyntax", "the body is not a JSON object"))
            }
        }
    }
}

fn parse(bytes: &Bytes) -> RequestBody {
    if bytes.is_empty() {
        return RequestBody::Empty;
    }
    serde_json::from_slice(bytes).map_or(RequestBody::NotJson, RequestBody::Json)
}

fn bearer(authorization: &str) -> Option<String> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim().to_owned();
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}
