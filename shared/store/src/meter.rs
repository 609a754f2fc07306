//! What was consumed of the table, as the service itself counts it.

use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};

use crate::Store;

/// What every request asks for.
pub(crate) const COUNTED: ReturnConsumedCapacity = ReturnConsumedCapacity::Total;

/// Capacity units, as they are paid for: a read unit is 4 KB read consistently, or twice as much read as it was a moment ago;
/// a write unit is 1 KB written. Requests that were refused or whose answer was lost are not in them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CapacityUnits {
    /// Read units.
    pub reads: f64,
    /// Write units, those of the indexes included.
    pub writes: f64,
}

/// Halves of units, because that is the smallest amount.
#[derive(Debug, Default)]
pub(crate) struct CapacityMeter {
    reads: AtomicU64,
    writes: AtomicU64,
}

impl CapacityMeter {
    pub fn read<'a>(&self, consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        add(&self.reads, consumed);
    }

    pub fn write<'a>(&self, consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        add(&self.writes, consumed);
    }
}

fn add<'a>(to: &AtomicU64, consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) {
    let units: f64 = consumed.into_iter().filter_map(|part| part.capacity_units).sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small number that is not negative"
    )]
    to.fetch_add((units.max(0.0) * 2.0).round() as u64, Ordering::Relaxed);
}

impl Store {
    /// What was consumed since this connection's part of the table was opened, by all its copies together.
    pub fn consumed(&self) -> CapacityUnits {
        let CapacityMeter { reads, writes } = &*self.meter;
        #[expect(clippy::cast_precision_loss, reason = "nobody reads so much")]
        let units = |halves: &AtomicU64| halves.load(Ordering::Relaxed) as f64 / 2.0;
        CapacityUnits { reads: units(reads), writes: units(writes) }
    }
}

impl Sub for CapacityUnits {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { reads: self.reads - before.reads, writes: self.writes - before.writes }
    }
}
