//! Checking filters (RFC 4515) before a server sees them.
//!
//! The library that sends them parses them too, but says only that it could not. An administrator who copied a filter
//! of three lines wants to know where.

use std::fmt;

/// How deep a filter may nest. People stay below ten; the library's parser would run out of stack far above this.
const MAX_DEPTH: usize = 50;

/// Checks an administrator's filter. The outermost parentheses may be left out around a single condition.
pub fn check_filter(filter: &str) -> Result<(), FilterError> {
    let mut parser = Parser { text: filter, rest: filter };
    parser.whole()?;
    // Both parsers follow the same grammar. Should they ever differ, it is the library's that counts.
    ldap3::parse_filter(filter)
        .map(drop)
        .map_err(|()| FilterError { position: 1, problem: FilterProblem::Refused })
}

/// The filter in parentheses, so that it can stand within another.
pub(crate) fn enclosed(filter: &str) -> String {
    if filter.starts_with('(') { filter.to_owned() } else { format!("({filter})") }
}

/// The conditions of a filter in parentheses that must all be met: those within its outermost `&`, or it alone. It has
/// been checked, so a parenthesis within a value is escaped.
pub(crate) fn conjuncts(filter: &str) -> Vec<String> {
    let Some(inner) = filter.strip_prefix("(&").and_then(|rest| rest.strip_suffix(')')) else {
        return vec![filter.to_owned()];
    };
    let (mut parts, mut depth) = (vec![String::new()], 0_usize);
    for c in inner.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
        if depth == 0 {
            parts.push(String::new());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Why a filter can't be used, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {problem}")]
pub struct FilterError {
    /// The character at which the filter stops making sense, counted from 1.
    pub position: usize,
    /// What is wrong there.
    pub problem: FilterProblem,
}

/// What is wrong with a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterProblem {
    /// There is nothing.
    Empty,
    /// A condition was to begin.
    NoOpening,
    /// A condition was to end.
    NoClosing,
    /// There is more after the end.
    Trailing,
    /// `&` or `|` without conditions: one matches everybody and the other nobody, and neither was meant.
    NoConditions,
    /// No attribute name where one belongs.
    NoAttribute,
    /// No comparison after the attribute name.
    NoComparison,
    /// A backslash that is not followed by two hexadecimal digits.
    BadEscape,
    /// A character that a value holds only in escaped form.
    Unescaped,
    /// Two asterisks in a row.
    DoubleAsterisk,
    /// White space between the parts; this is not in the grammar, though some tools accept it.
    Space,
    /// More levels than anybody can read.
    TooDeep,
    /// Refused by the library that sends it.
    Refused,
}

impl fmt::Display for FilterProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the filter is empty",
            Self::NoOpening => "'(' is expected",
            Self::NoClosing => "')' is expected",
            Self::Trailing => "the filter has ended before this; is there a ')' too many?",
            Self::NoConditions => "'&' and '|' need at least one condition in parentheses",
            Self::NoAttribute => "an attribute name is expected",
            Self::NoComparison => "'=', '>=', '<=' or '~=' is expected after the attribute name",
            Self::BadEscape => {
                "'\\' must be followed by two hexadecimal digits; a backslash itself is written \\5c"
            }
            Self::Unescaped => "this must be escaped within a value: '(' as \\28, ')' as \\29, '*' as \\2a",
            Self::DoubleAsterisk => "one '*' is enough",
            Self::Space => "there must be no white space between the parts of a filter",
            Self::TooDeep => "the filter is nested too deeply",
            Self::Refused => "the filter can't be understood",
        })
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Parser<'_> {
    fn whole(&mut self) -> Result<(), FilterError> {
        match self.peek() {
            None => return self.fail(FilterProblem::Empty),
            Some('(') => self.condition(0)?,
            Some(_) => self.comparison()?,
        }
        match self.peek() {
            None => Ok(()),
            Some(c) if c.is_whitespace() => self.fail(FilterProblem::Space),
            Some(_) => self.fail(FilterProblem::Trailing),
        }
    }

    /// One filter in parentheses.
    fn condition(&mut self, depth: usize) -> Result<(), FilterError> {
        if depth == MAX_DEPTH {
            return self.fail(FilterProblem::TooDeep);
        }
        self.opening()?;
        match self.peek() {
            Some('&' | '|') => {
                self.advance();
                if self.peek() == Some(')') {
                    return self.fail(FilterProblem::NoConditions);
                }
                self.condition(depth + 1)?;
                while self.peek() == Some('(') {
                    self.condition(depth + 1)?;
                }
            }
            Some('!') => {
                self.advance();
                self.condition(depth + 1)?;
            }
            _ => self.comparison()?,
        }
        match self.peek() {
            Some(')') => {
                self.advance();
                Ok(())
            }
            Some('(' | '*') => self.fail(FilterProblem::Unescaped),
            Some(c) if c.is_whitespace() => self.fail(FilterProblem::Space),
            _ => self.fail(FilterProblem::NoClosing),
        }
    }

    fn opening(&mut self) -> Result<(), FilterError> {
        match self.peek() {
            Some('(') => {
                self.advance();
                Ok(())
            }
            Some(c) if c.is_whitespace() => self.fail(FilterProblem::Space),
            _ => self.fail(FilterProblem::NoOpening),
        }
    }

    /// `attribute=value` and its relatives.
    fn comparison(&mut self) -> Result<(), FilterError> {
        if self.peek() == Some(':') {
            self.dn_flag();
            self.take(":");
            self.attribute()?;
            return self.assertion();
        }
        self.attribute()?;
        while self.take(";") {
            self.option()?;
        }
        if self.take("=") {
            return self.pattern();
        }
        if [">=", "<=", "~="].into_iter().any(|comparison| self.take(comparison)) {
            return self.value();
        }
        if self.peek() != Some(':') {
            return self.fail(FilterProblem::NoComparison);
        }
        self.dn_flag();
        if !self.rest.starts_with(":=") {
            self.take(":");
            self.attribute()?;
        }
        self.assertion()
    }

    /// The `:dn` with which a matching rule looks at the entry's DN as well.
    fn dn_flag(&mut self) {
        if self.rest.starts_with(":dn:") {
            self.take(":dn");
        }
    }

    /// What follows a matching rule.
    fn assertion(&mut self) -> Result<(), FilterError> {
        if self.take(":=") { self.value() } else { self.fail(FilterProblem::NoComparison) }
    }

    /// A name, or a number with dots.
    fn attribute(&mut self) -> Result<(), FilterError> {
        match self.peek() {
            Some(c) if c.is_ascii_alphabetic() => {
                self.skip(|c| c.is_ascii_alphanumeric() || c == '-');
                Ok(())
            }
            Some(c) if c.is_ascii_digit() => {
                self.number()?;
                while self.take(".") {
                    self.number()?;
                }
                Ok(())
            }
            Some(c) if c.is_whitespace() => self.fail(FilterProblem::Space),
            _ => self.fail(FilterProblem::NoAttribute),
        }
    }

    fn number(&mut self) -> Result<(), FilterError> {
        match self.peek() {
            // No digit may follow a leading zero.
            Some('0') => {
                self.advance();
                Ok(())
            }
            Some(c) if c.is_ascii_digit() => {
                self.skip(|c| c.is_ascii_digit());
                Ok(())
            }
            _ => self.fail(FilterProblem::NoAttribute),
        }
    }

    fn option(&mut self) -> Result<(), FilterError> {
        let before = self.rest.len();
        self.skip(|c| c.is_ascii_alphanumeric() || c == '-');
        if self.rest.len() == before { self.fail(FilterProblem::NoAttribute) } else { Ok(()) }
    }

    /// A value in which asterisks stand for anything.
    fn pattern(&mut self) -> Result<(), FilterError> {
        self.value()?;
        while self.take("*") {
            if self.peek() == Some('*') {
                return self.fail(FilterProblem::DoubleAsterisk);
            }
            self.value()?;
        }
        Ok(())
    }

    /// Everything up to a character that ends a value.
    fn value(&mut self) -> Result<(), FilterError> {
        loop {
            match self.peek() {
                None | Some('(' | ')' | '*') => return Ok(()),
                Some('\0') => return self.fail(FilterProblem::Unescaped),
                Some('\\') => {
                    let mut digits = self.rest.chars().skip(1);
                    let is_escape = (0..2).all(|_| digits.next().is_some_and(|c| c.is_ascii_hexdigit()));
                    if !is_escape {
                        return self.fail(FilterProblem::BadEscape);
                    }
                    (0..3).for_each(|_| self.advance());
                }
                Some(_) => self.advance(),
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn advance(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    fn skip(&mut self, while_true: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(while_true);
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest.strip_prefix(token);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn fail(&self, problem: FilterProblem) -> Result<(), FilterError> {
        let read = self.text.chars().count() - self.rest.chars().count();
        Err(FilterError { position: read + 1, problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conditions_of_an_and_stand_for_themselves() {
        let parts = |filter: &str| conjuncts(filter);
        assert_eq!(parts("(uid=ada)"), ["(uid=ada)"]);
        assert_eq!(parts("(|(a=1)(b=2))"), ["(|(a=1)(b=2))"]);
        assert_eq!(parts("(&(a=1)(!(b=2))(|(c=3)(d=\\28)))"), ["(a=1)", "(!(b=2))", "(|(c=3)(d=\\28))"]);
    }

    use FilterProblem::*;

    #[test]
    fn what_administrators_write() {
        for filter in [
            "(objectClass=*)",
            "department=Sales",
            "(&(objectCategory=person)(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
            "(memberOf:1.2.840.113556.1.4.1941:=CN=Workplace,DC=corp,DC=example)",
            "(|(cn=A*)(cn=*b*c*)(cn=*z))",
            r"(cn=Smith \28ext\29)",
            "(cn=Jürgen)",
            "(cn;lang-de=Jürgen)",
            "(2.5.4.3=x)",
            "(ou:dn:=People)",
            "(:dn:2.4.6.8.10:=x)",
            "(:caseExactMatch:=x)",
            "(cn:dn:caseExactMatch:=x)",
            "(whenChanged>=20260101000000.0Z)",
            "(sn~=jensen)",
            "(sn=)",
            "(sn= x )",
        ] {
            assert_eq!(check_filter(filter), Ok(()), "{filter}");
        }
    }

    #[test]
    fn what_is_wrong_and_where() {
        for (filter, position, problem) in [
            ("", 1, Empty),
            ("()", 2, NoAttribute),
            ("(&(a=b)(c=d)", 13, NoClosing),
            ("(a=b))", 6, Trailing),
            ("(a=b)(c=d)", 6, Trailing),
            ("(&)", 3, NoConditions),
            ("(|)", 3, NoConditions),
            ("(&a=b)", 3, NoOpening),
            ("(!a=b)", 3, NoOpening),
            ("(& (a=b))", 3, Space),
            ("(&(a=b) (c=d))", 8, Space),
            (" (a=b)", 1, Space),
            ("(a=b)\n", 6, Space),
            ("(a b=c)", 3, NoComparison),
            ("(a)", 3, NoComparison),
            ("(a:=", 5, NoClosing),
            ("(ä=b)", 2, NoAttribute),
            ("(memberOf=CN=Müller (ext),DC=x)", 21, Unescaped),
            ("(a>=*)", 5, Unescaped),
            (r"(a=ü\2)", 5, BadEscape),
            (r"(a=\zz)", 4, BadEscape),
            ("(a=**)", 5, DoubleAsterisk),
            ("(a;=b)", 4, NoAttribute),
            ("(2.05=b)", 5, NoComparison),
        ] {
            assert_eq!(check_filter(filter), Err(FilterError { position, problem }), "{filter}");
        }
    }

    #[test]
    fn a_bottomless_filter_is_refused() {
        let filter = format!("{}(a=b){}", "(!".repeat(100_000), ")".repeat(100_000));
        assert_eq!(check_filter(&filter).map_err(|error| error.problem), Err(TooDeep));
    }

    #[test]
    fn the_message_says_where() {
        let message = check_filter("(&(a=b)(c=d)").unwrap_err().to_string();
        assert_eq!(message, "at character 13: ')' is expected");
    }

    proptest::proptest! {
        #[test]
        fn whatever_passes_can_be_sent(filter in r"[(&|!a0=*:;\\ 2b<>~.)d-]{0,16}") {
            let refused = matches!(check_filter(&filter), Err(FilterError { problem: Refused, .. }));
            proptest::prop_assert!(!refused, "{}", filter);
        }

        #[test]
        fn no_text_is_too_strange(filter: String) {
            let _ = check_filter(&filter);
        }
    }
}
