//! A list of things to read, shared by threads.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use crate::model::Ledger;

use super::{Receiver, Run, Sizes, content::Contents};

/// Fewer items than this are read on the calling thread: starting others costs more.
pub(super) const MANY: usize = 16;

/// What one thread reads with.
pub(super) struct Hands<'a, 'r> {
    pub(super) contents: &'a mut Contents<'r>,
    pub(super) receiver: &'a mut dyn Receiver,
    pub(super) ledger: &'a mut Ledger,
}

/// Calls `each` on every item, in no order, until the user stops the run.
pub(super) fn share<T: Sync>(
    run: &Run<'_>,
    sizes: Sizes,
    items: &[T],
    each: impl Fn(&T, &mut Hands<'_, '_>) + Sync,
) -> Ledger {
    let next = AtomicUsize::new(0);
    let big = Mutex::new(());
    let work = || {
        let mut ledger = Ledger::default();
        let mut receiver = run.sink.receiver();
        let mut contents = Contents::new(run, sizes, &big);
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if run.stopped() {
                break;
            }
            each(
                item,
                &mut Hands {
                    contents: &mut contents,
                    receiver: &mut *receiver,
                    ledger: &mut ledger,
                },
            );
            run.progress.advance(1);
        }
        ledger
    };
    let threads = if items.len() < MANY { 1 } else { run.threads };
    let pool = (threads > 1).then(|| rayon::ThreadPoolBuilder::new().num_threads(threads).build());
    let Some(Ok(pool)) = pool else {
        return work();
    };
    let all = Mutex::new(Ledger::default());
    pool.broadcast(|_| {
        let ledger = work();
        all.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .merge(ledger);
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}
