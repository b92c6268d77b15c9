//! One SOPS file, opened and checked: every value opens at its place, and the MAC over all of them holds.
//!
//! Ciphertext and places are kept, plaintext is not: a value is opened again when it is lent.

use std::{collections::BTreeMap, ops::Range};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::Zeroizing;

use super::{
    identities::Identities,
    metadata::{KEY, Metadata, UNENCRYPTED},
    sealed::{DataKey, Kind, Plain, Shut, canonical},
    tree::{self, Map, Node, Scalar},
    trouble::Trouble,
    words::{Word, word},
};
use crate::stores::{KeyPath, VersionId};

/// What the MAC begins with when it leaves out values in the open: SHA-256 of `sops` (`MACOnlyEncryptedInitialization`).
const MAC_ONLY_ENCRYPTED: &[u8] = b"sops";
/// What the keys of our own notes begin with.
pub(super) const NOTE: &str = "keysweep_";

/// The key that values are named and compared by without keeping them; it comes from the identity, so that names last and nobody else
/// can test guesses on them.
pub(super) struct NameKey(pub(super) Zeroizing<[u8; 32]>);

/// A file that was opened and checked.
pub(super) struct SopsFile {
    pub(super) text: String,
    pub(super) root: Map,
    pub(super) metadata: Metadata,
    pub(super) key: DataKey,
    pub(super) keys: BTreeMap<KeyPath, Key>,
}

/// One key of the store: a map of the file that has values, or a value of the top level.
#[derive(Default)]
pub(super) struct Key {
    /// In the order of the file.
    pub(super) leaves: Vec<Leaf>,
    /// What the values are, to holders of the same identity.
    pub(super) digest: [u8; 32],
    pub(super) owner: Option<String>,
    pub(super) environment: Option<String>,
}

/// One value of a key.
#[derive(Clone)]
pub(super) struct Leaf {
    pub(super) field: String,
    /// What binds its ciphertext to its place: the keys above it, each followed by `:`.
    pub(super) place: String,
    pub(super) sealed: bool,
    /// As in the file: ciphertext, or text that is in the open anyway.
    pub(super) text: String,
    pub(super) span: Range<usize>,
    /// Bare words are written without quotes.
    pub(super) plain: bool,
    pub(super) kind: Kind,
}

impl Leaf {
    /// Tells whether this is a note of ours and no value.
    pub(super) fn is_note(&self) -> bool {
        self.field.starts_with(NOTE) && self.field.ends_with(UNENCRYPTED)
    }
}

impl Key {
    /// Returns the name of these values' version: an HMAC of them under the identity's key. Every write seals all values afresh, so
    /// their ciphertext names nothing that lasts.
    pub(super) fn id(&self) -> VersionId {
        let hex: String = self
            .digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        VersionId::new(hex)
    }

    /// Returns the leaves that are values and no notes of ours.
    pub(super) fn values(&self) -> impl Iterator<Item = &Leaf> {
        self.leaves.iter().filter(|leaf| !leaf.is_note())
    }

    /// Returns the value of a field.
    pub(super) fn leaf(&self, field: &str) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.field == field)
    }
}

impl SopsFile {
    /// Opens and checks the bytes of a file.
    pub(super) fn open(
        bytes: &[u8],
        identities: &Identities,
        run: &NameKey,
    ) -> Result<Self, Trouble> {
        let text = str::from_utf8(bytes)
            .map_err(|_| Trouble::damaged("it is no UTF-8 text"))?
            .to_owned();
        let root = tree::read(&text)?;
        let metadata = Metadata::read(&root)?;
        let key = identities.open(&metadata.age)?;
        Self::check(text, root, metadata, key, run)
    }

    /// Opens and checks a text whose data key is known.
    pub(super) fn open_with(text: String, key: DataKey, run: &NameKey) -> Result<Self, Trouble> {
        let root = tree::read(&text)?;
        let metadata = Metadata::read(&root)?;
        Self::check(text, root, metadata, key, run)
    }

