//! Expressions of GitHub Actions: `${{ … }}` and conditions, as trees with byte offsets into the decoded text.
//!
//! What they mean is in `evaluate` and `secrets`. Promises: linear in the text, bounded in depth; what is no expression is `None`.

use std::ops::Range;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 48;

/// A part of an expression with its place in the text.
#[derive(Clone, Debug)]
pub(super) struct Expr {
    /// The bytes of the text it was written in.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a part of an expression is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// `'text'`.
    Text(String),
    /// A context: `github`, `secrets`, in lower case.
    Context(String),
    /// What lies below something else: `a.b`, `a['b']`, `a[x]`, `a.*`.
    Access(Box<Expr>, Vec<Part>),
    /// A function, its name in lower case.
    Call(String, Vec<Expr>),
    /// `!x`.
    Not(Box<Expr>),
    /// `a && b && c`.
    All(Vec<Expr>),
    /// `a || b || c`.
    Any(Vec<Expr>),
    /// `a == b` and its like.
    Compare(Compare, Box<Expr>, Box<Expr>),
}

/// One step into a value.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// By a name that is written out.
    Name(String),
    /// By a computed name.
    Computed(Expr),
    /// All of them.
    Star,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// `==`.
    Same,
    /// `!=`.
    Other,
    /// `<`, `<=`, `>`, `>=`.
    Order,
}

impl Expr {
    /// Returns the context and the names below it in lower case, if all are written out: `github.event.action`.
    pub(super) fn path(&self) -> Option<String> {
        match &self.kind {
            Kind::Context(name) => Some(name.clone()),
            Kind::Access(base, parts) => {
                let mut path = base.path()?;
                for part in parts {
                    let Part::Name(name) = part else { return None };
                    path.push('.');
                    path.push_str(&name.to_ascii_lowercase());
                }
                Some(path)
            }
            _ => None,
        }
    }
}

/// One `${{ … }}` of a text.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// With its braces.
    pub(super) span: Range<usize>,
    /// Its expression, its spans those of the whole text; `None` if it is none.
    pub(super) expr: Option<Expr>,
}

/// Returns all `${{ … }}` of a text.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(open) = text.get(from..).and_then(|rest| rest.find("${{")) {
        let start = from + open;
        let Some(length) = close(text.get(start + 3..).unwrap_or_default()) else {
            break;
        };
        let inner = start + 3..start + 3 + length;
        pieces.push(Piece {
            span: start..inner.end + 2,
            expr: parse(text.get(inner.clone()).unwrap_or_default(), inner.start),
        });
        from = inner.end + 2;
    }
    pieces
}

/// Returns the expression of a condition, with or without braces.
pub(super) fn condition(text: &str) -> Option<Expr> {
    let all = pieces(text);
    match all.as_slice() {
        [] => parse(text, 0),
        [one] if text.trim().len() == one.span.len() => one.expr.clone(),
        // Text around braces makes a string, which is true.
        _ => None,
    }
}

/// Returns the length up to `}}` that stands outside of quotes.
fn close(text: &str) -> Option<usize> {
    let mut quoted = false;
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|at| {
        let byte = bytes.get(*at);
        quoted ^= byte == Some(&b'\'');
        !quoted && byte == Some(&b'}') && bytes.get(at + 1) == Some(&b'}')
    })
}

