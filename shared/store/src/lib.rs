//! State of the provisioner, in one DynamoDB table.
//!
//! A [`Table`] holds any number of connections; a [`Store`] is one connection's part of it. The same code runs against
//! Amazon's service and, with the feature `embedded`, against an engine that keeps the table in a local file. There is
//! no second implementation that could behave differently.
//!
//! # Items
//!
//! Keys begin with the connection's name. `#` separates the parts, so `%` and `#` in the name are escaped.
//!
//! | item | `PK` | `SK` | content |
//! | --- | --- | --- | --- |
//! | connection | `<conn>` | `state` | lease and version of the scan, its summary and checkpoint, memory of the safeguard, time of the target's last answer, identity of the target |
//! | scan | `<conn>` | `scan#<version>` | summary of a recorded scan; expires like history |
//! | breaker | `<conn>` | `breaker` | reason and opening time of the circuit breaker, time of the next probe |
//! | snapshot header | `<conn>#snapshot` | `header` | generation and bucket count of the snapshot, and its writer |
//! | snapshot bucket | `<conn>#snapshot` | `<generation>#<bucket>` | sorted pairs of anchor hash and fingerprint, 32 bytes a user |
//! | dirty marker | `<conn>#snapshot` | `mark#<version>#<number>` | users that a scan is about to write, 16 bytes a user |
//! | user record | `<conn>#user#<anchor hash>` | `record` | desired user, applied state, create intent, status, lease, references; expires once the user has left |
//! | history | `<conn>#user#<anchor hash>` | `event#<seconds>#<version>#<attempt>` | an action and its result; expires |
//! | user name | `<conn>#name#<folded name>` | `owner` | entry that owns the name; expires with the record |
//! | account | `<conn>#accounts` | `<account id>` | entry that the account is linked to, and whether it is active; expires with the record |
//! | reference | `<conn>#references#<dn key>` | `<anchor hash>` | user that refers to this DN, with the account id that was sent, or none while it is unresolved |
//!
//! Records are keyed by the anchor's hash, because the snapshot knows a user that left by the hash alone. User names
//! and accounts are items rather than indexes: an index lags behind and can't be the condition of a write, and these
//! two decide ownership of an account.
//!
//! | index | keys | content |
//! | --- | --- | --- |
//! | `by_work` | `work_pk` = `<conn>`, `work_sk` = `<status>#<next attempt>#<anchor hash>` | every record that is not in sync; under `work_pk` = `<conn>#rechecks` those in sync with a missing reference |
//! | `by_dn` | `dn_pk` = `<conn>#dn#<dn key>` | every record of an entry that exists in the directory |
//!
//! Both indexes are `KEYS_ONLY`. An index says which records to read; the record is then read consistently. So lag is
//! noticed, a status change costs one small index write, and personal data is stored once.
//!
//! # Writers
//!
//! Writes are update expressions on the attributes that the writer owns, never whole items, so that scan and
//! provisioning don't overwrite each other:
//!
//! - A **scan** holds the connection's lease and a [`model::ScanVersion`]. It writes the desired user, and is refused
//!   where a later scan has written. Each of its writes increments the record's `rev`.
//! - **Provisioning** holds one user's lease, which has a new number each time. It writes the link, the applied state
//!   and the outcome, and is refused when another worker has taken the lease. When `rev` has changed, the applied state
//!   is kept and the user stays pending. An outcome without doubt about the account stores the lease's number: the
//!   holder of the very next lease knows that nothing was sent since.
//!
//! A record's `claimed` is the user name that it owns; it changes only together with that name's item. So a write that
//! keeps the name is one cheap update, and a write that changes it is a transaction.
//!
//! The desired user, the applied state and the status are JSON strings rather than nested maps: nothing inside them is
//! queried, the model's serialisation is the only codec, and they take less room.
//!
//! # Retention
//!
//! Once a user is to have no account and has no active one, the record keeps only what a return needs: the anchor, the
//! account id, the user name, the reason, and for a disabled user the hash of the DN. It expires after
//! [`Store::RETENTION_DAYS`] together with the name and the account's item; its reference items are deleted at once. A
//! user that returns before that gets the same account. History holds no personal values and expires separately.
//!
//! # Throttling and lost responses
//!
//! A throttled request is retried for some seconds. After a lost response the client sends the request again, and it
//! meets its own effect: a lease is taken again under the same owner, DynamoDB recognises a repeated transaction, and a
//! released lease is identified by its number. So nothing is done twice, and a success is not mistaken for a refusal.
//!
//! Time is a parameter throughout, and nothing is read from the environment.

mod accounts;
mod batch;
mod breaker;
mod connection;
mod desired;
#[cfg(feature = "embedded")]
mod embedded;
mod errors;
mod history;
mod item;
mod keys;
mod lease;
mod link_drops;
mod marks;
mod meter;
mod outcome;
mod pack;
mod query;
mod record;
mod references;
mod retention;
mod retry;
mod retry_throttled;
mod scans;
mod siblings;
mod snapshot;
mod snapshot_writer;
mod table;
mod target;
mod transfer;
mod user_lease;
mod users;
mod work;
mod write;

pub use accounts::{AccountClaim, owned};
pub use breaker::{Breaker, BreakerReason};
pub use connection::{ConnectionState, LeaseHolder};
pub use desired::{DesiredWrite, RecordWrite, StatusWrite};
#[cfg(feature = "embedded")]
pub use embedded::Embedded;
pub use errors::StoreError;
pub use history::HistoryEvent;
pub use lease::{LeaseTaken, ScanLease};
pub use link_drops::LinkDrop;
pub use marks::DIRTY;
pub use meter::CapacityUnits;
pub use outcome::{OutcomeWrite, UserOutcome};
pub use record::UserReferences;
pub use retry::RetryResult;
pub use scans::PastScan;
pub use siblings::SiblingOwner;
pub use snapshot::Snapshot;
pub use snapshot_writer::SnapshotSave;
pub use table::{Store, Table};
pub use target::TargetReset;
pub use transfer::TransferWrite;
pub use user_lease::UserLease;
pub use users::ReadableRecords;
pub use work::{ListPage, PageKey};
