/// Reason for which a connection can't be used any more.
#[derive(Debug)]
pub enum WireError {
    /// Error of the operating system or of TLS.
    Io(std::io::Error),
    /// The server closed the connection.
    Closed,
    /// The server announced the end of the connection with this result code (RFC 4511, section 4.4.1).
    Disconnected(u32),
    /// The bytes are not LDAP.
    NotLdap,
    /// The message is longer than [`LdapStream`](super::LdapStream) accepts.
    TooLong,
    /// No answer in time.
    Timeout,
}
