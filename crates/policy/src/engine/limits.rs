//! What one evaluation may use: steps of the interpreter, and time.
//!
//! A step is one unit of the interpreter's work: a literal of a query, an element of a loop, an argument of a call. How many an
//! evaluation takes depends on policy and facts alone, not on the machine, so this limit ends a runaway policy at the same place
//! everywhere; the time is for what takes long within a step. Memory has no limit in here, for one step can double what there is:
//! a gate's policy is evaluated in a process of its own, whose memory has one ([`super::worker`]).

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use regorus::utils::limits::{TimeSource, set_time_source};

/// Steps between two looks at what was used. The interpreter counts them and asks for the time then.
pub(super) const STRIDE: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

thread_local! {
    /// Looks that are left of this thread's evaluation.
    static LEFT: Cell<u64> = const { Cell::new(0) };
    /// Whether it used them up.
    static SPENT: Cell<bool> = const { Cell::new(false) };
}

/// The interpreter's clock: elapsed time, or the end of time once the steps are used up. The one hook it has.
struct Meter;

impl TimeSource for Meter {
    fn now(&self) -> Option<Duration> {
        static BEGUN: OnceLock<Instant> = OnceLock::new();
        let elapsed = BEGUN.get_or_init(Instant::now).elapsed();
        let left = LEFT.get();
        if left == 0 {
            SPENT.set(true);
            return Some(Duration::MAX);
        }
        LEFT.set(left.saturating_sub(1));
        Some(elapsed)
    }
}

/// Makes the interpreter ask us for the time. Without that it would have no limit at all.
pub(super) fn install() -> Result<(), String> {
    static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();
    INSTALLED.get_or_init(|| set_time_source(&Meter).map_err(|e| e.to_string())).clone()
}

/// Begins an evaluation on this thread, with so many steps.
pub(super) fn begin(steps: u64) {
    // The interpreter looks when it begins, a few times, and those are no steps.
    const BEGINNINGS: u64 = 8;
    LEFT.set(steps.div_ceil(u64::from(STRIDE.get())).saturating_add(BEGINNINGS));
    SPENT.set(false);
}

/// Whether this thread's evaluation was ended for its steps.
pub(super) fn spent() -> bool {
    SPENT.get()
}
