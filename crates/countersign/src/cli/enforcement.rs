//! `enforcement`: how strongly each control holds a change up, and letting pass what is soft.

use std::fmt::Write as _;
use std::path::Path;

use countersign_govern::{access, enforcement as acts};
use countersign_model::governance::{Criticality, Level, Tier};
use countersign_model::{Digest, Exit};
use countersign_policy::{Assignment, Catalogue};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::overrule::{Which, overrule};
use countersign_stages::release::pen::Pen;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::catalogue;
use super::enforcement_args::{EnforcementArgs, EnforcementVerb};
use super::place::{find_run, notices};
use super::{remote_documents, remote_overrides};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// `enforcement`.
pub(crate) fn run(at: &PlaceArgs, args: &EnforcementArgs, env: &Environment) -> Outcome {
    let catalogue = catalogue::load(at)?;
    match &args.verb {
        EnforcementVerb::Check { file, format } => {
            let assignment = read(file, &catalogue)?;
            match format {
                Format::Json => output::json(&to_json(&assignment, None, &catalogue)?)?,
                Format::Text => {
                    output::print(&format!(
                        "✓ {} can be put in effect\n{}",
                        file.display(),
                        table(&assignment, &catalogue)
                    ))?;
                }
            }
        }
        EnforcementVerb::Activate { file, reason, key, server, format } => {
            if let Some(client) = server.client(env)? {
                let (name, text) = (file.display().to_string(), CliError::text_of(file)?);
                let file = remote_documents::File { name: &name, text: &text, only: &[], reason: reason.as_deref() };
                return remote_documents::levels(&client, &file, key, *format, env);
            }
            let assignment = read(file, &catalogue)?;
            let mut session = at.open(env)?;
            let pen = key.signer(env)?;
            let written = acts::activate(&mut session, &assignment, reason.as_deref(), access::Pen::Key(&pen))?;
            notices(&mut session);
            levels_in_effect(&assignment.digest()?, written.done_if_new()?, *format)?;
        }
        EnforcementVerb::Show { format } => {
            let session = at.open(env)?;
            let active = acts::in_effect(&session)?;
            match (format, active) {
                (Format::Json, Some((active, assignment))) => {
                    output::json(&to_json(&assignment, Some(active.index), &catalogue)?)?
                }
                (Format::Json, None) => output::json(&to_json(&Assignment::none(), None, &catalogue)?)?,
                (Format::Text, Some((active, assignment))) => {
                    let by = printable(&session.state().label(&active.by)?);
                    let mut out = format!("{}  entry {}, by {by}, {}\n", active.digest, active.index, active.time);
                    out.push_str(&table(&assignment, &catalogue));
                    output::print(&out)?;
                }
                (Format::Text, None) => output::print(
                    "nobody has put levels in effect: every control is hard\n\
                     Next: write enforcement.yaml, then: countersign enforcement activate enforcement.yaml\n",
                )?,
            }
        }
        EnforcementVerb::Diff { file, format } => {
            let after = read(file, &catalogue)?;
            let session = at.open(env)?;
            let before = acts::in_effect(&session)?.map_or_else(Assignment::none, |(_, assignment)| assignment);
            let changes = before.changes(&after, catalogue.controls.keys().map(String::as_str));
            match format {
                Format::Json => {
                    let rows: Vec<Value> = changes
                        .iter()
                        .map(|c| {
                            json!({
                                "control": c.control, "tier": c.cell.0, "criticality": c.cell.1, "before": c.before,
                                "after": c.after, "loosens": c.after < c.before,
                            })
                        })
                        .collect();
                    output::json(&json!({"version": 1, "changes": rows}))?;
                }
                Format::Text => {
                    let mut out = String::new();
                    for c in &changes {
                        let (tier, criticality) = c.cell;
                        let word = if c.after < c.before { "looser" } else { "stricter" };
                        let _ = writeln!(
                            out,
                            "{word:<8}  {:<32} {tier:<15} {criticality:<9} {} → {}",
                            c.control, c.before, c.after
                        );
                    }
                    let _ = writeln!(out, "{}", output::count(changes.len() as u64, "level changes", "levels change"));
                    output::print(&out)?;
                }
            }
        }
        EnforcementVerb::Override { run, control, reason, key, server, format } => {
            if let Some(client) = server.client(env)? {
                let asked = remote_overrides::Asked { run, control, reason };
                return remote_overrides::overrule(&client, at, &asked, key, *format, env);
            }
            let mut session = at.open(env)?;
            let run = find_run(&session, run)?;
            let (which, pen) = (Which::Controls(control), key.signer(env)?);
            let done = overrule(&mut session, &ConfinedEngine, &run, which, reason, Pen::Key(&pen))?.done()?;
            notices(&mut session);
            overridden(&done.to_json(&run), *format)?;
        }
    }
    Ok(Exit::Pass)
}

