//! Questions of an operator about one connection.

mod explain;

pub use explain::{ExplainError, Explanation, explain};
