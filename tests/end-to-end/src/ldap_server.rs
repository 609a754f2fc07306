//! The start of a directory server as a child process.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};

use crate::{DirectoryAdmin, owned_process::OwnedProcess, wait};

/// Only a failure takes this long.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Starts a server by `start`, with its output in `output`, and waits until the administrator can bind. An error ends with the
/// text of `log`.
pub(crate) fn start(
    admin: &DirectoryAdmin,
    command: &mut Command,
    (output, log): (&Path, &Path),
    start: impl FnOnce(&mut Command) -> std::io::Result<OwnedProcess>,
) -> anyhow::Result<OwnedProcess> {
    let server = command.get_program().to_string_lossy().into_owned();
    let file = File::create(output)?;
    command.stdout(file.try_clone()?).stderr(file);
    let mut process = start(command).with_context(|| format!("cannot start {server}"))?;
    let mut last = None;
    let ready = wait::until(TIMEOUT, || match (process.ended(), admin.bind()) {
        (Some(status), _) => Some(Err(anyhow!("{server} ended with {status}"))),
        (None, Ok(())) => Some(Ok(())),
        (None, Err(error)) => {
            last = Some(error);
            None
        }
    });
    let text = || fs::read_to_string(log).unwrap_or_default();
    match ready {
        Some(Ok(())) => Ok(process),
        Some(Err(error)) => Err(error.context(text())),
        None => bail!("{server} doesn't answer after {TIMEOUT:?}; last answer: {last:?}\n{}", text()),
    }
}
