//! Attributes of items. Reading never panics: an error names the item and the attribute.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors::{StoreError, corrupt};
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

/// Maximum length of a JSON attribute; leaves room for the rest of an item.
const MAX_JSON_BYTES: usize = 390_000;

/// A value as JSON text for an attribute. Refused where no item could hold it.
pub(crate) fn json<T: Serialize>(key: &ItemKey, value: &T) -> Result<AttributeValue, StoreError> {
    let text = serde_json::to_string(value).map_err(|_| corrupt(key, "what was to be written is no JSON"))?;
    if text.len() > MAX_JSON_BYTES {
        return Err(StoreError::TooLarge { key: key.to_string() });
    }
    Ok(AttributeValue::S(text))
}

/// An item that is being read.
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
    pub fn wrong(&self, name: &str, what: &str) -> StoreError {
        corrupt(&self.key(), format!("the attribute '{name}' {what}"))
    }

    pub fn text(&self, name: &str) -> Result<Option<&'a str>, StoreError> {
        match self.item.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "is not text")),
        }
    }

    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, StoreError> {
        match self.item.get(name) {
            None => Ok(None),
            Some(AttributeValue::N(digits)) => match digits.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.wrong(name, "is not a number of the expected range")),
            },
            Some(_) => Err(self.wrong(name, "is not a number")),
        }
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, StoreError> {
        match self.item.get(name) {
            None => Ok(None),
            Some(AttributeValue::Bool(yes)) => Ok(Some(*yes)),
            Some(_) => Err(self.wrong(name, "is neither true nor false")),
        }
    }

    pub fn bytes(&self, name: &str) -> Result<Option<&'a [u8]>, StoreError> {
        match self.item.get(name) {
            None => Ok(None),
            Some(AttributeValue::B(blob)) => Ok(Some(blob.as_ref())),
            Some(_) => Err(self.wrong(name, "is not binary")),
        }
    }

    /// A value stored as JSON text. The parser's message is left out, because it quotes the value.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match serde_json::from_str(text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                Err(self.wrong(name, &format!("is not what is written there (column {})", error.column())))
            }
        }
    }

    /// A required attribute.
    pub fn required<T>(&self, name: &str, found: Option<T>) -> Result<T, StoreError> {
        found.ok_or_else(|| self.wrong(name, "is missing"))
    }
}
