//! Atoms: everything in a text that could be one secret by itself, each with the way to it.
//!
//! A leaked value and a store's field are taken apart in the same way; they match if an atom of one is an atom of the other.
//! [`replace`] goes the same way back, so that what verify finds rotate can exchange in place.

use zeroize::Zeroizing;

use super::{codec, keys, names, parts};
use crate::model::MatchKind;

/// How deep formats are followed into each other: base64 in JSON in a URL is three. base64 alone twice at most (STORES 4.18).
const MAX_DEPTH: u8 = 4;

/// Most atoms of one text.
const MAX_ATOMS: usize = 10_000;

/// Longest text that is taken apart, bytes; longer ones are one atom, and still searched for leaked values.
const MAX_TEXT: usize = 1 << 20;

/// One atom, lent for the time of a call.
pub(super) struct Atom<'a> {
    /// Its bytes.
    pub(super) bytes: &'a [u8],
    /// The way to it: names of formats joined with `#`, as `/db/password`; empty for the whole text.
    pub(super) way: &'a str,
    /// How sure a match of it is; [`MatchKind::Identity`] if it is no secret by its format or name.
    pub(super) kind: MatchKind,
    /// Its parts, atoms of their own.
    pub(super) parts: &'a [parts::Part],
}

/// Lends each atom of a text, the text itself first.
pub(super) fn visit(text: &[u8], mut each: impl FnMut(&Atom<'_>)) {
    visit_named(false, text, &mut each);
}

/// Lends each atom of a store's field, whose key and name may say that it is no secret.
pub(super) fn visit_field(key: &str, field: &str, bytes: &[u8], mut each: impl FnMut(&Atom<'_>)) {
    let is_public = if field.is_empty() {
        names::is_public_key_name(key, bytes)
    } else {
        names::is_public(field, bytes)
    };
    visit_named(is_public, bytes, &mut each);
}

fn visit_named(is_public: bool, text: &[u8], each: &mut dyn FnMut(&Atom<'_>)) {
    let mut walk = Walk {
        each,
        left: MAX_ATOMS,
    };
    let at = At {
        way: "",
        kind: MatchKind::Exact,
        is_public,
        depth: 0,
        decoded: 0,
    };
    walk.text(text, at);
}

/// Where a walk stands.
#[derive(Clone, Copy)]
struct At<'w> {
    way: &'w str,
    /// How sure a match is here, by what had to be decoded.
    kind: MatchKind,
    /// Whether a name on the way says that it is no secret.
    is_public: bool,
    depth: u8,
    decoded: u8,
}

struct Walk<'e> {
    each: &'e mut dyn FnMut(&Atom<'_>),
    left: usize,
}

impl Walk<'_> {
    fn text(&mut self, text: &[u8], at: At<'_>) {
        if self.left == 0 || text.is_empty() {
            return;
        }
        self.left -= 1;
        let goes_on = at.depth < MAX_DEPTH && text.len() <= MAX_TEXT;
        let parts = if goes_on {
            parts::parts(text)
        } else {
            Vec::new()
        };
        let is_public = at.is_public || keys::is_public(text);
        (self.each)(&Atom {
            bytes: text,
            way: at.way,
            kind: if is_public {
                MatchKind::Identity
            } else {
                at.kind
            },
            parts: &parts,
        });
        if !goes_on {
            return;
        }
        for identity in keys::identities(text) {
            (self.each)(&Atom {
                bytes: &identity,
                way: at.way,
                kind: MatchKind::Fingerprint,
                parts: &[],
            });
        }
        for part in &parts {
            self.part(text, part, at);
        }
    }

    fn part(&mut self, text: &[u8], part: &parts::Part, at: At<'_>) {
        let is_dense = part.codec.is_dense();
        if is_dense && at.decoded >= 2 {
            return;
        }
        let raw = text.get(part.span.clone()).unwrap_or_default();
        let Some(inner) = part.codec.decode(raw) else {
            return;
        };
        let way = match (at.way.is_empty(), part.label.is_empty()) {
            (_, true) => at.way.to_owned(),
            (true, false) => part.label.clone(),
            (false, false) => format!("{}#{}", at.way, part.label),
        };
        let below = At {
            way: &way,
            kind: if part.codec.is_encoding() {
                at.kind.max(MatchKind::Decoded)
            } else {
                at.kind
            },
            // A part with a name of its own is what that says: a password in a `path` is one.
            is_public: if part.label.is_empty() || part.is_guess {
                at.is_public
            } else {
                names::is_public(&part.label, &inner)
            },
            depth: at.depth + 1,
            decoded: at.decoded + u8::from(is_dense),
        };
        self.text(&inner, below);
    }
}

