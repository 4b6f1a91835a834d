//! `ledger dispose` and `ledger erase-subject`.

use std::path::Path;

use countersign_govern::retention::{self, Erasure};
use countersign_model::Exit;
use countersign_model::retention::Day;
use countersign_model::retention::plan::MAX_BYTES;
use countersign_store::disposal::DisposalOrder;

use super::args::{Format, PlaceArgs};
use super::place::notices;
use super::retention_args::{DisposeArgs, EraseArgs};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::disposal as pages;
use crate::output::{self, printable};

/// `ledger dispose`.
pub(crate) fn dispose(at: &PlaceArgs, args: &DisposeArgs, env: &Environment) -> Outcome {
    let mut session = at.open(env)?;
    let exit = if args.plan {
        let planned = retention::plan(&session, session.now())?;
        match args.format {
            Format::Json => output::json(&pages::plan_json(&planned))?,
            Format::Text => output::print(&pages::plan(&planned))?,
        }
        if planned.plan.is_some() { Exit::Pass } else { Exit::Nothing }
    } else if args.finish {
        let finished = retention::finish(&mut session)?;
        match args.format {
            Format::Json => output::json(&pages::finished_json(&finished))?,
            Format::Text => output::print(&pages::finished(&finished))?,
        }
        Exit::Pass
    } else if let Some(out) = &args.out {
        let order = retention::order(&mut session, today(args.today)?, &args.key.signer(env)?)?;
        let bytes = order.to_vec()?;
        std::fs::write(out, bytes).map_err(|source| CliError::Write { path: out.clone(), source })?;
        match args.format {
            Format::Json => output::json(&pages::order_json(&order, out))?,
            Format::Text => output::print(&pages::order(&order, out))?,
        }
        Exit::Waiting
    } else {
        let file = args.file.as_deref().unwrap_or(Path::new(""));
        // What an earlier disposal left behind goes first.
        retention::finish(&mut session)?;
        let order = read(file)?;
        let disposed = retention::execute(&mut session, &order, today(args.today)?, &args.key.signer(env)?)?;
        match args.format {
            Format::Json => output::json(&pages::disposed_json(&disposed))?,
            Format::Text => output::print(&pages::disposed(&disposed))?,
        }
        let refused = disposed.finished.remaining.iter().any(|r| r.why != "shared");
        if refused { Exit::Incomplete } else { Exit::Pass }
    };
    notices(&mut session);
    Ok(exit)
}

fn read(file: &Path) -> Result<DisposalOrder, Failure> {
    use std::io::Read as _;
    let failed = |source| CliError::Read { path: file.to_owned(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(failed)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    DisposalOrder::from_slice(&bytes)
        .map_err(|e| countersign_govern::Error::NotAnOrder { why: printable(&e.to_string()) }.into())
}

fn today(day: Option<Day>) -> Result<Day, Failure> {
    day.ok_or_else(|| {
        CliError::Usage {
            what: "a disposal needs today's date as you know it: a clock that is wrong must free nothing".into(),
            help: "write it down: --today YYYY-MM-DD".into(),
        }
        .into()
    })
}

/// `ledger erase-subject`.
pub(crate) fn erase(at: &PlaceArgs, args: &EraseArgs, env: &Environment) -> Outcome {
    let mut session = at.open(env)?;
    let signer = args.key.signer(env)?;
    let erasures: Vec<Erasure> = match (&args.person, args.today) {
        (Some(person), today) => {
            let reason = args.reason.as_deref().unwrap_or_default();
            vec![retention::erase(&mut session, person, reason, today, &signer)?]
        }
        (None, day) => retention::erase_due(&mut session, today(day)?, &signer)?,
    };
    match args.format {
        Format::Json => output::json(&pages::erasures_json(&erasures))?,
        Format::Text => output::print(&pages::erasures(&erasures, args.today.is_some()))?,
    }
    notices(&mut session);
    Ok(if erasures.iter().all(|e| e.erased.is_some()) { Exit::Pass } else { Exit::Waiting })
}
