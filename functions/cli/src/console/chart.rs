//! Bar charts of the last scans: accounts that each planned to create, to update, and to deactivate or delete.
//!
//! Each action has its own labelled chart, and a table has the same numbers, so no meaning depends on colour.

use serde::Serialize;
use serde_json::Value;
use store::PastScan;

/// Height of the highest bar, in units of the chart.
const HEIGHT: u64 = 100;

/// Charted actions: keys of a scan's summary, and labels.
const ACTIONS: [(&str, &str); 3] =
    [("created", "To create"), ("updated", "To update"), ("deprovisioned", "To deactivate or delete")];

/// Charts of some scans.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ScanChart {
    /// Number of bars with their gaps.
    places: usize,
    rows: Vec<ChartRow>,
}

/// The chart of one action.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ChartRow {
    /// Key in a scan's summary, and class of the chart.
    kind: &'static str,
    label: &'static str,
    /// Sum over all scans.
    total: u64,
    /// Maximum of one scan.
    most: u64,
    bars: Vec<ChartBar>,
}

/// Bar of a scan. A scan without such an action has none.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ChartBar {
    x: usize,
    y: u64,
    height: u64,
}

impl ScanChart {
    /// Charts scans that are sorted newest first. The newest is the rightmost bar.
    pub fn of(scans: &[PastScan], places: usize) -> Self {
        let rows = ACTIONS.iter().map(|(kind, label)| ChartRow::of(scans, places, kind, label));
        Self { places, rows: rows.collect() }
    }
}

impl ChartRow {
    fn of(scans: &[PastScan], places: usize, kind: &'static str, label: &'static str) -> Self {
        let count = |scan: &PastScan| scan.summary.get(kind).and_then(Value::as_u64).unwrap_or_default();
        let counts: Vec<u64> = scans.iter().take(places).map(count).collect();
        let most = counts.iter().copied().max().unwrap_or_default();
        let bars = counts.iter().zip((0..places).rev()).filter(|(count, _)| **count > 0);
        let bars = bars.map(|(count, x)| {
            // A small number stays visible.
            let height = (count.saturating_mul(HEIGHT) / most.max(1)).max(4);
            ChartBar { x, y: HEIGHT.saturating_sub(height), height }
        });
        let total = counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count));
        Self { kind, label, total, most, bars: bars.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ScanVersion, UnixSeconds};
    use serde_json::json;

    #[test]
    fn bar_heights_follow_the_numbers_and_the_newest_is_last() {
        let scan = |created: Value| PastScan {
            version: ScanVersion(1),
            began: UnixSeconds(0),
            ended: UnixSeconds(1),
            summary: json!({ "created": created }),
        };
        let scans = [scan(json!(50)), scan(json!("nonsense")), scan(json!(1_000)), scan(json!(1))];
        let chart = ScanChart::of(&scans, 10);
        let [created, updated, _] = &chart.rows[..] else { panic!("three actions") };
        assert_eq!((created.total, created.most), (1_051, 1_000));
        let bars: Vec<_> = created.bars.iter().map(|bar| (bar.x, bar.y, bar.height)).collect();
        assert_eq!(bars, [(9, 95, 5), (7, 0, 100), (6, 96, 4)]);
        assert_eq!((updated.total, updated.bars.len()), (0, 0));
    }
}
