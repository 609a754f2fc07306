//! The tree of entries, and the only place that changes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result, bail, ensure};
use ldap3_proto::LdapSearchScope;

use crate::clock::Clock;
use crate::dn::{Dn, Key};
use crate::entry::{ENTRY_UUID, Entry, EntryId, MEMBER, MEMBER_OF, REFERENCES};
use crate::options::LdapOptions;

/// All entries, with the two indexes that keep ten thousand of them quick even without optimisation.
#[derive(Debug)]
pub(crate) struct Tree {
    entries: BTreeMap<EntryId, Entry>,
    by_name: BTreeMap<Key, EntryId>,
    /// Who names an entry, and in which attribute. It answers `memberOf`, and tells referential integrity where to look.
    referrers: HashMap<Key, BTreeSet<(EntryId, &'static str)>>,
    last_id: EntryId,
    clock: Clock,
    referential_integrity: bool,
}

impl Tree {
    /// A tree that holds its base entry and nothing else.
    pub(crate) fn new(options: &LdapOptions) -> Result<Tree> {
        let mut tree = Tree {
            entries: BTreeMap::new(),
            by_name: BTreeMap::new(),
            referrers: HashMap::new(),
            last_id: 0,
            clock: Clock::new(options.changes_per_second),
            referential_integrity: options.referential_integrity,
        };
        let base = Dn::parse(&options.base_dn)?;
        ensure!(base.depth() > 0, "the base DN is empty");
        let class = match base.naming_values().first().map(|(name, _)| name.as_str()) {
            Some("dc") => "domain",
            Some("o") => "organization",
            Some("ou") => "organizationalUnit",
            _ => "extensibleObject",
        };
        let classes = vec![b"top".to_vec(), class.as_bytes().to_vec()];
        tree.insert(&options.base_dn, base, vec![("objectClass".to_owned(), classes)])?;
        Ok(tree)
    }

    /// Adds an entry below one that exists.
    pub(crate) fn add(&mut self, dn: &str, attributes: Vec<(String, Vec<Vec<u8>>)>) -> Result<()> {
        let name = Dn::parse(dn)?;
        let key = name.key();
        ensure!(!self.by_name.contains_key(&key), "cannot add `{dn}`: it exists already");
        ensure!(self.has_parent(&key), "cannot add `{dn}`: its parent does not exist; add that first");
        self.insert(dn, name, attributes)
    }

    fn has_parent(&self, key: &Key) -> bool {
        key.parent().is_some_and(|parent| self.by_name.contains_key(&parent))
    }

    fn insert(&mut self, dn: &str, name: Dn<'_>, attributes: Vec<(String, Vec<Vec<u8>>)>) -> Result<()> {
        let mut entry = Entry { dn: dn.to_owned(), key: name.key(), attributes: BTreeMap::new() };
        let now = self.clock.tick();
        entry.put("createTimestamp", vec![now.clone()]);
        entry.put("modifyTimestamp", vec![now]);
        // Counted for every entry, so that giving one entry its own does not shift all the others.
        entry.put("entryUUID", vec![self.clock.uuid()]);
        // No server keeps an entry without a class, and `(objectClass=*)` has to find every one.
        entry.put("objectClass", vec![b"top".to_vec()]);
        for (attribute, values) in attributes {
            refuse_computed(&attribute)?;
            entry.put(&attribute, values);
        }
        take_name(&mut entry, &name);
        self.last_id += 1;
        let id = self.last_id;
        self.by_name.insert(entry.key.clone(), id);
        for attribute in REFERENCES {
            self.note_references(id, attribute, entry.values(attribute));
        }
        self.entries.insert(id, entry);
        Ok(())
    }

    /// Replaces an attribute's values.
    pub(crate) fn set(&mut self, dn: &str, attribute: &str, values: Vec<Vec<u8>>) -> Result<()> {
        refuse_computed(attribute)?;
        let id = self.id_of(dn)?;
        let now = self.clock.tick();
        let entry = self.entries.get_mut(&id).context("an index names an entry that is gone")?;
        let lower = attribute.to_ascii_lowercase();
        let reference = REFERENCES.into_iter().find(|name| *name == lower);
        let before = reference.map(|name| entry.values(name).to_vec());
        entry.put("modifyTimestamp", vec![now]);
        // After the timestamp, because a test may set that very attribute.
        entry.put(attribute, values.clone());
        if let (Some(name), Some(before)) = (reference, before) {
            self.forget_references(id, name, &before);
            self.note_references(id, name, &values);
        }
        Ok(())
    }

