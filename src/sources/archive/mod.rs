//! Archives and compressed files, unpacked in memory and under limits.
//!
//! Promises: members are only ever bytes and names, nothing is written to disk; every allocation and every loop is bounded
//! by [`Limits`] and never by a size that the archive claims; what can be read of a damaged archive is handed out; what can't
//! be read (encrypted, damaged, unknown method, over a limit) is a ledger entry, and the run goes on.
//!
//! Read are zip (also jar, docx, whl, apk; with a prefix as in self-extracting files; entries that the central directory
//! hides), tar (v7, ustar, pax, GNU), ar (deb), gzip, zlib, bzip2, xz, LZMA and zstd, and any of them inside another. What
//! else packs files so that nothing can be found in them is known by its first bytes ([`sealed`]) and recorded.

mod ar;
mod budget;
mod codec;
mod magic;
mod tar;
mod zip;

use std::{io::Read, ops::Range};

use crate::model::{BlobPath, Counter, Ledger, SkipCause};

use budget::Budget;
pub use budget::Pool;
use codec::Codec;
pub use magic::{Kind, is_archive, sealed};
pub(super) use zip::{TAIL, ends_as_zip};

/// Fewest bytes out of a damaged zlib stream that make it one.
const MIN_ZLIB: usize = 32;

/// Longest member name that is kept, in bytes; zip's own limit.
const MAX_NAME: usize = 65_535;

/// How much of an archive is unpacked. All sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How deep archives in archives go; 1 unpacks the outer one only. A compressed tar is one level.
    pub depth: u32,
    /// Most of one member.
    pub member_bytes: u64,
    /// Most of all members of one outer archive together, nested ones included.
    pub total_bytes: u64,
    /// Most unpacked bytes for each byte of the outer archive, once `ratio_floor` is passed.
    pub ratio: u64,
    /// Unpacked size that is fine at any ratio: logs and zeros reach deflate's 1000:1 legitimately.
    pub ratio_floor: u64,
    /// Most members of one outer archive, nested ones included.
    pub members: u64,
    /// Most unpacked bytes of all archives of a run together, beyond what each may have in proportion to its length.
    pub run_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 4,
            member_bytes: 64 << 20,
            total_bytes: 512 << 20,
            ratio: 200,
            ratio_floor: 64 << 20,
            members: 100_000,
            run_bytes: 16 << 30,
        }
    }
}

/// One member as it is handed out.
pub struct Member<'a> {
    /// `outer.zip!inner/file`.
    pub path: &'a BlobPath,
    /// Its content.
    pub bytes: &'a [u8],
    /// Who paid for it.
    pub purse: Purse,
    /// The content that its archive stands in: the archive itself, or what holds it as text.
    pub holder: &'a BlobPath,
    /// The bytes of the holder that it came from.
    pub source: Range<usize>,
    /// The bytes of the holder that are its archive.
    pub archive: Range<usize>,
}

/// Something that stands in a content as text, and was decoded.
pub struct Inner {
    /// The bytes of the content that it came from.
    pub source: Range<usize>,
    /// What they are.
    pub bytes: Box<dyn AsRef<[u8]>>,
}

/// Takes a member, and returns what else it holds: archives among that are unpacked as if they were members of it.
pub type Each<'a> = dyn FnMut(&Member<'_>) -> Vec<Inner> + 'a;

/// Unpacks `bytes` and calls `each` with the path (`outer.zip!inner/file`) and bytes of every member; members that are
/// archives are handed out as they are and then unpacked too. Members without content (directories) come with no bytes,
/// links come with their target, pax headers with their records.
///
/// Counts [`Counter::ArchiveMembers`] and [`Counter::Bytes`] (of members) in `books`. Names are as the archive holds them:
/// `../../x`, absolute, with control bytes; only NUL is replaced, by `_`. Does nothing if [`is_archive`] says `None`.
pub fn expand(
    bytes: &[u8],
    path: &BlobPath,
    limits: &Limits,
    pool: &Pool,
    books: &mut Books,
    each: &mut Each<'_>,
) {
    let budget = Budget::new(bytes.len(), limits, pool);
    let mut expander = Expander::new(limits, &budget, books, each);
    expander.archive(bytes, path, 1);
    close(expander, path);
}

