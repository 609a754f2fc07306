//! One measured figure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A measured number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured together.
    pub group: String,
    /// What it is.
    pub name: String,
    /// The median, where it was measured several times.
    pub value: f64,
    /// How far the measurements were apart, as a share of the value.
    pub spread: f64,
    /// In what.
    pub unit: String,
    /// Limit of the figure.
    pub target: Option<FigureTarget>,
}

/// Limit of a figure.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureTarget {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// All numbers of a run.
#[derive(Debug, Default)]
pub struct Figures(pub Vec<Figure>);

impl Figures {
    /// Adds and prints a number that was measured several times, under its group, name and unit.
    pub fn add(&mut self, [group, name, unit]: [&str; 3], measured: &[f64], target: Option<FigureTarget>) {
        let value = median(measured);
        let (least, most) = measured
            .iter()
            .fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
        let spread = if value == 0.0 { 0.0 } else { (most - least) / value };
        let figure = Figure {
            group: group.to_owned(),
            name: name.to_owned(),
            value,
            spread,
            unit: unit.to_owned(),
            target,
        };
        println!("{group}: {name} {}", figure.shown());
        self.0.push(figure);
    }
}

impl Figure {
    /// The number as a person reads it.
    pub fn shown(&self) -> String {
        let Self { value, unit, .. } = self;
        let digits = match value.abs() {
            _ if value.fract() == 0.0 => 0,
            100.0.. => 0,
            10.0.. => 1,
            _ => 2,
        };
        if unit.is_empty() { format!("{value:.digits$}") } else { format!("{value:.digits$} {unit}") }
    }

    /// Whether the target is met; `None` where there is none.
    pub fn holds(&self) -> Option<bool> {
        self.target.map(|target| match target {
            FigureTarget::AtMost(most) => self.value <= most,
            FigureTarget::AtLeast(least) => self.value >= least,
        })
    }

    /// By how much this is worse than the same number of another run, beyond noise; as a share of that one.
    pub fn worse_than(&self, other: &Self) -> Option<f64> {
        // Two runs on one machine are this far apart without a reason.
        const NOISE: f64 = 0.15;
        let more_is_better = matches!(self.target, Some(FigureTarget::AtLeast(_)))
            || self.unit.ends_with("/s")
            || self.unit == "%";
        let change = (self.value - other.value) / other.value.abs().max(f64::EPSILON);
        let worse = if more_is_better { -change } else { change };
        (worse > NOISE.max(self.spread).max(other.spread)).then_some(worse)
    }
}

/// The one in the middle.
pub fn median(measured: &[f64]) -> f64 {
    let mut sorted = measured.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// In milliseconds.
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64, spread: f64, target: Option<FigureTarget>) -> Figure {
        Figure { group: String::new(), name: String::new(), value, spread, unit: String::new(), target }
    }

    #[test]
    fn worse_is_said_beyond_noise_only() {
        let least = Some(FigureTarget::AtLeast(0.85));
        assert_eq!(figure(110.0, 0.0, None).worse_than(&figure(100.0, 0.0, None)), None);
        assert_eq!(figure(150.0, 0.0, None).worse_than(&figure(100.0, 0.0, None)), Some(0.5));
        assert_eq!(figure(150.0, 0.6, None).worse_than(&figure(100.0, 0.0, None)), None);
        assert_eq!(figure(50.0, 0.0, None).worse_than(&figure(100.0, 0.0, None)), None);
        assert_eq!(figure(0.5, 0.0, least).worse_than(&figure(1.0, 0.0, least)), Some(0.5));
    }

    #[test]
    fn a_target_holds_or_does_not() {
        assert_eq!(figure(1.2, 0.0, Some(FigureTarget::AtMost(1.3))).holds(), Some(true));
        assert_eq!(figure(0.8, 0.0, Some(FigureTarget::AtLeast(0.85))).holds(), Some(false));
        assert_eq!(figure(0.8, 0.0, None).holds(), None);
    }
}
