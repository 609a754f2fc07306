//! The folder of one test's provisioner.

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    ProgramCall, Slapd, TestConfiguration,
    configuration::{DIRECTORY_SECRET, TARGET_SECRET},
};

/// A temporary folder with the configuration, the secrets and the state.
pub struct TestDir(TempDir);

impl TestDir {
    /// An empty folder.
    pub fn new() -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("provisioner-").tempdir();
        dir.map(Self).context("no temporary directory for the provisioner")
    }

    /// One that is ready to run: the configuration `corp.toml` from `slapd` to `target_url`, and both secrets.
    pub fn for_slapd(slapd: &Slapd, target_url: &str) -> anyhow::Result<Self> {
        let dir = Self::new()?;
        dir.configure(&TestConfiguration::openldap(slapd, target_url))?;
        dir.directory_secret(&slapd.reader_secret())?;
        dir.target_secret("test-token")?;
        Ok(dir)
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, and returns its path.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.file(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.file(name))
    }

    /// Writes a configuration to the file with its name (`corp.toml`).
    pub fn configure(&self, configuration: &TestConfiguration) -> io::Result<PathBuf> {
        self.write(&format!("{}.toml", configuration.name), &configuration.to_string())
    }

    /// Writes the directory's secret, such as [`Slapd::reader_secret`].
    pub fn directory_secret(&self, secret: &Value) -> io::Result<PathBuf> {
        self.secret(DIRECTORY_SECRET, &secret.to_string())
    }

    /// Writes the target's secret.
    pub fn target_secret(&self, access_token: &str) -> io::Result<PathBuf> {
        self.secret(TARGET_SECRET, &json!({ "access_token": access_token }).to_string())
    }

    /// Writes a file that its owner alone can read.
    fn secret(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.write(name, text)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(path)
    }

    /// A call of the `provisioner` program in this folder, not started yet.
    pub fn provisioner(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> ProgramCall {
        ProgramCall::new(self.path(), arguments)
    }
}
