//! How an observation came about: what the verdict on the account status rests on, and each attribute's way through the
//! mapping. The verdicts are those of [`observe`](crate::observe); here is what they were given.

use std::collections::BTreeSet;

use model::{Attributes, UnixSeconds};
use serde::Serialize;

use crate::UserRules;
use crate::mapping::{AttributeExplained, values};
use crate::status::{AccountStatus, StatusRule, has_expired};

/// How an observation came about. What the mapping masks is in none of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObservationExplained {
    /// The account status.
    pub status: StatusExplained,
    /// When the account expires, where that counts.
    pub expiry: Option<ExpiryExplained>,
    /// The target attributes, the user name first.
    pub mapping: Vec<AttributeExplained>,
}

/// What a verdict on the account status rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusExplained {
    /// The attribute that is looked at, if any is.
    pub attribute: Option<String>,
    /// What the entry has in it.
    pub values: Vec<String>,
    /// What that is compared with.
    pub comparison: StatusComparison,
    /// Whether the entry says nothing, so that the default counts.
    pub used_default: bool,
    /// What it comes to; `None` where the value can't be understood.
    pub verdict: Option<AccountStatus>,
    /// Why it can't.
    pub problem: Option<String>,
}

/// What the status attribute is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusComparison {
    /// Nothing: everybody is enabled.
    None,
    /// Bits of a number, any of which means disabled; without the attribute, enabled.
    Bits {
        /// These.
        disabled: u64,
    },
    /// One value, without case.
    Value {
        /// This.
        value: String,
        /// What an equal value means.
        means: AccountStatus,
        /// What an entry without the attribute is.
        default: AccountStatus,
    },
}

/// What a verdict on an account's expiry rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExpiryExplained {
    /// The attribute that is looked at.
    pub attribute: String,
    /// What the entry has in it.
    pub values: Vec<String>,
    /// Whether the account has expired; `None` where the value can't be understood.
    pub expired: Option<bool>,
    /// Why it can't.
    pub problem: Option<String>,
}

/// Tells what [`observe`](crate::observe) goes by for one entry, at a moment.
pub fn explain_observation(
    rules: &UserRules,
    attributes: &Attributes,
    now: UnixSeconds,
) -> ObservationExplained {
    let hidden = rules.mapping.hidden_sources();
    ObservationExplained {
        status: explain_status(&rules.status, attributes, &hidden),
        expiry: rules.expires.as_ref().map(|attribute| explain_expiry(attribute, attributes, now, &hidden)),
        mapping: rules.mapping.explain(attributes),
    }
}

fn explain_status(rule: &StatusRule, attributes: &Attributes, hidden: &BTreeSet<String>) -> StatusExplained {
    let comparison = match rule {
        StatusRule::AlwaysEnabled => StatusComparison::None,
        StatusRule::Bitmap { attribute: _, disabled_bits } => {
            StatusComparison::Bits { disabled: *disabled_bits }
        }
        StatusRule::Flag { attribute: _, value, means, default } => {
            StatusComparison::Value { value: value.clone(), means: *means, default: *default }
        }
    };
    let (verdict, problem) = split(rule.verdict(attributes));
    StatusExplained {
        attribute: rule.attribute().map(str::to_owned),
        values: rule.attribute().map(|name| values(attributes, name, hidden)).unwrap_or_default(),
        comparison,
        used_default: rule.attribute().is_some_and(|name| attributes.one(name).is_none()),
        verdict,
        problem,
    }
}

fn explain_expiry(
    attribute: &str,
    attributes: &Attributes,
    now: UnixSeconds,
    hidden: &BTreeSet<String>,
) -> ExpiryExplained {
    let (expired, problem) = split(has_expired(attributes, attribute, now));
    ExpiryExplained {
        attribute: attribute.to_owned(),
        values: values(attributes, attribute, hidden),
        expired,
        problem,
    }
}

fn split<T, E: ToString>(verdict: Result<T, E>) -> (Option<T>, Option<String>) {
    match verdict {
        Ok(verdict) => (Some(verdict), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::ValueKind::Text;

    use super::*;
    use crate::Mapping;
    use crate::mapping::{MASK, MappingRule};

    fn rules(status: StatusRule, masked: bool) -> UserRules {
        let kind = MappingRule { masked, ..MappingRule::plain("employeeType", Text) };
        UserRules {
            mapping: Mapping::new(
                MappingRule::plain("mail", Text),
                BTreeMap::from([("userType".into(), kind)]),
            ),
            status,
            expires: Some("accountExpires".to_owned()),
            provision_disabled: false,
            dialect: "test".to_owned(),
        }
    }

    fn explained(status: StatusRule, masked: bool, entry: &[(&str, &str)]) -> ObservationExplained {
        explain_observation(&rules(status, masked), &entry.iter().copied().collect(), UnixSeconds(0))
    }

    #[test]
    fn a_status_shows_attribute_value_comparison_and_verdict() {
        let bits = || StatusRule::Bitmap { attribute: "userAccountControl".into(), disabled_bits: 2 };
        let disabled = explained(bits(), false, &[("userAccountControl", "514")]).status;
        assert_eq!(disabled.attribute.as_deref(), Some("userAccountControl"));
        assert_eq!(
            (disabled.values, disabled.comparison),
            (vec!["514".to_owned()], StatusComparison::Bits { disabled: 2 })
        );
        assert_eq!((disabled.verdict, disabled.used_default), (Some(AccountStatus::Disabled), false));
        let silent = explained(bits(), false, &[]).status;
        assert_eq!((silent.verdict, silent.used_default), (Some(AccountStatus::Enabled), true));
        let garbled = explained(bits(), false, &[("userAccountControl", "many")]).status;
        assert_eq!(garbled.verdict, None);
        assert!(garbled.problem.unwrap().contains("whole number"));
        assert_eq!(
            explained(StatusRule::AlwaysEnabled, false, &[]).status.comparison,
            StatusComparison::None
        );
    }

    #[test]
    fn an_expiry_is_explained_where_it_counts() {
        let of =
            |value| explained(StatusRule::AlwaysEnabled, false, &[("accountExpires", value)]).expiry.unwrap();
        assert_eq!((of("1").expired, of("0").expired, of("soon").expired), (Some(true), Some(false), None));
        assert_eq!(of("1").values, ["1"]);
    }

    #[test]
    fn a_status_attribute_that_a_masked_one_is_made_of_is_hidden_too() {
        let flag = StatusRule::Flag {
            attribute: "EmployeeType".into(),
            value: "gone".into(),
            means: AccountStatus::Disabled,
            default: AccountStatus::Enabled,
        };
        let status = explained(flag, true, &[("employeeType", "secret agent")]).status;
        assert_eq!((status.values, status.verdict), (vec![MASK.to_owned()], Some(AccountStatus::Enabled)));
    }
}
