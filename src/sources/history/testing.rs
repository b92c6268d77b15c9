//! Makes what git refuses to make.

use super::super::repo::{Copies, Delta, Form, Header, Kind, fixture::Fixture};

/// Writes a version 2 index for a thin pack of named deltas on objects that the repository still has.
pub(super) fn index_of(pack: &[u8], fixture: &Fixture) -> Vec<u8> {
    let repository = fixture.open();
    let mut found: Vec<(String, usize)> = Vec::new();
    let mut deltas = 0;
    let mut at = 12;
    while at < pack.len() - 20 {
        let header = Header::parse(&pack[at..], 20).unwrap();
        let mut decoder = sirocco::inflate::Decoder::new(sirocco::Format::Zlib);
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
