//! Attributes of items. Reading never panics: an error names the item and the attribute.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors::{Result, StoreError, corrupt};
use crate::keys::{ItemKey, PK, SK};

/// An item as the SDK gives it.
pub(crate) type TableItem = HashMap<String, AttributeValue>;

/// Text for an attribute.
pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A whole number for an attribute.
pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Bytes for an attribute.
pub(crate) fn bytes(value: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// A Boolean for an attribute.
pub(crate) fn flag(value: bool) -> AttributeValue {
    AttributeValue::Bool(value)
}

/// Maximum length of a JSON attribute; leaves room for the rest of an item.
const MAX_JSON_BYTES: usize = 390_000;

/// A value as JSON text for an attribute. Refused where no item could hold it.
pub(crate) fn json<T: Serialize>(key: &ItemKey, value: &T) -> Result<AttributeValue> {
    let text = serde_json::to_string(value).map_err(|_| corrupt(key, "the value to write is no JSON"))?;
    if text.len() > MAX_JSON_BYTES {
        return Err(StoreError::TooLarge(key.to_string()));
    }
    Ok(AttributeValue::S(text))
}

/// Reader of one item's attributes.
#[derive(Clone, Copy)]
pub(crate) struct ItemReader<'a> {
    item: &'a TableItem,
}

impl<'a> ItemReader<'a> {
    pub fn new(item: &'a TableItem) -> Self {
        Self { item }
    }

    /// The item's key; empty parts where the item has none.
    pub fn key(&self) -> ItemKey {
        let part = |name| match self.item.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            _ => String::new(),
        };
        ItemKey { pk: part(PK), sk: part(SK) }
    }

    /// Error about one attribute.
    pub fn wrong(&self, name: &str, problem: &str) -> StoreError {
        corrupt(&self.key(), format!("the attribute '{name}' {problem}"))
    }

    /// An attribute that is absent, or accepted by `get`.
    fn read<T>(
        &self,
        name: &str,
        problem: &str,
        get: impl FnOnce(&'a AttributeValue) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.item.get(name) else { return Ok(None) };
        get(value).map(Some).ok_or_else(|| self.wrong(name, problem))
    }

    pub fn text(&self, name: &str) -> Result<Option<&'a str>> {
        self.read(name, "is not text", |value| value.as_s().ok().map(String::as_str))
    }

    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        self.read(name, "is not a number of the expected range", |value| value.as_n().ok()?.parse().ok())
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.read(name, "is neither true nor false", |value| value.as_bool().ok().copied())
    }

    pub fn bytes(&self, name: &str) -> Result<Option<&'a [u8]>> {
        self.read(name, "is not binary", |value| value.as_b().ok().map(AsRef::as_ref))
    }

    /// A value stored as JSON text. The parser's message is left out, because it quotes the value.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let wrong = |error: serde_json::Error| {
            self.wrong(name, &format!("is not the JSON that belongs there (column {})", error.column()))
        };
        serde_json::from_str(text).map(Some).map_err(wrong)
    }

    /// A required attribute.
    pub fn required<T>(&self, name: &str, found: Option<T>) -> Result<T> {
        found.ok_or_else(|| self.wrong(name, "is missing"))
    }
}
