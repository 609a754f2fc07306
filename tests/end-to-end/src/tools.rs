//! Paths of programs: the workspace's own, and those that `./tests/run` installs.

use std::path::{Path, PathBuf};

use anyhow::ensure;

/// Path of a program in the Python environment of `./tests/run`.
pub fn python_tool(name: &str) -> anyhow::Result<PathBuf> {
    let path =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/python/bin")).join(name);
    ensure!(path.exists(), "{} is missing: run ./tests/run, which installs it", path.display());
    Ok(path)
}

/// Variable with the folder of the programs under test, if it is not the tests' own build.
const PROGRAMS: &str = "PROVISIONER_TEST_PROGRAMS";

/// Path of a program of this workspace. Cargo puts programs beside the folder of the test executables.
#[expect(clippy::disallowed_methods, reason = "the environment chooses the build under test")]
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os(PROGRAMS).map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().unwrap_or_default();
        test.parent().and_then(Path::parent).unwrap_or(Path::new("")).to_owned()
    });
    folder.join(name).with_extension(std::env::consts::EXE_EXTENSION)
}
