//! Versions of texts, scanned by what changed and as a whole.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use proptest::{prelude::*, sample::Index};

use super::{Scanner, versions::Trace};
use crate::{
    model::{Copied, Encoding, Span},
    rules,
};

/// The rules that are shipped, with their examples.
fn scanner() -> &'static Scanner {
    static SCANNER: OnceLock<Scanner> = OnceLock::new();
    SCANNER.get_or_init(|| Scanner::new(Arc::new(rules::builtin().expect("the catalogue loads"))))
}

fn examples() -> &'static [Vec<u8>] {
    static EXAMPLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    EXAMPLES.get_or_init(|| {
        let mut all = Vec::new();
        for rule in &scanner().rules.rules {
            let texts = &rule.examples;
            for (index, text) in texts.positive.iter().chain(&texts.negative).enumerate() {
                let example = rules::expand_example(rule.meta.id.as_str(), index, text);
                all.push(example.expect("a sound example").text);
            }
        }
        all
    })
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A piece of text: an example, plain or encoded, a part of one, or something that verdicts look at.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let example = || any::<Index>().prop_map(|at| at.get(examples()).clone());
    let filler = prop::sample::select(vec![
        "int main(int argc, char **argv) {\n    return start_server(argc, argv, 0);\n}\n",
        "    some_long_identifier = other.identifier_of_something(first, second);\n",
        "the quick brown fox jumps over the lazy dog, and then it rests for a while.\n",
        "commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad\n",
    ]);
    prop_oneof![
        6 => (filler, 1_usize..40).prop_map(|(line, count)| line.repeat(count).into_bytes()),
        4 => example().prop_map(|text| [&text[..], b"\n"].concat()),
        2 => (example(), any::<Index>())
            .prop_map(|(text, at)| text[..at.index(text.len() + 1)].to_vec()),
        1 => example().prop_map(|text| base64(&text).into_bytes()),
        1 => example().prop_map(|text| {
            let line = base64(&text.repeat(5));
            let lines: Vec<&[u8]> = line.as_bytes().chunks(64).collect();
            lines.join(&b"\n"[..])
        }),
        1 => example().prop_map(|text| text.iter().map(|b| format!("%{b:02x}")).collect::<String>().into_bytes()),
        2 => prop::sample::select(vec![
            "\n", "\"", "'", " ", "=", "password = \"", "-----END PRIVATE KEY-----\n", "/* ", "a", "\0",
            "AKIA", "@", "://", "aws_secret_access_key = ", "}", "token: ",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => "[ -~\\n]{0,30}".prop_map(String::into_bytes),
    ]
}

/// What happens to a text on its way to the next version.
#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, Vec<u8>),
    Delete(Index, usize),
    /// A stretch is copied to another place.
    Repeat(Index, usize, Index),
    /// The instructions of a delta need not be as few as they could.
    Split(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let length = || prop_oneof![1_usize..3, 1_usize..60, 1_usize..3000];
    prop_oneof![
        3 => (any::<Index>(), piece()).prop_map(|(at, text)| Edit::Insert(at, text)),
        3 => (any::<Index>(), length()).prop_map(|(at, len)| Edit::Delete(at, len)),
        1 => (any::<Index>(), length(), any::<Index>()).prop_map(|(at, len, to)| Edit::Repeat(at, len, to)),
        1 => any::<Index>().prop_map(Edit::Split),
    ]
}

/// A part of a version: copied from the one before, or new.
#[derive(Clone)]
enum Part {
    Old(usize, usize),
    New(Vec<u8>),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Old(start, end) => end - start,
            Self::New(bytes) => bytes.len(),
        }
    }

    fn split(self, at: usize) -> [Self; 2] {
        match self {
            Self::Old(start, end) => [Self::Old(start, start + at), Self::Old(start + at, end)],
            Self::New(mut bytes) => {
                let rest = bytes.split_off(at);
                [Self::New(bytes), Self::New(rest)]
            }
        }
    }
}

/// Cuts a list of parts in two.
fn cut(parts: Vec<Part>, mut at: usize) -> (Vec<Part>, Vec<Part>) {
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    for part in parts {
        let len = part.len();
        if at == 0 {
            tail.push(part);
        } else if at >= len {
            head.push(part);
            at -= len;
        } else {
            let [left, right] = part.split(at);
            head.push(left);
            tail.push(right);
            at = 0;
        }
    }
    (head, tail)
}

/// Makes the next version and tells what of it was copied.
fn next(base: &[u8], edits: &[Edit]) -> (Vec<u8>, Vec<Copied>) {
    let mut parts = vec![Part::Old(0, base.len())];
    for edit in edits {
        let len: usize = parts.iter().map(Part::len).sum();
        parts = match edit {
            Edit::Insert(at, text) => {
                let (mut head, tail) = cut(parts, at.index(len + 1));
                head.push(Part::New(text.clone()));
                head.extend(tail);
                head
            }
            Edit::Delete(at, count) => {
                let (mut head, tail) = cut(parts, at.index(len + 1));
                head.extend(cut(tail, *count).1);
                head
            }
            Edit::Repeat(at, count, to) => {
                let (_, tail) = cut(parts.clone(), at.index(len + 1));
                let (middle, _) = cut(tail, *count);
                let (mut head, tail) = cut(parts, to.index(len + 1));
                head.extend(middle);
                head.extend(tail);
                head
            }
            Edit::Split(at) => {
                let (mut head, tail) = cut(parts, at.index(len + 1));
                head.extend(tail);
                head
            }
        };
    }
    let (mut text, mut copies) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Old(start, end) => {
                copies.push(Copied {
                    base: start,
                    start: text.len(),
                    len: end - start,
                });
                text.extend_from_slice(&base[start..end]);
            }
            Part::New(bytes) => text.extend(bytes),
        }
    }
    (text, copies)
}

