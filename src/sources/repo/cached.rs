//! The cached tree of an index: of which of its directories the tree is known, and which it is.

/// The cached tree of an index: which of its directories are those of which trees.
#[derive(Default)]
pub(crate) struct CachedTrees {
    /// Names and object names.
    bytes: Vec<u8>,
    id_len: usize,
    /// Each directory before those in it.
    nodes: Vec<Node>,
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
}

/// Deepest nesting of cached trees that is followed here.
const MAX_DEPTH: usize = 256;

impl CachedTrees {
    /// Returns the node of the root.
    pub(crate) fn root(&self) -> Option<usize> {
        (!self.nodes.is_empty()).then_some(0)
    }

    /// Returns the node of a directory in another.
    pub(crate) fn child(&self, node: usize, name: &[u8]) -> Option<usize> {
        let end = self.nodes.get(node)?.next;
        let mut child = node + 1;
        while child < end {
            if self.name(child) == Some(name) {
                return Some(child);
            }
            child = self.nodes.get(child)?.next.max(child + 1);
        }
        None
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
        });
        let (mut last, mut in_order) = (None, true);
        for _ in 0..children {
            let child = self.nodes.len();
            at = self.parse_one(at, depth + 1)?;
            // As git writes them.
            let order = |node| self.name(node).map(|name| (name.len(), name));
            in_order &= last.is_none_or(|last| order(last) < order(child));
            last = Some(child);
        }
        // Which of two is meant cannot be told.
        if !in_order && self.has_twins(own) {
            return None;
        }
        let next = self.nodes.len();
        self.nodes.get_mut(own)?.next = next;
        Some(at)
    }

    /// Tells whether two directories in the last one that was begun have the same name.
    fn has_twins(&self, node: usize) -> bool {
        let mut names = Vec::new();
        let mut child = node + 1;
        while let Some(next) = self.nodes.get(child).map(|node| node.next) {
            names.push(self.name(child));
            child = next;
        }
        names.sort_unstable();
        !names.is_sorted_by(|a, b| a < b)
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
        });
        for child in &tree.children {
            self.flatten(child);
        }
        let next = self.nodes.len();
        if let Some(node) = self.nodes.get_mut(own) {
            node.next = next;
        }
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
