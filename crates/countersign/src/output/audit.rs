//! What `audit` says.

use std::fmt::Write as _;

use countersign_govern::Error;
use countersign_govern::assess::Window;
use countersign_govern::audit::pack::Made;
use countersign_govern::audit::pack::check::Checked;
use countersign_govern::audit::population::{Member, Population};
use countersign_govern::audit::reconcile::Reconciliation;
use countersign_model::Outcome;
use countersign_store::Session;
use countersign_store::projection::{PopulationRow, SampleRow};
use serde_json::{Value, json};

use super::{Paint, count, printable, table};

/// A pack that was made.
pub(crate) fn made(made: &Made, p: &Paint) -> String {
    let mut out = String::new();
    let m = &made.manifest;
    let left_out: u64 = m.left_out.iter().map(|(first, last)| last - first + 1).sum();
    let _ = writeln!(out, "{}✓ {}{}", p.good, printable(&made.path.display().to_string()), p.reset);
    let _ = writeln!(
        out,
        "  {}, {} with exceptions; {} of the log, the payloads of {} left out",
        count(m.deployments, "deployment", "deployments"),
        made.exceptions,
        count(m.size, "entry", "entries"),
        left_out
    );
    for missing in &m.missing {
        let _ = match missing.certificate {
            Some(entry) => {
                writeln!(out, "  note: entry {}: disposed of, by the certificate in entry {entry}", missing.entry)
            }
            None => writeln!(out, "  {}✗{} entry {}: its payload is missing", p.bad, p.reset, missing.entry),
        };
    }
    let _ = writeln!(out, "  {} bytes, {}", made.file.size, made.file.digest);
    let _ = writeln!(out, "  recorded in entry {}", made.index);
    let _ = writeln!(out, "next: countersign verify {} --re-evaluate", printable(&made.path.display().to_string()));
    out
}

/// The same for programs.
pub(crate) fn made_json(made: &Made) -> Value {
    json!({
        "version": 1, "path": made.path.display().to_string(), "sha256": made.file.digest, "bytes": made.file.size,
        "files": made.file.members, "entry": made.index, "exceptions": made.exceptions, "manifest": made.manifest,
    })
}

/// What `verify` adds for a pack.
pub(crate) fn checked(c: &Checked, p: &Paint) -> String {
    let mut out = String::new();
    let m = &c.manifest;
    let about = match &m.scope.deployment {
        Some(grant) => format!("deployment {grant}"),
        None => {
            let from = m.scope.from.map_or_else(String::new, |t| format!(" from {t}"));
            let to = m.scope.to.map_or_else(String::new, |t| format!(" before {t}"));
            format!("the period{from}{to}")
        }
    };
    let _ = writeln!(out, "{}evidence pack{} of {about}", p.bold, p.reset);
    let _ = writeln!(
        out,
        "  {}, {} files; made {} by {}",
        count(m.deployments, "deployment", "deployments"),
        m.archive.members,
        m.time,
        printable(&m.tool)
    );
    for missing in &m.missing {
        let _ = match missing.certificate {
            Some(entry) => {
                writeln!(out, "  note: entry {}: disposed of, by the certificate in entry {entry}", missing.entry)
            }
            None => writeln!(out, "  {}✗{} entry {}: its payload is missing", p.bad, p.reset, missing.entry),
        };
    }
    if let Some(stamp) = &c.timestamp {
        let by = if stamp.vouched {
            "one of the given authorities vouches for it"
        } else {
            "nobody here vouches for who signed it: --timestamp-ca FILE"
        };
        let _ = writeln!(out, "  timestamp {} over the checkpoint, serial number {}; {by}", stamp.time, stamp.serial);
    }
    if let Some(r) = &c.repeated {
        let _ = writeln!(
            out,
            "  {} derived again, {} computed again: every byte of these the same{}",
            count(r.files, "file", "files"),
            count(r.identical + r.other_engine, "decision", "decisions"),
            match r.other_engine {
                0 => String::new(),
                n => format!(" ({n} of them by another version of the engine, with the same result)"),
            }
        );
    }
    if let Some(r) = &c.repeated {
        for (file, why) in &r.not_derived {
            let _ = writeln!(out, "  {}✗{} {file}: not derived again: {why}", p.bad, p.reset);
        }
    }
    let _ = writeln!(out, "  {} bytes, {}", c.bytes, c.file);
    out
}

