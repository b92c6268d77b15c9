//! Archives are built here with the writers of other crates, or by hand where those refuse to write what is wrong.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write},
};

use proptest::prelude::*;

use super::*;

/// What came out: bytes by path (of several members under one path the last), and the ledger.
struct Out {
    members: BTreeMap<String, Vec<u8>>,
    ledger: Ledger,
}

impl Out {
    fn text(&self, path: &str) -> Option<&str> {
        self.members
            .get(path)
            .map(|b| std::str::from_utf8(b).unwrap())
    }

    fn skipped(&self, cause: SkipCause) -> u64 {
        self.ledger.skipped.get(&cause).copied().unwrap_or_default()
    }
}

fn expand_with(bytes: &[u8], path: &str, limits: &Limits) -> Out {
    let pool = Pool::new(limits);
    let (mut out, dry) = expand_from(bytes, path, limits, &pool);
    assert!(!pool.is_dry() && dry.skipped.len() <= 1);
    out.ledger.trim();
    out
}

/// Returns what counts if the pool lasts, and what if it does not.
fn expand_from(bytes: &[u8], path: &str, limits: &Limits, pool: &Pool) -> (Out, Ledger) {
    let mut members = BTreeMap::new();
    let mut books = Books::default();
    let mut each = |member: &Member<'_>| {
        members.insert(member.path.to_string(), member.bytes.to_vec());
        Vec::new()
    };
    expand(
        bytes,
        &BlobPath::from(path),
        limits,
        pool,
        &mut books,
        &mut each,
    );
    let mut ledger = books.own;
    ledger.merge(books.pooled);
    (Out { members, ledger }, books.if_dry)
}

fn expand_all(bytes: &[u8], path: &str) -> Out {
    expand_with(bytes, path, &Limits::default())
}

fn zip_of(entries: &[(&str, &[u8])], method: ::zip::CompressionMethod) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn deflated(entries: &[(&str, &[u8])]) -> Vec<u8> {
    zip_of(entries, ::zip::CompressionMethod::Deflated)
}

