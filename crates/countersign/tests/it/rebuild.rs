//! The tables in the data directory: kept, checked, folded anew, never believed over the log.

use std::path::PathBuf;

use crate::support::{World, have_ssh_keygen};

/// The one projection in the data directory.
fn projection(w: &World) -> PathBuf {
    let mut found = Vec::new();
    for ledger in std::fs::read_dir(w.path("data/ledgers")).unwrap() {
        found.push(ledger.unwrap().path().join("projection.db"));
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Writes other bytes of the same length over the first occurrence, as somebody would who has got at the file.
fn overwrite(path: &PathBuf, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).expect("it is in the file");
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_role_that_somebody_wrote_into_the_tables_is_found_and_named() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::approved();
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
    let size = &w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["size"];
    let path = projection(&w);
    assert!(!path.starts_with(w.repo()), "who can write to the ledger cannot write here");
    overwrite(&path, "compliance-officer", "compliance-OFFICER");
    let found = w.cs(["ledger", "rebuild", "--check", "--format", "json"]).expect(13).json();
    assert_eq!((found["version"].as_u64(), found["equal"].as_bool()), (Some(1), Some(false)));
    assert_eq!(&found["entries"], size);
    let all = found["differences"].as_array().unwrap();
    // The role stands in the key, so the row is another row: one too many, one missing, each with its log index.
    assert!(all.iter().all(|d| d["table"] == "roles" && d["index"].is_u64()), "{all:?}");
    let kinds: Vec<&str> = all.iter().map(|d| d["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"missing") && kinds.contains(&"unfounded"), "{all:?}");
    let told = w.cs(["ledger", "rebuild", "--check"]).expect(13);
    for part in ["roles person=per-", "role=compliance-OFFICER idx=", "not in the log", "CS-LEDGER-043"] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    // The log says otherwise, and it is what verification reads.
    w.cs(["verify"]).expect(0);
    let rebuilt = w.cs(["ledger", "rebuild", "--format", "json"]).expect(0).json();
    assert_eq!((&rebuilt["entries"], rebuilt["not_believed"].as_u64()), (size, Some(0)));
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn without_tables_there_is_nothing_to_check_and_rubbish_is_replaced() {
    let w = World::with_commit();
    w.cs(["run"]).expect(11);
    let path = projection(&w);
    std::fs::remove_file(&path).unwrap();
    assert!(w.cs(["ledger", "rebuild", "--check"]).expect(3).err.contains("CS-LEDGER-042"));
    std::fs::write(&path, "rubbish that is long enough to be looked at as a database ......................").unwrap();
    w.cs(["ledger", "runs"]).expect(0);
    let check = w.cs(["ledger", "rebuild", "--check"]).expect(0);
    assert!(check.out.contains("the tables say what the log says"), "{}", check.out);
}
