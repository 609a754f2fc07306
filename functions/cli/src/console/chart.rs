//! The last scans as bars: how many accounts each was to create, update and remove.
//!
//! Each kind has bars of its own under a label, and the same numbers stand in a table, so nothing is told by colour.

use serde::Serialize;
use serde_json::Value;
use store::PastScan;

/// How high the highest bar is, in the picture's own measure.
const HEIGHT: u64 = 100;

/// What is shown, by its name in a scan's summary.
const KINDS: [(&str, &str); 3] =
    [("created", "Created"), ("updated", "Updated"), ("deprovisioned", "Removed")];

/// A picture of some scans.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ScanChart {
    /// How many bars there is room for.
    places: usize,
    rows: Vec<ChartRow>,
}

/// The bars of one kind.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ChartRow {
    /// Its name in a summary, which is its class in the picture too.
    kind: &'static str,
    label: &'static str,
    /// Of all scans together.
    total: u64,
    /// Of one scan.
    most: u64,
    bars: Vec<ChartBar>,
}

/// A scan's bar; a scan with none has no bar.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ChartBar {
    x: usize,
    y: u64,
    height: u64,
}

impl ScanChart {
    /// The picture of these scans, of which the newest comes first; there it is the rightmost of so many places.
    pub fn of(scans: &[PastScan], places: usize) -> Self {
        let rows = KINDS.iter().map(|(kind, label)| ChartRow::of(scans, places, kind, label));
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
            // However few, they can be seen.
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
    fn bars_are_as_high_as_their_numbers_and_the_newest_is_last() {
        let scan = |created: Value| PastScan {
            version: ScanVersion(1),
            began: UnixSeconds(0),
            ended: UnixSeconds(1),
            summary: json!({ "created": created }),
        };
        let scans = [scan(json!(50)), scan(json!("nonsense")), scan(json!(1_000)), scan(json!(1))];
        let chart = ScanChart::of(&scans, 10);
        let [created, updated, _] = &chart.rows[..] else { panic!("three kinds") };
        assert_eq!((created.total, created.most), (1_051, 1_000));
        let bars: Vec<_> = created.bars.iter().map(|bar| (bar.x, bar.y, bar.height)).collect();
        assert_eq!(bars, [(9, 95, 5), (7, 0, 100), (6, 96, 4)]);
        assert_eq!((updated.total, updated.bars.len()), (0, 0));
    }
}
