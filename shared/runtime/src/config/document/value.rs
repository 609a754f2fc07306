//! Deserialisation of values, with the place of each mistake.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::mistake::Mistake;
use super::{Item, kind_of};

/// Reads the keys of a table in the order of the file, so that the first mistake is reported.
pub(super) struct TableReader<'a, 't> {
    items: std::vec::IntoIter<Item<'a, 't>>,
    /// The item with the key that was read last.
    current: Option<Item<'a, 't>>,
}

impl<'a, 't> TableReader<'a, 't> {
    pub(super) fn new(table: &'a DeTable<'t>) -> Self {
        let mut items: Vec<Item<'a, 't>> = table.iter().collect();
        items.sort_by_key(|(key, _)| key.span().start);
        Self { items: items.into_iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for TableReader<'_, '_> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mistake> {
        self.current = self.items.next();
        let Some((key, value)) = self.current else { return Ok(None) };
        let reader: StrDeserializer<'_, Mistake> = key.get_ref().as_ref().into_deserializer();
        let read = seed.deserialize(reader);
        read.map(Some).map_err(|mistake| mistake.at_key(key.span().start, value.get_ref().is_table()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        let Some((key, value)) = self.current.take() else {
            return Err(Mistake::value("has no value".to_owned()));
        };
        let read = seed.deserialize(ValueReader(value));
        read.map_err(|mistake| mistake.within(key.get_ref(), key.span().start))
    }
}

impl<'de> Deserializer<'de> for TableReader<'_, '_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Reads one value.
struct ValueReader<'a, 't>(&'a Spanned<DeValue<'t>>);

impl ValueReader<'_, '_> {
    fn wrong(&self, wanted: &str) -> Mistake {
        Mistake::kind(wanted, kind_of(self.0.get_ref()))
    }

    fn number(&self) -> Result<i64, Mistake> {
        match self.0.get_ref() {
            DeValue::Integer(number) => whole_number(number),
            _ => Err(self.wrong("a whole number")),
        }
    }

    fn visit_number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let number = self.number()?;
        match u64::try_from(number) {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => visitor.visit_i64(number),
        }
    }
}

fn whole_number(number: &DeInteger<'_>) -> Result<i64, Mistake> {
    let parsed = i64::from_str_radix(number.as_str(), number.radix());
    parsed.map_err(|_| Mistake::value("is too large".to_owned()))
}

impl<'de> Deserializer<'de> for ValueReader<'_, '_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.get_ref() {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(_) => self.visit_number(visitor),
            DeValue::Boolean(flag) => visitor.visit_bool(*flag),
            DeValue::Array(list) => visitor.visit_seq(ListReader(list.iter())),
            DeValue::Table(table) => visitor.visit_map(TableReader::new(table)),
            DeValue::Float(_) | DeValue::Datetime(_) => Err(self.wrong("text in quotes or a whole number")),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.get_ref() {
            DeValue::Boolean(flag) => visitor.visit_bool(*flag),
            _ => Err(self.wrong("true or false")),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.visit_number(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.visit_number(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.visit_number(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.get_ref() {
            DeValue::String(text) => visitor.visit_str(text),
            _ => Err(self.wrong("text in quotes")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.get_ref() {
            DeValue::Table(table) => visitor.visit_map(TableReader::new(table)),
            _ => Err(self.wrong("a table")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self.0.get_ref() {
            DeValue::String(word) => visitor.visit_enum(word.as_ref().into_deserializer()),
            _ => {
                let problem = format!("must be in quotes, and one of: {}", words.join(", "));
                Err(Mistake::value(problem))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i64 i128 u8 u16 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct seq tuple tuple_struct
        identifier ignored_any
    }
}

/// Reads the values of a list.
struct ListReader<'a, 't>(std::slice::Iter<'a, Spanned<DeValue<'t>>>);

impl<'de> SeqAccess<'de> for ListReader<'_, '_> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistake> {
        self.0.next().map(|value| seed.deserialize(ValueReader(value))).transpose()
    }
}
