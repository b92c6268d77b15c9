//! Values of a store are gone from memory when they were compared: the process searches its own pages for them.
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{Read as _, Seek as _, SeekFrom},
    process::Command,
};

use keysweep::stores::{KeyPath, ReadOutcome, SecretStore, VersionId};

use super::{
    servers::Bao,
    stores_vault::{all, store, store_with},
};

/// How values begin, masked: the words themselves must not stand in this process.
const MASK: u8 = 0x5a;
const MASKED: [u8; 16] = [
    b'l' ^ MASK,
    b'i' ^ MASK,
    b'n' ^ MASK,
    b'g' ^ MASK,
    b'e' ^ MASK,
    b'r' ^ MASK,
    b'-' ^ MASK,
    b'n' ^ MASK,
    b'o' ^ MASK,
    b't' ^ MASK,
    b'-' ^ MASK,
    b'h' ^ MASK,
    b'e' ^ MASK,
    b'r' ^ MASK,
    b'e' ^ MASK,
    b'-' ^ MASK,
];
/// How many keys there are, each with two values.
const KEYS: usize = 200;

/// Has another process write the values.
fn plant(bao: &Bao) {
    let script = r#"
import json, ssl, sys, urllib.request
words = "-".join(["linger", "not", "here", ""])
context = ssl._create_unverified_context()
for n in range(int(sys.argv[2])):
    data = {"plain": f"{words}{n:06}-plain", "escaped": f"\"{words}{n:06}\n\u00e9"}
    body = json.dumps({"data": data}).encode()
    request = urllib.request.Request(f"{sys.argv[1]}/v1/secret/data/k{n}", body, {"X-Vault-Token": "root"})
    urllib.request.urlopen(request, context=context).read()
"#;
    let output = Command::new("python3")
        .args(["-c", script, &bao.address, &KEYS.to_string()])
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .output()
        .expect("python3 starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Counts how often the words stand in the process's writable memory.
fn occurrences() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux tells");
    let mut memory = fs::File::open("/proc/self/mem").expect("it is ours");
    let mut chunk = vec![0_u8; 1 << 20];
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').expect("a range");
        let (start, end) = range.split_once('-').expect("two ends");
        let parse = |hex| u64::from_str_radix(hex, 16).expect("hex");
        let (mut at, end) = (parse(start), parse(end));
        while at < end {
            let size = usize::try_from(end - at).map_or(chunk.len(), |left| left.min(chunk.len()));
            let part = &mut chunk[..size];
            if memory.seek(SeekFrom::Start(at)).is_err() || memory.read_exact(part).is_err() {
                break;
            }
            // Masked at once, so that the copy is not found in its turn.
            part.iter_mut().for_each(|byte| *byte ^= MASK);
            found += memchr::memmem::find_iter(part, &MASKED).count();
            at += size as u64;
        }
    }
    found
}

fn read_all(store: &dyn SecretStore) {
    let (keys, _) = all(store);
    assert_eq!(keys.len(), KEYS);
    let mut bytes = 0;
    for key in keys {
        let outcome = store.read(&KeyPath::new(key), &VersionId::new("1"), &mut |field| {
            bytes += field.bytes.len();
        });
        assert_eq!(outcome, Ok(ReadOutcome::Read));
    }
    assert!(bytes > KEYS * 2 * MASKED.len());
}

#[test]
fn no_value_lingers_in_memory_after_it_was_read() {
    // The search finds what is there.
    let control: Vec<u8> = MASKED.iter().map(|byte| byte ^ MASK).collect();
    assert!(occurrences() >= 1);
    assert_eq!(std::hint::black_box(&control).len(), MASKED.len());
    let mut control = control;
    control.fill(0);
    drop(std::hint::black_box(control));
    let before = occurrences();

    let bao = Bao::start();
    plant(&bao);
    let opened = store(&bao);
    read_all(&*opened);
    assert_eq!(occurrences(), before, "while the store is open");
    drop(opened);
    assert_eq!(occurrences(), before, "after it was closed");

    let bao = Bao::with_tls();
    plant(&bao);
    let opened = store_with(&bao, Bao::ROOT, |_, settings| {
        settings.ca_file = Some(bao.ca_file());
    });
    read_all(&*opened.expect("it opens"));
    // What rustls decrypted into is freed as it is, and mostly overwritten by the next answer.
    let left = occurrences() - before;
    assert!(left <= KEYS / 5, "{left} of {} values linger", KEYS * 2);
}
