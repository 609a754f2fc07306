//! Reads an account from the JSON of a resource.
//!
//! Reading is tolerant: missing, unknown or unexpected content is ignored. Strict parsers failed on Workplace's resources
//! \[doc\].

use std::collections::BTreeMap;

use model::{Account, AccountId, TargetAttribute, Value, ValueKind};
use serde_json::Value as Json;

use crate::json::{self, JsonObject};
use crate::lists;
use dialect::{Dialect, DialectClear, DialectField, FieldPath};

/// Account of a resource; `None` without a usable id.
pub(crate) fn account(dialect: &Dialect, resource: &JsonObject) -> Option<Account> {
    let id = json::member(resource, "id").and_then(json::id).and_then(AccountId::new)?;
    let can_delete = dialect.can_delete.and_then(|(extension, name)| {
        let status = json::object(resource, extension)?;
        json::boolean(json::member(status, name)?)
    });
    let active = json::member(resource, "active").and_then(json::boolean);
    Some(Account {
        id,
        user_name: user_name(resource).map(str::to_owned),
        active,
        attributes: attributes(dialect, resource),
        can_delete,
    })
}

/// User name of a resource.
pub(crate) fn user_name(resource: &JsonObject) -> Option<&str> {
    let name = json::member(resource, "userName")?.as_str()?;
    (!name.trim().is_empty()).then_some(name)
}

/// External id of a resource.
pub(crate) fn external_id(resource: &JsonObject) -> Option<&str> {
    json::member(resource, "externalId")?.as_str()
}

fn attributes(dialect: &Dialect, resource: &JsonObject) -> BTreeMap<TargetAttribute, Value> {
    let values = dialect.fields.iter().filter_map(|field| {
        let value = value_of(field, located(field, resource)?)?;
        Some((TargetAttribute::from(field.name), value))
    });
    values.collect()
}

/// JSON at the path of a field.
fn located<'a>(field: &DialectField, resource: &'a JsonObject) -> Option<&'a Json> {
    let container = match field.extension {
        Some(extension) => json::object(resource, extension)?,
        None => resource,
    };
    match field.path {
        FieldPath::Plain(name) => json::member(container, name),
        // Servers show references in several forms.
        FieldPath::Part { of, .. } if field.kind == ValueKind::Reference => json::member(container, of),
        FieldPath::Part { of, part } => json::member(json::object(container, of)?, part),
        FieldPath::Typed { list, kind, part } => lists::value(json::list(container, list), kind, part),
    }
}

fn value_of(field: &DialectField, found: &Json) -> Option<Value> {
    match field.kind {
        ValueKind::Text => json::text(found).map(Value::Text),
        ValueKind::Boolean => json::boolean(found).map(Value::Boolean),
        ValueKind::Integer => {
            let number = json::integer(found)?;
            let means_none = number == 0 && field.clear == DialectClear::Zero;
            (!means_none).then_some(Value::Integer(number))
        }
        ValueKind::Reference => reference(field, found).map(Value::Account),
    }
}