fn tar_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer =
        lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn lzma(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::LzmaOptions::with_preset(1);
    let mut writer = lzma_rust2::LzmaWriter::new_use_header(Vec::new(), &options, None).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A stored zip entry as bytes: local header and data; and its central header with the offset left out.
fn raw_entry(name: &[u8], data: &[u8], flags: u16, method: u16) -> (Vec<u8>, Vec<u8>) {
    let mut common = Vec::new();
    common.extend_from_slice(&20_u16.to_le_bytes());
    common.extend_from_slice(&flags.to_le_bytes());
    common.extend_from_slice(&method.to_le_bytes());
    common.extend_from_slice(&[0; 8]);
    common.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
    common.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
    common.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
    common.extend_from_slice(&[0; 2]);
    let local = [b"PK\x03\x04".as_slice(), &common, name, data].concat();
    let central = [b"PK\x01\x02\x14\x00".as_slice(), &common, &[0; 10]].concat();
    (local, central)
}

fn end_record(entries: usize, size: usize, offset: usize) -> Vec<u8> {
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    let count = u16::try_from(entries).unwrap().to_le_bytes();
    end.extend_from_slice(&count);
    end.extend_from_slice(&count);
    end.extend_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
    end.extend_from_slice(&u32::try_from(offset).unwrap().to_le_bytes());
    end.extend_from_slice(&[0, 0]);
    end
}

/// A zip of `names` that all lead to the one local entry `local`.
fn zip_by_hand(local: &[u8], central: &[u8], names: &[&[u8]]) -> Vec<u8> {
    let mut bytes = local.to_vec();
    for name in names {
        bytes.extend_from_slice(central);
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.extend_from_slice(name);
    }
    let size = bytes.len() - local.len();
    let end = end_record(names.len(), size, local.len());
    [bytes, end].concat()
}

#[test]
fn every_zip_method_is_unpacked() {
    use ::zip::CompressionMethod as M;
    for method in [M::Stored, M::Deflated, M::Bzip2, M::Xz] {
        let bytes = zip_of(&[("d/a.txt", b"made-up content")], method);
        assert_eq!(is_archive(&bytes), Some(Kind::Zip));
        let out = expand_all(&bytes, "o.zip");
        assert_eq!(
            out.text("o.zip!d/a.txt"),
            Some("made-up content"),
            "{method}"
        );
        assert!(!out.ledger.is_incomplete());
        assert_eq!(out.ledger.counted(Counter::ArchiveMembers), 1);
        assert_eq!(out.ledger.counted(Counter::Bytes), 15);
    }
}

/// `zipfile.ZipFile('w', ZIP_LZMA)` of CPython 3.11 with one member `a.txt`: `made-up content` and LF, four times over.
#[test]
fn lzma_in_a_zip_is_unpacked() {
    let bytes = LZMA_ZIP;
    let out = expand_all(bytes, "o.zip");
    assert_eq!(
        out.text("o.zip!a.txt"),
        Some("made-up content\n".repeat(4).as_str())
    );
    assert!(!out.ledger.is_incomplete(), "{:?}", out.ledger);
}

#[test]
fn every_compression_is_unpacked_with_all_its_streams() {
    let packed = [
        ("gz", [gzip(b"first "), gzip(b"second")], Kind::Gzip),
        ("bz2", [bzip2(b"first "), bzip2(b"second")], Kind::Bzip2),
        ("xz", [xz(b"first "), xz(b"second")], Kind::Xz),
        ("zst", [zstd(b"first "), zstd(b"second")], Kind::Zstd),
    ];
    for (ending, streams, kind) in packed {
        let bytes = streams.concat();
        assert_eq!(is_archive(&bytes), Some(kind));
        let out = expand_all(&bytes, &format!("dir/a.txt.{ending}"));
        let member = format!("dir/a.txt.{ending}!a.txt");
        assert_eq!(out.text(&member), Some("first second"));
        assert!(!out.ledger.is_incomplete());
    }
}

#[test]
fn zlib_and_lzma_are_unpacked() {
    let long = "some text ".repeat(50_000);
    for text in ["some text", &long] {
        for (bytes, kind) in [
            (zlib(text.as_bytes()), Kind::Zlib),
            (lzma(text.as_bytes()), Kind::Lzma),
        ] {
            assert_eq!(is_archive(&bytes), Some(kind));
            let out = expand_all(&bytes, "a.txt.z");
            assert_eq!(out.text("a.txt.z!a.txt"), Some(text));
            assert!(!out.ledger.is_incomplete());
            if text.len() > 1000 {
                let cut = expand_all(&bytes[..bytes.len() / 2], "a.z");
                assert_eq!(cut.skipped(SkipCause::Undecodable), 1);
            }
        }
    }
}

#[test]
fn a_tar_in_a_compression_is_one_level() {
    let tar = tar_of(&[("a.txt", b"alpha"), ("b/c.txt", b"beta")]);
    let limits = Limits {
        depth: 1,
        ..Limits::default()
    };
    for bytes in [gzip(&tar), bzip2(&tar), xz(&tar), zstd(&tar), tar] {
        let out = expand_with(&bytes, "x", &limits);
        assert_eq!(out.text("x!a.txt"), Some("alpha"));
        assert_eq!(out.text("x!b/c.txt"), Some("beta"));
        assert!(!out.ledger.is_incomplete());
    }
}

#[test]
fn archives_nest_down_to_the_limit() {
    let mut bytes = deflated(&[("end.txt", b"deep")]);
    for name in ["3.zip", "2.zip", "1.zip"] {
        bytes = deflated(&[(name, &bytes)]);
    }
    let out = expand_all(&bytes, "0.zip");
    assert_eq!(out.text("0.zip!1.zip!2.zip!3.zip!end.txt"), Some("deep"));
    assert!(!out.ledger.is_incomplete());
    let deeper = deflated(&[("0.zip", &bytes)]);
    let out = expand_all(&deeper, "o");
    assert!(out.members.contains_key("o!0.zip!1.zip!2.zip!3.zip"));
    assert_eq!(out.text("o!0.zip!1.zip!2.zip!3.zip!end.txt"), None);
    assert_eq!(out.skipped(SkipCause::LimitHit), 1);
}

#[test]
fn the_name_in_a_gzip_header_is_the_members() {
    let mut encoder = flate2::GzBuilder::new()
        .filename("from-header.env")
        .write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"x").unwrap();
    let out = expand_all(&encoder.finish().unwrap(), "a.gz");
    assert_eq!(out.text("a.gz!from-header.env"), Some("x"));
}

