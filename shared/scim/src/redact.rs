//! Taking what is secret or personal out of what a target says.

/// How much of a complaint is kept, in characters.
const LONGEST: usize = 300;

/// Shorter values are common words or codes; a complaint without them would be no complaint any more.
const SHORTEST_VALUE: usize = 3;

/// Stands where a token stood.
const TOKEN: &str = "(token)";

/// What must not appear in a text that is logged, stored or shown.
pub(crate) struct Redactor<'a> {
    hidden: Vec<(&'a str, &'static str)>,
}

impl<'a> Redactor<'a> {
    /// Hides the tokens and those values that were sent.
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

    /// The text on one line, cut short, without hidden values and without anything that looks like an e-mail
    /// address.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut clean = String::new();
        let mut kept = 0;
        let mut rest = text;
        let mut is_boundary = true;
        while let Some(next) = rest.chars().next() {
            if kept >= LONGEST {
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

    /// How many bytes at the start of a text are to be hidden, and by what.
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

/// A name or a token must not survive because a part of it was hidden before.
fn longest_first<'a>(hidden: impl Iterator<Item = (&'a str, &'static str)>) -> Vec<(&'a str, &'static str)> {
    let mut hidden: Vec<_> = hidden.collect();
    hidden.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    hidden
}

/// How many bytes of the text say the value, without case.
fn starts_with(text: &str, value: &str) -> Option<usize> {
    let mut said = text.char_indices();
    for wanted in value.chars() {
        let (_, found) = said.next()?;
        if found != wanted && !found.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    Some(said.offset())
}

fn is_end(text: &str, length: usize) -> bool {
    let next = text.get(length..).and_then(|rest| rest.chars().next());
    !next.is_some_and(char::is_alphanumeric)
}

/// The length of the e-mail address at the start of a text, also in a URL's spelling.
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
    fn what_is_hidden() {
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
    fn long_complaints_are_cut() {
        let clean = Redactor::new([""], []).clean(&"ä".repeat(1000));
        assert_eq!(clean.chars().count(), LONGEST + 1);
    }

    proptest! {
        #[test]
        fn neither_token_nor_address_survives(before in ".{0,400}", after in ".{0,40}") {
            let redactor = Redactor::new(["s3cret-token"], []);
            let clean = redactor.clean(&format!("{before} s3cret-token {after} ada@acme.test {after}"));
            prop_assert!(!clean.contains("s3cret-token"));
            prop_assert!(!clean.contains("ada@acme.test"));
            prop_assert!(clean.chars().count() <= LONGEST + "(e-mail)".len() + 1);
            prop_assert!(!clean.contains(char::is_control));
        }
    }
}
