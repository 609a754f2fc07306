//! Leavers with an account that an entry of another connection should have, such as users that move to another unit.

use model::{Desired, UserRecord};
use store::{SiblingOwner, Store, StoreError};

use crate::link::is_gone;

/// The entry of another connection that should have the account of this leaver.
pub(crate) async fn find_claim(
    store: &Store,
    record: &UserRecord,
    desired: &Desired,
) -> Result<Option<SiblingOwner>, StoreError> {
    match (&record.link, desired) {
        (Some(link), Desired::Absent { reason, .. }) if is_gone(*reason) => {
            store.find_sibling_claim(&link.account, record.user_name()).await
        }
        _ => Ok(None),
    }
}
