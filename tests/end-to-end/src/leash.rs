//! A child process that ends with its owner, however the owner ends.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::wait;

/// A server that is killed on drop, and also when the test process itself is killed and no drop runs: a shell waits on
/// a pipe that only we hold open, and kills the server once the pipe closes.
pub struct Leash {
    child: Child,
    watcher: Child,
    /// Whom a signal goes to, as `kill` understands it: the process, or its whole group.
    aim: String,
}

impl Leash {
    /// Starts `command` on a leash.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).spawn()?;
        let aim = child.id().to_string();
        Self::watch(child, aim)
    }

    /// Starts a server that starts further processes, which end with it.
    pub fn start_group(command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        let aim = format!("-{}", child.id());
        Self::watch(child, aim)
    }

    fn watch(mut child: Child, aim: String) -> io::Result<Self> {
        let watcher = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$1\"", "leash"])
            .arg(&aim)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match watcher {
            Ok(watcher) => Ok(Self { child, watcher, aim }),
            Err(error) => {
                let _ = signal(9, &aim);
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The process id, while it runs and until this value goes.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to end, as an administrator would, and insists after `patience`.
    pub fn end(mut self, patience: Duration) {
        if signal(15, &self.aim) {
            let _ = wait::until(patience, || self.ended());
        }
    }
}

/// The shell's own `kill` sends the signal, since the standard library can only send the deadly one, and only to one
/// process.
fn signal(number: u8, aim: &str) -> bool {
    let sent = Command::new("sh")
        .args(["-c", "kill -\"$1\" \"$2\"", "leash"])
        .args([&number.to_string(), aim])
        .stderr(Stdio::null())
        .status();
    sent.is_ok_and(|status| status.success())
}

impl Drop for Leash {
    fn drop(&mut self) {
        // The watcher goes first: it must not wake up to kill an id that is no longer ours.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        if self.aim.starts_with('-') {
            signal(9, &self.aim);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
