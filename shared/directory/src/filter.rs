//! Filters as text (RFC 4515), and as they are sent (RFC 4511, section 4.5.1).
//!
//! An administrator who copied a filter of three lines wants to know where it is wrong, and wants to know it before a
//! server sees it.

use crate::wire::ber::{OCTET_STRING, SEQUENCE, element, put, put_all};

mod problem;

pub use problem::{FilterError, FilterProblem};

/// How deep a filter may nest. People stay below ten.
const MAX_DEPTH: usize = 50;

/// Checks an administrator's filter. The outermost parentheses may be left out around a single condition.
pub fn check_filter(filter: &str) -> Result<(), FilterError> {
    encode(filter).map(drop)
}

/// A filter as it is sent.
pub(crate) fn encode(filter: &str) -> Result<Vec<u8>, FilterError> {
    Parser { text: filter, rest: filter }.whole()
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

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

const AND: u8 = 0xa0;
const OR: u8 = 0xa1;
const NOT: u8 = 0xa2;
const EQUAL: u8 = 0xa3;
const SUBSTRINGS: u8 = 0xa4;
const PRESENT: u8 = 0x87;
const EXTENSIBLE: u8 = 0xa9;

impl<'a> Parser<'a> {
    fn whole(&mut self) -> Result<Vec<u8>, FilterError> {
        let mut out = Vec::new();
        match self.peek() {
            None => return self.fail(FilterProblem::Empty),
            Some('(') => self.condition(0, &mut out)?,
            Some(_) => self.comparison(&mut out)?,
        }
        match self.peek() {
            None => Ok(out),
            Some(c) if c.is_whitespace() => self.fail(FilterProblem::Space),
            Some(_) => self.fail(FilterProblem::Trailing),
        }
    }

    /// One filter in parentheses.
    fn condition(&mut self, depth: usize, out: &mut Vec<u8>) -> Result<(), FilterError> {
        if depth == MAX_DEPTH {
            return self.fail(FilterProblem::TooDeep);
        }
        self.opening()?;
        match self.peek() {
            Some(kind @ ('&' | '|')) => {
                self.advance();
                if self.peek() == Some(')') {
                    return self.fail(FilterProblem::NoConditions);
                }
                let mut parts = Vec::new();
                self.condition(depth + 1, &mut parts)?;
                while self.peek() == Some('(') {
                    self.condition(depth + 1, &mut parts)?;
                }
                put(if kind == '&' { AND } else { OR }, &parts, out);
            }
            Some('!') => {
                self.advance();
                let mut part = Vec::new();
                self.condition(depth + 1, &mut part)?;
                put(NOT, &part, out);
            }
            _ => self.comparison(out)?,
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
    fn comparison(&mut self, out: &mut Vec<u8>) -> Result<(), FilterError> {
        if self.peek() == Some(':') {
            let looks_at_dn = self.dn_flag();
            self.take(":");
            let rule = self.attribute()?;
            return self.assertion((Some(rule), None, looks_at_dn), out);
        }
        let start = self.rest;
        self.attribute()?;
        while self.take(";") {
            self.option()?;
        }
        let attribute = self.since(start);
        if self.take("=") {
            return self.pattern(attribute, out);
        }
        for (comparison, kind) in [(">=", 0xa5), ("<=", 0xa6), ("~=", 0xa8)] {
            if self.take(comparison) {
                let value = self.value()?;
                put_all(kind, &[octets(attribute.as_bytes()), octets(&value)], out);
                return Ok(());
            }
        }
        if self.peek() != Some(':') {
            return self.fail(FilterProblem::NoComparison);
        }
        let looks_at_dn = self.dn_flag();
        let rule = if self.rest.starts_with(":=") {
            None
        } else {
            self.take(":");
            Some(self.attribute()?)
        };
        self.assertion((rule, Some(attribute), looks_at_dn), out)
    }

    /// The `:dn` with which a matching rule looks at the entry's DN as well.
    fn dn_flag(&mut self) -> bool {
        self.rest.starts_with(":dn:") && self.take(":dn")
    }

    /// What follows a matching rule.
    fn assertion(
        &mut self,
        (rule, attribute, looks_at_dn): (Option<&str>, Option<&str>, bool),
        out: &mut Vec<u8>,
    ) -> Result<(), FilterError> {
        if !self.take(":=") {
            return self.fail(FilterProblem::NoComparison);
        }
        let value = self.value()?;
        let mut parts = Vec::new();
        for (tag, part) in [(0x81, rule), (0x82, attribute)] {
            if let Some(part) = part {
                put(tag, part.as_bytes(), &mut parts);
            }
        }
        put(0x83, &value, &mut parts);
        if looks_at_dn {
            put(0x84, &[0xff], &mut parts);
        }
        put(EXTENSIBLE, &parts, out);
        Ok(())
    }

    /// A name, or a number with dots.
    fn attribute(&mut self) -> Result<&'a str, FilterError> {
        let start = self.rest;
        match self.peek() {
            Some(c) if c.is_ascii_alphabetic() => self.skip(|c| c.is_ascii_alphanumeric() || c == '-'),
            Some(c) if c.is_ascii_digit() => {
                self.number()?;
                while self.take(".") {
                    self.number()?;
                }
            }
            Some(c) if c.is_whitespace() => return self.fail(FilterProblem::Space),
            _ => return self.fail(FilterProblem::NoAttribute),
        }
        Ok(self.since(start))
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
    fn pattern(&mut self, attribute: &str, out: &mut Vec<u8>) -> Result<(), FilterError> {
        let mut pieces = vec![self.value()?];
        while self.take("*") {
            if self.peek() == Some('*') {
                return self.fail(FilterProblem::DoubleAsterisk);
            }
            pieces.push(self.value()?);
        }
        let last = pieces.len() - 1;
        match pieces.as_slice() {
            [value] => put_all(EQUAL, &[octets(attribute.as_bytes()), octets(value)], out),
            [before, after] if before.is_empty() && after.is_empty() => {
                put(PRESENT, attribute.as_bytes(), out);
            }
            pieces => {
                let mut list = Vec::new();
                for (at, piece) in pieces.iter().enumerate().filter(|(_, piece)| !piece.is_empty()) {
                    let place = if at == 0 {
                        0x80
                    } else if at == last {
                        0x82
                    } else {
                        0x81
                    };
                    put(place, piece, &mut list);
                }
                let mut parts = octets(attribute.as_bytes());
                put(SEQUENCE, &list, &mut parts);
                put(SUBSTRINGS, &parts, out);
            }
        }
        Ok(())
    }

    /// Everything up to a character that ends a value.
    fn value(&mut self) -> Result<Vec<u8>, FilterError> {
        let mut value = Vec::new();
        loop {
            match self.peek() {
                None | Some('(' | ')' | '*') => return Ok(value),
                Some('\0') => return self.fail(FilterProblem::Unescaped),
                Some('\\') => {
                    let mut digits = self.rest.chars().skip(1).map(|c| c.to_digit(16));
                    let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                        return self.fail(FilterProblem::BadEscape);
                    };
                    value.extend(u8::try_from(high * 16 + low));
                    (0..3).for_each(|_| self.advance());
                }
                Some(c) => {
                    value.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
                    self.advance();
                }
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

    /// What was read since `start`, which is what was left then.
    fn since(&self, start: &'a str) -> &'a str {
        start.get(..start.len() - self.rest.len()).unwrap_or_default()
    }

    fn fail<T>(&self, problem: FilterProblem) -> Result<T, FilterError> {
        let read = self.text.chars().count() - self.rest.chars().count();
        Err(FilterError { position: read + 1, problem })
    }
}

fn octets(content: &[u8]) -> Vec<u8> {
    element(OCTET_STRING, content)
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

    const FILTERS: [&str; 17] = [
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
    ];

    #[test]
    fn what_administrators_write() {
        for filter in FILTERS {
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

    /// The tree of a filter as another library sends it.
    fn sent_elsewhere(filter: &str) -> Vec<u8> {
        use lber::structures::ASNTag;
        let tag = ldap3::parse_filter(filter).unwrap();
        let mut written = Default::default();
        lber::write::encode_into(&mut written, tag.into_structure()).unwrap();
        written.to_vec()
    }

    /// The same element with all lengths in their shortest form.
    fn shortest(element: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = element;
        while let Some((tag, content, after)) = crate::wire::ber::next(rest) {
            let content = if tag & 0x20 == 0 { content.to_vec() } else { shortest(content) };
            let digits: Vec<u8> = content.len().to_be_bytes().into_iter().skip_while(|it| *it == 0).collect();
            out.push(tag);
            if content.len() < 0x80 {
                out.extend(u8::try_from(content.len()));
            } else {
                out.push(0x80 | u8::try_from(digits.len()).unwrap());
                out.extend(digits);
            }
            out.extend(content);
            rest = after;
        }
        out
    }

    #[test]
    fn it_is_sent_as_others_send_it() {
        for filter in FILTERS {
            assert_eq!(shortest(&encode(filter).unwrap()), shortest(&sent_elsewhere(filter)), "{filter}");
        }
        let long = format!("(|{})", "(uid=somebody)".repeat(10_000));
        assert_eq!(shortest(&encode(&long).unwrap()), shortest(&sent_elsewhere(&long)));
    }

    proptest::proptest! {
        #[test]
        fn whatever_passes_is_understood_elsewhere(filter in r"[(&|!a0=*:;\\ 2b<>~.)d-]{0,16}") {
            if let Ok(sent) = encode(&filter) {
                proptest::prop_assert_eq!(shortest(&sent), shortest(&sent_elsewhere(&filter)), "{}", filter);
            }
        }

        #[test]
        fn no_text_is_too_strange(filter: String) {
            let _ = check_filter(&filter);
        }
    }
}
