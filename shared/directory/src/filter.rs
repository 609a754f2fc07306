//! Filters: their text (RFC 4515), checked with the position of an error, and their encoding (RFC 4511, section 4.5.1).

use crate::wire::ber::{OCTET_STRING, SEQUENCE, element, put, put_all};

/// Error in a filter, with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {problem}")]
pub struct FilterError {
    /// Position of the error in characters, from 1.
    pub position: usize,
    /// Problem at the position.
    pub problem: &'static str,
}

const EMPTY: &str = "the filter is empty";
const NO_OPENING: &str = "'(' is missing";
const NO_CLOSING: &str = "')' is missing";
const TRAILING: &str = "the filter has ended before this; remove a ')' if there is one too many";
const NO_CONDITIONS: &str = "'&' and '|' need at least one condition in parentheses";
const NO_ATTRIBUTE: &str = "an attribute name is missing";
const NO_COMPARISON: &str = "'=', '>=', '<=' or '~=' is missing after the attribute name";
const BAD_ESCAPE: &str =
    "'\\' must be followed by two hexadecimal digits; a backslash itself is written \\5c";
const UNESCAPED: &str = "this must be escaped within a value: '(' as \\28, ')' as \\29, '*' as \\2a";
const DOUBLE_ASTERISK: &str = "write one '*' instead of two";
const SPACE: &str = "there must be no white space between the parts of a filter";
const TOO_DEEP: &str = "the filter is nested too deeply";

/// Deepest nesting of a filter. Real filters stay below ten.
const MAX_DEPTH: usize = 50;

/// Checks a configured filter. A single condition needs no parentheses.
pub fn check_filter(filter: &str) -> Result<(), FilterError> {
    encode(filter).map(drop)
}

pub(crate) fn encode(filter: &str) -> Result<Vec<u8>, FilterError> {
    FilterParser { text: filter, rest: filter }.whole()
}

