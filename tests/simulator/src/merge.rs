//! Merge of new values into an account.

use serde_json::{Map, Value};

use crate::accounts::AccountAttributes;

/// Depth to which objects are merged; deeper objects are replaced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MergeDepth {
    /// PUT: the parts of `name` and of an extension are merged.
    TopLevel,
    /// PATCH: the parts of an extension's complex attributes, such as `manager`, are merged too.
    Parts,
}

/// Merges `new` into `old`: `null` clears, objects are merged, other values replace.
pub(crate) fn merge(old: &mut AccountAttributes, new: AccountAttributes, depth: MergeDepth) {
    let levels = match depth {
        MergeDepth::TopLevel => 1,
        MergeDepth::Parts => 2,
    };
    merge_levels(old, new, levels);
}

/// New resource without values that only clear.
pub(crate) fn replacement(new: AccountAttributes) -> AccountAttributes {
    let mut fresh = Map::new();
    merge(&mut fresh, new, MergeDepth::TopLevel);
    fresh
}

fn merge_levels(old: &mut Map<String, Value>, new: Map<String, Value>, levels: usize) {
    for (name, value) in new {
        let merged = match value {
            Value::Object(parts) => {
                let mut target = match old.remove(&name) {
                    Some(Value::Object(there)) if levels > 0 => there,
                    _ => Map::new(),
                };
                merge_levels(&mut target, parts, levels.saturating_sub(1));
                Value::Object(target)
            }
            other => other,
        };
        if is_nothing(&merged) {
            old.remove(&name);
        } else {
            old.insert(name, merged);
        }
    }
}

/// An attribute without a value is the same as an absent one (RFC 7643, section 2.5).
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(parts) => parts.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> AccountAttributes {
        value.as_object().cloned().unwrap_or_default()
    }

    fn check(depth: MergeDepth, old: Value, new: Value, expect: Value) {
        let mut merged = object(old);
        merge(&mut merged, object(new), depth);
        assert_eq!(Value::Object(merged), expect);
    }

    #[test]
    fn put_merges_one_level_deep() {
        let check = |old, new, expect| check(MergeDepth::TopLevel, old, new, expect);
        check(
            json!({"title": "a", "active": true}),
            json!({"active": false}),
            json!({"title": "a", "active": false}),
        );
        check(
            json!({"name": {"formatted": "A B", "givenName": "A"}}),
            json!({"name": {"givenName": "C"}}),
            json!({"name": {"formatted": "A B", "givenName": "C"}}),
        );
        check(
            json!({"x": {"department": "d", "manager": {"managerId": 1, "displayName": "M"}}}),
            json!({"x": {"manager": {"managerId": 2}}}),
            json!({"x": {"department": "d", "manager": {"managerId": 2}}}),
        );
        check(
            json!({"emails": [{"value": "a"}, {"value": "b"}]}),
            json!({"emails": [{"value": "c"}]}),
            json!({"emails": [{"value": "c"}]}),
        );
    }

    #[test]
    fn patch_merges_two_levels_deep() {
        check(
            MergeDepth::Parts,
            json!({"x": {"manager": {"managerId": 1, "displayName": "M"}}}),
            json!({"x": {"manager": {"managerId": 2}}}),
            json!({"x": {"manager": {"managerId": 2, "displayName": "M"}}}),
        );
    }

    #[test]
    fn null_clears_and_leaves_nothing_empty_behind() {
        let check = |old, new, expect| check(MergeDepth::TopLevel, old, new, expect);
        check(json!({"title": "a"}), json!({"title": null}), json!({}));
        check(json!({"a": [1]}), json!({"a": []}), json!({}));
        check(json!({"name": {"middleName": "x"}}), json!({"name": {"middleName": null}}), json!({}));
        check(
            json!({"x": {"department": "d", "manager": {"managerId": 1}}}),
            json!({"x": {"manager": {"managerId": null}}}),
            json!({"x": {"department": "d"}}),
        );
    }

    #[test]
    fn a_replacement_forgets_what_was_there() {
        let fresh = replacement(object(json!({"a": 1, "b": null, "c": {"d": null}})));
        assert_eq!(Value::Object(fresh), json!({"a": 1}));
    }
}
