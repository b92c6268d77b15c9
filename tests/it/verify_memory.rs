//! After verify, the program's memory holds no value of the store, whatever library handled it.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use aho_corasick::AhoCorasick;
use serde_json::json;

use super::{servers::Bao, stores_vault::put, support::Repo};

/// How many values the store holds.
const VALUES: usize = 1_000;

/// Returns the made-up value of a number: 40 letters that no other has.
fn value(n: usize) -> String {
    let mut state = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut text = String::new();
    for _ in 0..40 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let letters = b"abcdefghijkmnpqrstuvwxyzACDEFGHJKLMNPQRSTUVWXYZ23456789";
        text.push(char::from(letters[(state % letters.len() as u64) as usize]));
    }
    text
}

fn fill(bao: &Bao) {
    for chunk in 0..VALUES / 50 {
        let fields: serde_json::Map<String, serde_json::Value> = (0..50)
            .map(|n| (format!("key{n}"), json!(value(chunk * 50 + n))))
            .collect();
        put(bao, &format!("many/{chunk}"), &fields.into());
    }
}

/// Waits until the program has done its work and waits for somebody to read its report from the pipe: it computes nothing for two
/// seconds, though its store is on this machine and answers within milliseconds.
fn wait_for_report(child: &mut Child) {
    let stat = format!("/proc/{}/stat", child.id());
    // User and system time, fields 14 and 15 of proc(5); the name before them has no blank.
    let ticks = || -> Vec<String> {
        let text = fs::read_to_string(&stat).unwrap_or_default();
        text.split(' ')
            .skip(13)
            .take(2)
            .map(str::to_owned)
            .collect()
    };
    let start = Instant::now();
    let mut idle = (ticks(), Instant::now());
    while idle.1.elapsed() < Duration::from_secs(2) {
        assert!(
            child.try_wait().unwrap().is_none(),
            "ended before its report was read"
        );
        assert!(start.elapsed() < Duration::from_secs(120), "never done");
        std::thread::sleep(Duration::from_millis(50));
        let now = ticks();
        if now != idle.0 || now == ["0", "0"] {
            idle = (now, Instant::now());
        }
    }
}

/// Returns which needles stand in the memory of a process; `None` if the system lets nobody look.
fn in_memory(pid: u32, needles: &AhoCorasick) -> Option<Vec<usize>> {
    let mut memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let mut found = Vec::new();
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with('r') || line.ends_with("[vvar]") || line.ends_with("[vsyscall]") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let start = u64::from_str_radix(start, 16).unwrap();
        let length = u64::from_str_radix(end, 16).unwrap() - start;
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        memory.seek(SeekFrom::Start(start)).unwrap();
        // Pages without anything behind them cannot be read, and hold nothing.
        if memory.read_exact(&mut bytes).is_ok() {
            found.extend(needles.find_iter(&bytes).map(|m| m.pattern().as_usize()));
        }
    }
    found.sort_unstable();
    found.dedup();
    Some(found)
}

fn start(bao: &Bao, repo: &Repo, pipe: &Path) -> Child {
    let stores = bao.dir().join("stores.toml");
    let text = format!(
        "[stores.main]\nkind = \"vault\"\naddress = \"{}\"\nmounts = [\"secret\"]\n{}",
        bao.address,
        if bao.address.starts_with("https") {
            format!("ca-file = {:?}\n", bao.ca_file())
        } else {
            String::new()
        }
    );
    fs::write(&stores, text).unwrap();
    Command::new(env!("CARGO_BIN_EXE_keysweep"))
        .current_dir(repo.path())
        .args(["verify", "--only", "secrets", "--stores"])
        .arg(&stores)
        .arg(format!("--output=json={}", pipe.display()))
        .env_clear()
        .env("BAO_TOKEN", Bao::ROOT)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn after_verify_the_memory_holds_no_value_of_the_store() {
    search(&Bao::start());
}

#[test]
fn after_verify_over_tls_the_memory_holds_no_value_of_the_store() {
    search(&Bao::with_tls());
}

/// Verifies a repository against the store, and looks for the store's values in the program's memory.
fn search(bao: &Bao) {
    let repo = Repo::plain();
    fill(bao);
    // One of them has leaked: it is in the tree, and may stand in the memory.
    repo.write("leak.env", format!("DB_PASSWORD={}\n", value(7)));
    let pipe = bao.dir().join("report.pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut child = start(bao, &repo, &pipe);
    wait_for_report(&mut child);
    let values: Vec<String> = (0..VALUES).map(value).collect();
    let needles = AhoCorasick::new(&values).unwrap();
    let found = in_memory(child.id(), &needles);
    let report = fs::read_to_string(&pipe).unwrap();
    child.wait().unwrap();
    // The store was read whole: an empty memory would prove nothing otherwise.
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["verification"]["stores"][0]["read"], VALUES / 50);
    assert_eq!(
        report["findings"][0]["verdict"]["store"]["state"],
        "current"
    );
    match found {
        Some(found) => {
            // The search itself works: the leaked value is found.
            assert!(found.contains(&7), "{found:?}");
            assert_eq!(found, [7], "values of the store in memory");
        }
        None => eprintln!("the memory was not searched: only root may look into the program"),
    }
}
