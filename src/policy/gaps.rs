//! What of a file was not looked at. Readers and a dozen lints meet limits deep in their work; a parameter through all of them would carry
//! nothing but this.
//!
//! Promise: what is told while one file is read, which is on one thread, is taken when that is done.

use std::cell::Cell;

/// What was not looked at, and why: a phrase.
pub(crate) type Gap = &'static str;

thread_local! {
    static GAP: Cell<Option<Gap>> = const { Cell::new(None) };
}

/// Tells that something was not looked at.
pub(crate) fn tell(what: Gap) {
    GAP.set(Some(what));
}

/// Returns the reason why a reader gives up, after telling that a limit is met: unlike a fault of the text, the tool may read it.
pub(crate) fn limit(reason: String) -> String {
    tell("a limit is met");
    reason
}

/// Returns what was not looked at since the last call.
pub(crate) fn take() -> Option<Gap> {
    GAP.take()
}
