//! The connection's item: state of a connection as a whole.

use model::{SafeguardMemory, ScanVersion, TargetIdentity, UnixSeconds};

use crate::Store;
use crate::errors::{Result, StoreError};
use crate::item::{ItemReader, TableItem, number};
use crate::record::{LEASE_OWNER, LEASE_UNTIL, VERSION};
use crate::write::ItemWrite;

pub(crate) const LAST_SCAN: &str = "last_scan";
pub(crate) const CURSOR: &str = "cursor";
pub(crate) const MEMORY: &str = "memory";
pub(crate) const SERVED: &str = "served_at";
pub(crate) const TARGET: &str = "target";
/// Set while a reset of the target is unfinished.
pub(crate) const RESETTING: &str = "target_resetting";

/// Holder of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    /// Name of the holder.
    pub owner: String,
    /// End of the lease unless renewed; may have passed already.
    pub until: UnixSeconds,
}

impl LeaseHolder {
    pub(crate) fn decode(item: &TableItem) -> Result<Option<Self>> {
        let read = ItemReader::new(item);
        let Some(owner) = read.text(LEASE_OWNER)? else { return Ok(None) };
        let until = UnixSeconds(read.number(LEASE_UNTIL)?.unwrap_or_default());
        Ok(Some(Self { owner: owner.to_owned(), until }))
    }
}

/// State of a connection as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectionState {
    /// Version of the latest scan that began; 0 before the first.
    pub version: ScanVersion,
    /// Summary that the latest complete scan left.
    pub last_scan: Option<serde_json::Value>,
    /// Checkpoint of the latest completed scan.
    pub cursor: Option<serde_json::Value>,
    /// Memory of the safeguard.
    pub memory: SafeguardMemory,
    /// Time of the target's last successful answer, to about a day.
    pub served_at: Option<UnixSeconds>,
    /// Lease of the scan in progress, or of one that was killed.
    pub lease: Option<LeaseHolder>,
}

/// The target that a connection's state belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BoundTarget {
    /// `None` before the first scan.
    pub identity: Option<TargetIdentity>,
    is_resetting: bool,
}

impl BoundTarget {
    pub fn decode(item: &TableItem) -> Result<Self> {
        let read = ItemReader::new(item);
        let is_resetting = read.flag(RESETTING)?.unwrap_or_default();
        Ok(Self { identity: read.json(TARGET)?, is_resetting })
    }

    /// Refuses a configured target that the state does not belong to.
    pub fn check(&self, configured: &TargetIdentity) -> Result<()> {
        match &self.identity {
            Some(stored) if stored != configured => Err(StoreError::OtherTarget {
                stored: Box::new(stored.clone()),
                configured: Box::new(configured.clone()),
            }),
            _ if self.is_resetting => Err(StoreError::TargetResetUnfinished),
            _ => Ok(()),
        }
    }
}

impl Store {
    /// The state of the connection.
    pub async fn fetch_connection(&self) -> Result<ConnectionState> {
        let Some(item) = self.get(&self.keys.state()).await? else { return Ok(ConnectionState::default()) };
        let read = ItemReader::new(&item);
        Ok(ConnectionState {
            version: ScanVersion(read.number(VERSION)?.unwrap_or_default()),
            last_scan: read.json(LAST_SCAN)?,
            // An unreadable checkpoint counts as none: the next scan is a full scan.
            cursor: read.json(CURSOR).ok().flatten(),
            memory: read.json(MEMORY)?.unwrap_or_default(),
            served_at: read.number(SERVED)?.map(UnixSeconds),
            lease: LeaseHolder::decode(&item)?,
        })
    }

    /// The target that the state belongs to.
    pub(crate) async fn fetch_bound_target(&self) -> Result<BoundTarget> {
        BoundTarget::decode(&self.get(&self.keys.state()).await?.unwrap_or_default())
    }

    /// Records that the target answered. Only provisioning writes it.
    pub async fn record_served(&self, now: UnixSeconds) -> Result<()> {
        let write = ItemWrite::update(self.keys.state()).set(SERVED, number(now.0));
        self.commit(&[write]).await.map(drop)
    }
}
