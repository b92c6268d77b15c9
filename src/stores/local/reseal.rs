//! A fresh data key for a file whose values were changed: everything sealed is sealed again, and the key is wrapped for the recipients.
//!
//! The MAC of a SOPS file does not cover its recipients: whoever once knew the data key, a former colleague or one who made the file
//! and cut himself out of it, could read whatever is written under the same key later.

use std::ops::Range;

use super::{
    edit::{Splice, now, quoted, spliced, start_of_line},
    file::{Examined, Leaf, NameKey, SopsFile, examine, open_leaf, signed_time},
    identities,
    metadata::{KEY, Metadata, Recipient},
    sealed::{DataKey, Kind, looks_sealed},
    tree::{self, Map, Node},
    trouble::Trouble,
};

/// What a sealed comment in the text begins with.
const COMMENT: &str = "#ENC[AES256_GCM,";

/// Seals all of a text, whose values open with `old`, under a new key, with a new time and MAC; reads the result as any other file.
pub(super) fn afresh(text: &str, old: &DataKey, run: &NameKey) -> Result<SopsFile, Trouble> {
    let root = tree::read(text)?;
    let metadata = Metadata::read(&root)?;
    let Examined {
        keys,
        comments,
        mac,
    } = examine(&root, &metadata, old, run)?;
    let new = DataKey::random()?;
    let mut splices = Vec::new();
    let leaves = keys.values().flat_map(|key| &key.leaves).chain(&comments);
    for leaf in leaves.filter(|leaf| leaf.sealed && !leaf.text.is_empty()) {
        splices.push(value(text, leaf, old, &new)?);
    }
    comments_of(text, &root, old, &new, &mut splices)?;
    for recipient in &metadata.age {
        splices.push(wrapped(text, recipient, &new)?);
    }
    let now = now();
    let sealed = new.seal(Kind::Str, mac.as_bytes(), &signed_time(&now))?;
    let sealed = if root.flow { quoted(&sealed) } else { sealed };
    splices.push(Splice {
        span: metadata.mac.1,
        text: sealed,
    });
    splices.push(Splice {
        span: metadata.modified.1,
        text: quoted(&now),
    });
    SopsFile::open_with(spliced(text, splices), new, run)
}

fn value(text: &str, leaf: &Leaf, old: &DataKey, new: &DataKey) -> Result<Splice, Trouble> {
    let plain = open_leaf(old, leaf)?;
    let mut sealed = new.seal(plain.kind, &plain.bytes, &leaf.place)?;
    if !(leaf.plain && looks_sealed(&sealed)) {
        sealed = quoted(&sealed);
    }
    sealed.push_str(tail(text, &leaf.span));
    Ok(Splice {
        span: leaf.span.clone(),
        text: sealed,
    })
}

/// Returns the blanks at the end of a value: the place of a block text reaches to what follows it.
fn tail<'t>(text: &'t str, span: &Range<usize>) -> &'t str {
    let was = text.get(span.clone()).unwrap_or_default();
    was.get(was.trim_ascii_end().len()..).unwrap_or_default()
}

/// Returns the new key for one recipient, laid out as sops does it.
fn wrapped(text: &str, recipient: &Recipient, new: &DataKey) -> Result<Splice, Trouble> {
    let enc = identities::seal(new, &recipient.name)?;
    let (key, value) = (&recipient.key_span, &recipient.span);
    if recipient.flow {
        return Ok(Splice {
            span: value.clone(),
            text: quoted(&enc),
        });
    }
    let indent = " ".repeat(key.start - start_of_line(text, key.start) + 2);
    let mut block = String::from(": |");
    for line in enc.lines() {
        block.push_str(&format!("\n{indent}{line}"));
    }
    block.push_str(tail(text, value));
    Ok(Splice {
        span: key.end..value.end,
        text: block,
    })
}

/// Seals comments of the text again. Sops binds each to the map or list that it stands in; which one that is, its key tells.
fn comments_of(
    text: &str,
    root: &Map,
    old: &DataKey,
    new: &DataKey,
    splices: &mut Vec<Splice>,
) -> Result<(), Trouble> {
    if !text.contains(COMMENT) {
        return Ok(());
    }
    let mut seen = Seen::default();
    seen.map(root, "");
    seen.scalars.sort_unstable_by_key(|span| span.start);
    seen.places.sort();
    for (start, _) in text.match_indices(COMMENT) {
        let after = seen.scalars.partition_point(|span| span.start <= start);
        let before = after.checked_sub(1).and_then(|at| seen.scalars.get(at));
        if before.is_some_and(|span| span.end > start) {
            continue;
        }
        let rest = text.get(start + 1..).unwrap_or_default();
        let Some(sealed) = rest.find(']').and_then(|end| rest.get(..=end)) else {
            continue;
        };
        // Nearest first: most comments stand at an entry of their map.
        let split = seen.places.partition_point(|(at, _)| *at <= start);
        let (above, below) = seen.places.split_at(split);
        let near = below.iter().take(1).chain(above.iter().rev()).chain(below);
        let found = near
            .map(|(_, place)| place)
            .find_map(|place| old.open(sealed, place).ok().map(|plain| (place, plain)));
        // One that does not open is text to sops, too, and stays.
        if let Some((place, plain)) = found {
            splices.push(Splice {
                span: start + 1..start + 1 + sealed.len(),
                text: new.seal(plain.kind, &plain.bytes, place)?,
            });
        }
    }
    Ok(())
}

/// Where texts stand, and what comments between them may be bound to.
#[derive(Default)]
struct Seen {
    scalars: Vec<Range<usize>>,
    /// Starts of entries and items, with what sops binds a comment beside them to.
    places: Vec<(usize, String)>,
}

impl Seen {
    fn map(&mut self, map: &Map, place: &str) {
        for entry in &map.entries {
            self.place(entry.key_span.start, place);
            self.scalars.push(entry.key_span.clone());
            if place.is_empty() && entry.key == KEY {
                continue;
            }
            self.node(&entry.value, &format!("{place}{}:", entry.key));
        }
    }

    fn node(&mut self, node: &Node, place: &str) {
        match node {
            Node::Map(map) => self.map(map, place),
            Node::List(list) => {
                self.place(list.span.start, place);
                for item in &list.items {
                    self.node(item, place);
                }
            }
            Node::Scalar(scalar) => {
                self.scalars.push(scalar.span.clone());
            }
        }
    }

    fn place(&mut self, at: usize, place: &str) {
        let place = if place.is_empty() { ":" } else { place };
        self.places.push((at, place.to_owned()));
    }
}
