//! Age: the identities that open a file's data key, and the recipients it is sealed for. All cryptography is the `age` crate's.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use age::{
    Decryptor, Encryptor,
    armor::{ArmoredReader, ArmoredWriter, Format},
    secrecy::ExposeSecret as _,
    x25519,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{file::NameKey, metadata::Recipient, sealed::DataKey, trouble::Trouble};
use crate::{
    config::stores::LocalSettings,
    stores::{Fault, Surroundings},
};

/// Most bytes of a file of identities.
const MAX_FILE: u64 = 1 << 20;
/// Sets the key of version names apart from other uses of an identity.
const NAMES: &[u8] = b"keysweep: names of versions in SOPS files, 1";

/// Identities, and where they were found.
pub(super) struct Identities {
    keys: Vec<x25519::Identity>,
    /// For people: the file or variable.
    pub(super) origin: String,
    /// The file, if it is one.
    pub(super) file: Option<PathBuf>,
}

impl Identities {
    /// Finds them: the store's own file, `SOPS_AGE_KEY_FILE`, `SOPS_AGE_KEY`, then the default places of sops and of `keysweep store init`.
    pub(super) fn find(
        settings: &LocalSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, Trouble> {
        if let Some(file) = &settings.identity {
            return Self::read(file);
        }
        if let Some(file) = (surroundings.variable)("SOPS_AGE_KEY_FILE") {
            return Self::read(Path::new(&file));
        }
        if let Some(text) = surroundings.text(&["SOPS_AGE_KEY"]) {
            let text = Zeroizing::new(text);
            return Self::parse(&text, "SOPS_AGE_KEY".to_owned(), None);
        }
        let places = default_places(surroundings);
        match places.iter().find(|place| place.is_file()) {
            Some(file) => Self::read(file),
            None => Err(Trouble::new(
                Fault::Unauthenticated,
                "there is no age identity to open the file with",
                "set `identity = \"FILE\"` in its [stores.NAME], or SOPS_AGE_KEY_FILE; `keysweep store init` makes one",
            )),
        }
    }

    /// Reads a file of identities, as `age-keygen` writes it.
    pub(super) fn read(file: &Path) -> Result<Self, Trouble> {
        let shown = file.display();
        let wrong = |error: &io::Error| {
            Trouble::new(
                Fault::Unauthenticated,
                format!("cannot read the age identity {shown}: {}", error.kind()),
                "name a file that is there and readable, as `identity` in its [stores.NAME] or in SOPS_AGE_KEY_FILE",
            )
        };
        let opened = fs::File::open(file).map_err(|error| wrong(&error))?;
        let mut text = Zeroizing::new(String::new());
        opened
            .take(MAX_FILE)
            .read_to_string(&mut text)
            .map_err(|error| wrong(&error))?;
        Self::parse(&text, shown.to_string(), Some(file.to_owned()))
    }

    fn parse(text: &str, origin: String, file: Option<PathBuf>) -> Result<Self, Trouble> {
        let lines = text.lines().map(str::trim).enumerate();
        let mut keys = Vec::new();
        for (number, line) in lines {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key: x25519::Identity = line.parse().map_err(|_| {
                Trouble::new(
                    Fault::Unauthenticated,
                    format!("{origin} holds something else than an age identity at line {}", number + 1),
                    "it needs lines AGE-SECRET-KEY-1..., not sealed by a passphrase; `age-keygen -o FILE` writes one",
                )
            })?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(Trouble::new(
                Fault::Unauthenticated,
                format!("{origin} holds no age identity"),
                "it needs a line AGE-SECRET-KEY-1...; `age-keygen -o FILE` writes one",
            ));
        }
        Ok(Self { keys, origin, file })
    }

    /// Returns our recipients, in the order of the file.
    pub(super) fn recipients(&self) -> Vec<String> {
        let public = self.keys.iter().map(x25519::Identity::to_public);
        public.map(|recipient| recipient.to_string()).collect()
    }

    /// Returns the key that versions are named by: an HMAC under the first identity, which stays what it is when files are sealed anew.
    pub(super) fn name_key(&self) -> NameKey {
        let secret = self.keys.first().map(x25519::Identity::to_string);
        let secret = secret.as_ref().map_or("", |secret| secret.expose_secret());
        let mut hash = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .unwrap_or_else(|_| Hmac::new(&[0; 64].into()));
        hash.update(NAMES);
        NameKey(Zeroizing::new(hash.finalize().into_bytes().into()))
    }

    /// Opens the data key with the first recipient that one of ours stands for.
    pub(super) fn open(&self, recipients: &[Recipient]) -> Result<DataKey, Trouble> {
        let ours = self.recipients();
        // Our own first, then the rest: the name in the file is a label that nobody signed.
        let (own, rest): (Vec<_>, Vec<_>) = recipients
            .iter()
            .partition(|recipient| ours.contains(&recipient.name));
        for recipient in own.iter().chain(&rest) {
            if let Some(key) = self.open_one(&recipient.enc) {
                return Ok(key);
            }
        }
        let none = match recipients.len() {
            0 => {
                "it has no age recipient (KMS, PGP or Vault alone open it), so it is not sealed for"
                    .to_owned()
            }
            1 => "its one age recipient is not".to_owned(),
            several => format!("none of its {several} age recipients is"),
        };
        Err(Trouble::new(
            Fault::Unauthenticated,
            format!("{none} the identity in {}", self.origin),
            format!(
                "name the right identity, or have someone who can open the file add {}: sops rotate -i --add-age RECIPIENT FILE",
                ours.first().map_or("yours", String::as_str)
            ),
        ))
    }

    fn open_one(&self, enc: &str) -> Option<DataKey> {
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(enc.as_bytes())).ok()?;
        let identities = self.keys.iter().map(|key| key as &dyn age::Identity);
        let reader = decryptor.decrypt(identities).ok()?;
        // One byte more than a key has, so that a longer one is seen.
        let mut bytes = Zeroizing::new(Vec::with_capacity(64));
        reader.take(33).read_to_end(&mut bytes).ok()?;
        DataKey::from_slice(&bytes)
    }
}

