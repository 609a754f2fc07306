//! Lock and permissions of the state file: one writing process at a time, readable by its owner only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write as _};
use std::path::{Path, PathBuf};

use model::system_reason;

use super::engine;
use crate::StoreError;
use crate::errors::Result;

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Options for a file that only its owner can read. A symbolic link is refused: in a folder that others can write to, it
/// would make this process write to a file of their choice.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW);
    }
    options
}

/// Why a file is not open, and what to do.
fn unopened(error: &std::io::Error) -> String {
    let advice = match error.kind() {
        ErrorKind::NotFound => "; create the folder, or name another file with --state",
        ErrorKind::IsADirectory => "; name a file in it with --state",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; use a folder that you can write to, or name another file with --state"
        }
        _ => "",
    };
    format!("can't be opened: {}{advice}", system_reason(error))
}

fn open_private(path: &Path) -> Result<File> {
    let problem = |error: std::io::Error| match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => {
            "is a symbolic link; name the file itself, in a folder of your own".to_owned()
        }
        _ => unopened(&error),
    };
    private_file().open(path).map_err(|error| engine(&format!("{} {}", path.display(), problem(error))))
}

/// Takes the lock file beside the state file and writes the process id into it. The operating system frees the lock
/// when the process ends.
pub(super) fn lock(path: &Path) -> Result<File> {
    let beside = beside(path, ".lock");
    let failed = |error: std::io::Error| engine(&format!("{} {}", beside.display(), unopened(&error)));
    let mut file = open_private(&beside)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // On some systems a locked file can't be read; then the holder is unknown.
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

/// Creates the state file with private permissions before SQLite opens it; the write-ahead log takes its permissions.
pub(super) fn keep_private(path: &Path) -> Result<()> {
    let failed = |error: std::io::Error| engine(&format!("{} {}", path.display(), unopened(&error)));
    let file = open_private(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    }
    drop(file);
    Ok(())
}
