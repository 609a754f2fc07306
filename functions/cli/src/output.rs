//! Output of a command: text for people, or JSON.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use explain::{AttributeChange, HeldSummary, ReportItem};
use jiff::Timestamp;
use model::UnixSeconds;
use scan::UnidentifiedEntry;
use serde::Serialize;

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

    /// Writes the value as JSON, or as the text that is made of it.
    pub fn show<T: Serialize>(&mut self, value: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
        let text = if self.is_json { serde_json::to_string(value)? } else { text(value) };
        self.line(text)?;
        Ok(())
    }

    /// Writes an item, unless the output is JSON.
    pub fn item(&mut self, item: &ReportItem) -> io::Result<()> {
        if self.is_json { Ok(()) } else { self.line(item_text(item)) }
    }

    /// Writes a line.
    pub fn line(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// Writes text as it is.
    pub fn write(&mut self, text: impl Display) -> io::Result<()> {
        write!(self.out, "{text}")
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

/// Text without control characters, so that a value of the directory or the target can't move the terminal's cursor.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
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
    let HeldSummary { hash, what, approved_until } = held;
    match approved_until {
        None => format!("{} {what}; if that is intended: provisioner approve {hash}", paint(BAD, "Held:")),
        Some(_) => format!("Approved: {what}; the next scan releases them"),
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
