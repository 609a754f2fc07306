use model::{AccountId, DnKey, UserName, ValueKind};
use proptest::prelude::*;

use super::*;
use crate::arbitrary::any_json;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const DATES: &str = "urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User";

fn workplace() -> &'static Dialect {
    Dialect::named("workplace").unwrap()
}

fn text(text: &str) -> Managed {
    Managed::Set(Value::Text(text.to_owned()))
}

fn account(id: &str) -> Value {
    Value::Account(AccountId::new(id).unwrap())
}

fn ada<const N: usize>(attributes: [(&str, Managed); N]) -> DesiredUser {
    DesiredUser {
        user_name: UserName::new("ada@acme.test").unwrap(),
        active: true,
        attributes: attributes.into_iter().map(|(name, managed)| (name.into(), managed)).collect(),
        create_only: BTreeMap::new(),
    }
}

fn current(dialect: &Dialect, json: Json) -> Resource {
    Resource::from_json(dialect, json.to_string().as_bytes()).unwrap()
}

/// One line for each member, sorted: their order depends on features of `serde_json`.
fn shown(body: JsonObject) -> String {
    let mut body = Json::Object(body);
    body.sort_all_objects();
    let members = body.as_object().unwrap().iter();
    members.map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join("\n")
}

fn updated(now: Json, user: &DesiredUser) -> String {
    let dialect = workplace();
    shown(update(dialect, &current(dialect, now), user, EmptyText::Sent).unwrap())
}

