//! Removals and changes that the safeguard holds, and their approval.

use explain::{HeldSummary, change_words, removal_words};
use model::{ChangeApproval, RemovalApproval, UnixSeconds};
use scan::{Approval, ScanError};
use store::StoreError;

use crate::OperatorContext;

/// Everything that is held.
pub async fn fetch_held(context: &OperatorContext<'_>) -> Result<Vec<HeldSummary>, StoreError> {
    let memory = context.store.fetch_connection().await?.memory;
    let now = (context.clock)();
    let link_drops = scan::held_link_drops(context.store, context.policy).await?;
    let link_drops = link_drops.as_ref().map(HeldSummary::of_changes);
    Ok([
        HeldSummary::removals(&memory, &context.policy.options, now),
        HeldSummary::changes(&memory, now),
        link_drops,
    ]
    .into_iter()
    .flatten()
    .collect())
}

/// What an approval releases.
#[derive(Clone, Debug)]
pub struct ApprovedHold {
    /// The removals or changes, in words.
    pub what: String,
    /// Expiry of the approval; `None` if the next scan ends it.
    pub until: Option<UnixSeconds>,
}

/// Approves what is held under this hash, in the approver's name; `None` if nothing is.
pub async fn approve(
    context: &OperatorContext<'_>,
    hash: &str,
    by: &str,
) -> Result<Option<ApprovedHold>, ScanError> {
    Ok(match scan::approve(&context.scan(), hash, by).await? {
        Approval::Removals(RemovalApproval { set, until, by: _ }) => Some(ApprovedHold {
            what: format!("{}; no other removals", removal_words(&set, &context.policy.options)),
            until: Some(until),
        }),
        Approval::Changes(ChangeApproval { changes, until, by: _ }) => {
            let what = format!("at most these numbers: {}", change_words(&changes));
            Some(ApprovedHold { what, until: Some(until) })
        }
        Approval::Server => {
            Some(ApprovedHold { what: "the server of the last scan".to_owned(), until: None })
        }
        Approval::Nothing { .. } => None,
    })
}
