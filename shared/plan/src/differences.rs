//! Differences between an account and its desired user.

use model::{Account, AppliedChanges, DesiredUser, Managed, PreviousValue, TargetAttribute, Value};

/// A difference in the value of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeDifference {
    /// Name of the attribute.
    pub attribute: TargetAttribute,
    /// Value of the account; `None` for empty, or if the account was not read.
    pub from: Option<Value>,
    /// Desired value; `None` for empty.
    pub to: Option<Value>,
}

/// The mapped attributes in which an account differs from its desired user. Unmapped attributes and references that
/// are not resolved yet don't count.
pub fn differences(user: &DesiredUser, account: &Account) -> Vec<AttributeDifference> {
    let DesiredUser { user_name, active, attributes, create_only: _ } = user;
    let mut found = Vec::new();
    // An external id in place of the user name is compared as an attribute.
    let same_name = user_name.external_id().is_some()
        || account.user_name.as_deref().is_some_and(|name| user_name.is_spelled(name));
    if !same_name {
        found.push(AttributeDifference {
            attribute: "userName".into(),
            from: account.user_name.clone().map(Value::Text),
            to: Some(Value::Text(user_name.as_str().to_owned())),
        });
    }
    if account.active != Some(*active) {
        found.push(AttributeDifference {
            attribute: "active".into(),
            from: account.active.map(Value::Boolean),
            to: Some(Value::Boolean(*active)),
        });
    }
    for (attribute, managed) in attributes {
        let to = match managed {
            Managed::Set(Value::Reference(_)) => continue,
            Managed::Set(value) => Some(value),
            Managed::Clear => None,
        };
        let from = account.attributes.get(attribute);
        if from != to {
            found.push(AttributeDifference {
                attribute: attribute.clone(),
                from: from.cloned(),
                to: to.cloned(),
            });
        }
    }
    found
}

/// What changed since the applied state, without the values that the account had.
pub fn differences_of_changes(user: &DesiredUser, changes: &AppliedChanges) -> Vec<AttributeDifference> {
    let AppliedChanges { previous_user_name, active, attributes } = changes;
    let name = previous_user_name.as_ref().map(|previous| AttributeDifference {
        attribute: "userName".into(),
        from: Some(Value::Text(previous.to_string())),
        to: Some(Value::Text(user.user_name.to_string())),
    });
    let active = active.then(|| AttributeDifference {
        attribute: "active".into(),
        from: Some(Value::Boolean(!user.active)),
        to: Some(Value::Boolean(user.active)),
    });
    let attributes = attributes.iter().filter_map(|(attribute, previous)| {
        let to = match user.attributes.get(attribute)? {
            Managed::Set(value) => Some(value.clone()),
            Managed::Clear => None,
        };
        let is_none = to.is_none() && *previous == PreviousValue::Empty;
        (!is_none).then(|| AttributeDifference { attribute: attribute.clone(), from: None, to })
    });
    name.into_iter().chain(active).chain(attributes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_values::{account, user};
    use model::{DnKey, UserName};
    use std::collections::BTreeMap;

    fn names(user: &DesiredUser, account: &Account) -> Vec<String> {
        differences(user, account).into_iter().map(|difference| difference.attribute.0).collect()
    }

    #[test]
    fn only_mapped_and_resolved_values_differ() {
        let same = account(true, "Poet");
        let mapped = |name: &str, managed: Managed| {
            let mut user = user(true, "Poet");
            user.attributes.insert(name.into(), managed);
            user
        };
        let external = DesiredUser { user_name: UserName::external("7").unwrap(), ..user(true, "Poet") };
        let renamed = Account { user_name: Some("grace@acme.test".into()), ..same.clone() };
        let nameless = Account { user_name: None, ..same.clone() };
        let unclear = Account { active: None, ..same.clone() };
        for (user, account, expected) in [
            (user(true, "Poet"), &same, vec![]),
            (user(true, "Analyst"), &same, vec!["title"]),
            (user(false, "Analyst"), &same, vec!["active", "title"]),
            (user(true, "Poet"), &unclear, vec!["active"]),
            (user(false, "Poet"), &unclear, vec!["active"]),
            (user(true, "Poet"), &renamed, vec!["userName"]),
            (user(true, "Poet"), &nameless, vec!["userName"]),
            (external, &nameless, vec![]),
            (mapped("title", Managed::Clear), &same, vec!["title"]),
            (mapped("locale", Managed::Clear), &same, vec![]),
            (mapped("manager", Managed::Set(Value::Reference(DnKey::of("cn=a")))), &same, vec![]),
        ] {
            assert_eq!(names(&user, account), expected, "{user:?}");
        }
    }

    #[test]
    fn difference_has_both_values() {
        let text = |text: &str| Some(Value::Text(text.into()));
        let [difference] =
            <[_; 1]>::try_from(differences(&user(true, "Poet"), &account(true, "Clerk"))).unwrap();
        assert_eq!((difference.from, difference.to), (text("Clerk"), text("Poet")));
    }

    #[test]
    fn changes_are_shown_without_unknown_values() {
        let cleared = |name: &str| (TargetAttribute::from(name), Managed::Clear);
        let mut user = user(false, "Poet");
        user.attributes.extend([cleared("locale"), cleared("nickName")]);
        let changes = AppliedChanges {
            previous_user_name: UserName::new("grace@acme.test").ok(),
            active: true,
            attributes: BTreeMap::from([
                ("title".into(), PreviousValue::Empty),
                ("locale".into(), PreviousValue::Set),
                ("nickName".into(), PreviousValue::Empty),
            ]),
        };
        let shown: Vec<String> = differences_of_changes(&user, &changes)
            .into_iter()
            .map(|AttributeDifference { attribute, from, to }| format!("{attribute}: {from:?} → {to:?}"))
            .collect();
        let expected = [
            r#"userName: Some(Text("grace@acme.test")) → Some(Text("Ada@acme.test"))"#,
            "active: Some(Boolean(true)) → Some(Boolean(false))",
            "locale: None → None",
            r#"title: None → Some(Text("Poet"))"#,
        ];
        assert_eq!(shown, expected);
    }
}
