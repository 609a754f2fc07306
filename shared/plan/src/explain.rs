//! Explanations of an observation: the account status and every target attribute. [`observe`](crate::observe) gives
//! the same results.

use model::{Attributes, UnixSeconds};
use serde::Serialize;

use crate::UserRules;
use crate::mapping::{AttributeExplained, Explainer, RecordedValues};
use crate::status::{AccountStatus, StatusRule, has_expired};

/// How an observation comes about. Masked values are hidden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObservationExplained {
    /// Account status.
    pub status: StatusExplained,
    /// Expiry of the account, where it counts.
    pub expiry: Option<ExpiryExplained>,
    /// Target attributes, the user name first.
    pub mapping: Vec<AttributeExplained>,
}

/// How an account status comes about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusExplained {
    /// The attribute that the rule reads.
    pub attribute: Option<String>,
    /// Its values.
    pub values: Vec<String>,
    /// What the values are compared with.
    pub comparison: StatusComparison,
    /// Whether the entry lacks the attribute, so that the default applies.
    pub used_default: bool,
    /// The status; `None` where it is unknown.
    pub verdict: Option<AccountStatus>,
    /// Why the status is unknown.
    pub problem: Option<String>,
}

/// What the status attribute is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusComparison {
    /// Nothing: every user is enabled.
    None,
    /// Bits of a number. Without the attribute the status is unknown.
    Bits {
        /// Bits that mean disabled; one is enough.
        disabled: u64,
    },
    /// A value, without case.
    Value {
        /// The value.
        value: String,
        /// Status of entries with this value.
        means: AccountStatus,
        /// Status of entries without the attribute.
        default: AccountStatus,
    },
}

/// How the expiry of an account comes about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExpiryExplained {
    /// The attribute that holds the expiry.
    pub attribute: String,
    /// Its values.
    pub values: Vec<String>,
    /// Whether the account has expired; `None` where the attribute is unreadable.
    pub expired: Option<bool>,
    /// Why the attribute is unreadable.
    pub problem: Option<String>,
}

/// Explains the observation of one entry at a time.
pub fn explain_observation(
    rules: &UserRules,
    attributes: &Attributes,
    now: UnixSeconds,
    recorded: RecordedValues<'_>,
) -> ObservationExplained {
    let explainer = Explainer::new(&rules.mapping, attributes, recorded);
    let (verdict, problem) = split(rules.status.verdict(attributes));
    let attribute = rules.status.attribute();
    let status = StatusExplained {
        attribute: attribute.map(str::to_owned),
        values: attribute.map(|name| explainer.values(name)).unwrap_or_default(),
        comparison: comparison(&rules.status),
        used_default: matches!(&rules.status, StatusRule::Flag { attribute, .. } if attributes.one(attribute).is_none()),
        verdict,
        problem,
    };
    let expiry = rules.expires.as_ref().map(|attribute| {
        let (expired, problem) = split(has_expired(attributes, attribute, now));
        ExpiryExplained {
            attribute: attribute.clone(),
            values: explainer.values(attribute),
            expired,
            problem,
        }
    });
    ObservationExplained { status, expiry, mapping: explainer.mapping() }
}

fn comparison(rule: &StatusRule) -> StatusComparison {
    match rule {
        StatusRule::AlwaysEnabled => StatusComparison::None,
        StatusRule::Bitmap { attribute: _, disabled_bits } => {
            StatusComparison::Bits { disabled: *disabled_bits }
        }
        StatusRule::Flag { attribute: _, value, means, default } => {
            StatusComparison::Value { value: value.clone(), means: *means, default: *default }
        }
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
        let attributes = entry.iter().copied().collect();
        explain_observation(&rules(status, masked), &attributes, UnixSeconds(0), RecordedValues::default())
    }

    #[test]
    fn status_shows_attribute_values_comparison_and_verdict() {
        let bits = || StatusRule::Bitmap { attribute: "userAccountControl".into(), disabled_bits: 2 };
        let disabled = explained(bits(), false, &[("userAccountControl", "514")]).status;
        assert_eq!(disabled.attribute.as_deref(), Some("userAccountControl"));
        assert_eq!(
            (disabled.values, disabled.comparison),
            (vec!["514".to_owned()], StatusComparison::Bits { disabled: 2 })
        );
        assert_eq!((disabled.verdict, disabled.used_default), (Some(AccountStatus::Disabled), false));
        let silent = explained(bits(), false, &[]).status;
        assert_eq!((silent.verdict, silent.used_default), (None, false));
        assert!(silent.problem.unwrap().contains("no right to read it"));
        let garbled = explained(bits(), false, &[("userAccountControl", "many")]).status;
        assert_eq!(garbled.verdict, None);
        assert!(garbled.problem.unwrap().contains("whole number"));
        assert_eq!(
            explained(StatusRule::AlwaysEnabled, false, &[]).status.comparison,
            StatusComparison::None
        );
    }

    #[test]
    fn expiry_is_explained_where_it_counts() {
        let of =
            |value| explained(StatusRule::AlwaysEnabled, false, &[("accountExpires", value)]).expiry.unwrap();
        assert_eq!((of("1").expired, of("0").expired, of("soon").expired), (Some(true), Some(false), None));
        assert_eq!(of("1").values, ["1"]);
    }

    #[test]
    fn status_attribute_is_hidden_where_a_masked_attribute_reads_it() {
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
