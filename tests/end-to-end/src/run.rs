//! Running the real `provisioner` binary, and what became of it.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::tools::program;

/// A call of the binary that hasn't started.
#[must_use = "nothing runs before `run` or `start`"]
pub struct Invocation {
    command: Command,
    timeout: Duration,
    kill_after: Option<Duration>,
}

impl Invocation {
    pub(crate) fn new(dir: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        Self::of(&program("provisioner"), dir, arguments)
    }

    /// Of any program.
    pub fn of(program: &Path, dir: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // What the developer has set for himself must not change what a test sees.
        for variable in ["PROVISIONER_LOG", "RUST_LOG", "RUST_BACKTRACE"] {
            command.env_remove(variable);
        }
        command.env("NO_COLOR", "1");
        Self { command, timeout: Duration::from_secs(120), kill_after: None }
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Fails when it runs longer than this (two minutes if nothing is said).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Kills it with SIGKILL, which it can't prepare for, unless it has ended before.
    pub fn kill_after(mut self, delay: Duration) -> Self {
        self.kill_after = Some(delay);
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> anyhow::Result<Finished> {
        self.start()?.finish()
    }

    /// Starts it and goes on with the test.
    pub fn start(self) -> anyhow::Result<Running> {
        Ok(self.start_with(First::IsNotAwaited)?.0)
    }

    /// Starts it, and waits for the first line of its output, by which a server says that it is ready.
    pub fn start_and_hear(self) -> anyhow::Result<(Running, String)> {
        self.start_with(First::IsAwaited)
    }

    fn start_with(mut self, first: First) -> anyhow::Result<(Running, String)> {
        let program = PathBuf::from(self.command.get_program());
        ensure!(
            program.exists(),
            "{} is missing: build it with `cargo build -p provisioner --bin provisioner`, or use ./tests/run",
            program.display()
        );
        let mut child =
            self.command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let started = Instant::now();
        let stderr = child.stderr.take().map(collect);
        let mut line = String::new();
        let mut stdout = child.stdout.take().map(BufReader::new);
        if let (First::IsAwaited, Some(stdout)) = (first, &mut stdout) {
            stdout.read_line(&mut line)?;
        }
        let running = Running {
            child,
            stdout: stdout.map(collect),
            stderr,
            started,
            timeout: self.timeout,
            kill_after: self.kill_after,
            peak_rss_kib: 0,
            cpu: Duration::ZERO,
        };
        Ok((running, line))
    }
}

/// What becomes of the first line of the output.
enum First {
    IsAwaited,
    IsNotAwaited,
}

/// A call of the binary that is under way. It is killed when this value is dropped without an end.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    started: Instant,
    timeout: Duration,
    kill_after: Option<Duration>,
    peak_rss_kib: u64,
    cpu: Duration,
}

impl Running {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) -> anyhow::Result<()> {
        let sent =
            Command::new("sh").args(["-c", "kill -INT \"$1\"", "sh"]).arg(self.id().to_string()).status()?;
        ensure!(sent.success(), "no signal reaches the provisioner");
        Ok(())
    }

    /// Kills it with SIGKILL now, unless it has ended, and says what it had done.
    pub fn kill(mut self) -> anyhow::Result<Finished> {
        self.kill_after = Some(Duration::ZERO);
        self.finish()
    }

    /// Waits for its end.
    pub fn finish(mut self) -> anyhow::Result<Finished> {
        let mut killed = false;
        let status = loop {
            self.peak_rss_kib = self.peak_rss_kib.max(peak_rss_kib(self.id()));
            self.cpu = self.cpu.max(cpu_time(self.id()));
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            let elapsed = self.started.elapsed();
            if !killed && self.kill_after.is_some_and(|delay| elapsed >= delay) {
                self.child.kill()?;
                killed = true;
            }
            if elapsed > self.timeout {
                let _ = self.child.kill();
                let status = self.child.wait()?;
                let said = self.collected(status);
                bail!("the provisioner didn't end within {:?}\n{said}", self.timeout);
            }
            thread::sleep(Duration::from_millis(2));
        };
        Ok(self.collected(status))
    }

    fn collected(&mut self, status: ExitStatus) -> Finished {
        let text = |reader: Option<JoinHandle<Vec<u8>>>| {
            let bytes = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Finished {
            exit_code: status.code(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
            duration: self.started.elapsed(),
            peak_rss_kib: self.peak_rss_kib,
            cpu: self.cpu,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What became of a call.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit code; none when a signal ended it.
    pub exit_code: Option<i32>,
    /// What it wrote for its user.
    pub stdout: String,
    /// What it wrote beside that.
    pub stderr: String,
    /// From start to end.
    pub duration: Duration,
    /// The most memory it held, as the kernel counted it up to a few milliseconds before the end.
    pub peak_rss_kib: u64,
    /// How long processors worked on it, as the kernel counted it up to a few milliseconds before the end.
    pub cpu: Duration,
}

impl Finished {
    /// Panics with everything it said unless it ended with this exit code.
    #[track_caller]
    pub fn expect_exit(&self, code: i32) -> &Self {
        assert_eq!(self.exit_code, Some(code), "unexpected exit code\n{self}");
        self
    }

    /// Panics with everything it said unless a signal ended it.
    #[track_caller]
    pub fn expect_killed(&self) -> &Self {
        assert_eq!(self.exit_code, None, "it should have been killed before its end\n{self}");
        self
    }

    /// What it wrote for its user, read as JSON.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("its output is not JSON\n{self}"))
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { exit_code, stdout, stderr, duration, peak_rss_kib, cpu } = self;
        writeln!(
            f,
            "exit code {exit_code:?} after {duration:?}, {cpu:?} of work, at most {peak_rss_kib} KiB"
        )?;
        write!(f, "--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Reads a pipe to its end on a thread of its own, so that the child never waits for us.
fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// The kernel's high-water mark of a living process; 0 when it is gone.
fn peak_rss_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// How long processors have worked on a process, in hundredths of a second, the kernel's unit for it; nought when it is
/// gone.
fn cpu_time(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name comes first, in brackets, and may hold anything. Of what follows these are the 12th and 13th.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().skip(11).take(2));
    let ticks: u64 = fields.into_iter().flatten().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::of(Path::new("/bin/sh"), Path::new("/"), ["-c", script])
    }

    #[test]
    fn output_exit_code_and_memory_are_kept() {
        let finished = shell("echo '{\"a\": 1}'; echo no >&2; sleep 0.05; exit 3").run().unwrap();
        finished.expect_exit(3);
        assert_eq!(finished.json().unwrap()["a"], 1);
        assert_eq!(finished.stderr, "no\n");
        assert!(finished.peak_rss_kib > 100, "{finished}");
    }

    #[test]
    fn a_kill_comes_after_its_delay() {
        let finished =
            shell("echo begun; exec sleep 60").kill_after(Duration::from_millis(200)).run().unwrap();
        finished.expect_killed();
        assert_eq!(finished.stdout, "begun\n");
        assert!(finished.duration >= Duration::from_millis(200), "{finished}");
    }

    #[test]
    fn a_process_that_does_not_end_fails_with_what_it_said() {
        let error = shell("echo begun; exec sleep 60").timeout(Duration::from_millis(200)).run().unwrap_err();
        assert!(error.to_string().contains("begun"), "{error:#}");
    }
}
