//! Reads users from an LDAP directory, and says whether it saw all of them.
//!
//! The second half is the point. Whoever is missing from a read is about to lose an account, and a directory has many
//! ways of answering with half of its users: a size limit, a lost connection, a referral, an account that may not see
//! the tree any more. So this crate alone makes [`model::CompleteRead`], and nobody is removed without one.
//!
//! ```no_run
//! # async fn example(config: &directory::DirectoryConfig) -> Result<(), Box<dyn std::error::Error>> {
//! use directory::{Directory, ReadItem};
//!
//! let mut directory = Directory::connect(config).await?;
//! let mut read = directory.read(None, model::UnixSeconds(0)).await?;
//! while let Some(page) = read.next_page().await? {
//!     for sighting in page {
//!         match sighting {
//!             ReadItem::Entry(entry) => println!("{}", entry.anchor),
//!             ReadItem::Unidentified { why, .. } => println!("somebody who can't be identified: {why}"),
//!         }
//!     }
//! }
//! let proof = read.finish().await?;
//! println!("everybody was seen, on {} pages", proof.pages());
//! # Ok(())
//! # }
//! ```
//!
//! What makes a read complete:
//!
//! - every page ended with success, and the last one with the empty cookie by which the server says that it was the
//!   last;
//! - no reference to another server was left unfollowed (none is followed: see [`FullRead`] for those that don't count);
//! - everybody in scope had a usable anchor;
//! - the base entry, and the group where there is one, could be read before the first page and after the last;
//! - the server that answered the last question is the one that answered the first. There is one connection for
//!   a whole read, and never a second server;
//! - the server knows at least what was known at the read before, as far as it says how much it knows
//!   (`highestCommittedUSN`, `contextCSN`). Another server than the last time has to show that it has caught up.
//!
//! What no client can notice is a server that leaves out users and says with success that these were all: a replica
//! that is behind, an access rule that hides a branch, an early empty cookie. Two things stand behind that.
//! [`Directory::departures`] asks for everyone who seems to have left once more, each by anchor, and leaves out those
//! who are in scope after all; and the planner's safety limits hold removals that are too many.
//!
//! Errors carry meaning and advice, and name what the configuration names: the address, the base DN, the group. Never
//! a password, and nobody's data.
//!
//! The protocol is spoken here (`wire/`): libraries for it copy every value several times, which costs more than
//! everything else that a scan does, and panic on answers that they don't expect.
//!
//! A read of everybody leaves a [`Cursor`] behind, with which [`Directory::changes`] asks for what has changed since;
//! `changes/` has the ways of asking. Such a read proves something about those whom the server named, and nothing about
//! others.
//!
//! A group's members by DN or by id are kept as a set, everything else streams: memory is one page plus sixteen bytes a
//! member.

mod changes;
mod config;
mod cursor;
mod departures;
mod directory;
mod errors;
mod explain;
mod preset;
mod read;

mod anchor;
mod decode;
mod escape;
mod filter;
mod groups;
mod paging;
mod references;
mod root_dse;
mod scope;

mod bind;
mod connection;
mod endpoint;
mod search;
mod server;
mod tls;
mod wire;

pub use changes::{ChangeRead, ChangeResponse, ChangeSet, ScopeComparison};
pub use config::{AnchorAttribute, AnchorForm, Bind, ChangeDetection, DirectoryConfig, Membership, Scope};
pub use cursor::Cursor;
pub use departures::DepartureCheck;
pub use directory::Directory;
pub use errors::{DirectoryError, DirectoryOperation};
pub use escape::{escape, escape_bytes};
pub use explain::{MembershipPath, ScopeCondition, ScopeConditionKind, ScopeExplanation};
pub use filter::{FilterError, FilterProblem, check_filter};
pub use preset::{ServerKind, ServerPreset, UnknownServerKind};
pub use read::{FullRead, ReadItem};
