//! What one entry says about its user.

use model::{DeprovisionReason, Desired, Entry, Fingerprint, Fingerprinter, UnixSeconds};

use crate::Mapping;
use crate::status::{AccountStatus, StatusRule, has_expired};

/// Everything that turns an entry into an observation.
#[derive(Debug)]
pub struct UserRules {
    /// The mapping.
    pub mapping: Mapping,
    /// How the directory says that a user is disabled.
    pub status: StatusRule,
    /// The attribute that says when an account expires, where that counts.
    pub expires: Option<String>,
    /// Whether disabled users are provisioned, as inactive accounts.
    pub provision_disabled: bool,
    /// The target's dialect: another target makes everybody be looked at again.
    pub dialect: String,
}

impl UserRules {
    /// A fingerprint of the rules themselves.
    pub fn version(&self) -> Fingerprint {
        let Self { mapping, status, expires, provision_disabled, dialect } = self;
        let mut hash = Fingerprinter::new("provisioner 2026 rules");
        mapping.describe(&mut hash);
        hash.text(&format!("{status:?}"));
        if let Some(expires) = expires {
            hash.text(expires);
        }
        hash.flag(*provision_disabled);
        hash.text(dialect);
        hash.finish()
    }
}

/// What one entry in scope says about its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// This is what the user should be.
    Valid(Desired),
    /// The mapping can't make a user of it. That is no reason to remove anybody.
    Invalid(String),
}

/// Looks at one entry, at a moment: an account can expire without anybody's doing.
pub fn observe(rules: &UserRules, entry: &Entry, now: UnixSeconds) -> Observation {
    let status = rules.status.verdict(&entry.attributes);
    let expired = match &rules.expires {
        Some(attribute) => has_expired(&entry.attributes, attribute, now),
        None => Ok(false),
    };
    let active = match (status, expired) {
        (Ok(status), Ok(expired)) => status == AccountStatus::Enabled && !expired,
        (Err(unreadable), _) | (_, Err(unreadable)) => {
            return Observation::Invalid(unreadable.to_string());
        }
    };
    if active || rules.provision_disabled {
        return match rules.mapping.desired_user(&entry.attributes, active) {
            Ok(user) => Observation::Valid(Desired::Present(user)),
            Err(error) => Observation::Invalid(error.to_string()),
        };
    }
    // Somebody who is disabled is switched off even if the rest of the entry can't be mapped.
    let user_name = rules.mapping.user_name(&entry.attributes).ok();
    Observation::Valid(Desired::Absent { user_name, reason: DeprovisionReason::Disabled })
}
