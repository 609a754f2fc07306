//! Options of a server.

/// Behaviour of a server while it runs. A test changes behaviour by a [`LdapFault`](crate::LdapFault) instead.
///
/// The defaults suit the demo: `LdapOptions { size_limit: Some(100), ..LdapOptions::default() }`.
#[derive(Clone)]
pub struct LdapOptions {
    /// Suffix of the tree. Its entry exists from the start.
    pub base_dn: String,
    /// DN that can bind. It needs no entry.
    pub bind_dn: String,
    /// Password of `bind_dn`.
    pub password: String,
    /// Whether anonymous clients may search. The root DSE is always readable.
    pub allow_anonymous: bool,
    /// Entries after which a search ends with sizeLimitExceeded, over all of its pages, as in OpenLDAP.
    pub size_limit: Option<usize>,
    /// Applies the size limit to each answer, as in Active Directory: an unpaged search is cut off, and pages get smaller.
    pub size_limit_per_page: bool,
    /// Values of an attribute in one answer, as in Active Directory. The rest must be requested in ranges.
    pub max_values: Option<usize>,
    /// Whether deleting or renaming an entry updates the values that name it (`member`, `uniqueMember`, `owner`, `manager`,
    /// `secretary`).
    pub referential_integrity: bool,
    /// Changes that share one second of `modifyTimestamp`.
    pub changes_per_second: u64,
    /// Host name in the root DSE.
    pub server_name: String,
    /// Further attributes of the root DSE, which replace the built-in ones.
    pub root_dse: Vec<(String, Vec<String>)>,
}

impl Default for LdapOptions {
    fn default() -> Self {
        Self {
            base_dn: "dc=acme,dc=test".to_owned(),
            bind_dn: "cn=provisioner,dc=acme,dc=test".to_owned(),
            password: "read-only".to_owned(),
            allow_anonymous: false,
            size_limit: None,
            size_limit_per_page: false,
            max_values: None,
            referential_integrity: true,
            changes_per_second: 1,
            server_name: "ldap1.acme.test".to_owned(),
            root_dse: Vec::new(),
        }
    }
}
