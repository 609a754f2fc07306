//! Tree of entries, and all changes of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result, bail, ensure};
use directory::wire::SearchScope;

use crate::clock::ChangeClock;
use crate::dn::{DnPath, ParsedDn};
use crate::entry::{ENTRY_UUID, EntryId, MEMBER, MEMBER_OF, REFERENCES, StoredEntry};
use crate::options::LdapOptions;

/// Entries with two indexes, which keep large trees fast without optimisation.
#[derive(Debug)]
pub(crate) struct EntryTree {
    entries: BTreeMap<EntryId, StoredEntry>,
    by_path: BTreeMap<DnPath, EntryId>,
    /// Entries that name an entry, with the attribute: the source of `memberOf` and of referential integrity.
    referrers: HashMap<DnPath, BTreeSet<(EntryId, &'static str)>>,
    last_id: EntryId,
    clock: ChangeClock,
    referential_integrity: bool,
}

/// Attributes by name, with their values.
type AttributeList = Vec<(String, Vec<Vec<u8>>)>;

/// Reference to an entry that was renamed (`new`) or deleted.
struct ReferenceChange<'a> {
    path: &'a DnPath,
    dn: &'a str,
    new: Option<&'a str>,
}

impl EntryTree {
    /// Tree with only the base entry.
    pub(crate) fn new(options: &LdapOptions) -> Result<Self> {
        let mut tree = Self {
            entries: BTreeMap::new(),
            by_path: BTreeMap::new(),
            referrers: HashMap::new(),
            last_id: 0,
            clock: ChangeClock::new(options.changes_per_second),
            referential_integrity: options.referential_integrity,
        };
        let base = ParsedDn::parse(&options.base_dn)?;
        ensure!(base.depth() > 0, "the base DN is empty");
        let class = match base.naming_values().first().map(|(name, _)| name.as_str()) {
            Some("dc") => "domain",
            Some("o") => "organization",
            Some("ou") => "organizationalUnit",
            _ => "extensibleObject",
        };
        let classes = vec![b"top".to_vec(), class.as_bytes().to_vec()];
        tree.insert(&options.base_dn, &base, vec![("objectClass".to_owned(), classes)])?;
        Ok(tree)
    }

    /// Adds an entry below an existing one.
    pub(crate) fn add(&mut self, dn: &str, attributes: AttributeList) -> Result<()> {
        let name = ParsedDn::parse(dn)?;
        let path = name.path();
        ensure!(!self.by_path.contains_key(&path), "cannot add `{dn}`: it exists already");
        ensure!(self.has_parent(&path), "cannot add `{dn}`: its parent does not exist; add that first");
        self.insert(dn, &name, attributes)
    }

    fn has_parent(&self, path: &DnPath) -> bool {
        path.parent().is_some_and(|parent| self.by_path.contains_key(&parent))
    }

    fn insert(&mut self, dn: &str, name: &ParsedDn<'_>, attributes: AttributeList) -> Result<()> {
        let mut entry = StoredEntry { dn: dn.to_owned(), path: name.path(), attributes: BTreeMap::new() };
        let now = self.clock.tick();
        entry.put("createTimestamp", vec![now.clone()]);
        entry.put("modifyTimestamp", vec![now]);
        // Generated for every entry, so that an explicit id does not change those of later entries.
        entry.put("entryUUID", vec![self.clock.uuid()]);
        // Every entry has a class, so that `(objectClass=*)` finds it.
        entry.put("objectClass", vec![b"top".to_vec()]);
        for (attribute, values) in attributes {
            refuse_computed(&attribute)?;
            entry.put(&attribute, values);
        }
        add_naming_values(&mut entry, name);
        self.last_id += 1;
        let id = self.last_id;
        self.by_path.insert(entry.path.clone(), id);
        for attribute in REFERENCES {
            self.add_references(id, attribute, entry.values(attribute));
        }
        self.entries.insert(id, entry);
        Ok(())
    }

    /// Entry of an id, marked as modified now.
    fn modify(&mut self, id: EntryId) -> Result<&mut StoredEntry> {
        let now = self.clock.tick();
        let entry = self.entries.get_mut(&id).context("an index names a deleted entry")?;
        entry.put("modifyTimestamp", vec![now]);
        Ok(entry)
    }

    /// Replaces an attribute's values.
    pub(crate) fn set(&mut self, dn: &str, attribute: &str, values: Vec<Vec<u8>>) -> Result<()> {
        refuse_computed(attribute)?;
        let id = self.id_of(dn)?;
        let lower = attribute.to_ascii_lowercase();
        let reference = REFERENCES.into_iter().find(|name| *name == lower);
        let entry = self.modify(id)?;
        let before = reference.map(|name| entry.values(name).to_vec());
        entry.put(attribute, values.clone());
        if let (Some(name), Some(before)) = (reference, before) {
            self.remove_references(id, name, &before);
            self.add_references(id, name, &values);
        }
        Ok(())
    }

