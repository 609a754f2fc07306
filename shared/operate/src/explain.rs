//! Explanation of one user: entry, record, account, waits, and what provisioning would do. Nothing is written.
//!
//! Deployed, the scan function explains the entry and the provision function the account, because neither can reach the
//! other's server.

use ::explain::{AccountContext, AccountSubject, Explanation, explain_account};
use directory::Directory;
use scan::look_up;
use scim::Target;

use crate::{OperateError, OperatorContext};

/// Explains one user, named by anchor, DN, user name or e-mail address.
pub async fn explain(
    context: &OperatorContext<'_>,
    directory: &mut Directory,
    target: &Target,
    user: &str,
) -> Result<Explanation, OperateError> {
    let OperatorContext { policy, store, clock, .. } = *context;
    // Boxed, because the futures of a whole explanation are large for a thread's stack.
    let lookup = Box::pin(look_up(&context.scan(), directory, user)).await?;
    let account = match lookup.anchor() {
        None => None,
        Some(anchor) => {
            let entry = lookup.entry_state(policy);
            let subject = AccountSubject { anchor, record: lookup.record(), entry: Some(&entry) };
            let (options, mask) = (&policy.options, &context.mask());
            let account = AccountContext { options, mask, store, target, clock };
            Some(Box::pin(explain_account(&account, &subject)).await?)
        }
    };
    Ok(Explanation::new(policy, clock(), &lookup, account))
}
