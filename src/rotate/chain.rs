//! Append-only files of JSON lines, each holding the SHA-256 of the line before.
//!
//! Promises: a line is on the disk before [`Chain::append`] returns, and so is the file's name; a last line that was not written
//! to its end is cut and told; anything else that does not fit is an error; files are for their owner alone (0600) and locked while open.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    RotateError,
    canonical::{canonical, sha256, time_of, time_text},
    error::shown,
};

/// The hash "before" the first line.
pub(super) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line<T> {
    /// Its number, from 0.
    pub(super) seq: u64,
    /// When it was written, RFC 3339.
    pub(super) time: String,
    /// SHA-256 of the line before, without its line break.
    pub(super) prev: String,
    /// What it says.
    #[serde(flatten)]
    pub(super) body: T,
}

/// What a file says.
#[derive(Debug)]
pub(super) struct Parsed<T> {
    /// Its whole lines.
    pub(super) lines: Vec<Line<T>>,
    /// SHA-256 of the last whole line.
    pub(super) head: String,
    /// Bytes up to the end of the last whole line.
    pub(super) whole: usize,
    /// Bytes of a last line that was not written to its end.
    pub(super) torn: usize,
}

/// A line that does not fit, from 1, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) line: usize,
    pub(super) what: String,
}

/// Reads lines and checks numbers, hashes and the order of times.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Parsed<T>, Misfit> {
    let whole = memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1);
    let mut parsed = Parsed {
        lines: Vec::new(),
        head: NOTHING.to_owned(),
        whole,
        torn: bytes.len() - whole,
    };
    let mut last_time = i64::MIN;
    let text = bytes.get(..whole).unwrap_or_default();
    for (n, raw) in text.split_inclusive(|b| *b == b'\n').enumerate() {
        let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
        let misfit = |what: &str| Misfit {
            line: n + 1,
            what: what.to_owned(),
        };
        let line: Line<T> =
            serde_json::from_slice(raw).map_err(|_| misfit("it is no record of ours"))?;
        if line.seq != n as u64 {
            return Err(misfit(
                "its number is not the next one: records are missing",
            ));
        }
        if line.prev != parsed.head {
            return Err(misfit(
                "the record before it is not the one that it was written after",
            ));
        }
        let time = time_of(&line.time).ok_or_else(|| misfit("its time is none"))?;
        if time < last_time {
            return Err(misfit("it is older than the record before it"));
        }
        last_time = time;
        parsed.head = sha256(raw);
        parsed.lines.push(line);
    }
    Ok(parsed)
}

/// An open file, locked.
#[derive(Debug)]
pub(super) struct Chain {
    file: File,
    path: PathBuf,
    next: u64,
    head: String,
    last_time: i64,
}

