//! What Active Directory wants to be told about a new entry.

/// A user's attributes, and more of them. Nobody signs in as these, so they need no password.
pub fn samba_user(account: &str, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let mut attributes = vec![
        ("objectClass", "user".to_owned()),
        ("sAMAccountName", account.to_owned()),
        ("userAccountControl", ENABLED.to_owned()),
    ];
    attributes.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    attributes
}

/// A global security group's attributes.
pub fn samba_group(account: &str) -> Vec<(&'static str, String)> {
    vec![("objectClass", "group".to_owned()), ("sAMAccountName", account.to_owned())]
}

/// `userAccountControl` of somebody who may sign in: an ordinary account that needs no password.
pub const ENABLED: &str = "544";
/// The same with the bit that switches the account off.
pub const DISABLED: &str = "546";
