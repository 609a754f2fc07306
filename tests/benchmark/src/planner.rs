//! The planner alone, as measured by criterion: `tests/bench` runs `benches/planner.rs` before.

use std::fs;

use anyhow::Context as _;
use serde_json::Value;

use crate::figure::{FigureTarget, Figures};

/// Reads criterion's figures.
pub fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    for (case, name, target) in [
        ("unchanged", "entries that are as they were", Some(FigureTarget::AtLeast(500_000.0))),
        ("changed", "entries that have changed: mapping, diff and plan", None),
    ] {
        let path = format!("target/criterion/planner/{case}/new/estimates.json");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{path} is missing: run cargo bench -p benchmark first"))?;
        let said: Value = serde_json::from_str(&text)?;
        let nanos = said["median"]["point_estimate"].as_f64().unwrap_or(f64::NAN);
        let bounds = &said["median"]["confidence_interval"];
        let bound = |which: &str| 1e9 / bounds[which].as_f64().unwrap_or(f64::NAN);
        let measured = [bound("upper_bound"), 1e9 / nanos, bound("lower_bound")];
        figures.add(["Planner alone, one core", name, "entries/s"], &measured, target);
    }
    Ok(())
}
