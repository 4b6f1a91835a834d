//! `deploy`: issue a grant, or redeem one.

use std::path::{Path, PathBuf};

use countersign_model::{Diagnostic as _, Exit, GrantId, RunId};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::deploy::{issue, redeem};
use countersign_store::Session;
use serde_json::json;

use super::args::{DeployArgs, Format, PlaceArgs};
use super::place::{find_run, notices};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, Paint};

/// The signal that a terminal sends for Ctrl-C.
const SIGINT: i32 = 2;
/// How a shell reports a command that it ended.
const INTERRUPTED: i32 = 130;

/// Issues or redeems.
pub(crate) fn run(at: &PlaceArgs, args: &DeployArgs, env: &Environment) -> Outcome {
    match (&args.run, &args.env, &args.grant) {
        (Some(run), Some(environment), None) => issue_grant(at, args, run, environment, env),
        (_, _, Some(grant)) => redeem_grant(at, args, grant, env),
        _ => Err(CliError::Usage {
            what: "either a run and --env, or --grant and a command".into(),
            help: "countersign deploy --help".into(),
        }
        .into()),
    }
}

fn issue_grant(at: &PlaceArgs, args: &DeployArgs, run: &str, environment: &str, env: &Environment) -> Outcome {
    let mut session = at.open(env)?;
    if session.state().trust().is_none() {
        return Err(countersign_stages::Error::NoTrustRoot { act: "deploy" }.into());
    }
    let run: RunId = find_run(&session, run)?;
    let signer = args.key.signer(env)?;
    let issued = issue(&mut session, &ConfinedEngine, &run, environment, i64::from(args.ttl) * 60, &signer)?;
    notices(&mut session);
    let id = &issued.grant.grant;
    let path = args.out.clone().unwrap_or_else(|| {
        session.installation().ledger_dir(session.ledger().origin()).join("grants").join(format!("{id}.json"))
    });
    write_grant(&path, &issued.act.to_vec()?, id)?;
    match args.format {
        Format::Json => output::json(&json!({
            "version": 1,
            "grant": {
                "id": id, "file": path.to_string_lossy(), "run": run, "environment": environment,
                "commit": issued.grant.commit, "expires": issued.grant.expires, "index": issued.index,
                "self_judged": issued.grant.self_judged,
            },
        }))?,
        Format::Text => {
            let p = Paint::of(env);
            output::print(&format!(
                "{}✓{} grant {id} for {environment}, good once until {} (entry {})\n  judged by this machine itself \
                 (self-judged)\n  {}countersign deploy --grant {} -- COMMAND{}\n",
                p.good,
                p.reset,
                issued.grant.expires,
                issued.index,
                p.hint,
                path.display(),
                p.reset
            ))?;
        }
    }
    Ok(Exit::Pass)
}

fn write_grant(path: &Path, act: &[u8], id: &GrantId) -> Result<(), Failure> {
    let fail = |source| CliError::Write { path: path.to_owned(), source };
    if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).map_err(fail)?;
    }
    let act: serde_json::Value = serde_json::from_slice(act).map_err(|source| CliError::Json { source })?;
    let mut text = serde_json::to_string_pretty(&json!({"version": 1, "grant": id, "act": act}))
        .map_err(|source| CliError::Json { source })?;
    text.push('\n');
    std::fs::write(path, text).map_err(fail)?;
    Ok(())
}

fn redeem_grant(at: &PlaceArgs, args: &DeployArgs, grant: &Path, env: &Environment) -> Outcome {
    let id = grant_id(grant)?;
    let mut session = at.open(env)?;
    unaltered(&mut session, &id, grant)?;
    let dir = PathBuf::from(".");
    let deployed = redeem(&mut session, &ConfinedEngine, &id, &args.command, &dir)?;
    notices(&mut session);
    match args.format {
        Format::Json => output::json(&json!({
            "version": 1, "grant": deployed.grant, "run": deployed.run, "environment": deployed.environment,
            "success": deployed.outcome.success(), "exit_code": deployed.outcome.code,
            "signal": deployed.outcome.signal, "index": deployed.index,
        }))?,
        Format::Text if deployed.outcome.success() => {
            let p = Paint::of(env);
            output::print(&format!(
                "{}✓{} deployed {} to {} (entry {})\n",
                p.good, p.reset, deployed.run, deployed.environment, deployed.index
            ))?;
        }
        Format::Text => {}
    }
    if deployed.outcome.success() {
        return Ok(Exit::Pass);
    }
    if deployed.outcome.signal == Some(SIGINT) || deployed.outcome.code == Some(INTERRUPTED) {
        return Err(CliError::Interrupted.into());
    }
    let how = match (deployed.outcome.code, deployed.outcome.signal) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no code".into(),
    };
    Err(CliError::DeploymentFailed { how }.into())
}

/// A grant is named by its id, or by a file that names the id: the ledger is what counts, not the file.
fn grant_id(grant: &Path) -> Result<GrantId, Failure> {
    let name = grant.to_string_lossy();
    if let Some(id) = find_id(&name)
        && !grant.exists()
    {
        return Ok(id);
    }
    let text = std::fs::read_to_string(grant).map_err(|source| CliError::Read { path: grant.to_owned(), source })?;
    find_id(&text).ok_or_else(|| CliError::NoGrantInFile { path: grant.to_owned() }.into())
}

/// A grant file carries a copy of the signed act. One that differs from the ledger's is refused, and that is recorded.
fn unaltered(session: &mut Session, id: &GrantId, grant: &Path) -> Result<(), Failure> {
    let Some(row) = session.state().grant(id)? else { return Ok(()) };
    let (index, run) = (row.index, row.grant.run);
    let text = std::fs::read(grant).unwrap_or_default();
    // An id alone, or a text that quotes it, claims nothing; a JSON document that no longer parses was changed.
    let file: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
    let copy = file.as_ref().and_then(|f| f.get("act"));
    if copy.is_none() && (file.is_some() || !text.trim_ascii_start().starts_with(b"{")) {
        return Ok(());
    }
    let issued = session.ledger().entries(index..index + 1)?;
    let payload = issued.first().map(|(_, entry)| session.ledger().payload(&entry.payload)).transpose()?;
    let copy = copy.and_then(|act| countersign_evidence::canonical::to_vec(act).ok());
    if copy.is_some() && copy == payload {
        return Ok(());
    }
    let altered = CliError::GrantAltered { path: grant.to_owned() };
    session.record_refusal("redeem", Some(&run), None, altered.code())?;
    Err(altered.into())
}

/// The first `gra-` + 20 hex digits in a text.
fn find_id(text: &str) -> Option<GrantId> {
    text.match_indices(GrantId::PREFIX).find_map(|(at, _)| {
        let id = text.get(at..at + GrantId::PREFIX.len() + 20)?;
        let hex = id.strip_prefix(GrantId::PREFIX)?;
        hex.bytes().all(|b| b.is_ascii_hexdigit()).then(|| GrantId::from_text(id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_found_by_its_id() {
        let id = "gra-0123456789abcdef0123";
        assert_eq!(find_id(&format!("{{\"grant\": \"{id}\"}}")), Some(GrantId::from_text(id)));
        assert_eq!(find_id("gra-xyz"), None);
        assert_eq!(find_id("gra-é123456789abcdef0123"), None);
    }
}
