//! What encloses a value or a name.

use super::back::Back;

/// The enclosing quotes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Quote {
    /// None.
    Bare,
    /// `"`, `'` or a backtick, after so many backslashes (text in a string), three of them if `triple`.
    Mark { mark: u8, escapes: u8, triple: bool },
    /// An HTML entity: `&quot;`, `&#34;`, `&#39;`.
    Entity(&'static [u8]),
}

/// Entities that stand for quotes.
const ENTITIES: [&[u8]; 5] = [b"&quot;", b"&#34;", b"&#39;", b"&apos;", b"&#x27;"];

/// Most backslashes before a quote that are understood.
const MAX_ESCAPES: u8 = 7;

pub(super) const fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// Steps over an opening quote with its backslashes and its prefix letters (`b"`, `r#"`, `@"`, `L"`).
pub(super) fn opening(back: &mut Back<'_>) -> Quote {
    let quote = any(back);
    if let Quote::Mark { escapes: 0, .. } = quote {
        skip_prefix(back);
    }
    quote
}

/// Steps over a quote with its backslashes.
pub(super) fn any(back: &mut Back<'_>) -> Quote {
    let Some(mark) = back.peek() else {
        return Quote::Bare;
    };
    if mark == b';' {
        let entity = ENTITIES.into_iter().find(|entity| back.eat(entity));
        return entity.map_or(Quote::Bare, Quote::Entity);
    }
    if !is_quote(mark) {
        return Quote::Bare;
    }
    back.skip(1);
    let triple = back.peek() == Some(mark) && back.peek_at(1) == Some(mark);
    if triple {
        back.skip(2);
    }
    let mut escapes = 0;
    while escapes < MAX_ESCAPES && back.peek() == Some(b'\\') {
        back.skip(1);
        escapes += 1;
    }
    Quote::Mark {
        mark,
        escapes,
        triple,
    }
}

/// Steps over `b`, `rb`, `r#`, `f`, `u8`, `L`, `@`, `$` before an opening quote.
fn skip_prefix(back: &mut Back<'_>) {
    let mut probe = *back;
    probe.take_while(|b| matches!(b, b'#' | b'@' | b'$'));
    let letters = probe.take_while(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_prefix = matches!(
        probe.text(&letters),
        b"" | b"b"
            | b"B"
            | b"r"
            | b"R"
            | b"u"
            | b"U"
            | b"f"
            | b"F"
            | b"L"
            | b"N"
            | b"E"
            | b"c"
            | b"s"
            | b"q"
            | b"br"
            | b"rb"
            | b"Rb"
            | b"bR"
            | b"fr"
            | b"rf"
            | b"u8"
            | b"cr"
    );
    if is_prefix {
        *back = probe;
    }
}
