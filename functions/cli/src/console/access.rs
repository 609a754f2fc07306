//! Who may look. The console shows personal data, and others use this machine and this browser too.
//!
//! - Other users of the machine can reach the port, but don't know the key in the printed address. It is exchanged for
//!   a cookie at the first visit.
//! - Another site's page in the same browser can send requests here, but the cookie does not come along
//!   (`SameSite=Strict`), and what it would get back can't be read or framed.
//! - A name that another site has made to lead to this machine is not a name of ours, so its requests end here.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION,
    ORIGIN, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error_page::ErrorPage;
use super::page::STYLE;
use super::{Console, ConsoleRights};

/// The name of the key in the printed address.
const LINK: &str = "key";

/// What every answer says. No script runs, nothing comes from elsewhere, nobody frames a page, and nothing is kept. The
/// referrer stays within the console, because a browser that sends none sends no origin with a form either.
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

/// Something that nobody can guess, for as long as this process lives.
struct ConsoleKey(String);

impl ConsoleKey {
    fn new() -> Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).context("this system gives no random numbers")?;
        Ok(Self(blake3::Hash::from_bytes(bytes).to_hex().to_string()))
    }

    /// Compares the hashes, which takes the same time wherever they differ.
    fn is(&self, given: &str) -> bool {
        blake3::hash(self.0.as_bytes()) == blake3::hash(given.as_bytes())
    }
}

/// What opens the console, and where it is.
pub struct ConsoleKeys {
    port: u16,
    link: ConsoleKey,
    cookie: ConsoleKey,
    form: ConsoleKey,
}

impl ConsoleKeys {
    /// New ones, for a console at this port.
    pub fn new(port: u16) -> Result<Self> {
        Ok(Self { port, link: ConsoleKey::new()?, cookie: ConsoleKey::new()?, form: ConsoleKey::new()? })
    }

    /// The address that opens it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/?{LINK}={}", self.port, self.link.0)
    }

    /// What a form of ours carries, so that it can be told from another site's.
    pub fn form(&self) -> &str {
        &self.form.0
    }

    /// Whether a form is ours: sent by a page of this console, and with its key.
    pub fn is_ours(&self, headers: &HeaderMap, form_key: &str) -> bool {
        let is_from_here =
            header(headers, &ORIGIN).is_some_and(|origin| self.origins().iter().any(|ours| ours == origin));
        let site = header(headers, &HeaderName::from_static("sec-fetch-site"));
        is_from_here && site.is_none_or(|site| site == "same-origin") && self.form.is(form_key)
    }

    fn hosts(&self) -> [String; 2] {
        ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", self.port))
    }

    fn origins(&self) -> [String; 2] {
        self.hosts().map(|host| format!("http://{host}"))
    }

    /// Cookies are shared between the ports of a machine, so that of another console has another name.
    fn cookie_name(&self) -> String {
        format!("provisioner-console-{}", self.port)
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let name = self.cookie_name();
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(key, value)| key == name && self.cookie.is(value))
    }

    /// Whether somebody comes by the printed address.
    fn is_link(&self, request: &Request) -> bool {
        let key = request.uri().query().and_then(|query| query.strip_prefix(LINK)?.strip_prefix('='));
        request.method() == Method::GET
            && request.uri().path() == "/"
            && key.is_some_and(|key| self.link.is(key))
    }

    /// Lets somebody in: with a cookie, and on to the address without the key.
    fn welcome(&self) -> Response {
        let (name, ConsoleKey(value)) = (self.cookie_name(), &self.cookie);
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict");
        (StatusCode::SEE_OTHER, [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)]).into_response()
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Answers whoever may not look, and lets the others pass.
pub async fn guard(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let keys = &console.keys;
    let is_our_name =
        header(request.headers(), &HOST).is_some_and(|host| keys.hosts().iter().any(|h| h == host));
    let mut response = if !is_our_name {
        ErrorPage::refused("The console answers to 127.0.0.1 and localhost alone.").into_response()
    } else if keys.is_link(&request) {
        keys.welcome()
    } else if request.uri().path() == STYLE || keys.has_cookie(request.headers()) {
        next.run(request).await
    } else {
        ErrorPage::refused("Open the address that the terminal printed: it holds the key.").into_response()
    };
    let said = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(said);
    response
}

impl ConsoleRights {
    /// Whether buttons are shown, and work.
    pub fn may_act(self) -> bool {
        self == Self::Write
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_itself_alone() {
        let [key, other] = [ConsoleKey::new().unwrap(), ConsoleKey::new().unwrap()];
        assert!(key.is(&key.0));
        for wrong in ["", &key.0[1..], &other.0] {
            assert!(!key.is(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_form_is_ours_by_origin_site_and_key() {
        let keys = ConsoleKeys::new(8123).unwrap();
        let key = keys.form().to_owned();
        for (headers, key, ours) in [
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
            assert_eq!(keys.is_ours(&headers, key), ours, "{headers:?}");
        }
    }
}