#[test]
fn links_and_pax_records_are_content() {
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_ustar();
    header.set_entry_type(::tar::EntryType::Symlink);
    header.set_size(0);
    builder
        .append_link(&mut header, "link", "target-text")
        .unwrap();
    builder
        .append_pax_extensions([("comment", b"a pax comment".as_slice())])
        .unwrap();
    let mut header = ::tar::Header::new_ustar();
    header.set_size(1);
    builder
        .append_data(&mut header, "f", b"x".as_slice())
        .unwrap();
    let out = expand_all(&builder.into_inner().unwrap(), "t");
    assert_eq!(out.text("t!link"), Some("target-text"));
    assert!(
        out.members
            .values()
            .any(|b| b.ends_with(b"comment=a pax comment\n"))
    );
    assert_eq!(out.text("t!f"), Some("x"));
}

#[test]
fn long_names_of_gnu_and_pax_are_read() {
    let long = "d/".repeat(120) + "end";
    let out = expand_all(&tar_of(&[(&long, b"x")]), "t");
    assert_eq!(out.text(&format!("t!{long}")), Some("x"));
    let mut builder = ::tar::Builder::new(Vec::new());
    builder
        .append_pax_extensions([("path", long.as_bytes())])
        .unwrap();
    let mut header = ::tar::Header::new_ustar();
    header.set_size(1);
    builder
        .append_data(&mut header, "short", b"y".as_slice())
        .unwrap();
    let out = expand_all(&builder.into_inner().unwrap(), "t");
    assert_eq!(out.text(&format!("t!{long}")), Some("y"));
}

