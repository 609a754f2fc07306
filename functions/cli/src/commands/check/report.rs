//! Results of the tests of `check`.

use serde::Serialize;

use crate::output::{BAD, CHANGED, FAINT, GOOD, Lines, paint};

/// Results of the tests.
#[derive(Debug, Default, Serialize)]
pub(super) struct CheckReport {
    /// Whether nothing stops a run.
    ok: bool,
    steps: Vec<CheckStep>,
}

#[derive(Debug, Serialize)]
struct CheckStep {
    tried: &'static str,
    level: CheckLevel,
    result: String,
}

/// What the result of a test means for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum CheckLevel {
    Ok,
    /// A run is possible, and something is probably not as intended.
    Warning,
    /// No run is possible.
    Fail,
}

impl CheckReport {
    pub(super) fn good(&mut self, tried: &'static str, result: impl Into<String>) {
        self.add(tried, CheckLevel::Ok, result);
    }

    pub(super) fn warn(&mut self, tried: &'static str, result: impl Into<String>) {
        self.add(tried, CheckLevel::Warning, result);
    }

    pub(super) fn bad(&mut self, tried: &'static str, result: impl Into<String>) {
        self.add(tried, CheckLevel::Fail, result);
    }

    fn add(&mut self, tried: &'static str, level: CheckLevel, result: impl Into<String>) {
        self.steps.push(CheckStep { tried, level, result: result.into() });
    }

    /// Ends the tests; whether nothing stops a run.
    pub(super) fn end(&mut self) -> bool {
        self.ok = self.steps.iter().all(|step| step.level != CheckLevel::Fail);
        self.ok
    }

    pub(super) fn text(&self) -> String {
        let mut lines = Lines::default();
        for CheckStep { tried, level, result } in &self.steps {
            let (mark, result) = match level {
                CheckLevel::Ok => (paint(GOOD, "ok     "), paint(FAINT, result)),
                CheckLevel::Warning => (paint(CHANGED, "warning"), result.clone()),
                CheckLevel::Fail => (paint(BAD, "FAIL   "), result.clone()),
            };
            lines.add(format!("{mark} {tried:<16} {result}"));
        }
        lines.text()
    }
}
