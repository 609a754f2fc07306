//! Removals and changes that the safeguard holds.

use model::{
    DeprovisionReason, HeldChanges, HeldEffect, HeldRemovals, HoldCause, LimitedEffect, Options,
    RemoveAction, SafeguardMemory, UnixSeconds,
};
use serde::Serialize;

/// A set of held removals, or held changes.
#[derive(Clone, Debug, Serialize)]
pub struct HeldSummary {
    /// The hash that `provisioner approve` takes.
    pub hash: String,
    /// The held removals or changes, in words, with their numbers and limits.
    pub what: String,
    /// The exceeded limits.
    pub limits: Vec<ExceededLimit>,
    /// Expiry of the approval, in seconds since 1970; `None` without an approval.
    pub approved_until: Option<i64>,
    /// The approver's name.
    pub approved_by: Option<String>,
}

/// A limit that held removals or changes exceed.
#[derive(Clone, Debug, Serialize)]
pub struct ExceededLimit {
    /// `removal`, or the effect on an account, such as `rename`.
    pub effect: &'static str,
    /// The attribute that is cleared or changed.
    pub attribute: Option<String>,
    /// Number of users.
    pub count: u64,
    /// Number of users or accounts that the share is of, where the limit is a share.
    pub of: Option<u64>,
    /// The limit; `None` for an effect that always needs an approval.
    pub limit: Option<u64>,
    /// Key of the limit in `[safety]`.
    pub key: Option<&'static str>,
}

impl HeldSummary {
    /// The held removals.
    pub fn removals(memory: &SafeguardMemory, options: &Options, now: UnixSeconds) -> Option<Self> {
        let held = memory.held.as_ref()?;
        let approval = memory.approval_at(now).filter(|approval| approval.set.hash == held.hash);
        Some(Self {
            approved_until: approval.map(|approval| approval.until.0),
            approved_by: approval.map(|approval| approval.by.clone()),
            ..Self::of_removals(held, options)
        })
    }

    /// Removals without an approval.
    pub fn of_removals(held: &HeldRemovals, options: &Options) -> Self {
        Self {
            hash: held.hash.short(),
            what: removal_words(held, options),
            limits: vec![removal_limit(held)],
            approved_until: None,
            approved_by: None,
        }
    }

    /// The held changes.
    pub fn changes(memory: &SafeguardMemory, now: UnixSeconds) -> Option<Self> {
        let changes = memory.changes.as_ref()?;
        let approval = memory.change_approval_at(now, changes.configuration);
        let approval = approval.filter(|approval| approval.changes.hash == changes.hash);
        Some(Self {
            approved_until: approval.map(|approval| approval.until.0),
            approved_by: approval.map(|approval| approval.by.clone()),
            ..Self::of_changes(changes)
        })
    }

    /// Changes without an approval.
    pub fn of_changes(changes: &HeldChanges) -> Self {
        Self {
            hash: changes.hash.short(),
            what: change_words(changes),
            limits: changes.effects.iter().map(|held| effect_limit(held, changes.users)).collect(),
            approved_until: None,
            approved_by: None,
        }
    }
}

fn removal_limit(held: &HeldRemovals) -> ExceededLimit {
    let (limit, key, of) = match held.cause {
        HoldCause::Scan { limit } => (Some(limit), Some("max_removals"), None),
        HoldCause::ScanShare { accounts, limit } | HoldCause::DayShare { accounts, limit, .. } => {
            (Some(limit), Some("max_removal_percent"), Some(accounts))
        }
        HoldCause::Day { limit, .. } => (Some(limit), Some("max_removals_per_day"), None),
        HoldCause::OtherDirectory | HoldCause::OutsideApproval | HoldCause::NeverWritten => {
            (None, None, None)
        }
    };
    ExceededLimit { effect: "removal", attribute: None, count: held.count, of, limit, key }
}

fn effect_limit(held: &HeldEffect, users: u64) -> ExceededLimit {
    let HeldEffect { effect, count, limit } = held;
    let key = effect.limit_key();
    ExceededLimit {
        effect: effect.word(),
        attribute: effect.attribute().map(ToString::to_string),
        count: *count,
        of: effect.is_of_users().then_some(users),
        limit: key.is_some().then_some(*limit),
        key,
    }
}

/// A number of accounts, of which each is an account: "1 account", "2 accounts".
fn accounts(count: u64) -> String {
    if count == 1 { "1 account".to_owned() } else { format!("{count} accounts") }
}

