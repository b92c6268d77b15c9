//! What must not be shown of a text that is about to be: every value that may be a secret, told by a name before it or by its looks.
//!
//! Lints say where their own value stands. Others may stand on the same line, and a diff shows lines that no lint spoke of: here more is
//! covered than any lint would tell. Promises: linear in the text; what is filled in later and what is plainly no value stays.

mod looks;
mod places;

use std::{collections::BTreeSet, ops::Range};

use super::{
    names::{self, Secretness},
    values::{self, Value},
};

/// Longest line that is looked at word by word; a longer one is covered as a whole.
const MAX_LINE: usize = 16 << 10;

/// Returns the bytes to cover, in order; they may overlap.
#[must_use]
pub fn covered(text: &str) -> Vec<Range<usize>> {
    let mut covered = Vec::new();
    let (mut at, mut announced) = (0, false);
    for line in text.split_inclusive(['\n', '\r']) {
        let body = line.trim_end();
        if body.len() > MAX_LINE {
            covered.push(at..at + body.len());
        } else {
            named(body, at, &mut covered);
            looks::cover(body, at, &mut covered);
            announced = places::cover(body, at, announced, &mut covered);
        }
        at += line.len();
    }
    covered.sort_by_key(|range| (range.start, range.end));
    covered
}

/// Returns where values that stand at the known places stand once more.
#[must_use]
pub fn again(bytes: &[u8], known: &[Range<usize>]) -> Vec<Range<usize>> {
    const MIN_VALUE: usize = 8;
    const MOST_PLACES: usize = 1_000_000;
    let values = known.iter().filter_map(|at| bytes.get(at.clone()));
    let is_looked_for = |value: &&[u8]| {
        let text = std::str::from_utf8(value);
        value.len() >= MIN_VALUE && text.is_ok_and(|text| !values::is_weak(text))
    };
    let values: BTreeSet<&[u8]> = values.filter(is_looked_for).collect();
    let search = (!values.is_empty()).then(|| aho_corasick::AhoCorasick::new(values));
    let Some(Ok(search)) = search else {
        return Vec::new();
    };
    let mut joined: Vec<Range<usize>> = Vec::new();
    for (count, found) in search.find_overlapping_iter(bytes).enumerate() {
        if count > MOST_PLACES {
            // Values that are made of each other.
            return std::iter::once(0..bytes.len()).collect();
        }
        // They come by their ends.
        let mut range = found.range();
        while let Some(last) = joined.pop_if(|last| last.end >= range.start) {
            range.start = range.start.min(last.start);
        }
        joined.push(range);
    }
    joined
}

/// Covers what follows the names of secrets: `NAME=value`, `name: value`, `--name value`.
fn named(line: &str, offset: usize, covered: &mut Vec<Range<usize>>) {
    let bytes = line.as_bytes();
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    for (sign, byte) in bytes.iter().enumerate() {
        let is_sign = matches!(byte, b'=' | b':') || (*byte == b' ' && sign > 0);
        if !is_sign {
            continue;
        }
        let head = line.get(..sign).unwrap_or_default();
        let head = head.trim_end_matches(['"', '\'', ']', ')', ' ', '\t']);
        let start = head
            .bytes()
            .rposition(|b| !is_name(b))
            .map_or(0, |before| before + 1);
        let name = head.get(start..).unwrap_or_default();
        let is_flag = name.starts_with("--");
        if name.is_empty()
            || (*byte == b' ' && !is_flag)
            || !names_secret(name.trim_start_matches('-'))
            // A permission of GitHub, not a value.
            || name == "id-token"
        {
            continue;
        }
        let rest = line.get(sign + 1..).unwrap_or_default();
        let expanded = expanded(line, start, sign);
        let blanks = match expanded {
            Some(_) => 0,
            None => rest.len() - rest.trim_start().len(),
        };
        let value = expanded.unwrap_or_else(|| of_value(rest.get(blanks..).unwrap_or_default()));
        let text = line
            .get(sign + 1 + blanks + value.start..sign + 1 + blanks + value.end)
            .unwrap_or_default();
        let is_value = match values::classify(text) {
            Value::Literal(_) | Value::Path | Value::Url | Value::Hash => true,
            Value::Plain => text.len() >= 4 && text.bytes().any(|b| b.is_ascii_digit()),
            Value::Empty
            | Value::Placeholder
            | Value::Reference(_)
            | Value::Template
            | Value::Encrypted
            | Value::Public => false,
        };
        if is_value && !matches!(values::classify(text), Value::Path | Value::Url) {
            let from = offset + sign + 1 + blanks;
            covered.push(from + value.start..from + value.end);
        }
    }
}

