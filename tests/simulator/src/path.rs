//! The paths of PATCH operations (RFC 7644, section 3.5.2).

use crate::{
    filter::Comparison,
    reply::Refusal,
    schema::{self, CORE},
};

/// `urn:…:User:attribute[type eq "work"].part`; every piece but one is optional.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PatchPath {
    pub(crate) extension: Option<String>,
    pub(crate) target: PathTarget,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PathTarget {
    /// The extension as a whole.
    Extension,
    Attribute(String),
    Part(String, String),
    /// Elements of a list, or one sub-attribute of each.
    Elements(String, Comparison, Option<String>),
}

impl PatchPath {
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        parse(text.trim())
            .ok_or_else(|| Refusal::invalid("invalidPath", format!("path {text:?}: not understood")))
    }
}

fn parse(text: &str) -> Option<PatchPath> {
    if !schema::is_extension(text) {
        return Some(PatchPath { extension: None, target: target(text)? });
    }
    // Every recorded URN ends in `:User`; the attribute follows.
    let (urn, target) = match text.split_once(":User:") {
        Some((stem, rest)) => (format!("{stem}:User"), target(rest)?),
        None if text.ends_with(":User") => (text.to_owned(), PathTarget::Extension),
        None => return None,
    };
    match (urn == CORE, &target) {
        (true, PathTarget::Extension) => None,
        (true, _) => Some(PatchPath { extension: None, target }),
        (false, _) => Some(PatchPath { extension: Some(urn), target }),
    }
}

fn target(text: &str) -> Option<PathTarget> {
    if let Some((attribute, rest)) = text.split_once('[') {
        // The last bracket closes: a quoted value may contain brackets, a part can't.
        let (comparison, rest) = rest.rsplit_once(']')?;
        let part = match rest.strip_prefix('.') {
            Some(part) => Some(name(part)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        let comparison = Comparison::parse(comparison)?;
        return Some(PathTarget::Elements(name(attribute)?, comparison, part));
    }
    Some(match text.split_once('.') {
        Some((attribute, part)) => PathTarget::Part(name(attribute)?, name(part)?),
        None => PathTarget::Attribute(name(text)?),
    })
}

fn name(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$');
    (!text.is_empty() && text.chars().all(allowed)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, extension: Option<&str>, target: PathTarget) {
        let extension = extension.map(str::to_owned);
        assert_eq!(PatchPath::parse(text), Ok(PatchPath { extension, target }), "{text}");
    }

    fn attribute(name: &str) -> PathTarget {
        PathTarget::Attribute(name.to_owned())
    }

    fn part(attribute: &str, part: &str) -> PathTarget {
        PathTarget::Part(attribute.to_owned(), part.to_owned())
    }

    fn elements(attribute: &str, kind: &str, part: Option<&str>) -> PathTarget {
        let comparison = Comparison { attribute: "type".to_owned(), value: json!(kind) };
        PathTarget::Elements(attribute.to_owned(), comparison, part.map(str::to_owned))
    }

    #[test]
    fn used_forms_are_parsed() {
        check("title", None, attribute("title"));
        check("name.givenName", None, part("name", "givenName"));
        check(r#"emails[type eq "work"].value"#, None, elements("emails", "work", Some("value")));
        check(r#"phoneNumbers[type eq "odd]"]"#, None, elements("phoneNumbers", "odd]", None));
        check(
            &format!("{}:department", schema::ENTERPRISE),
            Some(schema::ENTERPRISE),
            attribute("department"),
        );
        check(
            &format!("{}:manager.managerId", schema::ENTERPRISE),
            Some(schema::ENTERPRISE),
            part("manager", "managerId"),
        );
        check(schema::ENTERPRISE, Some(schema::ENTERPRISE), PathTarget::Extension);
        check(&format!("{CORE}:title"), None, attribute("title"));
    }

    #[test]
    fn other_paths_are_refused() {
        for text in [
            "",
            ".",
            "name.",
            "a.b.c",
            "emails[",
            "emails[]",
            "emails]",
            "emails[type eq]",
            r#"emails[type eq "work"]value"#,
            r#"emails[type eq "work"].a.b"#,
            "urn:something",
            CORE,
            "a b",
        ] {
            assert!(PatchPath::parse(text).is_err(), "{text}");
        }
    }
}
