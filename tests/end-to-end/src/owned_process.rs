//! A child process that ends with its owner, even when the owner is killed.

use std::{
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::wait;

/// A server that is killed on drop.
///
/// When the test process ends without running drop (a kill, or a server in a static), a shell that waits on a pipe of this
/// process kills the server and removes its directory.
pub struct OwnedProcess {
    child: Child,
    watcher: Child,
    /// Receiver of signals in the syntax of `kill`: a process id, or a negative process group id.
    signal_target: String,
}

impl OwnedProcess {
    /// Starts a server.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        Self::start_in(Path::new(""), command)
    }

    /// Starts a server whose directory is removed when this process ends without dropping it.
    pub fn start_in(dir: &Path, command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).spawn()?;
        let signal_target = child.id().to_string();
        Self::watch(child, signal_target, dir)
    }

    /// Starts a server with child processes of its own, which end with it.
    pub fn start_group(dir: &Path, command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        let signal_target = format!("-{}", child.id());
        Self::watch(child, signal_target, dir)
    }

    fn watch(mut child: Child, signal_target: String, dir: &Path) -> io::Result<Self> {
        let watcher = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$1\"; [ -z \"$2\" ] || rm -rf -- \"$2\"", "watcher"])
            .arg(&signal_target)
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match watcher {
            Ok(watcher) => Ok(Self { child, watcher, signal_target }),
            Err(error) => {
                let _ = signal(9, &signal_target);
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Exit status of a process that has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends SIGTERM, and SIGKILL after a timeout.
    pub fn end(mut self, timeout: Duration) {
        if signal(15, &self.signal_target) {
            let _ = wait::until(timeout, || self.ended());
        }
    }
}

/// Sends a signal by the shell's `kill`: the standard library sends only SIGKILL, and only to one process.
fn signal(number: u8, target: &str) -> bool {
    let sent = Command::new("sh")
        .args(["-c", "kill -\"$1\" \"$2\"", "signal"])
        .args([&number.to_string(), target])
        .stderr(Stdio::null())
        .status();
    sent.is_ok_and(|status| status.success())
}

impl Drop for OwnedProcess {
    fn drop(&mut self) {
        // The watcher ends first, so that it never signals an id that another process has by then.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        if self.signal_target.starts_with('-') {
            signal(9, &self.signal_target);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
