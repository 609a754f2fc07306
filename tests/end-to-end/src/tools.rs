//! Programs that the tests run and that `./tests/run` installs.

use std::path::PathBuf;

use anyhow::ensure;

/// A program of the Python environment that `./tests/run` makes.
pub fn python_tool(name: &str) -> anyhow::Result<PathBuf> {
    let path =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/python/bin")).join(name);
    ensure!(path.exists(), "{} is missing: run ./tests/run, which installs it", path.display());
    Ok(path)
}
