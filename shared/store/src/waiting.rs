//! Users whose reference to somebody could not be resolved yet, found by whom they wait for.

use model::{AnchorHash, DnKey, Status};

use crate::Store;
use crate::errors::StoreError;
use crate::item::Reader;
use crate::keys::{SK, parse_hash};
use crate::query::{From, Part};
use crate::record::{AT_ONCE, REV};
use crate::retention::if_kept;
use crate::write::{Committed, Write};

impl Store {
    /// Who waits for the user with this name to get an account.
    pub async fn fetch_waiting(&self, dn: DnKey) -> Result<Vec<AnchorHash>, StoreError> {
        let query = self.range(From::Items, &self.keys.waits(&dn), &Part::All);
        let items = self.items(query, usize::MAX).await?;
        let hashes = items.iter().map(|item| {
            let read = Reader::new(item);
            let sk = read.required(SK, read.text(SK)?)?;
            parse_hash(sk).ok_or_else(|| read.wrong(SK, "is no user's hash"))
        });
        hashes.collect()
    }

    /// Stops a user's waiting for that name: who was settled is pending again. Somebody who is being provisioned right now
    /// is not settled by that, because the reference may have been looked up before it could be resolved. Says whether the
    /// user is pending by that.
    pub async fn wake(&self, dn: DnKey, hash: AnchorHash) -> Result<bool, StoreError> {
        let record =
            || Write::update(self.keys.record(&hash)).only_if("attribute_exists(#anchor)", []).bump(REV);
        let waiting = Write::delete(self.keys.wait(&dn, &hash));
        // Nothing is to be done for somebody who left.
        let settled = if_kept(record().only_if("attribute_not_exists(#work_pk)", []));
        let pending = self.set_status(settled, &hash, &Status::Pending, AT_ONCE)?;
        if self.commit(&[pending, waiting.clone()]).await? == Committed::Done {
            return Ok(true);
        }
        if self.commit(&[record(), waiting.clone()]).await? == Committed::Done {
            return Ok(false);
        }
        // There is no such user.
        self.commit(&[waiting]).await.map(|_| false)
    }
}
