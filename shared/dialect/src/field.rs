//! Mappable attributes and their places in the JSON.

use model::ValueKind;

/// Mappable attribute: name in a mapping, value kind, place in the JSON.
#[derive(Clone, Copy, Debug)]
pub struct DialectField {
    /// Name in a mapping.
    pub name: &'static str,
    /// Value kind.
    pub kind: ValueKind,
    /// URN of the extension that contains the attribute; `None` for core attributes.
    pub extension: Option<&'static str>,
    /// Place in the JSON.
    pub path: FieldPath,
    /// Way to clear the value.
    pub clear: DialectClear,
}

/// Path from the resource, or from the extension's object, to the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldPath {
    /// `{"title": …}`
    Plain(&'static str),
    /// `{"name": {"givenName": …}}`
    Part {
        /// The complex attribute.
        of: &'static str,
        /// The sub-attribute.
        part: &'static str,
    },
    /// `{"phoneNumbers": [{"type": "mobile", "value": …}]}`
    Typed {
        /// The multi-valued attribute.
        list: &'static str,
        /// The `type` of the element.
        kind: &'static str,
        /// The sub-attribute of the element.
        part: &'static str,
    },
}

/// Way to clear a value by PUT. None is documented; values that remain are removed by PATCH, where it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialectClear {
    /// Send an empty text.
    Blank,
    /// Send a zero.
    Zero,
    /// Omit the value, in lists too.
    Omit,
    /// Never: the target requires a value, and a refused update would block all other changes.
    Never,
}

impl DialectField {
    /// Name of the schema's attribute that contains the value.
    pub const fn attribute(&self) -> &'static str {
        match self.path {
            FieldPath::Plain(name) => name,
            FieldPath::Part { of, .. } => of,
            FieldPath::Typed { list, .. } => list,
        }
    }

    /// Simple text attribute of the core schema.
    pub(crate) const fn text(name: &'static str) -> Self {
        Self {
            name,
            kind: ValueKind::Text,
            extension: None,
            path: FieldPath::Plain(name),
            clear: DialectClear::Blank,
        }
    }

    /// Sub-attribute of a complex attribute.
    pub(crate) const fn part(name: &'static str, of: &'static str, part: &'static str) -> Self {
        Self { path: FieldPath::Part { of, part }, ..Self::text(name) }
    }

    /// Sub-attribute of the list element with a certain type.
    pub(crate) const fn typed(
        name: &'static str,
        list: &'static str,
        kind: &'static str,
        part: &'static str,
    ) -> Self {
        Self { path: FieldPath::Typed { list, kind, part }, clear: DialectClear::Omit, ..Self::text(name) }
    }

    /// Moves the attribute into an extension.
    pub(crate) const fn of(self, extension: &'static str) -> Self {
        Self { extension: Some(extension), ..self }
    }

    /// Sets the name in the JSON.
    pub(crate) const fn at(self, wire: &'static str) -> Self {
        Self { path: FieldPath::Plain(wire), ..self }
    }

    /// Sets the value kind.
    pub(crate) const fn takes(self, kind: ValueKind) -> Self {
        Self { kind, ..self }
    }

    /// Sets the way to clear the value.
    pub(crate) const fn cleared(self, clear: DialectClear) -> Self {
        Self { clear, ..self }
    }
}
