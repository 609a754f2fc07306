//! What became of one user, as the operator sees it.

use provision::{Action, Outcome};

use super::item::update_word;
use super::{ReportItem, ValueMask};

/// The item for an outcome; `None` if nothing happened that is worth a line.
pub fn item_of(shown: &ValueMask, outcome: &Outcome) -> Option<ReportItem> {
    match outcome {
        Outcome::NothingToDo | Outcome::NotYet { .. } | Outcome::Busy => None,
        Outcome::InSync { anchor, user_name, actions, kept, waits } => {
            let (action, why) = summary(actions)?;
            let mut item = shown.item(anchor, user_name.as_ref(), action, why);
            if let Some(Action::Update(found)) = actions.last() {
                item.changes = shown.differences(found);
            }
            if !kept.is_empty() {
                let names: Vec<&str> = kept.iter().map(|difference| difference.attribute.as_str()).collect();
                item.why = format!("{}; the target kept its own {}", item.why, names.join(", "));
            }
            if *waits {
                item.why = format!("{}; a reference waits for another user's account", item.why);
            }
            Some(item)
        }
        Outcome::AwaitsSafeguard { anchor, user_name } => Some(shown.item(
            anchor,
            user_name.as_ref(),
            "linked",
            "disabled; its removal awaits the safety check",
        )),
        Outcome::Skipped { anchor, user_name, by, .. } => {
            Some(shown.item(anchor, user_name.as_ref(), "skipped", by.to_string()))
        }
        Outcome::Conflict { anchor, user_name, owner } => {
            let why = format!("the account belongs to another entry ({owner})");
            Some(shown.item(anchor, user_name.as_ref(), "conflict", why))
        }
        Outcome::NotPlanned { anchor, user_name, .. } => {
            let why = "what is to be done is not what was planned any more";
            Some(shown.item(anchor, user_name.as_ref(), "waits", why))
        }
        Outcome::Failed { anchor, user_name, error, retry_at, .. } => {
            let then = if retry_at.is_some() { "is tried again" } else { "failed until the user changes" };
            Some(shown.item(anchor, user_name.as_ref(), "failed", format!("{error}; {then}")))
        }
    }
}

fn summary(actions: &[Action]) -> Option<(&'static str, String)> {
    let (last, linked) = (actions.last()?, actions.contains(&Action::Link));
    let also =
        if linked && *last != Action::Link { "; an account of this name existed and was linked" } else { "" };
    let (action, why) = match last {
        Action::Create { inactive: false } => ("created", "in scope".into()),
        Action::Create { inactive: true } => ("created-inactive", "in scope and disabled".into()),
        Action::Link => ("linked", "an account of this name existed, and was right".into()),
        Action::Update(found) => match update_word(found) {
            "deactivate" => ("deactivated", "disabled in the directory".to_owned()),
            "reactivate" => ("reactivated", "in scope again".into()),
            _ => ("updated", "differed".into()),
        },
        Action::Deactivate(reason) => ("deactivated", reason.to_string()),
        Action::Delete(reason) => ("deleted", reason.to_string()),
        Action::DeactivateInstead(reason) => {
            ("deactivated", format!("{reason}; the target refused to delete"))
        }
        Action::AccountGone => ("vanished", "the account is gone from the target".into()),
    };
    Some((action, format!("{why}{also}")))
}