#[test]
fn debian_packages_are_unpacked() {
    let control = gzip(&tar_of(&[("control", b"Package: x")]));
    let mut bytes = ar::MAGIC.to_vec();
    for (name, body) in [
        ("debian-binary", b"2.0\n".as_slice()),
        ("control.tar.gz", &control),
    ] {
        bytes.extend_from_slice(
            format!(
                "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                0,
                0,
                0,
                644,
                body.len()
            )
            .as_bytes(),
        );
        bytes.extend_from_slice(body);
        if body.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    let out = expand_all(&bytes, "x.deb");
    assert_eq!(out.text("x.deb!control.tar.gz!control"), Some("Package: x"));
    assert!(!out.ledger.is_incomplete());
}

#[test]
fn hostile_names_are_only_text() {
    let (local, central) = raw_entry(b"../../x\x1b[2J\0y", b"data", 0, 0);
    let bytes = zip_by_hand(&local, &central, &[b"../../x\x1b[2J\0y"]);
    let out = expand_all(&bytes, "o.zip");
    assert_eq!(out.text("o.zip!../../x\\x1b[2J_y"), Some("data"));
}

#[test]
fn encrypted_members_are_a_gap() {
    let (local, central) = raw_entry(b"secret.txt", b"0123456789ab", 1, 8);
    let out = expand_all(&zip_by_hand(&local, &central, &[b"secret.txt"]), "o.zip");
    assert!(out.members.is_empty());
    assert_eq!(out.skipped(SkipCause::Undecodable), 1);
    assert_eq!(out.ledger.skips.first().unwrap().detail, "encrypted");
}

#[test]
fn members_that_are_not_what_their_method_says_are_a_gap() {
    for method in [8, 9, 12, 14, 93, 95, 6, 98] {
        let (local, central) = raw_entry(b"a", b"\xff\xffno such data", 0, method);
        let out = expand_all(&zip_by_hand(&local, &central, &[b"a"]), "o.zip");
        assert_eq!(out.skipped(SkipCause::Undecodable), 1, "{method}");
    }
}

#[test]
fn what_the_central_directory_hides_is_found() {
    let (shown, central) = raw_entry(b"shown", b"harmless", 0, 0);
    let (hidden, _) = raw_entry(b"hidden", b"made-up secret", 0, 0);
    let body = [shown.clone(), hidden].concat();
    let mut bytes = body.clone();
    bytes.extend_from_slice(&central);
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    bytes.extend_from_slice(b"shown");
    let size = bytes.len() - body.len();
    bytes.extend_from_slice(&end_record(1, size, body.len()));
    let out = expand_all(&bytes, "o.zip");
    assert_eq!(out.text("o.zip!shown"), Some("harmless"));
    assert_eq!(out.text("o.zip!hidden"), Some("made-up secret"));
    assert!(!out.ledger.is_incomplete());
}

#[test]
fn headers_that_disagree_are_both_believed() {
    let packed = {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"what a streaming reader sees").unwrap();
        encoder.finish().unwrap()
    };
    let (local, _) = raw_entry(b"inner", &packed, 0, 8);
    let (_, central) = raw_entry(b"other", &packed[..4], 0, 0);
    let out = expand_all(&zip_by_hand(&local, &central, &[b"other"]), "o.zip");
    assert_eq!(out.members.get("o.zip!other").map(Vec::len), Some(4));
    assert_eq!(
        out.text("o.zip!inner"),
        Some("what a streaming reader sees")
    );
}

#[test]
fn a_prefix_does_not_hide_a_zip() {
    let bytes = [
        b"#!/bin/sh\nexit\n".to_vec(),
        deflated(&[("a", b"content")]),
    ]
    .concat();
    assert_eq!(is_archive(&bytes), Some(Kind::Zip));
    let out = expand_all(&bytes, "run");
    assert_eq!(out.text("run!a"), Some("content"));
    assert!(!out.ledger.is_incomplete());
}

/// Returns a zip behind a prefix and with a comment.
fn zip_between(prefix: &[u8], comment: &[u8]) -> Vec<u8> {
    let mut zip = deflated(&[("a", b"content")]);
    let at = zip.len() - 2;
    let len = u16::try_from(comment.len()).unwrap();
    zip[at..].copy_from_slice(&len.to_le_bytes());
    [prefix, &zip, comment].concat()
}

#[test]
fn neither_prefix_nor_comment_hides_a_zip() {
    let empty = end_record(0, 0, 0);
    for comment in [
        b"made for you".to_vec(),
        b"PK\x05\x06".repeat(1000),
        // What looks like the end of an empty archive, and of one elsewhere.
        empty.clone(),
        end_record(1, 50, 3),
        vec![b'x'; 0xffff],
    ] {
        for prefix in [b"".as_slice(), b"#!/bin/sh\nexit\n"] {
            let bytes = zip_between(prefix, &comment);
            assert_eq!(is_archive(&bytes), Some(Kind::Zip));
            let out = expand_all(&bytes, "run");
            assert_eq!(out.text("run!a"), Some("content"));
            assert!(!out.ledger.is_incomplete(), "{:?}", out.ledger);
            let from = bytes.len().saturating_sub(TAIL);
            assert!(ends_as_zip(&bytes[from..], from as u64));
        }
    }
    for text in [
        b"PK\x05\x06".to_vec(),
        empty,
        b"PK\x05\x06 and more text than that".to_vec(),
    ] {
        assert!(!ends_as_zip(&text, 0));
    }
}

