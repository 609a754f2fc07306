//! Configuration files: read and checked before any request is sent.
//!
//! Every program parses the whole file, so an unknown key is refused everywhere. The sections of directory and target are
//! checked, and turned into settings, in programs with the features `directory` and `scim` of this crate.

mod check;
mod connection;
#[cfg(feature = "directory")]
mod directory;
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

use crate::environment;

/// An invalid configuration: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{place}: {problem}", file.display())]
pub struct ConfigError {
    /// Path of the file.
    pub file: PathBuf,
    /// The key, or the line and column: `, key target.url` or `:3:7`.
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
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
        file: path.to_owned(),
        place: String::new(),
        problem: format!("can't read the configuration: {error}"),
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
    // Some editors write a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let mut file: file::ConnectionFile = toml::from_str(text).map_err(|error| {
        let place = error.span().map(|span| place_of(text, span.start)).unwrap_or_default();
        ConfigError { file: path.to_owned(), place, problem: described(error.message()) }
    })?;
    file.options.observe |= environment::variable(environment::OBSERVE).as_deref() == Some("true");
    let folder = path.parent().unwrap_or(Path::new("."));
    check::check(file, folder).map_err(|KeyProblem { key, problem }| ConfigError {
        file: path.to_owned(),
        place: format!(", key {key}"),
        problem,
    })
}

/// JSON Schema of the configuration file.
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(file::ConnectionFile);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// The parser's message on one line. To an unknown key it adds the nearest of the expected keys.
fn described(message: &str) -> String {
    const MIN_SIMILARITY: f64 = 0.75;
    let message = message.trim().replace('\n', " ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(unknown) = quoted.next().filter(|_| message.starts_with("unknown field")) else {
        return message;
    };
    let similar = quoted.map(|key| (strsim::jaro_winkler(unknown, key), key));
    let nearest = similar.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(near, _)| *near >= MIN_SIMILARITY);
    match nearest {
        Some((_, key)) => format!("{message}; nearest key: `{key}`"),
        None => message,
    }
}

fn place_of(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!(":{line}:{column}")
}

#[cfg(test)]
#[cfg(all(feature = "directory", feature = "scim"))]
mod tests;
