//! How far the log is. One thread looks, whoever waits is told, and what is computed beside the requests is computed anew.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use countersign_stages::notify::{self, Sending};
use countersign_store::Session;

use super::{App, found, populations};
use crate::Error;

/// How often the log is looked at: an entry is on an open page well within a second.
const EVERY: Duration = Duration::from_millis(200);
/// How long after a look that failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

pub(super) fn follow(app: &Arc<App>) -> Result<(), Error> {
    let weak = Arc::downgrade(app);
    let spawn = |name: &str, run: fn(&Weak<App>)| {
        let weak = Weak::clone(&weak);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&weak)).map_err(Error::Start)
    };
    spawn("follows", follows)?;
    spawn("assesses", assesses)?;
    spawn("finds", finds)?;
    let (weak, all) = (Arc::downgrade(app), Arc::clone(&app.populations));
    let makes = std::thread::Builder::new().name("population".to_owned());
    makes.spawn(move || populations::populates(&weak, &all)).map_err(Error::Start)?;
    if !app.options.notifies.channels.is_empty() {
        spawn("notifies", notifies)?;
    }
    Ok(())
}

fn follows(app: &Weak<App>) {
    let mut session = None;
    loop {
        // It is not held while this sleeps, so that the server can end.
        let Some(app) = app.upgrade() else { return };
        let looked = match session.take() {
            Some(mut open) => Session::refresh(&mut open).is_ok().then_some(open),
            None => app.pool.open().ok(),
        };
        let pause = if let Some(open) = looked {
            let size = open.state().size();
            if let Ok(newest) = open.state().newest_time() {
                app.metrics.followed(open.now(), size, newest);
            }
            if *app.head.borrow() != size
                && let Ok(seen) = populations::seen(&open)
            {
                app.seen.store(seen, Ordering::Relaxed);
            }
            app.head.send_if_modified(|seen| std::mem::replace(seen, size) != size);
            session = Some(open);
            EVERY
        } else {
            AFTER_TROUBLE
        };
        drop(app);
        std::thread::sleep(pause);
    }
}

/// What is computed beside the requests has the processor where they leave it: in a large ledger it takes minutes after a start.
pub(super) fn steps_back() {
    #[cfg(target_os = "linux")]
    {
        // Of Linux this is the thread's own, and of those that it starts. Where it is refused, all is as it was.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10);
    }
}

fn finds(app: &Weak<App>) {
    steps_back();
    let mut last: Option<(u64, Instant)> = None;
    loop {
        let Some(app) = app.upgrade() else { return };
        let size = *app.head.borrow();
        // The clock changes what is late, and ends waivers.
        let due = last.is_none_or(|(seen, at)| seen != size || at.elapsed() > Duration::from_secs(60));
        let pause = if !due || found::bring_up(&app) { EVERY } else { AFTER_TROUBLE };
        if due {
            last = Some((size, Instant::now()));
        }
        drop(app);
        std::thread::sleep(pause);
    }
}

fn assesses(app: &Weak<App>) {
    steps_back();
    let mut last: Option<(u64, Instant)> = None;
    loop {
        let Some(app) = app.upgrade() else { return };
        // That auditors looked is in the log, and changes nothing of what it is assessed by.
        let size = app.seen.load(Ordering::Relaxed);
        let due = last.is_none_or(|(seen, at)| {
            // It takes a while in a large ledger, and is never more than a tenth of a core.
            let pause = app.assessed.took().saturating_mul(10).max(Duration::from_secs(2));
            (seen != size && at.elapsed() > pause) || at.elapsed() > Duration::from_secs(3600)
        });
        crate::auth::flush(&app);
        app.packs.sweep(Instant::now());
        if due {
            app.assessed.renew(&app);
            last = Some((size, Instant::now()));
        }
        drop(app);
        std::thread::sleep(EVERY);
    }
}

/// Tells people what they must act on: soon after the log grew, and now and then because time passes. What was told is in the log, so
/// nothing is remembered here.
fn notifies(app: &Weak<App>) {
    /// Time alone makes something due, or due again.
    const TICK: Duration = Duration::from_secs(15);
    /// What comes at once is told together.
    const CALM: Duration = Duration::from_secs(1);
    let mut session: Option<Session> = None;
    let mut last: Option<(u64, Instant, Duration)> = None;
    loop {
        let Some(app) = app.upgrade() else { return };
        let size = *app.head.borrow();
        let due = last.is_none_or(|(seen, at, took)| {
            // Never more than a tenth of a core.
            let pause = took.saturating_mul(10);
            at.elapsed() > pause.max(if seen == size { TICK } else { CALM })
        });
        if due {
            let begun = Instant::now();
            let told = match session.take() {
                Some(mut open) => Session::refresh(&mut open).is_ok().then_some(open),
                None => app.pool.open().ok(),
            }
            .and_then(|mut open| {
                let dir = open.installation().dir().to_owned();
                let how = Sending { server: Some(app.options.notifies.server.clone()), again: false, dir: &dir };
                // What cannot be read or appended now is tried again; a ledger that cannot be read says so everywhere else.
                notify::pass(&mut open, &app.options.notifies.channels, &how).ok().map(|_| open)
            });
            session = told;
            last = Some((size, Instant::now(), begun.elapsed()));
        }
        drop(app);
        std::thread::sleep(EVERY);
    }
}
