//! `assess`: what the ledger says of a window of time, held against the catalogue.

use countersign_govern::assess::{self as use_case, Ask, Window};
use countersign_govern::audit::verify::Verified;
use countersign_model::{Exit, Outcome as Judged};
use countersign_store::Session;

use super::args::PlaceArgs;
use super::catalogue_args::{AssessArgs, AssessFormat, WindowArgs};
use super::place::notices;
use super::{catalogue, verify as verifying};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, Paint, assess as report, assess_html as html};

const DAYS: i64 = 90;

/// `assess`.
pub(crate) fn run(at: &PlaceArgs, args: &AssessArgs, env: &Environment) -> Outcome {
    let catalogue = catalogue::load(at)?;
    let mut session = at.open(env)?;
    let window = window(&args.window, &session)?;
    let verified = verify(at, env)?;
    let ask = Ask { window, framework: args.framework.clone(), repeat: args.repeat };
    let assessment = use_case::assess(&session, &catalogue, Some(&verified), &ask)?;
    // Recorded before it is shown.
    let recorded = if args.record { Some(use_case::record(&mut session, &assessment)?) } else { None };
    notices(&mut session);
    if let Some(path) = &args.facts {
        let mut text = serde_json::to_string_pretty(&assessment.facts).map_err(|source| CliError::Json { source })?;
        text.push('\n');
        std::fs::write(path, text).map_err(|source| CliError::Write { path: path.clone(), source })?;
    }
    match args.format {
        AssessFormat::Json => output::json(&report::to_json(&assessment, &catalogue, recorded))?,
        AssessFormat::Text => {
            let whole = args.framework.is_some();
            output::print(&report::text(&assessment, &catalogue, recorded, whole, &Paint::of(env)))?;
        }
        AssessFormat::Html => output::print(&html::page(&assessment, &catalogue, recorded))?,
    }
    Ok(match assessment.outcome() {
        Judged::Fail => Exit::Denied,
        Judged::Error | Judged::NotEvaluated => Exit::Incomplete,
        Judged::Pending => Exit::Waiting,
        Judged::Pass | Judged::Waived | Judged::Mitigated | Judged::NotApplicable => Exit::Pass,
    })
}

/// The window that is asked for: by default the last 90 days.
pub(super) fn window(args: &WindowArgs, session: &Session) -> Result<Window, Failure> {
    let to = args.to.unwrap_or_else(|| session.now());
    let from = args.from.unwrap_or_else(|| to.plus_seconds(DAYS.saturating_mul(-24 * 3600)));
    if from >= to {
        return Err(countersign_govern::Error::NoWindow { from, to }.into());
    }
    Ok(Window { from, to })
}

/// Verifies the ledger as `verify` does, against this machine's pin.
pub(super) fn verify(at: &PlaceArgs, env: &Environment) -> Result<Verified, Failure> {
    verifying::here(at, env)
}
