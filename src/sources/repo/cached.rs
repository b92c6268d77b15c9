//! The cached tree of an index: of which of its directories the tree is known, and which it is.

use std::io;

use super::{io::Handle, listing::Window};

/// The cached tree of an index: which of its directories are those of which trees.
#[derive(Default)]
pub(crate) struct CachedTrees {
    /// Names and object names.
    bytes: Vec<u8>,
    id_len: usize,
    /// Each directory before those in it.
    nodes: Vec<Node>,
    /// The directories in each directory, sorted by name.
    children: Vec<usize>,
}

struct Node {
    /// Where its name stands.
    name: (usize, usize),
    /// How many entries of the index it has in it and below; `None` if it has changed.
    entries: Option<u32>,
    /// Where its object's name stands.
    id: usize,
    /// The number of the first node that is not in it.
    next: usize,
    /// Which of the table of children are its own.
    children: (usize, usize),
}

/// Deepest nesting of cached trees that is followed here.
const MAX_DEPTH: usize = 256;

/// Deepest nesting that is handed to others, who follow it by calling themselves: no path that a system takes is so deep.
const MAX_NESTING: usize = 2048;

/// Longest name of a directory that a nest is followed over; no system has longer ones.
const MAX_NAME: usize = 4096;

/// Bytes of an index in which the signs of cached trees are looked for at once, and those behind them that a sign may take.
const STEP: u64 = 1 << 20;
const SIGN: u64 = 3;

/// How many times its length of an index may be gone through to look for nests.
const MAX_LOOKS: u64 = 16;

/// Tells whether a cached tree of an index may nest deeper than anybody should follow it: one that stands at any place which could
/// be that of the extension. Holds a small part of the file at a time; one that takes too long to tell is said to.
pub(super) fn nests_too_deep(file: &Handle, id_len: usize) -> io::Result<bool> {
    let mut budget = file.len().saturating_mul(MAX_LOOKS);
    let mut window = Window::new(file);
    let mut bytes = Vec::new();
    let mut start = 0;
    while start < file.len() {
        let wanted = (file.len() - start).min(STEP + SIGN);
        bytes.resize(usize::try_from(wanted).unwrap_or(usize::MAX), 0);
        let read = file.read_at(&mut bytes, start)?;
        bytes.truncate(read);
        for at in memchr::memmem::find_iter(&bytes, b"TREE") {
            // The extension's size follows.
            if is_nest(&mut window, start + at as u64 + 8, id_len, &mut budget) {
                return Ok(true);
            }
        }
        start += STEP;
    }
    Ok(false)
}