/// Unpacks what stands in the content at `path` as text, if it is an archive, as [`expand`] does; its name is where it stands.
pub fn expand_inner(
    inner: &Inner,
    path: &BlobPath,
    limits: &Limits,
    pool: &Pool,
    books: &mut Books,
    each: &mut Each<'_>,
) {
    let budget = Budget::new((*inner.bytes).as_ref().len(), limits, pool);
    let mut expander = Expander::new(limits, &budget, books, each);
    expander.inner(inner, path, 1);
    close(expander, &inner.name(path));
}

/// Records which limits were met on the way.
fn close(mut expander: Expander<'_>, path: &BlobPath) {
    let budget = expander.budget;
    if let Some(limit) = budget.hit() {
        expander
            .ledger()
            .skip(SkipCause::LimitHit, path.clone(), limit);
    }
    if budget.is_pooled() {
        let if_dry = &mut expander.books.if_dry;
        if_dry.skip(SkipCause::LimitHit, path.clone(), budget::RUN);
    }
}

impl Inner {
    /// Returns what it is called in the content at `path`.
    fn name(&self, path: &BlobPath) -> BlobPath {
        path.member(format!("base64@{}", self.source.start).as_bytes())
    }
}

/// Who paid for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purse {
    /// Its archive.
    Own,
    /// The pool: the member counts only if the [`Pool`] lasts to the end of the run.
    Pool,
}

/// What was and what was not read of archives.
#[derive(Debug, Default)]
pub struct Books {
    /// What counts in any case.
    pub own: Ledger,
    /// What counts if the pool lasts to the end of the run.
    pub pooled: Ledger,
    /// What counts if it does not.
    pub if_dry: Ledger,
}

/// The state of one [`expand`].
struct Expander<'a> {
    limits: &'a Limits,
    budget: &'a Budget<'a>,
    books: &'a mut Books,
    each: &'a mut Each<'a>,
    within: Within,
}

/// The archive that members come from now.
#[derive(Clone, Default)]
struct Within {
    /// The content that the archive stands in.
    holder: BlobPath,
    /// Where it stands there, if it stands there as text.
    text: Option<Range<usize>>,
    /// The address of its first byte, to tell where a part of it stands, and its length.
    address: usize,
    len: usize,
}

impl Within {
    fn new(holder: &BlobPath, text: Option<Range<usize>>, bytes: &[u8]) -> Self {
        Self {
            holder: holder.clone(),
            text,
            address: bytes.as_ptr().addr(),
            len: bytes.len(),
        }
    }
}

/// How reading a member ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With its last byte.
    Complete,
    /// At [`Limits::member_bytes`]; there is more.
    TooLarge,
    /// With an error of the decoder or a short archive.
    Damaged,
    /// Because a limit of the whole archive was met.
    Limit,
}

impl<'a> Expander<'a> {
    fn new(
        limits: &'a Limits,
        budget: &'a Budget<'a>,
        books: &'a mut Books,
        each: &'a mut Each<'a>,
    ) -> Self {
        Self {
            limits,
            budget,
            books,
            each,
            within: Within::default(),
        }
    }

    /// Returns where a part of the archive stands in it; the whole if it is no part.
    fn place_of(&self, part: &[u8]) -> Range<usize> {
        let whole = 0..self.within.len;
        let start = part.as_ptr().addr().checked_sub(self.within.address);
        let end = start.and_then(|start| start.checked_add(part.len()));
        match (start, end) {
            (Some(start), Some(end)) if end <= whole.end => start..end,
            _ => whole,
        }
    }

