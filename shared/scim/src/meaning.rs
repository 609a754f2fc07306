//! What an answer means: the one place that looks at status codes and error bodies.

use reqwest::header::HeaderMap;

use crate::Dialect;
use crate::body::{ErrorDetails, ResponseBody};
use crate::errors::TargetError;
use crate::redact::Redactor;
use crate::retry_after::retry_after;

/// Graph's codes for too many calls, whatever the HTTP status \[doc\].
const THROTTLED: [i64; 4] = [4, 17, 32, 613];
/// Graph's code for a token that is no longer good \[doc\].
const TOKEN: i64 = 190;
/// The code that is named for an e-mail address in a domain that the tenant hasn't verified \[doc\].
const DOMAIN_UNVERIFIED: i64 = 1_789_003;

/// What the target was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// To show something.
    Read,
    /// To change something.
    AttributeWrite,
}

/// What the target says through an answer, where it says anything but yes.
pub(crate) struct TargetResponse<'a> {
    pub(crate) asked: RequestKind,
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a ResponseBody,
}

impl TargetResponse<'_> {
    /// The error that this answer is; `None` when it is a good one. A good status with a body that complains of
    /// too many calls or of the token is no good answer.
    pub(crate) fn error(&self, dialect: &Dialect, redactor: &Redactor<'_>) -> Option<TargetError> {
        let complaint = self.body.complaint();
        let code_is = |codes: &[i64]| complaint.code.is_some_and(|code| codes.contains(&code));
        let detail = || self.detail(&complaint, redactor);
        if self.status == 429 || code_is(&THROTTLED) {
            return Some(TargetError::RateLimited { retry_after: retry_after(self.headers) });
        }
        if self.status == 401
            || code_is(&[TOKEN])
            || lacks_permission(&complaint)
            || self.is_about_the_proof(&complaint)
        {
            return Some(TargetError::Unauthorized { detail: detail() });
        }
        let is_html = *self.body == ResponseBody::Html;
        Some(match self.status {
            200..=299 => return None,
            ..=399 => TargetError::Malformed { detail: detail() },
            // Something in between speaks, and what it says tells nothing about the account: not even a 404.
            400.. if is_html => TargetError::Unavailable { detail: detail() },
            404 | 410 => TargetError::NotFound,
            407 | 408 | 425 | 500 | 502..=599 => TargetError::Unavailable { detail: detail() },
            409 => TargetError::Conflict { detail: detail() },
            _ if is_uniqueness(&complaint) => TargetError::Conflict { detail: detail() },
            403 if self.asked == RequestKind::Read || is_about_us(&complaint) => {
                TargetError::Unauthorized { detail: detail() }
            }
            _ => TargetError::Rejected { attribute: objected(dialect, &complaint), detail: detail() },
        })
    }

    /// Whether a refusal is about the app secret proof. With which status and code it comes is not recorded, but no
    /// user can have done it, and new credentials may help.
    fn is_about_the_proof(&self, complaint: &ErrorDetails) -> bool {
        let detail = complaint.detail.as_deref().unwrap_or_default().to_lowercase();
        (400..500).contains(&self.status) && detail.contains("appsecret")
    }

    fn detail(&self, complaint: &ErrorDetails, redactor: &Redactor<'_>) -> String {
        let said = complaint.detail.as_deref().map(|detail| redactor.clean(detail));
        match said.filter(|said| !said.is_empty()) {
            Some(said) => format!("HTTP {}: {said}", self.status),
            None if (300..400).contains(&self.status) => {
                format!("HTTP {}, a redirect, which is not followed", self.status)
            }
            None => format!("HTTP {} with {}", self.status, self.body),
        }
    }
}

/// Graph's codes for permissions that the integration doesn't have: 10, and 200 to 299.
fn lacks_permission(complaint: &ErrorDetails) -> bool {
    complaint.is_graph && complaint.code.is_some_and(|code| code == 10 || (200..300).contains(&code))
}

fn is_uniqueness(complaint: &ErrorDetails) -> bool {
    complaint.scim_type.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("uniqueness"))
}

