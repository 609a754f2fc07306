//! What the operator sees.

mod held;
mod item;
mod outcome;
mod progress;
mod waiting;

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use model::UnixSeconds;
use scan::UnidentifiedEntry;

pub use held::HeldSummary;
#[cfg(test)]
pub use item::AttributeChange;
pub use item::{PlanInputs, ReportItem, ValueMask};
pub use outcome::item_of;
pub use progress::Progress;
pub use waiting::{KINDS, standing, waiting, waiting_page};

/// Something new.
pub const NEW: Style = AnsiColor::Green.on_default();
/// Something different.
pub const CHANGED: Style = AnsiColor::Yellow.on_default();
/// Something lost.
pub const GONE: Style = AnsiColor::Red.on_default();
/// Something wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Something good.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// A heading.
pub const HEADING: Style = Style::new().bold();
/// Something beside the point.
pub const FAINT: Style = Style::new().dimmed();

/// That the directory was not read completely, why, and which entries could not be identified.
pub fn incomplete_read(why: &str, unidentified: &[UnidentifiedEntry]) -> String {
    let mut text =
        format!("{} {why}; nobody is removed", paint(BAD, "The directory was not read completely:"));
    for UnidentifiedEntry { dn, why } in unidentified {
        let _ = write!(text, "\n      {}: {why}", plain(dn));
    }
    text
}

/// Text as it is shown: what a directory or a target holds must not move the terminal's cursor.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Text in a style. Where the output is no terminal, the style is taken off again on the way.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A moment as people read it.
pub fn moment(at: UnixSeconds) -> String {
    Timestamp::from_second(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}