/// Returns the atom at the end of a way (what stands behind the first `#` of a place's field; empty for the whole text) that a match
/// of this kind means; `None` if there is none, or several that differ in more than blanks at their ends and written line breaks:
/// then the innermost.
///
/// A match by [`MatchKind::Fingerprint`] means the text of the key.
#[must_use]
pub fn at(field: &[u8], way: &str, kind: MatchKind) -> Option<Zeroizing<Vec<u8>>> {
    let wanted = match kind {
        MatchKind::Fingerprint => MatchKind::Exact,
        other => other,
    };
    let plain = |bytes: &[u8]| codec::Codec::Newlines.decode(bytes.trim_ascii());
    let mut found: Option<Zeroizing<Vec<u8>>> = None;
    let mut is_one = true;
    visit(field, |atom| {
        if atom.way == way && atom.kind == wanted {
            if let Some(before) = &found {
                is_one &= plain(before) == plain(atom.bytes);
            }
            found = Some(Zeroizing::new(atom.bytes.to_vec()));
        }
    });
    found.filter(|_| is_one)
}

/// Returns `field` with the atom `old` exchanged for `new`, written as its format wants it; `None` if `old` is no atom of it, or
/// `new` cannot be written there. Every place where it stands is exchanged.
#[must_use]
pub fn replace(field: &[u8], old: &[u8], new: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if old.is_empty() {
        return None;
    }
    // What cannot be read back is no replacement.
    let is_there = |text: &[u8]| memchr::memmem::find(text, new).is_some() || holds(text, new);
    inside(field, old, new, 0, 0).filter(|written| is_there(written))
}

fn inside(
    text: &[u8],
    old: &[u8],
    new: &[u8],
    depth: u8,
    decoded: u8,
) -> Option<Zeroizing<Vec<u8>>> {
    if text == old {
        return Some(Zeroizing::new(new.to_vec()));
    }
    if depth >= MAX_DEPTH || text.len() > MAX_TEXT {
        return verbatim(text, old, new);
    }
    // From the end, so that spans before stay right; a part that holds another that was exchanged is left alone.
    let mut out = Zeroizing::new(text.to_vec());
    let mut changed_from = usize::MAX;
    let mut parts = parts::parts(text);
    parts.sort_by_key(|part| (part.span.start, std::cmp::Reverse(part.span.end)));
    for part in parts.iter().rev() {
        let is_dense = part.codec.is_dense();
        if part.span.end > changed_from || (is_dense && decoded >= 2) {
            continue;
        }
        let raw = text.get(part.span.clone())?;
        let Some(inner) = part.codec.decode(raw) else {
            continue;
        };
        let deeper = decoded + u8::from(is_dense);
        let written = inside(&inner, old, new, depth + 1, deeper);
        let Some(written) = written.and_then(|inner| part.codec.encode(&inner)) else {
            continue;
        };
        let mut next = Zeroizing::new(Vec::with_capacity(out.len() + written.len()));
        next.extend_from_slice(out.get(..part.span.start)?);
        next.extend_from_slice(&written);
        next.extend_from_slice(out.get(part.span.end..)?);
        out = next;
        changed_from = part.span.start;
    }
    if changed_from == usize::MAX {
        return verbatim(text, old, new);
    }
    Some(out)
}

/// Exchanges a long value that stands in a text of no known format.
fn verbatim(text: &[u8], old: &[u8], new: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if old.len() < super::needles::SHORTEST_INSIDE {
        return None;
    }
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + new.len()));
    let mut last = 0;
    for at in memchr::memmem::find_iter(text, old) {
        out.extend_from_slice(text.get(last..at)?);
        out.extend_from_slice(new);
        last = at + old.len();
    }
    if last == 0 {
        return None;
    }
    out.extend_from_slice(text.get(last..)?);
    Some(out)
}

