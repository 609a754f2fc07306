//! Attributes of new entries in Active Directory.

/// Attributes of a user, without a password.
pub fn samba_user(account: &str, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let mut attributes = vec![
        ("objectClass", "user".to_owned()),
        ("sAMAccountName", account.to_owned()),
        ("userAccountControl", ENABLED.to_owned()),
    ];
    attributes.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    attributes
}

/// Attributes of a global security group.
pub fn samba_group(account: &str) -> Vec<(&'static str, String)> {
    vec![("objectClass", "group".to_owned()), ("sAMAccountName", account.to_owned())]
}

/// `userAccountControl` of an enabled account that needs no password.
pub const ENABLED: &str = "544";
/// `userAccountControl` of a disabled account.
pub const DISABLED: &str = "546";
