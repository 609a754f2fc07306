//! `provisioner init`: writes an example configuration with comments.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context, Result};

use crate::exit::{Exit, UsageError};
use crate::output::Output;

const EXAMPLE: &str = include_str!("init.toml");

/// Writes the example. An existing file is not overwritten.
pub fn run(file: &Path) -> Result<Exit> {
    let created = OpenOptions::new().write(true).create_new(true).open(file);
    let mut created = created.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow::Error::from(UsageError(format!(
            "{} exists already; name another file: provisioner init FILE",
            file.display()
        ))),
        _ => anyhow::Error::from(error).context(format!("can't create {}", file.display())),
    })?;
    created.write_all(EXAMPLE.as_bytes()).with_context(|| format!("can't write {}", file.display()))?;
    Output::new(false)
        .line(format!("{} written; edit it, then run: provisioner check --config {0}", file.display()))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_is_a_valid_configuration() {
        let connection = runtime::config::parse(EXAMPLE, Path::new("provisioner.toml")).unwrap();
        assert_eq!(connection.policy.name, "corp");
    }

    #[test]
    fn existing_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("corp.toml");
        assert_eq!(run(&file).unwrap(), Exit::Done);
        std::fs::write(&file, "mine").unwrap();
        let error = run(&file).unwrap_err();
        assert_eq!(Exit::of_error(&error), Exit::BadUsage, "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    }
}
