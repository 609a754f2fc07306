//! Runs of the real programs, and their output.

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

/// Only a program that hangs runs longer.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A call of a program that has not started.
#[must_use = "nothing runs before `run` or `start`"]
pub struct ProgramCall {
    command: Command,
    timeout: Duration,
    kill_after: Option<Duration>,
}

impl ProgramCall {
    pub(crate) fn new(dir: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        Self::of(&program("provisioner"), dir, arguments)
    }

    /// A call of any program in this directory.
    pub fn of(program: &Path, dir: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // The developer's own settings must not change the output.
        for variable in [
            "PROVISIONER_LOG",
            "PROVISIONER_OBSERVE",
            "PROVISIONER_CONFIG",
            "RUST_LOG",
            "RUST_BACKTRACE",
            "HTTPS_PROXY",
            "https_proxy",
        ] {
            command.env_remove(variable);
        }
        command.env("NO_COLOR", "1");
        Self { command, timeout: TIMEOUT, kill_after: None }
    }

    /// Runs the program in another folder.
    pub fn directory(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Fails when the program runs longer (five minutes by default).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Kills the program with SIGKILL after a delay, unless it has ended before.
    pub fn kill_after(mut self, delay: Duration) -> Self {
        self.kill_after = Some(delay);
        self
    }

    /// Runs the program to its end.
    pub fn run(self) -> anyhow::Result<ProgramOutput> {
        self.start()?.finish()
    }

    /// Starts the program.
    pub fn start(self) -> anyhow::Result<RunningProgram> {
        Ok(self.spawn(FirstLine::NotAwaited)?.0)
    }

    /// Starts the program and waits for the first line of its output, which a server writes when it is ready.
    pub fn start_and_read_line(self) -> anyhow::Result<(RunningProgram, String)> {
        self.spawn(FirstLine::Awaited)
    }

    fn spawn(mut self, first_line: FirstLine) -> anyhow::Result<(RunningProgram, String)> {
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
        if let (FirstLine::Awaited, Some(stdout)) = (first_line, &mut stdout) {
            stdout.read_line(&mut line)?;
        }
        let running = RunningProgram {
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

/// Whether the first line of the output is awaited.
enum FirstLine {
    Awaited,
    NotAwaited,
}

/// A running program. It is killed when this value is dropped.
pub struct RunningProgram {
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    started: Instant,
    timeout: Duration,
    kill_after: Option<Duration>,
    peak_rss_kib: u64,
    cpu: Duration,
}

impl RunningProgram {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the program has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) -> anyhow::Result<()> {
        let sent =
            Command::new("sh").args(["-c", "kill -INT \"$1\"", "sh"]).arg(self.id().to_string()).status()?;
        ensure!(sent.success(), "SIGINT does not reach process {}", self.id());
        Ok(())
    }

    /// Kills the program with SIGKILL now, unless it has ended.
    pub fn kill(mut self) -> anyhow::Result<ProgramOutput> {
        self.kill_after = Some(Duration::ZERO);
        self.finish()
    }

    /// Waits for the program's end.
    pub fn finish(mut self) -> anyhow::Result<ProgramOutput> {
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
                let output = self.output(status);
                bail!("the program did not end within {:?}\n{output}", self.timeout);
            }
            thread::sleep(Duration::from_millis(2));
        };
        Ok(self.output(status))
    }

    fn output(&mut self, status: ExitStatus) -> ProgramOutput {
        let text = |reader: Option<JoinHandle<Vec<u8>>>| {
            let bytes = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        ProgramOutput {
            exit_code: status.code(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
            duration: self.started.elapsed(),
            peak_rss_kib: self.peak_rss_kib,
            cpu: self.cpu,
        }
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Exit code, output and cost of a run.
#[derive(Debug, Clone)]
pub struct ProgramOutput {
    /// The exit code; `None` when a signal ended the program.
    pub exit_code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// From start to end.
    pub duration: Duration,
    /// Most memory, from the kernel's count a few milliseconds before the end.
    pub peak_rss_kib: u64,
    /// Processor time, from the kernel's count a few milliseconds before the end.
    pub cpu: Duration,
}

impl ProgramOutput {
    /// Expects this exit code.
    #[track_caller]
    pub fn expect_exit(&self, code: i32) -> &Self {
        assert_eq!(self.exit_code, Some(code), "unexpected exit code\n{self}");
        self
    }

    /// Expects this text in the output.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        let found = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(found, "the output lacks {text:?}\n{self}");
        self
    }

    /// Expects this text nowhere in the output.
    #[track_caller]
    pub fn never_says(&self, text: &str) -> &Self {
        let found = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!found, "the output contains {text:?}\n{self}");
        self
    }

    /// Expects all of these words in one line of standard output: usually the user, the action and the reason.
    #[track_caller]
    pub fn says_in_one_line(&self, words: &[&str]) -> &Self {
        assert!(self.lines_with(words) > 0, "no line of the output contains {words:?}\n{self}");
        self
    }

    /// Number of lines of standard output with all of these words.
    pub fn lines_with(&self, words: &[&str]) -> usize {
        self.stdout.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }

    /// Standard output, parsed as JSON.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("the output is not JSON\n{self}"))
    }
}

impl std::fmt::Display for ProgramOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { exit_code, stdout, stderr, duration, peak_rss_kib, cpu } = self;
        writeln!(
            f,
            "exit code {exit_code:?} after {duration:?}, {cpu:?} of CPU, at most {peak_rss_kib} KiB"
        )?;
        write!(f, "--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Reads a pipe to its end on a thread, so that a full pipe never blocks the program.
fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// The kernel's high-water mark of a running process; 0 after its end.
fn peak_rss_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Processor time of a running process, which the kernel counts in hundredths of a second; 0 after its end.
fn cpu_time(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The process's name is in brackets and may contain spaces. After it, user and system time are fields 12 and 13.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().skip(11).take(2));
    let ticks: u64 = fields.into_iter().flatten().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
