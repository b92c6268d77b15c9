//! Files that hold one credential, as settings name them.
//!
//! Promises: what is read is a [`Secret`] at once, buffers are wiped, and errors name the file and never quote it.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{Fault, StoreError, buffer::Buffer};
use crate::model::Secret;

/// Most bytes of a credential's file; a wrapped token or a JWT has a few thousand.
const MOST: usize = 64 << 10;

/// Reads a small file that holds a credential, without the line break at its end.
///
/// # Errors
/// [`Fault::Setup`] if it cannot be read, is empty or larger than 64 KiB.
pub fn credential_file(store: &str, file: &Path, setting: &str) -> Result<Secret, StoreError> {
    let shown = file.display();
    let setup = |what: String| {
        StoreError::new(
            store,
            Fault::Setup,
            what,
            format!("set `{setting}` to the file that holds it, readable by you alone"),
        )
    };
    let mut bytes = Buffer::with_capacity(MOST);
    let mut chunk = Zeroizing::new([0_u8; 4096]);
    let mut input = fs::File::open(file)
        .map_err(|error| setup(format!("{shown} cannot be read: {}", error.kind())))?;
    loop {
        let read = input
            .read(chunk.as_mut_slice())
            .map_err(|error| setup(format!("{shown} cannot be read: {}", error.kind())))?;
        if read == 0 {
            break;
        }
        if bytes.bytes().len() + read > MOST {
            return Err(setup(format!("{shown} is larger than a credential")));
        }
        bytes.push(chunk.get(..read).unwrap_or_default());
    }
    let credential = bytes.bytes().trim_ascii();
    if credential.is_empty() {
        return Err(setup(format!("{shown} is empty")));
    }
    Ok(Secret::new(credential))
}

/// Makes a path that begins with `~/` one below the home directory.
#[must_use]
pub fn at_home(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_without_their_line_break() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("token");
        fs::write(&file, "made-up\n").expect("written");
        let secret = credential_file("s", &file, "file").expect("read");
        assert_eq!(secret.expose(), b"made-up");
        fs::write(&file, "\n").expect("written");
        assert!(credential_file("s", &file, "file").is_err());
    }

    #[test]
    fn home_is_where_the_user_is() {
        let home = Path::new("/home/made-up");
        assert_eq!(at_home(Path::new("~/t"), Some(home)), home.join("t"));
        assert_eq!(at_home(Path::new("/t"), Some(home)), Path::new("/t"));
    }
}
