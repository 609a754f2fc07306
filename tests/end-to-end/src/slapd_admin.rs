//! Changes of a running directory.

use std::{collections::HashSet, time::Duration};

use anyhow::Context as _;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Mod, Scope, SearchEntry};

use crate::{GroupEntry, PEOPLE_DN, PersonEntry, READER_DN, wait};

/// An administrator of one directory. Every call opens a connection, makes one change, and fails unless the server
/// confirms it.
#[derive(Debug, Clone)]
pub struct DirectoryAdmin {
    url: String,
    dn: String,
    password: String,
}

impl DirectoryAdmin {
    pub(crate) fn new(url: String, dn: String, password: String) -> Self {
        Self { url, dn, password }
    }

    /// Binds, to find out whether the server answers.
    pub(crate) fn bind(&self) -> anyhow::Result<()> {
        self.run("sign in", async |_| Ok(()))
    }

    /// Adds a person, and its unit if it is missing.
    pub fn add_person(&self, person: &PersonEntry) -> anyhow::Result<()> {
        self.add_unit(&person.unit)?;
        let attributes = person.attributes();
        self.add(&person.dn(), attributes.iter().map(|(name, value)| (*name, value.as_str())))
    }

    /// Adds a group.
    pub fn add_group(&self, group: &GroupEntry) -> anyhow::Result<()> {
        let members = group.member_values().into_iter().map(|member| ("member", member));
        let naming = [("objectClass", "groupOfNames"), ("cn", group.name.as_str())];
        self.add(&group.dn(), naming.into_iter().chain(members))
    }

    /// Adds a unit below [`PEOPLE_DN`] unless it exists, and returns its DN.
    pub fn add_unit(&self, unit: &str) -> anyhow::Result<String> {
        let dn = format!("ou={unit},{PEOPLE_DN}");
        if self.values(&dn, "ou")?.is_empty() {
            self.add(&dn, [("objectClass", "organizationalUnit"), ("ou", unit)])?;
        }
        Ok(dn)
    }

    /// Adds an entry; an attribute given twice has two values.
    pub fn add<'a>(
        &self,
        dn: &str,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> anyhow::Result<()> {
        let grouped = grouped(attributes);
        self.run(&format!("add {dn}"), async |ldap| {
            ldap.add(dn, grouped).await?.success()?;
            Ok(())
        })
    }

    /// Adds many entries over one connection.
    pub fn add_all(&self, entries: &[(String, Vec<(&str, String)>)]) -> anyhow::Result<()> {
        self.run("add many entries", async |ldap| {
            for (dn, attributes) in entries {
                let attributes = grouped(attributes.iter().map(|(name, value)| (*name, value.as_str())));
                ldap.add(dn, attributes).await?.success().with_context(|| dn.clone())?;
            }
            Ok(())
        })
    }

    /// Deletes an entry.
    pub fn delete(&self, dn: &str) -> anyhow::Result<()> {
        self.run(&format!("delete {dn}"), async |ldap| {
            ldap.delete(dn).await?.success()?;
            Ok(())
        })
    }

    /// Replaces all values of an attribute; without values the attribute is removed.
    pub fn set(&self, dn: &str, attribute: &str, values: &[&str]) -> anyhow::Result<()> {
        self.modify(dn, Mod::Replace(attribute, values.iter().copied().collect()))
    }

    /// Renames the entry in its unit (`rdn` as in `uid=new.name`), and returns its new DN.
    pub fn rename(&self, dn: &str, rdn: &str) -> anyhow::Result<String> {
        let (_, parent) = split(dn)?;
        self.modify_dn(dn, rdn, None)?;
        Ok(format!("{rdn},{parent}"))
    }

    /// Moves the entry below another parent, and returns its new DN.
    pub fn move_to(&self, dn: &str, parent: &str) -> anyhow::Result<String> {
        let (rdn, _) = split(dn)?;
        self.modify_dn(dn, rdn, Some(parent))?;
        Ok(format!("{rdn},{parent}"))
    }

    /// Adds a member to a group.
    pub fn add_member(&self, group_dn: &str, dn: &str) -> anyhow::Result<()> {
        self.modify(group_dn, Mod::Add("member", HashSet::from([dn])))
    }

