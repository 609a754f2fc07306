//! Changing the tree and injecting faults from the process the server runs in.
//!
//! Everything that names an entry fails when the entry isn't there: a test whose change didn't happen would prove nothing.

use anyhow::Result;

use crate::fault::Injection;
use crate::server::EmbeddedLdap;

impl EmbeddedLdap {
    /// Adds an entry below an existing one.
    ///
    /// The attributes that the DN names it by are added where missing, and so is an `objectClass` of `top`. `entryUUID` is
    /// generated unless given; given without values it is left out.
    pub fn add(&self, dn: &str, attributes: &[(&str, &[&str])]) -> Result<()> {
        let attributes = attributes.iter().map(|(name, values)| ((*name).to_owned(), owned(values)));
        self.add_binary(dn, attributes.collect())
    }

    /// Adds an entry whose values may be any bytes, also such as its attributes' syntax forbids.
    pub fn add_binary(&self, dn: &str, attributes: Vec<(String, Vec<Vec<u8>>)>) -> Result<()> {
        self.shared.tree().add(dn, attributes)
    }

    /// Replaces an attribute's values; none removes it.
    pub fn set(&self, dn: &str, attribute: &str, values: &[&str]) -> Result<()> {
        self.set_bytes(dn, attribute, owned(values))
    }

    /// Replaces an attribute's values with any bytes; none removes it.
    pub fn set_bytes(&self, dn: &str, attribute: &str, values: Vec<Vec<u8>>) -> Result<()> {
        self.shared.tree().set(dn, attribute, values)
    }

    /// Deletes an entry that has none below it.
    pub fn delete(&self, dn: &str) -> Result<()> {
        self.shared.tree().delete(dn)
    }

    /// Renames or moves an entry, with everything below it. It stays the same entry, with the same entryUUID.
    pub fn rename(&self, dn: &str, new_dn: &str) -> Result<()> {
        self.shared.tree().rename(dn, new_dn)
    }

    /// Adds a value to a group's `member`. The member itself need not exist.
    pub fn add_member(&self, group_dn: &str, member_dn: &str) -> Result<()> {
        self.shared.tree().add_member(group_dn, member_dn)
    }

    /// Removes a value from a group's `member`.
    pub fn remove_member(&self, group_dn: &str, member_dn: &str) -> Result<()> {
        self.shared.tree().remove_member(group_dn, member_dn)
    }

    /// The entryUUID of an entry, if there is such an entry and it has one.
    pub fn entry_uuid(&self, dn: &str) -> Option<String> {
        self.shared.tree().entry_uuid(dn)
    }

    /// Makes searches that begin from now on go wrong. Several faults may be in force at once.
    pub fn inject(&self, fault: impl Into<Injection>) {
        self.shared.faults().inject(fault.into());
    }

    /// Ends all faults, for searches that begin from now on, and brings the first server back.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// How often faults have shown in answers, so that a test can be sure that it tested something.
    pub fn faults_fired(&self) -> usize {
        self.shared.faults().fired()
    }
}

fn owned(values: &[&str]) -> Vec<Vec<u8>> {
    values.iter().map(|value| value.as_bytes().to_vec()).collect()
}