    /// Returns the ledger that what comes now belongs in.
    fn ledger(&mut self) -> &mut Ledger {
        if self.budget.is_pooled() {
            &mut self.books.pooled
        } else {
            &mut self.books.own
        }
    }

    /// Unpacks one archive; `level` is 1 for the outer one.
    fn archive(&mut self, bytes: &[u8], path: &BlobPath, level: u32) {
        let around = std::mem::replace(&mut self.within, Within::new(path, None, bytes));
        self.walk(bytes, path, level);
        self.within = around;
    }

    /// Unpacks what stands in the content at `path` as text.
    fn inner(&mut self, inner: &Inner, path: &BlobPath, level: u32) {
        let bytes = (*inner.bytes).as_ref();
        let within = Within::new(path, Some(inner.source.clone()), bytes);
        let around = std::mem::replace(&mut self.within, within);
        self.walk(bytes, &inner.name(path), level);
        self.within = around;
    }

    fn walk(&mut self, bytes: &[u8], path: &BlobPath, level: u32) {
        match is_archive(bytes) {
            Some(Kind::Zip) => zip::walk(self, bytes, path, level),
            Some(Kind::Tar) => tar::walk(self, &mut &*bytes, path, level),
            Some(Kind::Ar) => ar::walk(self, bytes, path, level),
            Some(Kind::Gzip) => self.compressed(Codec::Gzip, bytes, path, level),
            Some(Kind::Zlib) => self.compressed(Codec::Zlib, bytes, path, level),
            Some(Kind::Lzma) => self.compressed(Codec::Lzma, bytes, path, level),
            Some(Kind::Bzip2) => self.compressed(Codec::Bzip2, bytes, path, level),
            Some(Kind::Xz) => self.compressed(Codec::Xz, bytes, path, level),
            Some(Kind::Zstd) => self.compressed(Codec::Zstd, bytes, path, level),
            None => {}
        }
    }

    /// Unpacks one compressed stream: a tar is walked as it comes, anything else is one member.
    fn compressed(&mut self, codec: Codec, bytes: &[u8], path: &BlobPath, level: u32) {
        let budget = self.budget;
        if !budget.take_work(bytes.len()) {
            return;
        }
        let mut stream = budget.meter(codec.open(bytes, budget));
        let mut head = Vec::new();
        let mut end = fill(&mut stream, &mut head, tar::BLOCK as u64, budget);
        if tar::is_header(&head) {
            tar::walk(self, &mut head.as_slice().chain(stream), path, level);
            return;
        }
        if end == End::TooLarge {
            let rest = self.limits.member_bytes.saturating_sub(head.len() as u64);
            end = fill(&mut stream, &mut head, rest, budget);
        }
        let name = match codec {
            Codec::Gzip => codec::gzip_name(bytes).unwrap_or_else(|| stem(path)),
            _ => stem(path),
        };
        drop(stream);
        // Two bytes make a header of zlib: what then decodes to next to nothing was something else.
        if codec == Codec::Zlib && end == End::Damaged && head.len() < MIN_ZLIB {
            return;
        }
        let source = 0..self.within.len;
        self.member(&path.member(&clean(&name)), &head, source, end, level);
    }

