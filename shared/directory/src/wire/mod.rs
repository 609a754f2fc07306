//! LDAP on the wire (RFC 4511), as much of it as reading takes: bind, StartTLS, search and abandon.
//!
//! Whatever a server sends is taken apart here, in place and without recursion: nothing in it can make this panic, and an
//! entry's values stay in the bytes that they came in.

pub(crate) mod ber;

mod answer;
mod request;
mod stream;

pub(crate) use answer::{Control, Message, Outcome};
pub(crate) use request::{Request, SearchScope};
pub(crate) use stream::Stream;

/// Why a connection can't go on.
#[derive(Debug)]
pub(crate) enum WireError {
    /// The operating system, or TLS, says so.
    Io(std::io::Error),
    /// The server closed it.
    Closed,
    /// The server said that it would close it, with this result code (RFC 4511, section 4.4.1).
    Disconnected(u32),
    /// What came is not LDAP.
    NotLdap,
    /// A message of more bytes than any directory sends.
    TooLong,
    /// Nothing came in time.
    Timeout,
}
