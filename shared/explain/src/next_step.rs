//! Result of an explanation in one line, and what the operator does next.

use serde::Serialize;

use crate::entry::{EntryExplanation, MatchingEntry, TargetSearch, UserSearch};
use crate::explanation::{AccountExplanation, RecordExplanation, Wait};
use crate::item::ReportItem;
use crate::words::shown_word;

/// What the operator does next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorStep {
    /// Nothing.
    Nothing,
    /// Name one of the matching entries.
    NameOne,
    /// Correct the name, or the scope.
    CorrectName,
    /// Run a scan, or wait for the next one.
    Scan,
    /// Approve what is held, by its hash.
    Approve(String),
    /// Show what is held, and approve it or correct its cause.
    ShowHeld,
    /// Correct the cause, then retry the user.
    Retry,
    /// Wait until this time, in seconds since 1970, or retry the user.
    Wait(i64),
    /// Correct the entry or the mapping.
    CorrectEntry,
    /// Correct the entry that has the same user name, account or anchor.
    CorrectConflict,
    /// Turn the option on, if the action is wanted.
    TurnOnOption,
    /// Correct the connection to the target.
    CheckTarget,
    /// Close the circuit breaker, once the target answers.
    CloseBreaker,
}

/// Result and next step of an explanation.
pub(crate) fn conclude(
    several: &[MatchingEntry],
    searched: Option<&UserSearch>,
    entry: Option<&EntryExplanation>,
    account: &AccountExplanation,
) -> (String, OperatorStep) {
    if !several.is_empty() {
        return (format!("{} entries match", several.len()), OperatorStep::NameOne);
    }
    if entry.is_none() && account.record.is_none() {
        let target = searched.map(|searched| &searched.target);
        return match target {
            Some(TargetSearch::Unmanaged(account)) => (
                format!("unmanaged: the account {} at the target was never linked to an entry", account.id),
                OperatorStep::Nothing,
            ),
            _ => ("not found".to_owned(), OperatorStep::CorrectName),
        };
    }
    by_wait(account)
        .or_else(|| by_entry(entry))
        .or_else(|| by_target(account))
        .or_else(|| by_action(account))
        .unwrap_or_else(|| (without_action(entry, account), OperatorStep::Nothing))
}

/// The first wait that an operator can end, or that has an end.
fn by_wait(account: &AccountExplanation) -> Option<(String, OperatorStep)> {
    let wait = account.waits.iter().find(|wait| is_decisive(wait, account))?;
    let Wait { what, why, held: _, approve, approved_by, until } = wait;
    let in_brackets = |item: &ReportItem| format!("{} ({})", shown_word(&item.action), item.why);
    let action = account.would.last().map_or_else(|| why.clone(), in_brackets);
    if let Some(hash) = approve {
        return Some(match approved_by {
            Some(by) => (format!("approved by {by}: {action}"), OperatorStep::Scan),
            None => (format!("awaiting approval: {action}"), OperatorStep::Approve(hash.clone())),
        });
    }
    let result = format!("{}: {why}", shown_word(what));
    Some(match (what.as_str(), until) {
        ("retrying", Some(until)) => (result, OperatorStep::Wait(*until)),
        ("failed", _) => (result, OperatorStep::Retry),
        ("account_gone", _) => (result, OperatorStep::ShowHeld),
        ("conflict", _) => (result, OperatorStep::CorrectConflict),
        ("skipped", _) => (result, OperatorStep::TurnOnOption),
        ("pending_deletion", _) => (result, OperatorStep::Nothing),
        ("breaker", _) => (format!("pending: {why}"), OperatorStep::CloseBreaker),
        _ => (format!("pending: {why}"), OperatorStep::Scan),
    })
}

/// Whether the wait is the result. A stored status that says nothing about the present decision is not: the entry was
/// corrected since, or the option was turned on.
fn is_decisive(wait: &Wait, account: &AccountExplanation) -> bool {
    match wait.what.as_str() {
        "invalid" => false,
        "skipped" => account.would.iter().any(|item| item.action == "skipped"),
        _ => true,
    }
}

fn by_entry(entry: Option<&EntryExplanation>) -> Option<(String, OperatorStep)> {
    let problem = entry.filter(|entry| entry.in_scope)?.problem.as_ref()?;
    Some((format!("{}: {problem}", shown_word("invalid")), OperatorStep::CorrectEntry))
}

fn by_target(account: &AccountExplanation) -> Option<(String, OperatorStep)> {
    let error = account.target_error.as_ref()?;
    Some((format!("the account was not read: {error}"), OperatorStep::CheckTarget))
}

fn by_action(account: &AccountExplanation) -> Option<(String, OperatorStep)> {
    let actions: Vec<String> = account.would.iter().map(action_text).collect();
    let next = match account.would.last()?.action.as_ref() {
        "conflict" => OperatorStep::CorrectConflict,
        _ => OperatorStep::Scan,
    };
    Some((actions.join(", then "), next))
}

fn without_action(entry: Option<&EntryExplanation>, account: &AccountExplanation) -> String {
    let status = account.record.as_ref().map(|RecordExplanation { status, .. }| status.as_str());
    match (entry, status) {
        (Some(entry), None) if !entry.in_scope => "out of scope: the user gets no account".to_owned(),
        (Some(entry), _) if !entry.in_scope => "out of scope: nothing is left to do".to_owned(),
        (Some(entry), _) if entry.desired == "disabled" => {
            "disabled in the directory: nothing is left to do".to_owned()
        }
        (None, _) => "not in the directory: nothing is left to do".to_owned(),
        (Some(_), Some("in_sync")) => "in sync: nothing is left to do".to_owned(),
        (Some(_), Some(status)) => format!("{}: the account equals the desired user", shown_word(status)),
        (Some(_), None) => "not scanned yet: nothing is to be done".to_owned(),
    }
}

/// An action and its reason.
fn action_text(item: &ReportItem) -> String {
    format!("{}: {}", shown_word(&item.action), item.why)
}
