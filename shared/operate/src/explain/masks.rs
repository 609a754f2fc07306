//! What of a user may be shown.

use std::collections::{BTreeMap, BTreeSet};

use model::{Account, Desired, DesiredUser, Entry, Managed, TargetAttribute, UserName, Value};
use plan::mapping::MASK;
use plan::{AttributeDifference, Decision, Mapping};

use crate::explanation::{AccountPart, BesidePart, DifferencePart};

/// A shorter value is found in too many names to mean anything.
const SHORTEST_VALUE: usize = 3;

/// What of a user may not be shown.
pub(super) struct Masks {
    /// The values of these target attributes.
    attributes: BTreeSet<TargetAttribute>,
    /// The values of these directory attributes, in lower case.
    sources: BTreeSet<String>,
}

impl Masks {
    pub fn of(mapping: &Mapping) -> Self {
        Self { attributes: mapping.masked(), sources: mapping.hidden_sources() }
    }

    fn text(&self, attribute: &TargetAttribute, value: &Value) -> String {
        if self.attributes.contains(attribute) { MASK.to_owned() } else { value.to_string() }
    }

    /// A user name.
    pub fn name(&self, name: &UserName) -> String {
        self.text(&"userName".into(), &Value::Text(name.to_string()))
    }

    /// Where an entry is, unless that shows a value that is not to be shown.
    pub fn dn(&self, entry: &Entry) -> String {
        let folded = entry.dn.to_lowercase();
        let values = self.sources.iter().flat_map(|source| entry.attributes.all(source));
        let mut values = values.map(|value| String::from_utf8_lossy(value).trim().to_lowercase());
        let shows = values.any(|value| value.chars().count() >= SHORTEST_VALUE && folded.contains(&value));
        if shows { MASK.to_owned() } else { entry.dn.clone() }
    }

    /// An account, and in what it differs.
    pub fn account(&self, account: &Account, decisions: &[Decision]) -> AccountPart {
        let differences = decisions.iter().flat_map(|decision| match decision {
            Decision::Update(found) => found.as_slice(),
            _ => &[],
        });
        AccountPart {
            id: account.id.to_string(),
            active: account.active,
            differs: differences.map(|difference| self.difference(difference)).collect(),
        }
    }

    fn difference(&self, difference: &AttributeDifference) -> DifferencePart {
        let AttributeDifference { attribute, from, to } = difference;
        DifferencePart {
            attribute: attribute.to_string(),
            from: from.as_ref().map(|value| self.text(attribute, value)),
            to: to.as_ref().map(|value| self.text(attribute, value)),
        }
    }

    /// Each managed attribute: what the directory says, what the last scan wrote down, and what the account has.
    pub fn beside(
        &self,
        directory: Option<&Desired>,
        recorded: Option<&Desired>,
        account: Option<&Account>,
    ) -> Vec<BesidePart> {
        let (directory, recorded) = (of_desired(directory), of_desired(recorded));
        let account = account.map(of_account).unwrap_or_default();
        let managed: BTreeSet<&TargetAttribute> = directory.keys().chain(recorded.keys()).collect();
        let shown = |side: &BTreeMap<TargetAttribute, Value>, attribute: &TargetAttribute| {
            side.get(attribute).map(|value| self.text(attribute, value))
        };
        managed
            .into_iter()
            .map(|attribute| BesidePart {
                attribute: attribute.to_string(),
                directory: shown(&directory, attribute),
                recorded: shown(&recorded, attribute),
                account: shown(&account, attribute),
            })
            .collect()
    }
}

/// The managed attributes of a user who is to be there; a cleared one has no value.
fn of_desired(desired: Option<&Desired>) -> BTreeMap<TargetAttribute, Value> {
    let Some(Desired::Present(user)) = desired else { return BTreeMap::new() };
    let DesiredUser { user_name, active, attributes, create_only: _ } = user;
    let set = attributes.iter().filter_map(|(attribute, managed)| match managed {
        Managed::Set(value) => Some((attribute.clone(), value.clone())),
        Managed::Clear => None,
    });
    let mut all: BTreeMap<TargetAttribute, Value> = set.collect();
    all.insert("userName".into(), Value::Text(user_name.to_string()));
    all.insert("active".into(), Value::Boolean(*active));
    all
}

fn of_account(account: &Account) -> BTreeMap<TargetAttribute, Value> {
    let mut all = account.attributes.clone();
    all.extend(account.user_name.clone().map(|name| ("userName".into(), Value::Text(name))));
    all.insert("active".into(), Value::Boolean(account.active));
    all
}
