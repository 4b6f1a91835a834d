//! `deploy`: issue a grant, or redeem one.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use countersign_evidence::grant_token::{self, looks_like};
use countersign_model::{Diagnostic as _, Exit, GrantId, RunId};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::deploy::issue;
use countersign_stages::release::grant::{Wanted, token};
use countersign_stages::release::redeem::{Deployed, Presented, Redemption, command, redeem};
use countersign_store::Session;
use serde_json::json;

use super::args::{Format, KeyArgs, PlaceArgs};
use super::grant::{artifacts, find_id, small};
use super::grant_args::DeployArgs;
use super::place::{find_run, notices};
use super::remote_grants;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, Paint};

/// The signal that a terminal sends for Ctrl-C.
const SIGINT: i32 = 2;
/// How a shell reports a command that it ended.
const INTERRUPTED: i32 = 130;

/// Issues or redeems.
pub(crate) fn run(at: &PlaceArgs, args: &DeployArgs, env: &Environment) -> Outcome {
    let client = args.server.client(env)?;
    match (&args.run, &args.env, &args.grant) {
        (Some(run), Some(environment), None) => {
            let issuing = Issuing {
                run,
                environment,
                ttl: args.ttl,
                out: args.out.as_deref(),
                key: &args.key,
                format: args.format,
            };
            match client {
                Some(client) => remote_grants::issue(&client, at, &issuing, env),
                None => issue_grant(at.open(env)?, &issuing, env),
            }
        }
        (_, _, Some(grant)) => match client {
            Some(client) => remote_grants::deploy(&client, args, grant, env),
            None => redeem_grant(at, args, grant, env),
        },
        _ => Err(CliError::Usage {
            what: "either a run and --env, or --grant and a command".into(),
            help: "countersign deploy --help".into(),
        }
        .into()),
    }
}

/// What is asked for when a grant is issued.
pub(super) struct Issuing<'a> {
    pub(super) run: &'a str,
    pub(super) environment: &'a str,
    pub(super) ttl: u16,
    pub(super) out: Option<&'a Path>,
    pub(super) key: &'a KeyArgs,
    pub(super) format: Format,
}

