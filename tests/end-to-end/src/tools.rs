//! Programs that the tests run and that `./tests/run` installs.

use std::path::{Path, PathBuf};

use anyhow::ensure;

/// A program of the Python environment that `./tests/run` makes.
pub fn python_tool(name: &str) -> anyhow::Result<PathBuf> {
    let path =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/python/bin")).join(name);
    ensure!(path.exists(), "{} is missing: run ./tests/run, which installs it", path.display());
    Ok(path)
}

/// Names the folder of the programs that are tested, where they are not those of the tests' own build.
const PROGRAMS: &str = "PROVISIONER_TEST_PROGRAMS";

/// One of the workspace's programs. Cargo puts them beside the folder of the test executables, and tells their names to
/// tests of their own package only. What is measured is a release build, which the environment names.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says which build they are about")]
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os(PROGRAMS).map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().unwrap_or_default();
        test.parent().and_then(Path::parent).unwrap_or(Path::new("")).to_owned()
    });
    folder.join(name).with_extension(std::env::consts::EXE_EXTENSION)
}
