//! The safeguard: which removals of a scan are released, and which wait for an approval.

use std::collections::BTreeSet;

use model::{
    Anchor, AnchorHash, CompleteRead, DeprovisionReason, Desired, DnKey, Fingerprint, Fingerprinter,
    HoldCause, HoldReason, LimitedEffect, UserName,
};

/// Limits up to which removals and changes need no approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafetyLimits {
    /// Removals in one scan.
    pub max_removals: u64,
    /// Share of the active linked accounts in one scan, in percent. It counts from [`Self::PERCENT_FROM`] removals on.
    pub max_removal_percent: u64,
    /// Removals within a day. This limit stops a slow loss that passes each scan.
    pub max_removals_per_day: u64,
    /// Users of a first load, before any account is linked; `None` for no limit. Their plans are kept in memory until the end
    /// of the read.
    pub max_first_load: Option<u64>,
    /// Accounts that a changed configuration creates or updates.
    pub max_changes: u64,
    /// User names that change in one scan.
    pub max_renames: u64,
    /// Inactive accounts that become active in one scan.
    pub max_reactivations: u64,
    /// Accounts or user names that pass from an entry that is gone to another entry in one scan.
    pub max_transfers: u64,
    /// Links to accounts that are gone from the target, dropped within a day. More users wait with their links kept.
    pub max_link_drops: u64,
    /// Share of the known users with one attribute cleared, or changed, in one scan, in percent. It counts from
    /// [`Self::ATTRIBUTE_FROM`] users on.
    pub max_attribute_percent: u64,
}

impl Default for SafetyLimits {
    fn default() -> Self {
        Self {
            max_removals: 25,
            max_removal_percent: 5,
            max_removals_per_day: 2 * 25,
            max_first_load: Some(10),
            max_changes: 50,
            max_renames: 25,
            max_reactivations: 25,
            max_transfers: 25,
            max_link_drops: 10,
            max_attribute_percent: 20,
        }
    }
}

impl SafetyLimits {
    /// Fewer removals than this pass the share limit, so that one leaver in a team of ten is released.
    pub const PERCENT_FROM: u64 = 3;

    /// Factor from the share limit of a scan to that of a day, and from [`Self::PERCENT_FROM`] to its number for a day.
    pub const SCANS_A_DAY: u64 = 2;

    /// Fewer users than this pass the share limit of an attribute, so that a small team can move to another department.
    pub const ATTRIBUTE_FROM: u64 = 25;

    /// Fingerprint of the limits on removals.
    pub fn removal_limits(&self) -> Fingerprint {
        let mut hash = Fingerprinter::new("provisioner 2026 removal limits");
        let limits = [self.max_removals, self.max_removal_percent, self.max_removals_per_day];
        limits.into_iter().for_each(|limit| hash.number(limit));
        hash.finish()
    }

    /// Number of users with an effect up to which a scan needs no approval, where `users` are known.
    pub fn effect_limit(&self, effect: &LimitedEffect, users: u64) -> u64 {
        match effect {
            LimitedEffect::FirstLoad => self.max_first_load.unwrap_or(u64::MAX),
            LimitedEffect::ConfiguredCreate | LimitedEffect::ConfiguredUpdate => self.max_changes,
            LimitedEffect::Rename => self.max_renames,
            LimitedEffect::Reactivation => self.max_reactivations,
            LimitedEffect::Transfer => self.max_transfers,
            LimitedEffect::TransferFromDisabled => 0,
            LimitedEffect::LinkDrop => self.max_link_drops,
            LimitedEffect::Clear(_) | LimitedEffect::Change(_) => {
                let share = users.saturating_mul(self.max_attribute_percent) / 100;
                share.max(Self::ATTRIBUTE_FROM - 1)
            }
        }
    }

    /// Number of active accounts to count for a decision about this many removals. More accounts change nothing.
    pub fn accounts_to_count(&self, removals: u64) -> u64 {
        match self.max_removal_percent {
            0 => 1,
            percent => removals.saturating_mul(100).div_ceil(percent),
        }
    }

    /// The limit of one scan that so many removals exceed.
    fn exceeded(&self, removals: u64, accounts: u64) -> Option<HoldCause> {
        let share_exceeded =
            u128::from(removals) * 100 > u128::from(self.max_removal_percent) * u128::from(accounts);
        if removals >= Self::PERCENT_FROM && share_exceeded {
            Some(HoldCause::ScanShare { accounts, limit: self.max_removal_percent })
        } else {
            (removals > self.max_removals).then_some(HoldCause::Scan { limit: self.max_removals })
        }
    }

    /// The limit of one day that so many removals exceed.
    fn day_exceeded(&self, removals: u64, released: u64, enabled_accounts: u64) -> Option<HoldCause> {
        let total = removals.saturating_add(released);
        let accounts = enabled_accounts.saturating_add(released);
        let limit = self.max_removal_percent.saturating_mul(Self::SCANS_A_DAY);
        // A user can return and leave again within a day, so even twice all accounts would be a limit.
        let has_share = self.max_removal_percent < 100;
        let share_exceeded = has_share && u128::from(total) * 100 > u128::from(limit) * u128::from(accounts);
        if total >= Self::PERCENT_FROM * Self::SCANS_A_DAY && share_exceeded {
            Some(HoldCause::DayShare { released, accounts, limit })
        } else {
            let limit = self.max_removals_per_day;
            (total > limit).then_some(HoldCause::Day { released, limit })
        }
    }
}

/// A planned removal of an active account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalCandidate {
    /// Anchor of the entry.
    pub anchor: Anchor,
    /// Name of the entry, if it still exists.
    pub dn: Option<DnKey>,
    /// User name to show.
    pub user_name: Option<UserName>,
    /// Why the account is removed.
    pub reason: DeprovisionReason,
    /// The desired state to record once the removal is released.
    pub desired: Desired,
    /// Whether the account was linked and never written. Its removal always needs an approval.
    pub never_written: bool,
}

