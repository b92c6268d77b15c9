//! Tests of all three readers.

use proptest::prelude::*;

use super::*;

fn pairs(lines: &[Line]) -> Vec<(&str, &str)> {
    lines
        .iter()
        .map(|line| (line.key.as_str(), line.value.as_str()))
        .collect()
}

#[test]
fn reads_dotenv_in_all_its_forms() {
    for (text, want) in [
        ("A=b\nC=d", vec![("A", "b"), ("C", "d")]),
        ("A=b\r\nC=d\r\n", vec![("A", "b"), ("C", "d")]),
        ("   A=b", vec![("A", "b")]),
        ("export A=b", vec![("A", "b")]),
        ("exported=b", vec![("exported", "b")]),
        ("# A=b\n\n  # c\nD=e", vec![("D", "e")]),
        ("A = b c # note", vec![("A", "b c")]),
        ("A=b#c", vec![("A", "b#c")]),
        ("A= # only a note", vec![("A", "")]),
        ("A=#b", vec![("A", "#b")]),
        ("A=", vec![("A", "")]),
        ("A=''", vec![("A", "")]),
        ("A=\"b # c\" # d", vec![("A", "b # c")]),
        ("A='b\\n$c'", vec![("A", "b\\n$c")]),
        ("A=\"b\\n\\\"c\\\" \\q\"", vec![("A", "b\n\"c\" \\q")]),
        ("A=`b \"c\" 'd'`", vec![("A", "b \"c\" 'd'")]),
        ("A=\"b\r\nc\"\r\nD=e", vec![("A", "b\nc"), ("D", "e")]),
        ("A=\"b\nC=d", vec![("A", "\"b"), ("C", "d")]),
        ("A=\"b\nC=\"d\"", vec![("A", "\"b"), ("C", "d")]),
        ("A=${B:-c}", vec![("A", "${B:-c}")]),
        ("A=b\nA=c", vec![("A", "b"), ("A", "c")]),
        ("A: b", vec![("A", "b")]),
        ("if [ \"$A\" = b ]\nthen", vec![]),
        ("A==b", vec![]),
        ("A=b=c==", vec![("A", "b=c==")]),
    ] {
        assert_eq!(pairs(&read(text)), want, "{text:?}");
    }
}

#[test]
fn spans_are_those_of_the_values() {
    let text = "x\nexport KEY = \"va lue\" # c\nB='y'\nC=z ";
    let lines = read(text);
    let of = |span: &Range<usize>| &text[span.clone()];
    assert_eq!(of(&lines[0].key_span), "KEY");
    assert_eq!(of(&lines[0].value_span), "va lue");
    assert_eq!(of(&lines[0].span), "export KEY = \"va lue\"");
    assert_eq!(of(&lines[0].source(3..6)), "lue");
    assert!(!lines[0].literal && lines[1].literal);
    assert_eq!(of(&lines[2].span), "C=z");
}

#[test]
fn reads_properties_and_ini() {
    for (text, want) in [
        ("a=b\nc:d\ne f", vec![("a", "b"), ("c", "d"), ("e", "f")]),
        ("a.b = c d\r\n", vec![("a.b", "c d")]),
        ("# x=y\n! x=y\n; x=y\n<a b=c>", vec![]),
        ("a=b \\\n   c\nd=e", vec![("a", "b c"), ("d", "e")]),
        ("a=b\\\\\nd=e", vec![("a", "b\\"), ("d", "e")]),
        ("a\\:b=c\\u0041\\=", vec![("a:b", "cA=")]),
        ("p=C:\\data", vec![("p", "C:\\data")]),
        (
            "//r.example/:_authToken=x",
            vec![("//r.example/:_authToken", "x")],
        ),
        (
            "@me:registry=https://r.example/",
            vec![("@me:registry", "https://r.example/")],
        ),
        ("smtp password = x ; note", vec![("smtp password", "x")]),
        ("requirepass q==", vec![("requirepass", "q==")]),
        ("p = \"x y\" ; note", vec![("p", "x y")]),
        ("p=a#b;c", vec![("p", "a#b;c")]),
        ("url: jdbc:x://h?a=b", vec![("url", "jdbc:x://h?a=b")]),
        ("p=", vec![("p", "")]),
    ] {
        assert_eq!(pairs(&properties(text)), want, "{text:?}");
    }
    let lines = properties("a=b\n[pypi]\nc = d\n[x \"y\"] ; z\ne=f");
    let sections: Vec<_> = lines.iter().map(|line| line.section.as_str()).collect();
    assert_eq!(sections, ["", "pypi", "x \"y\""]);
}

