//! Users by state. The numbers add up to the users of a connection.

use std::collections::BTreeMap;

use model::{AnchorHash, SafeguardMemory};
use serde::Serialize;
use serde_json::Value;
use store::{ConnectionState, Store, StoreError};

/// Largest count of a status. The time of a count grows with the number.
pub const MAX_COUNTED: u64 = 5_000;

/// Users by state. Each user counts once: `in_sync` and `users` add up to `in_scope` and `out_of_scope`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UserStates {
    /// Users in scope.
    pub in_scope: u64,
    /// Users that left the scope, and are not done yet.
    pub out_of_scope: u64,
    /// Users in sync; `None` if a status has more users than are counted.
    pub in_sync: Option<u64>,
    /// Users that wait or failed by status, up to [`MAX_COUNTED`] each. A user with a held change counts as `held`.
    pub users: BTreeMap<String, u64>,
}

impl UserStates {
    /// Number of waiting or failed users with one of these statuses.
    pub fn count(&self, words: &[&str]) -> u64 {
        words.iter().filter_map(|word| self.users.get(*word)).sum()
    }
}

/// Counts the users of a connection by state.
pub async fn fetch_user_states(store: &Store, state: &ConnectionState) -> Result<UserStates, StoreError> {
    let waiting = store.fetch_waiting(MAX_COUNTED).await?;
    let is_partial = waiting.values().any(|users| users.len() as u64 >= MAX_COUNTED);
    let known = store.count_snapshot_users().await?;
    let mut found = SnapshotCounts { known, ..SnapshotCounts::default() };
    if waiting.values().any(|users| !users.is_empty()) {
        let users: Vec<AnchorHash> = waiting.values().flatten().copied().collect();
        let snapshot = match store.fetch_part(&users).await {
            Ok(part) => part,
            // A scan is rewriting the snapshot.
            Err(_) => store.fetch_snapshot().await?,
        };
        found.known = snapshot.users();
        for user in waiting.values().flatten() {
            match snapshot.get(user) {
                Some(_) => found.waiting_known += 1,
                None => found.waiting_unknown += 1,
            }
        }
    }
    let waiting = waiting.into_iter().map(|(word, users)| (word, users.len() as u64)).collect();
    let last_scan = state.last_scan.as_ref().map_or_else(LastScan::default, LastScan::of);
    Ok(states(waiting, found, (&state.memory, last_scan), is_partial))
}

/// The snapshot, compared with the users that wait.
#[derive(Clone, Copy, Debug, Default)]
struct SnapshotCounts {
    /// Users in the snapshot.
    known: u64,
    /// Waiting users in the snapshot.
    waiting_known: u64,
    /// Waiting users that the snapshot does not have any more.
    waiting_unknown: u64,
}

/// What only the last scan has counted.
#[derive(Clone, Copy, Debug, Default)]
struct LastScan {
    /// Users in scope, if all of them were read.
    read: Option<u64>,
    /// Users with a held change.
    held_changes: u64,
    /// Users with a record that can't be read.
    unreadable: u64,
}

impl LastScan {
    fn of(summary: &Value) -> Self {
        let number = |key| summary.get(key).and_then(Value::as_u64);
        let is_full = summary.get("mode").and_then(Value::as_str) == Some("full")
            && summary.get("complete") == Some(&Value::Bool(true));
        Self {
            read: number("read").filter(|_| is_full),
            held_changes: number("held_changes").unwrap_or_default(),
            unreadable: number("unreadable").unwrap_or_default(),
        }
    }
}

fn states(
    mut users: BTreeMap<String, u64>,
    found: SnapshotCounts,
    (memory, last_scan): (&SafeguardMemory, LastScan),
    is_partial: bool,
) -> UserStates {
    let SnapshotCounts { known, waiting_known, waiting_unknown } = found;
    // A user with a held removal stays in the snapshot.
    let held_leavers = memory.held.map_or(0, |held| held.out_of_scope).min(known);
    let recorded = known - held_leavers;
    // A user with a held first plan is not in the snapshot.
    let unrecorded = match (&memory.changes, last_scan.read) {
        (Some(_), Some(read)) => read.saturating_sub(recorded).min(last_scan.held_changes),
        _ => 0,
    };
    let unreadable = last_scan.unreadable.min(known.saturating_sub(waiting_known));
    let settled = known.saturating_sub(waiting_known + unreadable);
    let held = if memory.changes.is_some() { last_scan.held_changes.min(settled + unrecorded) } else { 0 };
    for (word, count) in [("held", held), ("unreadable", unreadable)] {
        if count > 0 {
            *users.entry(word.to_owned()).or_default() += count;
        }
    }
    let in_sync = (!is_partial).then(|| (settled + unrecorded).saturating_sub(held));
    let (in_scope, out_of_scope) = (recorded + unrecorded, held_leavers + waiting_unknown);
    UserStates { in_scope, out_of_scope, in_sync, users }
}

