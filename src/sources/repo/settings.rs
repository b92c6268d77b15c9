//! The three settings without which objects cannot be read, straight from the text of `.git/config`.
//!
//! Nothing else of a configuration is ever looked at: no includes, no user or system files, no environment.

/// What `.git/config` says of the storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// `extensions.objectFormat`, lower case; empty if not set.
    pub(super) object_format: String,
    /// `extensions.refStorage`, lower case; empty if not set.
    pub(super) ref_storage: String,
    /// Whether a remote is a promisor (partial clone).
    pub(super) promisor: bool,
}

impl Settings {
    /// Reads the text of a configuration file; what it does not understand it passes over.
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut settings = Self::default();
        let mut section = String::new();
        for line in logical_lines(text) {
            let line = line.trim_ascii();
            let mut rest = line;
            if let Some(head) = line.strip_prefix(b"[") {
                let end = head.iter().position(|byte| *byte == b']');
                let end = end.unwrap_or(head.len());
                section = lower(head.get(..end).unwrap_or_default());
                rest = head
                    .get(end.saturating_add(1)..)
                    .unwrap_or_default()
                    .trim_ascii();
            }
            let (key, value) = match rest.iter().position(|byte| *byte == b'=') {
                Some(at) => (
                    lower(rest.get(..at).unwrap_or_default()),
                    lower(rest.get(at + 1..).unwrap_or_default()),
                ),
                None => (lower(rest), "true".to_owned()),
            };
            match (section.as_str(), key.as_str()) {
                ("extensions", "objectformat") => settings.object_format = value,
                ("extensions", "refstorage") => settings.ref_storage = value,
                ("extensions", "partialclone") => settings.promisor = true,
                (remote, "promisor") if remote.starts_with("remote ") => {
                    settings.promisor |= !matches!(value.as_str(), "false" | "no" | "off" | "0");
                }
                _ => {}
            }
        }
        settings
    }
}

/// Returns the lines with those that end in a backslash joined to the next, comments at their start left out.
fn logical_lines(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut joined = false;
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (body, more) = match line.strip_suffix(b"\\") {
            Some(body) => (body, true),
            None => (line, false),
        };
        match lines.last_mut() {
            Some(last) if joined => last.extend_from_slice(body),
            _ => lines.push(body.to_vec()),
        }
        joined = more;
    }
    lines.retain(|line| !matches!(line.trim_ascii().first(), None | Some(b'#' | b';')));
    lines
}

/// Returns a value without quotes, trailing comment and case.
fn lower(value: &[u8]) -> String {
    let value = value
        .split(|byte| matches!(byte, b'#' | b';'))
        .next()
        .unwrap_or_default();
    String::from_utf8_lossy(value)
        .trim()
        .trim_matches('"')
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_git_writes() {
        let text = b"[core]\n\tbare = true\n[Extensions]\n\tobjectFormat = sha256 ; x\n\trefstorage = \"reftable\"\n\
            [remote \"origin\"]\n\turl = x\\\ny\n\tpromisor = true\n";
        let settings = Settings::parse(text);
        assert_eq!(settings.object_format, "sha256");
        assert_eq!(settings.ref_storage, "reftable");
        assert!(settings.promisor);
    }

    #[test]
    fn takes_a_key_on_the_section_line_and_ignores_other_sections() {
        let settings =
            Settings::parse(b"[extensions] objectformat=sha256\r\n[x]\nrefstorage=reftable\n# [");
        assert_eq!(
            (
                settings.object_format.as_str(),
                settings.ref_storage.as_str()
            ),
            ("sha256", "")
        );
        assert!(!settings.promisor);
    }

    proptest! {
        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Settings::parse(&text);
        }
    }
}
