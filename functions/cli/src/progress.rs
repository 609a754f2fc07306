//! Progress bar on standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runtime::environment::variable;

/// Progress of a long step. It is shown only if standard error is a terminal that moves its cursor, and removed on drop.
pub struct Progress(ProgressBar);

impl Progress {
    /// Starts a step. Without an expected total, the bar is a counter.
    pub fn start(step: &'static str, expected: Option<u64>, is_wanted: bool) -> Self {
        let expected = expected.filter(|expected| *expected > 0);
        let target = if is_wanted && can_be_shown() {
            ProgressDrawTarget::stderr_with_hz(8)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(expected, target);
        let form = match expected {
            Some(_) => "{msg} {bar:30} {pos}/{len} {eta}",
            None => "{msg} {spinner} {pos}",
        };
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        bar.set_message(step);
        Self(bar)
    }

    /// Sets the position.
    pub fn at(&self, position: u64) {
        self.0.set_position(position);
    }

    /// Moves the position by one.
    pub fn step(&self) {
        self.0.inc(1);
    }

    /// Hides the bar while something else is written.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }
}

/// Whether the environment does not ask for plain output, as <https://no-color.org> and terminals without a cursor do.
fn can_be_shown() -> bool {
    let is_plain = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    !is_plain && variable("TERM").is_none_or(|terminal| terminal != "dumb")
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
