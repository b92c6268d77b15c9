//! Reads of files that nobody vouches for: bounded, at an offset, never from a FIFO or device.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Most files kept open for packs and their indexes; further ones are opened for each read. Half of the common limit of
/// 1,024 open files a process.
pub(super) const MAX_OPEN: usize = 512;

/// A file that is read at offsets. Kept open where possible, so that a repack meanwhile cannot take it away.
pub(crate) struct Handle {
    path: PathBuf,
    file: Option<File>,
    len: u64,
}

impl Handle {
    /// Opens a regular file; `keep` tells whether to hold it open.
    pub(super) fn open(path: PathBuf, keep: bool) -> io::Result<Self> {
        let file = open_regular(&path)?;
        let len = file.metadata()?.len();
        Ok(Self {
            path,
            file: keep.then_some(file),
            len,
        })
    }

    /// Returns the length in bytes when it was opened.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Returns where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Fills as much of `buffer` as the file has at `offset` and returns how much that is.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.file {
            Some(file) => fill_at(file, buffer, offset),
            None => fill_at(&open_regular(&self.path)?, buffer, offset),
        }
    }

    /// Returns exactly `len` bytes at `offset`.
    pub(super) fn bytes_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let inside = offset
            .checked_add(len as u64)
            .is_some_and(|end| end <= self.len);
        if !inside {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; len];
        if self.read_at(&mut bytes, offset)? < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}

/// A stretch of a file as a stream.
pub(crate) struct Stretch<'h> {
    handle: &'h Handle,
    position: u64,
    end: u64,
}

impl<'h> Stretch<'h> {
    /// Returns the stream of the bytes from `start` to `end`.
    pub(crate) const fn new(handle: &'h Handle, start: u64, end: u64) -> Self {
        Self {
            handle,
            position: start,
            end,
        }
    }
}

impl Read for Stretch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        let n = self.handle.read_at(buffer, self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}

fn fill_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match once_at(file, rest, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(unix)]
fn once_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn once_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Opens a regular file (or a link to one): opening a FIFO would wait for ever.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    File::open(path)
}

/// Returns the content of a regular file of at most `max` bytes.
pub(crate) fn read_small(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?
        .take(max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than its kind may be",
        ));
    }
    Ok(bytes)
}

/// Returns a path's bytes as git writes them, with `/` between the parts.
pub(crate) fn path_bytes(path: &Path) -> Vec<u8> {
    #[cfg(unix)]
    {
        std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec()
    }
    #[cfg(not(unix))]
    {
        path.to_string_lossy().replace('\\', "/").into_bytes()
    }
}

/// Returns the path that bytes of a git file name.
pub(super) fn bytes_path(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
    }
    #[cfg(not(unix))]
    {
        PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_more_than_it_may_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read_small(&path, 5).unwrap(), b"12345");
        assert!(read_small(&path, 4).is_err());
        assert!(read_small(dir.path(), 4).is_err());
    }

    #[test]
    fn reads_at_offsets_and_stops_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, b"0123456789").unwrap();
        for keep in [true, false] {
            let handle = Handle::open(path.clone(), keep).unwrap();
            let mut buffer = [0; 4];
            assert_eq!(handle.read_at(&mut buffer, 8).unwrap(), 2);
            assert_eq!(handle.bytes_at(2, 3).unwrap(), b"234");
            assert!(handle.bytes_at(8, 3).is_err() && handle.bytes_at(u64::MAX, 3).is_err());
            let mut text = String::new();
            Stretch::new(&handle, 3, 7)
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text, "3456");
        }
    }
}
