//! Users who refer to somebody, found by that name: those whose reference could not be resolved yet, and those whose account
//! was told another account for it than the one that there is now.

use model::{AccountId, AnchorHash, DnKey, Status};

use crate::Store;
use crate::errors::StoreError;
use crate::item::{ItemReader, text};
use crate::keys::{SK, parse_hash};
use crate::query::{KeyRange, QuerySource};
use crate::record::{ACCOUNT, AT_ONCE, AWAITED, REV, SURE, flag, if_linked};
use crate::retention::if_kept;
use crate::users::{is_there, meant};
use crate::write::{CommitResult, ItemWrite};

/// Whether somebody's account can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Whoever has the name will look for those who wait.
    Told,
    /// Nobody of that name is known. Somebody who came just now may be, because the index of names lags behind; whoever comes
    /// later looks by themselves.
    Nobody,
    /// There is an account by now.
    There,
}

impl Store {
    /// Writes down, with whoever has that name and is to have an account, that somebody waits for it. Whoever is given one
    /// from here on looks for those who wait.
    pub async fn await_account(&self, dn: DnKey) -> Result<Awaited, StoreError> {
        let namesakes = self.find_all_by_dn(dn).await?;
        if meant(&namesakes).is_some_and(|record| record.link.is_some()) {
            return Ok(Awaited::There);
        }
        let mut awaited = Awaited::Nobody;
        for record in namesakes.iter().filter(|record| is_there(record) && record.link.is_none()) {
            let key = self.keys.record(&record.anchor.hash());
            let write =
                ItemWrite::update(key).set(AWAITED, flag(true)).only_if("attribute_exists(#anchor)", []);
            if self.commit(&[if_linked(write, None)]).await? != CommitResult::Done {
                return Ok(Awaited::There);
            }
            awaited = Awaited::Told;
        }
        Ok(awaited)
    }

    /// Who has to be told that the user with this name has this account: whoever waits for one, and whoever was told
    /// another one.
    pub async fn fetch_waiting(&self, dn: DnKey, account: &AccountId) -> Result<Vec<AnchorHash>, StoreError> {
        let query = self.range(QuerySource::Items, &self.keys.waits(&dn), &KeyRange::All);
        let mut waiting = Vec::new();
        for item in &self.items(query, usize::MAX).await? {
            let read = ItemReader::new(item);
            let sk = read.required(SK, read.text(SK)?)?;
            let hash = parse_hash(sk).ok_or_else(|| read.wrong(SK, "is no user's hash"))?;
            if read.text(ACCOUNT)? != Some(account.as_str()) {
                waiting.push(hash);
            }
        }
        Ok(waiting)
    }

    /// Has a user look again at whoever has that name, who has this account now: who was settled is pending again. Somebody
    /// who is being provisioned right now is not settled by that, because the reference may have been looked up before it
    /// could be resolved. Says whether the user is pending by that.
    pub async fn wake(&self, dn: DnKey, account: &AccountId, hash: AnchorHash) -> Result<bool, StoreError> {
        let record = || {
            ItemWrite::update(self.keys.record(&hash))
                .only_if("attribute_exists(#anchor)", [])
                .remove(SURE)
                .bump(REV)
        };
        // Whoever heard of the account meanwhile needs no waking, and goes on referring to it.
        let waiting = ItemWrite::delete(self.keys.wait(&dn, &hash)).only_if(
            "attribute_not_exists(#account) OR #account <> :account",
            [("account", text(account.as_str()))],
        );
        // Nothing is to be done for somebody who left.
        let settled = if_kept(record().only_if("attribute_not_exists(#work_pk)", []));
        let pending = self.set_status(settled, &hash, &Status::Pending, AT_ONCE)?;
        if self.commit(&[pending, waiting.clone()]).await? == CommitResult::Done {
            return Ok(true);
        }
        if self.commit(&[record(), waiting.clone()]).await? == CommitResult::Done {
            return Ok(false);
        }
        // There is no such user.
        self.commit(&[waiting]).await.map(|_| false)
    }
}
