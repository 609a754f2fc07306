//! The client against a simulated Workplace, and against hand-made answers where no server would give them.

mod support;

mod create;
mod delete;
mod dialects;
mod find;
mod list;
mod switch;
mod update;

mod failures;
mod odd_answers;
mod places;
mod proof;
mod renewal;
mod retry;
mod scim2;
