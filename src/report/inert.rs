//! Text for logs in which no CI service finds a command of its own.

/// How a format spells a character that would begin a command.
#[derive(Clone, Copy)]
pub(super) struct Escapes {
    hash: &'static str,
    colon: &'static str,
}

impl Escapes {
    /// Plain text knows no escapes: the character is lost.
    pub(super) const PLAIN: Self = Self {
        hash: "·",
        colon: "·",
    };
    /// JSON (RFC 8259, section 7).
    pub(super) const JSON: Self = Self {
        hash: "\\u0023",
        colon: "\\u003a",
    };
    /// XML and HTML.
    pub(super) const MARKUP: Self = Self {
        hash: "&#35;",
        colon: "&#58;",
    };
}

/// Returns text for a log in which no CI service finds a command: GitHub and Azure take `##[name]` and `##vso[...]`,
/// TeamCity `##teamcity[...]`, at any column; GitHub takes `::name::` at the start of a line, after blanks.
pub(super) fn inert(text: &str, escapes: Escapes) -> String {
    let mut inert = String::with_capacity(text.len());
    for line in text.split_inclusive(['\n', '\r']) {
        let command = line.trim_start();
        let blanks = line.len() - command.len();
        let mut rest = line;
        if command.starts_with("::") {
            inert.push_str(line.get(..blanks).unwrap_or_default());
            inert.push_str(escapes.colon);
            rest = line.get(blanks + 1..).unwrap_or_default();
        }
        while let Some(at) = rest.find("##") {
            let (head, tail) = rest.split_at_checked(at + 1).unwrap_or((rest, ""));
            inert.push_str(head);
            let name = tail.strip_prefix('#').unwrap_or_default();
            let is_command = name
                .trim_start_matches(|c: char| c.is_ascii_alphanumeric())
                .starts_with('[');
            rest = tail;
            if is_command {
                inert.push_str(escapes.hash);
                rest = name;
            }
        }
        inert.push_str(rest);
    }
    inert
}
