//! LambdaEmulator on Lambda's runtime, as `cargo lambda watch` emulates it.
//!
//! What the emulator (cargo-lambda 1.9.2) does, as tried, and what follows from it:
//!
//! - By itself it builds: the first invocation of a function runs `cargo run --bin NAME`, and with `--concurrency` once
//!   more for each further copy. In a workspace that would resolve features for one package alone and so build the
//!   dependencies a second time, and it takes the lock of the build directory. With `--only-lambda-apis` it starts
//!   nothing and serves the Runtime API at `/.rt/NAME`. So the tests start the binaries that are built
//!   already, as many copies as they want, and can kill one.
//! - It knows functions by the binaries in a manifest: another name is answered with 404, after running `cargo metadata`.
//!   It gets a manifest of its own, in a temporary directory, with nothing but these names.
//! - Each copy waits at `next`; an invocation goes to the first that asks. So copies are the concurrency. Up to a hundred
//!   invocations of a function may wait; beyond that the emulator can lock up.
//! - A function's error is status 500 with the error as the body, where Lambda says 200 with a header. [`LambdaFunction`]
//!   understands both.
//! - An invocation is always answered, also one that was meant to run by itself (`X-Amz-ProgramCall-Type: Event`);
//!   [`crate::async_invokes`] accepts those for the functions.
//! - Its `--timeout` also ends a copy's waiting for work, with an answer that the runtime library panics at: don't use it.
//! - The deadline it gives is in 1970, and an invocation whose process died is never answered. [`crate::sandbox`]
//!   corrects both.
//! - The requested path `/` is taken for an invocation of a default function and waits for ever: readiness is a connection.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    LambdaFunction, async_invokes,
    background::BackgroundRuntime,
    owned_process::OwnedProcess,
    ports,
    sandbox::{Sandbox, SandboxOptions},
    tools::{program, python_tool},
    wait,
};

/// Only a failure takes this long.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Attempts with another port, when another process takes the first one.
const ATTEMPTS: u32 = 5;

/// A function and its limits.
#[derive(Debug, Clone)]
pub struct LambdaOptions {
    /// Name in the invoke API, and `AWS_LAMBDA_FUNCTION_NAME`.
    pub name: String,
    /// Program of the function.
    pub binary: PathBuf,
    /// Copies, each of which handles one invocation at a time.
    pub copies: usize,
    /// Its environment besides Lambda's own variables. Nothing of the test's environment is passed on.
    pub environment: Vec<(String, String)>,
    /// Timeout of an invocation; the process is killed after it.
    pub timeout: Duration,
}

impl LambdaOptions {
    /// One copy of the workspace's binary of this name, with a minute for each invocation.
    pub fn new(name: &str, environment: Vec<(String, String)>) -> Self {
        Self {
            name: name.to_owned(),
            binary: program(name),
            copies: 1,
            environment,
            timeout: Duration::from_secs(60),
        }
    }
}

/// RunningProgram functions. They end on drop.
pub struct LambdaEmulator {
    /// First, so that the copies end before the emulator does.
    background: BackgroundRuntime,
    _emulator: OwnedProcess,
    dir: TempDir,
    endpoint: String,
    functions: BTreeMap<String, LambdaFunction>,
    /// Copies with the names of their functions.
    copies: Vec<(String, Arc<Sandbox>)>,
}