impl Chain {
    /// Makes a file that is not there yet; its name is on the disk when this returns.
    pub(super) fn create(path: &Path) -> Result<Self, RotateError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create_new(true);
        private(&mut options);
        let file = options
            .open(path)
            .map_err(|source| RotateError::file("make", path, source))?;
        lock(&file, path, false)?;
        sync_directory(path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            next: 0,
            head: NOTHING.to_owned(),
            last_time: i64::MIN,
        })
    }

    /// Opens a file that is there, reads it whole and cuts what was not written to its end; returns how many bytes that were.
    pub(super) fn open<T: DeserializeOwned>(path: &Path) -> Result<(Self, Parsed<T>), RotateError> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(path)
            .map_err(|source| RotateError::file("open", path, source))?;
        lock(&file, path, false)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|source| RotateError::file("read", path, source))?;
        let parsed = parse::<T>(&bytes).map_err(|misfit| damaged(path, misfit))?;
        if parsed.torn > 0 {
            cut(&file, path, parsed.whole as u64)?;
        }
        let last = parsed.lines.last();
        let chain = Self {
            file,
            path: path.to_owned(),
            next: parsed.lines.len() as u64,
            head: parsed.head.clone(),
            last_time: last
                .and_then(|line| time_of(&line.time))
                .unwrap_or(i64::MIN),
        };
        Ok((chain, parsed))
    }

    /// Opens a file, or makes it, at its end: only the last line is read. Waits for other processes.
    pub(super) fn at_end(path: &Path) -> Result<Self, RotateError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        private(&mut options);
        let is_new = !path.exists();
        let mut file = options
            .open(path)
            .map_err(|source| RotateError::file("open", path, source))?;
        lock(&file, path, true)?;
        if is_new {
            sync_directory(path)?;
        }
        let (last, whole, torn) =
            last_line(&mut file).map_err(|source| RotateError::file("read", path, source))?;
        if torn {
            cut(&file, path, whole)?;
        }
        let mut chain = Self {
            file,
            path: path.to_owned(),
            next: 0,
            head: NOTHING.to_owned(),
            last_time: i64::MIN,
        };
        if let Some(last) = last {
            let misfit = || {
                damaged(
                    path,
                    Misfit {
                        line: 0,
                        what: "its last line is no record of ours".to_owned(),
                    },
                )
            };
            let line: Line<serde_json::Value> =
                serde_json::from_slice(&last).map_err(|_| misfit())?;
            chain.next = line.seq + 1;
            chain.last_time = time_of(&line.time).ok_or_else(misfit)?;
            chain.head = sha256(&last);
        }
        Ok(chain)
    }

    /// Writes one line and waits until it is on the disk. A clock that went back is taken for standing still: the order of records is
    /// that of their numbers.
    pub(super) fn append<T: Serialize>(&mut self, now: i64, body: T) -> Result<u64, RotateError> {
        self.append_with(now, |_| body)
    }

    /// As [`Self::append`], for a body that depends on its place in the file.
    pub(super) fn append_with<T: Serialize>(
        &mut self,
        now: i64,
        body: impl FnOnce(&Line<()>) -> T,
    ) -> Result<u64, RotateError> {
        let seq = self.put(now, body)?;
        self.sync()?;
        Ok(seq)
    }

    /// Writes one line without waiting for the disk: [`Self::sync`] does.
    pub(super) fn put<T: Serialize>(
        &mut self,
        now: i64,
        body: impl FnOnce(&Line<()>) -> T,
    ) -> Result<u64, RotateError> {
        let time = now.max(self.last_time);
        let place = Line {
            seq: self.next,
            time: time_text(time),
            prev: self.head.clone(),
            body: (),
        };
        let body = body(&place);
        let Line {
            seq,
            time: at,
            prev,
            ..
        } = place;
        let line = Line {
            seq,
            time: at,
            prev,
            body,
        };
        let mut text = canonical(&line).ok_or_else(|| {
            damaged(
                &self.path,
                Misfit {
                    line: 0,
                    what: "a record has no JSON form".to_owned(),
                },
            )
        })?;
        let head = sha256(text.as_bytes());
        text.push('\n');
        self.file
            .write_all(text.as_bytes())
            .map_err(|source| RotateError::file("write", &self.path, source))?;
        let seq = self.next;
        self.next += 1;
        self.head = head;
        self.last_time = time;
        Ok(seq)
    }

    /// Waits until what was written is on the disk.
    pub(super) fn sync(&self) -> Result<(), RotateError> {
        self.file
            .sync_data()
            .map_err(|source| RotateError::file("write", &self.path, source))
    }

    /// Returns where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file another name, in the place of what has it now; the new name is on the disk when this returns.
    pub(super) fn rename(&mut self, to: &Path) -> Result<(), RotateError> {
        std::fs::rename(&self.path, to).map_err(|source| RotateError::file("write", to, source))?;
        to.clone_into(&mut self.path);
        sync_directory(to)
    }

    /// Returns the SHA-256 of the last line.
    pub(super) fn head(&self) -> &str {
        &self.head
    }
}

pub(super) fn damaged(path: &Path, misfit: Misfit) -> RotateError {
    RotateError::Damaged {
        path: shown(path),
        line: misfit.line,
        what: misfit.what,
    }
}

/// Makes a directory for its owner alone, with those above it.
pub(super) fn private_directory(path: &Path) -> Result<(), RotateError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(|source| RotateError::file("make", path, source))
}

/// New files are for their owner alone.
pub(super) fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Waits until the name of a new file is on the disk.
pub(super) fn sync_directory(path: &Path) -> Result<(), RotateError> {
    // Windows has no handle of a directory that can be synced; there the file's own sync covers its name.
    #[cfg(unix)]
    if let Some(directory) = path.parent() {
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| RotateError::file("write", directory, source))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// How often a lock that another holds is tried.
const TRIES: u32 = 20;
/// How long is waited between.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Waits for the turn to begin something in a directory; it ends when the file, which lies beside the directory, is dropped.
pub(super) fn turn(directory: &Path) -> Result<File, RotateError> {
    let path = directory.with_extension("lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    private(&mut options);
    let file = options
        .open(&path)
        .map_err(|source| RotateError::file("open", &path, source))?;
    lock(&file, &path, true)?;
    Ok(file)
}

fn lock(file: &File, path: &Path, wait: bool) -> Result<(), RotateError> {
    if wait {
        return file
            .lock()
            .map_err(|source| RotateError::file("lock", path, source));
    }
    // A process that was killed, or a child between its birth and its program, holds a lock for a moment longer.
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(source)) => {
                return Err(RotateError::file("lock", path, source));
            }
        }
    }
    Err(RotateError::Busy { path: shown(path) })
}

