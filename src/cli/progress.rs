//! A progress bar on terminals, nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::sources::Progress;

/// A bar on standard error.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Returns a bar; it writes nothing if `shown` is false: no terminal, no escape codes wanted, `--quiet`, CI.
    pub(super) fn new(shown: bool) -> Self {
        let target = if shown {
            ProgressDrawTarget::stderr_with_hz(8)
        } else {
            ProgressDrawTarget::hidden()
        };
        Self(ProgressBar::with_draw_target(None, target))
    }

    /// Takes the bar off the screen.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn begin(&self, stage: &'static str, total: u64) {
        if self.0.is_hidden() {
            return;
        }
        let template = if total > 0 {
            "{msg:<18} [{wide_bar}] {human_pos}/{human_len}  {elapsed}"
        } else {
            "{msg:<18} {spinner} {human_pos}  {elapsed}"
        };
        self.0.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        self.0.set_length(total);
        self.0.set_position(0);
        self.0.set_message(stage);
        // Short runs end before the first tick and show nothing.
        self.0.enable_steady_tick(Duration::from_millis(250));
    }

    fn advance(&self, by: u64) {
        self.0.inc(by);
    }
}
