//! Wake-ups over SQS: "look at this user".
//!
//! A [`ProvisionRequest`] names a user and a version, never a change, so it may come twice, late, out of order or not at all:
//! whoever gets it reads the record, and the record says what there is to do. That is why [`Queue::send`] may leave
//! some [unsent](Sent::unsent) without failing. The records stay pending, and the next scan sends again.
//!
//! Receiving is Lambda's part: it hands the messages to the function and deletes those that are done. What the function
//! can do with one is [delay](Queue::delay) its return.
//!
//! There is no clock and no environment in here: the client and the queue's URL are given.

mod errors;
mod queue;
mod request;
mod send;

pub use errors::QueueError;
pub use queue::Queue;
pub use request::{MalformedRequest, ProvisionRequest};
pub use send::Sent;
