//! Consumed capacity of the table, as DynamoDB reports it.

use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};

use crate::Store;

/// Report requested with each call.
pub(crate) const COUNTED: ReturnConsumedCapacity = ReturnConsumedCapacity::Total;

/// Billed capacity. A read unit is 4 KB read consistently, or 8 KB eventually consistently; a write unit is 1 KB
/// written. Refused requests and lost responses are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CapacityUnits {
    /// Read units.
    pub reads: f64,
    /// Write units, including the indexes.
    pub writes: f64,
}

/// Counted in half units, the smallest amount that DynamoDB bills.
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
    /// Capacity consumed since this connection's store was opened, by all its clones together.
    pub fn consumed(&self) -> CapacityUnits {
        let CapacityMeter { reads, writes } = &*self.meter;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
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
