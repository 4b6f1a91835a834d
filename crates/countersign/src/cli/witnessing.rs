//! `ledger witness`, `trust policy`, and what happens after every command that may have appended.

use std::fmt::Write as _;
use std::path::Path;

use countersign_evidence::trust_policy::TrustPolicy;
use countersign_govern::audit::witness::{self, Collected};
use countersign_model::{Diagnostic as _, Exit, Timestamp};
use countersign_store::Ledger;
use serde_json::json;

use super::args::{Format, PlaceArgs, TrustPolicyVerb};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// `trust policy set | show`.
pub(crate) fn policy(at: &PlaceArgs, verb: &TrustPolicyVerb, env: &Environment) -> Outcome {
    let ledger = at.ledger(env)?;
    let installation = env.installation()?;
    match verb {
        TrustPolicyVerb::Set { file } => {
            let text = read(file)?;
            let policy = TrustPolicy::parse(&text)?;
            witness::check_policy(&ledger, &policy)?;
            installation.set_trust_policy(ledger.origin(), &text)?;
            output::print(&format!(
                "✓ on this machine, checkpoints of {} are to be cosigned by {}\n  next: countersign ledger witness\n",
                printable(ledger.origin()),
                printable(&policy.quorum_text()),
            ))?;
        }
        TrustPolicyVerb::Show => match installation.trust_policy_text(ledger.origin())? {
            Some(text) => output::print_bytes(&text)?,
            None => return Err(no_policy(&ledger)),
        },
    }
    Ok(Exit::Pass)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|source| CliError::Read { path: file.to_owned(), source }.into())
}

fn no_policy(ledger: &Ledger) -> Failure {
    countersign_govern::Error::NoPolicy { origin: ledger.origin().to_owned() }.into()
}

/// `ledger witness`.
pub(crate) fn run(at: &PlaceArgs, format: Format, env: &Environment) -> Outcome {
    let session = at.open(env)?;
    let ledger = session.ledger();
    let policy = session.installation().trust_policy(ledger.origin())?.ok_or_else(|| no_policy(ledger))?;
    let collected = witness::collect(&session, &policy)?;
    match format {
        Format::Json => output::json(&to_json(&collected, &policy))?,
        Format::Text => output::print(&text(&collected, &policy))?,
    }
    // A witness that saw another history is more than a missing signature.
    let alarm = collected.failures.iter().filter_map(|(_, e)| e.as_ref()).any(|e| e.exit() == Exit::Unverified);
    Ok(match (alarm, collected.standing.quorum && !collected.moved_on) {
        (true, _) => Exit::Unverified,
        (false, true) => Exit::Pass,
        (false, false) => Exit::Incomplete,
    })
}

fn text(collected: &Collected, policy: &TrustPolicy) -> String {
    let standing = &collected.standing;
    let quorum = printable(&policy.quorum_text());
    let mut out = format!("{} at {}\n", printable(&standing.checkpoint.origin), standing.checkpoint.size);
    for cosignature in &standing.cosignatures {
        let _ = writeln!(out, "  ✓ {}  {}", printable(&cosignature.witness), moment(cosignature.time));
    }
    for (names, error) in &collected.failures {
        let _ = match error {
            Some(e) => writeln!(
                out,
                "  ✗ {}: {} [{}]\n    help: {}",
                printable(names),
                printable(&e.to_string()),
                e.code(),
                e.help()
            ),
            None => writeln!(out, "  ✗ {}: the policy gives no address of it", printable(names)),
        };
    }
    if collected.moved_on {
        out.push_str("  the log has grown meanwhile; ask again\n");
    }
    let _ = match standing.quorum {
        true => writeln!(out, "✓ quorum met: {quorum}"),
        false => {
            writeln!(out, "✗ quorum not met: it asks for {quorum}; every entry stands, and asking again loses nothing")
        }
    };
    out
}

fn moment(seconds: u64) -> String {
    let millis = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    Timestamp::from_millis(millis).to_string()
}

fn to_json(collected: &Collected, policy: &TrustPolicy) -> serde_json::Value {
    let standing = &collected.standing;
    json!({
        "version": 1,
        "origin": standing.checkpoint.origin,
        "size": standing.checkpoint.size,
        "quorum": { "asked": policy.quorum_text(), "met": standing.quorum && !collected.moved_on },
        "cosignatures": standing.cosignatures.iter().map(|c| json!({"witness": c.witness, "time": moment(c.time)})).collect::<Vec<_>>(),
        "missing": standing.missing,
        "failures": collected.failures.iter().map(|(names, e)| json!({
            "witnesses": names,
            "code": e.as_ref().map(|e| e.code()),
            "what": e.as_ref().map_or_else(|| "the policy gives no address of it".to_owned(), ToString::to_string),
        })).collect::<Vec<_>>(),
    })
}

/// After a command that may have appended: where a trust policy asks for witnesses and the newest checkpoint does not have them,
/// they are asked. Whatever comes of it is a note: the command's own outcome stands.
pub(crate) fn after(at: &PlaceArgs, env: &Environment) {
    match ask_again(at, env) {
        Ok(None) => {}
        Ok(Some(what)) => output::note(&what),
        Err(e) => output::note(&format!("no witness was asked: {} [{}]", e.0, e.0.code())),
    }
}

fn ask_again(at: &PlaceArgs, env: &Environment) -> Result<Option<String>, Failure> {
    // Where there is no ledger, or none of this machine's, there is nothing to ask for.
    let Ok(ledger) = at.ledger(env) else { return Ok(None) };
    let Ok(installation) = env.installation() else { return Ok(None) };
    let Some(policy) = installation.trust_policy(ledger.origin())? else { return Ok(None) };
    if !policy.asks_for_witnesses() || witness::standing(&ledger, &policy)?.quorum {
        return Ok(None);
    }
    let collected = witness::collect(&at.open(env)?, &policy)?;
    if collected.standing.quorum && !collected.moved_on {
        return Ok(None);
    }
    let mut what = format!("the quorum of witnesses is not met yet: it asks for {}", policy.quorum_text());
    for (names, error) in &collected.failures {
        let _ = match error {
            Some(e) => write!(what, "; {names}: {e} [{}]", e.code()),
            None => write!(what, "; {names}: the policy gives no address of it"),
        };
    }
    what.push_str("; every entry stands; ask again with: countersign ledger witness");
    Ok(Some(what))
}
