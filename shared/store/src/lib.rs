//! The provisioner's state, in one DynamoDB table.
//!
//! A [`Table`] holds any number of connections; a [`Store`] is one connection's part of it. The same code runs
//! against Amazon's service and, on one machine, against an [`Embedded`] engine that keeps the table in a file:
//! there is no second implementation that could behave differently.
//!
//! # The items
//!
//! Keys begin with the connection's name (with `%` and `#` escaped, because `#` separates the parts).
//!
//! | item | `PK` | `SK` | holds |
//! | --- | --- | --- | --- |
//! | connection | `<conn>` | `state` | the scan's lease, the version counter, what the last scan left behind, what the safety checks remember, when the target last served somebody |
//! | scan | `<conn>` | `scan#<version>` | the numbers of a scan that is worth remembering; expires like history |
//! | breaker | `<conn>` | `breaker` | why nobody is tried at the target, since when, and when the next may |
//! | snapshot header | `<conn>#snapshot` | `header` | how the snapshot is cut into buckets, and who wrote it |
//! | snapshot bucket | `<conn>#snapshot` | `<generation>#<bucket>` | sorted pairs of anchor hash and fingerprint, 32 bytes a user |
//! | mark | `<conn>#snapshot` | `mark#<version>#<number>` | whom a scan is about to write, 16 bytes a user |
//! | user record | `<conn>#user#<anchor hash>` | `record` | what is desired, what was applied and what was otherwise then, a creation that is under way, where the user stands, who works on it, to whom it refers and for whom it waits; expires once the user has left |
//! | history | `<conn>#user#<anchor hash>` | `event#<seconds>#<version>#<attempt>` | what was done and with which result; expires |
//! | user name | `<conn>#name#<folded name>` | `owner` | which entry the name belongs to; expires with the record |
//! | account | `<conn>#accounts` | `<account id>` | which entry the account is linked to, and whether it is active; expires with the record |
//! | waiting | `<conn>#waits#<dn key>` | `<anchor hash>` | a user who refers to that name: the account that was sent, or none while it could not be resolved |
//!
//! Records are keyed by the anchor's hash, because a user who left is known from the snapshot, and there by the hash
//! alone. Names and accounts are items of their own rather than indexes over the records: an index lags behind and
//! can't be the condition of a write, and these two decide who an account belongs to.
//!
//! | index | keys | holds |
//! | --- | --- | --- |
//! | `by_work` | `work_pk` = `<conn>`, `work_sk` = `<status>#<next attempt>#<anchor hash>` | every record that is not settled |
//! | `by_dn` | `dn_pk` = `<conn>#dn#<dn key>` | every record whose entry is somewhere in the directory |
//!
//! Both are `KEYS_ONLY`. An index says where to look, and then the record itself is read, consistently: what lags
//! is noticed, a status change costs one small index write however large the user is, and personal data has one place.
//!
//! # Who may write what
//!
//! Writes are update expressions on the attributes that the writer owns, never whole items, so that the two sides
//! don't overwrite each other:
//!
//! - A **scan** holds the connection's lease and a [`model::ScanVersion`] of its own. It writes what is desired, and is refused
//!   where a later scan has written already. Each of its writes raises the record's `rev`.
//! - **Provisioning** holds one user's lease, numbered anew each time it is taken. It writes the link, what was
//!   applied and the outcome, and is refused when the lease went to somebody else. When `rev` moved meanwhile, the
//!   outcome is an old question's answer: what was applied is kept, and the user is not settled. An outcome that leaves no
//!   doubt about the account writes down its lease's number: whoever takes the very next lease knows that nothing was
//!   sent since.
//!
//! A record's `claimed` names the user name that it owns; it changes only together with that name's item. So a
//! write that leaves the name alone is a single, cheap update, and one that changes it is a transaction.
//!
//! What a user should be, what was applied and the status are JSON strings rather than nested maps: nothing
//! inside them is ever queried, the model's own serialisation is the only codec, and they take less room.
//!
//! # What remains of somebody who left
//!
//! Once a user is to have no account and has no active one, the record holds only what a return needs: the anchor, the
//! account's id, the user name and why they left (and, for somebody who is disabled and thus still in the directory,
//! the hash of where). It expires after [`Store::RETENTION_DAYS`] together with the name claim and the account's item,
//! and their `waiting` items go at once. Whoever returns before that is kept again, with the same account. History
//! holds no one's values and expires on its own.
//!
//! # When the table is busy or an answer is lost
//!
//! A request that the table was too busy for is tried again for some seconds. One whose answer was lost is sent
//! again by the client, and then meets what it did itself: a lease is taken anew under the same owner, transactions are
//! recognised by the service, and a returned lease is told by its number. So nothing is done twice, and what was done is
//! not taken for refused.
//!
//! Time is a parameter throughout, and nothing is read from the environment.

mod accounts;
mod applied;
mod batch;
mod breaker;
mod claims;
mod desired;
#[cfg(feature = "embedded")]
mod embedded;
mod errors;
mod history;
mod item;
mod keys;
mod lease;
mod marks;
mod meter;
mod pack;
mod query;
mod record;
mod retention;
mod retry;
mod retry_throttled;
mod scans;
mod snapshot;
mod table;
mod target;
mod users;
mod waiting;
mod work;
mod write;

pub use accounts::{AccountClaim, owned};
pub use applied::{OutcomeWrite, UserLease, UserOutcome};
pub use breaker::{Breaker, BreakerReason};
pub use desired::{DesiredWrite, RecordWrite};
#[cfg(feature = "embedded")]
pub use embedded::Embedded;
pub use errors::StoreError;
pub use history::HistoryEvent;
pub use lease::{ConnectionState, LeaseHolder, LeaseTaken, ScanLease};
pub use marks::DIRTY;
pub use meter::CapacityUnits;
pub use retry::RetryResult;
pub use scans::PastScan;
pub use snapshot::{Snapshot, SnapshotSave};
pub use table::{Store, Table};
pub use target::TargetReset;
pub use waiting::Awaited;
pub use work::{ListPage, PageKey};
