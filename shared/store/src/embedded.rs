//! DynamoDB on one machine: an engine within this process that keeps the table in a file.
//!
//! The engine is reached over loopback by the same client as Amazon's service. It runs on a thread of its own with a
//! runtime of its own, because it works on its file synchronously, and so that dropping [`Embedded`] ends
//! it for good: when `drop` returns, the file is closed and the lock is free.
//!
//! The file is an SQLite database with a write-ahead log: what a call has written survives the death of the process, and a
//! process that is killed leaves a file that opens again.
//!
//! The engine doesn't check who asks, so other accounts on the same machine could read the table while a run is in
//! progress, if they find the port. The file itself is readable by its owner only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use tokio::sync::oneshot;

use crate::{StoreError, Table};

/// The table's name within the file.
const TABLE: &str = "provisioner";

/// The running engine. It stops when this is dropped.
#[derive(Debug)]
pub struct Embedded {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Dropped last: the lock is free when the file is closed.
    _lock: Option<File>,
}

impl Embedded {
    /// Opens the state file, or creates it, with the table in it. Only one process at a time can have it open.
    pub async fn open(path: &Path) -> Result<(Self, Table), StoreError> {
        let lock = lock(path)?;
        keep_private(path)?;
        let text = path.to_str().ok_or_else(|| engine("the path of the state file is not Unicode text"))?;
        Self::start(Some(text.to_owned()), Some(lock)).await
    }

    /// A table that is gone when this is dropped.
    pub async fn in_memory() -> Result<(Self, Table), StoreError> {
        Self::start(None, None).await
    }

    /// Where the engine listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn start(path: Option<String>, lock: Option<File>) -> Result<(Self, Table), StoreError> {
        let (ready, started) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("dynamodb".to_owned())
            .spawn(move || run(path, ready, stopped))
            .map_err(|error| engine(&format!("no thread could be started ({error})")))?;
        let address = match started.await {
            Ok(started) => started?,
            Err(_) => return Err(engine("the engine stopped while it started")),
        };
        let embedded = Self { address, stop: Some(stop), thread: Some(thread), _lock: lock };
        let table = Table::new(client(&embedded.endpoint()), TABLE);
        table.create_if_missing().await?;
        Ok((embedded, table))
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // Either way the engine sees that it is over: by the message, or by the channel's end.
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the local state's engine did not end well");
        }
    }
}

/// The engine's thread.
fn run(
    path: Option<String>,
    ready: oneshot::Sender<Result<SocketAddr, StoreError>>,
    stopped: oneshot::Receiver<()>,
) {
    let started = open_database(path.as_deref()).and_then(|database| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| engine(&format!("no runtime could be started ({error})")))?;
        let listening = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            Ok::<_, std::io::Error>((listener, address))
        });
        let (listener, address) =
            listening.map_err(|error| engine(&format!("nothing can listen on loopback ({error})")))?;
        Ok((database, runtime, listener, address))
    });
    let (database, runtime, listener, address) = match started {
        Ok(started) => started,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(address)).is_err() {
        return;
    }
    runtime.block_on(async {
        tokio::select! {
            () = dynoxide::server::serve_on(listener, database) => {}
            _ = stopped => {}
        }
    });
    // Dropping the runtime ends the connections, and with the last of them the file is closed. A request
    // is worked on without a pause, so none is cut in half.
}

fn open_database(path: Option<&str>) -> Result<dynoxide::Database, StoreError> {
    let opened = match path {
        Some(path) => dynoxide::Database::new(path),
        None => dynoxide::Database::memory(),
    };
    let database = opened.map_err(|error| engine(&error.to_string()))?;
    // The engine expires nothing by itself. Once an opening is often enough for history that is kept for months.
    database.sweep_ttl().map_err(|error| engine(&error.to_string()))?;
    Ok(database)
}

/// A client for the engine that looks at nothing but what is written here.
fn client(endpoint: &str) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_secs(60))
        .build();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(without_proxy())
        .region(Region::new("local"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("local", "local", None, None, "embedded"))
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts)
        .build();
    Client::from_conf(config)
}

/// The behaviour before the client began to take a proxy from the environment: loopback must not go through one. What
/// later versions add by default (retries, a time-out for connecting) is set explicitly.
#[expect(deprecated, reason = "the versions that replace it read the environment")]
fn without_proxy() -> BehaviorVersion {
    BehaviorVersion::v2025_01_17()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Options that create a file which only its owner can read.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// Takes the lock beside the state file, and writes down who has it. The system frees it when the process ends,
/// however it ends.
fn lock(path: &Path) -> Result<File, StoreError> {
    let beside = beside(path, ".lock");
    let failed = |error: std::io::Error| engine(&format!("{} can't be opened ({error})", beside.display()));
    let mut file = private_file().open(&beside).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // On some systems a locked file can't be read; then nobody is named.
            let _ = file.read_to_string(&mut holder);
            let holder = holder.lines().next().filter(|line| !line.is_empty());
            let holder = holder.unwrap_or("another process").to_owned();
            return Err(StoreError::Locked { path: path.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "process {}", std::process::id())
    };
    write(&mut file).map_err(failed)?;
    Ok(file)
}

/// Makes sure that the state file is there and private before SQLite opens it; the log beside it takes its permissions.
fn keep_private(path: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| engine(&format!("{} can't be opened ({error})", path.display()));
    let file = private_file().open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    }
    drop(file);
    Ok(())
}

fn engine(detail: &str) -> StoreError {
    StoreError::Engine { detail: detail.to_owned() }
}