    /// Adds a value to a group's `member`.
    pub(crate) fn add_member(&mut self, group: &str, member: &str) -> Result<()> {
        let id = self.id_of(group)?;
        let referrers = self.referrers.entry(DnPath::parse(member)?).or_default();
        ensure!(referrers.insert((id, MEMBER)), "`{member}` is a member of `{group}` already");
        let entry = self.modify(id)?;
        match entry.attributes.get_mut(MEMBER) {
            Some(members) => members.values.push(member.as_bytes().to_vec()),
            None => entry.put(MEMBER, vec![member.as_bytes().to_vec()]),
        }
        Ok(())
    }

    /// Removes a value from a group's `member`.
    pub(crate) fn remove_member(&mut self, group: &str, member: &str) -> Result<()> {
        let id = self.id_of(group)?;
        let path = DnPath::parse(member)?;
        let known = self.referrers.get_mut(&path).is_some_and(|referrers| referrers.remove(&(id, MEMBER)));
        ensure!(known, "`{member}` is not a member of `{group}`");
        self.rewrite(id, MEMBER, &ReferenceChange { path: &path, dn: member, new: None })
    }

    /// Deletes an entry without entries under it.
    pub(crate) fn delete(&mut self, dn: &str) -> Result<()> {
        let id = self.id_of(dn)?;
        let path = DnPath::parse(dn)?;
        ensure!(self.subtree(&path).nth(1).is_none(), "cannot delete `{dn}`: entries exist below it");
        let Some(entry) = self.entries.remove(&id) else {
            bail!("cannot delete `{dn}`: it does not exist");
        };
        self.by_path.remove(&path);
        for attribute in REFERENCES {
            self.remove_references(id, attribute, entry.values(attribute));
        }
        if self.referential_integrity {
            let change = ReferenceChange { path: &path, dn: &entry.dn, new: None };
            for (referrer, attribute) in self.referrers.remove(&path).unwrap_or_default() {
                self.rewrite(referrer, attribute, &change)?;
            }
        }
        Ok(())
    }

    /// Renames or moves an entry with all entries under it.
    pub(crate) fn rename(&mut self, dn: &str, new_dn: &str) -> Result<()> {
        let id = self.id_of(dn)?;
        let (old, new) = (ParsedDn::parse(dn)?, ParsedDn::parse(new_dn)?);
        let (old_path, new_path) = (old.path(), new.path());
        let taken = self.by_path.get(&new_path).is_some_and(|holder| *holder != id);
        ensure!(!taken, "cannot rename `{dn}`: `{new_dn}` exists already");
        ensure!(
            old_path == new_path || !new_path.is_within(&old_path),
            "cannot rename `{dn}`: `{new_dn}` lies below it"
        );
        ensure!(self.has_parent(&new_path), "cannot rename `{dn}`: the parent of `{new_dn}` does not exist");
        let moved: Vec<EntryId> = self.subtree(&old_path).map(|(_, id)| *id).collect();
        for moved in moved {
            self.relocate(moved, old.depth(), new_dn)?;
        }
        let entry = self.modify(id)?;
        for (attribute, value) in old.naming_values() {
            if let Some(held) = entry.attributes.get_mut(attribute) {
                held.values.retain(|held| held != value);
            }
        }
        add_naming_values(entry, &new);
        entry.attributes.retain(|_, attribute| !attribute.values.is_empty());
        Ok(())
    }

    /// Updates an entry's DN after the last `old_depth` RDNs became `new_base`.
    fn relocate(&mut self, id: EntryId, old_depth: usize, new_base: &str) -> Result<()> {
        let entry = self.entries.get_mut(&id).context("an index names a deleted entry")?;
        let new_dn = ParsedDn::parse(&entry.dn)?.rebased(old_depth, new_base);
        let new_path = DnPath::parse(&new_dn)?;
        let old_dn = std::mem::replace(&mut entry.dn, new_dn.clone());
        let old_path = std::mem::replace(&mut entry.path, new_path.clone());
        self.by_path.remove(&old_path);
        self.by_path.insert(new_path.clone(), id);
        if self.referential_integrity && old_path != new_path {
            let referrers = self.referrers.remove(&old_path).unwrap_or_default();
            let change = ReferenceChange { path: &old_path, dn: &old_dn, new: Some(&new_dn) };
            for (referrer, attribute) in &referrers {
                self.rewrite(*referrer, attribute, &change)?;
            }
            self.referrers.entry(new_path).or_default().extend(referrers);
        }
        Ok(())
    }