#[test]
fn what_is_not_unpacked_is_a_gap_inside_archives_too() {
    let packed = [
        b"7z\xbc\xaf\x27\x1c\0\x04".as_slice(),
        b"Rar!\x1a\x07\x01\0",
        b"\x04\x22\x4d\x18\x64\x40",
        b"\x1f\x9d\x90",
        b"MSCF\0\0\0\0\x2c",
        b"\xed\xab\xee\xdb\x03\0",
        b"\0\0-lh5-\0",
        b"PACK\0\0\0\x02\0\0\0\0",
        b"# v2 git bundle\n",
    ];
    for bytes in packed {
        assert!(sealed(bytes).is_some() && is_archive(bytes).is_none());
        let out = expand_all(&deflated(&[("a", bytes)]), "o.zip");
        assert_eq!(out.skipped(SkipCause::Undecodable), 1, "{bytes:?}");
    }
    for other in [
        b"\x89PNG\r\n\x1a\n".as_slice(),
        b"\xff\xd8\xff\xe0",
        b"\x7fELF\x02",
        b"MZ\x90\0",
        b"wOF2",
        b"%PDF-1.7",
        b"\xca\xfe\xba\xbe",
        b"PACK of lies",
        b"text",
        b"",
    ] {
        assert_eq!(sealed(other), None);
        assert_eq!(is_archive(other), None);
    }
}

#[test]
fn text_is_no_zlib() {
    for text in [
        "x^2 + y^2 = 1, x^3",
        "x\x01",
        "hC",
        "X\tthat",
        "8\x1d is 58",
    ] {
        assert_eq!(is_archive(text.as_bytes()), None, "{text:?}");
    }
    let noise = [b"\x78\x9c\xff".as_slice(), &[0xa5; 100]].concat();
    assert_eq!(is_archive(&noise), None);
    // A header that holds, and nothing behind it: no stream, so no gap either.
    let noise = [b"\x78\x9c\x05".as_slice(), &[0xa5; 100]].concat();
    assert!(expand_all(&noise, "x").members.is_empty());
    assert!(!expand_all(&noise, "x").ledger.is_incomplete());
}

#[test]
fn truncated_archives_give_what_they_have_and_a_gap() {
    let text = "some text that is long enough to lose its end. ".repeat(2000);
    let noise: Vec<u8> = (0..40_000_u32)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let content = [text.as_bytes(), &noise].concat();
    let first = ("first", b"whole".as_slice());
    let zip = deflated(&[first, ("second", &content)]);
    let tar = tar_of(&[first, ("second", &content)]);
    let packed = [
        (zip, "z"),
        (tar.clone(), "t"),
        (gzip(&tar), "g"),
        (xz(&tar), "x"),
        (bzip2(&tar), "b"),
    ];
    for (bytes, name) in packed {
        let cut = bytes.get(..bytes.len() * 9 / 10).unwrap();
        let out = expand_all(cut, name);
        assert_eq!(out.text(&format!("{name}!first")), Some("whole"), "{name}");
        let second = out.members.get(&format!("{name}!second")).unwrap();
        assert!(second.starts_with(text.as_bytes()), "{name}");
        assert!(out.skipped(SkipCause::Undecodable) > 0, "{name}");
    }
    // The decoder of zstd holds back a whole window until the frame ends: a gap, and maybe nothing more.
    let bytes = zstd(&tar);
    let out = expand_all(bytes.get(..bytes.len() * 9 / 10).unwrap(), "s");
    assert!(out.skipped(SkipCause::Undecodable) > 0);
}

#[test]
fn a_damaged_tar_header_costs_one_member() {
    let mut bytes = tar_of(&[("a", b"alpha"), ("b", b"beta"), ("c", b"gamma")]);
    bytes[1024] ^= 0xff;
    let out = expand_all(&bytes, "t");
    assert_eq!(out.text("t!a"), Some("alpha"));
    assert_eq!(out.text("t!b"), None);
    assert_eq!(out.text("t!c"), Some("gamma"));
    assert_eq!(out.skipped(SkipCause::Undecodable), 1);
}