/// Reads one expression; `base` is added to its offsets.
pub(super) fn parse(text: &str, base: usize) -> Option<Expr> {
    let mut parser = Parser {
        text,
        at: 0,
        base,
        depth: 0,
    };
    let expr = parser.any()?;
    parser.blanks();
    (parser.at == text.len()).then_some(expr)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    base: usize,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.blanks();
        let is_there = self.rest().starts_with(token);
        if is_there {
            self.at += token.len();
        }
        is_there
    }

    fn make(&self, start: usize, kind: Kind) -> Expr {
        Expr {
            span: self.base + start..self.base + self.at,
            kind,
        }
    }

    fn start(&mut self) -> usize {
        self.blanks();
        self.at
    }

    fn any(&mut self) -> Option<Expr> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let start = self.start();
        let first = self.all()?;
        let expr = self.chain(start, first, "||", Self::all, Kind::Any)?;
        self.depth -= 1;
        Some(expr)
    }

    fn all(&mut self) -> Option<Expr> {
        let start = self.start();
        let first = self.compared()?;
        self.chain(start, first, "&&", Self::compared, Kind::All)
    }

    /// Reads on behind the first item of a chain; one item stands for itself.
    fn chain(
        &mut self,
        start: usize,
        first: Expr,
        operator: &str,
        next: fn(&mut Self) -> Option<Expr>,
        kind: fn(Vec<Expr>) -> Kind,
    ) -> Option<Expr> {
        if !self.eat(operator) {
            return Some(first);
        }
        let mut items = vec![first, next(self)?];
        while self.eat(operator) {
            items.push(next(self)?);
        }
        Some(self.make(start, kind(items)))
    }

    fn compared(&mut self) -> Option<Expr> {
        let start = self.start();
        let left = self.unary()?;
        let how = if self.eat("==") {
            Compare::Same
        } else if self.eat("!=") {
            Compare::Other
        } else if self.eat("<=") || self.eat(">=") || self.eat("<") || self.eat(">") {
            Compare::Order
        } else {
            return Some(left);
        };
        let right = self.unary()?;
        Some(self.make(start, Kind::Compare(how, Box::new(left), Box::new(right))))
    }

    fn unary(&mut self) -> Option<Expr> {
        let start = self.start();
        if self.rest().starts_with('!') && !self.rest().starts_with("!=") {
            self.at += 1;
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return None;
            }
            let inner = self.unary()?;
            self.depth -= 1;
            return Some(self.make(start, Kind::Not(Box::new(inner))));
        }
        let base = self.primary()?;
        self.accesses(start, base)
    }

    fn primary(&mut self) -> Option<Expr> {
        let start = self.start();
        match self.rest().bytes().next()? {
            b'(' => {
                self.at += 1;
                let inner = self.any()?;
                self.eat(")").then_some(inner)
            }
            b'\'' => {
                let text = self.quoted()?;
                Some(self.make(start, Kind::Text(text)))
            }
            b'0'..=b'9' | b'-' | b'+' | b'.' => {
                let word = self.word(|c| c.is_ascii_alphanumeric() || "+-._".contains(c));
                let number = word.parse().unwrap_or(f64::NAN);
                (!word.is_empty()).then(|| self.make(start, Kind::Number(number)))
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => self.named(start),
            _ => None,
        }
    }

    fn word(&mut self, is_part: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default().to_owned();
        self.at += end;
        word
    }

    fn name(&mut self) -> String {
        self.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    }

    fn quoted(&mut self) -> Option<String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let end = self.rest().find('\'')?;
            text.push_str(self.rest().get(..end)?);
            self.at += end + 1;
            if !self.rest().starts_with('\'') {
                return Some(text);
            }
            text.push('\'');
            self.at += 1;
        }
    }

    fn named(&mut self, start: usize) -> Option<Expr> {
        let name = self.name().to_ascii_lowercase();
        let end = self.at;
        if self.eat("(") {
            let mut arguments = Vec::new();
            if !self.eat(")") {
                loop {
                    arguments.push(self.any()?);
                    if self.eat(")") {
                        break;
                    }
                    if !self.eat(",") {
                        return None;
                    }
                }
            }
            return Some(self.make(start, Kind::Call(name, arguments)));
        }
        self.at = end;
        let kind = match name.as_str() {
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "null" => Kind::Null,
            "nan" | "infinity" => Kind::Number(f64::NAN),
            _ => Kind::Context(name),
        };
        Some(self.make(start, kind))
    }

    fn accesses(&mut self, start: usize, base: Expr) -> Option<Expr> {
        let mut parts = Vec::new();
        let mut end = self.at;
        loop {
            if self.eat(".") {
                self.blanks();
                if self.eat("*") {
                    parts.push(Part::Star);
                } else {
                    let name = self.name();
                    if name.is_empty() {
                        return None;
                    }
                    parts.push(Part::Name(name));
                }
            } else if self.eat("[") {
                if self.eat("*") {
                    parts.push(Part::Star);
                } else {
                    let inner = self.any()?;
                    parts.push(match inner.kind {
                        Kind::Text(name) => Part::Name(name),
                        _ => Part::Computed(inner),
                    });
                }
                if !self.eat("]") {
                    return None;
                }
            } else {
                self.at = end;
                break;
            }
            end = self.at;
        }
        if parts.is_empty() {
            return Some(base);
        }
        Some(self.make(start, Kind::Access(Box::new(base), parts)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> String {
        parse(text, 0).unwrap().path().unwrap()
    }

    #[test]
    fn paths_in_all_their_forms() {
        assert_eq!(path("secrets.NPM_TOKEN"), "secrets.npm_token");
        assert_eq!(path(" secrets['A'].b [ 'c' ] "), "secrets.a.b.c");
        assert_eq!(path("GitHub.Event_Name"), "github.event_name");
        assert!(parse("secrets[format('X_{0}', matrix.y)]", 0).is_some());
        assert!(parse("a.*.b", 0).is_some());
    }

    #[test]
    fn operators_bind_as_documented() {
        let expr = parse("a && b || !c == 'x' && (d || e)", 0).unwrap();
        let Kind::Any(items) = expr.kind else {
            panic!("{expr:?}")
        };
        assert_eq!(items.len(), 2);
        assert!(matches!(&items[0].kind, Kind::All(all) if all.len() == 2));
    }

    #[test]
    fn pieces_know_their_bytes() {
        let text = "a ${{ secrets.A }} b ${{ format('}}{0}', x.y) }}c";
        let all = pieces(text);
        let shown: Vec<_> = all.iter().map(|piece| &text[piece.span.clone()]).collect();
        assert_eq!(shown, ["${{ secrets.A }}", "${{ format('}}{0}', x.y) }}"]);
        assert_eq!(
            &text[all[0].expr.as_ref().unwrap().span.clone()],
            "secrets.A"
        );
    }

    #[test]
    fn what_is_no_expression_is_none() {
        for text in ["", "a b", "a.", "a[", "'x", "f(a", "a ==", "a &&& b", "${{"] {
            assert!(parse(text, 0).is_none(), "{text}");
        }
        assert!(parse(&"(".repeat(100_000), 0).is_none());
        assert!(parse(&"!".repeat(100_000), 0).is_none());
        assert!(parse(&vec!["a"; 50_000].join(" && "), 0).is_some());
    }

    proptest! {
        #[test]
        fn never_panics_and_spans_lie_within(text in "[ab.'\\[\\]()${}!=&|,*é0 ]{0,60}") {
            for piece in pieces(&text) {
                prop_assert!(piece.span.end <= text.len());
                prop_assert!(text.get(piece.span.clone()).is_some());
                if let Some(expr) = piece.expr {
                    prop_assert!(text.get(expr.span).is_some());
                }
            }
            let _ = condition(&text);
        }
    }
}
