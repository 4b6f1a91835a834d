//! What `verify` says.

use std::fmt::Write as _;

use countersign_govern::audit::verify::{Root, Verdict, Verified};
use serde_json::{Value, json};

use super::{Paint, count, printable};

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
    let _ = writeln!(out, "  log key: {by}");
    let _ = writeln!(out, "  root of trust: {}", v.root_words());
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
    let verdict = v.verdict();
    let (mark, tone) = match verdict {
        Verdict::Verified => ("✓", p.good),
        Verdict::Sealed => ("!", p.bad),
        Verdict::Untrusted | Verdict::Failed => ("✗", p.bad),
    };
    let _ = writeln!(out, "{tone}{mark} {}{}: {}", verdict.words(), p.reset, v.because(count));
    if verdict == Verdict::Sealed {
        let _ = writeln!(out, "  All that can be checked without it is sound.");
    }
    if let Some(help) = verdict.help() {
        let _ = writeln!(out, "  help: {help}");
    }
    out
}

/// The programs' form.
pub(crate) fn to_json(v: &Verified) -> Value {
    let r = &v.report;
    json!({
        "version": 1,
        "verdict": v.verdict().as_str(),
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