    fn check(
        text: String,
        root: Map,
        metadata: Metadata,
        key: DataKey,
        run: &NameKey,
    ) -> Result<Self, Trouble> {
        let Examined { keys, mac, .. } = examine(&root, &metadata, &key, run)?;
        let place = signed_time(&metadata.modified.0);
        let told = key.open(&metadata.mac.0, &place).map_err(|_| {
            Trouble::damaged("its MAC does not open: the `sops` block was changed by hand")
        })?;
        if told.bytes.as_slice() != mac.as_bytes() {
            return Err(Trouble::damaged(
                "its MAC does not fit its values: a value was added, taken out, moved or changed without sops",
            ));
        }
        Ok(Self {
            text,
            root,
            metadata,
            key,
            keys,
        })
    }
}

/// Opens one value of a checked file.
pub(super) fn open_leaf(key: &DataKey, leaf: &Leaf) -> Result<Plain, Trouble> {
    if leaf.sealed {
        return key.open(&leaf.text, &leaf.place).map_err(|shut| {
            Trouble::damaged(format!("the value at {} {}", leaf.place, shut.why()))
        });
    }
    Ok(Plain {
        kind: leaf.kind,
        bytes: Zeroizing::new(leaf.text.clone().into_bytes()),
    })
}

/// Returns the time that the MAC is bound to, as Go prints it.
pub(super) fn signed_time(text: &str) -> String {
    match text.strip_suffix("+00:00") {
        Some(start) => format!("{start}Z"),
        None => text.to_owned(),
    }
}

/// What a walk over all values found.
pub(super) struct Examined {
    pub(super) keys: BTreeMap<KeyPath, Key>,
    /// Comments that are sealed as items of a list.
    pub(super) comments: Vec<Leaf>,
    /// The MAC that fits the values.
    pub(super) mac: String,
}

/// Walks over all values: what they are by key, and the MAC that fits them.
pub(super) fn examine(
    root: &Map,
    metadata: &Metadata,
    key: &DataKey,
    run: &NameKey,
) -> Result<Examined, Trouble> {
    let mut walk = Walk {
        metadata,
        key,
        run,
        mac: Sha512::new(),
        keys: BTreeMap::new(),
        values: BTreeMap::new(),
        comments: Vec::new(),
        path: Vec::new(),
    };
    if metadata.mac_only_encrypted {
        walk.mac.update(Sha256::digest(MAC_ONLY_ENCRYPTED));
    }
    for entry in root.entries.iter().filter(|entry| entry.key != KEY) {
        walk.entry(&entry.key, &entry.value, root.flow)?;
    }
    let Walk {
        mac,
        mut keys,
        values,
        comments,
        ..
    } = walk;
    for (path, mut each) in values {
        // Fields that were taken out and brought back may stand elsewhere: the order is not part of what a key holds.
        each.sort_unstable();
        if let Some(key) = keys.get_mut(&path) {
            key.digest = named(
                run,
                &each.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>(),
            );
        }
    }
    let mac: String = mac
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    Ok(Examined {
        keys,
        comments,
        mac,
    })
}

/// Returns the HMAC of some parts, each with its length before it.
fn named(key: &NameKey, parts: &[&[u8]]) -> [u8; 32] {
    // An array of 32 bytes is a key of any HMAC.
    let mut hash = Hmac::<Sha256>::new_from_slice(key.0.as_slice())
        .unwrap_or_else(|_| Hmac::new(&[0; 64].into()));
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into_bytes().into()
}

/// A step from the top to a value.
enum Step {
    Key(String),
    Index(usize),
}

struct Walk<'w> {
    metadata: &'w Metadata,
    key: &'w DataKey,
    run: &'w NameKey,
    mac: Sha512,
    keys: BTreeMap<KeyPath, Key>,
    values: BTreeMap<KeyPath, Vec<[u8; 32]>>,
    comments: Vec<Leaf>,
    path: Vec<Step>,
}

