/// Reason for which a connection can't be used any more.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Error of the operating system or of TLS.
    #[error("{0}")]
    Io(std::io::Error),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The server announced the end of the connection with this result code (RFC 4511, section 4.4.1).
    #[error("the server ended the connection with LDAP result {} ({})", .0, model::result_meaning(*.0))]
    Disconnected(u32),
    /// The bytes are not LDAP.
    #[error("the server sent something that is not LDAP")]
    NotLdap,
    /// The message is longer than [`LdapStream`](super::LdapStream) accepts.
    #[error(
        "the server sent a message of more than 64 MiB; a group of so many members is read with membership = \"member-of\" \
         or with a filter"
    )]
    TooLong,
    /// No answer in time.
    #[error("no answer came in time")]
    Timeout,
}
