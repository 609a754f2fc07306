//! What the provisioner said, and what it did to whom.

use end_to_end::Finished;
use serde_json::Value;
use simulator::Request;

/// Expectations of what a call wrote, each of which fails with all of it.
pub trait Said {
    /// It wrote this, for its user or beside that.
    fn says(&self, text: &str) -> &Self;

    /// It wrote this nowhere.
    fn never_says(&self, text: &str) -> &Self;

    /// One line of its answer holds all of these: usually who, what and why.
    fn says_in_a_line(&self, words: &[&str]) -> &Self;

    /// How many lines of its answer hold all of these.
    fn lines_with(&self, words: &[&str]) -> usize;
}

impl Said for Finished {
    #[track_caller]
    fn says(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "it does not say {text:?}\n{self}");
        self
    }

    #[track_caller]
    fn never_says(&self, text: &str) -> &Self {
        assert!(!self.stdout.contains(text) && !self.stderr.contains(text), "it says {text:?}\n{self}");
        self
    }

    #[track_caller]
    fn says_in_a_line(&self, words: &[&str]) -> &Self {
        assert!(self.lines_with(words) > 0, "no line says {words:?}\n{self}");
        self
    }

    fn lines_with(&self, words: &[&str]) -> usize {
        self.stdout.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }
}

/// Whether a request asks for an account to be switched off, by whichever of the two ways.
pub fn switches_off(request: &Request) -> bool {
    let Some(body) = &request.body else { return false };
    let off = |value: &Value| *value == Value::Bool(false);
    let by_patch = body["Operations"].as_array().into_iter().flatten().any(|operation| {
        off(&operation["value"]["active"]) || (operation["path"] == "active" && off(&operation["value"]))
    });
    off(&body["active"]) || by_patch
}

/// Requests as lines, for messages that say what was asked instead.
pub fn lines(requests: &[Request]) -> String {
    let lines = requests.iter().map(|request| {
        let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
        format!("{request} {body}\n")
    });
    lines.collect()
}