    /// Adds members to a group in one change.
    pub fn add_members(&self, group_dn: &str, dns: &[String]) -> anyhow::Result<()> {
        self.modify(group_dn, Mod::Add("member", dns.iter().map(String::as_str).collect()))
    }

    /// Removes a member from a group. The schema refuses to remove the last member.
    pub fn remove_member(&self, group_dn: &str, dn: &str) -> anyhow::Result<()> {
        self.modify(group_dn, Mod::Delete("member", HashSet::from([dn])))
    }

    /// Changes the reader's password.
    pub fn set_reader_password(&self, password: &str) -> anyhow::Result<()> {
        self.set(READER_DN, "userPassword", &[password])
    }

    /// Values of an attribute as sorted text, operational attributes included. Empty for an entry that does not
    /// exist.
    pub fn values(&self, dn: &str, attribute: &str) -> anyhow::Result<Vec<String>> {
        const NO_SUCH_OBJECT: u32 = 32;
        self.run(&format!("read {attribute} of {dn}"), async |ldap| {
            let found = ldap.search(dn, Scope::Base, "(objectClass=*)", vec![attribute]).await?;
            if found.1.rc == NO_SUCH_OBJECT {
                return Ok(Vec::new());
            }
            let (entries, _) = found.success()?;
            let attributes = entries.into_iter().flat_map(|entry| SearchEntry::construct(entry).attrs);
            let mut values: Vec<_> = attributes.flat_map(|(_, values)| values).collect();
            values.sort();
            Ok(values)
        })
    }

    /// The only value of an attribute, as bytes; `None` without a value or without an entry.
    pub fn bytes(&self, dn: &str, attribute: &str) -> anyhow::Result<Option<Vec<u8>>> {
        const NO_SUCH_OBJECT: u32 = 32;
        self.run(&format!("read {attribute} of {dn}"), async |ldap| {
            let found = ldap.search(dn, Scope::Base, "(objectClass=*)", vec![attribute]).await?;
            if found.1.rc == NO_SUCH_OBJECT {
                return Ok(None);
            }
            let (entries, _) = found.success()?;
            let mut values = entries.into_iter().map(SearchEntry::construct).flat_map(|entry| {
                let text = entry.attrs.into_values().flatten().map(String::into_bytes);
                text.chain(entry.bin_attrs.into_values().flatten()).collect::<Vec<_>>()
            });
            Ok(values.next())
        })
    }

    fn modify(&self, dn: &str, change: Mod<&str>) -> anyhow::Result<()> {
        self.run(&format!("modify {dn}"), async |ldap| {
            ldap.modify(dn, vec![change]).await?.success()?;
            Ok(())
        })
    }

    fn modify_dn(&self, dn: &str, rdn: &str, parent: Option<&str>) -> anyhow::Result<()> {
        self.run(&format!("rename {dn} to {rdn}"), async |ldap| {
            ldap.modifydn(dn, rdn, true, parent).await?.success()?;
            Ok(())
        })
    }

    fn run<T: Send>(
        &self,
        what: &str,
        act: impl AsyncFnOnce(&mut Ldap) -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        wait::block_on(async || {
            let settings = LdapConnSettings::new().set_conn_timeout(Duration::from_secs(10));
            let (connection, mut ldap) = LdapConnAsync::with_settings(settings, &self.url).await?;
            ldap3::drive!(connection);
            ldap.simple_bind(&self.dn, &self.password).await?.success()?;
            let done = act(&mut ldap).await?;
            ldap.unbind().await?;
            Ok(done)
        })
        .with_context(|| format!("the administrator could not {what}"))
    }
}

/// Splits a DN after its first RDN. A comma in a name is escaped with a backslash.
fn split(dn: &str) -> anyhow::Result<(&str, &str)> {
    let mut commas = dn.match_indices(',').map(|(at, _)| at);
    let end = commas.find(|at| !dn[..*at].ends_with('\\')).with_context(|| format!("{dn} has no parent"))?;
    Ok((&dn[..end], &dn[end + 1..]))
}

/// Attributes of an entry, each with all of its values.
fn grouped<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(&'a str, HashSet<&'a str>)> {
    let mut grouped = Vec::<(&str, HashSet<&str>)>::new();
    for (name, value) in attributes {
        match grouped.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, values)) => drop(values.insert(value)),
            None => grouped.push((name, HashSet::from([value]))),
        }
    }
    grouped
}
