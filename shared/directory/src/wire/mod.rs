//! LDAP messages as bytes (RFC 4511), for a client that reads: bind, StartTLS, search and abandon.
//!
//! Messages are decoded in place and without recursion. No input can make the decoder panic, and the values of an entry
//! share the buffer in which they arrived.

pub mod ber;

mod error;
mod message;
mod request;
mod stream;

pub use error::WireError;
#[cfg(any(test, feature = "wire"))]
pub use message::encode_message;
pub use message::{LdapControl, LdapMessage, LdapResult};
pub use request::{LdapRequest, SearchScope};
pub use stream::LdapStream;
