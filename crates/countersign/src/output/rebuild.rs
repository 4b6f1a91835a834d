//! What `ledger rebuild` did and what `--check` found, as text and as JSON.

use std::fmt::Write as _;

use countersign_model::Exit;
use countersign_store::code;
use countersign_store::projection::{Checked, Difference, DifferenceKind, Rebuilt};
use serde_json::{Value, json};

use super::{count, printable};
use crate::cli::args::Format;
use crate::errors::Outcome;
use crate::output;

/// Says what was folded.
pub(crate) fn rebuilt(rebuilt: &Rebuilt, format: Format) -> Outcome {
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "entries": rebuilt.entries, "not_believed": rebuilt.anomalies,
        }))?,
        Format::Text => {
            let mut out = format!("✓ {} folded anew\n", count(rebuilt.entries, "entry", "entries"));
            if rebuilt.anomalies > 0 {
                let _ =
                    writeln!(out, "  {} of them not believed; which and why: countersign verify", rebuilt.anomalies);
            }
            output::print(&out)?;
        }
    }
    Ok(Exit::Pass)
}

/// Says what differs; exit 13 when anything does.
pub(crate) fn checked(checked: &Checked, format: Format) -> Outcome {
    let found = checked.differences.len() as u64 + checked.more;
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "entries": checked.entries, "rows": checked.rows, "equal": found == 0,
            "differences": checked.differences.iter().map(difference).collect::<Vec<_>>(), "more": checked.more,
        }))?,
        Format::Text => {
            let mut out = String::new();
            for d in &checked.differences {
                let from = d.index.map_or_else(String::new, |index| format!(" (entry {index})"));
                let what = match &d.kind {
                    DifferenceKind::Altered { .. } => "altered",
                    DifferenceKind::Missing => "missing",
                    DifferenceKind::Unfounded => "not in the log",
                };
                let _ = writeln!(out, "✗ {} {}{from}: {what}", printable(&d.table), printable(&d.key));
                if let DifferenceKind::Altered { columns } = &d.kind {
                    for (name, live, log) in columns {
                        let (live, log) = (printable(live), printable(log));
                        let _ = writeln!(out, "    {}: {live}, and the log says {log}", printable(name));
                    }
                }
            }
            if checked.more > 0 {
                let _ = writeln!(out, "  and {}", count(checked.more, "more difference", "more differences"));
            }
            let looked = format!(
                "{} folded beside, {} compared",
                count(checked.entries, "entry", "entries"),
                count(checked.rows, "row", "rows")
            );
            if found == 0 {
                let _ = writeln!(out, "✓ the tables say what the log says: {looked}");
            } else {
                let _ = writeln!(
                    out,
                    "the tables do not say what the log says [{}]: {}, {looked}\nfold them anew: countersign ledger rebuild",
                    code::PROJECTION_DIFFERS,
                    count(found, "difference", "differences"),
                );
            }
            output::print(&out)?;
        }
    }
    Ok(if found == 0 { Exit::Pass } else { Exit::Unverified })
}

fn difference(d: &Difference) -> Value {
    let (kind, columns) = match &d.kind {
        DifferenceKind::Altered { columns } => ("altered", columns.as_slice()),
        DifferenceKind::Missing => ("missing", &[][..]),
        DifferenceKind::Unfounded => ("unfounded", &[][..]),
    };
    let columns: Vec<Value> =
        columns.iter().map(|(name, live, log)| json!({"column": name, "live": live, "log": log})).collect();
    json!({"table": d.table, "key": d.key, "index": d.index, "kind": kind, "columns": columns})
}
