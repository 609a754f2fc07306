//! Meaning of a response: the one place that interprets status codes and error bodies.

use reqwest::header::{HeaderMap, LOCATION};

use crate::body::{ErrorDetails, ErrorOrigin, ResponseBody};
use crate::errors::TargetError;
use crate::redact::Redactor;
use crate::retry::retry_after;
use dialect::Dialect;

/// Graph codes for too many calls, on any HTTP status \[doc\].
const THROTTLED: [i64; 4] = [4, 17, 32, 613];
/// Graph code for an access token that is no longer valid \[doc\].
const INVALID_TOKEN: i64 = 190;
/// Code for an e-mail address in a domain that the tenant has not verified \[doc\].
const DOMAIN_UNVERIFIED: i64 = 1_789_003;

/// Kind of a request to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    Read,
    Write,
}

/// A response, with what is needed to interpret it.
pub(crate) struct TargetResponse<'a> {
    pub(crate) kind: RequestKind,
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a ResponseBody,
}

impl TargetResponse<'_> {
    /// Error that the response means; `None` for success. A success status with a body that reports throttling or an
    /// invalid token is an error.
    pub(crate) fn error(&self, dialect: &Dialect, redactor: &Redactor<'_>) -> Option<TargetError> {
        let details = self.body.error_details();
        let has_code = |codes: &[i64]| details.code.is_some_and(|code| codes.contains(&code));
        let detail = || self.detail(&details, redactor);
        if self.status == 429 || has_code(&THROTTLED) || self.asks_to_wait() {
            return Some(TargetError::RateLimited { retry_after: retry_after(self.headers) });
        }
        if self.status == 401
            || has_code(&[INVALID_TOKEN])
            || lacks_permission(&details)
            || self.concerns_proof(&details)
        {
            return Some(TargetError::Unauthorized { detail: detail() });
        }
        let is_html = *self.body == ResponseBody::Html;
        Some(match self.status {
            200..=299 => return None,
            ..=399 => TargetError::Malformed { detail: detail() },
            // A proxy's error page says nothing about the account, even with status 404.
            400.. if is_html => TargetError::Unavailable { detail: detail() },
            404 | 410 if self.is_of_resource(&details) => TargetError::NotFound,
            404 | 410 => TargetError::Unavailable { detail: detail() },
            405 | 501 => TargetError::Unsupported { detail: detail() },
            407 | 408 | 425 | 500 | 502..=599 => TargetError::Unavailable { detail: detail() },
            409 => TargetError::Conflict { detail: detail() },
            _ if is_uniqueness(&details) => TargetError::Conflict { detail: detail() },
            403 if self.kind == RequestKind::Read || concerns_integration(&details) => {
                TargetError::Unauthorized { detail: detail() }
            }
            _ if is_path_refused(&details) => TargetError::Unsupported { detail: detail() },
            _ => TargetError::Rejected { attribute: rejected_attribute(dialect, &details), detail: detail() },
        })
    }

    /// Whether the target asks to wait by `Retry-After`, where no status for throttling is needed \[seen\].
    fn asks_to_wait(&self) -> bool {
        matches!(self.status, 403 | 503) && retry_after(self.headers).is_some()
    }

    /// Whether a 404 is the answer of a SCIM resource, and not one of a gateway or of another API. An empty body counts:
    /// the caller needs a second proof.
    fn is_of_resource(&self, details: &ErrorDetails) -> bool {
        *self.body == ResponseBody::Empty || details.origin == ErrorOrigin::Scim
    }

    /// Whether the target rejects the app secret proof. Status and code of this are not recorded; the user's data
    /// can't be the cause, and new credentials may help.
    fn concerns_proof(&self, details: &ErrorDetails) -> bool {
        let detail = details.detail.as_deref().unwrap_or_default().to_lowercase();
        (400..500).contains(&self.status) && detail.contains("appsecret")
    }

    fn detail(&self, details: &ErrorDetails, redactor: &Redactor<'_>) -> String {
        let text = details.detail.as_deref().map(|detail| redactor.clean(detail));
        match text.filter(|text| !text.is_empty()) {
            Some(text) => format!("HTTP {}: {text}", self.status),
            None if (300..400).contains(&self.status) => {
                let place = self.headers.get(LOCATION).and_then(|place| place.to_str().ok());
                let place = place.map(|place| format!(" to {}", redactor.clean(place)));
                format!(
                    "HTTP {}, a redirect{}, which is not followed",
                    self.status,
                    place.unwrap_or_default()
                )
            }
            None => format!("HTTP {} with {}", self.status, self.body),
        }
    }
}

