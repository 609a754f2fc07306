//! Recorded scans.

use model::{ScanVersion, UnixSeconds};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::errors::Result;
use crate::history::DAY;
use crate::item::{json, number};
use crate::keys::{EXPIRES_AT, SCAN_PREFIX};
use crate::query::{KeyRange, QuerySource};
use crate::write::ItemWrite;

const SCAN: &str = "scan";

/// A completed scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastScan {
    /// Version of the scan.
    pub version: ScanVersion,
    /// Time at which it took the lease.
    pub began: UnixSeconds,
    /// Time at which it released the lease.
    pub ended: UnixSeconds,
    /// Its summary.
    pub summary: serde_json::Value,
}

impl Store {
    /// Records a scan for as long as history is kept. Record only scans that found something: others would hide them in
    /// the list.
    pub async fn record_scan(&self, scan: &PastScan) -> Result<()> {
        let key = self.keys.scan(scan.version);
        let expires_at = scan.ended.plus(i64::from(self.history_days) * DAY);
        let scan = json(&key, scan)?;
        let write = ItemWrite::put(key).set(SCAN, scan).set(EXPIRES_AT, number(expires_at.0));
        self.commit(&[write]).await.map(drop)
    }

    /// Recorded scans, newest first.
    pub async fn fetch_scans(&self, limit: usize) -> Result<Vec<PastScan>> {
        let part = KeyRange::Prefix(SCAN_PREFIX.to_owned());
        self.newest(self.range(QuerySource::Items, &self.keys.state().pk, &part), SCAN, limit).await
    }
}
