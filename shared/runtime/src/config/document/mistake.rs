//! Mistakes in a configuration, in words.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

/// A mistake in the values of a configuration.
#[derive(Debug)]
pub(in super::super) struct Mistake {
    /// Keys of the tables around it, the outermost first.
    path: Vec<String>,
    /// Byte of the key.
    pub(super) at: Option<usize>,
    problem: ValueProblem,
}

#[derive(Debug)]
enum ValueProblem {
    UnknownKey {
        key: String,
        known: &'static [&'static str],
        is_table: bool,
    },
    MissingKey(&'static str),
    /// A value that can't be used.
    Value(String),
}

/// Sections of the file. Other keys at its top are values.
const SECTIONS: [&str; 7] = ["directory", "scope", "target", "options", "safety", "retention", "mapping"];

impl Mistake {
    pub(super) fn value(problem: String) -> Self {
        Self { path: Vec::new(), at: None, problem: ValueProblem::Value(problem) }
    }

    /// A value of another kind than the wanted one.
    pub(super) fn kind(wanted: impl Display, found: &str) -> Self {
        Self::value(format!("must be {wanted}, not {found}"))
    }

    /// The mistake is in the value of this key, which starts at this byte.
    pub(super) fn within(mut self, key: &str, at: usize) -> Self {
        self.path.insert(0, key.to_owned());
        self.at.get_or_insert(at);
        self
    }

    /// The mistake is the key itself.
    pub(super) fn at_key(mut self, at: usize, has_table: bool) -> Self {
        self.at = Some(at);
        if let ValueProblem::UnknownKey { is_table, .. } = &mut self.problem {
            *is_table = has_table;
        }
        self
    }

    /// The key for the place, empty where the problem names it, and the problem.
    pub(super) fn described(&self) -> (String, String) {
        let path = self.path();
        let within = match self.path.len() {
            0 => "at the top of the file".to_owned(),
            _ => format!("in [{path}]"),
        };
        match &self.problem {
            ValueProblem::Value(problem) => (format!(", key {path}"), problem.clone()),
            ValueProblem::MissingKey(key) if self.path.is_empty() && SECTIONS.contains(key) => {
                (String::new(), format!("the section [{key}] is missing"))
            }
            ValueProblem::MissingKey(key) => (String::new(), format!("the key `{key}` is missing {within}")),
            ValueProblem::UnknownKey { key, known, is_table } => {
                let is_section = *is_table && self.path.is_empty();
                let known: Vec<&str> =
                    known.iter().copied().filter(|name| !is_section || SECTIONS.contains(name)).collect();
                let advice = match (nearest(key, &known), is_section) {
                    (Some(near), true) => format!("the nearest is [{near}]"),
                    (Some(near), false) => format!("the nearest is `{near}`"),
                    (None, true) => format!("sections are {}", known.join(", ")),
                    (None, false) => format!("known keys are {}", known.join(", ")),
                };
                let what = match is_section {
                    true => format!("unknown section [{key}]"),
                    false => format!("unknown key `{key}` {within}"),
                };
                (String::new(), format!("{what}; {advice}"))
            }
        }
    }

    fn path(&self) -> String {
        let keys = self.path.iter().map(|key| written_key(key));
        keys.collect::<Vec<_>>().join(".")
    }
}

/// A key as in a file: one with other characters than letters, digits, `-` and `_` is in quotes.
pub(in super::super) fn written_key(key: &str) -> String {
    let is_plain = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if is_plain { key.to_owned() } else { format!("{key:?}") }
}

impl Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.described().1)
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    /// The text comes from the `expecting` attributes of the file's types.
    fn custom<T: Display>(text: T) -> Self {
        Self::value(text.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::kind(wanted_kind(wanted), found_kind(&found))
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        match found {
            Unexpected::Signed(..0) => Self::value("must be 0 or more".to_owned()),
            Unexpected::Signed(_) | Unexpected::Unsigned(_) => Self::value("is too large".to_owned()),
            _ => Self::value(format!("must be {}", wanted_kind(wanted))),
        }
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::value(format!("{word:?} is not one of: {}", known.join(", ")))
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        let problem = ValueProblem::UnknownKey { key: key.to_owned(), known, is_table: false };
        Self { path: Vec::new(), at: None, problem }
    }

    fn missing_field(key: &'static str) -> Self {
        Self { path: Vec::new(), at: None, problem: ValueProblem::MissingKey(key) }
    }
}

/// The wanted kind of value. The names of Rust's types are replaced; other texts are those of this crate.
fn wanted_kind(wanted: &dyn Expected) -> String {
    match wanted.to_string().as_str() {
        "a string" => "text in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "i32" | "i64" | "u32" | "u64" | "usize" => "a whole number".to_owned(),
        text if text.contains("struct ") || text.contains("enum ") => "a table".to_owned(),
        text => text.to_owned(),
    }
}

fn found_kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a decimal number",
        Unexpected::Str(_) | Unexpected::Char(_) => "text",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "another kind of value",
    }
}

/// The most similar name.
fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    const MIN_SIMILARITY: f64 = 0.75;
    let similar = known.iter().map(|known| (strsim::jaro_winkler(name, known), *known));
    let nearest = similar.max_by(|(a, _), (b, _)| a.total_cmp(b));
    nearest.filter(|(similarity, _)| *similarity >= MIN_SIMILARITY).map(|(_, name)| name)
}

/// A mistake in the syntax. `message` is the parser's, `wrong` the text that it refers to. Other text of the file is not
/// repeated, because it may be a secret.
pub(super) fn syntax_problem(message: &str, wrong: &str) -> String {
    let is = |beginnings: &[&str]| beginnings.iter().any(|beginning| message.starts_with(beginning));
    let advice = match () {
        () if is(&["duplicate key"]) => {
            return format!("the key `{}` is there twice; remove one", wrong.trim());
        }
        () if is(&["string values must be quoted"]) && wrong.trim().is_empty() => {
            "a value is missing after ="
        }
        () if is(&["string values must be quoted"]) => "text needs quotes, as in kind = \"openldap\"",
        () if is(&["key with no value", "missing assignment"]) => "a key is followed by = and a value",
        () if is(&["missing value"]) => "a value is missing after =",
        () if is(&["unclosed"]) => "a closing bracket is missing",
        () if is(&["missing comma"]) => "a comma is missing",
        () if is(&["invalid basic string", "invalid literal string"]) => {
            "text ends with a quote in the same line, and a backslash is written twice"
        }
        () => "each line is a [section], KEY = VALUE or a # comment",
    };
    format!("the line can't be read as TOML: {advice}")
}
