//! What `verify` says.

use std::fmt::Write as _;

use countersign_govern::audit::verify::{Root, Verified};
use serde_json::{Value, json};

use super::{Paint, count, printable};

/// The code of a key that nobody outside the ledger vouches for. Where nothing vouches for anything, it is the one
/// problem of a ledger that is sound in itself.
const NOBODY_VOUCHES: &str = "CS-LEDGER-033";

/// The verdict as one word.
pub(crate) fn verdict(v: &Verified) -> &'static str {
    let problems = &v.report.problems;
    match v.trusted {
        true if v.is_sealed() => "sealed",
        true if problems.is_empty() => "verified",
        false if problems.iter().all(|p| p.code == NOBODY_VOUCHES) => "untrusted",
        _ => "failed",
    }
}

/// The people's form.
pub(crate) fn text(v: &Verified, by: &str, p: &Paint) -> String {
    let mut out = String::new();
    let r = &v.report;
    let _ = writeln!(out, "{}{}{}", p.bold, printable(&r.origin), p.reset);
    let _ = writeln!(
        out,
        "  {}, {}, {}, {} checked",
        count(r.checked.entries, "entry", "entries"),
        count(r.checked.tiles, "tile", "tiles"),
        count(r.checked.blobs, "blob", "blobs"),
        count(r.checked.files, "file", "files")
    );
    let root = match v.root {
        _ if !v.payloads => "not looked at",
        Root::None if r.unopened > 0 => "in a payload that is sealed",
        Root::None => "not established yet (countersign init)",
        Root::Unpinned => "established in the log; nothing outside the ledger has pinned that entry",
        Root::Pinned => "the pinned one",
    };
    let _ = writeln!(out, "  log key: {by}");
    let _ = writeln!(out, "  root of trust: {root}");
    if !r.cosignatures.is_empty() {
        let names: Vec<_> = r.cosignatures.iter().map(|c| printable(&c.witness)).collect();
        let _ = writeln!(out, "  witnesses: {}", names.join(", "));
    }
    for notice in &r.notices {
        let _ = writeln!(out, "  note: {}", printable(&notice.what));
    }
    for problem in &r.problems {
        let entry = problem.entry.map_or_else(String::new, |i| format!(" entry {i}"));
        let _ = writeln!(
            out,
            "  {}✗{} {}{entry}: {} [{}]",
            p.bad,
            p.reset,
            printable(&problem.file),
            printable(&problem.what),
            problem.code
        );
    }
    let _ = match verdict(v) {
        "verified" if !v.payloads => writeln!(
            out,
            "{}✓ verified{}: the published log is whole, signed and consistent; payloads are not published here",
            p.good, p.reset
        ),
        "verified" => writeln!(out, "{}✓ verified{}: every byte is accounted for", p.good, p.reset),
        "sealed" => writeln!(
            out,
            "{}! not verified{}: {} sealed, and this machine does not hold the key [CS-KEY-040]\n  All that can be checked \
             without it is sound.\n  help: bring the key, then: countersign key import-payload-key FILE",
            p.bad,
            p.reset,
            count(r.unopened, "payload is", "payloads are"),
        ),
        "untrusted" => writeln!(
            out,
            "{}✗ consistent, but untrusted{}: nothing outside the ledger vouches for its key\n  help: bring a trust \
             file from a machine that trusts it: countersign verify --trust FILE",
            p.bad, p.reset
        ),
        _ => writeln!(
            out,
            "{}✗ verification failed{}: {}",
            p.bad,
            p.reset,
            count(r.problems.len() as u64, "problem", "problems")
        ),
    };
    out
}

/// The programs' form.
pub(crate) fn to_json(v: &Verified) -> Value {
    let r = &v.report;
    json!({
        "version": 1,
        "verdict": verdict(v),
        "origin": r.origin,
        "size": r.size,
        "root": super::run_root(&r.root),
        "trusted": v.trusted,
        "payloads": v.payloads,
        "unopened": r.unopened,
        "root_of_trust": match v.root { Root::None => "none", Root::Unpinned => "unpinned", Root::Pinned => "pinned" },
        "checked": {
            "entries": r.checked.entries, "tiles": r.checked.tiles, "blobs": r.checked.blobs, "files": r.checked.files,
        },
        "witnesses": r.cosignatures.iter().map(|c| &c.witness).collect::<Vec<_>>(),
        "problems": r.problems.iter().map(|p| json!({
            "code": p.code, "file": p.file, "entry": p.entry, "what": p.what,
        })).collect::<Vec<_>>(),
        "notices": r.notices.iter().map(|n| json!({"code": n.code, "what": n.what})).collect::<Vec<_>>(),
    })
}
