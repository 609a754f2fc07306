//! Checks of keys that the sections of directory and target share.

use std::path::Path;
use std::time::Duration;

use super::KeyProblem;
use super::check::check_range;
use crate::secrets::SecretRef;

/// The place of a secret. A text of another form may be the secret itself, so the message does not repeat it.
pub(super) fn check_secret(text: &str, folder: &Path, key: &str) -> Result<SecretRef, KeyProblem> {
    SecretRef::parse(text, folder).ok_or_else(|| {
        KeyProblem::at(
            key,
            "must name the place of the secret, not the secret itself: file:PATH, env:NAME or secretsmanager:ID",
        )
    })
}

pub(super) fn check_timeout(seconds: u64, key: &str) -> Result<Duration, KeyProblem> {
    check_range(seconds, 1..=900, key, " seconds").map(Duration::from_secs)
}
