//! New files: an empty SOPS file, an age identity. Neither ever takes the place of a file that is there.

use std::path::Path;

use sha2::{Digest as _, Sha512};

use super::{
    edit,
    identities::{self, Identities},
    metadata::{self, Metadata},
    sealed::{DataKey, Kind},
    tree,
    trouble::Trouble,
    write,
};
use crate::stores::{Fault, StoreError};

/// Makes a new SOPS file without keys, for these age recipients (`age1...`). An existing file is never overwritten.
///
/// # Errors
/// [`Fault::Setup`] for recipients that are none, and for a file that exists or cannot be made.
pub fn create(file: &Path, recipients: &[String]) -> Result<(), StoreError> {
    let shown = file.display().to_string();
    let of = |trouble: Trouble| trouble.of(&shown);
    if recipients.is_empty() {
        return Err(of(Trouble::new(
            Fault::Setup,
            "a file needs an age recipient that can open it",
            "`age-keygen -y FILE` prints that of an identity",
        )));
    }
    let text = new_file(recipients).map_err(of)?;
    write::create(file, text.as_bytes(), false).map_err(of)
}

/// Returns the text of a file without keys, as sops writes it.
pub(super) fn new_file(recipients: &[String]) -> Result<String, Trouble> {
    let key = DataKey::random()?;
    let mut text = String::from("sops:\n    age:\n");
    for recipient in recipients {
        let enc = identities::seal(&key, recipient)?;
        text.push_str(&format!(
            "        - recipient: {}\n          enc: |\n",
            recipient.trim()
        ));
        for line in enc.lines() {
            text.push_str(&format!("            {line}\n"));
        }
    }
    let now = edit::now();
    let mac: String = Sha512::digest(b"")
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let mac = key.seal(Kind::Str, mac.as_bytes(), &now)?;
    // The version of sops whose layout this is.
    text.push_str(&format!(
        "    lastmodified: \"{now}\"\n    mac: {mac}\n    unencrypted_suffix: {}\n    version: 3.11.0\n",
        metadata::UNENCRYPTED
    ));
    Ok(text)
}

/// Makes a new age identity in `file`, readable by its owner alone, and returns its recipient. An existing file is never overwritten.
///
/// # Errors
/// [`Fault::Setup`] for a file that exists or cannot be made.
pub fn generate_identity(file: &Path) -> Result<String, StoreError> {
    identities::generate(file).map_err(|trouble| trouble.of(&file.display().to_string()))
}

/// Writes a new file for its owner alone, such as a stores file. An existing one is never overwritten.
///
/// # Errors
/// [`Fault::Setup`] for a file that exists or cannot be made.
pub fn write_private(file: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write::create(file, bytes, true).map_err(|trouble| trouble.of(&file.display().to_string()))
}

/// Returns the recipients that the identities in `file` stand for, in its order.
///
/// # Errors
/// [`Fault::Unauthenticated`] for a file that cannot be read or holds something else.
pub fn recipients(file: &Path) -> Result<Vec<String>, StoreError> {
    Identities::read(file)
        .map(|identities| identities.recipients())
        .map_err(|trouble| trouble.of(&file.display().to_string()))
}

/// Returns the age recipients that the SOPS file `file` names. Nobody has signed them; no identity is needed.
///
/// # Errors
/// [`Fault::Unavailable`] for a file that cannot be read, [`Fault::Setup`] or [`Fault::Protocol`] for one that is no SOPS file.
pub fn recipients_of_file(file: &Path) -> Result<Vec<String>, StoreError> {
    let read = || {
        let bytes = write::read(file)?;
        let text = str::from_utf8(&bytes).map_err(|_| Trouble::damaged("it is no UTF-8 text"))?;
        Metadata::read(&tree::read(text)?)
    };
    let metadata = read().map_err(|trouble| trouble.of(&file.display().to_string()))?;
    Ok(metadata.age.into_iter().map(|one| one.name).collect())
}