/// Where sops looks for identities, then where `keysweep store init` puts its own.
fn default_places(surroundings: &Surroundings<'_>) -> Vec<PathBuf> {
    let home = surroundings.home.as_deref();
    let config = (surroundings.variable)("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| home.map(|home| home.join(".config")));
    let mut places = Vec::new();
    if let Some(config) = &config {
        places.push(config.join("sops/age/keys.txt"));
    }
    if let Some(home) = home {
        // The user's configuration on macOS, as Go's os.UserConfigDir has it.
        places.push(home.join("Library/Application Support/sops/age/keys.txt"));
    }
    if let Some(config) = &config {
        places.push(config.join("keysweep/age.txt"));
    }
    places
}

/// Seals a data key for one recipient, as an armoured age file.
pub(super) fn seal(key: &DataKey, recipient: &str) -> Result<String, Trouble> {
    let wrong = || {
        Trouble::new(
            Fault::Setup,
            "a recipient is no age recipient",
            "recipients look like age1...; `age-keygen -y FILE` prints that of an identity",
        )
    };
    let recipient: x25519::Recipient = recipient.trim().parse().map_err(|_| wrong())?;
    let seal = || -> io::Result<Vec<u8>> {
        let encryptor =
            Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
                .map_err(io::Error::other)?;
        let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armor)?;
        writer.write_all(key.bytes())?;
        writer.finish()?.finish()
    };
    let bytes = seal().map_err(|_| wrong())?;
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// Writes a new age identity to `file`, which must not exist, readable by its owner alone; returns its recipient.
pub(super) fn generate(file: &Path) -> Result<String, Trouble> {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let secret = identity.to_string();
    // The form of `age-keygen`: tools look for the public key in the comment.
    let text = Zeroizing::new(format!(
        "# public key: {recipient}\n{}\n",
        secret.expose_secret()
    ));
    super::write::create(file, text.as_bytes(), true)?;
    Ok(recipient)
}
