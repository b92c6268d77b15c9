use proptest::prelude::*;

use super::*;

/// Names, values and the bytes of the values of all `ARG` and `ENV`.
fn pairs(text: &str) -> Vec<(String, Option<String>, String)> {
    let file = read(text).expect("a Dockerfile");
    let mut all = Vec::new();
    let stages = file.stages.iter().flat_map(|stage| &stage.instructions);
    for instruction in file.globals.iter().chain(stages) {
        let (What::Arg(pairs) | What::Env(pairs) | What::Label(pairs)) = &instruction.what else {
            continue;
        };
        for pair in pairs {
            assert_eq!(
                &text[pair.name_span.clone()],
                pair.name.as_str(),
                "{text:?}"
            );
            let source = pair
                .value
                .as_ref()
                .map(|value| value.source(0..value.text.len()));
            all.push((
                pair.name.clone(),
                pair.value.as_ref().map(|value| value.text.clone()),
                source.map_or_else(String::new, |span| text[span].to_owned()),
            ));
        }
    }
    all
}

fn one(name: &str, value: &str, source: &str) -> (String, Option<String>, String) {
    (name.to_owned(), Some(value.to_owned()), source.to_owned())
}

#[test]
fn pairs_in_every_form() {
    for (line, want) in [
        (
            "ENV a=b c=d\n",
            vec![one("a", "b", "b"), one("c", "d", "d")],
        ),
        ("ENV a b c\n", vec![one("a", "b c", "b c")]),
        ("ENV a   \"b c\"\n", vec![one("a", "b c", "b c")]),
        (
            "ENV a=\"b c\" d='e f'\n",
            vec![one("a", "b c", "b c"), one("d", "e f", "e f")],
        ),
        ("ENV a=b\\ c\n", vec![one("a", "b c", "b\\ c")]),
        ("ENV a=\"x\\\"y\"\n", vec![one("a", "x\"y", "x\\\"y")]),
        (
            "ENV a=1 \\\n  b=2\n",
            vec![one("a", "1", "1"), one("b", "2", "2")],
        ),
        (
            "ENV a=1 \\\r\n  b=2\r\n",
            vec![one("a", "1", "1"), one("b", "2", "2")],
        ),
        (
            "ENV a=1 \\\n# a comment = x\n\n  b=2\n",
            vec![one("a", "1", "1"), one("b", "2", "2")],
        ),
        ("ENV a=\n", vec![one("a", "", "")]),
        ("ENV a=\"\"\n", vec![one("a", "", "")]),
        ("ENV a=f\\\noo\n", vec![one("a", "foo", "f\\\noo")]),
        ("ARG a\n", vec![("a".to_owned(), None, String::new())]),
        (
            "ARG a=1 b\n",
            vec![one("a", "1", "1"), ("b".to_owned(), None, String::new())],
        ),
        (
            "LABEL a=b \"c\"=d\n",
            vec![one("a", "b", "b"), one("c", "d", "d")],
        ),
        ("onbuild env a=b\n", vec![one("a", "b", "b")]),
        ("ENV ü=ß\n", vec![one("ü", "ß", "ß")]),
    ] {
        assert_eq!(pairs(&format!("FROM x\n{line}")), want, "{line:?}");
    }
    let text = "# escape=`\nFROM x\nENV a=c:\\x `\n b=2\n";
    assert_eq!(
        pairs(text),
        [one("a", "c:\\x", "c:\\x"), one("b", "2", "2")]
    );
}

#[test]
fn global_arguments_stand_before_the_stages() {
    let file = read("ARG A=1\nFROM x AS Build\nARG A\nFROM y\nRUN a\nFROM x AS build\n")
        .expect("a Dockerfile");
    assert_eq!(file.globals.len(), 1);
    let names: Vec<_> = file
        .stages
        .iter()
        .map(|stage| stage.name.as_deref())
        .collect();
    assert_eq!(names, [Some("build"), None, Some("build")]);
}

