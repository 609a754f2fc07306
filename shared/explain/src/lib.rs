//! Explanations and lists for an operator: one user's entry, record, account and waits, in words. Masked values are replaced.
//!
//! Each side of an explanation needs the server that it is about, and no function reaches both. So each side is a feature:
//! `entry` for programs that read the directory, `account` for programs that call the target. The values are common.

mod explanation;
mod held;
mod item;
mod words;

#[cfg(feature = "account")]
mod account;
#[cfg(feature = "account")]
mod mask;
#[cfg(feature = "account")]
mod waits;

#[cfg(feature = "entry")]
mod entry;
#[cfg(feature = "entry")]
mod next_step;
#[cfg(feature = "entry")]
mod user;

#[cfg(feature = "account")]
pub use account::{AccountContext, AccountSubject, explain_account};
#[cfg(feature = "entry")]
pub use entry::{EntryExplanation, MatchingEntry, TargetSearch, UserSearch};
pub use explanation::{
    AccountExplanation, AccountSummary, AppliedExplanation, AttributeComparison, RecordExplanation,
    SideValue, Wait,
};
pub use held::{ExceededLimit, HeldSummary, change_words, effect_words, hold_reason, removal_words};
pub use item::{AttributeChange, PlanInputs, ReportItem};
#[cfg(feature = "account")]
pub use mask::ValueMask;
#[cfg(feature = "entry")]
pub use next_step::OperatorStep;
#[cfg(feature = "entry")]
pub use user::Explanation;
pub use words::shown_word;