    /// Adds one value to a group's `member`.
    pub(crate) fn add_member(&mut self, group: &str, member: &str) -> Result<()> {
        let id = self.id_of(group)?;
        let key = Key::parse(member)?;
        let referrers = self.referrers.entry(key).or_default();
        ensure!(referrers.insert((id, MEMBER)), "`{member}` is a member of `{group}` already");
        let now = self.clock.tick();
        let entry = self.entries.get_mut(&id).context("an index names an entry that is gone")?;
        entry.put("modifyTimestamp", vec![now]);
        match entry.attributes.get_mut(MEMBER) {
            Some(members) => members.values.push(member.as_bytes().to_vec()),
            None => entry.put(MEMBER, vec![member.as_bytes().to_vec()]),
        }
        Ok(())
    }

    /// Removes one value from a group's `member`.
    pub(crate) fn remove_member(&mut self, group: &str, member: &str) -> Result<()> {
        let id = self.id_of(group)?;
        let key = Key::parse(member)?;
        let known = self.referrers.get_mut(&key).is_some_and(|referrers| referrers.remove(&(id, MEMBER)));
        ensure!(known, "`{member}` is not a member of `{group}`");
        self.rewrite(id, MEMBER, &key, member, None)
    }

    /// Deletes an entry that has none below it.
    pub(crate) fn delete(&mut self, dn: &str) -> Result<()> {
        let id = self.id_of(dn)?;
        let key = Key::parse(dn)?;
        ensure!(self.names_under(&key).nth(1).is_none(), "cannot delete `{dn}`: entries exist below it");
        let Some(entry) = self.entries.remove(&id) else {
            bail!("cannot delete `{dn}`: it is gone already");
        };
        self.by_name.remove(&key);
        for attribute in REFERENCES {
            self.forget_references(id, attribute, entry.values(attribute));
        }
        if self.referential_integrity {
            for (referrer, attribute) in self.referrers.remove(&key).unwrap_or_default() {
                self.rewrite(referrer, attribute, &key, &entry.dn, None)?;
            }
        }
        Ok(())
    }

    /// Renames or moves an entry, with everything below it.
    pub(crate) fn rename(&mut self, dn: &str, new_dn: &str) -> Result<()> {
        let id = self.id_of(dn)?;
        let (old, new) = (Dn::parse(dn)?, Dn::parse(new_dn)?);
        let (old_key, new_key) = (old.key(), new.key());
        let taken = self.by_name.get(&new_key).is_some_and(|holder| *holder != id);
        ensure!(!taken, "cannot rename `{dn}`: `{new_dn}` exists already");
        ensure!(
            old_key == new_key || !new_key.is_within(&old_key),
            "cannot rename `{dn}`: `{new_dn}` lies below it"
        );
        ensure!(self.has_parent(&new_key), "cannot rename `{dn}`: the parent of `{new_dn}` does not exist");
        let moved: Vec<EntryId> = self.names_under(&old_key).map(|(_, id)| *id).collect();
        for moved in moved {
            self.relocate(moved, old.depth(), new_dn)?;
        }
        let now = self.clock.tick();
        let entry = self.entries.get_mut(&id).context("an index names an entry that is gone")?;
        for (attribute, value) in old.naming_values() {
            if let Some(held) = entry.attributes.get_mut(attribute) {
                held.values.retain(|held| held != value);
            }
        }
        take_name(entry, &new);
        entry.attributes.retain(|_, attribute| !attribute.values.is_empty());
        entry.put("modifyTimestamp", vec![now]);
        Ok(())
    }

    /// Gives one entry the name it has after `old_depth` of its parts became `new_base`.
    fn relocate(&mut self, id: EntryId, old_depth: usize, new_base: &str) -> Result<()> {
        let entry = self.entries.get_mut(&id).context("an index names an entry that is gone")?;
        let new_dn = Dn::parse(&entry.dn)?.rebased(old_depth, new_base);
        let new_key = Key::parse(&new_dn)?;
        let old_dn = std::mem::replace(&mut entry.dn, new_dn.clone());
        let old_key = std::mem::replace(&mut entry.key, new_key.clone());
        self.by_name.remove(&old_key);
        self.by_name.insert(new_key.clone(), id);
        if self.referential_integrity && old_key != new_key {
            let referrers = self.referrers.remove(&old_key).unwrap_or_default();
            for (referrer, attribute) in &referrers {
                self.rewrite(*referrer, attribute, &old_key, &old_dn, Some(&new_dn))?;
            }
            self.referrers.entry(new_key).or_default().extend(referrers);
        }
        Ok(())
    }

    /// Replaces or removes the one value of `attribute` that names `key`. The indexes are the caller's to adjust.
    fn rewrite(
        &mut self,
        id: EntryId,
        attribute: &str,
        key: &Key,
        dn: &str,
        new: Option<&str>,
    ) -> Result<()> {
        let now = self.clock.tick();
        let entry = self.entries.get_mut(&id).context("an index names an entry that is gone")?;
        entry.put("modifyTimestamp", vec![now]);
        let Some(held) = entry.attributes.get_mut(attribute) else { return Ok(()) };
        // The same spelling is the usual case, and spares taking every member of a big group apart.
        let same_text = held.values.iter().position(|value| value.eq_ignore_ascii_case(dn.as_bytes()));
        let position = same_text.or_else(|| held.values.iter().position(|value| names(value, key)));
        match (position, new) {
            (Some(position), Some(new)) => {
                if let Some(value) = held.values.get_mut(position) {
                    *value = new.as_bytes().to_vec();
                }
            }
            (Some(position), None) => {
                held.values.remove(position);
            }
            (None, _) => {}
        }
        if held.values.is_empty() {
            entry.attributes.remove(attribute);
        }
        Ok(())
    }

