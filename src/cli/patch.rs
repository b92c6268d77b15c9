//! A change of files as a unified diff that `git apply` and `patch` take, from the root of the repository.
//!
//! Promises: no line shows a secret that a rule or a lint knows, or moves a cursor; what had to be altered for that is no patch any more: its
//! lines begin with `#`, which both programs skip, below one that says so.

use std::fmt::Write as _;

use similar::TextDiff;

use crate::{
    model::{BlobPath, is_unsafe},
    report,
};

/// Lines around a change, as git has them.
const CONTEXT: usize = 3;

/// One file before and after.
pub(super) struct Sides<'s> {
    /// Its path from the root.
    pub(super) name: &'s BlobPath,
    /// Whether it is there already.
    pub(super) exists: bool,
    /// Both contents.
    pub(super) real: (&'s [u8], &'s [u8]),
    /// Both with every known secret masked.
    pub(super) shown: (&'s str, &'s str),
}

/// Returns the diff of all files: first those that can be applied.
pub(super) fn patch<'s>(files: impl Iterator<Item = Sides<'s>>) -> String {
    let (mut exact, mut altered) = (String::new(), String::new());
    for file in files {
        match file.exact() {
            Some(diff) => exact.push_str(&diff),
            None => altered.push_str(&file.altered()),
        }
    }
    exact + &altered
}

impl Sides<'_> {
    /// Returns the diff as it is, if nothing in it has to be hidden.
    fn exact(&self) -> Option<String> {
        let (old, new) = (text(self.real.0)?, text(self.real.1)?);
        let name = text(self.name.as_bytes())?;
        let diff = self.diff(name, old, new);
        let is_shown = diff == self.diff(name, self.shown.0, self.shown.1);
        // A line break of Windows is a part of the line.
        let is_safe = |line: &str| {
            let line = line.strip_suffix('\r').unwrap_or(line);
            !line.chars().any(|c| c != '\t' && is_unsafe(c))
        };
        // A name with a line break could bring a patch of its own.
        let is_name = !name
            .chars()
            .any(|c| matches!(c, '"' | '\\' | '\t') || is_unsafe(c));
        let is_plain = is_name && diff.split('\n').all(is_safe);
        (is_shown && is_plain && report::inert(&diff) == diff).then_some(diff)
    }

    fn altered(&self) -> String {
        let name = self.name.to_string();
        let diff = self.diff(&name, self.shown.0, self.shown.1);
        let mut commented =
            format!("# {name}: shown with values covered, and so no patch: --apply writes it\n");
        for line in diff.lines() {
            let safe = line.chars().filter(|c| *c != '\r').map(|c| match c {
                '\t' => c,
                c if is_unsafe(c) => '·',
                c => c,
            });
            let _ = writeln!(commented, "# {}", safe.collect::<String>());
        }
        commented
    }

    fn diff(&self, name: &str, old: &str, new: &str) -> String {
        // As git does, a tab ends a name with blanks.
        let end = if name.contains(' ') { "\t" } else { "" };
        let before = match self.exists {
            true => format!("a/{name}{end}"),
            false => "/dev/null".to_owned(),
        };
        TextDiff::from_lines(old, new)
            .unified_diff()
            .context_radius(CONTEXT)
            .header(&before, &format!("b/{name}{end}"))
            .to_string()
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, real: (&str, &str), shown: (&str, &str)) -> String {
        let name = BlobPath::from(name);
        patch(std::iter::once(Sides {
            name: &name,
            exists: !real.0.is_empty(),
            real: (real.0.as_bytes(), real.1.as_bytes()),
            shown,
        }))
    }

    #[test]
    fn what_can_be_shown_is_a_patch() {
        let two = ("a\r\nb\r\n", "a\r\nc\r\n");
        assert_eq!(
            of("x y", two, two),
            "--- a/x y\t\n+++ b/x y\t\n@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n"
        );
        let new = ("", ".env\n");
        assert!(of(".gitignore", new, new).starts_with("--- /dev/null\n+++ b/.gitignore\n"));
    }

    #[test]
    fn what_has_to_be_hidden_is_none_and_says_so() {
        for (name, real, shown) in [
            (
                "x",
                ("k: abc\nb\n", "k: abc\nc\n"),
                ("k: ***\nb\n", "k: ***\nc\n"),
            ),
            (
                "x",
                ("a\x1b\nb\n", "a\x1b\nc\n"),
                ("a\x1b\nb\n", "a\x1b\nc\n"),
            ),
            ("x\"", ("b\n", "c\n"), ("b\n", "c\n")),
            (
                "x",
                ("::error::\nb\n", "::error::\nc\n"),
                ("::error::\nb\n", "::error::\nc\n"),
            ),
        ] {
            let text = of(name, real, shown);
            assert!(text.contains("no patch"), "{text}");
            assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
            assert!(!text.contains("abc") && !text.contains('\x1b'), "{text}");
        }
    }

    #[test]
    fn what_is_covered_elsewhere_in_the_file_hinders_nothing() {
        let far = "\n".repeat(9);
        let real = (format!("k: abc\n{far}b\n"), format!("k: abc\n{far}c\n"));
        let shown = (real.0.replace("abc", "***"), real.1.replace("abc", "***"));
        let text = of("x", (&real.0, &real.1), (&shown.0, &shown.1));
        assert!(text.starts_with("--- a/x\n"), "{text}");
    }
}
