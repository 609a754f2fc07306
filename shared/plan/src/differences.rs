//! What an account lacks of what its user should be.

use model::{Account, DesiredUser, Managed, TargetAttribute, Value};

/// One attribute that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeDifference {
    /// Which.
    pub attribute: TargetAttribute,
    /// What the account has; `None` when it has nothing.
    pub from: Option<Value>,
    /// What it should have; `None` when it should have nothing.
    pub to: Option<Value>,
}

/// The mapped attributes in which an account differs from what its user should be. Attributes that nobody mapped
/// don't come into it, and neither does a reference that could not be resolved yet.
pub fn differences(user: &DesiredUser, account: &Account) -> Vec<AttributeDifference> {
    let DesiredUser { user_name, active, attributes, create_only: _ } = user;
    let mut found = Vec::new();
    // Whoever has no user name is known by the external id, which is an attribute like any other.
    let same_name = user_name.external_id().is_some()
        || account.user_name.as_deref().is_some_and(|name| name.to_lowercase() == user_name.folded());
    if !same_name {
        found.push(AttributeDifference {
            attribute: "userName".into(),
            from: account.user_name.clone().map(Value::Text),
            to: Some(Value::Text(user_name.as_str().to_owned())),
        });
    }
    if account.active != *active {
        found.push(AttributeDifference {
            attribute: "active".into(),
            from: Some(Value::Boolean(account.active)),
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
