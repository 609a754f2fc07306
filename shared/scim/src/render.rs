//! Renders request bodies from a desired user.

use std::collections::BTreeMap;

use model::{DesiredUser, Managed, TargetAttribute, Value, ValueKind};
use serde_json::{Value as Json, json};

use crate::errors::TargetError;
use crate::json::{self, JsonObject};
use crate::lists::{self, ElementChange};
use crate::resource::Resource;
use dialect::{AccountIdForm, Dialect, DialectClear, DialectField, DialectPut, FieldPath};

/// Whether empty texts are sent to clear attributes. Some servers clear by them, some ignore them, some reject the
/// request; Workplace's behaviour is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EmptyText {
    /// Empty texts are sent.
    Sent,
    /// The attributes are omitted, and removed by PATCH afterwards.
    Omitted,
}

/// Body of a creation.
pub(crate) fn creation(dialect: &Dialect, user: &DesiredUser) -> Result<JsonObject, TargetError> {
    let DesiredUser { user_name: _, active: _, attributes, create_only } = user;
    let mut writes = BTreeMap::new();
    for (attribute, value) in create_only {
        writes.insert(known(dialect, attribute)?.name, AttributeWrite::Set(value));
    }
    for (attribute, managed) in attributes {
        if let Managed::Set(value) = managed {
            writes.insert(known(dialect, attribute)?.name, AttributeWrite::Set(value));
        }
    }
    Ok(BodyRenderer { dialect, current: None, blanks: EmptyText::Sent }.body(user, &writes))
}

/// Body of an update of a known account.
pub(crate) fn update(
    dialect: &Dialect,
    current: &Resource,
    user: &DesiredUser,
    blanks: EmptyText,
) -> Result<JsonObject, TargetError> {
    let mut writes = BTreeMap::new();
    for (attribute, managed) in &user.attributes {
        let field = known(dialect, attribute)?;
        let is_there = current.account.attributes.contains_key(attribute);
        if is_there && dialect.immutable.contains(&field.name) {
            continue;
        }
        match managed {
            Managed::Set(value) => {
                writes.insert(field.name, AttributeWrite::Set(value));
            }
            // An absent value needs no clearing; an empty text could be rejected.
            Managed::Clear if is_there => {
                writes.insert(field.name, AttributeWrite::Clear);
            }
            Managed::Clear => {}
        }
    }
    match dialect.put {
        DialectPut::Merges => carry_extensions(dialect, current, &mut writes),
        // Extensions are sent back as read.
        DialectPut::Replaces => {}
    }
    Ok(BodyRenderer { dialect, current: Some(current.raw()), blanks }.body(user, &writes))
}

/// Body of an update of only these attributes, for an account that was not read.
pub(crate) fn partial(dialect: &Dialect, user: &DesiredUser) -> Result<JsonObject, TargetError> {
    let mut writes = BTreeMap::new();
    for (attribute, managed) in &user.attributes {
        let write = match managed {
            Managed::Set(value) => AttributeWrite::Set(value),
            Managed::Clear => AttributeWrite::Clear,
        };
        writes.insert(known(dialect, attribute)?.name, write);
    }
    Ok(BodyRenderer { dialect, current: None, blanks: EmptyText::Sent }.body(user, &writes))
}

/// Adds the current values of each extension that has a written attribute. How deep PUT merges is not recorded, and
/// unmapped values must be kept.
fn carry_extensions<'a>(dialect: &Dialect, current: &'a Resource, writes: &mut AttributeWrites<'a>) {
    let written: Vec<_> = dialect
        .fields
        .iter()
        .filter(|field| field.extension.is_some() && writes.contains_key(field.name))
        .map(|field| field.extension)
        .collect();
    for field in dialect.fields.iter().filter(|field| written.contains(&field.extension)) {
        if let Some(value) = current.account.attributes.get(&field.name.into()) {
            writes.entry(field.name).or_insert(AttributeWrite::Set(value));
        }
    }
}

/// Body that sets a plain attribute alone, as in Meta's samples of `active` \[sample\].
pub(crate) fn single(dialect: &Dialect, (name, value): (&str, &Json)) -> JsonObject {
    let mut body = JsonObject::new();
    body.insert("schemas".to_owned(), json!([dialect.core]));
    body.insert(name.to_owned(), value.clone());
    body
}

/// Body that sets a plain attribute where PUT replaces: the whole account as read, and the attribute.
pub(crate) fn whole_with(dialect: &Dialect, current: &Resource, (name, value): (&str, &Json)) -> JsonObject {
    let mut body = current.raw().clone();
    body.retain(|name, _| name == "schemas" || !dialect.read_only.contains(&name.as_str()));
    apply(&mut body, name, Some(value.clone()));
    body
}

/// Field of an attribute. An unknown attribute comes from a mapping for another dialect.
pub(crate) fn known(
    dialect: &Dialect,
    attribute: &TargetAttribute,
) -> Result<&'static DialectField, TargetError> {
    dialect.field(attribute.as_str()).ok_or_else(|| TargetError::Rejected {
        attribute: Some(attribute.to_string()),
        detail: format!("the {} dialect has no such attribute; no request was sent", dialect.name),
    })
}

/// JSON of a value; `None` for an unresolved reference.
pub(crate) fn value(dialect: &Dialect, value: &Value) -> Option<Json> {
    match value {
        Value::Text(text) => Some(json!(text)),
        Value::Integer(number) => Some(json!(number)),
        Value::Boolean(yes) => Some(json!(yes)),
        Value::Reference(_) => None,
        Value::Account(id) => match (dialect.ids, exact_number(id.as_str())) {
            (AccountIdForm::Number, Some(number)) => Some(json!(number)),
            (AccountIdForm::Number | AccountIdForm::Text, _) => Some(json!(id.as_str())),
        },
    }
}

