//! Values that environments or services share, and addresses in stores that cross environments.
//!
//! `collect` makes a [`Site`] of each secret value, of each address in a store, and of each key that a layer overrides; `exempt` says which
//! values are none; `forms` takes the digests that near duplicates meet on; `group` and `grade` compare the sites of all files; `layers`
//! knows which files are put over which. Promise: a site holds digests, lengths and names, never a value.

mod address;
mod called;
mod collect;
mod exempt;
mod forms;
mod grade;
mod group;
mod layers;
mod normal;
mod tell;

use crate::model::Digest;

use super::{
    environment::{Environments, Labels, of_word},
    kind::FileKind,
};

pub use address::Address;
pub(crate) use address::malformed;
pub(crate) use called::Called;
pub(crate) use collect::{collect, fallbacks, may_keep};
pub(crate) use grade::is_signing;
pub(crate) use tell::{Metas, tell};

/// One occurrence of a value, or of a store's address.
#[derive(Clone, Debug)]
pub struct Site {
    /// The environments, as far as the file alone tells.
    pub labels: Labels,
    /// What kind of file it is in.
    pub kind: FileKind,
    /// The service, if the document names one.
    pub service: Option<String>,
    /// The keys that lead to it, joined by dots; that of an object of Kubernetes begins with its kind and name.
    pub key: String,
    /// What stands there.
    pub content: Content,
    /// Environments in the same file that take the value over by a merge key.
    pub inherited: Labels,
    /// Whether it counts only where nobody sets another: what `:-` gives in `${NAME:-value}`.
    pub is_default: bool,
}

/// What stands at a site.
#[derive(Clone, Debug)]
pub enum Content {
    /// A secret value.
    Value(Box<Prints>),
    /// An address in a store.
    Reference(Address),
    /// Nothing that could be compared, but a key that a layer sets; with an empty key only that the layer is there.
    Override,
}

/// How much of a secret a value is by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Too short or too simple to tell anything unless the key is the same.
    BelowGate,
    /// A secret by its name, and hard enough to guess.
    Named,
    /// At least 80 bits.
    Random,
    /// In a provider's own format.
    Provider,
}

/// Whether a provider's key is for trying or for real.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// It does not say.
    #[default]
    Unknown,
    /// A key for tests (`sk_test_`).
    Test,
    /// A key for real (`sk_live_`).
    Live,
}

/// What is kept of a value.
#[derive(Clone, Debug)]
pub struct Prints {
    /// The value's own digest: `DigestKey::digest("", value)`.
    pub value: Digest,
    /// Digests of what it decodes to.
    pub encoded: Vec<Digest>,
    /// Without environment words and the service's name; `None` if too little is left.
    pub c1: Option<Digest>,
    /// `c1` without years and trailing digits; `None` if too little is left.
    pub c2: Option<Digest>,
    /// Long runs of letters and digits within it.
    pub cores: Vec<Digest>,
    /// In lower case, of short values.
    pub folded: Option<Digest>,
    /// Length in bytes.
    pub length: usize,
    /// Entropy in bits per byte.
    pub entropy: f64,
    /// How much of a secret it is.
    pub class: Class,
    /// Whether it is for tests.
    pub mode: Mode,
    /// Whether it is the password of an address: the client's end of a connection.
    pub is_client: bool,
    /// Whether it is the secret in encrypted form: two equal ones were copied, two different ones say nothing.
    pub is_ciphertext: bool,
}

impl Site {
    /// A site of a value that a secret rule found: in a provider's format, with the finding's own digest. `key` is the name it was assigned
    /// to, if there is one.
    #[must_use]
    pub fn of_finding(
        path: &str,
        kind: FileKind,
        key: Option<&str>,
        digest: Digest,
        length: usize,
        environments: &Environments,
    ) -> Self {
        let labels = Labels::strongest([environments.of_path(path), environments.of_keys(key)]);
        Self {
            labels,
            kind,
            service: None,
            key: key.unwrap_or_default().to_owned(),
            content: Content::Value(Box::new(Prints {
                value: digest,
                encoded: Vec::new(),
                c1: None,
                c2: None,
                cores: Vec::new(),
                folded: None,
                length,
                entropy: 0.0,
                class: Class::Provider,
                mode: Mode::Unknown,
                is_client: false,
                is_ciphertext: false,
            })),
            inherited: Labels::default(),
            is_default: false,
        }
    }

    /// Sets whether the provider's key is for tests.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        if let Content::Value(prints) = &mut self.content {
            prints.mode = mode;
        }
        self
    }

    /// Returns the last key of the path that names no environment.
    #[must_use]
    pub fn name(&self) -> &str {
        let is_name = |key: &&str| !key.is_empty() && *key != "[]" && of_word(key).is_none();
        self.key
            .rsplit(['.', '/'])
            .find(is_name)
            .unwrap_or(&self.key)
    }

    /// Returns what is kept of the value, if it is one.
    #[must_use]
    pub fn prints(&self) -> Option<&Prints> {
        match &self.content {
            Content::Value(prints) => Some(prints),
            _ => None,
        }
    }
}
