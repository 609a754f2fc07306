//! Configuration files: read and checked before any request is sent.
//!
//! Every program parses the whole file, so an unknown key is refused everywhere. The sections of directory and target are
//! checked, and turned into settings, in programs with the features `directory` and `scim` of this crate.

mod check;
mod connection;
#[cfg(feature = "directory")]
mod directory;
mod document;
#[cfg(any(feature = "directory", feature = "scim"))]
mod fields;
#[cfg_attr(
    not(all(feature = "directory", feature = "scim")),
    expect(dead_code, reason = "the keys of an unused section are parsed only")
)]
mod file;
mod mapping;
#[cfg(feature = "scim")]
mod target;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use connection::Connection;
#[cfg(feature = "directory")]
pub use directory::{DirectoryOpenError, DirectorySecret, DirectorySettings};
#[cfg(feature = "scim")]
pub use target::{CallLimits, TargetOpenError, TargetSecret, TargetSettings};

use self::document::Document;
use crate::{environment, text_file};

/// An invalid configuration: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{place}: {problem}", file.display())]
pub struct ConfigError {
    /// Path of the file.
    pub file: PathBuf,
    /// The line and the key, as far as they are known: `:3`, `:3:7`, `, key name` or `:3, key target.url`.
    pub place: String,
    /// The problem.
    pub problem: String,
}

/// A problem with one key of a file.
#[derive(Debug)]
struct KeyProblem {
    key: String,
    problem: String,
}

impl KeyProblem {
    fn at(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }
}

/// Reads and checks a configuration file.
pub fn read(path: &Path) -> Result<Connection, ConfigError> {
    let text = text_file::read(path).map_err(|error| ConfigError {
        file: path.to_owned(),
        place: String::new(),
        problem: format!("the configuration {error}"),
    })?;
    parse(&text, path)
}

/// Reads and checks a file, or all `.toml` files of a folder. Returns the connections by name.
pub fn read_all(path: &Path) -> Result<BTreeMap<String, Connection>, ConfigError> {
    let fail = |problem: String| ConfigError { file: path.to_owned(), place: String::new(), problem };
    let files = if path.is_dir() { toml_files(path).map_err(fail)? } else { vec![path.to_owned()] };
    let mut connections = BTreeMap::new();
    for file in files {
        let connection = read(&file)?;
        if connections.contains_key(&connection.name) {
            return Err(ConfigError {
                file,
                place: ", key name".to_owned(),
                problem: format!(
                    "another file has a connection with the name {:?}; give each connection its own name",
                    connection.name
                ),
            });
        }
        connections.insert(connection.name.clone(), connection);
    }
    Ok(connections)
}

fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries =
        entries.map_err(|error| format!("can't read the folder of configuration files: {error}"))?;
    let is_toml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(is_toml).collect();
    files.sort_unstable();
    match files.is_empty() {
        true => Err("there is no connection in this folder; add a .toml file for each connection".to_owned()),
        false => Ok(files),
    }
}

/// Checks the text of a configuration. Errors name `path`, and relative paths in the text start from its folder.
pub fn parse(text: &str, path: &Path) -> Result<Connection, ConfigError> {
    let fail = |(place, problem)| ConfigError { file: path.to_owned(), place, problem };
    if text.trim().is_empty() {
        return Err(fail((
            String::new(),
            "the file is empty; to write a new one: provisioner init".to_owned(),
        )));
    }
    let document = Document::parse(text).map_err(fail)?;
    let mut file: file::ConnectionFile = document.read().map_err(fail)?;
    file.options.observe |= environment::variable(environment::OBSERVE).as_deref() == Some("true");
    let folder = path.parent().unwrap_or(Path::new("."));
    check::check(file, folder).map_err(|KeyProblem { key, problem }| fail((document.place_of(&key), problem)))
}

/// JSON Schema of the configuration file.
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(file::ConnectionFile);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
#[cfg(all(feature = "directory", feature = "scim"))]
mod tests;