    /// Hands out one member, which came from `source` of its archive, and, if it is an archive, what is in it.
    fn member(
        &mut self,
        path: &BlobPath,
        bytes: &[u8],
        source: Range<usize>,
        end: End,
        level: u32,
    ) {
        if !self.budget.take_member() {
            return;
        }
        self.ledger().count(Counter::ArchiveMembers, 1);
        self.ledger().count(Counter::Bytes, bytes.len() as u64);
        let purse = if self.budget.is_pooled() {
            Purse::Pool
        } else {
            Purse::Own
        };
        let text = &self.within.text;
        let inners = (self.each)(&Member {
            path,
            bytes,
            purse,
            holder: &self.within.holder,
            source: text.clone().unwrap_or(source),
            archive: text.clone().unwrap_or(0..self.within.len),
        });
        match end {
            End::Complete | End::Limit => {}
            End::TooLarge => {
                let detail = format!("only the first {} bytes were read", bytes.len());
                self.ledger()
                    .skip(SkipCause::TooLarge, path.clone(), detail);
            }
            End::Damaged => self.damaged(path, "damaged or truncated"),
        }
        if let Some(what) = sealed(bytes) {
            self.damaged(path, what);
        }
        if is_archive(bytes).is_some() && end != End::Limit {
            if level < self.limits.depth {
                self.archive(bytes, path, level + 1);
            } else {
                self.too_deep(path.clone());
            }
        }
        for inner in inners {
            if is_archive((*inner.bytes).as_ref()).is_none() {
                continue;
            }
            if level < self.limits.depth {
                self.inner(&inner, path, level + 1);
            } else {
                self.too_deep(inner.name(path));
            }
        }
    }

    /// Records an archive inside so many others that it is not unpacked.
    fn too_deep(&mut self, path: BlobPath) {
        let detail = format!("archives are unpacked {} levels deep", self.limits.depth);
        self.ledger().skip(SkipCause::LimitHit, path, detail);
    }

    /// Hands out a member that stands in its archive as it is.
    fn slice(&mut self, path: &BlobPath, bytes: &[u8], end: End, level: u32) {
        let most = usize::try_from(self.limits.member_bytes).unwrap_or(usize::MAX);
        let (part, end) = match bytes.get(..most) {
            Some(part) if part.len() < bytes.len() => (part, End::TooLarge),
            _ => (bytes, end),
        };
        self.member(path, part, self.place_of(part), end, level);
    }

    /// Records what could not be decoded.
    fn damaged(&mut self, path: &BlobPath, detail: &str) {
        // It counts: a million of them is a bomb, too.
        let _ = self.budget.take_member();
        self.ledger()
            .skip(SkipCause::Undecodable, path.clone(), detail);
    }
}

/// Appends at most `limit` bytes of `stream` to `bytes`. [`End::TooLarge`] means that there is more.
fn fill(stream: &mut dyn Read, bytes: &mut Vec<u8>, limit: u64, budget: &Budget<'_>) -> End {
    let before = bytes.len();
    // What was decoded before an error stays in `bytes`.
    let result = stream.take(limit).read_to_end(bytes);
    if budget.hit().is_some() {
        return End::Limit;
    }
    if result.is_err() {
        return End::Damaged;
    }
    if ((bytes.len() - before) as u64) < limit {
        return End::Complete;
    }
    let mut probe = [0];
    match stream.read(&mut probe) {
        Ok(0) => End::Complete,
        Ok(_) => {
            bytes.extend_from_slice(&probe);
            End::TooLarge
        }
        Err(_) if budget.hit().is_some() => End::Limit,
        Err(_) => End::Damaged,
    }
}

/// Returns the file name of `path` without the ending that its compression gave it.
fn stem(path: &BlobPath) -> Vec<u8> {
    let name = path
        .as_bytes()
        .rsplit(|b| matches!(b, b'/' | b'!'))
        .next()
        .unwrap_or_default();
    match name.iter().rposition(|b| *b == b'.') {
        Some(dot) if dot > 0 => name.get(..dot).unwrap_or_default().to_vec(),
        _ => b"content".to_vec(),
    }
}

/// Returns a name that a [`BlobPath`] may hold.
fn clean(name: &[u8]) -> Vec<u8> {
    let name = name.get(..MAX_NAME).unwrap_or(name);
    name.iter()
        .map(|b| if *b == 0 { b'_' } else { *b })
        .collect()
}

/// Returns the little-endian number of `N` bytes at `at`, or `None` past the end.
fn le<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(N)?)?;
    Some(field.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
}

#[cfg(test)]
mod tests;