    fn note_references(&mut self, id: EntryId, attribute: &'static str, values: &[Vec<u8>]) {
        for key in values.iter().filter_map(|value| key_of(value)) {
            self.referrers.entry(key).or_default().insert((id, attribute));
        }
    }

    fn forget_references(&mut self, id: EntryId, attribute: &'static str, values: &[Vec<u8>]) {
        for key in values.iter().filter_map(|value| key_of(value)) {
            if let Some(referrers) = self.referrers.get_mut(&key) {
                referrers.remove(&(id, attribute));
            }
        }
    }

    fn id_of(&self, dn: &str) -> Result<EntryId> {
        let id = self.by_name.get(&Key::parse(dn)?).copied();
        id.with_context(|| format!("there is no entry `{dn}`"))
    }

    fn names_under<'a>(&'a self, base: &'a Key) -> impl Iterator<Item = (&'a Key, &'a EntryId)> {
        self.by_name.range(base..).take_while(|(key, _)| key.is_within(base))
    }

    /// The entry of an id that a search resolved earlier; it may have been deleted since.
    pub(crate) fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The entry of a name.
    pub(crate) fn find(&self, key: &Key) -> Option<&Entry> {
        self.entry(*self.by_name.get(key)?)
    }

    /// The nearest entry above a name that doesn't exist, for the `matchedDN` of an answer.
    pub(crate) fn nearest(&self, key: &Key) -> Option<&Entry> {
        let parent = key.parent()?;
        self.find(&parent).or_else(|| self.nearest(&parent))
    }

    /// The entries that a scope takes in, in the order in which they were added.
    pub(crate) fn in_scope(&self, base: &Key, scope: &LdapSearchScope) -> Vec<(EntryId, &Entry)> {
        let mut ids: Vec<EntryId> = match scope {
            LdapSearchScope::Base => self.by_name.get(base).copied().into_iter().collect(),
            LdapSearchScope::Subtree => self.names_under(base).map(|(_, id)| *id).collect(),
            LdapSearchScope::Children => self.names_under(base).skip(1).map(|(_, id)| *id).collect(),
            LdapSearchScope::OneLevel => self
                .names_under(base)
                .filter(|(key, _)| key.parent().as_ref() == Some(base))
                .map(|(_, id)| *id)
                .collect(),
        };
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| Some((id, self.entries.get(&id)?))).collect()
    }

    /// The groups that name an entry as a member.
    pub(crate) fn groups_of(&self, member: &Key) -> impl Iterator<Item = &Entry> {
        let referrers = self.referrers.get(member).into_iter().flatten();
        referrers.filter(|(_, attribute)| *attribute == MEMBER).filter_map(|(id, _)| self.entries.get(id))
    }

    /// Whether `group` names `member`, without going through either's list.
    pub(crate) fn is_member(&self, member: &Key, group: &Key) -> bool {
        let Some(group) = self.by_name.get(group) else { return false };
        self.referrers.get(member).is_some_and(|referrers| referrers.contains(&(*group, MEMBER)))
    }

    /// The entryUUID of a name, if the entry is there and has one.
    pub(crate) fn entry_uuid(&self, dn: &str) -> Option<String> {
        let entry = self.find(&Key::parse(dn).ok()?)?;
        let value = entry.values(ENTRY_UUID).first()?;
        String::from_utf8(value.clone()).ok()
    }
}

/// Gives an entry the attribute values its name speaks of, as the protocol demands, so that callers need not repeat them.
fn take_name(entry: &mut Entry, name: &Dn<'_>) {
    for (attribute, value) in name.naming_values() {
        match entry.attributes.get_mut(attribute) {
            Some(held) if held.values.contains(value) => {}
            Some(held) => held.values.insert(0, value.clone()),
            None => entry.put(attribute, vec![value.clone()]),
        }
    }
}

fn refuse_computed(attribute: &str) -> Result<()> {
    let computed = attribute.eq_ignore_ascii_case(MEMBER_OF);
    ensure!(!computed, "memberOf is computed from the groups; change the group's `member` instead");
    Ok(())
}

fn key_of(value: &[u8]) -> Option<Key> {
    Key::parse(std::str::from_utf8(value).ok()?).ok()
}

fn names(value: &[u8], key: &Key) -> bool {
    key_of(value).as_ref() == Some(key)
}