/// Whether a refused change is about the integration rather than about one user. It must say so: otherwise a single
/// protected account could stop the work on all others. A refused look-up is always about the integration, and every
/// change begins with one.
fn is_about_us(complaint: &ErrorDetails) -> bool {
    const WORDS: [&str; 7] =
        ["token", "authoriz", "authoris", "authentic", "credential", "user-agent", "user agent"];
    let detail = complaint.detail.as_deref().unwrap_or_default().to_lowercase();
    WORDS.iter().any(|word| detail.contains(word))
}

/// The attribute that a complaint names. A name that is also an English word counts only where it is marked as
/// a name: "your organization's limit" is not about `organization`.
fn objected(dialect: &Dialect, complaint: &ErrorDetails) -> Option<String> {
    if complaint.code == Some(DOMAIN_UNVERIFIED) {
        return Some("userName".to_owned());
    }
    let detail = complaint.detail.as_deref()?;
    let mut names: Vec<&str> = std::iter::once("userName").chain(dialect.attributes()).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.into_iter().find(|name| is_named(detail, name)).map(str::to_owned)
}

fn is_named(detail: &str, name: &str) -> bool {
    let is_a_word_too = !name.contains(|c: char| c.is_ascii_uppercase() || c == '.');
    detail.match_indices(name).any(|(start, _)| {
        let before = detail.get(..start).and_then(|text| text.chars().next_back());
        let mut rest = detail.get(start + name.len()..).unwrap_or_default().chars();
        let (after, then) = (rest.next(), rest.next());
        if is_a_word_too {
            let is_quoted = matches!(before, Some('"' | '\'' | '`')) && before == after;
            // `title: …`, or a part of it: `manager.managerId: …`.
            let has_part = after == Some('.') && then.is_some_and(char::is_alphanumeric);
            let is_heading = start == 0 && (after == Some(':') || has_part);
            return is_quoted || is_heading;
        }
        // A full stop ends the sentence, unless a letter follows.
        let goes_on = if after == Some('.') { then } else { after };
        !before.is_some_and(is_name_like) && !goes_on.is_some_and(char::is_alphanumeric)
    })
}

