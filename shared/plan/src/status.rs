//! Whether an entry is enabled, as its account-status attribute says.

use model::{Attributes, UnixSeconds};
use serde::Serialize;

/// How a directory says that a user is disabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusRule {
    /// Everybody is enabled.
    AlwaysEnabled,
    /// A bit in a number: Active Directory's `userAccountControl` with `0x2`.
    Bitmap {
        /// The attribute that holds the number.
        attribute: String,
        /// Any of these bits means disabled.
        disabled_bits: u64,
    },
    /// An attribute that is compared with one value.
    Flag {
        /// The attribute.
        attribute: String,
        /// Compared without case.
        value: String,
        /// What an equal value means.
        means: AccountStatus,
        /// What an entry without the attribute is.
        default: AccountStatus,
    },
}

/// An account status in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// May sign in.
    Enabled,
    /// May not.
    Disabled,
}

impl AccountStatus {
    fn opposite(self) -> Self {
        match self {
            Self::Enabled => Self::Disabled,
            Self::Disabled => Self::Enabled,
        }
    }
}

/// A status attribute whose value can't be understood. Taking it for either would be a guess about a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the status attribute '{attribute}' does not hold a whole number")]
pub struct UnreadableStatus {
    /// The attribute.
    pub attribute: String,
}

impl StatusRule {
    /// The attribute that must be read for this rule.
    pub fn attribute(&self) -> Option<&str> {
        match self {
            Self::AlwaysEnabled => None,
            Self::Bitmap { attribute, .. } | Self::Flag { attribute, .. } => Some(attribute),
        }
    }

    /// The verdict on one entry.
    pub fn verdict(&self, attributes: &Attributes) -> Result<AccountStatus, UnreadableStatus> {
        match self {
            Self::AlwaysEnabled => Ok(AccountStatus::Enabled),
            Self::Bitmap { attribute, disabled_bits } => {
                let Some(value) = attributes.one(attribute) else { return Ok(AccountStatus::Enabled) };
                let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<i64>().ok());
                let number = number.ok_or_else(|| UnreadableStatus { attribute: attribute.clone() })?;
                let disabled = number.cast_unsigned() & disabled_bits != 0;
                Ok(if disabled { AccountStatus::Disabled } else { AccountStatus::Enabled })
            }
            Self::Flag { attribute, value, means, default } => {
                let values = attributes.all(attribute);
                let equal = |found: &[u8]| {
                    String::from_utf8_lossy(found).trim().to_lowercase() == value.trim().to_lowercase()
                };
                Ok(match values {
                    [] => *default,
                    _ if values.iter().any(|value| equal(value)) => *means,
                    _ => means.opposite(),
                })
            }
        }
    }
}

/// A moment as Active Directory writes it: in units of 100 ns since the year 1601 (MS-ADTS, section 3.1.1.2.2.2).
pub fn file_time(time: UnixSeconds) -> i64 {
    const UNIX_EPOCH: i64 = 11_644_473_600;
    const A_SECOND: i64 = 10_000_000;
    time.0.saturating_add(UNIX_EPOCH).saturating_mul(A_SECOND)
}

/// Whether an account has expired by now, as an attribute such as Active Directory's `accountExpires` says. Nought and
/// the largest number mean that it never does.
pub fn has_expired(
    attributes: &Attributes,
    attribute: &str,
    now: UnixSeconds,
) -> Result<bool, UnreadableStatus> {
    let Some(value) = attributes.one(attribute) else { return Ok(false) };
    let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<i64>().ok());
    let number = number.ok_or_else(|| UnreadableStatus { attribute: attribute.to_owned() })?;
    Ok(number != 0 && number != i64::MAX && number <= file_time(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use AccountStatus::{Disabled, Enabled};

    fn verdict(rule: &StatusRule, pairs: &[(&str, &str)]) -> Result<AccountStatus, UnreadableStatus> {
        rule.verdict(&pairs.iter().copied().collect())
    }

    #[test]
    fn the_bitmap_of_active_directory() {
        let rule = StatusRule::Bitmap { attribute: "userAccountControl".into(), disabled_bits: 2 };
        assert_eq!(verdict(&rule, &[("userAccountControl", "512")]), Ok(Enabled));
        assert_eq!(verdict(&rule, &[("useraccountcontrol", "514")]), Ok(Disabled));
        assert_eq!(verdict(&rule, &[]), Ok(Enabled));
        assert!(verdict(&rule, &[("userAccountControl", "many")]).is_err());
    }

    #[test]
    fn accounts_expire() {
        let expired = |value: &str, now: i64| {
            has_expired(
                &[("accountExpires", value)].into_iter().collect(),
                "accountExpires",
                UnixSeconds(now),
            )
        };
        // Midnight on 1 January 2026.
        let midnight = "134116992000000000";
        assert_eq!(expired(midnight, 1_767_225_599), Ok(false));
        assert_eq!(expired(midnight, 1_767_225_600), Ok(true));
        for never in ["0", "9223372036854775807"] {
            assert_eq!(expired(never, i64::MAX / 100_000_000), Ok(false));
        }
        assert!(expired("soon", 0).is_err());
        assert_eq!(has_expired(&Attributes::default(), "accountExpires", UnixSeconds(0)), Ok(false));
    }

    #[test]
    fn a_flag_means_what_the_administrator_says() {
        let rule = StatusRule::Flag {
            attribute: "employeeType".into(),
            value: "disabled".into(),
            means: Disabled,
            default: Enabled,
        };
        assert_eq!(verdict(&rule, &[("employeeType", "Disabled")]), Ok(Disabled));
        assert_eq!(verdict(&rule, &[("employeeType", "active")]), Ok(Enabled));
        assert_eq!(verdict(&rule, &[]), Ok(Enabled));

        let rule = StatusRule::Flag {
            attribute: "enabled".into(),
            value: "yes".into(),
            means: Enabled,
            default: Disabled,
        };
        assert_eq!(verdict(&rule, &[("enabled", "yes")]), Ok(Enabled));
        assert_eq!(verdict(&rule, &[("enabled", "no")]), Ok(Disabled));
        assert_eq!(verdict(&rule, &[]), Ok(Disabled));
    }
}
