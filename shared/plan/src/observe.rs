//! What one entry says about its user.

use model::{DeprovisionReason, Desired, Entry, Fingerprint, Fingerprinter, UnixSeconds};

use crate::Mapping;
use crate::mapping::RecordedValues;
use crate::status::{AccountStatus, StatusRule, has_expired};

/// The rules that turn an entry into a desired user.
#[derive(Debug)]
pub struct UserRules {
    /// The mapping.
    pub mapping: Mapping,
    /// How the directory marks disabled users.
    pub status: StatusRule,
    /// The attribute with the expiry of an account, where expiry counts.
    pub expires: Option<String>,
    /// Whether disabled users get inactive accounts.
    pub provision_disabled: bool,
    /// Name of the target's dialect. Under another dialect every entry is observed again.
    pub dialect: String,
}

impl UserRules {
    /// Fingerprint of the rules.
    pub fn version(&self) -> Fingerprint {
        let mut hash = Fingerprinter::new("provisioner 2026 rules");
        self.describe(&mut hash);
        hash.finish()
    }

    /// Adds the canonical serialisation of the rules to a fingerprint.
    pub fn describe(&self, hash: &mut Fingerprinter) {
        let Self { mapping, status, expires, provision_disabled, dialect } = self;
        mapping.describe(hash);
        status.describe(hash);
        hash.optional_text(expires.as_deref());
        hash.flag(*provision_disabled);
        hash.text(dialect);
    }
}

/// What one entry in scope says about its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The desired state of the user.
    Valid(Desired),
    /// The mapping can't make a user of the entry. The account stays as it is.
    Invalid {
        /// The attribute and the problem.
        error: String,
        /// DN of the entry; `None` if it contains a masked value.
        dn: Option<String>,
    },
}

/// Observes one entry. The time counts because accounts expire, and the record because it decides between several values.
pub fn observe(
    rules: &UserRules,
    entry: &Entry,
    now: UnixSeconds,
    recorded: RecordedValues<'_>,
) -> Observation {
    let status = rules.status.verdict(&entry.attributes);
    let expired = match &rules.expires {
        Some(attribute) => has_expired(&entry.attributes, attribute, now),
        None => Ok(false),
    };
    let invalid = |error: String| Observation::Invalid { error, dn: rules.mapping.shown_dn(entry) };
    let active = match (status, expired) {
        (Ok(status), Ok(expired)) => status == AccountStatus::Enabled && !expired,
        (Err(unknown), _) | (_, Err(unknown)) => return invalid(unknown.to_string()),
    };
    if active || rules.provision_disabled {
        return match rules.mapping.desired_user(&entry.attributes, active, recorded) {
            Ok(user) => Observation::Valid(Desired::Present(user)),
            Err(error) => invalid(error.to_string()),
        };
    }
    // A disabled user is deprovisioned even if the rest of the entry can't be mapped.
    let user_name = rules.mapping.user_name(&entry.attributes, recorded).ok();
    Observation::Valid(Desired::Absent { user_name, reason: DeprovisionReason::Disabled })
}

#[cfg(test)]
mod tests;