impl RemovalCandidate {
    /// Why the removal is held, where the safeguard does not release it.
    pub fn hold_reason(&self) -> HoldReason {
        if self.never_written { HoldReason::NeverWritten } else { HoldReason::OverLimit }
    }
}

/// A removal that the safeguard released. The store writes no other removal.
///
/// ```compile_fail
/// fn forge(candidate: plan::RemovalCandidate) -> plan::ReleasedRemoval {
///     plan::ReleasedRemoval { candidate }
/// }
/// ```
#[derive(Debug)]
pub struct ReleasedRemoval {
    candidate: RemovalCandidate,
}

impl ReleasedRemoval {
    /// The removal.
    pub fn candidate(&self) -> &RemovalCandidate {
        &self.candidate
    }
}

/// The safeguard's verdict on all removals of a scan.
#[derive(Debug, Default)]
pub struct RemovalVerdict {
    /// Released removals.
    pub released: Vec<ReleasedRemoval>,
    /// Removals that exceed the limits, that the approval of others does not cover, or of accounts that were never written;
    /// they wait for an approval.
    pub held: Vec<RemovalCandidate>,
    /// Why these removals are held; `None` if none is.
    pub cause: Option<HoldCause>,
    /// Removals that wait because deprovisioning is off.
    pub skipped: Vec<RemovalCandidate>,
}

/// What the safeguard considers beside the limits.
#[derive(Clone, Debug, Default)]
pub struct SafeguardInputs {
    /// Whether deprovisioning is on.
    pub deprovision: Deprovision,
    /// Active linked accounts, counted up to [`SafetyLimits::accounts_to_count`].
    pub enabled_accounts: u64,
    /// Removals that were released within the last day.
    pub removed_today: u64,
    /// The valid approval, while a user of it is left. Until it expires, no other removal is released.
    pub approved: Option<ApprovedRemovals>,
    /// Removals that the approval held back. They need another approval, even after the first approval is used
    /// up and the limits apply again.
    pub held_back: BTreeSet<AnchorHash>,
    /// Whether this is the directory of the previous read.
    pub directory_match: DirectoryMatch,
}

/// Removals that an approval covers.
#[derive(Clone, Debug, Default)]
pub struct ApprovedRemovals {
    /// The users.
    pub users: BTreeSet<AnchorHash>,
    /// Largest number of removals.
    pub ceiling: u64,
}

/// Whether a read shows the directory of the previous read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirectoryMatch {
    /// A known user was read, or there are too few users to tell.
    #[default]
    Same,
    /// Users were read and none of them is known: another directory, or another anchor attribute.
    Mismatch,
}

/// Decides about the removals of one scan together. The proof of a complete read is required; candidates for which it
/// does not account are dropped, and their accounts stay as they are.
pub fn check_removals(
    mut candidates: Vec<RemovalCandidate>,
    proof: &CompleteRead,
    limits: &SafetyLimits,
    inputs: &SafeguardInputs,
) -> RemovalVerdict {
    let SafeguardInputs {
        deprovision,
        enabled_accounts,
        removed_today,
        approved,
        held_back,
        directory_match,
    } = inputs;
    candidates.retain(|candidate| proof.accounts_for(&candidate.anchor.hash()));
    if *deprovision == Deprovision::Off {
        return RemovalVerdict { skipped: candidates, ..RemovalVerdict::default() };
    }
    if let Some(approved) = approved {
        return release_approved(candidates, approved);
    }
    // Removals that wait anyway don't make others wait.
    let count = candidates.iter().filter(|candidate| !candidate.never_written).count() as u64;
    let cause = match directory_match {
        _ if count == 0 => None,
        DirectoryMatch::Mismatch => Some(HoldCause::OtherDirectory),
        DirectoryMatch::Same => limits
            .exceeded(count, *enabled_accounts)
            .or_else(|| limits.day_exceeded(count, *removed_today, *enabled_accounts)),
    };
    if cause.is_some() {
        return RemovalVerdict { held: candidates, cause, ..RemovalVerdict::default() };
    }
    release(candidates, |candidate| !candidate.never_written && !held_back.contains(&candidate.anchor.hash()))
}

/// Releases the removals that an approval covers and holds the others. More covered removals than approved are all held.
fn release_approved(candidates: Vec<RemovalCandidate>, approved: &ApprovedRemovals) -> RemovalVerdict {
    let ApprovedRemovals { users, ceiling } = approved;
    let is_covered = |candidate: &RemovalCandidate| users.contains(&candidate.anchor.hash());
    let is_over_ceiling =
        candidates.iter().filter(|candidate| is_covered(candidate)).count() as u64 > *ceiling;
    release(candidates, |candidate| !is_over_ceiling && is_covered(candidate))
}

fn release(
    candidates: Vec<RemovalCandidate>,
    is_released: impl Fn(&RemovalCandidate) -> bool,
) -> RemovalVerdict {
    let (released, held): (Vec<_>, Vec<_>) = candidates.into_iter().partition(is_released);
    let released = released.into_iter().map(|candidate| ReleasedRemoval { candidate }).collect();
    let is_unwritten = held.iter().all(|candidate| candidate.never_written);
    let cause = if is_unwritten { HoldCause::NeverWritten } else { HoldCause::OutsideApproval };
    RemovalVerdict { released, cause: (!held.is_empty()).then_some(cause), held, skipped: Vec::new() }
}

/// Whether deprovisioning is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deprovision {
    /// Removals are decided by the limits.
    #[default]
    On,
    /// Removals are shown and skipped.
    Off,
}

#[cfg(test)]
mod tests;
