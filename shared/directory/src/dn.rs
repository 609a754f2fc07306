//! Form of a DN, and its position in the tree.

use model::DnKey;

/// Whether a text has the form of a DN (RFC 4514): parts such as `ou=people`, separated by commas. Active Directory's forms
/// in angle brackets count too.
pub fn is_dn(text: &str) -> bool {
    let text = text.trim();
    if text.starts_with('<') && text.ends_with('>') {
        return true;
    }
    let starts = std::iter::once(0).chain(separators(text).map(|at| at + 1));
    let ends = separators(text).chain(std::iter::once(text.len()));
    starts.zip(ends).all(|(start, end)| text.get(start..end).is_some_and(is_named_value))
}

/// Whether a part of a DN is an attribute type, `=` and a value.
fn is_named_value(part: &str) -> bool {
    let is_type = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
    };
    part.split_once('=').is_some_and(|(name, value)| is_type(name.trim()) && !value.trim().is_empty())
}

/// Positions of the commas that separate the parts of a DN.
fn separators(dn: &str) -> impl Iterator<Item = usize> {
    let mut escaped = false;
    dn.char_indices().filter_map(move |(at, character)| {
        let separates = character == ',' && !escaped;
        escaped = character == '\\' && !escaped;
        separates.then_some(at)
    })
}

/// Whether an entry is the base or lies under it.
pub(crate) fn is_under(dn: &str, base: &str) -> bool {
    let base = DnKey::of(base);
    let mut parts = std::iter::once(dn).chain(separators(dn).filter_map(|at| dn.get(at + 1..)));
    parts.any(|part| DnKey::of(part) == base)
}

/// Naming context that holds an entry: the longest that matches.
pub(crate) fn context_of<'a>(dn: &str, contexts: &'a [String]) -> Option<&'a str> {
    let holds = |context: &&String| !context.is_empty() && is_under(dn, context);
    contexts.iter().filter(holds).max_by_key(|context| context.len()).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_group_is_no_dn() {
        for dn in
            ["dc=acme", r"cn=Smith\, Jo,ou=people, dc=acme", "cn=a+sn=b,dc=x", "2.5.4.3=a=b", "<GUID=0f>"]
        {
            assert!(is_dn(dn), "{dn}");
        }
        for text in
            ["", "workplace", "acme.example", "cn=workplace,", "cn=,dc=x", "=x", "ou people=x", "dc=a,,dc=b"]
        {
            assert!(!is_dn(text), "{text}");
        }
    }

    #[test]
    fn entry_is_under_its_base() {
        for (dn, base, expected) in [
            ("uid=ada,ou=people,dc=acme", "ou=people,dc=acme", true),
            ("uid=ada, OU=People, dc=acme", "ou=people,dc=acme", true),
            ("ou=people,dc=acme", "ou=people,dc=acme", true),
            ("uid=ada,ou=former,dc=acme", "ou=people,dc=acme", false),
            (r"cn=x\,ou=people,dc=acme", "ou=people,dc=acme", false),
            (r"cn=Smith\, Jo,ou=people,dc=acme", "ou=people,dc=acme", true),
            ("dc=acme", "ou=people,dc=acme", false),
        ] {
            assert_eq!(is_under(dn, base), expected, "{dn}");
        }
    }

    #[test]
    fn nearest_context_holds_the_entry() {
        let contexts = ["DC=corp,DC=example", "DC=eu,DC=corp,DC=example", ""].map(str::to_owned);
        assert_eq!(
            context_of("cn=g, dc=eu, dc=corp, dc=example", &contexts),
            Some("DC=eu,DC=corp,DC=example")
        );
        assert_eq!(context_of("CN=g,DC=corp,DC=example", &contexts), Some("DC=corp,DC=example"));
        assert_eq!(context_of("DC=corp,DC=example", &contexts), Some("DC=corp,DC=example"));
        assert_eq!(context_of("DC=xcorp,DC=example", &contexts), None);
    }
}
