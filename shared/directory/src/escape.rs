//! Values in filters (RFC 4515, section 3).

/// Escapes a value for a filter, so that no character in it ends the value.
pub fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\0' => escaped.push_str("\\00"),
            '(' => escaped.push_str("\\28"),
            ')' => escaped.push_str("\\29"),
            '*' => escaped.push_str("\\2a"),
            '\\' => escaped.push_str("\\5c"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Escapes every byte of a binary value for a filter.
pub fn escape_bytes(value: &[u8]) -> String {
    value.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(escape("CN=Müller (ext)*\\,DC=x\0"), r"CN=Müller \28ext\29\2a\5c,DC=x\00");
        assert_eq!(escape_bytes(&[0x00, 0x2a, 0xff]), r"\00\2a\ff");
    }

    proptest::proptest! {
        #[test]
        fn escaped_values_make_valid_filters(value: String, bytes: Vec<u8>) {
            proptest::prop_assert_eq!(crate::check_filter(&format!("(cn={})", escape(&value))), Ok(()));
            proptest::prop_assert_eq!(crate::check_filter(&format!("(x={})", escape_bytes(&bytes))), Ok(()));
        }
    }
}