#[cfg(test)]
mod tests {
    use model::{
        AnchorHash, DeprovisionReason, Fingerprint, HeldChanges, HeldEffect, HeldRemovals, HoldCause,
        LimitedEffect, ScanVersion,
    };

    use super::*;

    fn waiting(words: &[(&str, u64)]) -> BTreeMap<String, u64> {
        words.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
    }

    fn held_removals() -> SafeguardMemory {
        let [left, disabled] = [DeprovisionReason::OutOfScope, DeprovisionReason::Disabled];
        let users = [left, left, disabled].into_iter().zip(0..);
        let users = users.map(|(reason, n)| (AnchorHash([n; 16]), reason)).collect();
        let held = HeldRemovals::of(users, HoldCause::Scan { limit: 1 }, ScanVersion(1));
        SafeguardMemory { held, ..SafeguardMemory::default() }
    }

    fn held_changes(count: u64) -> SafeguardMemory {
        let effect = HeldEffect { effect: LimitedEffect::FirstLoad, count, limit: 1 };
        let changes = HeldChanges::of(Fingerprint([1; 16]), count, vec![effect]);
        SafeguardMemory { changes, ..SafeguardMemory::default() }
    }

    #[test]
    fn states_add_up_to_the_users_in_and_out_of_scope() {
        let none = LastScan::default();
        let full = |read, held_changes| LastScan { read: Some(read), held_changes, unreadable: 0 };
        let unreadable = LastScan { unreadable: 1, ..none };
        let found =
            |known, waiting_known, waiting_unknown| SnapshotCounts { known, waiting_known, waiting_unknown };
        for (words, found, memory, last_scan, scope, in_sync, expected) in [
            (&[][..], found(12, 0, 0), SafeguardMemory::default(), none, (12, 0), 12, &[][..]),
            // Three held, one of them disabled and so in scope; one leaver that failed, and one failed in scope.
            (
                &[("held", 3), ("failed", 2)],
                found(12, 4, 1),
                held_removals(),
                none,
                (10, 3),
                8,
                &[("held", 3), ("failed", 2)],
            ),
            (
                &[("failed", 1)],
                found(4, 1, 0),
                SafeguardMemory::default(),
                unreadable,
                (4, 0),
                2,
                &[("failed", 1), ("unreadable", 1)],
            ),
            // A held first load: no user is recorded.
            (&[], found(0, 0, 0), held_changes(11), full(11, 11), (11, 0), 0, &[("held", 11)]),
            // Held updates of users that are recorded, and one invalid user.
            (
                &[("invalid", 1)],
                found(12, 1, 0),
                held_changes(5),
                full(12, 5),
                (12, 0),
                6,
                &[("invalid", 1), ("held", 5)],
            ),
            // Users that an option skips, with a first load that is held now.
            (
                &[("skipped", 11)],
                found(11, 11, 0),
                held_changes(11),
                full(11, 11),
                (11, 0),
                0,
                &[("skipped", 11)],
            ),
        ] {
            let found = states(waiting(words), found, (&memory, last_scan), false);
            assert_eq!((found.in_scope, found.out_of_scope), scope, "{words:?}");
            assert_eq!((found.in_sync, &found.users), (Some(in_sync), &waiting(expected)), "{words:?}");
            let total = in_sync + found.users.values().sum::<u64>();
            assert_eq!(total, found.in_scope + found.out_of_scope, "{words:?}");
        }
    }

    #[test]
    fn partial_count_has_no_number_of_users_in_sync() {
        let found = SnapshotCounts { known: 9_000, waiting_known: 5_000, waiting_unknown: 0 };
        let (memory, last_scan) = (SafeguardMemory::default(), LastScan::default());
        let found = states(waiting(&[("failed", 5_000)]), found, (&memory, last_scan), true);
        assert_eq!(found.in_sync, None);
    }
}