impl Walk<'_> {
    fn entry(&mut self, key: &str, value: &Node, flow: bool) -> Result<(), Trouble> {
        self.path.push(Step::Key(key.to_owned()));
        self.node(value, flow)?;
        self.path.pop();
        Ok(())
    }

    fn node(&mut self, node: &Node, flow: bool) -> Result<(), Trouble> {
        match node {
            Node::Map(map) => {
                for entry in &map.entries {
                    self.entry(&entry.key, &entry.value, map.flow)?;
                }
                Ok(())
            }
            Node::List(list) => {
                for (index, item) in list.items.iter().enumerate() {
                    self.path.push(Step::Index(index));
                    self.node(item, flow)?;
                    self.path.pop();
                }
                Ok(())
            }
            Node::Scalar(scalar) => self.scalar(scalar, flow),
        }
    }

    fn scalar(&mut self, scalar: &Scalar, flow: bool) -> Result<(), Trouble> {
        let word = word(scalar)?;
        if word == Word::Null {
            return Ok(());
        }
        let sealed = self.metadata.is_sealed(self.names());
        // Positions in lists are no part of it: sops walks a list with the path of the list.
        let place: String = self.names().flat_map(|name| [name, ":"]).collect();
        let (kind, value) = if sealed {
            let plain = match word {
                Word::Text => self.key.open(&scalar.text, &place),
                Word::Null | Word::Other(..) => Err(Shut::Form),
            };
            let plain = plain
                .and_then(canonical)
                .map_err(|shut| Trouble::damaged(format!("the value at {place} {}", shut.why())))?;
            (plain.kind, plain.bytes)
        } else {
            match word {
                Word::Other(kind, bytes) => (kind, Zeroizing::new(bytes)),
                Word::Text | Word::Null => {
                    (Kind::Str, Zeroizing::new(scalar.text.clone().into_bytes()))
                }
            }
        };
        let leaf = |field| Leaf {
            field,
            place,
            sealed,
            text: scalar.text.clone(),
            span: scalar.span.clone(),
            plain: scalar.plain && !flow,
            kind,
        };
        // A comment within a list is sealed as an item of it, and left out of the MAC as all comments are.
        if kind == Kind::Comment {
            self.comments.push(leaf(String::new()));
            return Ok(());
        }
        if sealed || !self.metadata.mac_only_encrypted {
            self.mac.update(value.as_slice());
        }
        self.keep(leaf, &value);
        Ok(())
    }

    fn keep(&mut self, leaf: impl FnOnce(String) -> Leaf, value: &[u8]) {
        let (path, field) = self.names_of_leaf();
        let leaf = leaf(field);
        let key = self.keys.entry(path.clone()).or_default();
        if !leaf.sealed {
            match leaf.field.as_str() {
                "owner_unencrypted" => key.owner = Some(leaf.text.clone()),
                "environment_unencrypted" => key.environment = Some(leaf.text.clone()),
                _ => {}
            }
        }
        if !leaf.is_note() {
            let parts = [path.as_str().as_bytes(), leaf.field.as_bytes(), value];
            let each = named(self.run, &parts);
            self.values.entry(path).or_default().push(each);
        }
        key.leaves.push(leaf);
    }

    /// Returns the keys above a value, without positions in lists.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.path.iter().filter_map(|step| match step {
            Step::Key(name) => Some(name.as_str()),
            Step::Index(_) => None,
        })
    }

    /// Splits the path at the innermost map: what is above it names the key, what is within it the field. A value of the top
    /// level is a key of its own.
    fn names_of_leaf(&self) -> (KeyPath, String) {
        let last = self
            .path
            .iter()
            .rposition(|step| matches!(step, Step::Key(_)))
            .unwrap_or(0);
        let split = last.max(usize::from(last == 0));
        let (above, within) = self.path.split_at(split.min(self.path.len()));
        (KeyPath::new(joined(above)), joined(within))
    }
}

fn joined(steps: &[Step]) -> String {
    let names: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Step::Key(name) => name.clone(),
            Step::Index(index) => index.to_string(),
        })
        .collect();
    names.join("/")
}
