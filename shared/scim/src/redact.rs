//! Removes secrets and personal data from the target's error texts.

/// Longest text that is kept, in characters.
const MAX_LENGTH: usize = 300;

/// Shorter values are common words or codes; without them an error text loses its meaning.
const SHORTEST_VALUE: usize = 3;

/// Replacement for a token.
const TOKEN: &str = "(token)";

/// Values that must not appear in a text that is logged, stored or shown.
pub(crate) struct Redactor<'a> {
    hidden: Vec<(&'a str, &'static str)>,
}

impl<'a> Redactor<'a> {
    /// Hides tokens and sent values.
    pub(crate) fn new(
        tokens: impl IntoIterator<Item = &'a str>,
        sent: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let tokens = tokens.into_iter().filter(|token| !token.is_empty());
        let sent = sent.into_iter().filter(|value| value.chars().count() >= SHORTEST_VALUE);
        let mut hidden = longest_first(tokens.map(|token| (token, TOKEN)));
        hidden.extend(longest_first(sent.map(|value| (value, "(value)"))));
        Self { hidden }
    }

    /// Text on one line, cut to the maximum length, without hidden values and e-mail addresses.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut clean = String::new();
        let mut kept = 0;
        let mut rest = text;
        let mut is_boundary = true;
        while let Some(next) = rest.chars().next() {
            if kept >= MAX_LENGTH {
                clean.push('…');
                break;
            }
            if let Some((length, instead)) = self.hidden_at(rest, is_boundary) {
                clean.push_str(instead);
                kept += instead.len();
                rest = rest.get(length..).unwrap_or_default();
                is_boundary = false;
                continue;
            }
            let is_space = next.is_whitespace() || next.is_control();
            if !is_space {
                clean.push(next);
                kept += 1;
            } else if !clean.ends_with(' ') {
                clean.push(' ');
                kept += 1;
            }
            is_boundary = !next.is_alphanumeric();
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
        }
        clean.trim().to_owned()
    }

    /// Number of bytes to hide at the start of a text, and their replacement.
    fn hidden_at(&self, text: &str, is_boundary: bool) -> Option<(usize, &'static str)> {
        for (value, instead) in &self.hidden {
            let is_token = *instead == TOKEN;
            if let Some(length) = starts_with(text, value)
                && (is_token || (is_boundary && is_end(text, length)))
            {
                return Some((length, instead));
            }
        }
        if is_boundary && let Some(length) = address_at(text) {
            return Some((length, "(e-mail)"));
        }
        None
    }
}

/// Longer values are hidden first: a hidden part must not leave the rest of a value readable.
fn longest_first<'a>(hidden: impl Iterator<Item = (&'a str, &'static str)>) -> Vec<(&'a str, &'static str)> {
    let mut hidden: Vec<_> = hidden.collect();
    hidden.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    hidden
}

/// Length in bytes of the value at the start of the text, compared without case.
fn starts_with(text: &str, value: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    for wanted in value.chars() {
        let (_, found) = chars.next()?;
        if found != wanted && !found.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    Some(chars.offset())
}

fn is_end(text: &str, length: usize) -> bool {
    let next = text.get(length..).and_then(|rest| rest.chars().next());
    !next.is_some_and(char::is_alphanumeric)
}

/// Length of the e-mail address at the start of a text, also if percent-encoded.
fn address_at(text: &str) -> Option<usize> {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>()[]{},;:=".contains(c);
    let word = text.split(ends).next()?;
    let lower = word.to_ascii_lowercase();
    let is_address = ["@", "%40", "\u{ff20}"].iter().any(|sign| lower.contains(sign));
    is_address.then_some(word.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: &str) {
        let redactor = Redactor::new(
            ["s3cret", "s3cret-old"],
            ["Ada.L@acme.test", "Ada Lovelace", "Ada", "IT", "Straße"],
        );
        assert_eq!(redactor.clean(text), expect);
    }

    #[test]
    fn tokens_values_and_addresses_are_hidden() {
        check("title is too long", "title is too long");
        check("userName ada.l@ACME.test is taken", "userName (value) is taken");
        check("bob@acme.test, <eve@x>; mailto:joe%40x", "(e-mail), <(e-mail)>; mailto:(e-mail)");
        check("ADA LOVELACE and ada", "(value) and (value)");
        check("adamant LIMIT for IT", "adamant LIMIT for IT");
        check("Bearer s3cret? xs3cretx", "Bearer (token)? x(token)x");
        check("S3CRET-old was replaced", "(token) was replaced");
        check("in STRAßE", "in (value)");
        check("a\u{0}b\r\n\tc \u{1b}[31m", "a b c [31m");
        check("", "");
    }

    #[test]
    fn long_texts_are_cut() {
        let clean = Redactor::new([""], []).clean(&"ä".repeat(1000));
        assert_eq!(clean.chars().count(), MAX_LENGTH + 1);
    }

    proptest! {
        #[test]
        fn no_token_or_address_remains(before in ".{0,400}", after in ".{0,40}") {
            let redactor = Redactor::new(["s3cret-token"], []);
            let clean = redactor.clean(&format!("{before} s3cret-token {after} ada@acme.test {after}"));
            prop_assert!(!clean.contains("s3cret-token"));
            prop_assert!(!clean.contains("ada@acme.test"));
            prop_assert!(clean.chars().count() <= MAX_LENGTH + "(e-mail)".len() + 1);
            prop_assert!(!clean.contains(char::is_control));
        }
    }
}
