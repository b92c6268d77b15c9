//! Makes what git refuses to make.

use std::path::Path;

use sirocco::{Format, deflate::Level};

use super::super::repo::{Copies, Delta, Form, Header, Kind, fixture::Fixture, loose_path};
use crate::model::ObjectId;

/// A pack in which any content may have any name.
#[derive(Default)]
pub(super) struct PackWriter {
    body: Vec<u8>,
    entries: Vec<(ObjectId, u32, usize)>,
}

impl PackWriter {
    /// Adds an object under its own name and returns it.
    pub(super) fn add(&mut self, kind: Kind, content: &[u8]) -> ObjectId {
        let id = name_of(kind, content);
        self.add_as(id, kind, content);
        id
    }

    /// Adds an object under any name.
    pub(super) fn add_as(&mut self, id: ObjectId, kind: Kind, content: &[u8]) {
        let form = match kind {
            Kind::Commit => 1,
            Kind::Tree => 2,
            Kind::Blob => 3,
            Kind::Tag => 4,
        };
        self.entry(id, form, &[], content);
    }

    /// Adds a delta on an earlier object: instructions, between sizes.
    pub(super) fn add_delta(&mut self, id: ObjectId, base: ObjectId, delta: &[u8]) {
        let base = self
            .entries
            .iter()
            .find(|(name, ..)| *name == base)
            .unwrap();
        let distance = 12 + self.body.len() - base.2;
        assert!(distance < 16_000, "two bytes say how far");
        let distance = if distance < 128 {
            vec![distance as u8]
        } else {
            let less = distance - 128;
            vec![(less >> 7) as u8 | 0x80, (less & 0x7f) as u8]
        };
        self.entry(id, 6, &distance, delta);
    }

    /// Adds bytes that belong to no object.
    pub(super) fn add_stray(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
    }

    fn entry(&mut self, id: ObjectId, form: u8, base: &[u8], content: &[u8]) {
        let offset = 12 + self.body.len();
        let mut entry = vec![form << 4 | (content.len() & 15) as u8];
        let mut size = content.len() >> 4;
        while size > 0 {
            *entry.last_mut().unwrap() |= 0x80;
            entry.push((size & 0x7f) as u8);
            size >>= 7;
        }
        entry.extend_from_slice(base);
        entry.extend_from_slice(&sirocco::compress(Format::Zlib, Level::DEFAULT, content));
        self.entries.push((id, crc32fast::hash(&entry), offset));
        self.body.extend_from_slice(&entry);
    }

    /// Writes the pack and its index (version 2) into a repository, under a name without ending.
    pub(super) fn write(mut self, repository: &Path, name: &str) {
        self.entries.sort();
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend_from_slice(&(self.entries.len() as u32).to_be_bytes());
        pack.extend_from_slice(&self.body);
        pack.extend_from_slice(&[0; 20]);
        let mut index = b"\xfftOc\0\0\0\x02".to_vec();
        for first in 0..=255_u8 {
            let up_to = |(id, ..): &&(ObjectId, u32, usize)| id.as_bytes()[0] <= first;
            let n = self.entries.iter().filter(up_to).count() as u32;
            index.extend_from_slice(&n.to_be_bytes());
        }
        for (id, ..) in &self.entries {
            index.extend_from_slice(id.as_bytes());
        }
        for (_, crc, _) in &self.entries {
            index.extend_from_slice(&crc.to_be_bytes());
        }
        for (.., offset) in &self.entries {
            index.extend_from_slice(&(*offset as u32).to_be_bytes());
        }
        index.extend_from_slice(&[0; 40]);
        let stem = repository.join(".git/objects/pack");
        std::fs::create_dir_all(&stem).unwrap();
        std::fs::write(stem.join(format!("{name}.pack")), pack).unwrap();
        std::fs::write(stem.join(format!("{name}.idx")), index).unwrap();
    }
}

/// Returns the name that git gives a content (SHA-1).
pub(super) fn name_of(kind: Kind, content: &[u8]) -> ObjectId {
    let kind = match kind {
        Kind::Blob => gix::objs::Kind::Blob,
        Kind::Tree => gix::objs::Kind::Tree,
        Kind::Commit => gix::objs::Kind::Commit,
        Kind::Tag => gix::objs::Kind::Tag,
    };
    let name = gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, content).unwrap();
    ObjectId::new(name.as_bytes()).unwrap()
}

/// Writes a loose object under any name.
pub(super) fn store_loose(repository: &Path, id: ObjectId, kind: Kind, content: &[u8]) {
    let path = loose_path(&repository.join(".git/objects"), &id);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let header = format!("{kind} {}\0", content.len());
    let bytes = [header.as_bytes(), content].concat();
    let _ = std::fs::remove_file(&path);
    std::fs::write(
        path,
        sirocco::compress(Format::Zlib, Level::DEFAULT, &bytes),
    )
    .unwrap();
}

/// Writes a version 2 index for a thin pack of named deltas on objects that the repository still has.
pub(super) fn index_of(pack: &[u8], fixture: &Fixture) -> Vec<u8> {
    let repository = fixture.open();
    let mut found: Vec<(String, usize)> = Vec::new();
    let mut deltas = 0;
    let mut at = 12;
    while at < pack.len() - 20 {
        let header = Header::parse(&pack[at..], 20).unwrap();
        let mut decoder = sirocco::inflate::Decoder::new(Format::Zlib);
        let mut out = vec![0; header.size as usize + 1];
        let progress = decoder
            .decompress(&pack[at + header.len..], &mut out, true)
            .unwrap();
        let (used, size) = (progress.consumed, progress.output.len());
        out.truncate(size);
        let (kind, content) = match header.form {
            Form::Whole(kind) => (kind, out),
            Form::NamedDelta(base) => {
                let (kind, base) = repository.find(&base, 1 << 30).unwrap();
                let mut target = Vec::new();
                let delta = Delta::parse(&out).unwrap();
                delta
                    .apply(&base, 1 << 30, &mut target, &mut Copies::default())
                    .unwrap();
                deltas += usize::from(kind == Kind::Blob);
                (kind, target)
            }
            Form::OffsetDelta(_) => panic!("asked for named deltas"),
        };
        let file = fixture.beside("content");
        std::fs::write(&file, content).unwrap();
        let id = fixture.git(&[
            "hash-object",
            "-t",
            kind.as_str(),
            "--literally",
            "--no-filters",
            file.to_str().unwrap(),
        ]);
        found.push((id, at));
        at += header.len + used;
    }
    assert_eq!(deltas, 1, "the pack must be thin");
    found.sort();
    let mut out = b"\xfftOc\0\0\0\x02".to_vec();
    let byte = |id: &str, i: usize| u8::from_str_radix(&id[2 * i..2 * i + 2], 16).unwrap();
    for first in 0..=255_u8 {
        let n = found.iter().filter(|(id, _)| byte(id, 0) <= first).count() as u32;
        out.extend_from_slice(&n.to_be_bytes());
    }
    for (id, _) in &found {
        out.extend((0..20).map(|i| byte(id, i)));
    }
    found.iter().for_each(|_| out.extend_from_slice(&[0; 4]));
    for (_, at) in &found {
        out.extend_from_slice(&(*at as u32).to_be_bytes());
    }
    out.extend_from_slice(&[0; 40]);
    out
}