/// Number that is written with exactly these characters.
fn exact_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// Change of one attribute.
#[derive(Clone, Copy)]
enum AttributeWrite<'a> {
    Set(&'a Value),
    Clear,
}

type AttributeWrites<'a> = BTreeMap<&'static str, AttributeWrite<'a>>;

/// Inputs of all parts of a body.
struct BodyRenderer<'a> {
    dialect: &'a Dialect,
    /// The account as read; `None` for a creation.
    current: Option<&'a JsonObject>,
    blanks: EmptyText,
}

impl BodyRenderer<'_> {
    fn body(&self, user: &DesiredUser, writes: &AttributeWrites<'_>) -> JsonObject {
        let mut body = self.container(None, self.current, writes);
        for name in self.dialect.read_only {
            apply(&mut body, name, None);
        }
        for extension in self.extensions() {
            let before = self.current.and_then(|current| json::object(current, extension));
            let content = self.container(Some(extension), before, writes);
            let content = (!content.is_empty()).then_some(Json::Object(content));
            apply(&mut body, extension, content);
        }
        if user.user_name.external_id().is_none() {
            apply(&mut body, "userName", Some(json!(user.user_name.as_str())));
        }
        apply(&mut body, "active", Some(json!(user.active)));
        let carried = body.keys().filter(|name| name.starts_with("urn:")).map(String::as_str);
        let schemas: Vec<&str> = std::iter::once(self.dialect.core).chain(carried).collect();
        let schemas = json!(schemas);
        body.insert("schemas".to_owned(), schemas);
        body
    }

    /// Extensions of the dialect, each once.
    fn extensions(&self) -> Vec<&'static str> {
        let mut extensions: Vec<_> = self.dialect.fields.iter().filter_map(|field| field.extension).collect();
        extensions.sort_unstable();
        extensions.dedup();
        extensions
    }

    /// Core attributes, or those of one extension.
    fn container(
        &self,
        extension: Option<&str>,
        before: Option<&JsonObject>,
        writes: &AttributeWrites<'_>,
    ) -> JsonObject {
        let mut content = match self.dialect.put {
            DialectPut::Merges => JsonObject::new(),
            DialectPut::Replaces => before.cloned().unwrap_or_default(),
        };
        let mut lists: BTreeMap<&str, Vec<ElementChange>> = BTreeMap::new();
        for field in self.dialect.fields.iter().filter(|field| field.extension == extension) {
            let Some(write) = writes.get(field.name) else { continue };
            let Some(change) = self.change(field, *write) else { continue };
            match field.path {
                FieldPath::Plain(name) => apply(&mut content, name, change),
                FieldPath::Part { of, part } => {
                    let there = json::object(&content, of).cloned();
                    let mut parts = there.unwrap_or_else(|| self.known_parts(field, of, before));
                    if field.kind == ValueKind::Reference && parts.get(part) != change.as_ref() {
                        // Name and address beside an account id belong to the former account.
                        parts.clear();
                    }
                    apply(&mut parts, part, change);
                    apply(&mut content, of, Some(Json::Object(parts)));
                }
                FieldPath::Typed { list, kind, part } => {
                    lists.entry(list).or_default().push(ElementChange { kind, part, value: change });
                }
            }
        }
        // An object without parts is not sent.
        content.retain(|_, value| value.as_object().is_none_or(|parts| !parts.is_empty()));
        for (list, changes) in lists {
            let elements = before.map_or(&[][..], |before| json::list(before, list));
            if let Some(elements) = lists::with_changes(elements, &changes) {
                apply(&mut content, list, Some(Json::Array(elements)));
            }
        }
        content
    }

    /// New value of an attribute: `Some(None)` removes it, `None` keeps the current one.
    fn change(&self, field: &DialectField, write: AttributeWrite<'_>) -> Option<Option<Json>> {
        match write {
            AttributeWrite::Set(value) => self::value(self.dialect, value).map(Some),
            AttributeWrite::Clear => match (field.clear, self.dialect.put) {
                (DialectClear::Never, _) => None,
                (_, DialectPut::Replaces) | (DialectClear::Omit, DialectPut::Merges) => Some(None),
                (DialectClear::Zero, DialectPut::Merges) => Some(Some(json!(0))),
                (DialectClear::Blank, DialectPut::Merges) => match self.blanks {
                    EmptyText::Sent => Some(Some(json!(""))),
                    EmptyText::Omitted => Some(None),
                },
            },
        }
    }

    /// Current parts of a complex attribute, as far as the dialect knows them. The attribute is sent whole, because
    /// `name.formatted` is required in a name \[doc\] and how deep PUT merges is not recorded.
    fn known_parts(&self, sibling: &DialectField, of: &str, before: Option<&JsonObject>) -> JsonObject {
        let Some(before) = before.and_then(|before| json::object(before, of)) else {
            return JsonObject::new();
        };
        let parts = self.dialect.fields.iter().filter_map(|field| match field.path {
            FieldPath::Part { of: its, part } if its == of && field.extension == sibling.extension => {
                Some(part)
            }
            _ => None,
        });
        let there = parts.filter_map(|part| Some((part.to_owned(), json::member(before, part)?.clone())));
        there.filter(|(_, value)| !value.is_null() && value.as_str() != Some("")).collect()
    }
}

/// Sets or removes a member. Names are compared without case (RFC 7643, 2.1), and a name that is there stays.
fn apply(object: &mut JsonObject, name: &str, value: Option<Json>) {
    let name = object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned().unwrap_or(name.to_owned());
    match value {
        Some(value) => object.insert(name, value),
        None => object.remove(&name),
    };
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
