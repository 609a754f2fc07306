//! `provisioner retry`: makes failed users pending.

use anyhow::Result;
use operate::{RetryOutcome, retry};
use serde_json::json;

use crate::args::ConnectionArgs;
use crate::exit::Exit;
use crate::output::Output;
use crate::session::Session;

/// Makes one user pending; without a name, all users that failed.
pub async fn run(connection: &ConnectionArgs, user: Option<&str>) -> Result<Exit> {
    let session = &Session::open_to_act(connection).await?;
    let output = &mut Output::of(connection);
    match retry(&session.operator(), user).await? {
        RetryOutcome::Pending(count) => {
            output.show(&json!({ "retried": count }), |_| {
                let became = if count == 1 { "1 user became" } else { &format!("{count} users became") };
                match session.is_deployed() {
                    true => format!("{became} pending; the next scan retries them"),
                    false => format!("{became} pending. Next:\n  {}", session.next(&["sync"])),
                }
            })?;
            Ok(Exit::Done)
        }
        RetryOutcome::Refused(why) => {
            output.show(&json!({ "retried": 0, "why": why }), |_| why.clone())?;
            Ok(Exit::CouldNotRun)
        }
    }
}
