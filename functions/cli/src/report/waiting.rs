//! Everybody who waits for something.

use model::Status;
use store::{Store, StoreError};

use super::{Item, Shown};

/// How many are listed of each kind.
const LISTED: usize = 50;

/// Everybody who waits for something, up to a limit.
pub async fn waiting(store: &Store, shown: &Shown) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    for word in ["held", "withheld", "conflict", "retrying", "parked", "unmappable", "leaving"] {
        let page = store.fetch_by_status(word, None, LISTED).await?;
        for record in page.items {
            let why = record.status.why().unwrap_or_default();
            let (action, why) = match &record.status {
                Status::Held { .. } => ("held", why),
                Status::Withheld { .. } => ("withheld", why),
                Status::Conflict { .. } => ("conflict", why),
                Status::Retrying { .. } => {
                    let seconds = (record.next_attempt.0 - runtime::now().0).max(0);
                    ("failed", format!("{why}; is tried again in {seconds} s"))
                }
                Status::Parked { .. } => ("failed", format!("{why}; parked until the user changes")),
                Status::Unmappable { .. } => ("unmappable", why),
                Status::Leaving { .. } => {
                    let seconds = (record.next_attempt.0 - runtime::now().0).max(0);
                    let days = (seconds + 86_399) / 86_400;
                    ("leaving", format!("{why}, in {days} days"))
                }
                Status::Settled | Status::Pending => continue,
            };
            items.push(shown.item(&record.anchor, record.user_name(), action, why));
        }
    }
    Ok(items)
}
