//! One reference alone: what HEAD of an index leads to, in a repository with thousands of others.

use std::path::Path;

use super::{
    io::{bytes_path, read_small},
    object::parse_hex,
    refs::{MAX_DEPTH, MAX_LOOSE, MAX_PACKED, Target},
};
use crate::model::ObjectId;

/// Returns what one branch (or other reference below `refs`) points at, as [`super::refs::read`] has it, without reading the others. The
/// outer `None` says that it takes all of them to tell.
pub(super) fn one(common_dir: &Path, name: &[u8]) -> Option<Option<Target>> {
    let parts: Vec<&[u8]> = name.split(|b| *b == b'/').collect();
    let is_plain = |part: &&[u8]| {
        !matches!(**part, [] | [b'.'] | [b'.', b'.'])
            && !part.iter().any(|b| matches!(b, 0 | b'\\' | b':'))
    };
    let is_branch = matches!(parts.as_slice(), [first, _, ..] if *first == b"refs");
    if !is_branch || !parts.iter().all(is_plain) || parts.len() > MAX_DEPTH / 2 {
        return None;
    }
    let mut path = common_dir.to_owned();
    let mut is_file = false;
    for (at, part) in parts.iter().enumerate() {
        path.push(bytes_path(part));
        match path.symlink_metadata() {
            Ok(kind) if kind.is_dir() => {}
            Ok(_) if at + 1 == parts.len() => is_file = !name.ends_with(b".lock"),
            // A link in the place of a folder is not followed.
            Ok(_) => break,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
            Err(_) => return None,
        }
    }
    let text = is_file.then(|| read_small(&path, MAX_LOOSE).ok()).flatten();
    let text = text.as_deref().unwrap_or_default().trim_ascii();
    if text.starts_with(b"ref:") {
        return Some(Some(None));
    }
    if let Some(id) = parse_hex(text) {
        return Some(Some(Some(id)));
    }
    let packed = match read_small(&common_dir.join("packed-refs"), MAX_PACKED) {
        Ok(text) => packed_target(&text, name),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(_) => return None,
    };
    Some(packed.map(Some))
}

/// Returns what the last line of `packed-refs` says that has the name.
fn packed_target(text: &[u8], name: &[u8]) -> Option<ObjectId> {
    let needle = [b" ", name].concat();
    let found = memchr::memmem::find_iter(text, &needle).filter_map(|at| {
        let rest = text.get(at + needle.len()..)?;
        let ends = matches!(rest, [] | [b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..]);
        let start = memchr::memrchr(b'\n', text.get(..at)?).map_or(0, |before| before + 1);
        parse_hex(text.get(start..at)?).filter(|_| ends)
    });
    found.last()
}

#[cfg(test)]
mod tests {
    use super::{
        super::refs::{
            read,
            tests::{A, B, write},
        },
        *,
    };

    #[test]
    fn one_reference_is_what_it_is_among_all() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path();
        write(&git.join("HEAD"), "ref: refs/heads/main\n");
        write(
            &git.join("packed-refs"),
            &format!(
                "# pack-refs with: peeled\n{A} refs/heads/main\n{A} refs/heads/twice\n{A} refs/heads/a b\n\
                 {A} refs/heads/bad\n{A} refs/heads/dir\n{A} refs/heads/mainly\r\n^{B}\n{B} refs/heads/twice\n\
                 zz refs/heads/no\n{A} refs/heads/last"
            ),
        );
        write(&git.join("refs/heads/main"), &format!("{B}\n"));
        write(&git.join("refs/heads/bad"), "zz\n");
        write(&git.join("refs/heads/dir/x"), &format!("{B}\n"));
        write(&git.join("refs/heads/sym"), "ref: refs/heads/main\n");
        write(&git.join("refs/heads/y.lock"), &format!("{B}\n"));
        let refs = read(git, false);
        for name in [
            "main", "twice", "a b", "b", "bad", "dir", "dir/x", "mainly", "no", "last", "sym",
            "y.lock", "main/x", "x/y", "none",
        ] {
            let name = format!("refs/heads/{name}");
            let all = refs.target(name.as_bytes());
            assert_eq!(one(git, name.as_bytes()), Some(all), "{name}");
        }
        assert_eq!(
            refs.target(b"refs/heads/twice"),
            Some(parse_hex(B.as_bytes()))
        );
        for name in [
            "HEAD",
            "refs",
            "refs/../HEAD",
            "refs//x",
            "worktrees/w/HEAD",
        ] {
            assert_eq!(one(git, name.as_bytes()), None, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_linked_folder_of_references_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path();
        write(&git.join("elsewhere/x"), &format!("{B}\n"));
        write(&git.join("refs/heads/y"), &format!("{B}\n"));
        std::os::unix::fs::symlink("../../elsewhere", git.join("refs/heads/f")).unwrap();
        let refs = read(git, false);
        assert_eq!(refs.target(b"refs/heads/f/x"), None);
        assert_eq!(one(git, b"refs/heads/f/x"), Some(None));
    }
}