/// Graph codes for missing permissions of the integration: 10 and 200 to 299.
fn lacks_permission(details: &ErrorDetails) -> bool {
    details.is_graph && details.code.is_some_and(|code| code == 10 || (200..300).contains(&code))
}

fn is_uniqueness(details: &ErrorDetails) -> bool {
    details.scim_type.as_deref().is_some_and(|scim_type| scim_type.eq_ignore_ascii_case("uniqueness"))
}

/// Whether the target does not know the path of a PATCH (RFC 7644, 3.12). A PUT has no paths.
fn is_path_refused(details: &ErrorDetails) -> bool {
    let is_path = |scim_type: &str| {
        ["invalidPath", "noTarget"].iter().any(|refused| scim_type.eq_ignore_ascii_case(refused))
    };
    details.scim_type.as_deref().is_some_and(is_path)
}

/// Whether a rejected write concerns the integration and not one user. The text must say so: otherwise one protected
/// account could stop provisioning for all users. A rejected read always concerns the integration.
fn concerns_integration(details: &ErrorDetails) -> bool {
    const WORDS: [&str; 7] =
        ["token", "authoriz", "authoris", "authentic", "credential", "user-agent", "user agent"];
    let detail = details.detail.as_deref().unwrap_or_default().to_lowercase();
    WORDS.iter().any(|word| detail.contains(word))
}

/// Attribute that an error text names. A name that is also an English word counts only where it is marked as a name:
/// "your organization's limit" does not concern `organization`.
fn rejected_attribute(dialect: &Dialect, details: &ErrorDetails) -> Option<String> {
    if details.code == Some(DOMAIN_UNVERIFIED) {
        return Some("userName".to_owned());
    }
    let detail = details.detail.as_deref()?;
    let mut names: Vec<&str> = std::iter::once("userName").chain(dialect.attributes()).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.into_iter().find(|name| is_named(detail, name)).map(str::to_owned)
}

fn is_named(detail: &str, name: &str) -> bool {
    let is_english_word = !name.contains(|c: char| c.is_ascii_uppercase() || c == '.');
    detail.match_indices(name).any(|(start, _)| {
        let before = detail.get(..start).and_then(|text| text.chars().next_back());
        let mut rest = detail.get(start + name.len()..).unwrap_or_default().chars();
        let (after, then) = (rest.next(), rest.next());
        if is_english_word {
            let is_quoted = matches!(before, Some('"' | '\'' | '`')) && before == after;
            // `title: …`, or a part of it: `manager.managerId: …`.
            let has_part = after == Some('.') && then.is_some_and(char::is_alphanumeric);
            let is_heading = start == 0 && (after == Some(':') || has_part);
            return is_quoted || is_heading;
        }
        // A full stop ends the sentence, unless a letter follows.
        let next = if after == Some('.') { then } else { after };
        !before.is_some_and(is_name_character) && !next.is_some_and(char::is_alphanumeric)
    })
}

