//! Provision requests over SQS.
//!
//! A [`ProvisionRequest`] names a user and a version, never a change. It may arrive twice, late, out of order or not at
//! all: the receiver reads the record, which says what to do. So [`Queue::send`] may leave some requests
//! [unsent](SendResult::unsent) without failing. The records stay pending, and the next scan sends them again.
//!
//! Lambda receives and deletes messages. The function can only [delay](Queue::delay) the return of one.
//!
//! There is no clock and no environment here: the caller passes the client and the queue's URL.

mod direct;
mod errors;
mod queue;
mod request;
mod send;

pub use direct::{DirectRequest, EntryState, PlannedUpdate};
pub use errors::QueueError;
pub use queue::Queue;
pub use request::{MalformedRequest, ProvisionRequest};
pub use send::SendResult;
