//! `audit oscal`: what the ledger and the catalogue say, in the forms of others.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use countersign_govern::assess::{self as assessing, Ask, Window};
use countersign_govern::audit::{AuditError, oscal};
use countersign_model::Exit;
use countersign_store::Session;

use super::args::PlaceArgs;
use super::oscal_args::{Document, OscalArgs, Until};
use super::place::notices;
use super::{assess, catalogue};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output;

/// How many of the newest decisions an assessment computes again, as `assess` does.
const REPEAT: usize = 100;

/// `audit oscal`.
pub(crate) fn run(at: &PlaceArgs, args: &OscalArgs, env: &Environment) -> Outcome {
    let is_of_window = args.document == Document::AssessmentResults;
    if !is_of_window && args.window.is_said() {
        return Err(CliError::Usage {
            what: "this document is about how things stand, and about no window".into(),
            help: "leave out --from and --to; assessment-results takes them".into(),
        }
        .into());
    }
    if args.document == Document::Poam && !args.framework.is_empty() {
        return Err(CliError::Usage {
            what: "what is open is open, whichever framework asks".into(),
            help: "leave out --framework".into(),
        }
        .into());
    }
    let catalogue = catalogue::load(at)?;
    let mut session = at.open(env)?;
    let bytes = if is_of_window {
        oscal::frameworks(&catalogue, &args.framework)?;
        let window = window(&args.window, &session)?;
        oscal::not_empty(&session, window)?;
        let verified = assess::verify(at, env)?;
        let one = match args.framework.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        };
        let assessment =
            assessing::assess(&session, &catalogue, Some(&verified), &Ask { window, framework: one, repeat: REPEAT })?;
        oscal::results(&session, &catalogue, &assessment, &args.framework)?
    } else {
        oscal::document(&session, &catalogue, args.document.into(), &args.framework)?
    };
    notices(&mut session);
    hand_over(args.out.as_deref(), &bytes)?;
    Ok(Exit::Pass)
}

/// The window that is asked for; without an end, up to the newest entry, so that the same ledger gives the same document.
pub(super) fn window(said: &Until, session: &Session) -> Result<Window, Failure> {
    assess::window(&said.or(oscal::newest(session)?), session)
}

/// Prints it, or writes a file that is not there yet.
pub(super) fn hand_over(out: Option<&Path>, bytes: &[u8]) -> Result<(), Failure> {
    let Some(path) = out else { return output::print_bytes(bytes) };
    let failed = |source: std::io::Error| {
        countersign_govern::Error::from(match source.kind() {
            ErrorKind::AlreadyExists => AuditError::PackExists { path: path.to_owned() },
            _ => AuditError::PackFile { path: path.to_owned(), source },
        })
    };
    let mut file = File::create_new(path).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    Ok(written.map_err(|source| {
        // What is not whole is not left behind; the first error is the one to tell.
        let _ = std::fs::remove_file(path);
        failed(source)
    })?)
}
