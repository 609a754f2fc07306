//! Ownership of user names within one read. The first entry keeps a name; a second one is a conflict.

use std::collections::HashMap;

use model::{Anchor, Desired};

use crate::user_plan::UserPlan;

/// User names that the entries of this read claim, beside those that the store knows.
#[derive(Default)]
pub(crate) struct NameClaims {
    /// Owner of each folded name.
    claimed: HashMap<String, Anchor>,
    /// New folded name of each renamed entry.
    renamed: HashMap<Anchor, String>,
}

impl NameClaims {
    /// Marks conflicts: users with a name that another entry has. `owners` are the stored owners by folded name.
    pub(crate) fn mark_conflicts(&mut self, users: &mut [UserPlan], owners: &HashMap<String, Anchor>) {
        for user in users {
            self.note_rename(user);
            let Some(name) = user.new_user_name().map(|name| name.folded()) else { continue };
            let owner = owners.get(&name).or_else(|| self.claimed.get(&name));
            match owner.filter(|owner| **owner != user.anchor) {
                Some(owner) => user.conflict = Some(owner.clone()),
                None => drop(self.claimed.insert(name, user.anchor.clone())),
            }
        }
    }

    /// The folded name that this read gives to the entry, if it renames the entry.
    pub(crate) fn new_name(&self, anchor: &Anchor) -> Option<&str> {
        self.renamed.get(anchor).map(String::as_str)
    }

    fn note_rename(&mut self, user: &UserPlan) {
        let recorded = user.record.as_ref().and_then(|record| record.desired.as_ref());
        let old = recorded.and_then(Desired::user_name);
        if let (Some(old), Some(new)) = (old, user.new_user_name())
            && old != new
        {
            self.renamed.insert(user.anchor.clone(), new.folded());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_plan::testing::{present, record, user_plan};

    #[test]
    fn first_entry_of_a_read_keeps_the_name() {
        let mut users = [user_plan("a", None, present("Ada")), user_plan("b", None, present("ada"))];
        NameClaims::default().mark_conflicts(&mut users, &HashMap::new());
        let [first, second] = users.map(|user| user.conflict);
        assert_eq!((first, second), (None, Some(Anchor::from_text("a").unwrap())));
    }

    #[test]
    fn stored_owner_keeps_the_name_against_a_new_entry() {
        let [a, b] = ["a", "b"].map(|anchor| Anchor::from_text(anchor).unwrap());
        let owners = HashMap::from([("ada@x.test".to_owned(), a.clone())]);
        let mut users = [user_plan("b", None, present("ada")), user_plan("a", None, present("ada"))];
        NameClaims::default().mark_conflicts(&mut users, &owners);
        let [other, owner] = users.map(|user| user.conflict);
        assert_eq!((other, owner), (Some(a), None));
        assert_ne!(b, Anchor::from_text("a").unwrap());
    }

    #[test]
    fn rename_is_noted_and_a_kept_name_is_not() {
        let renamed = record("a", Some(present("ada")), true);
        let kept = record("b", Some(present("bea")), true);
        let mut users =
            [user_plan("a", Some(renamed), present("lovelace")), user_plan("b", Some(kept), present("bea"))];
        let mut names = NameClaims::default();
        names.mark_conflicts(&mut users, &HashMap::new());
        assert_eq!(names.new_name(&users[0].anchor), Some("lovelace@x.test"));
        assert_eq!(names.new_name(&users[1].anchor), None);
    }
}
