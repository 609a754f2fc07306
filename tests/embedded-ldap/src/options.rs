//! What a server is started with.

/// How the server behaves for as long as it runs; what should change during a test is a [`LdapFault`](crate::LdapFault).
///
/// Every field has a default that suits the demo, so a caller names only what it is about:
/// `LdapOptions { size_limit: Some(100), ..LdapOptions::default() }`.
#[derive(Clone)]
pub struct LdapOptions {
    /// The suffix of the tree. Its entry is there from the start.
    pub base_dn: String,
    /// The only name that can bind. It needs no entry.
    pub bind_dn: String,
    /// The password that goes with it.
    pub password: String,
    /// Whether a client may bind with an empty name and search without binding. The root DSE is open in any case.
    pub allow_anonymous: bool,
    /// After how many entries a search ends with sizeLimitExceeded; all pages of a paged search count together, as with
    /// OpenLDAP.
    pub size_limit: Option<usize>,
    /// Makes the size limit one of a single answer, as with Active Directory: an unpaged search is cut off, a paged one only
    /// gets smaller pages than it asked for.
    pub size_limit_per_page: bool,
    /// How many values of one attribute come at once, as with Active Directory: the rest is to be asked for in ranges.
    pub max_values: Option<usize>,
    /// Whether deleting or renaming an entry corrects the values that name it (`member`, `uniqueMember`, `owner`,
    /// `manager`, `secretary`). Off, they dangle, as on servers without the overlay.
    pub referential_integrity: bool,
    /// How many changes share one second of `modifyTimestamp`. One keeps all timestamps distinct; more make the ties that a
    /// cursor by timestamp has to survive.
    pub changes_per_second: u64,
    /// The host name by which the root DSE tells this server from its replicas.
    pub server_name: String,
    /// Attributes of the root DSE beside or instead of the built-in ones, to play another product.
    pub root_dse: Vec<(String, Vec<String>)>,
}

impl Default for LdapOptions {
    fn default() -> LdapOptions {
        LdapOptions {
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