    /// Replaces or removes the value of `attribute` that names the changed entry. The caller updates the indexes.
    fn rewrite(&mut self, id: EntryId, attribute: &str, change: &ReferenceChange<'_>) -> Result<()> {
        let entry = self.modify(id)?;
        let Some(held) = entry.attributes.get_mut(attribute) else { return Ok(()) };
        // The spelling is usually the same, which avoids parsing every member of a large group.
        let same_text = held.values.iter().position(|value| value.eq_ignore_ascii_case(change.dn.as_bytes()));
        let names = |value: &Vec<u8>| path_of(value).as_ref() == Some(change.path);
        if let Some(position) = same_text.or_else(|| held.values.iter().position(names)) {
            match (change.new, held.values.get_mut(position)) {
                (Some(new), Some(value)) => *value = new.as_bytes().to_vec(),
                _ => drop(held.values.remove(position)),
            }
        }
        if held.values.is_empty() {
            entry.attributes.remove(attribute);
        }
        Ok(())
    }

    fn add_references(&mut self, id: EntryId, attribute: &'static str, values: &[Vec<u8>]) {
        for path in values.iter().filter_map(|value| path_of(value)) {
            self.referrers.entry(path).or_default().insert((id, attribute));
        }
    }

    fn remove_references(&mut self, id: EntryId, attribute: &'static str, values: &[Vec<u8>]) {
        for path in values.iter().filter_map(|value| path_of(value)) {
            if let Some(referrers) = self.referrers.get_mut(&path) {
                referrers.remove(&(id, attribute));
            }
        }
    }

    /// Id of an entry.
    pub(crate) fn id_of(&self, dn: &str) -> Result<EntryId> {
        let id = self.by_path.get(&DnPath::parse(dn)?).copied();
        id.with_context(|| format!("the entry `{dn}` does not exist"))
    }

    fn subtree<'a>(&'a self, base: &'a DnPath) -> impl Iterator<Item = (&'a DnPath, &'a EntryId)> {
        self.by_path.range(base..).take_while(|(path, _)| path.is_within(base))
    }

    /// Entry of an id; `None` if it was deleted since.
    pub(crate) fn entry(&self, id: EntryId) -> Option<&StoredEntry> {
        self.entries.get(&id)
    }

    /// Entry of a path.
    pub(crate) fn find(&self, path: &DnPath) -> Option<&StoredEntry> {
        self.entry(*self.by_path.get(path)?)
    }

    /// Nearest existing entry above a path, for the matched DN of an answer.
    pub(crate) fn nearest(&self, path: &DnPath) -> Option<&StoredEntry> {
        let parent = path.parent()?;
        self.find(&parent).or_else(|| self.nearest(&parent))
    }

    /// Entries of a search scope, in the order in which they were added.
    pub(crate) fn in_scope(&self, base: &DnPath, scope: SearchScope) -> Vec<(EntryId, &StoredEntry)> {
        let mut ids: Vec<EntryId> = match scope {
            SearchScope::Base => self.by_path.get(base).copied().into_iter().collect(),
            SearchScope::Subtree => self.subtree(base).map(|(_, id)| *id).collect(),
            SearchScope::OneLevel => self
                .subtree(base)
                .filter(|(path, _)| path.parent().as_ref() == Some(base))
                .map(|(_, id)| *id)
                .collect(),
        };
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| Some((id, self.entries.get(&id)?))).collect()
    }

    /// Groups that name an entry as a member.
    pub(crate) fn groups_of(&self, member: &DnPath) -> impl Iterator<Item = &StoredEntry> {
        let referrers = self.referrers.get(member).into_iter().flatten();
        referrers.filter(|(_, attribute)| *attribute == MEMBER).filter_map(|(id, _)| self.entries.get(id))
    }

    /// Whether a group names a member, by the index.
    pub(crate) fn is_member(&self, member: &DnPath, group: &DnPath) -> bool {
        let Some(group) = self.by_path.get(group) else { return false };
        self.referrers.get(member).is_some_and(|referrers| referrers.contains(&(*group, MEMBER)))
    }

    /// entryUUID of an entry.
    pub(crate) fn entry_uuid(&self, dn: &str) -> Option<String> {
        let entry = self.find(&DnPath::parse(dn).ok()?)?;
        String::from_utf8(entry.values(ENTRY_UUID).first()?.clone()).ok()
    }
}

/// Adds the naming values of the DN to the entry's attributes, as the protocol requires.
fn add_naming_values(entry: &mut StoredEntry, name: &ParsedDn<'_>) {
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

fn path_of(value: &[u8]) -> Option<DnPath> {
    DnPath::parse(std::str::from_utf8(value).ok()?).ok()
}
