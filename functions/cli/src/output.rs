//! Output of a command: text for people, or JSON.

use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail};
use explain::{AttributeChange, HeldSummary, ReportItem};
use jiff::Timestamp;
use model::UnixSeconds;
use scan::UnidentifiedEntry;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::clean::{is_unsafe, json, plain};
use crate::interrupt::interrupted;

/// Style of a creation.
const NEW: Style = AnsiColor::Green.on_default();
/// Style of a change.
const CHANGED: Style = AnsiColor::Yellow.on_default();
/// Style of a removal.
const GONE: Style = AnsiColor::Red.on_default();
/// Style of a failure.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Style of a success.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Style of a heading.
pub const HEADING: Style = Style::new().bold();
/// Style of details.
pub const FAINT: Style = Style::new().dimmed();

/// Standard output of a command.
pub struct Output {
    is_json: bool,
    out: Box<dyn Write + Send>,
}

impl Output {
    /// Standard output, for text or for JSON.
    pub fn new(is_json: bool) -> Self {
        Self { is_json, out: Box::new(anstream::stdout()) }
    }

    /// Whether the output is JSON.
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// Whether a person at a terminal can be asked.
    pub fn can_ask(&self) -> bool {
        !self.is_json && io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Asks a question that `y` or `yes` agrees to. Ctrl-C ends the command.
    pub async fn ask(&mut self, question: &str) -> Result<bool> {
        self.write(question)?;
        self.flush()?;
        let (answered, answer) = oneshot::channel();
        // A thread of its own: the end of the process waits for the runtime's threads, and this one waits for a line.
        std::thread::spawn(move || {
            let mut answer = String::new();
            let _ = answered.send(io::stdin().read_line(&mut answer).map(|_| answer));
        });
        tokio::select! {
            answer = answer => {
                Ok(matches!(answer??.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
            }
            () = interrupted() => bail!("interrupted; nothing was sent to the target"),
        }
    }

    /// Writes the value as JSON, or as the text that is made of it.
    pub fn show<T: Serialize>(&mut self, value: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
        match self.is_json {
            true => self.write(json(&serde_json::to_string(value)?) + "\n")?,
            false => self.line(text(value))?,
        }
        Ok(())
    }

    /// Writes an item, unless the output is JSON.
    pub fn item(&mut self, item: &ReportItem) -> io::Result<()> {
        if self.is_json { Ok(()) } else { self.line(item_text(item)) }
    }

    /// Writes a line.
    pub fn line(&mut self, text: impl Display) -> io::Result<()> {
        self.write(text)?;
        self.out.write_all(b"\n")
    }

    /// Writes text. Unsafe characters are replaced, except line ends and the styles of this module.
    pub fn write(&mut self, text: impl Display) -> io::Result<()> {
        self.out.write_all(printable(&text.to_string()).as_bytes())
    }

    /// Passes buffered output on, for a command that goes on running.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Lines of text.
#[derive(Default)]
pub struct Lines(Vec<String>);

impl Lines {
    /// Adds a line.
    pub fn add(&mut self, line: impl Display) {
        self.0.push(line.to_string());
    }

    /// Adds a line for each item.
    pub fn items(&mut self, items: &[ReportItem]) {
        self.0.extend(items.iter().map(item_text));
    }

    /// Adds a line for each held set.
    pub fn held<'a>(&mut self, held: impl IntoIterator<Item = &'a HeldSummary>) {
        self.0.extend(held.into_iter().map(held_text));
    }

    /// The text, without a line end.
    pub fn text(&self) -> String {
        self.0.join("\n")
    }
}

/// Text without unsafe characters, except line ends and this module's styles. A value that contains such a style is shown in it,
/// and a style hides nothing.
fn printable(text: &str) -> String {
    let styles = [NEW, CHANGED, BAD, GOOD, HEADING, FAINT, GONE];
    let styles: Vec<String> =
        styles.iter().flat_map(|style| [style.to_string(), format!("{style:#}")]).collect();
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c| is_unsafe(c) && c != '\n') {
        let (before, from) = rest.split_at(at);
        clean.push_str(before);
        let style = styles.iter().find(|style| !style.is_empty() && from.starts_with(style.as_str()));
        let length = match style {
            Some(style) => {
                clean.push_str(style);
                style.len()
            }
            None => {
                clean.push(char::REPLACEMENT_CHARACTER);
                from.chars().next().map_or(1, char::len_utf8)
            }
        };
        rest = from.get(length..).unwrap_or_default();
    }
    clean.push_str(rest);
    clean
}

/// Text in a style. The style is removed where the output is no terminal.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A time in seconds since 1970, as RFC 3339.
pub fn moment(at: i64) -> String {
    Timestamp::from_second(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// A time, as RFC 3339.
pub fn moment_of(at: UnixSeconds) -> String {
    moment(at.0)
}

/// An item in one line, and one more for each attribute.
pub fn item_text(item: &ReportItem) -> String {
    let ReportItem { anchor, user_name, action, why, changes, inputs: _ } = item;
    let (mark, style) = match &**action {
        "create" | "create-inactive" | "created" | "created-inactive" => ("+", NEW),
        "link" | "linked" | "transfer" => ("=", NEW),
        "update" | "reactivate" | "updated" | "reactivated" => ("~", CHANGED),
        "deactivate" | "delete" | "deactivated" | "deleted" => ("-", GONE),
        "held" | "skipped" | "pending_deletion" | "pending" | "in_sync" => ("·", CHANGED),
        _ => ("!", BAD),
    };
    let name = plain(user_name.as_deref().unwrap_or(anchor));
    let action = paint(style, format!("{action:<16}"));
    let mut text = format!("{} {name:<32} {action} {}", paint(style, mark), paint(FAINT, plain(why)));
    for change in changes {
        let AttributeChange { attribute, from, to } = change;
        let shown = match (from, to) {
            (None, Some(to)) => quoted(to),
            (Some(from), Some(to)) => format!("{} → {}", quoted(from), quoted(to)),
            (Some(from), None) => format!("{} → (empty)", quoted(from)),
            (None, None) => String::new(),
        };
        let _ = write!(text, "\n      {attribute:<28} {shown}");
    }
    text
}

/// The beginning of a value, in quotes.
fn quoted(value: &str) -> String {
    let clean = plain(value);
    let mut short: String = clean.chars().take(80).collect();
    if short.len() < clean.len() {
        short.push('…');
    }
    format!("\"{short}\"")
}

/// A held set in one line.
fn held_text(held: &HeldSummary) -> String {
    let HeldSummary { hash, what, approved_until: _, approved_by } = held;
    match approved_by {
        None => format!("{} {what}; if that is intended: provisioner approve {hash}", paint(BAD, "Held:")),
        Some(by) => format!("Approved by {}: {what}; the next scan releases them", plain(by)),
    }
}

/// Why a read was incomplete, and the entries that could not be identified.
pub fn incomplete_read(why: &str, unidentified: &[UnidentifiedEntry]) -> String {
    let heading = paint(BAD, "Directory read incomplete:");
    let mut text = format!("{heading} {why}; no accounts will be deprovisioned in this run");
    for UnidentifiedEntry { dn, why } in unidentified {
        let _ = write!(text, "\n      {}: {why}", plain(dn));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_styles_and_line_ends_are_printed() {
        let bad = paint(BAD, "error:");
        assert_eq!(printable(&format!("{bad} a\nb")), format!("{bad} a\nb"));
        // Concealed text, a cursor movement, a title, and a reversed order.
        for hostile in ["\u{1b}[8mhidden", "\u{1b}[2A", "\u{1b}]0;x\u{7}", "a\u{202e}b", "a\rb"] {
            let shown = printable(&format!("{bad} {hostile}"));
            let shown = shown.strip_prefix(&bad).unwrap();
            assert!(!shown.contains(is_unsafe), "{shown:?}");
            assert!(shown.contains('\u{fffd}'), "{shown:?}");
        }
    }
}
