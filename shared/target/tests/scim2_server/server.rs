//! A scim2-server of a test's own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

pub const TOKEN: &str = "the-token-of-the-test";

/// The running server. It is stopped when this is dropped.
pub struct Scim2Server {
    process: Child,
    pub url: String,
    /// What it announces, if that is not its own idea.
    announced: Option<PathBuf>,
}

impl Scim2Server {
    /// Starts a server that announces all that it can.
    pub async fn start() -> Self {
        Self::run(None).await
    }

    /// Starts a server that announces this instead.
    pub async fn announcing(config: &Value) -> Self {
        let file = format!("scim2-server-{}-{}.json", std::process::id(), free_port());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        fs::write(&path, config.to_string()).expect("a file for the configuration");
        Self::run(Some(path)).await
    }

    async fn run(announced: Option<PathBuf>) -> Self {
        let port = free_port();
        let mut command = Command::new(program());
        command.args(["--bearer-token", TOKEN, "--port", &port.to_string()]);
        if let Some(path) = &announced {
            command.arg("--service-provider-config").arg(path);
        }
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be run");
        let server = Self { process, url: format!("http://127.0.0.1:{port}/v2"), announced };
        for _ in 0..400 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("scim2-server did not start");
    }
}

impl Drop for Scim2Server {
    fn drop(&mut self) {
        let Self { process, url: _, announced } = self;
        let _ = process.kill();
        let _ = process.wait();
        if let Some(path) = announced {
            let _ = fs::remove_file(path);
        }
    }
}

/// The program of the Python environment that `./tests/run` makes.
fn program() -> PathBuf {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/python/bin/scim2-server");
    let path = PathBuf::from(path);
    assert!(path.exists(), "{} is missing: run ./tests/run, which installs it", path.display());
    path
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}
