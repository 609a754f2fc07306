//! The state file is one process's at a time, and its owner's alone.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write as _};
use std::path::{Path, PathBuf};

use super::engine;
use crate::StoreError;

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
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
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
pub(super) fn keep_private(path: &Path) -> Result<(), StoreError> {
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
