//! Times of an entry's latest change, by the server's clock (RFC 4512, section 3.4).

use model::Attributes;

pub(crate) const MODIFIED: &str = "modifyTimestamp";
pub(crate) const CREATED: &str = "createTimestamp";

/// The later of a time and an entry's latest change. A server may set `modifyTimestamp` only when an entry is changed.
pub(crate) fn newest_change(newest: Option<String>, attributes: &Attributes) -> Option<String> {
    let time = |name| std::str::from_utf8(attributes.one(name)?).ok().and_then(whole_seconds);
    newest.max(time(MODIFIED)).max(time(CREATED))
}

/// Time in whole seconds (RFC 4517, section 3.3.13): `20260101120000Z`, also from one with a fraction.
pub(crate) fn whole_seconds(text: &str) -> Option<String> {
    let digits = text.get(..14)?;
    (digits.bytes().all(|byte| byte.is_ascii_digit()) && text.ends_with('Z')).then(|| format!("{digits}Z"))
}
