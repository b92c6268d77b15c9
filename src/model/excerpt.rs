//! Masked text around a finding.

use serde::{Deserialize, Serialize};

use super::Span;

/// Most code points of a line that an excerpt shows.
const MAX_COLUMNS: usize = 160;

/// Lines around a finding with every known secret replaced by `*`, safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// 1-based number of the first line shown.
    pub first_line: u32,
    /// The text, lines joined by LF, control characters replaced by `·`; long lines are cut around the finding.
    pub text: String,
    /// Byte offset in `text` where the finding starts.
    pub start: usize,
    /// Byte offset in `text` one past the finding's end, or the end of `text` when that was cut.
    pub end: usize,
    /// Whether the first line was cut on the left, so that columns of `text` are not columns of the file.
    pub cut: bool,
}

impl Excerpt {
    /// Returns the masked line or lines that `target` touches (at most 3).
    ///
    /// `text` is the blob (or its decoded text), `line` the 1-based line of `target.start`; `secrets` are the spans of
    /// all secrets known in the text, `target` among them. Each code point of a secret becomes one `*`.
    #[must_use]
    pub fn new(text: &[u8], target: Span, line: u32, secrets: &[Span]) -> Self {
        let at = |offset: u64| {
            usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(text.len())
        };
        let (start, end) = (at(target.start), at(target.end));
        // Of a long line only the end counts: a file of one line may have many findings.
        let near = start.saturating_sub(MAX_COLUMNS / 2 + 1);
        let line_start = text.get(near..start).map_or(near, |head| {
            let last = head.iter().rposition(|b| is_break(*b));
            last.map_or(near, |i| near + i + 1)
        });
        let mut shown = Self {
            first_line: line,
            text: String::new(),
            start: 0,
            end: 0,
            cut: false,
        };
        let mut from = line_start;
        // A long line is cut so that the finding's start stays in sight.
        if start - line_start > MAX_COLUMNS / 2 {
            from = start - MAX_COLUMNS / 2;
            while text.get(from).is_some_and(|b| b & 0xc0 == 0x80) && from < start {
                from += 1;
            }
            shown.cut = true;
            shown.text.push('…');
        }
        shown.fill(text, from, (start, end), secrets);
        shown
    }

    /// Masks also what is masked in another excerpt of the same place. All of it, if that is not one of the same place.
    pub fn mask_also(&mut self, other: &Self) {
        let mut others = other.text.chars();
        let mut text = String::with_capacity(self.text.len());
        let (mut start, mut end) = (None, None);
        for (at, c) in self.text.char_indices() {
            start = start.or((at >= self.start).then_some(text.len()));
            end = end.or((at >= self.end).then_some(text.len()));
            text.push(match (c, others.next()) {
                ('\n', _) => '\n',
                (c, Some(same)) if c == same => c,
                _ => '*',
            });
        }
        self.start = start.unwrap_or(text.len());
        self.end = end.unwrap_or(text.len());
        self.text = text;
    }

    /// Copies text from `from`, masked and made safe, until the finding's last line ends or a limit is met.
    fn fill(&mut self, text: &[u8], from: usize, (start, end): (usize, usize), secrets: &[Span]) {
        let mut ahead: Vec<&Span> = secrets.iter().filter(|s| s.end > from as u64).collect();
        ahead.sort_unstable_by_key(|next| std::cmp::Reverse(next.start));
        // One past the last byte that a secret before hides.
        let mut upto = 0;
        let (mut offset, mut columns, mut lines) = (from, 0_usize, 1_u8);
        let mut ended = false;
        let tail = text.get(from..).unwrap_or_default();
        for (c, width) in code_points(tail) {
            if offset == start {
                self.start = self.text.len();
            }
            if offset >= end && !ended {
                self.end = self.text.len();
                ended = true;
            }
            while let Some(next) = ahead.pop_if(|next| next.start <= offset as u64) {
                upto = next.end.max(upto);
            }
            let hidden = (offset as u64) < upto;
            match c {
                Some('\n' | '\r') if offset >= end || lines == 3 => break,
                Some('\r') if text.get(offset + 1) == Some(&b'\n') => {}
                Some('\n' | '\r') => {
                    self.text.push('\n');
                    lines += 1;
                    columns = 0;
                }
                _ if columns >= MAX_COLUMNS => {
                    if columns == MAX_COLUMNS {
                        self.text.push('…');
                    }
                    columns += 1;
                    if offset >= end {
                        break;
                    }
                }
                _ => {
                    columns += 1;
                    self.text.push(if hidden { '*' } else { safe(c) });
                }
            }
            offset += width;
        }
        if offset <= start {
            self.start = self.text.len();
        }
        if !ended {
            self.end = self.text.len();
        }
        self.end = self.end.max(self.start);
    }
}