/// Tells whether a text holds `value` as an atom, or verbatim.
#[must_use]
pub fn holds(text: &[u8], value: &[u8]) -> bool {
    let mut is_there = value.len() >= super::needles::SHORTEST_INSIDE
        && memchr::memmem::find(text, value).is_some();
    visit(text, |atom| is_there |= atom.bytes == value);
    is_there
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "Leaked-Passw0rd-1";

    fn replaced(text: &str, new: &str) -> Option<String> {
        let out = replace(text.as_bytes(), OLD.as_bytes(), new.as_bytes())?;
        Some(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn finds_the_atom_that_a_place_names() {
        let encoded = STANDARD.encode(OLD);
        let json = format!("{{\"a\": {{\"p\": \"{OLD}\\n\"}}, \"q\": \"{encoded}\"}}");
        let url = format!("postgres://me:{OLD}@db/x");
        let two = format!("{url} {}", url.replace(OLD, "other"));
        for (text, way, kind, expected) in [
            (OLD, "", MatchKind::Exact, Some(OLD)),
            (json.as_str(), "/a/p", MatchKind::Exact, Some(OLD)),
            (
                json.as_str(),
                "/q",
                MatchKind::Exact,
                Some(encoded.as_str()),
            ),
            (json.as_str(), "/q", MatchKind::Decoded, Some(OLD)),
            (json.as_str(), "/r", MatchKind::Exact, None),
            (url.as_str(), "password", MatchKind::Exact, Some(OLD)),
            (two.as_str(), "password", MatchKind::Exact, None),
        ] {
            let found = at(text.as_bytes(), way, kind);
            let found = found.map(|found| String::from_utf8_lossy(&found).into_owned());
            assert_eq!(found.as_deref(), expected, "{text} {way} {kind:?}");
        }
        let ended = at(format!("{OLD}\n").as_bytes(), "", MatchKind::Exact);
        assert_eq!(ended.unwrap().as_slice(), OLD.as_bytes());
    }

    #[test]
    fn exchanges_a_value_where_it_stands_and_as_it_is_written_there() {
        let new = "N/w \"x\"@1";
        for (text, expected) in [
            (OLD.to_owned(), new.to_owned()),
            (format!("{OLD}\n"), format!("{new}\n")),
            (
                format!("{{\"a\": 1, \"p\": \"{OLD}\" }}"),
                "{\"a\": 1, \"p\": \"N/w \\\"x\\\"@1\" }".to_owned(),
            ),
            (
                format!("postgres://me:{OLD}@db/x?a=b"),
                "postgres://me:N%2Fw%20%22x%22%401@db/x?a=b".to_owned(),
            ),
            (
                STANDARD.encode(format!("me:{OLD}")),
                STANDARD.encode(format!("me:{new}")),
            ),
            (
                format!("USER=me\nPASS={OLD}\n# end\n"),
                format!("USER=me\nPASS={new}\n# end\n"),
            ),
            (
                format!("pw1 {OLD} and {OLD}."),
                format!("pw1 {new} and {new}."),
            ),
        ] {
            assert_eq!(replaced(&text, new).as_ref(), Some(&expected), "{text}");
        }
        assert_eq!(replaced("nothing here", new), None);
    }

    proptest! {
        #[test]
        fn what_was_exchanged_is_found_again(user in "[a-z]{1,8}", new in "[A-Za-z0-9_-]{16,40}", shape in 0..5_usize) {
            let text = match shape {
                0 => format!("{{\"u\":\"{user}\",\"p\":\"{OLD}\"}}"),
                1 => format!("mysql://{user}:{OLD}@h/db"),
                2 => STANDARD.encode(format!("{user}:{OLD}")),
                3 => format!("{{\"auths\":{{\"r\":{{\"auth\":\"{}\"}}}}}}", STANDARD.encode(format!("{user}:{OLD}"))),
                _ => format!("U={user}\nP=\"{OLD}\"\n"),
            };
            let out = replace(text.as_bytes(), OLD.as_bytes(), new.as_bytes()).unwrap();
            prop_assert!(holds(&out, new.as_bytes()));
            prop_assert!(!holds(&out, OLD.as_bytes()));
        }
    }
}
