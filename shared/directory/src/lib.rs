//! Users of an LDAP directory, read with a proof of whether all of them were seen.
//!
//! A user that is missing in a read is about to lose an account, and a directory has many ways of returning only a part of
//! its users: a size limit, a lost connection, a referral, an account without the right to read the tree. So this crate alone
//! creates [`model::CompleteRead`], and no user is deprovisioned without one.
//!
//! ```no_run
//! # async fn example(config: &directory::DirectoryConfig) -> Result<(), Box<dyn std::error::Error>> {
//! use directory::{Directory, ReadItem};
//!
//! let mut directory = Directory::connect(config).await?;
//! let mut read = directory.read(None, model::UnixSeconds(0)).await?;
//! while let Some(page) = read.next_page().await? {
//!     for item in page {
//!         match item {
//!             ReadItem::Entry(entry) => println!("{}", entry.anchor),
//!             ReadItem::Unidentified { why, .. } => println!("an entry without an anchor: {why}"),
//!         }
//!     }
//! }
//! let proof = read.finish().await?;
//! println!("all users were read, on {} pages", proof.pages());
//! # Ok(())
//! # }
//! ```
//!
//! A read is complete if
//!
//! - every page ended with success, and the last one with an empty cookie;
//! - no reference to another server was left unfollowed (see [`FullRead`] for the exceptions);
//! - every entry in scope had a usable anchor;
//! - the base entry and the group were readable before the first page and after the last;
//! - the same server answered from the first request to the last, over one connection;
//! - the server has shown that it knows at least what the reads behind the last snapshot knew: by a mark that is not lower
//!   (`highestCommittedUSN`, replication cursors, `contextCSN`, or the newest `modifyTimestamp` among the entries read). Marks
//!   are compared within one identity only. A server without such a mark is believed once two of its complete reads in a row
//!   call for the same removals, or when an administrator accepts it ([`Cursor::accepted`]).
//!
//! No client can notice a server that omits users and reports success: a replica that lags, an access rule that hides a part
//! of the tree, an empty cookie that comes too early. Two mechanisms cover that. [`DepartureCheck`] searches for each
//! missing user by anchor and leaves out those that are in scope; and the planner's safeguard holds removals that are too
//! many.
//!
//! Error messages name the address, the base DN or the group of the configuration, and never a password or a user's data.
//!
//! The crate has its own encoding of LDAP (`wire/`). The libraries for it copy every value several times, which costs more
//! than the rest of a scan, and panic on unexpected answers.
//!
//! A full read returns a [`Cursor`], from which [`Directory::changes`] detects the changes since. An incremental read proves
//! something about the changed entries alone.
//!
//! Memory holds one page, and 16 bytes for each member of a group that lists its members.

mod changes;
mod config;
mod cursor;
mod departures;
mod description;
mod detection;
mod directory;
mod errors;
mod evidence;
mod explain;
mod freshness;
mod lookup;
mod members;
mod preset;
mod read;

mod anchor;
mod change_time;
mod decode;
mod dn;
mod filter;
mod group_class;
mod groups;
mod paging;
mod references;
mod rights;
mod root_dse;
mod schema;
mod scope;

mod bind;
mod connection;
mod endpoint;
mod operation_log;
mod search;
mod server;
mod server_state;
mod tls;
// Public for a server that shares the encoding.
#[cfg(feature = "wire")]
#[doc(hidden)]
pub mod wire;
#[cfg(not(feature = "wire"))]
mod wire;

pub use changes::{ChangeRead, ChangeResponse, ChangeSet, ScopeComparison};
pub use config::{AnchorAttribute, AnchorForm, Bind, ChangeDetection, DirectoryConfig, Membership, Scope};
pub use cursor::Cursor;
pub use departures::DepartureCheck;
pub use description::ServerDescription;
pub use directory::Directory;
pub use dn::is_dn;
pub use endpoint::check_address;
pub use errors::{DirectoryError, DirectoryOperation};
pub use explain::{MembershipPath, ScopeCondition, ScopeConditionKind, ScopeExplanation};
pub use filter::{FilterError, check_filter, escape, escape_bytes};
pub use preset::{ServerKind, ServerPreset, UnknownServerKind};
pub use read::{FullRead, ReadItem};
pub use schema::UnknownAttribute;
