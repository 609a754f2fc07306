//! Explanation of one user: entry, record, account, and what would be done.

use directory::Directory;
use provision::{AccountContext, AccountExplanation, describe_status, explain_account};
use scan::{ScanContext, ScanError, UserLookup, look_up};
use store::StoreError;

/// Both sides of an explanation.
pub type Explanation = scan::Explanation<AccountExplanation>;

/// Why a user cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The directory or the state can't be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The state can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Explains one user, named by anchor, DN, user name or e-mail address. Nothing is written.
pub async fn explain(
    context: &AccountContext<'_>,
    directory: &mut Directory,
    user: &str,
) -> Result<Explanation, ExplainError> {
    let AccountContext { policy, store, clock, .. } = *context;
    let scan = ScanContext { policy, store, queue: None, owner: "explain", stop_at: None, clock };
    // Boxed, because the futures of a whole explanation are large for a thread's stack.
    let lookup = Box::pin(look_up(&scan, directory, user)).await?;
    let account = match &lookup {
        UserLookup::None(None) | UserLookup::Several(_) => None,
        UserLookup::None(Some(_)) | UserLookup::One(_) => {
            let entry = lookup.entry_state();
            let account = Box::pin(explain_account(context, lookup.record(), Some(&entry))).await?;
            let status = describe_status(account.record.as_ref());
            Some((account, status))
        }
    };
    Ok(Explanation::new(policy, clock(), &lookup, account))
}
