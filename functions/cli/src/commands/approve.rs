//! `provisioner approve`: lists what the safeguard holds, and approves it.

use anyhow::Result;
use operate::{ApprovedHold, UserSelection, fetch_held, list_users};
use serde_json::json;
use store::PageKey;

use crate::args::ConnectionArgs;
use crate::clean::plain;
use crate::exit::{Exit, RunResult};
use crate::output::{GOOD, Lines, Output, moment_of, paint};
use crate::session::Session;

/// Number of held users read at a time.
const PAGE: usize = 100;

/// Lists everything that is held.
pub async fn run(connection: &ConnectionArgs) -> Result<Exit> {
    show(&Session::open_to_read(connection).await?, &mut Output::of(connection)).await
}

/// Lists all held users, and the hashes to approve.
async fn show(session: &Session, output: &mut Output) -> Result<Exit> {
    let held = fetch_held(&session.operator()).await?;
    let (mut users, mut after) = (Vec::new(), None);
    loop {
        let filter = UserSelection::Status("held", after.as_ref());
        let page = list_users(&session.operator(), filter, PAGE).await?;
        if output.is_json() {
            users.extend(page.users);
        } else {
            page.users.iter().try_for_each(|item| output.item(item))?;
        }
        after = page.next.as_deref().and_then(PageKey::parse);
        if after.is_none() {
            break;
        }
    }
    output.show(&json!({ "waiting": held, "users": users }), |_| {
        let mut lines = Lines::default();
        lines.held(&held, session);
        if held.is_empty() { "nothing waits for approval".to_owned() } else { lines.text() }
    })?;
    let waiting = held.iter().filter(|held| held.approved_by.is_none()).count() as u64;
    Ok(Exit::of_run(RunResult { completed: true, failed: 0, held: waiting }))
}

/// Approves what is held under this hash.
pub async fn approve(connection: &ConnectionArgs, hash: &str, by: &str) -> Result<Exit> {
    let session = &Session::open_to_act(connection).await?;
    let output = &mut Output::of(connection);
    match operate::approve(&session.operator(), hash, by).await? {
        Some(ApprovedHold { what, until }) => {
            output.show(&json!({ "approved": what, "until": until.map(|until| until.0) }), |_| {
                let approved = paint(GOOD, format!("Approved by {}:", plain(by)));
                let mut lines = Lines::default();
                lines.add(match until {
                    Some(until) => {
                        format!("{approved} {what}. Done by the next sync until {}:", moment_of(until))
                    }
                    None => format!("{approved} {what}. Taken as it is by the next sync:"),
                });
                if !session.is_deployed() {
                    lines.command(&session.next(&["sync"]));
                }
                lines.text()
            })?;
            Ok(Exit::Done)
        }
        None => {
            output.show(&json!({ "approved": null }), |_| {
                format!(
                    "nothing with the hash {hash} is held now. A plan's hash can be approved once sync has held it. This is held:"
                )
            })?;
            if !output.is_json() {
                show(session, output).await?;
            }
            Ok(Exit::CouldNotRun)
        }
    }
}