/// Prints what is overridden, as programs are told it.
pub(super) fn overridden(done: &Value, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(done);
    }
    let text = |value: &Value, name: &str| printable(value[name].as_str().unwrap_or_default());
    let mut out = format!("✓ {} overrides (entry {}):\n", text(done, "override"), done["index"]);
    for r in done["reasons"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "  {}  {}: {}", text(r, "gate"), text(r, "code"), text(r, "text"));
    }
    let _ = writeln!(out, "Approvals given before count no more: countersign gate check {}", text(done, "run"));
    output::print(&out)
}

/// Says that levels are in effect: since this entry, or already.
pub(super) fn levels_in_effect(digest: &Digest, index: Option<u64>, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "index": index, "assignment": digest})),
        Format::Text => output::print(&match index {
            Some(index) => format!(
                "✓ the levels of {digest} are in effect from here on (entry {index}); decisions made before do not count any \
                 more\n"
            ),
            None => format!("✓ the levels of {digest} are in effect already\n"),
        }),
    }
}

/// Reads an enforcement file.
fn read(file: &Path, catalogue: &Catalogue) -> Result<Assignment, Failure> {
    Ok(acts::parse(&file.display().to_string(), &CliError::text_of(file)?, catalogue)?)
}

fn to_json(assignment: &Assignment, index: Option<u64>, catalogue: &Catalogue) -> Result<Value, Failure> {
    let mut levels = Vec::new();
    for control in catalogue.controls.keys() {
        for ((tier, criticality), level) in assignment.levels(control) {
            levels.push(json!({"control": control, "tier": tier, "criticality": criticality, "level": level}));
        }
    }
    let digest = assignment.digest()?;
    Ok(json!({"version": 1, "index": index, "digest": digest, "assignment": assignment, "levels": levels}))
}

/// Controls whose levels are not all hard, by tier; the level of each criticality where they differ.
fn table(assignment: &Assignment, catalogue: &Catalogue) -> String {
    let mut out = String::new();
    let mut hard = 0_u64;
    for control in catalogue.controls.keys() {
        let levels = assignment.levels(control);
        if levels.values().all(|level| *level == Level::Hard) {
            hard += 1;
            continue;
        }
        let _ = writeln!(out, "  {control}");
        for tier in Tier::ALL.iter().rev() {
            let of = |c: Criticality| assignment.level_at(control, (*tier, c));
            let all: Vec<(Criticality, Level)> = Criticality::ALL.iter().rev().map(|c| (*c, of(*c))).collect();
            let first = all.first().map(|(_, level)| *level);
            let text = if all.iter().all(|(_, level)| Some(*level) == first) {
                first.map(|level| level.to_string()).unwrap_or_default()
            } else {
                all.iter().map(|(c, level)| format!("{c} {level}")).collect::<Vec<_>>().join(", ")
            };
            let _ = writeln!(out, "      {tier:<15} {text}");
        }
    }
    let _ = writeln!(out, "  {} hard everywhere", output::count(hard, "control is", "controls are"));
    let _ =
        writeln!(out, "  soft is overridden by {}, unless a rule says otherwise", assignment.overrider.with_article());
    out
}
