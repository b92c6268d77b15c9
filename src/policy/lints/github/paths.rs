//! Paths as inputs of actions list them, and which files they take.

use std::ops::Range;

use super::super::super::node::Scalar;

/// One line of an input with paths.
pub(super) struct Line<'t> {
    /// As [`normal`] makes it.
    pub(super) pattern: String,
    /// As written.
    pub(super) written: &'t str,
    /// Its bytes in the text.
    pub(super) at: Range<usize>,
}

/// Returns the paths of an input, one a line or parted by commas.
pub(super) fn lines(value: &Scalar) -> Vec<Line<'_>> {
    let mut from = 0;
    let mut all = Vec::new();
    for line in value.text.split(['\n', ',']) {
        let written = line.trim();
        let at = from + (line.len() - line.trim_start().len());
        from += line.len() + 1;
        if !written.is_empty() && !written.starts_with('#') {
            all.push(Line {
                pattern: normal(written),
                written,
                at: at..at + written.len(),
            });
        }
    }
    all
}

/// Brings a path to one form: `~` for the home directory, nothing for the workspace, no `./` and no `/` at the end.
pub(super) fn normal(path: &str) -> String {
    let path = path.trim().trim_matches(['"', '\'']).replace('\\', "/");
    let homes = [
        "$HOME",
        "${HOME}",
        "${{ env.HOME }}",
        "${{env.HOME}}",
        "/home/runner",
        "/root",
        "/Users/runner",
    ];
    let spaces = [
        "${{ github.workspace }}",
        "${{github.workspace}}",
        "$GITHUB_WORKSPACE",
        "${GITHUB_WORKSPACE}",
    ];
    let mut path = path;
    for home in homes {
        if let Some(rest) = path.strip_prefix(home)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            path = format!("~{rest}");
        }
    }
    for space in spaces {
        if let Some(rest) = path.strip_prefix(space) {
            path = rest.trim_start_matches('/').to_owned();
        }
    }
    let parts: Vec<&str> = path.split('/').filter(|part| *part != ".").collect();
    let path = parts.join("/");
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() && path.starts_with('/') {
        "/".to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// A pattern of paths, ready to be held against files.
pub(super) struct Pattern {
    text: String,
    glob: Option<globset::GlobMatcher>,
}

/// Most globs of a file that are made ready.
pub(super) const MAX_GLOBS: usize = 2000;

impl Pattern {
    /// Makes it ready; `globs` is how many more may be made.
    pub(super) fn new(text: String, globs: &mut usize) -> Self {
        let is_glob = text.contains(['*', '?', '[']) && text.len() < 500 && *globs > 0;
        let glob = is_glob.then(|| {
            *globs -= 1;
            globset::GlobBuilder::new(&text)
                .literal_separator(true)
                .build()
        });
        Self {
            glob: glob.and_then(Result::ok).map(|glob| glob.compile_matcher()),
            text,
        }
    }

    /// Tells whether it takes a file: as it is, as a directory above it, or as a glob.
    pub(super) fn covers(&self, path: &str) -> bool {
        if self.text.is_empty() {
            return !path.starts_with(['/', '~', '$']) && !path.starts_with("..");
        }
        let below = path.strip_prefix(self.text.as_str());
        if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return true;
        }
        // A directory that matches is taken with all that is in it.
        let mut above = path
            .match_indices('/')
            .take(40)
            .filter_map(|(at, _)| path.get(..at));
        let matches = |part: &str| self.glob.as_ref().is_some_and(|glob| glob.is_match(part));
        matches(path) || above.any(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_files() {
        for (pattern, path, covered) in [
            ("dist", "dist/a/b", true),
            ("dist/", "dist/a", true),
            ("dist/*", "dist/a", true),
            ("dist/*", "dist/a/b", true),
            ("dist/*.zip", "dist/a.ini", false),
            ("**/*.ini", "dist/a.ini", true),
            (".", "a.ini", true),
            ("${{ github.workspace }}", "a.ini", true),
            ("*", "a.ini", true),
            ("dist", "distribution", false),
            (".", "~/.npmrc", false),
            ("$HOME/.aws", "~/.aws/credentials", true),
        ] {
            let ready = Pattern::new(normal(pattern), &mut 1);
            assert_eq!(ready.covers(&normal(path)), covered, "{pattern} {path}");
        }
    }
}
