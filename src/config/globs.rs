//! Globs of paths, with the meaning they have in ignore files.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::model::BlobPath;

/// A list of globs. `*` and `?` do not cross a `/`, `**` does. A glob without a `/` fits a name at any depth, one with a `/`
/// is read from the root. What fits a directory fits everything below it, what fits an archive its members.
#[derive(Clone, Debug)]
pub struct PathGlobs {
    set: GlobSet,
    is_empty: bool,
}

impl PathGlobs {
    /// Compiles the globs.
    ///
    /// # Errors
    /// The index of the first glob that does not compile, and why.
    pub fn new<S: AsRef<str>>(globs: &[S]) -> Result<Self, (usize, String)> {
        let mut builder = GlobSetBuilder::new();
        for (index, glob) in globs.iter().enumerate() {
            let glob = anchored(glob.as_ref());
            for form in [format!("{glob}/**"), glob] {
                let compiled = GlobBuilder::new(&form).literal_separator(true).build();
                builder.add(compiled.map_err(|error| (index, error.kind().to_string()))?);
            }
        }
        let set = builder
            .build()
            .map_err(|error| (0, error.kind().to_string()))?;
        Ok(Self {
            set,
            is_empty: globs.is_empty(),
        })
    }

    /// Tells whether there is no glob.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Tells whether a glob fits the path, or an archive that the path is in.
    #[must_use]
    pub fn matches(&self, path: &BlobPath) -> bool {
        let bytes = path.as_bytes();
        let fits = |path: &[u8]| self.set.is_match_candidate(&Candidate::from_bytes(path));
        // `outer.zip!inner/file`: every stretch up to a `!` is a file of its own.
        let archives = bytes.iter().enumerate().filter(|(_, b)| **b == b'!');
        fits(bytes)
            || archives
                .map(|(at, _)| bytes.get(..at).unwrap_or_default())
                .any(fits)
    }
}

/// Returns the glob as one over whole paths.
fn anchored(glob: &str) -> String {
    let trimmed = glob.strip_suffix('/').unwrap_or(glob);
    match trimmed.strip_prefix('/') {
        Some(rooted) => rooted.to_owned(),
        None if trimmed.contains('/') => trimmed.strip_prefix("./").unwrap_or(trimmed).to_owned(),
        None => format!("**/{trimmed}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(glob: &str, path: &str) -> bool {
        PathGlobs::new(&[glob])
            .unwrap()
            .matches(&BlobPath::from(path))
    }

    #[test]
    fn a_name_fits_at_any_depth_and_a_path_from_the_root() {
        assert!(fits("*.md", "README.md") && fits("*.md", "docs/a/README.md"));
        assert!(fits("vendor/*.c", "vendor/a.c") && !fits("vendor/*.c", "x/vendor/a.c"));
        assert!(!fits("vendor/*.c", "vendor/deep/a.c") && fits("vendor/**/*.c", "vendor/deep/a.c"));
        assert!(fits("/top.txt", "top.txt") && !fits("/top.txt", "a/top.txt"));
    }

    #[test]
    fn a_directory_and_an_archive_stand_for_what_is_in_them() {
        for glob in ["vendor", "vendor/", "vendor/**", "./vendor/lib"] {
            assert!(fits(glob, "vendor/lib/a.c"), "{glob}");
        }
        assert!(fits("a.zip", "x/a.zip!inner/key.pem") && fits("*.pem", "x/a.zip!inner/key.pem"));
        assert!(!fits("b.zip", "x/a.zip!inner/key.pem"));
    }

    #[test]
    fn paths_need_not_be_text() {
        let globs = PathGlobs::new(&["*.bin"]).unwrap();
        assert!(globs.matches(&BlobPath::new(b"a\xff/b\x1b.bin".to_vec())));
        assert!(PathGlobs::new::<&str>(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_broken_glob_is_named_by_its_place() {
        let (index, reason) = PathGlobs::new(&["a", "[b"]).unwrap_err();
        assert_eq!(
            (index, reason.as_str()),
            (1, "unclosed character class; missing ']'")
        );
    }
}
