//! Takes a write back: the values of a key as an older version of the file has them, under a fresh data key as in any write.

use std::collections::BTreeMap;

use super::{
    edit::{self, New},
    file::{NameKey, SopsFile, open_leaf},
    past::Past,
    trouble::Trouble,
};
use crate::{model::Secret, stores::KeyPath};

/// Returns the file with the values of `key` as they were in `past`; all else stays as it is in `file`.
pub(super) fn bring_back(
    file: &SopsFile,
    past: &Past,
    key: &KeyPath,
    run: &NameKey,
) -> Result<SopsFile, Trouble> {
    let (Some(then), Some(now)) = (past.keys.get(key), file.keys.get(key)) else {
        return Err(Trouble::damaged(format!("{key} is not there any more")));
    };
    let mut secrets = Vec::new();
    for leaf in then.values() {
        let plain = open_leaf(&past.key, leaf)?;
        let same = match now.leaf(&leaf.field) {
            Some(now) if now.sealed == leaf.sealed => {
                let now = open_leaf(&file.key, now)?;
                now.kind == plain.kind && now.bytes == plain.bytes
            }
            Some(_) | None => false,
        };
        if !same {
            secrets.push((leaf, plain.kind, Secret::new(&plain.bytes)));
        }
    }
    let mut fields = BTreeMap::new();
    for (leaf, kind, secret) in &secrets {
        let new = if leaf.sealed {
            New::Again(*kind, secret)
        } else {
            New::Note(&leaf.text)
        };
        fields.insert(leaf.field.clone(), new);
    }
    for leaf in now.values().filter(|leaf| then.leaf(&leaf.field).is_none()) {
        fields.insert(leaf.field.clone(), New::Gone);
    }
    edit::set(file, key, &fields, run)
}