/// Returns where the word that `${NAME:-word}` gives stands behind the `:`; that of `:?` is a message if it is several words.
fn expanded(line: &str, name: usize, sign: usize) -> Option<Range<usize>> {
    let is_braced = line.get(..name)?.ends_with("${");
    let rest = line.get(sign + 1..)?;
    let operator = rest.chars().next()?;
    if !is_braced
        || !line.get(sign..)?.starts_with(':')
        || !matches!(operator, '-' | '=' | '?' | '+')
    {
        return None;
    }
    let mut depth = 1_usize;
    let end = rest.bytes().position(|byte| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    let word = rest.get(1..end)?;
    let is_message = operator == '?'
        && word.trim().contains(' ')
        && !word.bytes().any(|byte| byte.is_ascii_digit());
    Some(if is_message { end..end } else { 1..end })
}

/// Tells whether a name is that of a secret, or of one that is public only by its first word: `NEXT_PUBLIC_API_SECRET`.
fn names_secret(name: &str) -> bool {
    let is_secret = |name: &str| names::secretness(name) >= Secretness::Weak;
    let upper = name.to_ascii_uppercase();
    let public = upper.find("PUBLIC_").map(|at| at + "PUBLIC_".len());
    is_secret(name) || public.and_then(|at| name.get(at..)).is_some_and(is_secret)
}

/// Returns where a value ends that begins a text: at its quote, else at the end of what is written in one piece.
fn of_value(rest: &str) -> Range<usize> {
    let quote = rest
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\'' | '`'));
    if let Some(quote) = quote {
        return 1..1 + of_quoted(rest.get(1..).unwrap_or_default(), quote);
    }
    // A comment ends it; blanks do not: a passphrase has some.
    let end = rest
        .find(" #")
        .or_else(|| rest.find(" //"))
        .unwrap_or(rest.len());
    0..rest.get(..end).map_or(0, |text| text.trim_end().len())
}