/// The scripts of all `RUN`, each with the bytes of `needle` in it.
fn scripts(text: &str, needle: &str) -> Vec<(String, String)> {
    let file = read(text).expect("a Dockerfile");
    let mut all = Vec::new();
    for instruction in file.stages.iter().flat_map(|stage| &stage.instructions) {
        let What::Run(Run {
            script: Some(script),
            ..
        }) = &instruction.what
        else {
            continue;
        };
        let at = script.text.find(needle).expect("the needle");
        let span = script.source(at..at + needle.len());
        assert!(span.start >= instruction.span.start && span.end <= instruction.span.end);
        all.push((script.text.clone(), text[span].to_owned()));
    }
    all
}

#[test]
fn scripts_lead_back_to_their_bytes() {
    for (run, script, source) in [
        ("RUN a $T\n", "a $T", "$T"),
        ("RUN a \\\n  $T && b\n", "a   $T && b", "$T"),
        ("RUN a \\\n  # not $T\n  $T\n", "a   $T", "$T"),
        ("RUN a \\\r\n  $T\r\n", "a   $T", "$T"),
        ("RUN --mount=type=secret,id=x a $T\n", "a $T", "$T"),
        ("RUN [\"sh\", \"-c\", \"a \\\"$T\\\"\"]\n", "a \"$T\"", "$T"),
        ("RUN <<EOF\na $T\nEOF\n", "a $T\n", "$T"),
        ("RUN <<-'E F'\n\ta $T\n\tE F\n", "\ta $T\n", "$T"),
        (
            "RUN cat <<EOF > /x\na $T\nEOF\n",
            "cat <<EOF > /x\na $T\nEOF",
            "$T",
        ),
        (
            "RUN a <<A b <<B\n1\nA\n$T\nB\nRUN $T\n",
            "a <<A b <<B\n1\nA\n$T\nB",
            "$T",
        ),
        ("ONBUILD RUN <<EOF\n$T\nEOF\n", "$T\n", "$T"),
        ("RUN echo ü $T\n", "echo ü $T", "$T"),
    ] {
        let found = scripts(&format!("FROM x\n{run}"), "$T");
        assert_eq!(found[0], (script.to_owned(), source.to_owned()), "{run:?}");
    }
}

