//! Parts of an explanation that the terminal and the console show in the same words.

use explain::{Explanation, OperatorStep, shown_word};
use minijinja::{Environment, Error, ErrorKind, Value};
use serde::Serialize;

use crate::args::{ConnectionArgs, StateLocation};
use crate::next::next_command;
use crate::output::moment;

/// The next step of an explanation.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ShownStep {
    /// What to do, or what to do before the command.
    pub text: String,
    /// A command to copy.
    pub command: Option<String>,
}

/// The next step for this user.
pub fn next_step(arguments: &ConnectionArgs, user: &str, explanation: &Explanation) -> ShownStep {
    let is_deployed = matches!(arguments.state, Some(StateLocation::DynamoDb(_)));
    let scan: &[&str] = if is_deployed { &[] } else { &["sync"] };
    let retry: &[&str] = &["retry", user];
    let (text, words): (String, &[&str]) = match &explanation.next {
        OperatorStep::Nothing => ("none".to_owned(), &[]),
        OperatorStep::NameOne => ("name one of them by its DN or its anchor".to_owned(), &[]),
        OperatorStep::CorrectName => ("check the spelling, or name the entry by its DN".to_owned(), &[]),
        OperatorStep::Scan if is_deployed => ("wait for the next scan".to_owned(), &[]),
        OperatorStep::Scan => (String::new(), scan),
        OperatorStep::Approve(hash) => (String::new(), &["approve", hash]),
        OperatorStep::ShowHeld => {
            ("restore the account and retry the user, or approve what is held:".to_owned(), &["approve"])
        }
        OperatorStep::Retry => ("correct the cause, then:".to_owned(), retry),
        OperatorStep::Wait(until) => (format!("none until {}; to retry now:", moment(*until)), retry),
        OperatorStep::CorrectEntry => ("correct the entry or the mapping, then scan:".to_owned(), scan),
        OperatorStep::CorrectConflict => (
            "let one entry alone have the user name, the account and the anchor, then scan:".to_owned(),
            scan,
        ),
        OperatorStep::TurnOnOption => {
            ("turn the option on if the action is wanted, then scan:".to_owned(), scan)
        }
        OperatorStep::CheckTarget => {
            ("correct the connection to the target; to test it:".to_owned(), &["check"])
        }
        OperatorStep::CloseBreaker => ("once the target answers:".to_owned(), &["breaker", "reset"]),
    };
    let command = (!words.is_empty()).then(|| next_command(arguments, words));
    let text = if command.is_none() { text.trim_end_matches(':').to_owned() } else { text };
    ShownStep { text, command }
}

/// Adds the filters of an explanation's template.
pub fn add_filters(environment: &mut Environment<'_>) {
    environment.add_filter("side", side);
    environment.add_filter("word", |word: &str| shown_word(word).to_owned());
}

/// The value of one side of a comparison. An empty value was read; a side that was not read has none.
fn side(value: &Value) -> Result<String, Error> {
    match value.as_str() {
        Some("not_read") => Ok("not read".to_owned()),
        Some("no_user") => Ok("–".to_owned()),
        Some("reference") => Ok("(another user)".to_owned()),
        Some(other) => {
            Err(Error::new(ErrorKind::InvalidOperation, format!("no side of a comparison: {other}")))
        }
        None => {
            let read = value.get_attr("read")?;
            Ok(if read.is_none() { "(empty)".to_owned() } else { read.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use explain::SideValue;

    #[test]
    fn empty_is_shown_only_for_a_value_that_was_read() {
        let mut environment = Environment::new();
        add_filters(&mut environment);
        for (value, expected) in [
            (SideValue::NotRead, "not read"),
            (SideValue::NoUser, "–"),
            (SideValue::Reference, "(another user)"),
            (SideValue::Read(None), "(empty)"),
            (SideValue::Read(Some("not_read".to_owned())), "not_read"),
        ] {
            let context = minijinja::context! { value => minijinja::value::Serde(&value) };
            assert_eq!(environment.render_str("{{ value|side }}", context).unwrap(), expected);
        }
    }
}
