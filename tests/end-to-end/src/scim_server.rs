//! SCIM servers that are not ours.

use std::{
    fmt, fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::{owned_process::OwnedProcess, ports, tools::python_tool, wait};

/// Token of every server.
const TOKEN: &str = "the-token-of-the-test";

/// Product of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScimProduct {
    /// scim2-server, from PyPI.
    Scim2Server,
    /// SCIMMY behind express, from npm.
    Scimmy,
}

impl ScimProduct {
    /// All products.
    pub const ALL: [Self; 2] = [Self::Scim2Server, Self::Scimmy];

    /// Command of a server, with the `ServiceProviderConfig` to announce.
    fn command(self, port: u16, announced: Option<&Path>) -> anyhow::Result<Command> {
        let port = port.to_string();
        match self {
            Self::Scim2Server => {
                let mut command = Command::new(python_tool("scim2-server")?);
                command.args(["--bearer-token", TOKEN, "--port", &port]);
                if let Some(path) = announced {
                    command.arg("--service-provider-config").arg(path);
                }
                Ok(command)
            }
            Self::Scimmy => {
                let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../scimmy"));
                let installed = folder.join("node_modules/scimmy");
                ensure!(
                    installed.exists(),
                    "{} is missing: run ./tests/run, which installs it",
                    installed.display()
                );
                let mut command = Command::new("node");
                command.arg(folder.join("server.mjs")).args([TOKEN, &port]).args(announced);
                Ok(command)
            }
        }
    }

    fn base_path(self) -> &'static str {
        match self {
            Self::Scim2Server => "/v2",
            Self::Scimmy => "/scim",
        }
    }
}

impl fmt::Display for ScimProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scim2Server => "scim2-server",
            Self::Scimmy => "SCIMMY",
        })
    }
}

/// A running server without accounts. It ends on drop.
pub struct ScimServer {
    _process: OwnedProcess,
    url: String,
    _announced: Option<NamedTempFile>,
}

impl ScimServer {
    /// Starts a server with its own `ServiceProviderConfig`.
    pub fn start(product: ScimProduct) -> anyhow::Result<Self> {
        Self::run(product, None)
    }

    /// Starts a server with this `ServiceProviderConfig`.
    pub fn announcing(product: ScimProduct, config: &Value) -> anyhow::Result<Self> {
        let file = NamedTempFile::new().context("no file for what a server announces")?;
        fs::write(file.path(), config.to_string())?;
        Self::run(product, Some(file))
    }

    fn run(product: ScimProduct, announced: Option<NamedTempFile>) -> anyhow::Result<Self> {
        let port = ports::free()?;
        let mut command = product.command(port, announced.as_ref().map(NamedTempFile::path))?;
        let mut process = OwnedProcess::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
            .with_context(|| format!("cannot start {product}"))?;
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        let up =
            wait::until(Duration::from_secs(30), || (process.ended().is_some() || listens()).then(listens));
        if up != Some(true) {
            bail!("{product} did not start");
        }
        let url = format!("http://127.0.0.1:{port}{}", product.base_path());
        Ok(Self { _process: process, url, _announced: announced })
    }

    /// Base URL of the API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Token of the server.
    pub fn token(&self) -> &'static str {
        TOKEN
    }
}
