//! The configuration: read from a file, checked as a whole before anything is contacted.

mod check;
mod connection;
mod file;
mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use connection::{CallLimits, Connection, DirectorySettings, OpenError, TargetSettings};

/// A configuration that can't be used. It says where and what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{place}: {problem}", file.display())]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// The key, or the line and column: `, key target.url` or `:3:7`.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

/// A problem with one key, before the file's name is known.
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
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
        file: path.to_owned(),
        place: String::new(),
        problem: format!("can't read the configuration: {error}"),
    })?;
    parse(&text, path)
}

/// Reads and checks a file, or all `.toml` files of a folder, and gives the connections by name.
pub fn read_all(path: &Path) -> Result<BTreeMap<String, Connection>, ConfigError> {
    let fail = |problem: String| ConfigError { file: path.to_owned(), place: String::new(), problem };
    let files = if path.is_dir() { toml_files(path).map_err(fail)? } else { vec![path.to_owned()] };
    let mut connections = BTreeMap::new();
    for file in files {
        let connection = read(&file)?;
        if connections.contains_key(&connection.policy.name) {
            return Err(ConfigError {
                file,
                place: ", key name".to_owned(),
                problem: format!(
                    "another file has a connection of the name {:?} too; each needs its own",
                    connection.policy.name
                ),
            });
        }
        connections.insert(connection.policy.name.clone(), connection);
    }
    Ok(connections)
}

fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| format!("can't read the folder of configurations: {error}"))?;
    let is_toml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(is_toml).collect();
    files.sort_unstable();
    match files.is_empty() {
        true => Err("there is no connection in this folder; put a .toml file for each into it".to_owned()),
        false => Ok(files),
    }
}

/// Checks the text of a configuration; `path` is named in errors, and relative paths in it are relative to it.
pub fn parse(text: &str, path: &Path) -> Result<Connection, ConfigError> {
    let file: file::ConnectionFile = toml::from_str(text).map_err(|error| {
        let place = error.span().map(|span| place_of(text, span.start)).unwrap_or_default();
        ConfigError { file: path.to_owned(), place, problem: error.message().trim().replace('\n', " ") }
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    check::check(file, folder).map_err(|KeyProblem { key, problem }| ConfigError {
        file: path.to_owned(),
        place: format!(", key {key}"),
        problem,
    })
}

/// The JSON Schema of the configuration file.
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(file::ConnectionFile);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

fn place_of(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!(":{line}:{column}")
}

#[cfg(test)]
mod tests;
