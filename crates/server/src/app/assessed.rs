//! The newest assessment. It reads every decision of its window, so it is computed beside the requests, and pages say up to
//! which entry of the log it goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign_govern::assess::{Ask, Assessment, JudgedControl, Week, assess, weeks};
use countersign_govern::audit::populations::Populations;
use countersign_model::Timestamp;
use serde_json::Value;

use super::populations::{Asked, seen};
use super::{App, Trouble};

/// How many days the assessment looks back.
pub(crate) const WINDOW_DAYS: i64 = 90;

/// The newest assessment, or why there is none.
#[derive(Default)]
pub(crate) struct Assessed(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    newest: Option<Arc<Assessment>>,
    weeks: BTreeMap<String, Arc<Vec<Week>>>,
    trouble: Option<Trouble>,
    took: Duration,
}

impl Assessed {
    /// The newest one.
    pub(crate) fn get(&self) -> (Option<Arc<Assessment>>, Option<Trouble>) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.newest.clone(), inner.trouble.clone())
    }

    /// What a control of the newest one was applied to, week by week.
    pub(crate) fn weeks(&self, control: &str) -> Option<Arc<Vec<Week>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).weeks.get(control).cloned()
    }

    pub(super) fn took(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).took
    }

    /// Computes it on the log as it is now. One that fails leaves the last one and says why.
    pub(super) fn renew(&self, app: &App) {
        let _one = app.populations.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let mut at = Timestamp::from_millis(0);
        let made = app.pool.lend(|session| {
            let now = session.now();
            at = now;
            let window = Asked::newest().window(now);
            let made = assess(session, &app.catalogue, None, &Ask { window, framework: None, repeat: 0 })?;
            let times = session.state().entry_times()?;
            let of = |control: &JudgedControl| Arc::new(weeks(&control.judgement, window, &times));
            let weeks = made.controls.iter().map(|control| (control.id.clone(), of(control))).collect();
            let all = Populations::of(session, &app.catalogue, (&made.facts, &made.controls, &times), window, &[])?;
            Ok((thin(made), weeks, all, seen(session)?))
        });
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.took = began.elapsed();
        match made {
            Ok((made, weeks, all, seen)) => {
                app.populations.put(Asked::newest(), all, seen, inner.took);
                app.metrics.assessed(at, inner.took);
                (inner.newest, inner.weeks) = (Some(Arc::new(made)), weeks);
                inner.trouble = None;
            }
            Err(trouble) => inner.trouble = Some(trouble),
        }
        drop(inner);
        app.tell_computed();
    }
}

/// What pages show of it. The facts, and what each control was judged over, are gigabytes in a large ledger, and are asked for anew.
fn thin(made: Assessment) -> Assessment {
    let mut made = Assessment { facts: Value::Null, ..made };
    for control in &mut made.controls {
        control.judgement.subjects = Vec::new();
    }
    made
}
