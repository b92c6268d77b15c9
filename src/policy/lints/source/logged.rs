//! The whole environment on its way out (rule 77).

use std::ops::Range;

use tree_sitter::Node;

use super::{metas, shape::Shape, shape::Tongue, taint::Origin, walk::Walk};

/// Tells that all variables of the environment leave by a call.
pub(super) fn dumped(walk: &mut Walk<'_, '_>, call: &str, span: Range<usize>) {
    let message = format!(
        "all variables of the environment are written out by `{call}`, with every secret among them"
    );
    walk.tell(
        &metas::DUMPED,
        span,
        &format!("environment in {call}"),
        message,
    );
}

/// A bundler that is told to put the whole environment into what browsers load: `'process.env': JSON.stringify(process.env)`.
pub(super) fn bundled<'t>(walk: &mut Walk<'t, '_>, pair: Node<'t>) {
    let code = walk.code();
    let Shape::Pair(key, value) = code.shape(pair) else {
        return;
    };
    if code.tongue != Tongue::Script || !code.of(key).contains("process.env") {
        return;
    }
    if let Some(found) = walk
        .known
        .taint(value)
        .filter(|found| found.origin == Origin::Everything)
    {
        let message = "all variables of the environment are put into what browsers load".to_owned();
        walk.tell(
            &metas::DUMPED,
            found.span,
            "environment in the bundle",
            message,
        );
    }
}
