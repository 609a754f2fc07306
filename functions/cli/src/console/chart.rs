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

/// The bars of one kind.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name in a summary, which is its class in the picture too.
    kind: &'static str,
    label: &'static str,
    /// Of all scans together.
    total: u64,
    /// Of one scan.
    most: u64,
    bars: Vec<Bar>,
}

/// A scan's bar; a scan with none has no bar.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Bar {
    x: usize,
    y: u64,
    height: u64,
}

/// The rows for these scans, of which the newest comes first; in the picture it is the last.
pub fn rows(scans: &[PastScan]) -> Vec<Row> {
    KINDS.iter().map(|(kind, label)| row(scans, kind, label)).collect()
}

fn row(scans: &[PastScan], kind: &'static str, label: &'static str) -> Row {
    let counts =
        scans.iter().rev().map(|scan| scan.summary.get(kind).and_then(Value::as_u64).unwrap_or_default());
    let counts: Vec<u64> = counts.collect();
    let most = counts.iter().copied().max().unwrap_or_default();
    let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(x, count)| {
        // However few, they can be seen.
        let height = (count.saturating_mul(HEIGHT) / most.max(1)).max(4);
        Bar { x, y: HEIGHT.saturating_sub(height), height }
    });
    Row {
        kind,
        label,
        total: counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count)),
        most,
        bars: bars.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{UnixSeconds, Version};
    use serde_json::json;

    #[test]
    fn bars_are_as_high_as_their_numbers_and_the_newest_is_last() {
        let scan = |created: Value| PastScan {
            version: Version(1),
            began: UnixSeconds(0),
            ended: UnixSeconds(1),
            summary: json!({ "created": created }),
        };
        let scans = [scan(json!(50)), scan(json!("nonsense")), scan(json!(1_000)), scan(json!(1))];
        let [created, updated, _] = &rows(&scans)[..] else { panic!("three kinds") };
        assert_eq!((created.total, created.most), (1_051, 1_000));
        let bars: Vec<_> = created.bars.iter().map(|bar| (bar.x, bar.y, bar.height)).collect();
        assert_eq!(bars, [(0, 96, 4), (1, 0, 100), (3, 95, 5)]);
        assert_eq!((updated.total, updated.bars.len()), (0, 0));
    }
}
