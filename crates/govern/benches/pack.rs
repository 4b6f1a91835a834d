//! How long a pack of a quarter takes, and its verification, with the memory that each needed at most.
//! `cargo bench -p countersign-govern --bench pack`; `PACK_DEPLOYMENTS=10000` for another number than 1,000.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot begin has nothing to say")]
#![expect(clippy::disallowed_methods, reason = "it starts itself anew, and asks the environment how much to make")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use countersign_evidence::machine::MachineKey;
use countersign_govern::audit::pack::{self, check};
use countersign_govern::audit::verify::Anchor;
use countersign_model::audit::PackScope;
use countersign_model::{SystemClock, Timestamp};
use countersign_policy::Catalogue;
use countersign_store::installation::Installation;
use countersign_store::{Ledger, Session};

#[expect(dead_code, reason = "it is the store's tests' own, and they use all of it")]
#[path = "../../store/tests/it/history.rs"]
mod history;
#[expect(dead_code, reason = "it is the store's tests' own, and they use all of it")]
#[path = "../../store/tests/it/support.rs"]
mod support;

fn main() {
    let step = std::env::var("PACK_STEP").unwrap_or_default();
    let Ok(place) = std::env::var("PACK_PLACE") else { return all() };
    let place = Path::new(&place);
    let begun = Instant::now();
    match step.as_str() {
        "make" => return make(place),
        "fold" => drop(session(place)),
        "pack" => {
            let mut session = session(place);
            let opened = begun.elapsed();
            let scope =
                PackScope { from: Some(Timestamp::from_millis(0)), to: Some(session.now()), ..PackScope::default() };
            let made = pack::make(&mut session, &Catalogue::shipped().unwrap(), &scope, false, &place.join("pack.zip"))
                .unwrap();
            println!(
                "  {} deployments of {} entries, {} files, {:.1} MB; opening the ledger took {:.2} s of it",
                made.manifest.deployments,
                made.manifest.size,
                made.file.members,
                made.file.size as f64 / 1e6,
                opened.as_secs_f64()
            );
        }
        "one" => {
            let mut session = session(place);
            let deployment = session.state().deployments().unwrap().pop().map(|d| d.grant);
            let scope = PackScope { deployment, ..PackScope::default() };
            pack::make(&mut session, &Catalogue::shipped().unwrap(), &scope, false, &place.join("one.zip")).unwrap();
        }
        _ => {
            let opened = check::open(&place.join("pack.zip")).unwrap();
            let anchor = Anchor::Keys(vec![support::signer().verifier().clone()]);
            let catalogue = (step == "again").then(|| Catalogue::shipped().unwrap());
            let checked = check::check(&opened, &anchor, None, &[], None, None, catalogue.as_ref()).unwrap();
            // The bundle of this history is none; all else holds.
            let mut problems = checked.verified.report.problems.iter();
            assert!(problems.all(|p| p.what.starts_with("the attached policy bundle")), "another problem");
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).map_or("unknown", str::trim);
    println!("{step}: {:.2} s, at most {peak}", begun.elapsed().as_secs_f64());
}

fn all() {
    let dir = tempfile::tempdir().unwrap();
    for step in ["make", "fold", "pack", "one", "check"] {
        let own = std::env::current_exe().unwrap();
        let status = std::process::Command::new(own).env("PACK_STEP", step).env("PACK_PLACE", dir.path()).status();
        assert!(status.unwrap().success(), "{step}");
    }
}

/// A ledger of so many deployments, ten entries each, and an installation that can write it.
fn make(place: &Path) {
    let deployments = std::env::var("PACK_DEPLOYMENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(1000_u64);
    let (mut history, mut ledger) = history::History::begin(&place.join("ledger"));
    let founding = history.founding();
    history.later = -i64::try_from(ledger.size()).unwrap();
    history.append(&mut ledger, founding);
    let mut left = deployments;
    while left > 0 {
        let now = left.min(400);
        let mut entries = Vec::new();
        for _ in 0..now {
            entries.extend(history.release());
            entries.push(history.step(9));
        }
        // A grant is good for a quarter of an hour: all of it happens at one moment.
        history.later = -i64::try_from(ledger.size()).unwrap();
        history.append(&mut ledger, entries);
        left -= now;
    }
    let data = place.join("data");
    let installation = Installation::at(&data);
    std::fs::create_dir_all(&data).unwrap();
    let recorder = MachineKey::from_seed(&[9; 32]);
    std::fs::write(data.join("recorder.key"), recorder.to_pem().unwrap().as_bytes()).unwrap();
    let keys = installation.ledger_dir(ledger.origin());
    std::fs::create_dir_all(&keys).unwrap();
    std::fs::write(keys.join("log.key"), format!("{}\n", support::signer().to_text().unwrap().as_str())).unwrap();
}

fn session(place: &Path) -> Session {
    let ledger = Ledger::open(&place.join("ledger")).unwrap();
    Session::begin(ledger, Installation::at(place.join("data")), Arc::new(SystemClock)).unwrap()
}