fn is_break(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Returns the character, or a middle dot for what could move a cursor or hide text.
fn safe(c: Option<char>) -> char {
    match c {
        Some('\t') => ' ',
        Some(c)
            if !c.is_control()
                && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') =>
        {
            c
        }
        _ => '·',
    }
}

/// Yields each code point with its width in bytes; `None` for a byte that is not UTF-8. Lazy: only what is shown is decoded.
fn code_points(bytes: &[u8]) -> impl Iterator<Item = (Option<char>, usize)> + '_ {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let &first = rest.first()?;
        let width = match first {
            0..=0x7f => 1,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 0,
        };
        let c = rest
            .get(..width)
            .and_then(|b| std::str::from_utf8(b).ok())
            .and_then(|s| s.chars().next());
        let width = if c.is_some() { width } else { 1 };
        rest = rest.get(width..).unwrap_or_default();
        Some((c, width))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &[u8], start: u64, end: u64, line: u32, others: &[Span]) -> Excerpt {
        let mut all = vec![Span::new(start, end)];
        all.extend_from_slice(others);
        Excerpt::new(text, Span::new(start, end), line, &all)
    }

    #[test]
    fn two_excerpts_of_a_place_mask_what_either_does() {
        let text = "a é=one two=three";
        let span = |word: &str| {
            let at = text.find(word).unwrap() as u64;
            Span::new(at, at + word.len() as u64)
        };
        let of = |words: &[&str]| {
            let spans: Vec<Span> = words.iter().map(|word| span(word)).collect();
            Excerpt::new(text.as_bytes(), span("three"), 1, &spans)
        };
        let mut both = of(&["three", "é"]);
        both.mask_also(&of(&["one"]));
        assert_eq!(both.text, "a *=*** two=*****");
        assert_eq!(&both.text[both.start..both.end], "*****");
        both.mask_also(&Excerpt::new(b"else", Span::new(0, 1), 1, &[]));
        assert!(both.text.chars().all(|c| c == '*'), "{}", both.text);
    }

    #[test]
    fn masks_the_secret_and_its_neighbours_with_equal_length() {
        let e = excerpt(b"x\na=abcd b=efgh\ny", 4, 8, 2, &[Span::new(11, 15)]);
        assert_eq!(
            (e.text.as_str(), e.start, e.end, e.cut),
            ("a=**** b=****", 2, 6, false)
        );
    }

    #[test]
    fn cuts_long_lines_on_both_sides() {
        let text = [vec![b'.'; 5000], b"SECRET".to_vec(), vec![b'.'; 5000]].concat();
        let e = excerpt(&text, 5000, 5006, 1, &[]);
        assert!(e.cut && e.text.chars().count() <= MAX_COLUMNS + 2);
        assert_eq!(e.text.get(e.start..e.end), Some("******"));
    }

    #[test]
    fn shows_no_control_characters() {
        let e = excerpt(b"\x1b[31mkey=abcd\xff", 9, 13, 1, &[]);
        assert_eq!(e.text, "·[31mkey=****·");
    }

    #[test]
    fn spans_of_several_lines_stop_after_three() {
        let e = excerpt(b"ab\ncd\nef\ngh\n", 0, 11, 1, &[]);
        assert_eq!(e.text, "**\n**\n**");
    }
}