#[test]
fn creation_sends_all_values_and_clears_none() {
    let mut user = ada([
        ("name.formatted", text("Ada Lovelace")),
        ("name.givenName", text("Ada")),
        ("title", Managed::Clear),
        ("emails.work", text("ada@acme.test")),
        ("phoneNumbers.mobile", text("+44-7712-345634")),
        ("phoneNumbers.work", text("+44-20-1")),
        ("phoneNumbers.fax", Managed::Clear),
        ("addresses.work.formatted", text("London")),
        ("addresses.work.country", text("GB")),
        ("department", text("Research")),
        ("costCenter", Managed::Clear),
        ("manager", Managed::Set(account("100000000000002"))),
        (&format!("{DATES}:startDate"), Managed::Set(Value::Integer(1_454_587_629))),
    ]);
    user.create_only.insert("userType".into(), Value::Text("Employee".to_owned()));
    user.create_only.insert("department".into(), Value::Text("Unknown".to_owned()));
    insta::assert_snapshot!(shown(creation(workplace(), &user).unwrap()), @r#"
    active = true
    addresses = [{"country":"GB","formatted":"London","primary":true,"type":"work"}]
    emails = [{"primary":true,"type":"work","value":"ada@acme.test"}]
    name = {"formatted":"Ada Lovelace","givenName":"Ada"}
    phoneNumbers = [{"primary":true,"type":"work","value":"+44-20-1"},{"type":"mobile","value":"+44-7712-345634"}]
    schemas = ["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User"]
    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User = {"department":"Research","manager":{"managerId":100000000000002}}
    urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User = {"startDate":1454587629}
    userName = "ada@acme.test"
    userType = "Employee"
    "#);
}

#[test]
fn update_sends_mapped_values_and_the_rest_of_complex_attributes() {
    let now = json!({
        "id": 1, "userName": "ada@acme.test", "active": true, "title": "Analyst", "nickName": "Countess",
        "groups": [{"value": 9}], "badges": [],
        "name": {"formatted": "Ada Lovelace", "middleName": "King", "strange": 1, "honorificPrefix": ""},
        "phoneNumbers": [{"type": "pager", "value": "1", "primary": true}, {"type": "work", "value": "2"}],
        (ENTERPRISE): {"department": "Research", "costCenter": "98765", "manager": {"managerId": 2, "displayName": "M"}},
        "urn:ietf:params:scim:schemas:extension:facebook:accountstatusdetails:2.0:User": {"claimed": true},
    });
    let user = ada([
        ("title", text("Countess")),
        ("name.givenName", text("Ada")),
        ("phoneNumbers.work", text("3")),
        ("department", text("Poetry")),
    ]);
    insta::assert_snapshot!(updated(now, &user), @r#"
    active = true
    name = {"formatted":"Ada Lovelace","givenName":"Ada","middleName":"King"}
    phoneNumbers = [{"primary":true,"type":"pager","value":"1"},{"type":"work","value":"3"}]
    schemas = ["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]
    title = "Countess"
    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User = {"costCenter":"98765","department":"Poetry","manager":{"managerId":2}}
    userName = "ada@acme.test"
    "#);
}

#[test]
fn cleared_value_is_empty_zero_or_omitted() {
    let now = json!({
        "id": 1, "title": "Analyst", "nickName": "x",
        "name": {"formatted": "Ada", "middleName": "King"},
        "emails": [{"type": "work", "value": "x@acme.test"}],
        "phoneNumbers": [{"type": "work", "value": "2"}, {"type": "home", "value": "4"}],
        (ENTERPRISE): {"manager": {"managerId": 2}, "division": "x"},
        (DATES): {"startDate": 5, "termDate": 6},
    });
    let user = ada([
        ("title", Managed::Clear),
        ("name.formatted", Managed::Clear),
        ("name.middleName", Managed::Clear),
        ("emails.work", Managed::Clear),
        ("phoneNumbers.work", Managed::Clear),
        ("phoneNumbers.fax", Managed::Clear),
        ("addresses.work.formatted", Managed::Clear),
        ("displayName", Managed::Clear),
        ("manager", Managed::Clear),
        ("division", Managed::Clear),
        (&format!("{DATES}:startDate"), Managed::Clear),
        (&format!("{DATES}:termDate"), Managed::Clear),
    ]);
    insta::assert_snapshot!(updated(now.clone(), &user), @r#"
    active = true
    emails = []
    name = {"formatted":"Ada","middleName":""}
    phoneNumbers = [{"type":"home","value":"4"}]
    schemas = ["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User"]
    title = ""
    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User = {"division":""}
    urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User = {"termDate":0}
    userName = "ada@acme.test"
    "#);
    let plain = update(workplace(), &current(workplace(), now), &user, EmptyText::Omitted).unwrap();
    insta::assert_snapshot!(shown(plain), @r#"
    active = true
    emails = []
    name = {"formatted":"Ada"}
    phoneNumbers = [{"type":"home","value":"4"}]
    schemas = ["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User"]
    urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User = {"termDate":0}
    userName = "ada@acme.test"
    "#);
}

#[test]
fn activation_sends_only_active() {
    assert_eq!(
        Json::Object(single(workplace(), ("active", &json!(false)))),
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "active": false})
    );
}

#[test]
fn account_id_is_a_number_only_if_exact() {
    for (id, expect) in [
        ("100000000000002", json!(100_000_000_000_002_u64)),
        ("18446744073709551615", json!(u64::MAX)),
        ("18446744073709551616", json!("18446744073709551616")),
        ("007", json!("007")),
        ("+7", json!("+7")),
        ("a-1", json!("a-1")),
    ] {
        assert_eq!(value(workplace(), &account(id)), Some(expect));
    }
    let text_ids = Dialect { ids: AccountIdForm::Text, ..*workplace() };
    assert_eq!(value(&text_ids, &account("7")), Some(json!("7")));
}

#[test]
fn unresolved_reference_is_not_sent() {
    let user = ada([("manager", Managed::Set(Value::Reference(DnKey::of("cn=m"))))]);
    let body = creation(workplace(), &user).unwrap();
    assert_eq!(
        Json::Object(body),
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "ada@acme.test",
            "active": true,
        })
    );
}

#[test]
fn unknown_attribute_is_refused_by_name() {
    for name in ["pronouns", "userName", "active"] {
        let error = creation(workplace(), &ada([(name, text("x"))])).unwrap_err();
        assert!(matches!(error, TargetError::Rejected { attribute: Some(it), .. } if it == name));
    }
}

#[test]
fn replacing_put_sends_the_whole_account() {
    let dialect = Dialect { put: DialectPut::Replaces, ..*workplace() };
    let now = json!({
        "schemas": [], "id": 1, "meta": {}, "groups": [], "title": "Analyst", "nickName": "x", "badges": [1],
        "name": {"formatted": "Ada", "strange": 1},
        "phoneNumbers": [{"type": "pager", "value": "1"}],
        (ENTERPRISE): {"department": "Research", "manager": {"managerId": 2}},
        (DATES): {"startDate": 5},
    });
    let user = ada([
        ("title", text("Countess")),
        ("nickName", Managed::Clear),
        ("manager", Managed::Clear),
        (&format!("{DATES}:startDate"), Managed::Clear),
    ]);
    let body = update(&dialect, &current(&dialect, now), &user, EmptyText::Sent).unwrap();
    insta::assert_snapshot!(shown(body), @r#"
    active = true
    badges = [1]
    name = {"formatted":"Ada","strange":1}
    phoneNumbers = [{"type":"pager","value":"1"}]
    schemas = ["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]
    title = "Countess"
    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User = {"department":"Research"}
    userName = "ada@acme.test"
    "#);
}

/// Optional values for all attributes of the dialect.
fn any_attributes() -> impl Strategy<Value = BTreeMap<TargetAttribute, Managed>> {
    let fields = workplace().fields;
    let attributes = fields.iter().map(|field| {
        let value = match field.kind {
            ValueKind::Text => "[^ ].{0,20}".prop_map(Value::Text).boxed(),
            ValueKind::Integer => (1..i64::MAX).prop_map(Value::Integer).boxed(),
            ValueKind::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
            ValueKind::Reference => "[1-9][0-9]{0,24}".prop_map(|id| account(&id)).boxed(),
        };
        let name = TargetAttribute::from(field.name);
        prop::option::of(value).prop_map(move |value| Some((name.clone(), Managed::Set(value?))))
    });
    attributes.collect::<Vec<_>>().prop_map(|attributes| attributes.into_iter().flatten().collect())
}

proptest! {
    /// Account and mapping must use the same names and values, or they never compare equal.
    #[test]
    fn sent_values_are_read_back_equal(attributes in any_attributes(), now in any_json()) {
        prop_assume!(attributes.values().all(|managed| match managed {
            Managed::Set(Value::Text(text)) => !text.trim().is_empty(),
            _ => true,
        }));
        let user = DesiredUser { attributes, ..ada([]) };
        let mut now = now.as_object().cloned().unwrap_or_default();
        now.insert("id".to_owned(), json!(1));
        let now = Resource::from_object(workplace(), now).unwrap();
        for mut body in [
            creation(workplace(), &user).unwrap(),
            update(workplace(), &now, &user, EmptyText::Sent).unwrap(),
        ] {
            body.insert("id".to_owned(), json!(1));
            let shown = Resource::from_object(workplace(), body).unwrap().account;
            prop_assert_eq!(shown.user_name.as_deref(), Some("ada@acme.test"));
            for (attribute, managed) in &user.attributes {
                let shown = shown.attributes.get(attribute).cloned().map(Managed::Set);
                prop_assert_eq!(shown.as_ref(), Some(managed), "{}", attribute);
            }
        }
    }
}

#[test]
fn unmapped_extension_is_not_sent() {
    let now = json!({"id": 1, "userName": "ada@acme.test", "active": true, (DATES): {"startDate": 1}});
    let body = update(workplace(), &current(workplace(), now), &ada([("title", text("x"))]), EmptyText::Sent)
        .unwrap();
    assert_eq!(body.get(DATES), None);
}