#[test]
fn a_stream_of_zeros_stops_at_the_limits() {
    let limits = Limits {
        member_bytes: 1 << 20,
        total_bytes: 4 << 20,
        ratio_floor: 2 << 20,
        ..Limits::default()
    };
    let bytes = gzip(&vec![0; 8 << 20]);
    let out = expand_with(&bytes, "z.gz", &limits);
    assert_eq!(out.skipped(SkipCause::TooLarge), 1);
    assert!(out.ledger.counted(Counter::Bytes) <= (1 << 20) + 1);
}

#[test]
fn a_bomb_of_archives_stops_at_the_total() {
    let zeros = vec![0; 1 << 20];
    let leaf = deflated(&[("0", &zeros)]);
    let many: Vec<(String, &[u8])> = (0..64).map(|i| (i.to_string(), leaf.as_slice())).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(n, b)| (n.as_str(), *b)).collect();
    let bomb = deflated(&many);
    let limits = Limits {
        total_bytes: 8 << 20,
        ratio_floor: 8 << 20,
        ..Limits::default()
    };
    let out = expand_with(&bomb, "42.zip", &limits);
    assert!(out.ledger.counted(Counter::Bytes) <= (8 << 20) + (1 << 16));
    assert_eq!(out.skipped(SkipCause::LimitHit), 1);
}

#[test]
fn overlapping_members_stop_at_the_total() {
    let data = vec![b'a'; 1 << 16];
    let (local, central) = raw_entry(b"n", &data, 0, 0);
    let names = vec![b"n".as_slice(); 5000];
    let bytes = zip_by_hand(&local, &central, &names);
    let limits = Limits {
        ratio: 10,
        ratio_floor: 1 << 20,
        ..Limits::default()
    };
    let out = expand_with(&bytes, "o.zip", &limits);
    assert!(out.ledger.counted(Counter::Bytes) <= 10 * bytes.len() as u64);
    assert_eq!(out.skipped(SkipCause::LimitHit), 1);
}

#[test]
fn a_flood_of_streams_stops_at_the_work() {
    let bytes = bzip2(b"x").repeat(8000);
    let out = expand_all(&bytes, "flood.bz2");
    assert_eq!(out.skipped(SkipCause::LimitHit), 1);
    let read = out.ledger.counted(Counter::Bytes);
    assert!((5000..8000).contains(&read), "{read}");
}

#[test]
fn a_pool_that_all_share_bounds_what_archives_cost_beyond_their_own_share() {
    let text = "some text that is no bomb. ".repeat(20);
    let plain = gzip(text.as_bytes());
    let zeros = gzip(&vec![0; 8 << 20]);
    let limits = Limits {
        run_bytes: 20 << 20,
        ..Limits::default()
    };
    let pool = Pool::new(&limits);
    for n in 0..4 {
        let (out, dry) = expand_from(&plain, "p.gz", &limits, &pool);
        assert_eq!(out.text("p.gz!p"), Some(text.as_str()));
        assert!(!dry.is_incomplete() && !out.ledger.is_incomplete());
        let (out, dry) = expand_from(&zeros, "z.gz", &limits, &pool);
        assert!(dry.is_incomplete());
        // The third is one too many.
        assert_eq!((pool.is_dry(), out.ledger.is_incomplete()), (n > 1, n > 1));
    }
}

