//! Makes a large ledger, with the keys to serve it, for `tests/perf/load.py`; every entry is signed and appended as always.
//! `HOUSE_PLACE=/var/tmp/house HOUSE_ENTRIES=1000000 cargo bench -p countersign-store --bench house`; ten entries a release, twenty
//! findings a scan, ten of them new. Then: `COUNTERSIGN_DATA_DIR=$HOUSE_PLACE/data countersign --ledger $HOUSE_PLACE/ledger serve`.
//! Its decisions are no real ones, so one run's page cannot be tried with them. For that, in any git repository, with the same two:
//! `countersign policy activate --key $HOUSE_PLACE/key2 --reason "Load"`, then `countersign run`. `key0` is the administrator's, `key1` the
//! engineer's, `key2` the compliance officer's; they exist nowhere else.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot begin has nothing to say")]
#![expect(clippy::disallowed_methods, reason = "it asks the environment how much to make, and where")]

use std::path::Path;
use std::time::Instant;

use countersign_evidence::machine::MachineKey;
use countersign_evidence::{canonical, merkle};
use countersign_model::Digest;
use countersign_store::installation::{Installation, KeyError, Pin, PinnedEntry, Seen};

#[expect(dead_code, reason = "it is the tests' own, and they use all of it")]
#[path = "../tests/it/history.rs"]
mod history;
#[expect(dead_code, reason = "it is the tests' own, and they use all of it")]
#[path = "../tests/it/support.rs"]
mod support;

fn main() {
    // Without a place there is nothing that would be kept.
    let Ok(place) = std::env::var("HOUSE_PLACE") else {
        println!("nothing is made: HOUSE_PLACE says where");
        return;
    };
    let place = Path::new(&place);
    let wanted = std::env::var("HOUSE_ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000_u64);
    let data = place.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let begun = Instant::now();
    let (mut history, mut ledger) = history::History::begin(&place.join("ledger"));
    history.found = 20;
    let founding = history.founding();
    history.append(&mut ledger, founding);
    while ledger.size() < wanted {
        let mut entries = Vec::new();
        while entries.len() < 4000 && ledger.size() + (entries.len() as u64) < wanted {
            entries.extend(history.release());
            // A waiver is asked for now and then; else somebody is refused.
            let n = entries.len() / 10;
            entries.push(history.step(if n % 50 == 7 { 15 } else { 9 }));
        }
        // A grant is good for a quarter of an hour: what is appended together happens at one moment.
        history.later = -i64::try_from(ledger.size()).unwrap();
        history.append(&mut ledger, entries);
    }
    let recorder = MachineKey::from_seed(&[9; 32]);
    std::fs::write(data.join("recorder.key"), recorder.to_pem().unwrap().as_bytes()).unwrap();
    let keys = Installation::at(&data).ledger_dir(ledger.origin());
    std::fs::create_dir_all(&keys).unwrap();
    std::fs::write(keys.join("log.key"), format!("{}\n", support::signer().to_text().unwrap().as_str())).unwrap();
    // The machine trusts what it made, as after `countersign init`.
    let (index, root) = ledger.entries(1..2).unwrap().pop().unwrap();
    let entry = Digest::from_bytes(merkle::leaf_hash(&canonical::to_vec(&root).unwrap()));
    let pin = Pin {
        version: 1,
        origin: ledger.origin().to_owned(),
        vkey: ledger.vkey().to_string(),
        trust_root: Some(PinnedEntry { index, entry }),
        seen: Seen { size: ledger.size(), root: Digest::from_bytes(ledger.root()) },
        recorder: None,
    };
    Installation::at(&data).update_pin(ledger.origin(), |_| Ok::<_, KeyError>(pin)).unwrap();
    for n in 0..3 {
        let key = place.join(format!("key{n}"));
        std::fs::write(&key, history::key_of(n).to_openssh(ssh_key::LineEnding::LF).unwrap().as_bytes()).unwrap();
        // `ssh-keygen` and we take no key that others can read.
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    println!("{} entries in {:.0} s", ledger.size(), begun.elapsed().as_secs_f64());
}
