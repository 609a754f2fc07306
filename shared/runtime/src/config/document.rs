//! The TOML text of a configuration: its values, the line of each key, and its mistakes in the words of an administrator.
//!
//! The parser's own messages name types of this program, so the values are deserialised here: a mistake has a line, a path of
//! keys, and what was wanted.

mod mistake;
mod value;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) use mistake::written_key;
use mistake::{Mistake, syntax_problem};
use value::TableReader;

/// A parsed text.
pub(super) struct Document<'t> {
    text: &'t str,
    root: DeTable<'t>,
}

impl<'t> Document<'t> {
    /// Parses a text. The error is the place, `:LINE:COLUMN`, and the problem.
    pub(super) fn parse(text: &'t str) -> Result<Self, (String, String)> {
        match DeTable::parse(text) {
            Ok(root) => Ok(Self { text, root: root.into_inner() }),
            Err(error) => {
                let span = error.span().unwrap_or_default();
                let (line, column) = position(text, span.start);
                let wrong = text.get(span).unwrap_or_default();
                Err((format!(":{line}:{column}"), syntax_problem(error.message(), wrong)))
            }
        }
    }

    /// The values as a type. The error is the place, `:LINE` and the path of the key, and the problem.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, (String, String)> {
        T::deserialize(TableReader::new(&self.root)).map_err(|mistake: Mistake| {
            let line = mistake.at.map(|at| format!(":{}", position(self.text, at).0)).unwrap_or_default();
            let (key, problem) = mistake.described();
            (format!("{line}{key}"), problem)
        })
    }

    /// Place of a key, such as `target.url` or `mapping."name.givenName"`: its line, or the line of its section.
    pub(super) fn place_of(&self, key: &str) -> String {
        let line = span_of(&self.root, key).map(|start| format!(":{}", position(self.text, start).0));
        format!("{}, key {key}", line.unwrap_or_default())
    }
}

/// Start of a key, or of the innermost table on the way to it.
fn span_of(table: &DeTable<'_>, key: &str) -> Option<usize> {
    let find = |name: &str| table.iter().find(|(key, _)| key.get_ref().as_ref() == name);
    if let Some((found, _)) = find(key.trim_matches('"')) {
        return Some(found.span().start);
    }
    let (first, rest) = key.split_once('.')?;
    let (found, value) = find(first)?;
    let deeper = value.get_ref().as_table().and_then(|table| span_of(table, rest));
    Some(deeper.unwrap_or(found.span().start))
}

/// Line and column of a byte.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Kind of a value, for messages.
fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

type Item<'a, 't> = (&'a Spanned<std::borrow::Cow<'t, str>>, &'a Spanned<DeValue<'t>>);
