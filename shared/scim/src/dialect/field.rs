//! Where an attribute stands in the JSON.

use model::ValueKind;

/// An attribute that can be mapped: its name in a mapping, what it takes, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DialectField {
    pub(crate) name: &'static str,
    pub(crate) kind: ValueKind,
    /// The extension whose object holds it; a core attribute has none.
    pub(crate) extension: Option<&'static str>,
    pub(crate) path: FieldPath,
    pub(crate) clear: DialectClear,
}

/// The way from the resource, or from an extension's object, to the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldPath {
    /// `{"title": …}`
    Plain(&'static str),
    /// `{"name": {"givenName": …}}`
    Part { of: &'static str, part: &'static str },
    /// `{"phoneNumbers": [{"type": "mobile", "value": …}]}`
    Typed { list: &'static str, kind: &'static str, part: &'static str },
}

/// How PUT is told that a value should go. No way is documented, so whatever is still there afterwards is removed
/// by PATCH, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DialectClear {
    /// By an empty text.
    Blank,
    /// By a zero.
    Zero,
    /// By leaving it out, from its list too.
    Omit,
    /// Not at all: the target insists on a value, and to refuse the whole update for it would help nobody.
    Never,
}

impl DialectField {
    /// The attribute in its schema that holds the value, whole or as a part.
    pub(crate) const fn top(&self) -> &'static str {
        match self.path {
            FieldPath::Plain(name) => name,
            FieldPath::Part { of, .. } => of,
            FieldPath::Typed { list, .. } => list,
        }
    }

    /// A text of its own among the core attributes.
    pub(super) const fn text(name: &'static str) -> Self {
        Self {
            name,
            kind: ValueKind::Text,
            extension: None,
            path: FieldPath::Plain(name),
            clear: DialectClear::Blank,
        }
    }

    /// A part of an object.
    pub(super) const fn part(name: &'static str, of: &'static str, part: &'static str) -> Self {
        Self { path: FieldPath::Part { of, part }, ..Self::text(name) }
    }

    /// A part of that element of a list that has a certain type.
    pub(super) const fn typed(
        name: &'static str,
        list: &'static str,
        kind: &'static str,
        part: &'static str,
    ) -> Self {
        Self { path: FieldPath::Typed { list, kind, part }, clear: DialectClear::Omit, ..Self::text(name) }
    }

    /// The same in an extension.
    pub(super) const fn of(self, extension: &'static str) -> Self {
        Self { extension: Some(extension), ..self }
    }

    /// The same under another name on the wire.
    pub(super) const fn at(self, wire: &'static str) -> Self {
        Self { path: FieldPath::Plain(wire), ..self }
    }

    /// The same with another kind of value.
    pub(super) const fn takes(self, kind: ValueKind) -> Self {
        Self { kind, ..self }
    }

    /// The same, cleared otherwise.
    pub(super) const fn cleared(self, clear: DialectClear) -> Self {
        Self { clear, ..self }
    }
}
