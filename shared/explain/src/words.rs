//! Words that people read for statuses and actions. JSON, `--only` and stored records keep the stable words.

/// Word for people of a status, a planned action or a performed action.
///
/// Each action is one verb: `create` in a plan is `created` in a run and in the history.
pub fn shown_word(word: &str) -> &str {
    match word {
        "in_sync" => "in sync",
        "retrying" => "retry scheduled",
        "account_gone" => "account deleted at the target",
        "held" => "awaiting approval",
        "unreadable" => "record not readable",
        "skipped" => "skipped (option off)",
        "invalid" => "missing or invalid attribute",
        "pending_deletion" => "scheduled for deletion",
        "create-inactive" => "create (inactive)",
        "created-inactive" => "created (inactive)",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use model::Status;

    use super::*;

    #[test]
    fn no_status_is_shown_as_its_stable_word_with_an_underscore() {
        for word in Status::WAITING_WORDS.into_iter().chain(["in_sync"]) {
            assert!(!shown_word(word).contains('_'), "{word}");
        }
    }
}
