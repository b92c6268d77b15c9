//! `.dockerignore`: which files of a build context are left out.
//!
//! As Docker reads it: patterns are relative to the context, `**` crosses folders, a pattern that matches a folder counts for what is
//! in it, and the last match wins.

use globset::{GlobBuilder, GlobMatcher};

/// Most patterns of a file that are read.
pub(super) const MAX_PATTERNS: usize = 400;

/// The patterns of one file.
#[derive(Default)]
pub(super) struct Ignore {
    /// Whether each takes files back in, and what it matches.
    rules: Vec<(bool, GlobMatcher)>,
}

/// Returns the lines of a file that are patterns.
pub(super) fn patterns(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

impl Ignore {
    /// Reads patterns; what is none matches nothing.
    pub(super) fn new<'p>(patterns: impl Iterator<Item = &'p str>) -> Self {
        let rule = |pattern: &str| {
            let (keeps, pattern) = pattern
                .strip_prefix('!')
                .map_or((false, pattern), |rest| (true, rest.trim()));
            let pattern = pattern.trim_start_matches("./").trim_matches('/');
            let pattern = if pattern == "." { "**" } else { pattern };
            let glob = GlobBuilder::new(pattern)
                .literal_separator(true)
                .build()
                .ok()?;
            (!pattern.is_empty()).then(|| (keeps, glob.compile_matcher()))
        };
        Self {
            rules: patterns.take(MAX_PATTERNS).filter_map(rule).collect(),
        }
    }

    /// Tells whether a file, by its path from the context, is left out.
    pub(super) fn excludes(&self, path: &str) -> bool {
        let folders: Vec<&str> = path
            .match_indices('/')
            .filter_map(|(at, _)| path.get(..at))
            .take(64)
            .collect();
        let matches = |glob: &GlobMatcher| {
            glob.is_match(path) || folders.iter().any(|folder| glob.is_match(folder))
        };
        self.rules
            .iter()
            .rfind(|(_, glob)| matches(glob))
            .is_some_and(|(keeps, _)| !keeps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_match_wins() {
        for (text, path, excluded) in [
            (".env\n", ".env", true),
            ("/.env\n", ".env", true),
            (".env\n", "api/.env", false),
            ("**/.env\n", "api/.env", true),
            ("**/.env*\n", ".env.prod", true),
            (".env*\n!.env\n", ".env", false),
            ("!.env\n.env*\n", ".env", true),
            ("*\n!src\n", ".env", true),
            ("*\n!src\n", "src/.env", false),
            ("api\n", "api/.env", true),
            ("api/\n", "api/a/.env", true),
            ("# .env\r\n\r\n*.key\r\n", "server.key", true),
            ("# .env\n", ".env", false),
            ("[\n", ".env", false),
            ("**\n", "a/.env", true),
        ] {
            assert_eq!(
                Ignore::new(patterns(text)).excludes(path),
                excluded,
                "{text:?} {path}"
            );
        }
    }
}
