//! Output of a command: text for people, or JSON.

use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail};
use explain::{AttributeChange, HeldSummary, ReportItem, shown_word};
use jiff::Timestamp;
use model::UnixSeconds;
use scan::UnidentifiedEntry;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::args::ConnectionArgs;
use crate::clean::{is_unsafe, json, plain};
use crate::interrupt::interrupted;
use crate::session::Session;
use crate::wrap::{FOLD, fitted};

/// Style of a creation.
const NEW: Style = AnsiColor::Green.on_default();
/// Style of a change.
pub const CHANGED: Style = AnsiColor::Yellow.on_default();
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

/// Columns of a terminal that does not say its size.
const USUAL_COLUMNS: usize = 80;

/// Standard output of a command.
pub struct Output {
    is_json: bool,
    /// Whether summaries and errors alone are shown.
    is_quiet: bool,
    /// Columns of the terminal; `None` if the output is no terminal.
    width: Option<usize>,
    has_legend: bool,
    out: Box<dyn Write + Send>,
}

impl Output {
    /// Standard output, for text or for JSON.
    pub fn new(is_json: bool) -> Self {
        let terminal = ::console::Term::stdout();
        let columns = || terminal.size_checked().map_or(USUAL_COLUMNS, |(_, columns)| columns.into());
        let width = io::stdout().is_terminal().then(columns);
        Self { is_json, is_quiet: false, width, has_legend: false, out: Box::new(anstream::stdout()) }
    }

    /// Standard output of a command on a connection.
    pub fn of(arguments: &ConnectionArgs) -> Self {
        Self { is_quiet: arguments.quiet, ..Self::new(arguments.json) }
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

    /// Writes an item, unless the output is JSON. The legend of the marks comes before the first one.
    pub fn item(&mut self, item: &ReportItem) -> io::Result<()> {
        if self.is_json || self.is_quiet {
            return Ok(());
        }
        self.legend()?;
        self.line(item_text(item))
    }

    /// Writes the legend of the marks once, unless the output is JSON.
    pub fn legend(&mut self) -> io::Result<()> {
        if self.is_json || self.is_quiet || std::mem::replace(&mut self.has_legend, true) {
            return Ok(());
        }
        self.line(paint(FAINT, LEGEND))
    }

    /// Writes a line, folded to the terminal's width.
    pub fn line(&mut self, text: impl Display) -> io::Result<()> {
        self.write(fitted(&text.to_string(), self.width))?;
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

    /// Adds the legend of the marks.
    pub fn legend(&mut self) {
        self.add(paint(FAINT, LEGEND));
    }

    /// Adds a line for each item.
    pub fn items(&mut self, items: &[ReportItem]) {
        self.0.extend(items.iter().map(item_text));
    }

    /// Adds each held set, with the command that approves it.
    pub fn held<'a>(&mut self, held: impl IntoIterator<Item = &'a HeldSummary>, session: &Session) {
        for HeldSummary { hash, what, limits: _, approved_until: _, approved_by } in held {
            match approved_by {
                None => {
                    self.add(format!("{} {what}. If that is intended:", paint(BAD, "Awaiting approval:")));
                    self.command(&session.next(&["approve", hash]));
                }
                Some(by) => {
                    let heading = paint(GOOD, format!("Approved by {}:", plain(by)));
                    self.add(format!("{heading} {what}; done by the next sync"));
                }
            }
        }
    }

    /// Adds a command to copy.
    pub fn command(&mut self, command: &str) {
        self.add(format!("  {command}"));
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

/// Columns of most actions.
const ACTION_COLUMNS: usize = 17;

/// The marks of [`item_text`].
const LEGEND: &str = "+ create  = link  ~ update  - deactivate or delete  \u{b7} waits  ! failed";

/// An item in one line, and one more for each attribute.
fn item_text(item: &ReportItem) -> String {
    let ReportItem { action, why, changes, .. } = item;
    let (mark, style) = match &**action {
        "create" | "create-inactive" | "created" | "created-inactive" => ("+", NEW),
        "link" | "linked" | "transfer" | "transferred" => ("=", NEW),
        "update" | "reactivate" | "updated" | "reactivated" | "renamed" => ("~", CHANGED),
        "deactivate" | "delete" | "deactivated" | "deleted" => ("-", GONE),
        "held" | "approved" | "skipped" | "pending_deletion" | "pending" | "in_sync" => ("·", CHANGED),
        _ => ("!", BAD),
    };
    let name = plain(item.name());
    let word = shown_word(action);
    let padding = " ".repeat(ACTION_COLUMNS.saturating_sub(word.chars().count()));
    let action = paint(style, word) + &padding;
    let why = paint(FAINT, plain(why));
    let mut text = format!("{} {name:<32} {action}{FOLD}{why}", paint(style, mark));
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
