//! A progress bar, where somebody is watching.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Long work, shown on standard error if that is a terminal and nowhere else.
pub struct Progress(ProgressBar);

impl Progress {
    /// Starts showing. Without an expected total, it counts.
    pub fn start(doing: &'static str, expected: Option<u64>) -> Self {
        let bar = match expected.filter(|expected| *expected > 0) {
            Some(expected) => {
                ProgressBar::with_draw_target(Some(expected), ProgressDrawTarget::stderr_with_hz(8))
            }
            None => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8)),
        };
        let form = match expected {
            Some(expected) if expected > 0 => "{msg} {bar:30} {pos}/{len} {eta}",
            _ => "{msg} {spinner} {pos}",
        };
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        bar.set_message(doing);
        Self(bar)
    }

    /// Says how far it is.
    pub fn at(&self, position: u64) {
        self.0.set_position(position);
    }

    /// One more is done.
    pub fn step(&self) {
        self.0.inc(1);
    }

    /// Writes something else without tearing the bar.
    pub fn aside(&self, write: impl FnOnce()) {
        self.0.suspend(write);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
