//! Lines of `authorized_keys` (OpenSSH, sshd(8), "AUTHORIZED_KEYS FILE FORMAT"): options, type, key, comment.

/// A public key: its type and its base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Public {
    /// `ssh-ed25519` and the like.
    pub(super) kind: String,
    /// The key.
    pub(super) blob: String,
}

impl Public {
    /// Reads `type base64 ...`.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (kind, blob) = (words.next()?, words.next()?);
        let plain = |c: char| c.is_ascii_alphanumeric() || "+/=-@._".contains(c);
        (kind.chars().all(plain) && blob.chars().all(plain)).then(|| Self {
            kind: kind.to_owned(),
            blob: blob.to_owned(),
        })
    }
}

/// Returns the options of a line if it holds this key.
fn options_of<'l>(line: &'l [u8], key: &Public) -> Option<&'l [u8]> {
    let start = line.iter().position(|b| !b.is_ascii_whitespace())?;
    let line = line.get(start..)?;
    if line.starts_with(b"#") {
        return None;
    }
    // The first field is the type, or options, in which spaces stand in quotes.
    let first = field_end(line);
    if holds(line, key) {
        return Some(&[]);
    }
    let (options, rest) = line.split_at_checked(first)?;
    holds(rest.trim_ascii_start(), key).then_some(options)
}

/// Tells whether a line begins with type and key.
fn holds(line: &[u8], key: &Public) -> bool {
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    words.next() == Some(key.kind.as_bytes()) && words.next() == Some(key.blob.as_bytes())
}

/// Returns where the first field ends.
fn field_end(line: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'\\' if quoted && !escaped => {
                escaped = true;
                continue;
            }
            b'"' if !escaped => quoted = !quoted,
            b' ' | b'\t' if !quoted => return at,
            _ => {}
        }
        escaped = false;
    }
    line.len()
}

/// Tells whether a file holds a key.
pub(super) fn has(file: &[u8], key: &Public) -> bool {
    let mut lines = file.split(|b| *b == b'\n');
    lines.any(|line| options_of(line, key).is_some())
}

/// Returns the file with a new key below the old one, with the same options; `None` if the old one is not there.
pub(super) fn with(file: &[u8], old: &Public, new: &Public) -> Option<Vec<u8>> {
    let mut result = Vec::with_capacity(file.len() + 256);
    let mut added = false;
    for line in file.split_inclusive(|b| *b == b'\n') {
        result.extend_from_slice(line);
        if added {
            continue;
        }
        if let Some(options) = options_of(line, old) {
            if !line.ends_with(b"\n") {
                result.push(b'\n');
            }
            if !options.is_empty() {
                result.extend_from_slice(options);
                result.push(b' ');
            }
            result.extend_from_slice(format!("{} {} keysweep\n", new.kind, new.blob).as_bytes());
            added = true;
        }
    }
    added.then_some(result)
}

/// Returns the file without a key.
pub(super) fn without(file: &[u8], key: &Public) -> Vec<u8> {
    let lines = file.split_inclusive(|b| *b == b'\n');
    lines
        .filter(|line| options_of(line, key).is_none())
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(blob: &str) -> Public {
        Public::parse(&format!("ssh-ed25519 {blob} x")).unwrap()
    }

    #[test]
    fn a_new_key_gets_the_old_ones_options() {
        let file = b"# ssh-ed25519 AAAAold\nssh-rsa AAAAother me\nfrom=\"10.0.0.0/8\",command=\"echo \\\"ssh-ed25519 AAAAno\\\" x\" ssh-ed25519  AAAAold it's me";
        let both = with(file, &key("AAAAold"), &key("AAAAnew")).unwrap();
        let text = String::from_utf8(both.clone()).unwrap();
        assert!(
            text.ends_with("it's me\nfrom=\"10.0.0.0/8\",command=\"echo \\\"ssh-ed25519 AAAAno\\\" x\" ssh-ed25519 AAAAnew keysweep\n"),
            "{text}"
        );
        assert!(!has(file, &key("AAAAno")), "a word in an option is no key");
        assert!(!has(file, &key("AAAAol")), "nor is the beginning of one");
        let left = without(&both, &key("AAAAold"));
        assert!(has(&left, &key("AAAAnew")) && !has(&left, &key("AAAAold")));
        assert!(left.starts_with(b"# ssh-ed25519 AAAAold\nssh-rsa AAAAother me\n"));
        assert_eq!(with(b"", &key("AAAAold"), &key("AAAAnew")), None);
    }

    #[test]
    fn other_bytes_stay_as_they_are() {
        let file = b"\xff\xfe junk\r\n\n  ssh-ed25519\tAAAAold\r\n\tssh-ed25519 AAAAkeep";
        assert!(has(file, &key("AAAAold")));
        assert_eq!(
            without(file, &key("AAAAold")),
            b"\xff\xfe junk\r\n\n\tssh-ed25519 AAAAkeep"
        );
        assert!(Public::parse("ssh-ed25519 AA'AA").is_none());
    }
}
