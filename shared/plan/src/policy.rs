//! The configured decisions of one connection.

use model::{Fingerprint, Options, TargetIdentity};

use crate::{SafetyLimits, UserRules};

/// The configured decisions about users, without addresses and secrets. The engines need nothing else of a
/// configuration.
#[derive(Debug)]
pub struct Policy {
    /// Name of the connection; keys the stored state.
    pub name: String,
    /// Identity of the target; the stored state belongs to one target alone.
    pub target: TargetIdentity,
    /// Mapping and account-status rules.
    pub rules: UserRules,
    /// Capabilities that are on.
    pub options: Options,
    /// Limits above which removals and changes wait for an approval.
    pub safety: SafetyLimits,
    /// Fingerprint of everything that decides which entry gets which account. Under another fingerprint a scan may change
    /// every account at once.
    pub fingerprint: Fingerprint,
    /// Hours after which an incremental scan is replaced by a full one.
    pub full_read_hours: u32,
    /// Days without a call after which the target withdraws the access token, where the dialect has such a limit.
    pub keep_alive_days: Option<u32>,
}
