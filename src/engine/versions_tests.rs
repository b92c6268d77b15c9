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
        1 => (example(), 30_usize..1100).prop_map(|(text, width)| {
            let line = base64(&[&text[..], b" and more, "].concat().repeat(12));
            let lines: Vec<&[u8]> = line.as_bytes().chunks(width).take(4).collect();
            lines.join(&b"\n"[..])
        }),
        1 => (example(), 20_usize..90).prop_map(|(text, width)| {
            let lines: Vec<&[u8]> = text.chunks(width).collect();
            [&lines.join(&b"=\n"[..]), &b" a=3Db\n"[..]].concat()
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
        // Or all that follows would be scanned whole.
        let forget = |worker: &mut super::Worker<'_>| (worker.met_limit(), worker.met_packed());
        forget(&mut worker);
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
            forget(&mut worker);
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

/// Scans `base`, then `text` by what changed, between lines of filler; returns the hits, which are those of the whole.
fn changed(base: &str, text: &str) -> usize {
    let filler = "    for (i = 0; i < n; i++) { sum += one(of, many); }\n".repeat(300);
    let [base, text] = [base, text].map(|text| format!("{filler}{text}{filler}").into_bytes());
    let head = base.iter().zip(&text).take_while(|(a, b)| a == b).count();
    let (rest, other) = (&base[head..], &text[head..]);
    let pairs = rest.iter().rev().zip(other.iter().rev());
    let tail = pairs.take_while(|(a, b)| a == b).count();
    let copies = [
        Copied {
            base: 0,
            start: 0,
            len: head,
        },
        Copied {
            base: base.len() - tail,
            start: text.len() - tail,
            len: tail,
        },
    ];
    let mut worker = scanner().worker();
    let (_, trace) = worker.scan_traced(&base);
    let (hits, _) = worker.scan_version(&text, &trace, &copies);
    let whole = worker.scan(&text, &[Span::new(0, text.len() as u64)]);
    assert_eq!(shown(&hits), shown(&whole));
    hits.len()
}

/// The run by which a value with punctuation is met becomes long enough.
#[test]
fn a_run_far_behind_the_start_of_its_value_grows() {
    for lead in 40..63 {
        let punctuation: String = "xK9#mQ2$".chars().cycle().take(lead).collect();
        let text = format!("api_key = \"{punctuation}%aB3dE5gH7jK9\"\n");
        let base = text.replace("K9\"", "K\"");
        changed(&base, &text);
        changed(&text, &base);
    }
}

/// What the front of a run says decides where text begins behind it.
#[test]
fn the_front_of_a_run_of_two_texts_changes() {
    let front = base64(&"some words of no interest, ".repeat(28).as_bytes()[..750]);
    let back = base64(b"aws_access_key_id = AKIAQ3EGRZ7XKQ2MPLW5 and more");
    let text = format!("x = \"{front}/{}\"\n", back.trim_end_matches('='));
    for edit in ["g", "gggg", "!", ""] {
        let other = text.replacen(&front[..4], edit, 1);
        changed(&text, &other);
        changed(&other, &text);
    }
}

/// The first argument of a call ends, far behind the call's name: what follows is the next argument.
#[test]
fn the_first_argument_of_a_call_ends_far_behind_its_name() {
    for len in 20..150 {
        let head = format!("req.SetBasicAuth(\"{}", &"ab cd ".repeat(40)[..len]);
        let base = format!("{head}{}\n", "x ".repeat(100));
        let text = format!("{head}\", \"hunt3r!x9\")\n");
        changed(&text, &base);
        assert_eq!(changed(&base, &text), 1, "{len}");
    }
}

#[test]
fn a_letter_behind_a_long_token_goes() {
    let token = format!("dop_v1_{}", "3f9a1c07e5b2d846".repeat(4));
    let text = format!(" {}{token}\n", "a/".repeat(40));
    assert_eq!(changed(&text.replace('\n', "x\n"), &text), 1);
}

#[test]
fn a_line_of_base64_is_alone_once_the_line_above_breaks() {
    let secret = base64(b"aws_access_key_id = AKIAQ3EGRZ7XKQ2MPLW5 and more, a bit");
    let secret = secret.trim_end_matches('=');
    for width in [1001, 1002, 1003] {
        let above = base64("some words of no interest, ".repeat(60).as_bytes());
        let base = format!("{}\n{secret}\n", &above[..width]);
        let mut text = base.clone();
        text.insert(500, '!');
        assert!(changed(&base, &text) > 0, "{width}");
        changed(&text, &base);
    }
}

/// Where a run of base64 or a block of lines begins tells what its end says, however far away that is.
#[test]
fn the_start_of_encoded_text_comes_and_goes() {
    let words = "some words of no interest, ".repeat(90);
    let secret = "aws_access_key_id = AKIAQ3EGRZ7XKQ2MPLW5";
    let encoded = base64(format!("{words}{secret} and more").as_bytes());
    for width in [64, 76, encoded.len()] {
        let lines: Vec<&[u8]> = encoded.as_bytes().chunks(width).collect();
        let text = String::from_utf8(lines.join(&b"\n"[..])).expect("base64 is text");
        let text = format!("data: |\n{text}\n");
        let start = text.find('\n').map_or(0, |at| at + 1);
        assert_eq!(changed(&text, &format!("{text}\n")), 1, "{width}");
        for cut in [1, 2, 3, 4, width.min(500)] {
            let base = [&text[..start], &text[start + cut..]].concat();
            assert_eq!(changed(&base, &text), 1, "{width} {cut}");
            changed(&text, &base);
        }
        let base = text.replacen("data", "d!ta", 1);
        assert_eq!(changed(&base, &text), 1);
    }
}

#[test]
fn a_byte_of_a_broken_key_far_before_a_sign_of_quoted_printable() {
    for pad in 60..130 {
        let text = format!(
            "see AKIAQ3EGRZ=\n7XKQ2MPLW5 {}=\nmore text key=3Dvalue here\n",
            "z".repeat(pad)
        );
        let base = text.replace("Q3E", "Q3!");
        assert_eq!(changed(&base, &text), 1, "{pad}");
        changed(&text, &base);
    }
}

#[test]
fn a_name_far_before_its_value_changes() {
    for gap in [
        " ".repeat(150),
        format!("{}\n{}", " ".repeat(80), " ".repeat(60)),
    ] {
        let text = format!("password ={gap}\"xK9#mQ2$vL7pW4zR\"\n");
        let other = text.replace("passwo", "paXXwo");
        assert_eq!(changed(&text, &other), 0);
        assert_eq!(changed(&other, &text), 1);
    }
}

/// Texts of a few parts that come again and again, at all distances from each other.
fn texts_of_few_parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let parts = proptest::collection::vec(piece(), 3..9);
    let text = || proptest::collection::vec((any::<Index>(), 1_usize..4), 4..24);
    (parts, proptest::collection::vec(text(), 2..5)).prop_map(|(parts, texts)| {
        let part = |(at, count): &(Index, usize)| at.get(&parts).repeat(*count);
        let text = |chosen: &Vec<(Index, usize)>| chosen.iter().flat_map(part).collect();
        texts.iter().map(text).collect()
    })
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn what_is_recalled_is_what_a_new_look_leaves(texts in texts_of_few_parts()) {
        let told = |scanner: &Scanner, text: &[u8]| {
            let (hits, trace) = scanner.worker().scan_traced(text);
            (shown(&hits), format!("{trace:?}"))
        };
        let warm = Scanner::new(Arc::clone(&scanner().rules));
        for text in &texts {
            let fresh = Scanner::new(Arc::clone(&scanner().rules));
            prop_assert_eq!(told(&warm, text), told(&fresh, text));
            prop_assert_eq!(told(&warm, text), told(&fresh, text));
        }
    }
}

/// Takes hours if anything is looked at by the square of a run's length.
#[test]
fn long_runs_are_looked_at_once() {
    for unit in ["b", "YWFhYWFhYWFhYWFhYWFhYWFh/", "eyJtaXJvLm9yaWdpbiI6-"] {
        let text = unit.repeat((4 << 20) / unit.len());
        let mut worker = scanner().worker();
        let (hits, trace) = worker.scan_traced(text.as_bytes());
        assert!(hits.is_empty());
        let whole = Copied {
            base: 0,
            start: 0,
            len: text.len(),
        };
        let more = format!("{text} ");
        let (hits, _) = worker.scan_version(more.as_bytes(), &trace, &[whole]);
        assert!(hits.is_empty());
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