#[test]
fn falls_back_to_any_line() {
    for (text, want) in [
        ("a = b\nc: d # e\n", vec![("a", "b"), ("c", "d")]),
        (
            "  \"a\": \"b\",\r\n  'c': 'd'",
            vec![("a", "b"), ("c", "d")],
        ),
        ("- a: b\n- - c: d", vec![("a", "b"), ("c", "d")]),
        ("export A=b;", vec![("A", "b")]),
        (
            "- A=b\n- \"C=d e\"\n- 'E=f'",
            vec![("A", "b"), ("C", "d e"), ("E", "f")],
        ),
        (
            "{\"a\":{\"b\":\"c\"},\"d\":\"e,f\"}",
            vec![("b", "c"), ("d", "e,f")],
        ),
        ("{a: b, c: d}", vec![("a", "b"), ("c", "d")]),
        ("a: |\nb: {\nc: [", vec![]),
        ("http://a.example/?b=c", vec![]),
        ("a == b", vec![]),
        ("a := \"b\"", vec![("a", "b")]),
        ("'a' => 'b',", vec![("a", "b")]),
        ("a: \"b\\\"c\"", vec![("a", "b\"c")]),
        ("a: \"b", vec![("a", "\"b")]),
    ] {
        assert_eq!(pairs(&fallback(text)), want, "{text:?}");
    }
}

fn check(text: &str, lines: &[Line]) {
    let mut last = 0;
    for line in lines {
        for span in [
            &line.key_span,
            &line.value_span,
            &line.span,
            &line.source(0..1),
        ] {
            assert!(text.get(span.clone()).is_some(), "{text:?} {line:?}");
        }
        assert!(!line.key_span.is_empty(), "{text:?} {line:?}");
        assert!(
            line.span.start <= line.key_span.start && line.value_span.end <= line.span.end,
            "{text:?} {line:?}"
        );
        assert!(last <= line.span.start, "{text:?} {line:?}");
        last = line.span.end;
    }
}

proptest! {
    #[test]
    fn never_panics_and_spans_lie_within(text in "([a-zé =:\"'`\\\\#;\r\n\t\\[\\]{},.$u0/-]|\\PC|export |=\"|\\\\\n){0,60}") {
        check(&text, &read(&text));
        check(&text, &properties(&text));
        check(&text, &fallback(&text));
    }

    #[test]
    fn what_was_written_is_read(value in "[ -!#-&(-\\[\\]-_a-~]{0,40}") {
        let read_back = |text: String| read(&text).first().map(|line| line.value.clone());
        prop_assert_eq!(read_back(format!("K='{value}'\n")), Some(value.clone()));
        prop_assert_eq!(read_back(format!("K=\"{value}\"\n")), Some(value));
    }
}

#[test]
fn time_is_linear_in_hostile_text() {
    for unit in [
        "A=\"\\\n",
        "A='\nB=\"\n",
        "A=\"x\nB=`\n",
        "{\"a\":",
        "a=\\\n",
        "- - ",
        "\"a\":\"b\",{",
        "K: \"\\\"",
    ] {
        let text = unit.repeat((1 << 20) / unit.len());
        let start = std::time::Instant::now();
        check(&text, &read(&text));
        check(&text, &properties(&text));
        check(&text, &fallback(&text));
        assert!(
            start.elapsed().as_secs() < 20,
            "{unit:?} took {:?}",
            start.elapsed()
        );
    }
}
