//! Lease of a connection: one scan at a time, each with its own version.

use model::{SafeguardMemory, ScanVersion, UnixSeconds};

use crate::Store;
use crate::connection::{BoundTarget, CURSOR, LAST_SCAN, LeaseHolder, MEMORY};
use crate::errors::Result;
use crate::item::{ItemReader, json, number, text};
use crate::record::{LEASE, LEASE_OWNER, LEASE_UNTIL, VERSION, if_lease_free};
use crate::write::{ItemWrite, UpdateResult};

/// Right to scan a connection, and the version that this scan writes.
#[derive(Debug)]
pub struct ScanLease {
    owner: String,
    version: ScanVersion,
    /// Latest time that the caller passed; user leases that end before it have expired.
    pub(crate) now: UnixSeconds,
    until: UnixSeconds,
    /// The target that the state belonged to when the lease was taken.
    pub(crate) target: BoundTarget,
}

impl ScanLease {
    /// Version of this scan. Records carry it, and an older scan can't overwrite a newer version.
    pub fn version(&self) -> ScanVersion {
        self.version
    }

    /// Name of the holder.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// End of the lease unless renewed.
    pub fn until(&self) -> UnixSeconds {
        self.until
    }

    /// Whether the lease lasts for this many seconds from now. Work that ends within them ends before another scan can
    /// take the lease.
    pub fn lasts_for(&self, now: UnixSeconds, seconds: i64) -> bool {
        now.plus(seconds) < self.until
    }
}

/// Another scan is in progress.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another scan of this connection is in progress: {owner} holds it until {} (Unix time)", until.0)]
pub struct LeaseTaken {
    /// Name of the holder.
    pub owner: String,
    /// End of the lease unless renewed.
    pub until: UnixSeconds,
}

impl Store {
    /// Takes the connection's lease and the next version. An expired lease is free. The same owner may take its own
    /// lease at any time: it replaces a process that died.
    pub async fn take_lease(
        &self,
        owner: &str,
        now: UnixSeconds,
        seconds: i64,
    ) -> Result<Result<ScanLease, LeaseTaken>> {
        let until = now.plus(seconds);
        let write = ItemWrite::update(self.keys.state())
            .set(LEASE_OWNER, text(owner))
            .set(LEASE_UNTIL, number(until.0))
            .bump(VERSION);
        match self.update_and_read(&if_lease_free(write, now, owner)).await? {
            UpdateResult::Now(item) => {
                let read = ItemReader::new(&item);
                let version = ScanVersion(read.required(VERSION, read.number(VERSION)?)?);
                let target = BoundTarget::decode(&item)?;
                Ok(Ok(ScanLease { owner: owner.to_owned(), version, now, until, target }))
            }
            UpdateResult::Refused(item) => {
                let unknown = || LeaseHolder { owner: "another process".to_owned(), until: now };
                let LeaseHolder { owner, until } =
                    LeaseHolder::decode(&item.unwrap_or_default())?.unwrap_or_else(unknown);
                Ok(Err(LeaseTaken { owner, until }))
            }
        }
    }

    /// Renews the lease. `false` means that another scan has begun: this one should stop, and its later writes are
    /// refused wherever the other scan has written.
    pub async fn renew_lease(&self, lease: &mut ScanLease, now: UnixSeconds, seconds: i64) -> Result<bool> {
        let until = now.plus(seconds);
        let write = self.update_held(lease).set(LEASE_UNTIL, number(until.0));
        let is_held = self.commit(&[write]).await?.is_done();
        if is_held {
            (lease.now, lease.until) = (now, until);
        }
        Ok(is_held)
    }

    /// Saves a checkpoint of the scan in progress. `false` means that another scan has begun.
    pub async fn save_checkpoint(&self, lease: &ScanLease, cursor: &serde_json::Value) -> Result<bool> {
        let cursor = json(&self.keys.state(), cursor)?;
        Ok(self.commit(&[self.update_held(lease).set(CURSOR, cursor)]).await?.is_done())
    }

    /// Saves the memory of the safeguard. `false` means that another scan has begun and nothing was written.
    pub async fn save_safety_memory(&self, lease: &ScanLease, memory: &SafeguardMemory) -> Result<bool> {
        let memory = json(&self.keys.state(), memory)?;
        Ok(self.commit(&[self.update_held(lease).set(MEMORY, memory)]).await?.is_done())
    }

    /// Releases the lease; stores the summary and the checkpoint of a scan that got that far. `false` means that
    /// another scan had begun and nothing was written.
    pub async fn release(
        &self,
        lease: ScanLease,
        last_scan: Option<serde_json::Value>,
        cursor: Option<serde_json::Value>,
    ) -> Result<bool> {
        let mut write = self.update_held(&lease).remove_all(LEASE);
        for (name, value) in [(LAST_SCAN, last_scan), (CURSOR, cursor)] {
            if let Some(value) = value {
                let value = json(write.key(), &value)?;
                write = write.set(name, value);
            }
        }
        let result = self.commit(&[write]).await?;
        if result.is_done() {
            return Ok(true);
        }
        // A state of this version without a lease is what a release leaves: the response to the first attempt was lost.
        let Some(item) = result.into_first_item() else { return Ok(false) };
        let version = ItemReader::new(&item).number(VERSION)?.map(ScanVersion);
        Ok(version == Some(lease.version()) && LeaseHolder::decode(&item)?.is_none())
    }

    /// An update of the connection's item by the holder of the lease. The version distinguishes two leases of one owner.
    fn update_held(&self, lease: &ScanLease) -> ItemWrite {
        ItemWrite::update(self.keys.state()).only_if(
            "#version = :version AND #lease_owner = :owner",
            [("version", number(lease.version)), ("owner", text(&lease.owner))],
        )
    }
}