fn cut(file: &File, path: &Path, whole: u64) -> Result<(), RotateError> {
    file.set_len(whole)
        .and_then(|()| file.sync_all())
        .map_err(|source| RotateError::file("cut", path, source))
}

/// Returns the last whole line, the bytes up to its end, and whether something follows it.
fn last_line(file: &mut File) -> std::io::Result<(Option<Vec<u8>>, u64, bool)> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut window = 64 * 1024;
    loop {
        let start = length.saturating_sub(window);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        std::io::Read::take(&mut *file, window).read_to_end(&mut bytes)?;
        let Some(end) = memchr::memrchr(b'\n', &bytes) else {
            if start == 0 {
                return Ok((None, 0, !bytes.is_empty()));
            }
            window *= 4;
            continue;
        };
        let before = bytes.get(..end).unwrap_or_default();
        let begin = memchr::memrchr(b'\n', before).map(|at| at + 1);
        if begin.is_none() && start > 0 {
            window *= 4;
            continue;
        }
        let line = before.get(begin.unwrap_or(0)..).unwrap_or_default();
        let whole = start + end as u64 + 1;
        return Ok((Some(line.to_vec()), whole, whole < length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Body {
        say: String,
    }

    fn body(say: &str) -> Body {
        Body {
            say: say.to_owned(),
        }
    }

    fn three(path: &Path) -> Vec<u8> {
        let mut chain = Chain::create(path).unwrap();
        for (n, say) in ["one", "two", "three"].into_iter().enumerate() {
            chain.append(100 + n as i64, body(say)).unwrap();
        }
        std::fs::read(path).unwrap()
    }

    #[test]
    fn what_is_cut_anywhere_reads_as_its_whole_lines() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = three(&directory.path().join("a"));
        for end in 0..=bytes.len() {
            let path = directory.path().join("cut");
            std::fs::write(&path, &bytes[..end]).unwrap();
            let lines = bytes[..end].iter().filter(|b| **b == b'\n').count();
            let (mut chain, parsed) = Chain::open::<Body>(&path).unwrap();
            assert_eq!(parsed.lines.len(), lines);
            assert_eq!(chain.append(200, body("next")).unwrap(), lines as u64);
            drop(chain);
            let again = std::fs::read(&path).unwrap();
            assert_eq!(parse::<Body>(&again).unwrap().lines.len(), lines + 1);
            // The quick way of the audit log comes to the same end.
            std::fs::write(&path, &bytes[..end]).unwrap();
            let mut chain = Chain::at_end(&path).unwrap();
            assert_eq!(chain.append(200, body("next")).unwrap(), lines as u64);
            drop(chain);
            assert_eq!(std::fs::read(&path).unwrap(), again);
        }
    }

    #[test]
    fn every_changed_byte_of_a_line_that_another_follows_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = three(&directory.path().join("a"));
        let last = memchr::memrchr(b'\n', &bytes[..bytes.len() - 1]).unwrap();
        for at in 0..last {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(parse::<Body>(&changed).is_err(), "byte {at}");
        }
        let second = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
        assert!(parse::<Body>(&bytes[second..]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn files_are_for_their_owner_and_for_one_process() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let chain = Chain::create(&path).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let busy = Chain::open::<Body>(&path).unwrap_err();
        assert!(matches!(busy, RotateError::Busy { .. }), "{busy}");
        drop(chain);
        Chain::open::<Body>(&path).unwrap();
    }

    #[test]
    fn a_clock_that_goes_back_stands_still() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let mut chain = Chain::create(&path).unwrap();
        chain.append(100, body("one")).unwrap();
        chain.append(50, body("two")).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let parsed = parse::<Body>(&bytes).unwrap();
        assert_eq!(parsed.lines[0].time, parsed.lines[1].time);
    }
}
