//! The `sops` block of a file: who can open it, which values are sealed, and the MAC over them all.

use std::ops::Range;

use regex::bytes::Regex;

use super::{
    tree::{Map, Node},
    trouble::Trouble,
};
use crate::stores::Fault;

/// The suffix of keys whose values stay in the open, where a file names no rule (`DefaultUnencryptedSuffix` of sops).
pub(super) const UNENCRYPTED: &str = "_unencrypted";
/// The key of the block.
pub(super) const KEY: &str = "sops";

/// What the block says.
pub(super) struct Metadata {
    /// Age recipients with the data key sealed for each, in order.
    pub(super) age: Vec<Recipient>,
    /// Other ways to the data key, by the name that sops gives them (`kms`, `pgp`), with their count.
    pub(super) others: Vec<(&'static str, usize)>,
    /// The sealed MAC and its place in the text.
    pub(super) mac: (String, Range<usize>),
    /// When it was written last (RFC 3339) and the place in the text.
    pub(super) modified: (String, Range<usize>),
    /// Which sops wrote it.
    pub(super) version: Option<String>,
    /// Whether the MAC leaves out what is not sealed.
    pub(super) mac_only_encrypted: bool,
    rule: Rule,
}

/// One age recipient.
pub(super) struct Recipient {
    pub(super) name: String,
    pub(super) enc: String,
    /// The place of the word `enc` in the text.
    pub(super) key_span: Range<usize>,
    /// The place of its value.
    pub(super) span: Range<usize>,
    /// Written within brackets.
    pub(super) flow: bool,
}

/// Which values are sealed.
enum Rule {
    UnencryptedSuffix(String),
    EncryptedSuffix(String),
    UnencryptedRegex(Regex),
    EncryptedRegex(Regex),
}

/// Other ways to a data key than age.
const OTHERS: [&str; 6] = ["kms", "gcp_kms", "hckms", "azure_kv", "hc_vault", "pgp"];

/// Returns the option of `sops rotate` that takes a way to the data key out, with what it wants.
pub(super) fn removal(kind: &str) -> &'static str {
    match kind {
        "kms" => "--rm-kms ARN",
        "gcp_kms" => "--rm-gcp-kms RESOURCE",
        "hckms" => "--rm-hckms KEY",
        "azure_kv" => "--rm-azure-kv URL",
        "hc_vault" => "--rm-hc-vault-transit URL",
        _ => "--rm-pgp FINGERPRINT",
    }
}

impl Metadata {
    /// Reads the block of a file.
    pub(super) fn read(root: &Map) -> Result<Self, Trouble> {
        let entry = root.entry(KEY).ok_or_else(|| {
            Trouble::new(
                Fault::Setup,
                "it is no SOPS file: there is no `sops` block in it",
                "name another file, make one with `keysweep store init`, or seal this one: sops -e -i --age RECIPIENT FILE",
            )
        })?;
        let Node::Map(block) = &entry.value else {
            return Err(Trouble::damaged("its `sops` block is no map"));
        };
        if block
            .entry("key_groups")
            .is_some_and(|entry| matches!(&entry.value, Node::List(_)))
        {
            return Err(Trouble::beyond(
                "its data key is shared among key groups (Shamir)",
            ));
        }
        Ok(Self {
            age: recipients(block)?,
            others: others(block),
            mac: scalar(block, "mac")?,
            modified: scalar(block, "lastmodified")?,
            version: block.text("version").map(str::to_owned),
            mac_only_encrypted: block.text("mac_only_encrypted") == Some("true"),
            rule: rule(block)?,
        })
    }

    /// Tells whether values at this path of keys are sealed.
    pub(super) fn is_sealed<'p>(&self, mut keys: impl Iterator<Item = &'p str>) -> bool {
        match &self.rule {
            Rule::UnencryptedSuffix(suffix) => !keys.any(|key| key.ends_with(suffix.as_str())),
            Rule::EncryptedSuffix(suffix) => keys.any(|key| key.ends_with(suffix.as_str())),
            Rule::UnencryptedRegex(regex) => !keys.any(|key| regex.is_match(key.as_bytes())),
            Rule::EncryptedRegex(regex) => keys.any(|key| regex.is_match(key.as_bytes())),
        }
    }
}

fn recipients(block: &Map) -> Result<Vec<Recipient>, Trouble> {
    let Some(entry) = block.entry("age") else {
        return Ok(Vec::new());
    };
    let Node::List(list) = &entry.value else {
        return Ok(Vec::new());
    };
    let read = |node: &Node| match node {
        Node::Map(map) => {
            let entry = map.entry("enc")?;
            let Node::Scalar(enc) = &entry.value else {
                return None;
            };
            Some(Recipient {
                name: map.text("recipient")?.trim().to_owned(),
                enc: enc.text.clone(),
                key_span: entry.key_span.clone(),
                span: enc.span.clone(),
                flow: map.flow,
            })
        }
        Node::List(_) | Node::Scalar(_) => None,
    };
    list.items
        .iter()
        .map(|node| {
            read(node)
                .ok_or_else(|| Trouble::damaged("an age recipient has no `recipient` or `enc`"))
        })
        .collect()
}

fn others(block: &Map) -> Vec<(&'static str, usize)> {
    let count = |kind: &str| match block.entry(kind).map(|entry| &entry.value) {
        Some(Node::List(list)) => list.items.len(),
        Some(Node::Map(_) | Node::Scalar(_)) | None => 0,
    };
    OTHERS
        .into_iter()
        .map(|kind| (kind, count(kind)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn scalar(block: &Map, key: &str) -> Result<(String, Range<usize>), Trouble> {
    match block.entry(key).map(|entry| &entry.value) {
        Some(Node::Scalar(scalar)) => Ok((scalar.text.clone(), scalar.span.clone())),
        Some(Node::Map(_) | Node::List(_)) | None => {
            Err(Trouble::damaged(format!("its `sops` block has no `{key}`")))
        }
    }
}

fn rule(block: &Map) -> Result<Rule, Trouble> {
    for key in ["unencrypted_comment_regex", "encrypted_comment_regex"] {
        if block.text(key).is_some_and(|text| !text.is_empty()) {
            return Err(Trouble::beyond(format!(
                "comments decide which values are sealed (`{key}`)"
            )));
        }
    }
    let text = |key: &str| block.text(key).filter(|text| !text.is_empty());
    let regex = |text: &str| {
        Regex::new(text).map_err(|_| Trouble::damaged("its rule for sealed keys is no pattern"))
    };
    if let Some(suffix) = text("encrypted_suffix") {
        return Ok(Rule::EncryptedSuffix(suffix.to_owned()));
    }
    if let Some(pattern) = text("unencrypted_regex") {
        return Ok(Rule::UnencryptedRegex(regex(pattern)?));
    }
    if let Some(pattern) = text("encrypted_regex") {
        return Ok(Rule::EncryptedRegex(regex(pattern)?));
    }
    let suffix = text("unencrypted_suffix").unwrap_or(UNENCRYPTED);
    Ok(Rule::UnencryptedSuffix(suffix.to_owned()))
}