#[test]
fn copies_tell_sources_flags_and_files_in_place() {
    let text = "FROM x\nCOPY --from=build --chown=a:b a b /c\nADD [\"d e\", \"/f\"]\nCOPY <<EOF g /h\n.env\nEOF\nCMD a\n";
    let file = read(text).expect("a Dockerfile");
    let copies: Vec<&Copy> = file.stages[0]
        .instructions
        .iter()
        .filter_map(|one| match &one.what {
            What::Copy(copy) => Some(copy),
            _ => None,
        })
        .collect();
    let sources = |copy: &Copy| {
        copy.sources
            .iter()
            .map(|one| one.text.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(copies[0].from(), Some("build"));
    assert_eq!(sources(copies[0]), ["a", "b"]);
    assert!(copies[1].is_add);
    assert_eq!(sources(copies[1]), ["d e"]);
    assert_eq!(sources(copies[2]), ["g"]);
    assert_eq!(&text[copies[2].heredocs[0].body.clone()], ".env\n");
    assert_eq!(file.stages[0].instructions.len(), 4);
}

#[test]
fn starts_tell_their_form() {
    let text = "FROM x\nCMD [\"a\", \"--password\", \"b\"]\nENTRYPOINT a \\\n b\nHEALTHCHECK --interval=5s CMD c -a $P\nHEALTHCHECK NONE\n";
    let file = read(text).expect("a Dockerfile");
    let forms: Vec<_> = file.stages[0]
        .instructions
        .iter()
        .map(|one| match &one.what {
            What::Start(role, Command::Exec(items)) => format!("{role:?} {}", items.len()),
            What::Start(role, Command::Shell(text)) => format!("{role:?} {}", text.text),
            _ => "other".to_owned(),
        })
        .collect();
    assert_eq!(
        forms,
        ["Cmd 3", "Entrypoint a  b", "Healthcheck c -a $P", "other"]
    );
}

#[test]
fn mounts_tell_their_attributes() {
    let file = read("FROM x\nRUN --mount=type=secret,id=npm,env=NPM_TOKEN,required a\n")
        .expect("a Dockerfile");
    let What::Run(run) = &file.stages[0].instructions[0].what else {
        panic!("a RUN")
    };
    assert_eq!(run.flags[0].attribute("env"), Some("NPM_TOKEN"));
    assert_eq!(run.flags[0].attribute("required"), Some(""));
    assert_eq!(run.flags[0].attribute("target"), None);
}

#[test]
fn other_texts_are_errors() {
    for text in [
        "",
        "hello world\n",
        "FROM x\nNOPE a\n",
        "FROM x\nRUN <<EOF\na\n",
        "RUN a\n",
    ] {
        assert!(read(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_byte_order_mark_made_blank_keeps_directives() {
    let text = "   # escape=`\nFROM x\nENV a=1 `\n b=\\2\n";
    assert_eq!(pairs(text), [one("a", "1", "1"), one("b", "\\2", "\\2")]);
}

fn check(text: &str) {
    let Ok(file) = read(text) else { return };
    let within =
        |span: &Range<usize>| assert!(text.get(span.clone()).is_some(), "{span:?} of {text:?}");
    let whole = |scalar: &Scalar| {
        for (at, c) in scalar.text.char_indices() {
            within(&scalar.source(at..at + c.len_utf8()));
        }
        within(&scalar.source(0..scalar.text.len()));
    };
    let stages = file.stages.iter().inspect(|stage| within(&stage.span));
    for one in file
        .globals
        .iter()
        .chain(stages.flat_map(|stage| &stage.instructions))
    {
        within(&one.keyword);
        within(&one.span);
        match &one.what {
            What::Arg(pairs) | What::Env(pairs) | What::Label(pairs) => {
                for pair in pairs {
                    within(&pair.name_span);
                    within(&pair.span);
                    pair.value.iter().for_each(whole);
                }
            }
            What::Run(run) => {
                run.script.iter().for_each(whole);
                run.flags.iter().for_each(|flag| within(&flag.span));
                run.heredocs.iter().for_each(|doc| within(&doc.body));
            }
            What::Copy(copy) => copy.sources.iter().for_each(whole),
            What::Start(_, Command::Exec(items)) | What::Shell(items) => {
                items.iter().for_each(whole)
            }
            What::Start(_, Command::Shell(text)) => whole(text),
            What::Other => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn never_panics_and_spans_lie_within_the_text(
        escape in prop::sample::select(vec!["", "# escape=`\n", "   # escape=`\n", "#syntax=x\n"]),
        parts in prop::collection::vec(prop::sample::select(vec![
            "FROM x\n", "FROM x AS b\n", "RUN ", "ENV ", "ARG ", "COPY ", "ADD ", "CMD ", "LABEL ", "ONBUILD ", "SHELL ",
            "HEALTHCHECK CMD ", "USER a", "\n", "\r\n", "\\\n", "\\ \r\n", "`\n", "\\", "`", " ", "\t", "a", "ü", "=", "\"", "'", "$A",
            "<<EOF", "<<-\"EOF\"", "EOF\n", "EOF", "[", "]", ",", "[\"a\", \"b\"]", "\\u00fc", "\\n", "#", "--mount=type=secret,id=x ",
            "\u{feff}", "a=b", "\0",
        ]), 0..40),
    ) {
        check(&format!("{escape}FROM x\n{}", parts.concat()));
        check(&format!("{escape}{}", parts.concat()));
    }

    #[test]
    fn never_panics_on_anything(text in "\\PC{0,200}") {
        check(&text);
    }
}
