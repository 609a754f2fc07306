//! Default settings of each kind of server.

use std::str::FromStr;

use plan::status::{AccountStatus, StatusRule};

use crate::config::{AnchorAttribute, AnchorForm, Membership};

/// Kind of directory server.
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
    /// Other servers with LDAP version 3 and `entryUUID`.
    Generic,
}

/// Unknown name of a kind of server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a kind of directory; use one of {known}", known = ServerKind::NAMES.join(", "))]
pub struct UnknownServerKind(pub String);

/// Default settings of one kind of server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPreset {
    /// Anchor attribute.
    pub anchor: AnchorAttribute,
    /// Filter that every user matches.
    pub user_filter: &'static str,
    /// Attribute of the group that holds its members.
    pub member_attribute: &'static str,
    /// Attribute of the user that holds the groups, if the product supports one. In OpenLDAP and 389 Directory Server it
    /// needs an overlay or plug-in, which a client can't detect.
    pub member_of: Option<&'static str>,
    /// Default membership attribute: the user's if the product always has one, else the group's.
    pub membership: Membership,
    /// Account status.
    pub status: StatusRule,
    /// Entries per page: the default limit of the product.
    pub page_size: i32,
}

impl ServerKind {
    /// Configuration words.
    pub const NAMES: [&str; 5] = ["active-directory", "openldap", "389ds", "pingdirectory", "generic"];

    /// Default settings.
    pub fn preset(self) -> ServerPreset {
        let generic = ServerPreset {
            anchor: anchor("entryUUID", AnchorForm::Uuid),
            user_filter: "(objectClass=person)",
            member_attribute: "member",
            member_of: None,
            membership: Membership::Member { attribute: "member".into() },
            status: StatusRule::AlwaysEnabled,
            page_size: 500,
        };
        match self {
            Self::ActiveDirectory => ServerPreset {
                anchor: anchor("objectGUID", AnchorForm::Guid),
                user_filter: "(&(objectCategory=person)(objectClass=user))",
                member_of: Some("memberOf"),
                membership: Membership::MemberOf { attribute: "memberOf".into() },
                status: StatusRule::Bitmap { attribute: "userAccountControl".into(), disabled_bits: 2 },
                page_size: 1000,
                ..generic
            },
            Self::OpenLdap => ServerPreset {
                user_filter: "(objectClass=inetOrgPerson)",
                member_of: Some("memberOf"),
                // This value locks permanently; any other is the time at which the lock ends.
                status: disabled_when("pwdAccountLockedTime", "000001010000Z"),
                ..generic
            },
            Self::Ds389 => ServerPreset {
                anchor: anchor("nsUniqueId", AnchorForm::Text),
                member_of: Some("memberOf"),
                status: disabled_when("nsAccountLock", "true"),
                ..generic
            },
            Self::PingDirectory => ServerPreset {
                member_attribute: "uniqueMember",
                member_of: Some("isMemberOf"),
                membership: Membership::MemberOf { attribute: "isMemberOf".into() },
                status: disabled_when("ds-pwp-account-disabled", "true"),
                ..generic
            },
            Self::Generic => generic,
        }
    }
}

impl ServerKind {
    /// Word in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::ActiveDirectory => "active-directory",
            Self::OpenLdap => "openldap",
            Self::Ds389 => "389ds",
            Self::PingDirectory => "pingdirectory",
            Self::Generic => "generic",
        }
    }
}

impl FromStr for ServerKind {
    type Err = UnknownServerKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        const KINDS: [ServerKind; 5] = [
            ServerKind::ActiveDirectory,
            ServerKind::OpenLdap,
            ServerKind::Ds389,
            ServerKind::PingDirectory,
            ServerKind::Generic,
        ];
        let kind = KINDS.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| UnknownServerKind(name.to_owned()))
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
    fn every_kind_has_valid_defaults() {
        for name in ServerKind::NAMES {
            let preset = name.parse::<ServerKind>().unwrap().preset();
            assert_eq!(crate::check_filter(preset.user_filter), Ok(()), "{name}");
            assert!(preset.page_size > 0, "{name}");
        }
        let unknown = "novell".parse::<ServerKind>().unwrap_err().to_string();
        assert!(unknown.contains("'novell'") && unknown.contains("openldap"), "{unknown}");
    }

    #[test]
    fn temporary_lock_does_not_disable_the_user() {
        let status = ServerKind::OpenLdap.preset().status;
        let locked = |time: &str| status.verdict(&[("pwdAccountLockedTime", time)].into_iter().collect());
        assert_eq!(locked("000001010000Z"), Ok(AccountStatus::Disabled));
        assert_eq!(locked("20260101120000Z"), Ok(AccountStatus::Enabled));
    }
}
