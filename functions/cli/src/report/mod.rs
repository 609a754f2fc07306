//! What the operator sees.

mod item;
mod outcome;
mod progress;

use anstyle::{AnsiColor, Style};

pub use item::{Item, Shown};
pub use outcome::item_of;
pub use progress::Progress;

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

/// Text in a style. Where the output is no terminal, the style is taken off again on the way.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
