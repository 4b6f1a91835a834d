//! A progress bar on stderr for scans that take a while; none where nobody looks.

use std::io::IsTerminal as _;
use std::time::Duration;

use countersign_scan::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar, or nothing.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar when somebody is looking and did not ask for quiet.
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = ProgressBar::no_length();
        if quiet || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        } else {
            if let Ok(style) = ProgressStyle::with_template("scanning {wide_bar} {pos}/{len} files, {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self(bar)
    }
}

impl Progress for Bar {
    fn total(&self, files: u64) {
        self.0.set_length(files);
    }

    fn done(&self, _bytes: u64) {
        self.0.inc(1);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