/// Account id of a reference: an object with the id under the documented name or RFC 7643's, the id alone, or a list
/// that starts with one of these.
fn reference(field: &DialectField, found: &Json) -> Option<AccountId> {
    let id = match found {
        Json::Object(object) => {
            let documented = match field.path {
                FieldPath::Part { part, .. } => part,
                FieldPath::Plain(_) | FieldPath::Typed { .. } => "value",
            };
            let mut names = [documented, "value", "id"].into_iter();
            names.find_map(|name| json::member(object, name).and_then(json::id))?
        }
        Json::Array(several) => match several.first() {
            Some(Json::Array(_)) | None => return None,
            Some(first) => return reference(field, first),
        },
        bare => json::id(bare)?,
    };
    // Zero means no reference, as it means no date.
    if id == "0" { None } else { AccountId::new(id) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::arbitrary::any_json;
    use crate::resource::Resource;

    fn read(json: Json) -> Option<Account> {
        account(Dialect::named("workplace").unwrap(), json.as_object().unwrap())
    }

    #[test]
    fn account_is_read_with_all_attributes() {
        let account = read(json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": 100_000_000_000_001_u64, "userName": "ada@acme.test", "externalId": "8f1c", "active": true,
            "name": {"formatted": "Ada Lovelace", "givenName": "Ada", "familyName": ""},
            "title": "Analyst", "nickName": null, "badges": [{"level": 3}], "groups": {"strange": true},
            "emails": [{"value": "home@acme.test", "type": "home"}, {"value": "ada@acme.test", "type": "work"}],
            "phoneNumbers": [
                {"value": "1", "type": "work"}, {"value": "2", "type": "work", "primary": true},
                {"value": "3", "type": "mobile"}, {"value": "4", "type": "pager"}, {"value": "5"}],
            "addresses": [{"type": "work", "formatted": "London", "country": "GB"}],
            "photos": [{"type": "profile", "value": "https://acme.test/ada.png"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                {"department": "Research", "employeeNumber": 42, "manager": {"managerId": 100_000_000_000_002_u64}},
            "urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User":
                {"startDate": 1_454_587_629, "termDate": 0},
            "urn:ietf:params:scim:schemas:extension:facebook:authmethod:2.0:User": {"authMethod": "sso"},
            "urn:ietf:params:scim:schemas:extension:facebook:accountstatusdetails:2.0:User":
                {"claimed": false, "inviteDate": "2016-02-04T12:07:09+0000", "canDelete": true},
        }));
        let Account { id, user_name, active, attributes, can_delete } = account.unwrap();
        let attributes: Vec<_> =
            attributes.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
        insta::assert_snapshot!(
            format!("{id} {user_name:?} {active:?} {can_delete:?}\n{}", attributes.join("\n")),
            @r#"
            100000000000001 Some("ada@acme.test") Some(true) Some(true)
            addresses.work.country = Text("GB")
            addresses.work.formatted = Text("London")
            department = Text("Research")
            emails.home = Text("home@acme.test")
            emails.work = Text("ada@acme.test")
            employeeNumber = Text("42")
            externalId = Text("8f1c")
            manager = Account(AccountId("100000000000002"))
            name.formatted = Text("Ada Lovelace")
            name.givenName = Text("Ada")
            phoneNumbers.mobile = Text("3")
            phoneNumbers.work = Text("2")
            photos.profile = Text("https://acme.test/ada.png")
            title = Text("Analyst")
            urn:ietf:params:scim:schemas:extension:facebook:authmethod:2.0:User:authMethod = Text("sso")
            urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User:startDate = Integer(1454587629)
            "#
        );
    }

    #[test]
    fn element_without_a_type_is_the_one_for_work() {
        let emails = |emails: Json| {
            let account = read(json!({"id": 1, "emails": emails})).unwrap();
            let of =
                |kind: &str| account.attributes.get(&TargetAttribute::from(kind)).map(ToString::to_string);
            [of("emails.work"), of("emails.home")]
        };
        for (shown, work, home) in [
            (json!([{"value": "a@x"}]), Some("a@x"), None),
            (json!([{"value": "a@x"}, {"value": "b@x", "primary": true}]), Some("b@x"), None),
            (json!(["a@x"]), Some("a@x"), None),
            (json!([{"value": "a@x", "type": "home"}, {"value": "b@x"}]), None, Some("a@x")),
            (json!([]), None, None),
        ] {
            let expected = [work, home].map(|value| value.map(str::to_owned));
            assert_eq!(emails(shown.clone()), expected, "{shown}");
        }
    }

    #[test]
    fn id_keeps_its_digits() {
        let id = |id: Json| read(json!({"id": id})).map(|account| account.id.to_string());
        assert_eq!(id(json!(18_446_744_073_709_551_615_u64)).unwrap(), "18446744073709551615");
        assert_eq!(id(json!("100000000000001")).unwrap(), "100000000000001");
        assert_eq!(id(json!("abc-1")).unwrap(), "abc-1");
        for unusable in [json!(1e20), json!(1.0), json!(-1), json!(""), json!(" "), json!(null), json!([1])] {
            assert_eq!(id(unusable.clone()), None, "{unusable}");
        }
    }

    #[test]
    fn manager_is_read_in_each_form() {
        let manager = |manager: Json| {
            let extension = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
            let account = read(json!({"id": 1, extension: {"manager": manager}})).unwrap();
            account.attributes.get(&TargetAttribute::from("manager")).map(ToString::to_string)
        };
        for form in [
            json!({"managerId": 7, "displayName": "M"}),
            json!({"managerId": "7"}),
            json!({"value": "7"}),
            json!([{"managerId": 7}, {"managerId": 8}]),
            json!(7),
            json!("7"),
        ] {
            assert_eq!(manager(form.clone()).unwrap(), "account 7", "{form}");
        }
        for form in
            [json!({}), json!([]), json!(null), json!({"managerId": 0}), json!(""), json!([[7]]), json!(true)]
        {
            assert_eq!(manager(form.clone()), None, "{form}");
        }
    }

    #[test]
    fn active_is_read_in_each_shape_and_unknown_otherwise() {
        for (active, expect) in [
            (json!(true), Some(true)),
            (json!(1), Some(true)),
            (json!("True"), Some(true)),
            (json!(false), Some(false)),
            (json!(0), Some(false)),
            (json!("False"), Some(false)),
            (json!(" 0 "), Some(false)),
            (json!(null), None),
            (json!("suspended"), None),
            (json!(2), None),
        ] {
            assert_eq!(read(json!({"id": 1, "active": active})).unwrap().active, expect, "{active}");
        }
        assert_eq!(read(json!({"id": 1})).unwrap().active, None);
    }

    proptest! {
        #[test]
        fn arbitrary_json_is_read_without_panic(json in any_json()) {
            let _ = Resource::from_json(Dialect::named("workplace").unwrap(), json.to_string().as_bytes());
        }

        #[test]
        fn arbitrary_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = Resource::from_json(Dialect::named("workplace").unwrap(), &bytes);
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("{{\"id\":1,\"title\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Resource::from_json(Dialect::named("workplace").unwrap(), deep.as_bytes()).is_err());
    }
}
