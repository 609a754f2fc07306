//! The same changes on two kinds of servers.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use end_to_end::{
    ADMIN_DN, BASE_DN, DISABLED, DirectoryAdmin, ENABLED, SAMBA_BASE_DN, samba_group, samba_user,
};
use ldap3::LdapError;
use model::Anchor;

/// Kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestServer {
    /// Samba as an Active Directory domain controller.
    Samba,
    /// OpenLDAP with the overlays `memberof` and `syncprov`.
    Slapd,
}

impl TestServer {
    /// DN of the suffix.
    pub fn root(self) -> &'static str {
        match self {
            Self::Samba => SAMBA_BASE_DN,
            Self::Slapd => BASE_DN,
        }
    }

    /// Base DN of the searches.
    pub fn base(self) -> String {
        self.unit("Staff", self.root())
    }

    /// A unit outside the base DN.
    pub fn outside(self) -> String {
        self.unit("Elsewhere", self.root())
    }

    /// Unit of the groups.
    pub fn groups(self) -> String {
        self.unit("Teams", self.root())
    }

    pub fn unit(self, name: &str, parent: &str) -> String {
        format!("{},{parent}", self.unit_rdn(name))
    }

    pub fn unit_rdn(self, name: &str) -> String {
        format!("OU={name}")
    }

    pub fn group(self, name: &str) -> String {
        format!("CN={name},{}", self.groups())
    }

    pub fn user_rdn(self, name: &str) -> String {
        match self {
            Self::Samba => format!("CN={name}"),
            Self::Slapd => format!("uid={name}"),
        }
    }

    /// Attributes of a new user.
    pub fn user(self, account: &str, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        match self {
            Self::Samba => samba_user(account, more),
            Self::Slapd => {
                let mut attributes =
                    vec![("objectClass", "inetOrgPerson".to_owned()), ("cn", account.to_owned())];
                attributes.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
                attributes
            }
        }
    }

    /// Attributes of a new group.
    pub fn new_group(self, account: &str) -> Vec<(&'static str, String)> {
        match self {
            Self::Samba => samba_group(account),
            // The schema requires a member.
            Self::Slapd => {
                vec![("objectClass", "groupOfNames".to_owned()), ("member", ADMIN_DN.to_owned())]
            }
        }
    }

    pub fn set_enabled(self, admin: &DirectoryAdmin, dn: &str, enabled: bool) -> Result<()> {
        match self {
            Self::Samba => admin.set(dn, "userAccountControl", &[if enabled { ENABLED } else { DISABLED }]),
            Self::Slapd => admin.set(dn, "employeeType", &[if enabled { "active" } else { "disabled" }]),
        }
    }

    /// Anchor of an entry.
    pub fn anchor(self, admin: &DirectoryAdmin, dn: &str) -> Result<Anchor> {
        match self {
            Self::Samba => {
                let guid = admin.bytes(dn, "objectGUID")?.context("an entry without objectGUID")?;
                let guid = guid.try_into().ok().context("an objectGUID that isn't one")?;
                Ok(Anchor::from_guid(guid))
            }
            Self::Slapd => {
                let ids = admin.values(dn, "entryUUID")?;
                Ok(Anchor::from_text(ids.first().context("an entry without entryUUID")?)?)
            }
        }
    }

    /// Sets the user's primary group.
    pub fn set_primary_group(self, admin: &DirectoryAdmin, dn: &str, group: &str) -> Result<()> {
        let tokens = admin.values(group, "primaryGroupToken")?;
        let token = tokens.first().context("a group without primaryGroupToken")?;
        admin.set(dn, "primaryGroupID", &[token])
    }

    /// Adds the empty units.
    pub fn prepare(self, admin: &DirectoryAdmin) -> Result<()> {
        let top = [self.base(), self.outside(), self.groups()];
        let unit = || vec![("objectClass", "organizationalUnit".to_owned())];
        admin.add_all(&top.map(|dn| (dn, unit())))
    }
}

/// Accepts "value exists" and "no such attribute" for memberships: OpenLDAP keeps a member's old DN in its groups
/// when a unit above it is renamed, so the group's content may differ from the expected one.
pub fn tolerate(result: Result<()>) -> Result<()> {
    const NO_SUCH_ATTRIBUTE: u32 = 16;
    const VALUE_EXISTS: u32 = 20;
    match result {
        Err(error) => {
            let tolerated = HashSet::from([NO_SUCH_ATTRIBUTE, VALUE_EXISTS]);
            match error.downcast_ref::<LdapError>() {
                Some(LdapError::LdapResult { result }) if tolerated.contains(&result.rc) => Ok(()),
                _ => Err(error),
            }
        }
        Ok(()) => Ok(()),
    }
}