pub(super) fn issue_grant(mut session: Session, issuing: &Issuing<'_>, env: &Environment) -> Outcome {
    if session.state().trust().is_none() {
        return Err(countersign_stages::Error::NoTrustRoot { act: "deploy" }.into());
    }
    let run: RunId = find_run(&session, issuing.run)?;
    let signer = issuing.key.signer(env)?;
    let seconds = i64::from(issuing.ttl) * 60;
    let issued = issue(&mut session, &ConfinedEngine, &run, issuing.environment, seconds, &signer)?;
    notices(&mut session);
    let id = &issued.grant.grant;
    let path = issuing.out.map_or_else(
        || session.installation().ledger_dir(session.ledger().origin()).join("grants").join(format!("{id}.json")),
        Path::to_owned,
    );
    let row = session.state().grant(id)?;
    let token = row.map(|row| token(&session, &row)).transpose()?.unwrap_or_default();
    write_grant(&path, &issued.act.to_vec()?, id, &token)?;
    match issuing.format {
        Format::Json => output::json(&json!({
            "version": 1,
            "grant": {
                "id": id, "file": path.to_string_lossy(), "run": run, "environment": issuing.environment,
                "commit": issued.grant.commit, "expires": issued.grant.expires, "index": issued.index,
                "self_judged": issued.grant.self_judged, "token": token,
            },
        }))?,
        Format::Text => {
            let p = Paint::of(env);
            let by = if issued.grant.self_judged { "this machine itself (self-judged)" } else { "a server" };
            output::print(&format!(
                "{}✓{} grant {id} for {}, good once until {} (entry {})\n  judged by {by}\n  {}countersign deploy --grant {} -- COMMAND{}\n",
                p.good,
                p.reset,
                issuing.environment,
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

/// Writes the file of a grant: the act for people and auditors, the token for tools.
pub(super) fn write_grant(path: &Path, act: &[u8], id: &GrantId, token: &str) -> Result<(), Failure> {
    let fail = |source| CliError::Write { path: path.to_owned(), source };
    if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).map_err(fail)?;
    }
    let act: serde_json::Value = serde_json::from_slice(act).map_err(|source| CliError::Json { source })?;
    let file = json!({"version": 1, "grant": id, "act": act, "token": token});
    let mut text = serde_json::to_string_pretty(&file).map_err(|source| CliError::Json { source })?;
    text.push('\n');
    std::fs::write(path, text).map_err(fail)?;
    Ok(())
}

fn redeem_grant(at: &PlaceArgs, args: &DeployArgs, grant: &str, env: &Environment) -> Outcome {
    let mut session = at.open(env)?;
    let presented = resolve(&mut session, grant, "redeem")?;
    let wanted = Wanted { environment: args.env.clone(), artifacts: artifacts(&args.artifact)?, commit: None };
    let command = command(&args.command);
    let redemption = Redemption { act: "redeem", presented: &presented, wanted: &wanted, command, sent: None };
    let (broker, dir) = (args.broker.as_ref(), Path::new("."));
    let deployed = redeem(&mut session, &ConfinedEngine, &redemption, &args.command, broker, dir)?;
    notices(&mut session);
    ended(&deployed, args.format, env)
}

/// Says how a deployment ended.
pub(super) fn ended(deployed: &Deployed, format: Format, env: &Environment) -> Outcome {
    match format {
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

/// What a text on the command line means: a token, a grant's id, `-` for standard input, or a file with any of these.
pub(super) fn present(text: &str) -> Result<Presented, Failure> {
    let path = Path::new(text);
    let read = if text == "-" {
        let mut read = String::new();
        let fail = |source| CliError::Read { path: PathBuf::from("-"), source };
        std::io::stdin().take(1024 * 1024).read_to_string(&mut read).map_err(fail)?;
        read
    } else if looks_like(text) || text.starts_with("eyJ") && !path.exists() {
        return Ok(Presented::Token(text.to_owned()));
    } else if let Some(id) = find_id(text)
        && !path.exists()
    {
        return Ok(Presented::Id(id));
    } else {
        small(path)?
    };
    let word = read.trim();
    if word.starts_with("eyJ") {
        return Ok(Presented::Token(word.to_owned()));
    }
    let file: Option<serde_json::Value> = serde_json::from_str(word).ok();
    if let Some(token) = file.as_ref().and_then(|f| f.get("token")).and_then(|t| t.as_str()).filter(|t| !t.is_empty()) {
        return Ok(Presented::Token(token.to_owned()));
    }
    match find_id(word) {
        Some(id) => Ok(Presented::Id(id)),
        // A token that lost its first letters, or something else altogether: the one that is asked says what is wrong.
        None if word.split('.').count() == 3 => Ok(Presented::Token(word.to_owned())),
        None => Err(CliError::NoGrantInFile { path: path.to_owned() }.into()),
    }
}

/// As [`present`], for a grant that is about to be redeemed. A file carries a copy of the signed act; one that differs from
/// the ledger's is refused, and that is recorded.
pub(super) fn resolve(session: &mut Session, text: &str, act: &'static str) -> Result<Presented, Failure> {
    let presented = match present(text) {
        Err(failure) if failure.0.code() == "CS-CLI-013" => {
            session.record_refusal(act, None, None, failure.0.code())?;
            return Err(failure);
        }
        presented => presented?,
    };
    let path = Path::new(text);
    if text != "-" && !looks_like(text) && path.exists() {
        let id = match &presented {
            Presented::Id(id) => Some(id.clone()),
            Presented::Token(_) => find_id(&small(path)?),
        };
        if let Some(id) = id {
            unaltered(session, &id, path, act)?;
        }
    }
    Ok(presented)
}

fn unaltered(session: &mut Session, id: &GrantId, grant: &Path, act: &'static str) -> Result<(), Failure> {
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
    // The id that the file names, and the one that its token was made for, are the same grant's.
    let token = file.as_ref().and_then(|f| f.get("token")).and_then(|t| t.as_str()).filter(|t| !t.is_empty());
    let own = countersign_stages::release::grant::own(session)?;
    let same = token.is_none_or(|t| !matches!(grant_token::open(t, &own.keys), Ok((c, _)) if c.jti != *id));
    if copy.is_some() && copy == payload && same {
        return Ok(());
    }
    let altered = CliError::GrantAltered { path: grant.to_owned() };
    session.record_refusal(act, Some(&run), None, altered.code())?;
    Err(altered.into())
}
