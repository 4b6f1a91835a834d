//! Progress bars on stderr for what takes a while; none where nobody looks.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::Duration;

use countersign_scan::Progress;
use countersign_store::projection::Watch;
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

/// Fewer entries than this are folded before anybody wonders.
const WORTH_A_BAR: u64 = 5000;

/// A bar for folding a long log, shown when many entries are to come and somebody is looking.
pub(crate) fn folding(quiet: bool) -> Watch {
    if quiet || !std::io::stderr().is_terminal() {
        return Watch::default();
    }
    let bar: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Watch::new(move |done, total| {
        let mut bar = bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if bar.is_none() && total.saturating_sub(done) >= WORTH_A_BAR {
            let new = ProgressBar::new(total);
            if let Ok(style) =
                ProgressStyle::with_template("folding the log {wide_bar} {pos}/{len} entries, {eta} left")
            {
                new.set_style(style);
            }
            *bar = Some(new);
        }
        if let Some(shown) = bar.as_ref() {
            shown.set_position(done);
            if done >= total {
                shown.finish_and_clear();
                *bar = None;
            }
        }
    })
}

impl Bar {
    /// A bar for objects whose number is not known before.
    #[cfg(feature = "s3")]
    pub(crate) fn counting(quiet: bool) -> Self {
        let bar = Self::new(quiet);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} objects, {elapsed}") {
            bar.0.set_style(style);
        }
        bar
    }

    /// One more.
    #[cfg(feature = "s3")]
    pub(crate) fn tick(&self) {
        self.0.inc(1);
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
