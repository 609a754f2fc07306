//! Access control. The console shows personal data, and other users and web sites can reach its port.
//!
//! - Other users of the machine don't know the key, which is the first segment of every path. A cookie would not do: a browser
//!   sends the cookies of 127.0.0.1 to every port, and another user can listen on one.
//! - Pages of other sites in the same browser don't know the key either, and can neither read nor frame an answer.
//! - Requests to another host name are refused, so a name that resolves to 127.0.0.1 gives no access.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error_page::ErrorPage;
use super::{Console, ConsoleRights};

/// Headers of every answer: no scripts, no other origins, no frames, no cache. The referrer, which contains the key, stays within
/// the console; a browser without referrer sends no origin with a form.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (X_FRAME_OPTIONS, "DENY"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A random key, valid until the process ends.
struct ConsoleKey(String);

impl ConsoleKey {
    fn new() -> Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).context("can't get random numbers from the system")?;
        Ok(Self(blake3::Hash::from_bytes(bytes).to_hex().to_string()))
    }

    /// Compares hashes, so that the time does not depend on the position of a difference.
    fn is(&self, given: &str) -> bool {
        blake3::hash(self.0.as_bytes()) == blake3::hash(given.as_bytes())
    }
}

/// Keys and port of the console.
pub struct ConsoleKeys {
    port: u16,
    path: ConsoleKey,
    form: ConsoleKey,
}

impl ConsoleKeys {
    /// New keys for a console at this port.
    pub fn new(port: u16) -> Result<Self> {
        Ok(Self { port, path: ConsoleKey::new()?, form: ConsoleKey::new()? })
    }

    /// The address that opens the console.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.path(""))
    }

    /// The path of a page. Pages link to each other by relative paths, so that only the router needs this.
    pub fn path(&self, page: &str) -> String {
        format!("/{}/{page}", self.path.0)
    }

    /// Key that the console's forms contain.
    pub fn form(&self) -> &str {
        &self.form.0
    }

    /// Whether a form has the key and was sent by a page of this console.
    pub fn is_own_form(&self, headers: &HeaderMap, form_key: &str) -> bool {
        let is_own_origin =
            header(headers, &ORIGIN).is_some_and(|origin| self.origins().iter().any(|own| own == origin));
        let site = header(headers, &HeaderName::from_static("sec-fetch-site"));
        is_own_origin && site.is_none_or(|site| site == "same-origin") && self.form.is(form_key)
    }

    fn hosts(&self) -> [String; 2] {
        ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", self.port))
    }

    fn origins(&self) -> [String; 2] {
        self.hosts().map(|host| format!("http://{host}"))
    }

    /// Whether the path of a request starts with the key.
    fn has_key(&self, path: &str) -> bool {
        path.split('/').nth(1).is_some_and(|key| self.path.is(key))
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Refuses requests without access, and passes on the others.
pub async fn guard(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let keys = &console.keys;
    let is_own_host =
        header(request.headers(), &HOST).is_some_and(|host| keys.hosts().iter().any(|h| h == host));
    let mut response = if !is_own_host {
        ErrorPage::refused("The console answers to 127.0.0.1 and localhost only.").into_response()
    } else if keys.has_key(request.uri().path()) {
        next.run(request).await
    } else {
        ErrorPage::refused("Open the address that the terminal printed: it holds the key.").into_response()
    };
    let headers = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(headers);
    response
}

impl ConsoleRights {
    /// Whether the console may approve and retry.
    pub fn may_act(self) -> bool {
        self == Self::Write
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_equals_only_itself() {
        let [key, other] = [ConsoleKey::new().unwrap(), ConsoleKey::new().unwrap()];
        assert!(key.is(&key.0));
        for wrong in ["", &key.0[1..], &other.0] {
            assert!(!key.is(wrong), "{wrong:?}");
        }
    }

    /// The key elsewhere in the path gives no access: the router serves the first segment alone.
    #[test]
    fn access_needs_the_key_as_first_segment_of_the_path() {
        let (keys, other) = (ConsoleKeys::new(8123).unwrap(), ConsoleKeys::new(8123).unwrap());
        for page in ["", "users", "user", "approve"] {
            assert!(keys.has_key(&keys.path(page)), "{page}");
            assert!(!keys.has_key(&other.path(page)), "{page}");
            assert!(!keys.has_key(&format!("/{page}")), "{page}");
        }
        let key = &keys.path.0;
        let half = &key[..32];
        for path in ["", "/", "//", &format!("/users/{key}"), &format!("//{key}"), &format!("/{half}"), key] {
            assert!(!keys.has_key(path), "{path}");
        }
        assert!(!keys.has_key(&format!("/{}/", keys.form())), "the key of forms opens no page");
    }

    #[test]
    fn own_form_needs_origin_site_and_key() {
        let keys = ConsoleKeys::new(8123).unwrap();
        let key = keys.form().to_owned();
        for (headers, key, is_own) in [
            (&[("origin", "http://127.0.0.1:8123")][..], key.as_str(), true),
            (&[("origin", "http://localhost:8123"), ("sec-fetch-site", "same-origin")], &key, true),
            (&[("origin", "http://localhost:8123"), ("sec-fetch-site", "cross-site")], &key, false),
            (&[("origin", "http://localhost:8124")], &key, false),
            (&[("origin", "https://localhost:8123")], &key, false),
            (&[("origin", "null")], &key, false),
            (&[], &key, false),
            (&[("origin", "http://127.0.0.1:8123")], "", false),
        ] {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let headers: HeaderMap = headers.collect();
            assert_eq!(keys.is_own_form(&headers, key), is_own, "{headers:?}");
        }
    }
}