/// Returns where a quoted value ends. A quote that is escaped or written twice is part of it, and so is what hangs on it.
fn of_quoted(body: &str, quote: char) -> usize {
    let mut chars = body.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => drop(chars.next()),
                Some((_, next)) if next.is_alphanumeric() || matches!(next, '"' | '\'' | '$') => {}
                _ => return at,
            }
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for range in covered(text) {
            bytes[range].fill(b'*');
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn values_are_covered_and_the_rest_stays() {
        for (text, want) in [
            (
                "NEXT_PUBLIC_API_SECRET=Lm28dkQpz0192Xv",
                "NEXT_PUBLIC_API_SECRET=***************",
            ),
            (
                "NEXT_PUBLIC_API_SECRET=correct-otter-horse",
                "NEXT_PUBLIC_API_SECRET=*******************",
            ),
            ("PUBLIC_KEY=correct-otter", "PUBLIC_KEY=correct-otter"),
            // A name with a number is a name; what stands alone or behind a `=` may be a value.
            (
                "DB_PASSWORD_1=Lm28dkQpz0192Xv",
                "DB_PASSWORD_1=***************",
            ),
            (
                "export API_TOKEN_1=\"Lm28dkQpz0192Xv\"",
                "export API_TOKEN_1=\"***************\"",
            ),
            ("PASSWORD=SUMMER_NIGHT_1=x", "PASSWORD=****************"),
            ("key SUMMER_NIGHT_1=", "key **************="),
            (
                "echo \"pw $DB_PASSWORD and old one: Summer-2023-pw\"",
                "echo \"pw $DB_PASSWORD and old one: **************\"",
            ),
            (
                "  password: Winter2024 # old",
                "  password: ********** # old",
            ),
            (
                "  password: correct horse battery",
                "  password: *********************",
            ),
            ("mysql --password hunter2 db", "mysql --password **********"),
            (
                "url = postgres://app:Zq81hunter@db/prod",
                "url = postgres://app:**********@db/prod",
            ),
            ("\"apiKey\": \"abcdefgh\",", "\"apiKey\": \"********\","),
            (
                "- uses: actions/checkout@v4.2.1",
                "- uses: actions/checkout@v4.2.1",
            ),
            ("runs-on: ubuntu-22.04", "runs-on: ubuntu-22.04"),
            (
                r#"password: "ab\"cdefghij klmn" # x"#,
                r#"password: "*****************" # x"#,
            ),
            (
                "password: 'ab''cdefghij klmn', a: b",
                "password: '*****************', a: b",
            ),
            (
                "PASSWORD='abcdef'\"$X\"'ghijkl' run",
                "PASSWORD='******************' run",
            ),
        ] {
            assert_eq!(shown(text), want);
        }
    }

    #[test]
    fn references_stay_and_what_stands_behind_them_is_covered() {
        for (text, want) in [
            ("TOKEN: ${{ secrets.TOKEN }}", "TOKEN: ${{ secrets.TOKEN }}"),
            (
                "DB_PASSWORD: ${DB_PASSWORD:?set DB_PASSWORD}",
                "DB_PASSWORD: ${DB_PASSWORD:?set DB_PASSWORD}",
            ),
            (
                "A: ${DB_PASSWORD:-correct-otter}/${DB_TOKEN:-${B_TOKEN:-correct-otter}}",
                "A: ${DB_PASSWORD:-*************}/${DB_TOKEN:-${B_TOKEN:-*************}}",
            ),
            (
                "A: ${DB_PASSWORD:?correct-otter}, ${DB_TOKEN:?hunter2 Zq81}",
                "A: ${DB_PASSWORD:?*************}, ${DB_TOKEN:?************}",
            ),
            ("password: {{ .Values.pw }}", "password: {{ .Values.pw }}"),
        ] {
            assert_eq!(shown(text), want);
        }
    }

    #[test]
    fn values_in_other_places_are_covered() {
        for (text, value) in [
            ("ENV DB_PASSWORD correct horse # x", "correct horse"),
            ("set(\"DB_PASSWORD\", \"correct horse\")", "correct horse"),
            ("conn.password('correcthorse')", "correcthorse"),
            ("<password>correct horse</password>", "correct horse"),
            ("<add key=\"DbPassword\" value=\"correct\" />", "correct"),
            ("- {name: DB_PASSWORD, value: correct, x: y}", "correct"),
            ("- name: DB_PASSWORD\n  value: correct\n  x: y", "correct"),
            ("curl -u me:correct https://example.org", "correct"),
            ("mysql -u root -pcorrect db", "correct"),
            ("docker login -u me -p correct example.org", "correct"),
        ] {
            assert_eq!(shown(text), text.replace(value, &"*".repeat(value.len())));
        }
        for text in [
            "- name: DB_PASSWORD\n  valueFrom: {secretKeyRef: {name: a}}",
            "[\"DB_PASSWORD\", \"API_TOKEN\"]",
            "mkdir -p a/b && mysql -p\"$PW\" db",
            "echo the password of the user is asked for, value by value",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn values_with_signs_are_covered_and_addresses_stay() {
        for (text, values) in [
            ("run aB3$x,Kd(9&pq|7Rt x", &["aB3$x,Kd(9&pq|7Rt"][..]),
            ("run x9$k2.p4,m7:q1/w8 x", &["x9$k2.p4,m7:q1/w8"]),
            ("login Summer$2023 x", &["Summer$2023"]),
            ("login hunter2@Zq81 x", &["hunter2@Zq81"]),
            ("login Winter!2024x, x", &["Winter!2024x"]),
            ("X=aB3.xK9/mQ2@z", &["aB3.xK9/mQ2@z"]),
            ("RUN curl -H X:a0Aaa0Aaa0AaaA0 x", &["a0Aaa0Aaa0AaaA0"]),
            (
                "curl https://hooks.example.org/services/T02/aB3kQ9xWv7Zt",
                &["aB3kQ9xWv7Zt"],
            ),
            ("dsn=app:pw,zq(81@tcp(db:3306)/x", &["pw,zq(81"]),
            ("a http://u:b1@c,http://d:hunter@f/x", &["b1", "hunter"]),
        ] {
            let cover = |text: String, value: &&str| text.replace(value, &"*".repeat(value.len()));
            let want = values.iter().fold(text.to_owned(), cover);
            assert_eq!(shown(text), want);
        }
        for text in [
            "- uses: actions/checkout@0123456789abcdef0123456789abcdef01234567 # v4.2.1",
            "image: shop/web:1.2.3@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "curl -fsSL https://dl.example.org/tool/v1.2.3/tool-linux-amd64.tar.gz | tar xz",
            "echo ${{ secrets.DEPLOY_TOKEN }} >> $GITHUB_ENV",
            "if: github.event_name == 'push' && github.ref == 'refs/heads/main'",
            "docker run -p 127.0.0.1:8080:80 -v /var/lib/app2:/data:ro app",
            "git@github.example:shop/web.git and me@example.org, npm:react@17.0.2",
            "python3.11 -m pip install requests==2.31.0 numpy>=1.26",
            "kubectl -n shop-prod2 get pods -o jsonpath='{.items[0].metadata.name}'",
            "def send(user, x=None): return client.post(url, json={'a': user.id})",
            "region = \"eu-west-2\" # shop-prod2, aws_route53_zone",
            "source = \"git::https://git.example.org/shop/net.git//vpc?ref=0123456789abcdef0123456789abcdef01234567\"",
            "permissions: {id-token: write}",
            "resource \"aws_db_instance\" \"main\" { identifier = \"shop-db-1\" }",
            "cron: '30 5 * * 1,3' # 2024-01-02T10:00:00Z",
            "awk '{print $1,$2}' < a.txt; sed -e s/foo/bar/g",
            "arn:aws:iam::123456789012:role/deploy-eu1",
            "os.environ[\"X\"] = getToken(HTTPServer, k8s)",
            "echo '${{ toJSON(github) }}' && echo ${{ toJson(steps.isReady) }} | toYaml",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    /// A made-up value: pieces of a small letter, a capital and a digit, with signs between as the positions say.
    fn value(sign: &str) -> impl Strategy<Value = String> {
        let part = "[a-z][A-Z][0-9]|[A-Z][0-9][a-z]|[0-9][a-z][A-Z]|[a-z][0-9][A-Z][a-z]";
        let sign = proptest::string::string_regex(&format!("[{sign}]?")).unwrap();
        proptest::collection::vec((part, sign), 4..8).prop_map(|parts| {
            let parts = parts.into_iter().map(|(part, sign)| part + &sign);
            parts.collect()
        })
    }

    fn no_piece_is_shown(line: &str, value: &str) {
        let shown = shown(line);
        for piece in value.as_bytes().windows(8) {
            let found = memchr::memmem::find(shown.as_bytes(), piece);
            assert!(found.is_none(), "{line}\n{shown}");
        }
    }

    proptest! {
        #[test]
        fn no_piece_of_an_unnamed_value_is_shown(value in value("-/.@$:,(&|;!#%+~)_=*?")) {
            for line in [
                format!("      run: deploy {value} now"),
                format!("      run: deploy '{value}' && echo $X"),
                format!("  - \"{value}\""),
                format!("tool --opt={value}"),
                format!("tool --opt {value};"),
                format!("{{a: {value}, b: \"{value}\"}}"),
                format!("send(user, '{value}')"),
                format!("x=`{value}`"),
                format!("# old: {value}"),
                format!("RUN curl -H X:{value} x"),
                format!("https://example.org/a?x={value}"),
                format!("https://u:{value}@example.org/a"),
            ] {
                no_piece_is_shown(&line, &value);
            }
        }

        #[test]
        fn never_panics_and_lies_within(text in "[ -~é\n]{0,120}") {
            for range in covered(&text) {
                prop_assert!(text.get(range).is_some());
            }
        }
    }
}