/// The same for programs.
pub(crate) fn checked_json(c: &Checked) -> Value {
    let mut value = super::verify::to_json(&c.verified);
    let pack = json!({
        "sha256": c.file, "bytes": c.bytes, "manifest": c.manifest,
        "timestamp": c.timestamp.as_ref().map(|s| json!({"time": s.time, "serial": s.serial, "vouched": s.vouched})),
        "repeated": c.repeated.as_ref().map(|r| json!({
            "files": r.files, "identical": r.identical, "other_engine": r.other_engine,
            "not_derived": r.not_derived.iter().map(|(file, why)| json!({"file": file, "why": why})).collect::<Vec<_>>(),
        })),
    });
    if let Some(object) = value.as_object_mut() {
        object.insert("pack".into(), pack);
    }
    value
}

/// A control's sentence, and what it was applied to.
pub(crate) fn population(population: &Population, entry: Option<u64>, p: &Paint) -> Result<String, Error> {
    let mut out = String::new();
    let (n, k) = (population.members.len() as u64, population.exceptions());
    let _ = writeln!(out, "{}{}{}: {}", p.bold, population.control, p.reset, population.title);
    let _ = writeln!(out, "  from {}, before {}", population.window.from, population.window.to);
    let colour = if k == 0 { p.good } else { p.bad };
    let _ = writeln!(out, "  {colour}operated {n} of {n} times, {}{}", count(k, "exception", "exceptions"), p.reset);
    let _ = writeln!(
        out,
        "  query: {} of the log's first {} entries, by {}",
        population.query, population.size, population.definition
    );
    let _ = writeln!(out, "  root {}", population.root()?);
    let exceptions: Vec<[String; 4]> =
        population.members.iter().filter(|m| m.outcome != Outcome::Pass).map(row).collect();
    for line in table(&exceptions).lines() {
        let _ = writeln!(out, "    {line}");
    }
    let _ = match entry {
        Some(entry) => {
            writeln!(out, "  sealed in entry {entry}\nnext: countersign audit sample --population {entry} --seed TEXT")
        }
        None => writeln!(out, "  not sealed; add --seal before a sample is drawn"),
    };
    Ok(out)
}

fn row(member: &Member) -> [String; 4] {
    let mark = if member.outcome == Outcome::Pass { "✓" } else { "✗" };
    let entries: Vec<String> = member.entries.iter().map(ToString::to_string).collect();
    [
        format!("{mark} {}", printable(&member.subject)),
        member.time.to_string(),
        format!("entries {}", entries.join(", ")),
        member.text.as_deref().map(printable).unwrap_or_default(),
    ]
}

/// The same for programs.
pub(crate) fn population_json(population: &Population, entry: Option<u64>) -> Result<Value, Error> {
    Ok(json!({
        "version": 1, "control": population.control, "definition": population.definition,
        "from": population.window.from, "to": population.window.to, "applications": population.applications,
        "query": population.query, "size": population.size, "count": population.members.len(),
        "exceptions": population.exceptions(), "root": population.root()?, "entry": entry, "members": population.members,
    }))
}

/// A sample.
pub(crate) fn sample(sealed: &PopulationRow, drawn: &SampleRow, members: &[Member]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} of {} of {}, sealed in entry {}; drawn in entry {}",
        members.len(),
        sealed.said.count,
        sealed.said.control,
        sealed.index,
        drawn.index
    );
    let rows: Vec<[String; 5]> = drawn
        .chosen
        .iter()
        .zip(members)
        .map(|(place, member)| {
            let [subject, time, entries, text] = row(member);
            [place.to_string(), subject, time, entries, text]
        })
        .collect();
    out.push_str(&table(&rows));
    let _ = writeln!(out, "the same: python3 sample.py SEED {} {}", sealed.said.count, members.len());
    out
}

/// The same for programs.
pub(crate) fn sample_json(sealed: &PopulationRow, drawn: &SampleRow, members: &[Member]) -> Value {
    json!({
        "version": 1, "population": sealed.index, "control": sealed.said.control, "count": sealed.said.count,
        "root": sealed.said.root, "seed": drawn.seed, "entry": drawn.index, "chosen": drawn.chosen, "members": members,
    })
}