fn is_name_like(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use reqwest::header::{DATE, RETRY_AFTER};

    use super::*;

    fn read(status: u16, headers: &[(&str, &str)], body: &str) -> Option<TargetError> {
        answer(RequestKind::AttributeWrite, status, headers, body)
    }

    fn answer(asked: RequestKind, status: u16, headers: &[(&str, &str)], body: &str) -> Option<TargetError> {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let body = ResponseBody::read(None, body.as_bytes());
        let answered = TargetResponse { asked, status, headers: &headers, body: &body };
        answered.error(Dialect::named("workplace").unwrap(), &Redactor::new(["the-token"], ["ada@acme.test"]))
    }

    fn kind(error: &Option<TargetError>) -> &'static str {
        match error {
            None => "good",
            Some(TargetError::RateLimited { .. }) => "rate limited",
            Some(TargetError::Unavailable { .. }) => "unavailable",
            Some(TargetError::Conflict { .. }) => "conflict",
            Some(TargetError::NotFound) => "not found",
            Some(TargetError::Unauthorized { .. }) => "unauthorized",
            Some(TargetError::Rejected { .. }) => "rejected",
            Some(TargetError::Malformed { .. }) => "malformed",
            Some(TargetError::Insecure { .. } | TargetError::InvalidUrl { .. }) => "not an answer",
        }
    }

    fn check(status: u16, body: &str, expect: &str) {
        assert_eq!(kind(&read(status, &[], body)), expect, "{status} {body}");
    }

    #[test]
    fn status_alone() {
        for (status, expect) in [
            (200, "good"),
            (201, "good"),
            (204, "good"),
            (302, "malformed"),
            (400, "rejected"),
            (401, "unauthorized"),
            (403, "rejected"),
            (404, "not found"),
            (405, "rejected"),
            (408, "unavailable"),
            (409, "conflict"),
            (410, "not found"),
            (412, "rejected"),
            (413, "rejected"),
            (422, "rejected"),
            (425, "unavailable"),
            (429, "rate limited"),
            (500, "unavailable"),
            (501, "rejected"),
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
    fn codes_mean_the_same_whatever_the_status() {
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
    fn the_three_shapes() {
        check(400, r#"{"Errors":[{"description":"bad","code":400}]}"#, "rejected");
        check(400, r#"{"Errors":{"description":"bad","code":400}}"#, "rejected");
        check(400, r#"{"error":{"message":"bad","type":"OAuthException","code":100}}"#, "rejected");
        check(400, r#"{"error":"bad"}"#, "rejected");
        check(409, r#"{"detail":"taken","status":"409","scimType":"uniqueness"}"#, "conflict");
        check(400, r#"{"detail":"taken","status":"400","scimType":"uniqueness"}"#, "conflict");
        check(500, r#"{"Errors":[]}"#, "unavailable");
        check(400, r#"{"Errors":["x", 1]}"#, "rejected");
        check(400, "[]", "rejected");
        check(400, "{\"Errors\":", "rejected");
    }

    #[test]
    fn a_refusal_of_one_user_is_not_one_of_the_token() {
        check(403, r#"{"detail":"an administrator can't be changed"}"#, "rejected");
        check(
            403,
            r#"{"Errors":[{"description":"you have no permission for this user","code":403}]}"#,
            "rejected",
        );
        check(403, r#"{"detail":"the integration is not authorized"}"#, "unauthorized");
        check(403, r#"{"Errors":[{"description":"User-Agent is required","code":403}]}"#, "unauthorized");
        for body in ["", r#"{"detail":"no"}"#] {
            assert_eq!(kind(&answer(RequestKind::Read, 403, &[], body)), "unauthorized");
        }
    }

    #[test]
    fn a_refused_proof_is_nobodys_fault() {
        for status in [400, 401, 403, 412] {
            check(
                status,
                r#"{"error":{"message":"Invalid appsecret_proof provided in the API argument","code":100}}"#,
                "unauthorized",
            );
        }
        check(500, r#"{"detail":"appsecret_proof: internal error"}"#, "unavailable");
    }

    #[test]
    fn html_comes_from_something_in_between() {
        for (status, expect) in [
            (200, "good"),
            (400, "unavailable"),
            (401, "unauthorized"),
            (403, "unavailable"),
            (404, "unavailable"),
            (409, "unavailable"),
            (429, "rate limited"),
            (502, "unavailable"),
        ] {
            check(status, "<!doctype html><h1>Blocked</h1>", expect);
        }
    }

    #[test]
    fn how_long_to_wait() {
        let wait = |headers: &[(&str, &str)]| match read(429, headers, "") {
            Some(TargetError::RateLimited { retry_after }) => retry_after,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[(RETRY_AFTER.as_str(), "7")]), Some(Duration::from_secs(7)));
        let date = (DATE.as_str(), "Mon, 23 Nov 2026 17:00:00 GMT");
        assert_eq!(
            wait(&[date, (RETRY_AFTER.as_str(), "Mon, 23 Nov 2026 17:01:30 GMT")]),
            Some(Duration::from_secs(90))
        );
    }

    #[test]
    fn what_is_said_is_kept_and_cleaned() {
        let said = |status, body| read(status, &[], body).unwrap().to_string();
        insta::assert_snapshot!(
            said(400, r#"{"Errors":[{"description":"title: ADA@ACME.TEST\nmay not be with the-token","code":1}]}"#),
            @"the target refuses title: HTTP 400: title: (value) may not be with (token)"
        );
        insta::assert_snapshot!(said(400, ""), @"the target refuses: HTTP 400 with an empty body");
        insta::assert_snapshot!(said(502, "<html>"), @"the target is not available: HTTP 502 with an HTML page");
        insta::assert_snapshot!(said(302, ""), @"the target's answer can't be understood, check its URL: HTTP 302, a redirect, which is not followed");
    }

    #[test]
    fn the_attribute_objected_to() {
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
        fn no_answer_makes_it_panic(status in 100u16..1000, retry_after in "[ -~]{0,40}", body: Vec<u8>) {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, retry_after.parse().unwrap())]);
            let body = ResponseBody::read(None, &body);
            let answered = TargetResponse { asked: RequestKind::AttributeWrite, status, headers: &headers, body: &body };
            let _ = answered.error(Dialect::named("workplace").unwrap(), &Redactor::new(["t"], []));
        }
    }
}