type Shown = (u32, Span, Option<Span>, Vec<u8>, Vec<Encoding>);

fn shown(hits: &[super::Hit]) -> Vec<Shown> {
    hits.iter()
        .map(|hit| {
            let value = hit.secret.expose().to_vec();
            (hit.rule, hit.span, hit.near, value, hit.encodings.clone())
        })
        .collect()
}

/// At least so many cases; PROPTEST_CASES asks for more.
fn cases(least: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.max(least),
        ..config
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn versions_have_the_hits_of_the_whole(
        first in proptest::collection::vec(piece(), 1..16),
        versions in proptest::collection::vec(proptest::collection::vec(edit(), 1..4), 1..6),
    ) {
        let mut worker = scanner().worker();
        let mut text = first.concat();
        let (hits, mut trace): (_, Trace) = worker.scan_traced(&text);
        let whole = worker.scan(&text, &[Span::new(0, text.len() as u64)]);
        prop_assert_eq!(shown(&hits), shown(&whole));
        for edits in &versions {
            let (new, copies) = next(&text, edits);
            let (hits, left) = worker.scan_version(&new, &trace, &copies);
            let whole = worker.scan(&new, &[Span::new(0, new.len() as u64)]);
            prop_assert_eq!(
                shown(&hits),
                shown(&whole),
                "{:?}\n->\n{:?}",
                String::from_utf8_lossy(&text),
                String::from_utf8_lossy(&new)
            );
            (text, trace) = (new, left);
        }
    }
}

proptest! {
    #![proptest_config(cases(5000))]

    /// What one byte at any place of a secret or near it decides is decided again, however far from the trigger it stands.
    #[test]
    fn one_byte_of_an_example_comes_and_goes(
        example in any::<Index>(),
        at in any::<Index>(),
        byte in prop::option::of(prop::sample::select(b"aZ0 _\"'=\n/-.".to_vec())),
        deletes in any::<bool>(),
    ) {
        let filler = "    for (i = 0; i < n; i++) { sum += one(of, many); }\n".repeat(30);
        let lead = filler.len();
        let example = example.get(examples());
        let plain = [filler.as_bytes(), example, b"\n", filler.as_bytes()].concat();
        let at = lead + at.index(example.len() + 1);
        let gone = at + usize::from(deletes);
        let edited = [&plain[..at], byte.as_slice(), &plain[gone..]].concat();
        let new = byte.iter().len();
        let mut worker = scanner().worker();
        for (base, text, inserted, deleted) in
            [(&plain, &edited, new, gone - at), (&edited, &plain, gone - at, new)]
        {
            let (start, from) = (at + inserted, at + deleted);
            let copies = [
                Copied { base: 0, start: 0, len: at },
                Copied { base: from, start, len: text.len() - start },
            ];
            let (_, trace) = worker.scan_traced(base);
            let (hits, _) = worker.scan_version(text, &trace, &copies);
            let whole = worker.scan(text, &[Span::new(0, text.len() as u64)]);
            prop_assert_eq!(shown(&hits), shown(&whole), "{:?}", String::from_utf8_lossy(text));
        }
    }
}

#[test]
fn what_does_not_change_is_not_scanned_again() {
    let filler = "    some_long_identifier = other.identifier_of_something(first);\n".repeat(400);
    let secret = "password = \"xK9#mQ2$vL7pW4zR\"\n";
    let text = format!("{filler}{secret}{filler}");
    let mut worker = scanner().worker();
    let (hits, trace) = worker.scan_traced(text.as_bytes());
    assert_eq!(hits.len(), 1);
    let edits = [
        Edit::Insert(any_index(0), b"one more line\n".to_vec()),
        Edit::Delete(any_index(usize::MAX / 10 * 9), 40),
    ];
    let (new, copies) = next(text.as_bytes(), &edits);
    let changed = worker.changed(&new, &trace, &copies);
    let (hits, _) = changed.expect("a finding far from the changes is taken over");
    assert_eq!(hits.len(), 1);
    let at = new
        .windows(8)
        .position(|w| w == b"xK9#mQ2$")
        .map(|at| at as u64);
    assert_eq!(hits.first().map(|hit| hit.span.start), at);
    let other = b"int x;\n".repeat(3000);
    assert!(worker.changed(&other, &trace, &[]).is_none());
}

/// An index that stands so far into a text, of [`usize::MAX`].
fn any_index(place: usize) -> Index {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut best = None;
    for _ in 0..200 {
        let tree = any::<Index>().new_tree(&mut runner).expect("a value");
        let index = proptest::strategy::ValueTree::current(&tree);
        let distance = index.index(usize::MAX).abs_diff(place);
        if best.as_ref().is_none_or(|(least, _)| distance < *least) {
            best = Some((distance, index));
        }
    }
    best.expect("one of many").1
}