/// Held removals in words, with their numbers and the limit that they exceed.
pub fn removal_words(held: &HeldRemovals, options: &Options) -> String {
    let HeldRemovals { count, out_of_scope, cause, .. } = held;
    // Users out of scope are treated alike, whether the entry was deleted or only left.
    let kinds = [
        (DeprovisionReason::OutOfScope, *out_of_scope),
        (DeprovisionReason::Disabled, count.saturating_sub(*out_of_scope)),
    ];
    let does = |action| kinds.iter().any(|(reason, users)| *users > 0 && options.removal(*reason) == action);
    let verb = match (does(RemoveAction::Delete), does(RemoveAction::Disable)) {
        (true, true) => "deleted or deactivated",
        (true, false) => "deleted",
        (false, _) => "deactivated",
    };
    let removed = format!("{} would be {verb}", accounts(*count));
    // With a limit of 0 %, not all accounts are counted.
    let share = |total: u64, count: u64| match count.saturating_mul(100).checked_div(total) {
        Some(percent) if percent <= 100 => format!("{count} of {} ({percent} %)", accounts(total)),
        _ => accounts(count),
    };
    match *cause {
        HoldCause::Scan { limit } => format!("{removed} (limit max_removals = {limit})"),
        HoldCause::ScanShare { accounts, limit } => {
            format!("{} would be {verb} (limit max_removal_percent = {limit})", share(accounts, *count))
        }
        HoldCause::Day { released, limit } => {
            format!("{removed}, after {released} within a day (limit max_removals_per_day = {limit})")
        }
        HoldCause::DayShare { released, accounts, limit } => {
            let total = share(accounts, count.saturating_add(released));
            format!(
                "{removed}; with {released} before, {total} within a day (limit {limit} % a day by max_removal_percent)"
            )
        }
        HoldCause::OtherDirectory => {
            format!("{removed}; none of the known users was read, but others (always needs an approval)")
        }
        HoldCause::OutsideApproval => {
            format!("{removed}; an approval covers other removals and not these")
        }
        HoldCause::NeverWritten => {
            format!("{removed}; linked, and never written (always needs an approval)")
        }
    }
}

/// Held changes in words, with their numbers and limits.
pub fn change_words(changes: &HeldChanges) -> String {
    let HeldChanges { users, effects, .. } = changes;
    let words: Vec<String> = effects.iter().map(|held| effect_words(held, *users)).collect();
    words.join(", and ")
}

/// A held effect in words, with its numbers and its limit, where `users` are known.
pub fn effect_words(held: &HeldEffect, users: u64) -> String {
    let HeldEffect { effect, count, limit } = held;
    let what = match effect {
        LimitedEffect::FirstLoad => {
            format!("{count} accounts would be created, linked or updated by the first load")
        }
        LimitedEffect::ConfiguredCreate => {
            format!("{count} accounts would be created by the changed configuration")
        }
        LimitedEffect::ConfiguredUpdate => {
            format!("{count} of {users} accounts would be updated by the changed configuration")
        }
        LimitedEffect::Rename => format!("{count} of {users} user names would change"),
        LimitedEffect::Reactivation => format!("{count} inactive accounts would become active"),
        LimitedEffect::Transfer => {
            format!("{count} accounts or user names would pass from entries that are gone to others")
        }
        LimitedEffect::TransferFromDisabled => {
            format!("{count} accounts or user names would pass from disabled entries to others")
        }
        LimitedEffect::LinkDrop => {
            format!("{count} accounts are gone from the target, and would be created anew or forgotten")
        }
        LimitedEffect::Clear(attribute) => {
            format!("{attribute} would be cleared for {count} of {users} users")
        }
        LimitedEffect::Change(attribute) => format!("{attribute} would change for {count} of {users} users"),
    };
    match effect.limit_key() {
        None => format!("{what} (always needs an approval)"),
        Some(key @ "max_attribute_percent") => format!("{what} (limit {limit} users by {key})"),
        Some(key) => format!("{what} (limit {key} = {limit})"),
    }
}