#[test]
fn what_the_pool_paid_for_is_kept_apart() {
    let zeros = vec![0; 4 << 20];
    let bytes = deflated(&[("a", b"own"), ("b", &zeros), ("c", b"after")]);
    let limits = Limits::default();
    let mut purses = Vec::new();
    let mut books = Books::default();
    let mut each = |member: &Member<'_>| {
        purses.push((member.path.to_string(), member.purse));
        Vec::new()
    };
    let pool = Pool::new(&limits);
    expand(
        &bytes,
        &BlobPath::from("z"),
        &limits,
        &pool,
        &mut books,
        &mut each,
    );
    let expected = [
        ("z!a", Purse::Own),
        ("z!b", Purse::Pool),
        ("z!c", Purse::Pool),
    ];
    assert_eq!(
        purses,
        expected.map(|(path, purse)| (path.to_owned(), purse))
    );
    let members = |ledger: &Ledger| ledger.counted(Counter::ArchiveMembers);
    assert_eq!((members(&books.own), members(&books.pooled)), (1, 2));
    assert_eq!(books.if_dry.skipped.get(&SkipCause::LimitHit), Some(&1));
}

#[test]
fn an_archive_that_needs_no_help_does_not_see_who_did() {
    let limits = Limits {
        ratio: 1,
        ratio_floor: 1000,
        ..Limits::default()
    };
    let none = Limits {
        run_bytes: 0,
        ..Limits::default()
    };
    let bytes = gzip(&[b'x'; 5000]);
    let first = expand_from(&bytes, "a.gz", &limits, &Pool::new(&none));
    let pool = Pool::new(&none);
    expand_from(&gzip(&vec![0; 8 << 20]), "z.gz", &none, &pool);
    assert!(pool.is_dry());
    let second = expand_from(&bytes, "a.gz", &limits, &pool);
    assert_eq!(first.0.members["a.gz!a"].len(), 1000);
    assert_eq!(first.0.members, second.0.members);
    assert_eq!((first.0.ledger, first.1), (second.0.ledger, second.1));
}

#[test]
fn too_many_members_are_a_gap() {
    let names: Vec<String> = (0..50).map(|i| format!("f{i}")).collect();
    let entries: Vec<(&str, &[u8])> = names
        .iter()
        .map(|n| (n.as_str(), b"x".as_slice()))
        .collect();
    let limits = Limits {
        members: 20,
        ..Limits::default()
    };
    for bytes in [deflated(&entries), tar_of(&entries)] {
        let out = expand_with(&bytes, "o", &limits);
        assert_eq!(out.ledger.counted(Counter::ArchiveMembers), 20);
        assert_eq!(out.skipped(SkipCause::LimitHit), 1);
    }
}

#[test]
fn a_dictionary_that_claims_gigabytes_is_not_allocated() {
    let mut options = lzma_rust2::XzOptions::with_preset(1);
    options.lzma_options.dict_size = 1 << 16;
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(b"text").unwrap();
    let mut bytes = writer.finish().unwrap();
    // Block header: size, flags, filter id, size of properties, dictionary size; 40 stands for 4 GiB - 1.
    assert_eq!(bytes.get(14..16), Some(&[0x21, 1][..]));
    bytes[16] = 40;
    let crc = crc32fast::hash(&bytes[12..20]).to_le_bytes();
    bytes[20..24].copy_from_slice(&crc);
    let out = expand_all(&bytes, "a.xz");
    assert_eq!(out.text("a.xz!a"), Some(""));
    assert_eq!(out.skipped(SkipCause::Undecodable), 1);
}

#[test]
fn plain_content_is_no_archive() {
    for bytes in [
        b"".as_slice(),
        b"PK",
        b"BZh9 is text",
        b"\x1f\x8b",
        &[0; 1024],
        &[b' '; 1024],
    ] {
        assert_eq!(is_archive(bytes), None);
        assert!(expand_all(bytes, "x").members.is_empty());
    }
}

/// One archive of each kind, small and nested.
fn samples() -> Vec<Vec<u8>> {
    let tar = tar_of(&[("a.txt", b"alpha alpha alpha"), ("b/c.txt", &[b'x'; 700])]);
    let inner = deflated(&[("a.txt", b"alpha alpha alpha"), ("t.tar", &tar)]);
    vec![
        zip_of(
            &[("s", b"stored"), ("i.zip", &inner)],
            ::zip::CompressionMethod::Stored,
        ),
        inner,
        gzip(&tar),
        bzip2(&tar),
        xz(&tar),
        zstd(&tar),
        LZMA_ZIP.to_vec(),
        zlib(&tar),
        lzma(&tar),
        tar,
    ]
}

