//! Files on disk: read within bounds, made once, replaced as a whole under a lock.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{sealed::random, trouble::Trouble};
use crate::stores::Fault;

/// Most bytes of a SOPS file.
pub(super) const MAX_BYTES: u64 = 8 << 20;
/// How long a writer waits for another one.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How often it looks.
const LOCK_STEP: Duration = Duration::from_millis(20);

/// Reads a file of at most [`MAX_BYTES`].
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Trouble> {
    let failed = |error: &io::Error| {
        let help = match error.kind() {
            io::ErrorKind::NotFound => {
                "`keysweep store init --file FILE` makes a new one; a relative `file` begins at the folder of the stores file"
            }
            _ => "look at its rights: ls -l FILE",
        };
        Trouble::new(
            Fault::Unavailable,
            format!("cannot read {}: {}", file.display(), error.kind()),
            help,
        )
    };
    let opened =
        regular(OpenOptions::new().read(true), file, true).map_err(|error| failed(&error))?;
    bounded(opened, failed)
}

/// Reads a file of ours beside the SOPS file: no link, no pipe.
pub(super) fn read_own(file: &Path) -> Result<Vec<u8>, Trouble> {
    let failed = |error: &io::Error| {
        Trouble::new(
            Fault::Unavailable,
            format!("cannot read {}: {}", file.display(), error.kind()),
            "remove it if it is not keysweep's",
        )
    };
    let opened =
        regular(OpenOptions::new().read(true), file, false).map_err(|error| failed(&error))?;
    bounded(opened, failed)
}

fn bounded(opened: File, failed: impl Fn(&io::Error) -> Trouble) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    opened
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Trouble::beyond(format!(
            "it is larger than {} MiB",
            MAX_BYTES >> 20
        )));
    }
    Ok(bytes)
}

/// Opens a regular file without waiting: a repository may hold pipes and links in the place of files.
fn regular(options: &mut OpenOptions, file: &Path, follow: bool) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        use rustix::fs::OFlags;
        let flags = if follow {
            OFlags::NONBLOCK
        } else {
            OFlags::NONBLOCK | OFlags::NOFOLLOW
        };
        options.custom_flags(flags.bits().cast_signed());
    }
    let not_regular = || io::Error::from(io::ErrorKind::InvalidInput);
    if !follow && is_link(file) {
        return Err(not_regular());
    }
    let opened = options.open(file)?;
    if opened.metadata()?.is_file() {
        Ok(opened)
    } else {
        Err(not_regular())
    }
}

/// Tells whether a path is a symbolic link.
pub(super) fn is_link(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok_and(|meta| meta.is_symlink())
}

/// Tells whether a path is a link, or leads out of a repository that it is named in.
pub(super) fn leads_away(file: &Path) -> bool {
    if is_link(file) {
        return true;
    }
    let Ok(real) = fs::canonicalize(file) else {
        return false;
    };
    let named = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut trees = named
        .ancestors()
        .skip(1)
        .filter(|folder| folder.join(".git").exists());
    trees.any(|tree| fs::canonicalize(tree).is_ok_and(|tree| !real.starts_with(tree)))
}

/// Makes a file that is not there yet; `private`: for its owner alone.
pub(super) fn create(file: &Path, bytes: &[u8], private: bool) -> Result<(), Trouble> {
    let failed = |error: &io::Error| {
        let help = match error.kind() {
            io::ErrorKind::AlreadyExists => "it is never overwritten: name another file",
            _ => "name a place where you may write",
        };
        Trouble::new(
            Fault::Setup,
            format!("cannot make {}: {}", file.display(), error.kind()),
            help,
        )
    };
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    }
    let mut opened = options(private)
        .open(file)
        .map_err(|error| failed(&error))?;
    let written = opened.write_all(bytes).and_then(|()| opened.sync_all());
    written.map_err(|error| failed(&error))
}

/// Returns how to make a new file.
fn options(private: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    options
}

/// Held by one writer at a time, of all processes that keep to it; given back on drop.
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock of a file.
pub(super) fn lock(file: &Path) -> Result<Lock, Trouble> {
    let path = beside(file, ".lock");
    let failed = |error: &io::Error| {
        Trouble::new(
            Fault::Denied,
            format!("cannot lock {}: {}", path.display(), error.kind()),
            "writing needs the right to make files beside the SOPS file",
        )
    };
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    let opened = regular(&mut options, &path, false).map_err(|error| failed(&error))?;
    let until = Instant::now() + LOCK_WAIT;
    loop {
        match opened.try_lock() {
            Ok(()) => return Ok(Lock { _file: opened }),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(LOCK_STEP);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Trouble::new(
                    Fault::Retryable { after: None },
                    format!("another writer holds {}", path.display()),
                    "wait for the other keysweep to end, then try again",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
    }
}

/// Puts new bytes in a file's place, whole or not at all, with the rights of the old one. The caller holds the lock.
pub(super) fn replace(file: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let rights = fs::symlink_metadata(file)
        .ok()
        .map(|meta| meta.permissions());
    replace_with(file, bytes, rights)
}

/// As [`replace`], with these rights; `None`: for the owner alone.
pub(super) fn replace_with(
    file: &Path,
    bytes: &[u8],
    rights: Option<fs::Permissions>,
) -> Result<(), Trouble> {
    let failed = |error: &io::Error| {
        Trouble::new(
            Fault::Denied,
            format!("cannot write {}: {}", file.display(), error.kind()),
            "nothing was changed; writing needs the right to make files beside the SOPS file, and room on the disk",
        )
    };
    let mut name = [0_u8; 8];
    random(&mut name)?;
    let temporary = beside(file, &format!(".{:016x}.tmp", u64::from_le_bytes(name)));
    let write = || -> io::Result<()> {
        let mut opened = options(true).open(&temporary)?;
        opened.write_all(bytes)?;
        if let Some(rights) = &rights {
            opened.set_permissions(rights.clone())?;
        }
        opened.sync_all()?;
        fs::rename(&temporary, file)
    };
    write().map_err(|error| {
        // It may not be there; what failed first is what the user should hear of.
        let _ = fs::remove_file(&temporary);
        failed(&error)
    })?;
    // Makes the new name last. Not every file system lets a folder be opened for it; the file itself is on disk.
    if let Some(folder) = file.parent() {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

/// Returns the path of a hidden file beside `file`.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}{suffix}"))
}