/// Tells whether the directories of the cached tree at an offset nest too deep; takes what it reads from the budget.
fn is_nest(window: &mut Window<'_>, mut at: u64, id_len: usize, budget: &mut u64) -> bool {
    // How many directories are still to come on each level.
    let mut open: Vec<u32> = Vec::new();
    while let Some(rest) = window.at(at) {
        let near = rest.get(..=MAX_NAME).unwrap_or(rest);
        let Some(name) = memchr::memchr(0, near) else {
            // Among directories such a name is no accident.
            return !open.is_empty() && rest.len() > MAX_NAME;
        };
        let Some((children, len)) = node(rest.get(name + 1..).unwrap_or_default(), id_len) else {
            return false;
        };
        let len = (name + 1 + len) as u64;
        at += len;
        let Some(left) = budget.checked_sub(len) else {
            return true;
        };
        *budget = left;
        open.push(children);
        if open.len() > MAX_NESTING {
            return true;
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        match open.last_mut() {
            Some(left) => *left -= 1,
            None => return false,
        }
    }
    false
}

/// Reads what stands behind the name of a directory: how many are in it, and the length of all that.
fn node(rest: &[u8], id_len: usize) -> Option<(u32, usize)> {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<i32>().ok();
    let line = memchr::memchr(b'\n', rest.get(..24).unwrap_or(rest))?;
    let numbers = rest.get(..line)?;
    let (entries, children) = numbers.split_at_checked(memchr::memchr(b' ', numbers)?)?;
    let id = if number(entries)? < 0 { 0 } else { id_len };
    let children = u32::try_from(number(children.get(1..)?)?).ok()?;
    Some((children, line + 1 + id))
}

impl CachedTrees {
    /// Returns the node of the root.
    pub(crate) fn root(&self) -> Option<usize> {
        (!self.nodes.is_empty()).then_some(0)
    }

    /// Returns the node of a directory in another.
    pub(crate) fn child(&self, node: usize, name: &[u8]) -> Option<usize> {
        let (start, end) = self.nodes.get(node)?.children;
        let children = self.children.get(start..end)?;
        let found = children.binary_search_by(|child| self.name(*child).cmp(&Some(name)));
        children.get(found.ok()?).copied()
    }

    /// Returns the number of entries below a directory, and its tree; `None` if it is not known to be as in the tree.
    pub(crate) fn tree(&self, node: usize) -> Option<(usize, &[u8])> {
        let node = self.nodes.get(node)?;
        let entries = usize::try_from(node.entries?).ok()?;
        Some((entries, self.bytes.get(node.id..node.id + self.id_len)?))
    }

    fn name(&self, node: usize) -> Option<&[u8]> {
        let (start, end) = self.nodes.get(node)?.name;
        self.bytes.get(start..end)
    }

    /// Reads the extension; `None` if it is malformed.
    pub(super) fn parse(bytes: Vec<u8>, id_len: usize) -> Option<Self> {
        let mut trees = Self {
            bytes,
            id_len,
            nodes: Vec::new(),
            children: Vec::new(),
        };
        let end = trees.parse_one(0, 0)?;
        (end == trees.bytes.len()).then_some(trees)
    }

    /// Reads the tree at an offset with those in it; returns where it ends.
    fn parse_one(&mut self, start: usize, depth: usize) -> Option<usize> {
        let upto = |from: usize, byte: u8| {
            let len = memchr::memchr(byte, self.bytes.get(from..)?)?;
            Some(from + len)
        };
        let number = |from: usize, to: usize| {
            std::str::from_utf8(self.bytes.get(from..to)?)
                .ok()?
                .parse::<i32>()
                .ok()
        };
        let name = (start, upto(start, 0)?);
        let space = upto(name.1 + 1, b' ')?;
        let line = upto(space + 1, b'\n')?;
        let entries = u32::try_from(number(name.1 + 1, space)?).ok();
        let children = u32::try_from(number(space + 1, line)?).ok()?;
        let id = line + 1;
        let mut at = if entries.is_some() {
            id + self.id_len
        } else {
            id
        };
        if at > self.bytes.len() || depth > MAX_DEPTH {
            return None;
        }
        let own = self.nodes.len();
        self.nodes.push(Node {
            name,
            entries,
            id,
            next: own + 1,
            children: (0, 0),
        });
        for _ in 0..children {
            at = self.parse_one(at, depth + 1)?;
        }
        // Which of two is meant cannot be told.
        self.close(own).then_some(at)
    }

    /// Ends a directory with the last node; tells whether all directories in it have names of their own.
    fn close(&mut self, own: usize) -> bool {
        let mut inside = Vec::new();
        let mut child = own + 1;
        while let Some(next) = self.nodes.get(child).map(|node| node.next) {
            inside.push(child);
            child = next;
        }
        inside.sort_unstable_by(|a, b| self.name(*a).cmp(&self.name(*b)));
        let distinct = inside.is_sorted_by(|a, b| self.name(*a) < self.name(*b));
        let start = self.children.len();
        self.children.append(&mut inside);
        let end = self.children.len();
        let next = self.nodes.len();
        if let Some(node) = self.nodes.get_mut(own) {
            node.next = next;
            node.children = (start, end);
        }
        distinct
    }

    /// Takes the trees as gix has them.
    pub(super) fn of(tree: &gix::index::extension::Tree) -> Self {
        let mut trees = Self {
            id_len: tree.id.as_bytes().len(),
            ..Self::default()
        };
        trees.flatten(tree);
        trees
    }

    fn flatten(&mut self, tree: &gix::index::extension::Tree) {
        let own = self.nodes.len();
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&tree.name);
        let id = self.bytes.len();
        self.bytes.extend_from_slice(tree.id.as_bytes());
        self.nodes.push(Node {
            name: (start, id),
            entries: tree.num_entries,
            id,
            next: own + 1,
            children: (0, 0),
        });
        for child in &tree.children {
            self.flatten(child);
        }
        self.close(own);
    }

    /// Lists all directories with what is known of them.
    #[cfg(test)]
    pub(super) fn tell(&self) -> Vec<String> {
        fn below(trees: &CachedTrees, node: usize, path: &str, told: &mut Vec<String>) {
            told.push(format!("{path} {:?}", trees.tree(node)));
            let end = trees.nodes[node].next;
            let mut child = node + 1;
            while child < end {
                let name = trees.name(child).unwrap();
                assert_eq!(trees.child(node, name), Some(child));
                below(trees, child, &format!("{path}/{name:?}"), told);
                child = trees.nodes[child].next;
            }
        }
        let mut told = Vec::new();
        if let Some(root) = self.root() {
            below(self, root, "", &mut told);
        }
        told.sort();
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns an index that ends in a chain of so many directories.
    fn chain(depth: usize) -> Vec<u8> {
        let mut body = b"\0-1 1\n".to_vec();
        body.extend(b"d\0-1 1\n".repeat(depth - 2));
        body.extend(b"d\0-1 0\n");
        let mut index = b"DIRC and entries, TREE in one of them too\0\0TREE".to_vec();
        index.extend((body.len() as u32).to_be_bytes());
        index.extend(body);
        index.extend([0; 20]);
        index
    }

    fn is_deep(index: &[u8]) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        std::fs::write(&path, index).unwrap();
        nests_too_deep(&Handle::open(path, true).unwrap(), 20).unwrap()
    }

    #[test]
    fn nests_are_known_without_being_entered() {
        assert!(!is_deep(&chain(2)));
        assert!(!is_deep(&chain(MAX_NESTING)));
        assert!(is_deep(&chain(MAX_NESTING + 1)));
        assert!(is_deep(&chain(300_000)));
        assert!(!is_deep(b"TREE") && !is_deep(b""));
        // Many directories side by side are no nest.
        let wide = [
            b"TREE\0\0\0\0\0-1 5000\n".to_vec(),
            b"d\0-1 0\n".repeat(5000),
        ];
        assert!(!is_deep(&wide.concat()));
        // Nor are a nest behind many directories, or long names, out of sight.
        let behind = [
            b"TREE\0\0\0\0\0-1 2000001\n".to_vec(),
            b"d\0-1 0\n".repeat(2_000_000),
            b"d\0-1 1\n".repeat(5000),
        ];
        assert!(is_deep(&behind.concat()));
        let long = [&b"TREE\0\0\0\0\0-1 1\n"[..], &[b'd'; 5000], b"\0-1 1\n"];
        assert!(is_deep(&long.concat()));
    }

    #[test]
    fn nests_are_seen_wherever_they_begin() {
        for before in [STEP as usize - 60, STEP as usize - 47, STEP as usize + 5] {
            let index = [vec![b'x'; before], chain(5000)].concat();
            assert!(is_deep(&index), "{before}");
            let index = [vec![b'x'; before], chain(50)].concat();
            assert!(!is_deep(&index), "{before}");
        }
    }
}
