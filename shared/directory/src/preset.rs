//! What is usual on each kind of server, so that a configuration says only what differs.

use std::str::FromStr;

use plan::status::{AccountStatus, StatusRule};

use crate::config::{AnchorAttribute, AnchorForm, Membership};

/// A kind of directory server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// Microsoft Active Directory, and Samba as a domain controller.
    ActiveDirectory,
    /// OpenLDAP.
    OpenLdap,
    /// 389 Directory Server, Red Hat Directory Server.
    Ds389,
    /// PingDirectory.
    PingDirectory,
    /// Any other server that speaks LDAP version 3 and has `entryUUID`.
    Generic,
}

/// A kind of server that isn't known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a kind of directory; one of {known} is expected", known = ServerKind::NAMES.join(", "))]
pub struct UnknownServerKind(pub String);

/// What is usual on one kind of server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPreset {
    /// The immutable id.
    pub anchor: AnchorAttribute,
    /// What makes an entry a user.
    pub user_filter: &'static str,
    /// The group's attribute that names its members.
    pub member_attribute: &'static str,
    /// The user's attribute that names the groups, where the server has one or can have one. OpenLDAP and 389
    /// Directory Server keep it only where an overlay or plug-in is switched on, which can't be seen from outside.
    pub member_of: Option<&'static str>,
    /// Where it is written who is in a group, unless the configuration says otherwise: with the user
    /// if the server always does that, else with the group.
    pub membership: Membership,
    /// How the server says that a user is disabled.
    pub status: StatusRule,
    /// How many entries to ask for at a time: as many as the server gives by default.
    pub page_size: i32,
}

impl ServerKind {
    /// The names by which a configuration calls them.
    pub const NAMES: [&str; 5] = ["active-directory", "openldap", "389ds", "pingdirectory", "generic"];

    /// What is usual on such a server.
    pub fn preset(self) -> ServerPreset {
        match self {
            Self::ActiveDirectory => ServerPreset {
                anchor: anchor("objectGUID", AnchorForm::Guid),
                user_filter: "(&(objectCategory=person)(objectClass=user))",
                member_attribute: "member",
                member_of: Some("memberOf"),
                membership: Membership::MemberOf { attribute: "memberOf".into() },
                status: StatusRule::Bitmap { attribute: "userAccountControl".into(), disabled_bits: 2 },
                page_size: 1000,
            },
            Self::OpenLdap => ServerPreset {
                anchor: anchor("entryUUID", AnchorForm::Uuid),
                user_filter: "(objectClass=inetOrgPerson)",
                member_attribute: "member",
                member_of: Some("memberOf"),
                membership: Membership::Member { attribute: "member".into() },
                // Only this value locks for good; any other is a time at which the lock ends by itself.
                status: disabled_when("pwdAccountLockedTime", "000001010000Z"),
                page_size: 500,
            },
            Self::Ds389 => ServerPreset {
                anchor: anchor("nsUniqueId", AnchorForm::Text),
                user_filter: "(objectClass=person)",
                member_attribute: "member",
                member_of: Some("memberOf"),
                membership: Membership::Member { attribute: "member".into() },
                status: disabled_when("nsAccountLock", "true"),
                page_size: 500,
            },
            Self::PingDirectory => ServerPreset {
                anchor: anchor("entryUUID", AnchorForm::Uuid),
                user_filter: "(objectClass=person)",
                member_attribute: "uniqueMember",
                member_of: Some("isMemberOf"),
                membership: Membership::MemberOf { attribute: "isMemberOf".into() },
                status: disabled_when("ds-pwp-account-disabled", "true"),
                page_size: 500,
            },
            Self::Generic => ServerPreset {
                anchor: anchor("entryUUID", AnchorForm::Uuid),
                user_filter: "(objectClass=person)",
                member_attribute: "member",
                member_of: None,
                membership: Membership::Member { attribute: "member".into() },
                status: StatusRule::AlwaysEnabled,
                page_size: 500,
            },
        }
    }
}

impl FromStr for ServerKind {
    type Err = UnknownServerKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "active-directory" => Ok(Self::ActiveDirectory),
            "openldap" => Ok(Self::OpenLdap),
            "389ds" => Ok(Self::Ds389),
            "pingdirectory" => Ok(Self::PingDirectory),
            "generic" => Ok(Self::Generic),
            _ => Err(UnknownServerKind(name.to_owned())),
        }
    }
}

fn anchor(attribute: &str, form: AnchorForm) -> AnchorAttribute {
    AnchorAttribute { attribute: attribute.to_owned(), form }
}

fn disabled_when(attribute: &str, value: &str) -> StatusRule {
    StatusRule::Flag {
        attribute: attribute.to_owned(),
        value: value.to_owned(),
        means: AccountStatus::Disabled,
        default: AccountStatus::Enabled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_kind_with_a_valid_filter() {
        for name in ServerKind::NAMES {
            let preset = name.parse::<ServerKind>().unwrap().preset();
            assert_eq!(crate::check_filter(preset.user_filter), Ok(()), "{name}");
            assert!(preset.page_size > 0, "{name}");
        }
        let unknown = "novell".parse::<ServerKind>().unwrap_err().to_string();
        assert!(unknown.contains("'novell'") && unknown.contains("openldap"), "{unknown}");
    }

    #[test]
    fn a_lock_that_ends_by_itself_disables_nobody() {
        let status = ServerKind::OpenLdap.preset().status;
        let locked = |time: &str| status.verdict(&[("pwdAccountLockedTime", time)].into_iter().collect());
        assert_eq!(locked("000001010000Z"), Ok(AccountStatus::Disabled));
        assert_eq!(locked("20260101120000Z"), Ok(AccountStatus::Enabled));
    }
}
