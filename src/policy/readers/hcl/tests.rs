//! Trees, places and bounds.

use proptest::prelude::*;

use super::*;

const TEXT: &str = r#"
# comment
variable "db_password" {
  type    = string
  default = "a\"b$${c}d"
}
locals { url = "postgres://app:${var.db_password}@db/${local.name}" }
resource "aws_instance" "web" {
  user_data = base64encode(<<-EOT
    #!/bin/bash
      echo ${var.token} \n
    EOT
  )
  tags = { Name = "web", "x-y" = [1, true, null], (var.k) = data.aws_ami.a.ids[0] }
  count = var.on ? 1 : 0
  pw = jsondecode(data.s.x.secret_string)["password"]
}
"#;

fn block<'b>(body: &'b Body, kind: &'static str) -> &'b Block {
    body.blocks_of(kind).next().unwrap()
}

#[test]
fn blocks_labels_and_texts() {
    let body = read(TEXT).unwrap();
    let variable = block(&body, "variable");
    assert_eq!(variable.labels, ["db_password"]);
    assert_eq!(&TEXT[variable.open - 1..variable.open], "{");
    assert!(TEXT[variable.span.clone()].ends_with('}'));
    let default = &variable.body.get("default").unwrap().value;
    let scalar = default.text().unwrap();
    assert_eq!(scalar.text, "a\"b${c}d");
    assert_eq!(&TEXT[scalar.source(2..3)], "b");
    assert_eq!(&TEXT[scalar.source(7..8)], "d");
    assert_eq!(&TEXT[default.span.clone()], r#""a\"b$${c}d""#);
    assert_eq!(block(&body, "resource").address(), "aws_instance.web");
}

#[test]
fn templates_keep_their_parts() {
    let body = read(TEXT).unwrap();
    let url = &block(&body, "locals").body.get("url").unwrap().value;
    let whole = url.filled(&mut |_| "X".to_owned()).unwrap();
    assert_eq!(whole.text, "postgres://app:X@db/X");
    let at = whole.text.find("@db").unwrap();
    assert_eq!(&TEXT[whole.source(at..at + 3)], "@db");
    let names: Vec<_> = url
        .children()
        .into_iter()
        .map(|child| match &child.kind {
            ExprKind::Reference(names) => (names.join("."), &TEXT[child.span.clone()]),
            other => unreachable!("{other:?}"),
        })
        .collect();
    let want = [
        ("var.db_password".to_owned(), "${var.db_password}"),
        ("local.name".to_owned(), "${local.name}"),
    ];
    assert_eq!(names, want);
}

#[test]
fn heredocs_lose_their_indent_and_lead_back() {
    let body = read(TEXT).unwrap();
    let data = &block(&body, "resource")
        .body
        .get("user_data")
        .unwrap()
        .value;
    let ExprKind::Call(name, arguments) = &data.kind else {
        unreachable!()
    };
    assert_eq!(name, "base64encode");
    let script = arguments[0].filled(&mut |_| "\"$X\"".to_owned()).unwrap();
    assert_eq!(script.text, "#!/bin/bash\n  echo \"$X\" \\n\n");
    let at = script.text.find("echo").unwrap();
    assert_eq!(&TEXT[script.source(at..at + 4)], "echo");
    let at = script.text.find("\\n").unwrap();
    assert_eq!(&TEXT[script.source(at..at + 2)], "\\n");
}

#[test]
fn other_expressions() {
    let body = read(TEXT).unwrap();
    let web = &block(&body, "resource").body;
    let tags = &web.get("tags").unwrap().value;
    assert_eq!(tags.get("Name").unwrap().text().unwrap().text, "web");
    assert_eq!(&TEXT[tags.items()[1].key_span.clone()], "\"x-y\"");
    assert_eq!(&TEXT[tags.items()[0].key_span.clone()], "Name");
    assert_eq!(tags.get("x-y").unwrap().elements().len(), 3);
    assert!(tags.items()[2].key.is_none());
    assert!(matches!(
        &web.get("count").unwrap().value.kind,
        ExprKind::Conditional(_)
    ));
    let ExprKind::Access(base, names) = &web.get("pw").unwrap().value.kind else {
        unreachable!()
    };
    assert_eq!(names, &["password"]);
    assert!(matches!(&base.kind, ExprKind::Call(name, _) if name == "jsondecode"));
}

#[test]
fn windows_line_ends() {
    let text = "a = <<EOT\r\nx\r\ny ${z}\r\nEOT\r\nb = \"c\"\r\n";
    let body = read(text).unwrap();
    let a = body
        .get("a")
        .unwrap()
        .value
        .filled(&mut |_| "Z".to_owned())
        .unwrap();
    assert_eq!(a.text, "x\ny Z\n");
    assert_eq!(&text[a.source(2..3)], "y");
    assert_eq!(body.get("b").unwrap().value.text().unwrap().text, "c");
}

#[test]
fn what_is_no_hcl_is_told() {
    assert!(read("a = ").is_err());
    assert!(read("resource {").is_err());
    assert!(read("").unwrap().attributes.is_empty());
}

#[test]
fn deep_nests_are_refused_in_time() {
    let openings = [
        "[",
        "{",
        "(",
        "\"${",
        "f(",
        "a[",
        "!",
        "-",
        "{a=",
        "[for x in ",
        "{for x in ",
        "a?",
        "a ? b : ",
        "a ? [",
        "a+",
        "%{if ",
        "\"%{if a}",
        "\"%{for a in ",
        "b {\n",
        "b { a = ",
        "<<A\n${",
        "(a ? ",
        "a.b[",
        "[[",
        "{(",
        "{\"${",
        "a.*[",
        "a &&",
    ];
    for opening in openings {
        for count in [40, 60, 63, 500, 100_000] {
            for start in ["a = ", "", "a = \"", "a = <<A\n"] {
                let began = std::time::Instant::now();
                let _ = read(&format!("{start}{}", opening.repeat(count)));
                assert!(began.elapsed().as_secs() < 3, "{start}{opening} {count}");
            }
        }
    }
    for (open, close) in [
        ("[", "]"),
        ("{a=", "}"),
        ("(", ")"),
        ("\"${", "}\""),
        ("f(", ")"),
    ] {
        for count in [30, 62, 100_000] {
            let text = format!("a = {}1{}\n", open.repeat(count), close.repeat(count));
            let body = read(&text);
            assert_eq!(body.is_ok(), count < 64, "{open} {count}");
        }
    }
}

#[test]
fn long_objects_are_refused_in_time() {
    let keys: String = (0..200_000).map(|n| format!("k{n}=1,")).collect();
    assert!(read(&format!("a = {{{keys}}}\n")).is_err());
    let keys: String = (0..2_000).map(|n| format!("k{n}=1,")).collect();
    assert!(read(&format!("a = {{{keys}}}\n")).is_ok());
}

fn check(text: &str, expr: &Expr) {
    expr.each(&mut |expr| {
        assert!(text.get(expr.span.clone()).is_some(), "{expr:?}");
        if let Some(scalar) = expr.filled(&mut |_| "x".to_owned()) {
            for at in 0..scalar.text.len() {
                let span = scalar.source(at..at + 1);
                assert!(
                    span.start <= span.end && span.end <= text.len(),
                    "{scalar:?}"
                );
            }
        }
        for item in expr.items() {
            assert!(text.get(item.key_span.clone()).is_some(), "{item:?}");
        }
    });
}

fn check_body(text: &str, body: &Body) {
    body.each(&mut |path, attribute| {
        assert!(text.get(attribute.span.clone()).is_some());
        assert_eq!(&text[attribute.key_span.clone()], attribute.key);
        for block in path {
            assert!(text.get(block.span.clone()).is_some() && text[..block.open].ends_with('{'));
        }
        check(text, &attribute.value);
    });
}

proptest! {
    #[test]
    fn never_panics_and_spans_lie_within(text in r#"[ab ={}\[\]()"\\$%~<\-E\n\r.,:?!#/é*1u0]{0,80}"#) {
        if let Ok(body) = read(&text) {
            check_body(&text, &body);
        }
    }

    #[test]
    fn values_never_panic(value in r#"(["a-c${}%\\.\[\],\n =<~-]|if|for|in|endif|EOT|\$\$\{|\\u00e9){0,40}"#) {
        for text in [format!("a = {value}\n"), format!("a = \"{value}\"\n"), format!("b {{\na = <<-EOT\n  {value}\n  EOT\n}}\n")] {
            if let Ok(body) = read(&text) {
                check_body(&text, &body);
            }
        }
    }
}