proptest! {
    #[test]
    fn mutated_archives_obey_the_limits(
        which in 0..10_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let mut bytes = samples().swap_remove(which);
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            let len = cut.index(bytes.len());
            bytes.truncate(len);
        }
        let limits = Limits { member_bytes: 1000, total_bytes: 5000, ratio: 2, ratio_floor: 3000, members: 6, depth: 3, ..Limits::default() };
        let allowed = limits.total_bytes.min((2 * bytes.len() as u64).max(3000));
        let out = expand_with(&bytes, "m", &limits);
        prop_assert!(out.ledger.counted(Counter::ArchiveMembers) <= 6);
        // Members of a plain tar stand in the archive itself and are not unpacked, but no larger than it.
        let most = allowed + 3 * (bytes.len() as u64 + allowed);
        prop_assert!(out.ledger.counted(Counter::Bytes) <= most);
        prop_assert!(out.members.values().all(|b| b.len() <= 1001));
    }

    #[test]
    fn random_bytes_behind_a_magic_do_not_panic(
        magic in prop::sample::select(vec![
            b"PK\x03\x04".as_slice(), b"PK\x05\x06", b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd",
            b"!<arch>\n", b"\x50\x2a\x4d\x18\0\0\0\0\x28\xb5\x2f\xfd",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let out = expand_all(&[magic, &rest].concat(), "r");
        prop_assert!(out.ledger.counted(Counter::ArchiveMembers) <= 100_000);
    }
}

const LZMA_ZIP: &[u8] = b"\x50\x4b\x03\x04\x3f\x00\x02\x00\x0e\x00\x00\x00\x21\x58\x4d\x83\x53\xa3\x26\x00\x00\x00\x40\x00\x00\
      \x00\x05\x00\x00\x00\x61\x2e\x74\x78\x74\x09\x04\x05\x00\x5d\x00\x00\x80\x00\x00\x36\x98\x48\xbe\x4c\
      \x3b\xb4\xfe\x55\xc6\xaf\x98\xc1\xd7\x82\x50\xd7\xd8\x84\xc4\x2a\xe3\xff\xff\xf0\x89\x70\x00\x50\x4b\
      \x01\x02\x3f\x03\x3f\x00\x02\x00\x0e\x00\x00\x00\x21\x58\x4d\x83\x53\xa3\x26\x00\x00\x00\x40\x00\x00\
      \x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x01\x00\x00\x00\x00\x61\x2e\x74\x78\x74\x50\
      \x4b\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00\x33\x00\x00\x00\x49\x00\x00\x00\x00\x00";

#[test]
fn members_say_which_bytes_they_came_from() {
    let mut tar = ::tar::Builder::new(Vec::new());
    for (name, bytes) in [("one", b"first".as_slice()), ("two", b"second")] {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    let entries: [(&str, &[u8]); 2] = [("one", b"first"), ("two", b"second")];
    let stored = zip_of(&entries, ::zip::CompressionMethod::Stored);
    for bytes in [tar.into_inner().unwrap(), stored] {
        let mut found = Vec::new();
        let mut each = |member: &Member<'_>| {
            assert_eq!(member.holder, &BlobPath::from("a"));
            found.push(bytes[member.source.clone()].to_vec());
            Vec::new()
        };
        let limits = Limits::default();
        let (pool, path) = (Pool::new(&limits), BlobPath::from("a"));
        expand(
            &bytes,
            &path,
            &limits,
            &pool,
            &mut Books::default(),
            &mut each,
        );
        assert_eq!(found, [b"first".to_vec(), b"second".to_vec()]);
    }
}
