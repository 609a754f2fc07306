//! All code that reads a response, in one function for fuzz and property tests.

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

use crate::body::ResponseBody;
use crate::client::finding::ListResponse;
use crate::features::ServerFeatures;
use crate::meaning::{RequestKind, TargetResponse};
use crate::redact::Redactor;
use crate::render::{self, EmptyText};
use crate::resource::Resource;
use crate::{difference, pace};
use dialect::Dialect;

/// Reads bytes as a response to each kind of request in each dialect: two bytes of status, a line of header value, the
/// body. It must return without a panic.
#[doc(hidden)]
pub fn read_arbitrary_response(bytes: &[u8]) {
    let (status, rest) = match bytes {
        [high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]) % 1_000, rest),
        _ => (200, bytes),
    };
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let (header, content) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        headers.insert(RETRY_AFTER, value.clone());
        headers.insert("x-app-usage", value);
    }
    let _ = pace::is_usage_high(&headers);
    let Ok(base) = Url::parse("https://x.test") else { return };
    let content_type = std::str::from_utf8(header).ok();
    for dialect in Dialect::all() {
        let body = ResponseBody::read(content_type, content);
        for kind in [RequestKind::Read, RequestKind::Write] {
            let response = TargetResponse { kind, status, headers: &headers, body: &body };
            let _ = response.error(dialect, &Redactor::new(["the-token"], ["ada@acme.test"]));
        }
        if let ResponseBody::Json(object) = &body {
            drop(ListResponse::read(object));
            let _ = ServerFeatures::assumed(dialect)
                .with_config(object)
                .with_resource_types(object, &base)
                .with_schemas(object);
        }
        let Ok(resource) = Resource::from_body(dialect, body) else { continue };
        let whole = render::whole_with(dialect, &resource, ("active", &serde_json::json!(false)));
        let _ = difference::operations(dialect, resource.raw(), &whole);
        let Some(user) = clearing(&resource) else { continue };
        for blanks in [EmptyText::Sent, EmptyText::Omitted] {
            let _ = render::update(dialect, &resource, &user, blanks);
        }
    }
}

/// A desired user that clears every attribute of the account.
fn clearing(resource: &Resource) -> Option<model::DesiredUser> {
    let attributes = resource.account.attributes.keys().map(|name| (name.clone(), model::Managed::Clear));
    Some(model::DesiredUser {
        user_name: model::UserName::new("ada@acme.test").ok()?,
        active: true,
        attributes: attributes.collect(),
        create_only: std::collections::BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::any_json;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn arbitrary_bytes_are_read_without_panic(bytes: Vec<u8>) {
            read_arbitrary_response(&bytes);
        }

        #[test]
        fn arbitrary_json_is_read_without_panic(status in 100_u16..600, header in "[ -~]{0,20}", json in any_json()) {
            let mut bytes = status.to_be_bytes().to_vec();
            bytes.extend(format!("{header}\n{json}").bytes());
            read_arbitrary_response(&bytes);
        }
    }
}
