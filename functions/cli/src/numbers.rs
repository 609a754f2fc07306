//! Numbers of users and actions in words.

use std::collections::BTreeMap;

use explain::{HeldSummary, shown_word};
use operate::{MAX_COUNTED, UserStates};

/// Actions, then what is left to do, in the order in which they are shown.
const ORDER: [&str; 18] = [
    "create",
    "create-inactive",
    "link",
    "transfer",
    "update",
    "reactivate",
    "deactivate",
    "delete",
    "held",
    "approved",
    "skipped",
    "conflict",
    "failed",
    "retrying",
    "account_gone",
    "invalid",
    "pending_deletion",
    "pending",
];

/// Each number with its word, such as "1 create, 4 awaiting approval".
pub fn by_word(counts: &BTreeMap<String, u64>) -> Vec<String> {
    let place = |word: &str| ORDER.iter().position(|known| *known == word).unwrap_or(ORDER.len());
    let mut counts: Vec<_> = counts.iter().filter(|(_, count)| **count > 0).collect();
    counts.sort_by_key(|(word, _)| place(word));
    let numbers = counts.into_iter().map(|(word, count)| match word.as_str() {
        "conflict" => format!("{count} in conflict"),
        word => format!("{count} {}", shown_word(word)),
    });
    numbers.collect()
}

/// The users that the other numbers add up to.
pub fn scope(in_scope: u64, out_of_scope: u64) -> String {
    match out_of_scope {
        0 => format!("{in_scope} in scope"),
        _ => format!("{in_scope} in scope, {out_of_scope} out of scope"),
    }
}

/// Users by state. The numbers after the colon add up to the ones before it.
pub fn user_states<'a>(states: &UserStates, held: impl IntoIterator<Item = &'a HeldSummary>) -> String {
    let UserStates { in_scope, out_of_scope, in_sync, users } = states;
    let mut users = users.clone();
    let approvals: Vec<bool> = held.into_iter().map(|held| held.approved_by.is_some()).collect();
    if !approvals.is_empty()
        && approvals.iter().all(|is_approved| *is_approved)
        && let Some(count) = users.remove("held")
    {
        users.insert("approved".to_owned(), count);
    }
    let mut words = by_word(&users);
    match in_sync {
        Some(0) => {}
        Some(count) => words.push(format!("{count} in sync")),
        None => {
            words.push(format!("the others in sync, where {MAX_COUNTED} stands for {MAX_COUNTED} or more"))
        }
    }
    let scope = scope(*in_scope, *out_of_scope);
    if words.is_empty() { scope } else { format!("{scope}: {}", words.join(", ")) }
}

/// A number of seconds as an age or a delay: "3 min", "6 h", "2 days".
pub fn duration(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_come_before_what_is_left() {
        let counts = [("invalid", 1), ("held", 4), ("create", 2), ("update", 1), ("delete", 0)];
        let counts = counts.map(|(word, count)| (word.to_owned(), count)).into();
        let words = "2 create, 1 update, 4 awaiting approval, 1 missing or invalid attribute";
        assert_eq!(by_word(&counts).join(", "), words);
    }

    #[test]
    fn states_are_shown_with_the_users_that_they_add_up_to() {
        let states = |in_scope, out_of_scope, in_sync, users: &[(&str, u64)]| {
            let users = users.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect();
            user_states(&UserStates { in_scope, out_of_scope, in_sync, users }, &[])
        };
        assert_eq!(states(0, 0, Some(0), &[]), "0 in scope");
        assert_eq!(states(1, 0, Some(1), &[]), "1 in scope: 1 in sync");
        assert_eq!(
            states(10, 3, Some(9), &[("held", 3), ("failed", 1)]),
            "10 in scope, 3 out of scope: 3 awaiting approval, 1 failed, 9 in sync"
        );
    }

    #[test]
    fn durations_have_one_unit() {
        let shown = [-5, 45, 180, 7_199, 21_600, 200_000].map(duration);
        assert_eq!(shown, ["0 s", "45 s", "3 min", "119 min", "6 h", "2 days"]);
    }
}
