//! A child process that ends with its owner, however the owner ends.

use std::{
    io,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::wait;

/// A server that is killed on drop, and also when the test process itself is killed and no drop runs: a shell waits on
/// a pipe that only we hold open, and kills the server once the pipe closes.
pub struct Leash {
    child: Child,
    watcher: Child,
}

impl Leash {
    /// Starts `command` on a leash.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).spawn()?;
        let watcher = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$1\"", "leash"])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match watcher {
            Ok(watcher) => Ok(Self { child, watcher }),
            Err(error) => {
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
        // The shell's own `kill` sends the signal, since the standard library can only send the deadly one.
        let asked =
            Command::new("sh").args(["-c", "kill \"$1\"", "leash"]).arg(self.id().to_string()).status();
        if asked.is_ok_and(|status| status.success()) {
            let _ = wait::until(patience, || self.ended());
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // The watcher goes first: it must not wake up to kill an id that is no longer ours.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
