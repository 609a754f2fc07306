//! The base URL of a target: which one an access token may be sent to, the URLs below it, and how they are logged.

use reqwest::Url;
use url::ParseError;

use crate::errors::TargetError;

/// Path of a request below the base URL: the kind of resource, and the query without the values of a filter.
pub(crate) fn without_values(base: &Url, url: &Url) -> String {
    let segments = |url: &Url| -> Vec<String> {
        let segments = url.path_segments().into_iter().flatten().filter(|segment| !segment.is_empty());
        segments.map(str::to_owned).collect()
    };
    let mut path = String::new();
    for (depth, segment) in segments(url).iter().skip(segments(base).len()).enumerate() {
        path.push('/');
        path.push_str(if depth == 0 { segment } else { "…" });
    }
    let query = url.query_pairs().map(|(key, value)| match &*key {
        "startIndex" | "count" | "attributes" | "excludedAttributes" => format!("{key}={value}"),
        // Values of a filter are in quotes.
        "filter" => {
            format!("filter={}", value.split('"').step_by(2).collect::<Vec<_>>().join("\"…\"").trim())
        }
        _ => format!("{key}=…"),
    });
    let query: Vec<String> = query.collect();
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

/// The URL of a resource below the base URL.
pub(crate) fn url_under<S: AsRef<str>>(base: &Url, segments: &[S]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// Refuses a base URL that no access token may be sent to.
pub fn check_url(base: &str) -> Result<(), TargetError> {
    parse_base(base).map(drop)
}

/// Parses a base URL that an access token may be sent to.
pub(crate) fn parse_base(base: &str) -> Result<Url, TargetError> {
    let invalid = |reason: &str| TargetError::InvalidUrl { reason: reason.to_owned() };
    let url = Url::parse(base.trim()).map_err(|error| {
        invalid(match error {
            ParseError::RelativeUrlWithoutBase => "it must begin with https://",
            ParseError::InvalidPort => "the port is not a number from 1 to 65535",
            _ => "the host name is missing or invalid",
        })
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it contains a user name or a password; credentials belong in the secret"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("it must end with its path, without ? or #"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(TargetError::Insecure { url: base.trim().to_owned() }),
        _ => return Err(invalid("it must begin with https://")),
    }
    if url.cannot_be_a_base() {
        return Err(invalid("it has no host"));
    }
    Ok(url)
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_logged_without_ids_and_user_names() {
        let base = Url::parse("https://x.test/scim/v2/").unwrap();
        for (path, logged) in [
            ("Users/ada@acme.test", "/Users/…"),
            ("Users", "/Users"),
            ("Users?filter=userName%20eq%20%22ada%22&count=2", "/Users?filter=userName eq \"…\"&count=2"),
            ("Users?appsecret_proof=abc", "/Users?appsecret_proof=…"),
        ] {
            assert_eq!(without_values(&base, &base.join(path).unwrap()), logged);
        }
    }

    #[test]
    fn base_url_must_be_https_or_loopback() {
        let users = |text: &str| parse_base(text).map(|url| url_under(&url, &["Users"]).to_string());
        assert_eq!(users("https://scim.workplace.com").unwrap(), "https://scim.workplace.com/Users");
        assert_eq!(users(" https://x.test/scim/v2/ ").unwrap(), "https://x.test/scim/v2/Users");
        assert_eq!(users("https://xn--bcher-kva.test/x").unwrap(), "https://xn--bcher-kva.test/x/Users");
        for loopback in ["http://127.0.0.1:80", "http://127.9.9.9", "http://localhost:1", "http://[::1]:8"] {
            assert!(users(loopback).is_ok(), "{loopback}");
        }
        for insecure in [
            "http://scim.workplace.com",
            "http://10.0.0.1",
            "http://localhost.acme.test",
            "HTTP://127.0.0.1.acme.test",
        ] {
            assert!(matches!(users(insecure), Err(TargetError::Insecure { .. })), "{insecure}");
        }
        for invalid in [
            "",
            "scim.workplace.com",
            "ftp://x.test",
            "https://u:p@x.test",
            "https://x.test?a=b",
            "https://x.test/#a",
            "https://bücher.test",
        ] {
            assert!(matches!(users(invalid), Err(TargetError::InvalidUrl { .. })), "{invalid}");
        }
    }
}
