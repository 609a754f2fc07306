//! Checks of keys that the sections of directory and target share.

use std::path::Path;
use std::time::Duration;

use super::KeyProblem;
use super::check::check_range;
use crate::secrets::SecretRef;

pub(super) fn check_secret(text: &str, folder: &Path, key: &str) -> Result<SecretRef, KeyProblem> {
    if text.trim_start().starts_with('{') {
        return Err(KeyProblem::at(
            key,
            "contains the secret itself; name the place of the secret, such as file:PATH",
        ));
    }
    if text.is_empty() {
        return Err(KeyProblem::at(key, "is empty; set it to a Secrets Manager id, env:NAME or file:PATH"));
    }
    Ok(SecretRef::parse(text, folder))
}

pub(super) fn check_timeout(seconds: u64, key: &str) -> Result<Duration, KeyProblem> {
    check_range(seconds, 1..=900, key, " seconds").map(Duration::from_secs)
}