/// Escapes a value for a filter (RFC 4515, section 3), so that no character in it ends the value.
pub fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\0' | '(' | ')' | '*' | '\\' => {
                escaped.push_str(&escape_bytes(c.encode_utf8(&mut [0]).as_bytes()))
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Escapes every byte of a binary value for a filter.
pub fn escape_bytes(value: &[u8]) -> String {
    value.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// Filter in parentheses, so that it can become part of another.
pub(crate) fn enclosed(filter: &str) -> String {
    if filter.starts_with('(') { filter.to_owned() } else { format!("({filter})") }
}

/// Conditions of a checked filter in parentheses that must all be met: those of its outermost `&`, or the filter itself.
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

struct FilterParser<'a> {
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

impl<'a> FilterParser<'a> {
    fn whole(&mut self) -> Result<Vec<u8>, FilterError> {
        let mut out = Vec::new();
        match self.peek() {
            None => return self.fail(EMPTY),
            Some('(') => self.condition(0, &mut out)?,
            Some(_) => self.comparison(&mut out)?,
        }
        match self.peek() {
            None => Ok(out),
            Some(c) if c.is_whitespace() => self.fail(SPACE),
            Some(_) => self.fail(TRAILING),
        }
    }

    fn condition(&mut self, depth: usize, out: &mut Vec<u8>) -> Result<(), FilterError> {
        if depth == MAX_DEPTH {
            return self.fail(TOO_DEEP);
        }
        self.opening()?;
        match self.peek() {
            Some(kind @ ('&' | '|')) => {
                self.advance();
                if self.peek() == Some(')') {
                    return self.fail(NO_CONDITIONS);
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
            _ if self.take(")") => Ok(()),
            Some('(' | '*') => self.fail(UNESCAPED),
            Some(c) if c.is_whitespace() => self.fail(SPACE),
            _ => self.fail(NO_CLOSING),
        }
    }

    fn opening(&mut self) -> Result<(), FilterError> {
        match self.peek() {
            _ if self.take("(") => Ok(()),
            Some(c) if c.is_whitespace() => self.fail(SPACE),
            _ => self.fail(NO_OPENING),
        }
    }

    /// Parses `attribute=value` or another comparison.
    fn comparison(&mut self, out: &mut Vec<u8>) -> Result<(), FilterError> {
        if self.peek() == Some(':') {
            let with_dn = self.dn_flag();
            self.take(":");
            let rule = self.attribute()?;
            return self.assertion((Some(rule), None, with_dn), out);
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
            return self.fail(NO_COMPARISON);
        }
        let with_dn = self.dn_flag();
        let rule = if self.rest.starts_with(":=") {
            None
        } else {
            self.take(":");
            Some(self.attribute()?)
        };
        self.assertion((rule, Some(attribute), with_dn), out)
    }

    /// Parses `:dn`, by which a matching rule covers the attributes of the DN too.
    fn dn_flag(&mut self) -> bool {
        self.rest.starts_with(":dn:") && self.take(":dn")
    }

    /// Parses the value behind a matching rule.
    fn assertion(
        &mut self,
        (rule, attribute, with_dn): (Option<&str>, Option<&str>, bool),
        out: &mut Vec<u8>,
    ) -> Result<(), FilterError> {
        if !self.take(":=") {
            return self.fail(NO_COMPARISON);
        }
        let value = self.value()?;
        let mut parts = Vec::new();
        for (tag, part) in [(0x81, rule), (0x82, attribute)] {
            if let Some(part) = part {
                put(tag, part.as_bytes(), &mut parts);
            }
        }
        put(0x83, &value, &mut parts);
        if with_dn {
            put(0x84, &[0xff], &mut parts);
        }
        put(EXTENSIBLE, &parts, out);
        Ok(())
    }

    /// Parses an attribute name or an object identifier.
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
            Some(c) if c.is_whitespace() => return self.fail(SPACE),
            _ => return self.fail(NO_ATTRIBUTE),
        }
        Ok(self.since(start))
    }

    fn number(&mut self) -> Result<(), FilterError> {
        match self.peek() {
            // A leading zero stands alone.
            _ if self.take("0") => Ok(()),
            Some(c) if c.is_ascii_digit() => {
                self.skip(|c| c.is_ascii_digit());
                Ok(())
            }
            _ => self.fail(NO_ATTRIBUTE),
        }
    }

    fn option(&mut self) -> Result<(), FilterError> {
        let before = self.rest.len();
        self.skip(|c| c.is_ascii_alphanumeric() || c == '-');
        if self.rest.len() == before { self.fail(NO_ATTRIBUTE) } else { Ok(()) }
    }

    /// Parses a value with asterisks as wildcards.
    fn pattern(&mut self, attribute: &str, out: &mut Vec<u8>) -> Result<(), FilterError> {
        let mut pieces = vec![self.value()?];
        while self.take("*") {
            if self.peek() == Some('*') {
                return self.fail(DOUBLE_ASTERISK);
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
                    let tag = match at {
                        0 => 0x80,
                        _ if at == last => 0x82,
                        _ => 0x81,
                    };
                    put(tag, piece, &mut list);
                }
                let mut parts = octets(attribute.as_bytes());
                put(SEQUENCE, &list, &mut parts);
                put(SUBSTRINGS, &parts, out);
            }
        }
        Ok(())
    }

    /// Parses up to a character that ends a value.
    fn value(&mut self) -> Result<Vec<u8>, FilterError> {
        let mut value = Vec::new();
        loop {
            match self.peek() {
                None | Some('(' | ')' | '*') => return Ok(value),
                Some('\0') => return self.fail(UNESCAPED),
                Some('\\') => {
                    let mut digits = self.rest.chars().skip(1).map(|c| c.to_digit(16));
                    let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                        return self.fail(BAD_ESCAPE);
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

    /// Text that was parsed since `start`.
    fn since(&self, start: &'a str) -> &'a str {
        start.get(..start.len() - self.rest.len()).unwrap_or_default()
    }

    fn fail<T>(&self, problem: &'static str) -> Result<T, FilterError> {
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
    fn conjuncts_of_an_and_are_separate() {
        assert_eq!(conjuncts("(uid=ada)"), ["(uid=ada)"]);
        assert_eq!(conjuncts("(|(a=1)(b=2))"), ["(|(a=1)(b=2))"]);
        assert_eq!(conjuncts("(&(a=1)(!(b=2))(|(c=3)(d=\\28)))"), ["(a=1)", "(!(b=2))", "(|(c=3)(d=\\28))"]);
    }

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
    fn error_has_problem_and_position() {
        for (filter, position, problem) in [
            ("", 1, EMPTY),
            ("()", 2, NO_ATTRIBUTE),
            ("(&(a=b)(c=d)", 13, NO_CLOSING),
            ("(a=b))", 6, TRAILING),
            ("(a=b)(c=d)", 6, TRAILING),
            ("(&)", 3, NO_CONDITIONS),
            ("(|)", 3, NO_CONDITIONS),
            ("(&a=b)", 3, NO_OPENING),
            ("(!a=b)", 3, NO_OPENING),
            ("(& (a=b))", 3, SPACE),
            ("(&(a=b) (c=d))", 8, SPACE),
            (" (a=b)", 1, SPACE),
            ("(a=b)\n", 6, SPACE),
            ("(a b=c)", 3, NO_COMPARISON),
            ("(a)", 3, NO_COMPARISON),
            ("(a:=", 5, NO_CLOSING),
            ("(ä=b)", 2, NO_ATTRIBUTE),
            ("(memberOf=CN=Müller (ext),DC=x)", 21, UNESCAPED),
            ("(a>=*)", 5, UNESCAPED),
            (r"(a=ü\2)", 5, BAD_ESCAPE),
            (r"(a=\zz)", 4, BAD_ESCAPE),
            ("(a=**)", 5, DOUBLE_ASTERISK),
            ("(a;=b)", 4, NO_ATTRIBUTE),
            ("(2.05=b)", 5, NO_COMPARISON),
        ] {
            assert_eq!(check_filter(filter), Err(FilterError { position, problem }), "{filter}");
        }
    }

    #[test]
    fn excessive_nesting_is_refused() {
        let filter = format!("{}(a=b){}", "(!".repeat(100_000), ")".repeat(100_000));
        assert_eq!(check_filter(&filter).map_err(|error| error.problem), Err(TOO_DEEP));
    }

    /// Encoding of a filter by another library.
    fn encoded_by_ldap3(filter: &str) -> Vec<u8> {
        use lber::structures::ASNTag;
        let tag = ldap3::parse_filter(filter).unwrap();
        let mut written = Default::default();
        lber::write::encode_into(&mut written, tag.into_structure()).unwrap();
        written.to_vec()
    }

    /// Same element with every length in its shortest form.
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
    fn encoding_equals_that_of_another_library() {
        for filter in FILTERS {
            assert_eq!(shortest(&encode(filter).unwrap()), shortest(&encoded_by_ldap3(filter)), "{filter}");
        }
        let long = format!("(|{})", "(uid=someone)".repeat(10_000));
        assert_eq!(shortest(&encode(&long).unwrap()), shortest(&encoded_by_ldap3(&long)));
    }

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(escape("CN=Müller (ext)*\\,DC=x\0"), r"CN=Müller \28ext\29\2a\5c,DC=x\00");
        assert_eq!(escape_bytes(&[0x00, 0x2a, 0xff]), r"\00\2a\ff");
    }

    proptest::proptest! {
        #[test]
        fn escaped_values_make_valid_filters(value: String, bytes: Vec<u8>) {
            proptest::prop_assert_eq!(check_filter(&format!("(cn={})", escape(&value))), Ok(()));
            proptest::prop_assert_eq!(check_filter(&format!("(x={})", escape_bytes(&bytes))), Ok(()));
        }

        #[test]
        fn valid_filters_encode_as_in_another_library(filter in r"[(&|!a0=*:;\\ 2b<>~.)d-]{0,16}") {
            if let Ok(sent) = encode(&filter) {
                proptest::prop_assert_eq!(shortest(&sent), shortest(&encoded_by_ldap3(&filter)), "{}", filter);
            }
        }

        #[test]
        fn parsing_never_panics(filter: String) {
            let _ = check_filter(&filter);
        }
    }
}
