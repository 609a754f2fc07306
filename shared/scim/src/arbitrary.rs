//! Generated JSON for property tests.

use proptest::prelude::*;
use serde_json::Value;

const NAMES: &str =
    "id|active|userName|name|title|emails|phoneNumbers|addresses|manager|managerId|type|value|primary";
const EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2\\.0:User";

/// Any JSON. Names and values that the client reads occur often in it.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        "work|home|true|0|7".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(prop_oneof![NAMES, EXTENSION, ".{0,8}"], inner, 0..12)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
