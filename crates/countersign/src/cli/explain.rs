//! `explain`: the long text behind an error code. Works offline, like everything else.

use std::fmt::Write as _;

use countersign_model::Exit;

use super::args::ExplainArgs;
use crate::errors::{CliError, Outcome, explanations};
use crate::output;

/// Explains a code, or lists them all.
pub(crate) fn run(args: &ExplainArgs) -> Outcome {
    let all = explanations();
    let mut out = String::new();
    match &args.code {
        None => {
            for e in all {
                let _ = writeln!(out, "{:<16} {}", e.code, e.title);
            }
        }
        Some(code) => {
            let wanted = code.trim().to_uppercase();
            let Some(e) = all.iter().find(|e| e.code == wanted) else {
                let nearest = all
                    .iter()
                    .map(|e| (strsim::damerau_levenshtein(e.code, &wanted), e.code))
                    .min()
                    .filter(|(distance, _)| *distance <= 3)
                    .map(|(_, code)| code);
                return Err(CliError::NoSuchCode { code: code.clone(), nearest }.into());
            };
            let meaning = Exit::ALL.iter().find(|(exit, _)| *exit == e.exit).map_or("", |(_, text)| text);
            let _ = writeln!(
                out,
                "{}: {}\n\n{}\n\nThe command ends with {} ({meaning}).",
                e.code,
                e.title,
                e.text,
                e.exit.code()
            );
        }
    }
    output::print(&out)?;
    Ok(Exit::Pass)
}
