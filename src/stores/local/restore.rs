//! Takes a write back: the values of a key as an older version of the file has them.

use std::collections::BTreeMap;

use super::{
    edit::{self, New},
    file::{RunKey, SopsFile, open_leaf},
    identities::Identities,
    past::Past,
    trouble::Trouble,
};
use crate::{model::Secret, stores::KeyPath};

/// Returns the file with the values of `key` as they were in `past`.
pub(super) fn bring_back(
    file: &SopsFile,
    past: &Past,
    key: &KeyPath,
    run: &RunKey,
    identities: &Identities,
) -> Result<SopsFile, Trouble> {
    let (Some(then), Some(now)) = (past.keys.get(key), file.keys.get(key)) else {
        return Err(Trouble::damaged(format!("{key} is not there any more")));
    };
    let rest_is_same = past.keys.len() == file.keys.len()
        && past
            .keys
            .iter()
            .filter(|(path, _)| *path != key)
            .all(|(path, then)| file.keys.get(path).is_some_and(|now| now.id() == then.id()));
    if rest_is_same && past.key.bytes() == file.key.bytes() && then.notes() == now.notes() {
        // Nothing else has changed: the file of then, to the last byte.
        return SopsFile::open(&past.bytes, identities, run);
    }
    // Other keys have changed since: this one's values alone.
    let mut secrets = Vec::new();
    for leaf in then.values() {
        if now
            .leaf(&leaf.field)
            .is_none_or(|now| now.text != leaf.text)
        {
            let plain = open_leaf(&past.key, leaf)?;
            // Sealed again at once, under the data key of the file as it is now.
            secrets.push((leaf, Secret::new(&plain.bytes)));
        }
    }
    let same_key = past.key.bytes() == file.key.bytes();
    let mut fields = BTreeMap::new();
    for (leaf, secret) in &secrets {
        let new = if same_key || !leaf.sealed {
            New::Sealed(&leaf.text)
        } else {
            New::Value(secret)
        };
        fields.insert(leaf.field.clone(), new);
    }
    for leaf in now.values().filter(|leaf| then.leaf(&leaf.field).is_none()) {
        fields.insert(leaf.field.clone(), New::Gone);
    }
    edit::set(file, key, &fields, run)
}
