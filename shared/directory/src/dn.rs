//! Position of a DN in the tree.

use model::DnKey;

/// Whether an entry is the base or lies under it.
pub(crate) fn is_under(dn: &str, base: &str) -> bool {
    let base = DnKey::of(base);
    let mut escaped = false;
    let ends = dn.char_indices().filter(|(_, character)| {
        let separates = *character == ',' && !escaped;
        escaped = *character == '\\' && !escaped;
        separates
    });
    let mut parts = std::iter::once(dn).chain(ends.filter_map(|(at, _)| dn.get(at + 1..)));
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