fn is_name_character(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use reqwest::header::{DATE, RETRY_AFTER};

    use super::*;

    fn read(status: u16, headers: &[(&str, &str)], body: &str) -> Option<TargetError> {
        respond(RequestKind::Write, status, headers, body)
    }

    fn respond(kind: RequestKind, status: u16, headers: &[(&str, &str)], body: &str) -> Option<TargetError> {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let body = ResponseBody::read(None, body.as_bytes());
        let response = TargetResponse { kind, status, headers: &headers, body: &body };
        response.error(Dialect::named("workplace").unwrap(), &Redactor::new(["the-token"], ["ada@acme.test"]))
    }

    fn name(error: &Option<TargetError>) -> &'static str {
        match error {
            None => "success",
            Some(TargetError::RateLimited { .. }) => "rate limited",
            Some(TargetError::Unavailable { .. }) => "unavailable",
            Some(TargetError::Conflict { .. }) => "conflict",
            Some(TargetError::NotFound) => "not found",
            Some(TargetError::Unauthorized { .. }) => "unauthorized",
            Some(TargetError::Rejected { .. }) => "rejected",
            Some(TargetError::Unsupported { .. }) => "unsupported",
            Some(TargetError::Malformed { .. }) => "malformed",
            Some(
                TargetError::Insecure { .. }
                | TargetError::InvalidUrl { .. }
                | TargetError::NotApplied { .. }
                | TargetError::OtherAccount { .. },
            ) => "no response",
        }
    }

    fn check(status: u16, body: &str, expect: &str) {
        assert_eq!(name(&read(status, &[], body)), expect, "{status} {body}");
    }

    #[test]
    fn status_decides_without_a_body() {
        for (status, expect) in [
            (200, "success"),
            (201, "success"),
            (204, "success"),
            (302, "malformed"),
            (400, "rejected"),
            (401, "unauthorized"),
            (403, "rejected"),
            (404, "not found"),
            (405, "unsupported"),
            (408, "unavailable"),
            (409, "conflict"),
            (410, "not found"),
            (412, "rejected"),
            (413, "rejected"),
            (422, "rejected"),
            (425, "unavailable"),
            (429, "rate limited"),
            (500, "unavailable"),
            (501, "unsupported"),
            (502, "unavailable"),
            (503, "unavailable"),
            (504, "unavailable"),
            (599, "unavailable"),
            (999, "rejected"),
        ] {
            check(status, "", expect);
        }
    }

    #[test]
    fn graph_codes_mean_the_same_on_every_status() {
        for status in [200, 400, 401, 403, 404, 409, 500] {
            for code in [4, 17, 32, 613] {
                check(status, &format!(r#"{{"error":{{"message":"m","code":{code}}}}}"#), "rate limited");
                check(
                    status,
                    &format!(r#"{{"Errors":[{{"description":"m","code":"{code}"}}]}}"#),
                    "rate limited",
                );
            }
            check(status, r#"{"error":{"message":"m","type":"OAuthException","code":190}}"#, "unauthorized");
            check(status, r#"{"error":{"message":"(#200) Permissions error","code":200}}"#, "unauthorized");
        }
    }

    #[test]
    fn bodies_decide_where_the_status_is_not_enough() {
        let html = "<!doctype html><h1>Blocked</h1>";
        let proof =
            r#"{"error":{"message":"Invalid appsecret_proof provided in the API argument","code":100}}"#;
        for (status, body, expect) in [
            // The three shapes of errors, and bodies that have none.
            (400, r#"{"Errors":[{"description":"bad","code":400}]}"#, "rejected"),
            (400, r#"{"Errors":{"description":"bad","code":400}}"#, "rejected"),
            (400, r#"{"error":{"message":"bad","type":"OAuthException","code":100}}"#, "rejected"),
            (400, r#"{"error":"bad"}"#, "rejected"),
            (400, "bad", "rejected"),
            (409, r#"{"detail":"taken","status":"409","scimType":"uniqueness"}"#, "conflict"),
            (400, r#"{"detail":"taken","status":"400","scimType":"uniqueness"}"#, "conflict"),
            (500, r#"{"Errors":[]}"#, "unavailable"),
            (400, r#"{"Errors":["x", 1]}"#, "rejected"),
            (400, "[]", "rejected"),
            (400, "{\"Errors\":", "rejected"),
            (400, r#"{"detail":"no","scimType":"invalidPath"}"#, "unsupported"),
            (400, r#"{"detail":"no","scimType":"invalidValue"}"#, "rejected"),
            // A 404 is about the account only in a shape of SCIM.
            (
                404,
                r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404"}"#,
                "not found",
            ),
            (404, r#"{"Errors":[{"description":"no such user","code":404}]}"#, "not found"),
            (410, r#"{"error":{"message":"gone","type":"GraphMethodException","code":100}}"#, "not found"),
            (404, r#"{"message":"no Route matched with those values"}"#, "unavailable"),
            (404, r#"{"detail":"Not Found"}"#, "unavailable"),
            (404, "404 page not found", "unavailable"),
            (404, "[]", "unavailable"),
            // A rejection of one user does not concern the token.
            (403, r#"{"detail":"an administrator can't be changed"}"#, "rejected"),
            (
                403,
                r#"{"Errors":[{"description":"you have no permission for this user","code":403}]}"#,
                "rejected",
            ),
            (403, r#"{"detail":"the integration is not authorized"}"#, "unauthorized"),
            (403, r#"{"Errors":[{"description":"User-Agent is required","code":403}]}"#, "unauthorized"),
            // A rejected proof does not concern the user.
            (400, proof, "unauthorized"),
            (401, proof, "unauthorized"),
            (403, proof, "unauthorized"),
            (412, proof, "unauthorized"),
            (500, r#"{"detail":"appsecret_proof: internal error"}"#, "unavailable"),
            // A page of a proxy says nothing about the account.
            (200, html, "success"),
            (400, html, "unavailable"),
            (401, html, "unauthorized"),
            (403, html, "unavailable"),
            (404, html, "unavailable"),
            (409, html, "unavailable"),
            (429, html, "rate limited"),
            (502, html, "unavailable"),
        ] {
            check(status, body, expect);
        }
        for body in ["", r#"{"detail":"no"}"#] {
            assert_eq!(name(&respond(RequestKind::Read, 403, &[], body)), "unauthorized");
        }
    }

    #[test]
    fn retry_after_is_kept() {
        let wait_after = |status, headers: &[(&str, &str)]| match read(status, headers, "") {
            Some(TargetError::RateLimited { retry_after }) => retry_after,
            other => panic!("{other:?}"),
        };
        let wait = |headers: &[(&str, &str)]| wait_after(429, headers);
        assert_eq!(wait(&[]), None);
        for status in [403, 503] {
            let seconds = wait_after(status, &[(RETRY_AFTER.as_str(), "9")]);
            assert_eq!(seconds, Some(Duration::from_secs(9)), "{status}");
        }
        assert_eq!(wait(&[(RETRY_AFTER.as_str(), "7")]), Some(Duration::from_secs(7)));
        let date = (DATE.as_str(), "Mon, 23 Nov 2026 17:00:00 GMT");
        assert_eq!(
            wait(&[date, (RETRY_AFTER.as_str(), "Mon, 23 Nov 2026 17:01:30 GMT")]),
            Some(Duration::from_secs(90))
        );
    }

    #[test]
    fn error_text_is_kept_and_redacted() {
        let text = |status, body| read(status, &[], body).unwrap().to_string();
        insta::assert_snapshot!(
            text(400, r#"{"Errors":[{"description":"title: ADA@ACME.TEST\nmay not be with the-token","code":1}]}"#),
            @"target rejects title: HTTP 400: title: (value) may not be with (token)"
        );
        insta::assert_snapshot!(text(400, ""), @"target rejects the request: HTTP 400 with an empty body");
        insta::assert_snapshot!(text(502, "<html>"), @"target not available: HTTP 502 with an HTML page");
        insta::assert_snapshot!(text(302, ""), @"target's response is not valid SCIM; check target.url: HTTP 302, a redirect, which is not followed");
    }

    #[test]
    fn rejected_attribute_is_found_in_the_error_text() {
        let attribute =
            |detail: &str| match read(400, &[], &serde_json::json!({"detail": detail}).to_string()) {
                Some(TargetError::Rejected { attribute, .. }) => attribute.unwrap_or_default(),
                other => panic!("{other:?}"),
            };
        for (detail, expect) in [
            ("userName must be an e-mail address", "userName"),
            ("name.formatted: is required", "name.formatted"),
            ("The attribute 'title' is too long", "title"),
            ("title: is too long", "title"),
            ("manager.managerId: there is no account 1", "manager"),
            ("No title will do", ""),
            ("The limit of your organization is reached", ""),
            ("wrong costCenter.", "costCenter"),
            ("wrong costCenterX", ""),
            ("", ""),
        ] {
            assert_eq!(attribute(detail), expect, "{detail}");
        }
        let unverified = read(400, &[], r#"{"Errors":[{"description":"no","code":1789003}]}"#);
        assert!(
            matches!(unverified, Some(TargetError::Rejected { attribute: Some(name), .. }) if name == "userName")
        );
    }

    proptest! {
        #[test]
        fn arbitrary_responses_are_read_without_panic(status in 100u16..1000, retry_after in "[ -~]{0,40}", body: Vec<u8>) {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, retry_after.parse().unwrap())]);
            let body = ResponseBody::read(None, &body);
            let response = TargetResponse { kind: RequestKind::Write, status, headers: &headers, body: &body };
            let _ = response.error(Dialect::named("workplace").unwrap(), &Redactor::new(["t"], []));
        }
    }
}
