//! ar: Debian packages and static libraries.

use crate::model::BlobPath;

use super::{End, Expander, clean};

/// The first bytes of an archive.
pub(super) const MAGIC: &[u8] = b"!<arch>\n";

/// Bytes of a member's header.
const HEADER: usize = 60;

/// Hands out every member.
pub(super) fn walk(x: &mut Expander<'_>, bytes: &[u8], path: &BlobPath, level: u32) {
    let mut at = MAGIC.len();
    while x.budget.hit().is_none() {
        let rest = bytes.get(at..).unwrap_or_default();
        // The last member may be padded to an even length.
        if rest.len() <= 1 {
            return;
        }
        let size = rest
            .get(48..58)
            .filter(|_| rest.get(58..HEADER) == Some(b"`\n"))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.trim_end().parse::<usize>().ok());
        let Some(size) = size else {
            x.damaged(path, "a damaged header; the rest was not unpacked");
            return;
        };
        let name = rest.get(..16).unwrap_or_default().trim_ascii_end();
        let name = path.member(&clean(name.strip_suffix(b"/").unwrap_or(name)));
        let body = rest.get(HEADER..).unwrap_or_default();
        let (content, end) = match body.get(..size) {
            Some(content) => (content, End::Complete),
            None => (body, End::Damaged),
        };
        x.slice(&name, content, end, level);
        at = at
            .saturating_add(HEADER)
            .saturating_add(size)
            .saturating_add(size % 2);
    }
}
