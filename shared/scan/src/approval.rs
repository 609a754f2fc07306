//! Approval of what the safeguard holds: removals or changes. A server that has not shown how recent its data is can be
//! accepted in the same way.
//!
//! An approval names what the administrator saw, by hash, and it is a ceiling, because the next scan plans anew. A removal
//! that was held then, and still is for the same reason, is released. While one of these is left, no other removal is
//! released. After that the limits count again, though not for the removals that the approval has held back.

use model::{
    ChangeApproval, Fingerprint, HeldChanges, HeldEffect, HeldRemovals, LimitedEffect, RemovalApproval,
    SafeguardMemory, UnixSeconds,
};
use plan::Policy;
use store::{ConnectionState, Store, StoreError};

use crate::lease::take_lease;
use crate::read::Checkpoint;
use crate::{ScanContext, ScanError};

/// Seconds for which an approval is valid.
const APPROVAL_SECONDS: i64 = 24 * 60 * 60;

/// Fewest characters of a hash that an approval may name.
const SHORTEST_HASH: usize = 8;

/// Most characters of an approver's name.
const LONGEST_NAME: usize = 200;

/// Result of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// The next scan releases these removals.
    Removals(RemovalApproval),
    /// The next scan makes these changes.
    Changes(ChangeApproval),
    /// The next scan believes the server of the last one.
    Server,
    /// Nothing with this hash is held now.
    Nothing {
        /// The held removals.
        held: Option<HeldRemovals>,
        /// The held changes.
        changes: Option<HeldChanges>,
    },
}

/// Approves what is held under this hash, or the beginning of it. Nothing is released yet: the next scan plans anew.
/// `by` is the approver's name.
pub async fn approve(context: &ScanContext<'_>, hash: &str, by: &str) -> Result<Approval, ScanError> {
    let store = context.store;
    if let Some(changes) = held_link_drops(store, context.policy).await?
        && is_named(changes.hash, hash)
    {
        let until =
            store.approve_link_drops(changes.count(&LimitedEffect::LinkDrop), (context.clock)()).await?;
        return Ok(Approval::Changes(ChangeApproval { changes, by: by.to_owned(), until }));
    }
    // Under the lease, so that no scan changes the held set meanwhile.
    let lease = take_lease(context).await?;
    let state = store.fetch_connection().await?;
    let checkpoint = accepted(&state, hash);
    if checkpoint.is_some() {
        let checkpoint = checkpoint.and_then(|checkpoint| serde_json::to_value(checkpoint).ok());
        return if store.release(lease, None, checkpoint).await? {
            Ok(Approval::Server)
        } else {
            Err(ScanError::LeaseLost)
        };
    }
    let (approval, memory) = approved(state.memory, (hash, by), (context.clock)());
    let saved = match approval {
        Approval::Nothing { .. } | Approval::Server => Ok(true),
        Approval::Removals(_) | Approval::Changes(_) => store.save_safety_memory(&lease, &memory).await,
    };
    store.release(lease, None, None).await?;
    if saved? { Ok(approval) } else { Err(ScanError::LeaseLost) }
}

/// The links to accounts that are gone from the target, kept because they exceed the limit. Provisioning finds them one by
/// one, so they are counted by the status of their users.
pub async fn held_link_drops(store: &Store, policy: &Policy) -> Result<Option<HeldChanges>, StoreError> {
    let (effect, count) = (LimitedEffect::LinkDrop, store.count_kept_links().await?);
    let limit = policy.safety.effect_limit(&effect, count);
    let held = HeldEffect { effect, count, limit };
    Ok(HeldChanges::of(policy.fingerprint, count, Vec::from_iter((count > 0).then_some(held))))
}

/// The checkpoint with the server accepted, if this is its hash.
fn accepted(state: &ConnectionState, hash: &str) -> Option<Checkpoint> {
    let checkpoint = Checkpoint::of_state(state)?;
    checkpoint.acceptance().is_some_and(|server| is_named(server, hash)).then(|| checkpoint.accepted())
}

fn is_named(known: Fingerprint, hash: &str) -> bool {
    hash.len() >= SHORTEST_HASH && known.to_string().starts_with(&hash.to_ascii_lowercase())
}

fn approved(
    memory: SafeguardMemory,
    (hash, by): (&str, &str),
    now: UnixSeconds,
) -> (Approval, SafeguardMemory) {
    let until = now.plus(APPROVAL_SECONDS);
    let by: String = by.chars().take(LONGEST_NAME).collect();
    if let Some(set) = memory.held.filter(|set| is_named(set.hash, hash)) {
        let approval = RemovalApproval { set, by, until };
        let memory = SafeguardMemory { approval: Some(approval.clone()), ..memory };
        return (Approval::Removals(approval), memory);
    }
    if let Some(changes) = memory.changes.clone().filter(|changes| is_named(changes.hash, hash)) {
        let approval = ChangeApproval { changes, by, until };
        let memory = SafeguardMemory { change_approval: Some(approval.clone()), ..memory };
        return (Approval::Changes(approval), memory);
    }
    (Approval::Nothing { held: memory.held, changes: memory.changes.clone() }, memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_plan::testing::held;

    const NOW: UnixSeconds = UnixSeconds(1_000_000);

    #[test]
    fn approval_is_bound_to_the_held_set() {
        let memory = SafeguardMemory { held: Some(held(30)), ..SafeguardMemory::default() };
        let shown = held(30).hash.to_string();
        let (approval, after) = approved(memory.clone(), (&shown[..12], "ada"), NOW);
        let expected =
            RemovalApproval { set: held(30), by: "ada".to_owned(), until: NOW.plus(APPROVAL_SECONDS) };
        assert_eq!((approval, after.approval), (Approval::Removals(expected.clone()), Some(expected)));

        let others = held(31).hash.to_string();
        for wrong in [others.as_str(), "", &shown[..7]] {
            let (approval, after) = approved(memory.clone(), (wrong, "ada"), NOW);
            assert_eq!(approval, Approval::Nothing { held: memory.held, changes: None }, "{wrong:?}");
            assert_eq!(after, memory);
        }
    }
}
