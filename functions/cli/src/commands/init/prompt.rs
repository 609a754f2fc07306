//! Questions on a terminal.

use std::fmt::Display;
use std::io;

use anyhow::Result;
use directory::ServerKind;

use super::usage;
use crate::output::Output;

/// Asks questions where a person can answer.
pub(super) struct Prompt {
    output: Output,
}

impl Prompt {
    pub(super) fn new(output: Output) -> Self {
        Self { output }
    }

    pub(super) fn can_ask(&self) -> bool {
        self.output.can_ask()
    }

    pub(super) fn say(&mut self, text: impl Display) -> Result<()> {
        Ok(self.output.line(text)?)
    }

    /// A valid answer. An empty one stands for the default, if there is one.
    pub(super) fn ask(
        &mut self,
        question: &str,
        default: Option<&str>,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<String> {
        let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
        loop {
            self.output.write(format!("{question}{shown}: "))?;
            self.output.flush()?;
            let mut answer = String::new();
            if io::stdin().read_line(&mut answer)? == 0 {
                return Err(usage(
                    &"the input ended before the last question; nothing is written to the configuration",
                ));
            }
            let answer = match (answer.trim(), default) {
                ("", Some(default)) => default.to_owned(),
                (answer, _) => answer.to_owned(),
            };
            match check(&answer) {
                Ok(()) => return Ok(answer),
                Err(problem) => self.say(problem)?,
            }
        }
    }

    /// An answer that is not shown while it is typed.
    pub(super) fn ask_hidden(&mut self, question: &str) -> Result<String> {
        self.output.write(format!("{question}: "))?;
        self.output.flush()?;
        Ok(console::Term::stdout().read_secure_line()?)
    }

    /// The kind of a directory that does not answer.
    pub(super) fn kind(&mut self) -> Result<ServerKind> {
        let kinds = ServerKind::NAMES.join(", ");
        if !self.can_ask() {
            return Err(usage(&format!(
                "the kind of the directory is not known; add --kind KIND, one of {kinds}"
            )));
        }
        let valid = |kind: &str| kind.parse::<ServerKind>().map(drop).map_err(|error| error.to_string());
        let kind = self.ask(&format!("Kind of directory ({kinds})"), None, valid)?;
        kind.parse().map_err(|error: directory::UnknownServerKind| usage(&error))
    }
}
