//! Account status of an entry: enabled, disabled or expired.

use model::{Attributes, Fingerprinter, UnixSeconds};
use serde::Serialize;

/// How a directory marks disabled users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusRule {
    /// Every user is enabled.
    AlwaysEnabled,
    /// A number with bits: Active Directory's `userAccountControl` with `0x2`. Every entry has one, so its absence is no value.
    Bitmap {
        /// The attribute with the number.
        attribute: String,
        /// Bits that mean disabled; one is enough.
        disabled_bits: u64,
    },
    /// An attribute that is compared with a value.
    Flag {
        /// The attribute.
        attribute: String,
        /// The value, compared without case.
        value: String,
        /// Status of entries with this value.
        means: AccountStatus,
        /// Status of entries without the attribute.
        default: AccountStatus,
    },
}

/// An account status in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// The user may sign in.
    Enabled,
    /// The user may not sign in.
    Disabled,
}

impl AccountStatus {
    /// Stable word for fingerprints.
    pub fn word(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }

    fn opposite(self) -> Self {
        match self {
            Self::Enabled => Self::Disabled,
            Self::Disabled => Self::Enabled,
        }
    }
}

/// Why the account status of an entry is unknown. The user is neither enabled nor disabled, and the account stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownStatus {
    /// The entry shows no value where every entry has one.
    #[error(
        "the entry does not show the status attribute '{0}'; every Active Directory user has userAccountControl, so the reading account probably has no right to read it"
    )]
    Hidden(String),
    /// The server says that the reading account may not read the attribute.
    #[error(
        "the directory says that the reading account may not read the status attribute '{0}'; let the account read it"
    )]
    NoRight(String),
    /// The value is no number.
    #[error("the status attribute '{0}' does not hold a whole number")]
    NotANumber(String),
}

impl StatusRule {
    /// Adds the canonical serialisation of the rule to a fingerprint.
    pub(crate) fn describe(&self, hash: &mut Fingerprinter) {
        match self {
            Self::AlwaysEnabled => hash.text("always_enabled"),
            Self::Bitmap { attribute, disabled_bits } => {
                hash.text("bitmap");
                hash.text(attribute);
                hash.number(*disabled_bits);
            }
            Self::Flag { attribute, value, means, default } => {
                hash.text("flag");
                [attribute, value, means.word(), default.word()].into_iter().for_each(|text| hash.text(text));
            }
        }
    }

    /// The attribute that the rule reads.
    pub fn attribute(&self) -> Option<&str> {
        match self {
            Self::AlwaysEnabled => None,
            Self::Bitmap { attribute, .. } | Self::Flag { attribute, .. } => Some(attribute),
        }
    }

    /// The status of one entry.
    pub fn verdict(&self, attributes: &Attributes) -> Result<AccountStatus, UnknownStatus> {
        match self {
            Self::AlwaysEnabled => Ok(AccountStatus::Enabled),
            Self::Bitmap { attribute, disabled_bits } => {
                let Some(value) = attributes.one(attribute) else {
                    return Err(UnknownStatus::Hidden(attribute.clone()));
                };
                let disabled = number(value, attribute)?.cast_unsigned() & disabled_bits != 0;
                Ok(if disabled { AccountStatus::Disabled } else { AccountStatus::Enabled })
            }
            Self::Flag { attribute, value, means, default } => {
                let values = attributes.all(attribute);
                if values.is_empty() && attributes.is_hidden(attribute) {
                    return Err(UnknownStatus::NoRight(attribute.clone()));
                }
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

/// A time as Active Directory writes it: in units of 100 ns since 1601 (MS-ADTS, section 3.1.1.2.2.2).
pub fn file_time(time: UnixSeconds) -> i64 {
    const UNIX_EPOCH: i64 = 11_644_473_600;
    const A_SECOND: i64 = 10_000_000;
    time.0.saturating_add(UNIX_EPOCH).saturating_mul(A_SECOND)
}

/// Whether an account has expired, by an attribute such as Active Directory's `accountExpires`. Zero and the largest
/// number mean never.
pub fn has_expired(
    attributes: &Attributes,
    attribute: &str,
    now: UnixSeconds,
) -> Result<bool, UnknownStatus> {
    let Some(value) = attributes.one(attribute) else { return Ok(false) };
    let expires = number(value, attribute)?;
    Ok(expires != 0 && expires != i64::MAX && expires <= file_time(now))
}

fn number(value: &[u8], attribute: &str) -> Result<i64, UnknownStatus> {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| UnknownStatus::NotANumber(attribute.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use AccountStatus::{Disabled, Enabled};

    fn verdict(rule: &StatusRule, pairs: &[(&str, &str)]) -> Result<AccountStatus, UnknownStatus> {
        rule.verdict(&pairs.iter().copied().collect())
    }

    #[test]
    fn bitmap_of_active_directory() {
        let rule = StatusRule::Bitmap { attribute: "userAccountControl".into(), disabled_bits: 2 };
        assert_eq!(verdict(&rule, &[("userAccountControl", "512")]), Ok(Enabled));
        assert_eq!(verdict(&rule, &[("useraccountcontrol", "514")]), Ok(Disabled));
        // Every user has the attribute. Without it, the reader may not see it.
        assert_eq!(verdict(&rule, &[]), Err(UnknownStatus::Hidden("userAccountControl".into())));
        assert!(verdict(&rule, &[("userAccountControl", "many")]).is_err());
    }

    #[test]
    fn hidden_flag_is_no_missing_flag() {
        let rule = StatusRule::Flag {
            attribute: "nsAccountLock".into(),
            value: "true".into(),
            means: Disabled,
            default: Enabled,
        };
        let mut attributes = Attributes::default();
        assert_eq!(rule.verdict(&attributes), Ok(Enabled));
        attributes.hide("NSACCOUNTLOCK".to_owned());
        assert_eq!(rule.verdict(&attributes), Err(UnknownStatus::NoRight("nsAccountLock".into())));
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
    fn flag_is_compared_with_the_configured_value() {
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
