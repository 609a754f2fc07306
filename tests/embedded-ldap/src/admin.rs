//! Changes of the tree and injection of faults, from within the process.
//!
//! A change of a missing entry is an error, because a test without its change would prove nothing.

use anyhow::Result;

use crate::fault::FaultInjection;
use crate::server::EmbeddedLdap;

impl EmbeddedLdap {
    /// Adds an entry below an existing one.
    ///
    /// The naming attributes of the DN are added, and an `objectClass` of `top` if there is none. `entryUUID` is generated
    /// unless it is given; given without values it is left out.
    pub fn add(&self, dn: &str, attributes: &[(&str, &[&str])]) -> Result<()> {
        let attributes = attributes.iter().map(|(name, values)| ((*name).to_owned(), owned(values)));
        self.add_binary(dn, attributes.collect())
    }

    /// Adds an entry with any bytes as values.
    pub fn add_binary(&self, dn: &str, attributes: Vec<(String, Vec<Vec<u8>>)>) -> Result<()> {
        self.state.tree().add(dn, attributes)
    }

    /// Replaces an attribute's values; no values remove it.
    pub fn set(&self, dn: &str, attribute: &str, values: &[&str]) -> Result<()> {
        self.set_bytes(dn, attribute, owned(values))
    }

    /// Replaces an attribute's values with any bytes; no values remove it.
    pub fn set_bytes(&self, dn: &str, attribute: &str, values: Vec<Vec<u8>>) -> Result<()> {
        self.state.tree().set(dn, attribute, values)
    }

    /// Deletes an entry without entries under it.
    pub fn delete(&self, dn: &str) -> Result<()> {
        self.state.tree().delete(dn)
    }

    /// Renames or moves an entry with all entries under it. The entryUUIDs stay.
    pub fn rename(&self, dn: &str, new_dn: &str) -> Result<()> {
        self.state.tree().rename(dn, new_dn)
    }

    /// Adds a value to a group's `member`. The member need not exist.
    pub fn add_member(&self, group_dn: &str, member_dn: &str) -> Result<()> {
        self.state.tree().add_member(group_dn, member_dn)
    }

    /// Removes a value from a group's `member`.
    pub fn remove_member(&self, group_dn: &str, member_dn: &str) -> Result<()> {
        self.state.tree().remove_member(group_dn, member_dn)
    }

    /// entryUUID of an entry.
    pub fn entry_uuid(&self, dn: &str) -> Option<String> {
        self.state.tree().entry_uuid(dn)
    }

    /// Injects a fault into searches that begin from now on. Several faults may be active.
    pub fn inject(&self, fault: impl Into<FaultInjection>) {
        self.state.faults().inject(fault.into());
    }

    /// Ends all faults for searches that begin from now on, and restores the first server.
    pub fn clear_faults(&self) {
        self.state.faults().clear();
    }

    /// Number of answers with a fault, by which a test checks that its fault took effect.
    pub fn faults_fired(&self) -> usize {
        self.state.faults().fired()
    }
}

fn owned(values: &[&str]) -> Vec<Vec<u8>> {
    values.iter().map(|value| value.as_bytes().to_vec()).collect()
}
