//! Who has which user name. The first entry keeps it; a second one is a conflict.

use std::collections::HashMap;

use model::{Anchor, Desired, UserName};
use store::{Store, StoreError};

use plan::RecordPlan;

use crate::PlannedUser;

/// The user names that were taken in this read, on top of those that the store knows.
#[derive(Default)]
pub(crate) struct Names {
    taken: HashMap<String, Anchor>,
}

impl Names {
    /// Marks those users whose name another entry has.
    pub(crate) async fn find_conflicts(
        &mut self,
        store: &Store,
        users: &mut [PlannedUser],
    ) -> Result<(), StoreError> {
        let wanted: Vec<UserName> = users.iter().filter_map(wanted_name).cloned().collect();
        let owners: HashMap<String, Anchor> = store.fetch_name_owners(&wanted).await?;
        for user in users.iter_mut() {
            let Some(name) = wanted_name(user).map(UserName::folded) else { continue };
            let owner =
                owners.get(&name).or_else(|| self.taken.get(&name)).filter(|owner| **owner != user.anchor);
            match owner {
                Some(owner) => user.conflict = Some(owner.clone()),
                None => drop(self.taken.insert(name, user.anchor.clone())),
            }
        }
        Ok(())
    }
}

/// The name that a user would need to have.
fn wanted_name(user: &PlannedUser) -> Option<&UserName> {
    match &user.plan {
        RecordPlan::Desire { desired: Desired::Present(wanted), .. } => Some(&wanted.user_name),
        _ => None,
    }
}