impl LambdaEmulator {
    /// Starts the emulator and all copies.
    pub fn start(functions: Vec<LambdaOptions>) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("lambda-").tempdir().context("no directory for Lambda")?;
        write_manifest(dir.path(), &functions)?;
        for function in &functions {
            let path = &function.binary;
            anyhow::ensure!(path.exists(), "{} is missing: build it, or use ./tests/run", path.display());
        }
        let (emulator, endpoint) = start_emulator(dir.path())?;
        let background = BackgroundRuntime::start("lambda")?;
        let invokes = async_invokes::serve(&background, &endpoint)?;
        let (mut by_name, mut copies) = (BTreeMap::new(), Vec::new());
        for function in functions {
            // The sandbox answers at the deadline, so this timeout covers waiting invocations and a hanging emulator.
            let timeout = function.timeout * 2 + Duration::from_secs(60);
            by_name.insert(function.name.clone(), LambdaFunction::at(&endpoint, &function.name, timeout)?);
            for _ in 0..function.copies {
                // Functions invoke other functions here.
                let invoke_api = ("AWS_ENDPOINT_URL_LAMBDA".to_owned(), invokes.clone());
                let sandbox = Arc::new(Sandbox::new(SandboxOptions {
                    name: function.name.clone(),
                    binary: function.binary.clone(),
                    environment: function.environment.iter().cloned().chain([invoke_api]).collect(),
                    timeout: function.timeout,
                    log: log(dir.path(), &function.name),
                    runtime_api: format!("{endpoint}/.rt/{}", function.name),
                })?);
                let running = Arc::clone(&sandbox).run();
                let log = log(dir.path(), &function.name);
                background.spawn(async move {
                    if let Err(error) = running.await {
                        let _ = fs::write(log, format!("{error:#}\n"));
                    }
                });
                copies.push((function.name.clone(), sandbox));
            }
        }
        Ok(Self { background, _emulator: emulator, dir, endpoint, functions: by_name, copies })
    }

    /// `http://127.0.0.1:PORT`, where the invoke API is.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The function with this name.
    pub fn function(&self, name: &str) -> anyhow::Result<LambdaFunction> {
        self.functions.get(name).cloned().with_context(|| format!("there is no function {name}"))
    }

    /// Invokes a function and waits for its answer.
    pub fn invoke(&self, name: &str, event: &Value) -> anyhow::Result<Value> {
        let (function, event) = (self.function(name)?, event.clone());
        self.background.wait_for(async move { function.invoke(event).await })
    }

    /// Log of all copies of a function.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(log(self.dir.path(), name)).unwrap_or_default()
    }

    /// Most memory of any running copy.
    pub fn peak_memory_kb(&self, name: &str) -> anyhow::Result<u64> {
        let of_name = self.copies.iter().filter(|(of, _)| of == name);
        let peaks = of_name.filter_map(|(_, sandbox)| {
            let status = fs::read_to_string(format!("/proc/{}/status", sandbox.process_id()?)).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim().trim_end_matches(" kB").parse().ok()
        });
        peaks.max().with_context(|| format!("no copy of {name} is running"))
    }

    /// Start time of each running copy, from launch to its first request for an invocation.
    pub fn inits(&self, name: &str) -> Vec<Duration> {
        self.copies.iter().filter(|(of, _)| of == name).filter_map(|(_, sandbox)| sandbox.init()).collect()
    }

    /// Kills one busy copy with SIGKILL, and returns whether there was one. A new process replaces it.
    pub fn kill_one_busy(&self, name: &str) -> bool {
        let mut of_name = self.copies.iter().filter(|(of, _)| of == name);
        let at_work =
            of_name.find_map(|(_, sandbox)| if sandbox.is_busy() { sandbox.process_id() } else { None });
        at_work.is_some_and(|id| {
            let killed =
                Command::new("sh").args(["-c", "kill -9 \"$1\"", "kill"]).arg(id.to_string()).status();
            killed.is_ok_and(|status| status.success())
        })
    }
}

fn log(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.log"))
}

/// Writes the manifest that gives the emulator the functions' names.
fn write_manifest(dir: &Path, functions: &[LambdaOptions]) -> anyhow::Result<()> {
    let mut manifest = "[package]\nname = \"functions\"\nedition = \"2024\"\n\n[workspace]\n".to_owned();
    for LambdaOptions { name, .. } in functions {
        manifest.push_str(&format!("\n[[bin]]\nname = \"{name}\"\npath = \"main.rs\"\n"));
    }
    fs::write(dir.join("main.rs"), "fn main() {}\n")?;
    fs::write(dir.join("Cargo.toml"), manifest)?;
    Ok(())
}

fn start_emulator(dir: &Path) -> anyhow::Result<(OwnedProcess, String)> {
    for attempt in 1.. {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        match launch(dir, address) {
            Ok(process) => return Ok((process, format!("http://{address}"))),
            Err(error) if attempt == ATTEMPTS => return Err(error),
            Err(_) => {}
        }
    }
    bail!("no attempt was made to start the emulator")
}

fn launch(dir: &Path, address: SocketAddr) -> anyhow::Result<OwnedProcess> {
    let log = dir.join("emulator.log");
    let output = File::create(&log)?;
    let mut process = OwnedProcess::start(
        Command::new(python_tool("cargo-lambda")?)
            .args(["lambda", "watch", "--only-lambda-apis", "--ignore-changes", "--disable-cors"])
            .args(["--invoke-address", &address.ip().to_string()])
            .args(["--invoke-port", &address.port().to_string()])
            .current_dir(dir)
            .stdout(output.try_clone()?)
            .stderr(output),
    )
    .context("cannot start the Lambda emulator")?;
    let ready = wait::until(TIMEOUT, || match process.ended() {
        Some(status) => Some(Err(anyhow::anyhow!("the Lambda emulator ended with {status}"))),
        None => TcpStream::connect(address).is_ok().then_some(Ok(())),
    });
    let late = || Err(anyhow::anyhow!("the Lambda emulator doesn't answer after {TIMEOUT:?}"));
    ready.unwrap_or_else(late).with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
    Ok(process)
}
