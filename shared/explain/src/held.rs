//! Removals and changes that the safeguard holds.

use model::{HeldChanges, HeldEffect, LimitedEffect, SafeguardMemory, UnixSeconds};
use serde::Serialize;

/// A set of held removals, or held changes.
#[derive(Clone, Debug, Serialize)]
pub struct HeldSummary {
    /// The hash that `provisioner approve` takes.
    pub hash: String,
    /// The held removals or changes, in words.
    pub what: String,
    /// Expiry of the approval, in seconds since 1970; `None` without an approval.
    pub approved_until: Option<i64>,
    /// The approver's name.
    pub approved_by: Option<String>,
}

impl HeldSummary {
    /// The held removals.
    pub fn removals(memory: &SafeguardMemory, now: UnixSeconds) -> Option<Self> {
        let held = memory.held.as_ref()?;
        let approval = memory.approval_at(now).filter(|approval| approval.set.hash == held.hash);
        Some(Self {
            hash: held.hash.short(),
            what: format!("{} removals", held.count),
            approved_until: approval.map(|approval| approval.until.0),
            approved_by: approval.map(|approval| approval.by.clone()),
        })
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
            approved_until: None,
            approved_by: None,
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
    use model::Fingerprint;

    use super::*;

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
