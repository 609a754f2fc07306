//! The embedded directory, filled with the same people and groups as OpenLDAP.

use anyhow::Result;
use embedded_ldap::{EmbeddedLdap, LdapOptions};
use serde_json::{Value, json};

use crate::{GROUPS_DN, PEOPLE_DN, PersonEntry, workplace_group};

/// The directory secret of every embedded directory.
pub fn embedded_secret() -> Value {
    let LdapOptions { bind_dn, password, .. } = LdapOptions::default();
    json!({ "bind_dn": bind_dn, "password": password })
}

/// Starts a directory in which all of these people are in the group `workplace`.
pub async fn embedded_directory(people: &[PersonEntry]) -> Result<EmbeddedLdap> {
    let directory = EmbeddedLdap::start(LdapOptions::default()).await?;
    populate(&directory, people, people)?;
    Ok(directory)
}

/// Adds people to an embedded directory, and the group `workplace` with some of them.
pub fn populate<'a>(
    directory: &EmbeddedLdap,
    people: &[PersonEntry],
    members: impl IntoIterator<Item = &'a PersonEntry>,
) -> Result<()> {
    add_unit(directory, PEOPLE_DN)?;
    add_unit(directory, GROUPS_DN)?;
    for person in people {
        add_unit(directory, &format!("ou={},{PEOPLE_DN}", person.unit))?;
        let attributes = person.attributes();
        let values: Vec<[&str; 1]> = attributes.iter().map(|(_, value)| [value.as_str()]).collect();
        let attributes: Vec<(&str, &[&str])> =
            attributes.iter().zip(&values).map(|((name, _), value)| (*name, value.as_slice())).collect();
        directory.add(&person.dn(), &attributes)?;
    }
    directory.add(&workplace_group(), &[("objectClass", &["groupOfMembers"])])?;
    members.into_iter().try_for_each(|person| directory.add_member(&workplace_group(), &person.dn()))
}

fn add_unit(directory: &EmbeddedLdap, dn: &str) -> Result<()> {
    if directory.entry_uuid(dn).is_none() {
        directory.add(dn, &[("objectClass", &["organizationalUnit"])])?;
    }
    Ok(())
}
