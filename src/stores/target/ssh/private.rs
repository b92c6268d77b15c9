//! A private key as a file, for the time that `ssh` needs it: in a directory of its own, in memory where the system has such a
//! place, overwritten and removed when dropped.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{model::Secret, stores::Surroundings};

/// A directory that only we can look into.
pub(super) struct Private {
    dir: PathBuf,
    /// The length of the key, to overwrite it.
    length: usize,
}

impl Private {
    /// Makes the directory, and the key's file in it.
    pub(super) fn new(places: &[PathBuf], key: &Secret) -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| io::Error::other("no random bytes"))?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut made = Err(io::Error::other("no place for a file"));
        for place in places {
            let dir = place.join(format!("keysweep-{name}"));
            made = DirBuilder::new().mode(0o700).create(&dir).map(|()| dir);
            if made.is_ok() {
                break;
            }
        }
        // OpenSSH reads keys whose last line ends only.
        let mut text = Zeroizing::new(Vec::with_capacity(key.len() + 1));
        // ssh takes keys from files or agents alone.
        text.extend_from_slice(key.expose());
        if !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        let private = Self {
            dir: made?,
            length: text.len(),
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(private.key())?;
        file.write_all(&text)?;
        Ok(private)
    }

    /// Returns the key's file.
    pub(super) fn key(&self) -> PathBuf {
        self.dir.join("key")
    }

    /// Returns the file for what `ssh` logs, apart from what a server says.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Ok(mut file) = OpenOptions::new().write(true).open(self.key()) {
            let _ = file.write_all(&vec![0; self.length]);
            let _ = File::sync_all(&file);
        }
        for name in ["key", "log"] {
            let _ = std::fs::remove_file(self.dir.join(name));
        }
        let _ = std::fs::remove_dir(&self.dir);
    }
}

/// Returns where such directories may be, best first: places in memory, then where temporary files are.
pub(super) fn places(surroundings: &Surroundings<'_>) -> Vec<PathBuf> {
    let variable = |name: &str| (surroundings.variable)(name).map(PathBuf::from);
    let mut places = Vec::new();
    places.extend(variable("XDG_RUNTIME_DIR"));
    places.push(Path::new("/dev/shm").to_path_buf());
    places.extend(variable("TMPDIR"));
    places.push(Path::new("/tmp").to_path_buf());
    places.retain(|place| place.is_absolute());
    places
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_ours_alone_and_gone_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let places = [dir.path().join("none"), dir.path().to_path_buf()];
        let private = Private::new(&places, &Secret::new(b"made-up")).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&private.key()), 0o600);
        assert_eq!(mode(private.key().parent().unwrap()), 0o700);
        assert_eq!(std::fs::read(private.key()).unwrap(), b"made-up\n");
        let key = private.key();
        let other_name = dir.path().join("link");
        std::fs::hard_link(&key, &other_name).unwrap();
        drop(private);
        assert!(!key.parent().unwrap().exists());
        assert_eq!(std::fs::read(other_name).unwrap(), [0; 8], "overwritten");
    }
}
