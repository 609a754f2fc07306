//! Masking of values in an explanation.

use std::collections::{BTreeMap, BTreeSet};

use model::{Account, Desired, DesiredUser, Managed, TargetAttribute, UserName, Value};
use plan::mapping::MASK;
use plan::{Decision, Mapping};

use super::{AccountState, AttributeComparison, ShownDifference};

/// Target attributes whose values are not shown.
pub(super) struct ValueMask(BTreeSet<TargetAttribute>);

impl ValueMask {
    pub fn of(mapping: &Mapping) -> Self {
        Self(mapping.masked())
    }

    fn text(&self, attribute: &TargetAttribute, value: &Value) -> String {
        if self.0.contains(attribute) { MASK.to_owned() } else { value.to_string() }
    }

    pub fn name(&self, name: &UserName) -> String {
        self.text(&"userName".into(), &Value::Text(name.to_string()))
    }

    /// The account, with the attributes in which it differs.
    pub fn account(&self, account: &Account, decisions: &[Decision]) -> AccountState {
        let differences = decisions.iter().flat_map(|decision| match decision {
            Decision::Update(found) => found.as_slice(),
            _ => &[],
        });
        let shown = differences.map(|difference| {
            let attribute = &difference.attribute;
            let text = |value: &Option<Value>| value.as_ref().map(|value| self.text(attribute, value));
            ShownDifference {
                attribute: attribute.to_string(),
                from: text(&difference.from),
                to: text(&difference.to),
            }
        });
        AccountState { id: account.id.to_string(), active: account.active, differs: shown.collect() }
    }

    /// Every managed attribute, on all sides.
    pub fn compare(
        &self,
        directory: Option<&Desired>,
        recorded: Option<&Desired>,
        account: Option<&Account>,
    ) -> Vec<AttributeComparison> {
        let (directory, recorded) = (desired_values(directory), desired_values(recorded));
        let account = account.map(account_values).unwrap_or_default();
        let managed: BTreeSet<&TargetAttribute> = directory.keys().chain(recorded.keys()).collect();
        let shown = |side: &BTreeMap<TargetAttribute, Value>, attribute: &TargetAttribute| {
            side.get(attribute).map(|value| self.text(attribute, value))
        };
        managed
            .into_iter()
            .map(|attribute| AttributeComparison {
                attribute: attribute.to_string(),
                directory: shown(&directory, attribute),
                recorded: shown(&recorded, attribute),
                account: shown(&account, attribute),
            })
            .collect()
    }
}

/// Managed attributes of a present user. A cleared attribute has no value.
fn desired_values(desired: Option<&Desired>) -> BTreeMap<TargetAttribute, Value> {
    let Some(Desired::Present(user)) = desired else { return BTreeMap::new() };
    let DesiredUser { user_name, active, attributes, create_only: _ } = user;
    let set = attributes.iter().filter_map(|(attribute, managed)| match managed {
        Managed::Set(value) => Some((attribute.clone(), value.clone())),
        Managed::Clear => None,
    });
    let mut values: BTreeMap<TargetAttribute, Value> = set.collect();
    values.insert("userName".into(), Value::Text(user_name.to_string()));
    values.insert("active".into(), Value::Boolean(*active));
    values
}

fn account_values(account: &Account) -> BTreeMap<TargetAttribute, Value> {
    let mut values = account.attributes.clone();
    values.extend(account.user_name.clone().map(|name| ("userName".into(), Value::Text(name))));
    values.insert("active".into(), Value::Boolean(account.active));
    values
}
