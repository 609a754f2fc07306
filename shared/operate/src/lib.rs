//! What an operator asks of a connection: why a user is in its present state.

mod explain;
pub mod explanation;

pub use explain::{ExplainError, Explaining, explain};
pub use explanation::Explanation;
