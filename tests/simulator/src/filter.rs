//! Filters: `attribute eq "value"`, the only form that Workplace supports \[doc\].

use serde_json::Value;

use crate::{options::Product, reply::Refusal};

/// Comparison in a filter or in the brackets of a PATCH path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) attribute: String,
    pub(crate) value: Value,
}

impl Comparison {
    /// The value is a JSON string or a boolean; text after it is refused.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (attribute, rest) = text.trim().split_once(char::is_whitespace)?;
        let (operator, literal) = rest.trim_start().split_once(char::is_whitespace)?;
        if !operator.eq_ignore_ascii_case("eq") {
            return None;
        }
        match serde_json::from_str(literal).ok()? {
            value @ (Value::String(_) | Value::Bool(_)) => {
                Some(Self { attribute: attribute.to_owned(), value })
            }
            _ => None,
        }
    }

    pub(crate) fn selects(&self, element: &Value) -> bool {
        element.get(&self.attribute) == Some(&self.value)
    }
}

/// Filter of a look-up.
#[derive(Debug, PartialEq)]
pub(crate) enum UserFilter {
    UserName(String),
    ExternalId(String),
}

impl UserFilter {
    pub(crate) fn parse(text: &str, product: Product) -> Result<Self, Refusal> {
        let refuse = |why: &str| Refusal::invalid("invalidFilter", format!("filter {text:?}: {why}"));
        let comparison =
            Comparison::parse(text).ok_or_else(|| refuse("only `attribute eq \"value\"` is supported"))?;
        let Value::String(value) = comparison.value else {
            return Err(refuse("the value must be a string"));
        };
        match comparison.attribute.to_ascii_lowercase().as_str() {
            "username" => Ok(Self::UserName(value)),
            "externalid" if product.filters_on_external_id() => Ok(Self::ExternalId(value)),
            _ => Err(refuse("this attribute can't be filtered on")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<UserFilter>) {
        assert_eq!(UserFilter::parse(text, Product::Workplace).ok(), expect, "{text}");
    }

    fn user_name(value: &str) -> Option<UserFilter> {
        Some(UserFilter::UserName(value.to_owned()))
    }

    #[test]
    fn equality_is_parsed() {
        check(r#"userName eq "ada@acme.test""#, user_name("ada@acme.test"));
        check(r#"  USERNAME  EQ  "a"  "#, user_name("a"));
        check(r#"userName eq "a\"b\\c""#, user_name(r#"a"b\c"#));
        check(r#"userName eq "a and b""#, user_name("a and b"));
        check(r#"externalId eq """#, Some(UserFilter::ExternalId(String::new())));
    }

    #[test]
    fn other_filters_are_refused() {
        for text in [
            "",
            "userName",
            "userName eq",
            "userName eq ",
            "userName eq ada",
            "userName eq 'ada'",
            r#"userName eq "ada"#,
            r#"userName eq "ada" and active eq true"#,
            r#"userName eq "ada"x"#,
            r#"userName sw "ada""#,
            r#"userName pr"#,
            r#"userName eq true"#,
            r#"active eq true"#,
            r#"(userName eq "ada")"#,
            r#"not userName eq "ada""#,
        ] {
            check(text, None);
        }
    }

    #[test]
    fn admin_center_filters_on_the_user_name_only() {
        let by = |text| UserFilter::parse(text, Product::AdminCenter).is_ok();
        assert!(by(r#"userName eq "a""#));
        assert!(!by(r#"externalId eq "a""#));
    }
}