/// Why the plan of one user is held, by the effects above their limits.
pub fn hold_reason(effects: &[LimitedEffect]) -> String {
    let reason = |effect: &LimitedEffect| match effect {
        LimitedEffect::FirstLoad => "the first load has more users than max_first_load".to_owned(),
        LimitedEffect::ConfiguredCreate | LimitedEffect::ConfiguredUpdate => {
            "the changed configuration would touch more accounts than max_changes".to_owned()
        }
        LimitedEffect::Rename => "more user names would change than max_renames".to_owned(),
        LimitedEffect::Reactivation => "more accounts would become active than max_reactivations".to_owned(),
        LimitedEffect::Transfer => "more accounts would pass to other entries than max_transfers".to_owned(),
        LimitedEffect::TransferFromDisabled => {
            "the account of a disabled entry passes with an approval alone".to_owned()
        }
        LimitedEffect::LinkDrop => "more accounts are gone from the target than max_link_drops".to_owned(),
        LimitedEffect::Clear(attribute) => {
            format!("{attribute} would be cleared for more users than max_attribute_percent")
        }
        LimitedEffect::Change(attribute) => {
            format!("{attribute} would change for more users than max_attribute_percent")
        }
    };
    effects.iter().map(reason).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use model::{AnchorHash, Fingerprint, ScanVersion};

    use super::*;

    #[test]
    fn held_removals_are_named_by_what_would_be_done() {
        let [deleted, disabled] = [DeprovisionReason::Deleted, DeprovisionReason::Disabled];
        for (reasons, provision_disabled, expected) in [
            (&[deleted, disabled][..], false, "2 accounts would be deleted ("),
            (&[deleted, disabled], true, "2 accounts would be deleted or deactivated ("),
            (&[deleted], true, "1 account would be deleted ("),
            (&[disabled], true, "1 account would be deactivated ("),
        ] {
            let users = reasons.iter().zip(0..).map(|(reason, n)| (AnchorHash([n; 16]), *reason)).collect();
            let held = HeldRemovals::of(users, HoldCause::Scan { limit: 0 }, ScanVersion(1)).unwrap();
            let delete =
                Options { remove_action: RemoveAction::Delete, provision_disabled, ..Options::default() };
            assert!(removal_words(&held, &delete).starts_with(expected), "{reasons:?}");
        }
    }

    #[test]
    fn held_removals_are_shown_with_numbers_and_limit() {
        let words = |count: u8, cause| {
            let users = (0..count).map(|n| (AnchorHash([n; 16]), DeprovisionReason::Deleted)).collect();
            let held = HeldRemovals::of(users, cause, ScanVersion(1)).unwrap();
            let limits = HeldSummary::of_removals(&held, &Options::default()).limits;
            assert_eq!((limits.len(), limits[0].count), (1, count.into()));
            removal_words(&held, &Options::default())
        };
        for (count, cause, expected) in [
            (
                5,
                HoldCause::ScanShare { accounts: 6, limit: 5 },
                "5 of 6 accounts (83 %) would be deactivated (limit max_removal_percent = 5)",
            ),
            (
                5,
                HoldCause::ScanShare { accounts: 1, limit: 0 },
                "5 accounts would be deactivated (limit max_removal_percent = 0)",
            ),
            (26, HoldCause::Scan { limit: 25 }, "26 accounts would be deactivated (limit max_removals = 25)"),
            (
                1,
                HoldCause::Day { released: 50, limit: 50 },
                "1 account would be deactivated, after 50 within a day (limit max_removals_per_day = 50)",
            ),
            (
                1,
                HoldCause::DayShare { released: 5, accounts: 15, limit: 10 },
                "1 account would be deactivated; with 5 before, 6 of 15 accounts (40 %) within a day (limit 10 % a day by \
                 max_removal_percent)",
            ),
        ] {
            assert_eq!(words(count, cause), expected);
        }
    }

    #[test]
    fn held_changes_are_shown_with_numbers_and_limits() {
        let held = |effect, count, limit| HeldEffect { effect, count, limit };
        for (effects, expected) in [
            (
                vec![held(LimitedEffect::Rename, 120, 25)],
                "120 of 120 user names would change (limit max_renames = 25)",
            ),
            (
                vec![
                    held(LimitedEffect::Clear("title".into()), 60, 24),
                    held(LimitedEffect::Reactivation, 30, 25),
                ],
                "title would be cleared for 60 of 120 users (limit 24 users by max_attribute_percent), \
                 and 30 inactive accounts would become active (limit max_reactivations = 25)",
            ),
            (
                vec![held(LimitedEffect::TransferFromDisabled, 1, 0)],
                "1 accounts or user names would pass from disabled entries to others (always needs an approval)",
            ),
        ] {
            let changes = HeldChanges::of(Fingerprint([1; 16]), 120, effects).unwrap();
            assert_eq!(change_words(&changes), expected);
        }
    }
}
