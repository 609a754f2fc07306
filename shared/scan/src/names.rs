//! Who has which user name. The first entry keeps it; a second one is a conflict.

use std::collections::HashMap;

use model::{Anchor, Desired, UnixSeconds, UserName};
use store::{Store, StoreError};

use plan::RecordPlan;

use crate::UserPlan;

/// What this read says about user names, on top of what the store knows.
#[derive(Default)]
pub(crate) struct Names {
    taken: HashMap<String, Anchor>,
    renamed: HashMap<Anchor, String>,
}

impl Names {
    /// Marks those users whose name another entry has.
    pub(crate) async fn find_conflicts(
        &mut self,
        store: &Store,
        users: &mut [UserPlan],
        now: UnixSeconds,
    ) -> Result<(), StoreError> {
        let wanted: Vec<UserName> = users.iter().filter_map(wanted_name).cloned().collect();
        let owners: HashMap<String, Anchor> = store.fetch_name_owners(&wanted, now).await?;
        for user in users.iter_mut() {
            self.note_renaming(user);
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

    /// The folded name that this entry wants from now on, if this read has renamed it.
    pub(crate) fn new_name(&self, anchor: &Anchor) -> Option<&str> {
        self.renamed.get(anchor).map(String::as_str)
    }

    fn note_renaming(&mut self, user: &UserPlan) {
        let old =
            user.record.as_ref().and_then(|record| record.desired.as_ref()).and_then(Desired::user_name);
        if let (Some(old), Some(new)) = (old, wanted_name(user))
            && old != new
        {
            self.renamed.insert(user.anchor.clone(), new.folded());
        }
    }
}

/// The name that a user would need to have.
fn wanted_name(user: &UserPlan) -> Option<&UserName> {
    match &user.plan {
        RecordPlan::SetDesired { desired: Desired::Present(wanted), .. } => Some(&wanted.user_name),
        _ => None,
    }
}
