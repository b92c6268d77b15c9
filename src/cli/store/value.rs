//! A value from the user: standard input, or a prompt that shows nothing.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use zeroize::Zeroizing;

use super::super::error::CliError;
use crate::{
    model::{BlobPath, Secret},
    stores::KeyPath,
};

/// Most bytes of a value.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the value. One line end after it is not a part of it: `echo` and files end in one.
pub(super) fn read(key: &KeyPath, field: Option<&str>) -> Result<Secret, CliError> {
    let stdin = io::stdin();
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    let failed = |source: io::Error| CliError::Value { source };
    if stdin.is_terminal() {
        let silence = Silence::new().map_err(failed)?;
        let what = field.map_or_else(|| key.to_string(), |field| format!("{key} {field}"));
        let what = BlobPath::from(what.as_str());
        let mut err = io::stderr().lock();
        // A terminal that takes no prompt may still take the value.
        let _ = write!(err, "New value of {what}: ");
        let _ = err.flush();
        let mut input = stdin.lock().take(MAX_BYTES + 1);
        input.read_until(b'\n', &mut bytes).map_err(failed)?;
        drop(silence);
        let _ = writeln!(err);
    } else {
        let mut input = stdin.lock().take(MAX_BYTES + 1);
        input.read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    let value = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    if value.is_empty() {
        return Err(CliError::NoValue);
    }
    Ok(Secret::new(value))
}

/// Holds back the echo of the terminal; gives it back on drop.
#[cfg(unix)]
struct Silence(rustix::termios::Termios);

#[cfg(unix)]
impl Silence {
    fn new() -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

#[cfg(unix)]
impl Drop for Silence {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        // Nothing is left to be done about a terminal that went away.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(not(unix))]
struct Silence;

#[cfg(not(unix))]
impl Silence {
    fn new() -> io::Result<Self> {
        // Without a way to hide it, a value is not asked for.
        Err(io::ErrorKind::Unsupported.into())
    }
}