/// What was held against each other.
pub(crate) fn reconciliation(found: &Reconciliation, p: &Paint) -> String {
    let mut out = String::new();
    let rows: Vec<[String; 2]> = found
        .sources
        .iter()
        .map(|(name, n)| [format!("  {name}"), n.map_or_else(|| "not asked".to_owned(), |n| n.to_string())])
        .collect();
    out.push_str(&table(&rows));
    for gap in &found.gaps {
        let _ =
            writeln!(out, "{}✗{} {}: {}: {}", p.bad, p.reset, gap.kind, printable(&gap.subject), printable(&gap.text));
    }
    let _ = match found.gaps.len() {
        0 => writeln!(out, "{}✓ no gap{} between the sources that were asked", p.good, p.reset),
        n => writeln!(out, "{}", count(n as u64, "gap", "gaps")),
    };
    out
}

/// The same for programs.
pub(crate) fn reconciliation_json(found: &Reconciliation, window: Window) -> Value {
    json!({
        "version": 1, "from": window.from, "to": window.to, "sources": found.sources,
        "gaps": found.gaps.iter().map(|g| json!({
            "kind": g.kind, "subject": g.subject, "text": g.text, "entries": g.entries,
        })).collect::<Vec<_>>(),
    })
}

/// Deployments, packs, populations and samples.
pub(crate) fn listed(session: &Session) -> Result<String, Error> {
    let state = session.state();
    let mut out = String::new();
    let mut section = |title: &str, rows: &[[String; 5]]| {
        if !rows.is_empty() {
            let _ = writeln!(out, "{title}");
            for line in table(rows).lines() {
                let _ = writeln!(out, "  {line}");
            }
        }
    };
    let deployments: Vec<[String; 5]> = state
        .deployments()?
        .iter()
        .map(|d| {
            let mark = if d.success { "✓" } else { "✗" };
            let commit = d.commit.get(..12).unwrap_or(&d.commit).to_owned();
            [d.grant.to_string(), d.time.to_string(), printable(&d.environment), commit, mark.to_owned()]
        })
        .collect();
    section("deployments", &deployments);
    let packs: Vec<[String; 5]> = state
        .packs()?
        .iter()
        .map(|row| {
            let about = match (&row.scope.deployment, row.scope.from, row.scope.to) {
                (Some(grant), ..) => grant.to_string(),
                (None, Some(from), Some(to)) => format!("{from} to {to}"),
                _ => "everything".to_owned(),
            };
            [
                format!("entry {}", row.index),
                row.time.to_string(),
                about,
                count(row.deployments, "deployment", "deployments"),
                row.pack.to_string(),
            ]
        })
        .collect();
    section("packs", &packs);
    let (mut populations, mut samples) = (Vec::new(), Vec::new());
    for row in state.populations()? {
        populations.push([
            format!("entry {}", row.index),
            row.said.time.to_string(),
            row.said.control.clone(),
            format!(
                "{}, {}",
                count(row.said.count, "member", "members"),
                count(row.said.exceptions, "exception", "exceptions")
            ),
            row.said.root.to_string(),
        ]);
        for drawn in state.samples_of(row.index)? {
            samples.push([
                format!("entry {}", drawn.index),
                drawn.time.to_string(),
                format!("of entry {}", drawn.population),
                count(drawn.chosen.len() as u64, "member", "members"),
                format!("seed {}", printable(&drawn.seed)),
            ]);
        }
    }
    section("populations", &populations);
    section("samples", &samples);
    if out.is_empty() {
        out.push_str("nothing was deployed yet, and nothing packed or sealed\n");
    }
    Ok(out)
}

/// The same for programs.
pub(crate) fn listed_json(session: &Session) -> Result<Value, Error> {
    let state = session.state();
    let mut samples = Vec::new();
    let populations = state.populations()?;
    for row in &populations {
        samples.extend(state.samples_of(row.index)?);
    }
    Ok(json!({
        "version": 1,
        "deployments": state.deployments()?.iter().map(|d| json!({
            "grant": d.grant, "entry": d.index, "repository": d.repository, "environment": d.environment,
            "commit": d.commit, "run": d.run, "success": d.success, "time": d.time,
        })).collect::<Vec<_>>(),
        "packs": state.packs()?.iter().map(|row| json!({
            "entry": row.index, "scope": row.scope, "size": row.size, "deployments": row.deployments, "sha256": row.pack,
            "bytes": row.bytes, "time": row.time,
        })).collect::<Vec<_>>(),
        "populations": populations.iter().map(|row| json!({"entry": row.index, "population": row.said})).collect::<Vec<_>>(),
        "samples": samples.iter().map(|row| json!({
            "entry": row.index, "population": row.population, "seed": row.seed, "chosen": row.chosen, "time": row.time,
        })).collect::<Vec<_>>(),
    }))
}
