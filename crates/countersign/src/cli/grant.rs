//! `grant`: permission to deploy, as people and as tools carry it.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use countersign_evidence::grant_token::{self, read_keys, thumbprint};
use countersign_model::access::GrantClaims;
use countersign_model::{Diagnostic as _, Digest, Exit, GrantId, Hasher};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::error::ReleaseError;
use countersign_stages::release::grant::{self as tokens, Trusted, Wanted};
use countersign_stages::release::pen::Pen;
use countersign_stages::release::redeem::{self as acts, Ended, Presented, Redemption};
use countersign_store::Session;
use countersign_store::installation::Pin;
use countersign_store::projection::GrantRow;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::deploy::{Issuing, issue_grant, present, resolve};
use super::grant_args::{GrantArgs, GrantVerb, VerifyGrantArgs};
use super::place::notices;
use super::remote_grants;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, Paint, printable};

/// `grant`.
pub(crate) fn run(at: &PlaceArgs, args: &GrantArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.verb.server().map(|server| server.client(env)).transpose()?.flatten() {
        return remote_grants::grant(&client, at, &args.verb, env);
    }
    if let GrantVerb::Verify(args) = &args.verb {
        return verify(at, args, env);
    }
    let mut session = at.open(env)?;
    match &args.verb {
        GrantVerb::Issue { run, env: environment, ttl, out, key, format, .. } => {
            let issuing = Issuing { run, environment, ttl: *ttl, out: out.as_deref(), key, format: *format };
            return issue_grant(session, &issuing, env);
        }
        GrantVerb::List { format, .. } => list(&session, *format)?,
        GrantVerb::Show { grant, token, format, .. } => show(&session, grant, *token, *format)?,
        GrantVerb::Revoke { grant, reason, key, format, .. } => {
            let id = tokens::find(&session, grant)?.grant.grant;
            let index = tokens::revoke(&mut session, &id, reason, Pen::Key(&key.signer(env)?))?.done()?;
            match format {
                Format::Json => output::json(&json!({"version": 1, "grant": id, "revoked": true, "index": index}))?,
                Format::Text => output::print(&format!("✓ {id} is revoked (entry {index})\n"))?,
            }
        }
        GrantVerb::Redeem { grant, environment, artifact, hook, .. } => {
            let presented = resolve(&mut session, grant, "grant redeem")?;
            let wanted =
                Wanted { environment: Some(environment.clone()), artifacts: artifacts(artifact)?, commit: None };
            let command = acts::command(hook);
            let redemption =
                Redemption { act: "grant redeem", presented: &presented, wanted: &wanted, command, sent: None };
            let redeemed = acts::begin(&mut session, &ConfinedEngine, &redemption)?;
            let id = redeemed.grant.grant.clone();
            let handed = acts::handed(&session, &redeemed);
            match handed.and_then(|handed| handed.ask_broker(hook, Path::new("."))) {
                Ok(said) => output::print_bytes(&said)?,
                Err(failed) => {
                    acts::end(&mut session, &id, &Ended { success: false, outcome: acts::NO_OUTCOME, sent: None })?;
                    return Err(failed.into());
                }
            }
            output::note(&format!(
                "{id} is redeemed (entry {}); say how the deployment ended: countersign grant complete {id} --succeeded",
                redeemed.started
            ));
        }
        GrantVerb::Complete { grant, succeeded, format, .. } => {
            let id = tokens::find(&session, grant)?.grant.grant;
            let ended = Ended { success: *succeeded, outcome: acts::NO_OUTCOME, sent: None };
            let index = acts::end(&mut session, &id, &ended)?;
            completed(id.as_str(), *succeeded, index, *format)?;
        }
        GrantVerb::Keys { out } => {
            let own = tokens::own(&session)?;
            let set = grant_token::jwks(&own.keys, session.state().origin());
            match out {
                None => output::json(&set)?,
                Some(path) => {
                    let text = format!("{set}\n");
                    std::fs::write(path, text).map_err(|source| CliError::Write { path: path.clone(), source })?;
                    output::print(&format!("✓ wrote {}\n", path.display()))?;
                }
            }
        }
        GrantVerb::Verify(_) => {}
    }
    notices(&mut session);
    Ok(Exit::Pass)
}

/// Says that the end of a deployment is recorded.
pub(super) fn completed(id: &str, succeeded: bool, index: u64, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "grant": id, "success": succeeded, "index": index})),
        Format::Text => {
            let how = if succeeded { "succeeded" } else { "failed" };
            output::print(&format!("✓ the deployment with {id} {how} (entry {index})\n"))
        }
    }
}

/// Digests of what is going to be deployed: of files, or as they are written.
pub(super) fn artifacts(named: &[String]) -> Result<Vec<(String, Digest)>, Failure> {
    named
        .iter()
        .map(|name| {
            if name.starts_with("sha256:") {
                let what = format!("`{}` is no digest", printable(name));
                let digest = name
                    .parse()
                    .map_err(|_| CliError::Usage { what, help: "write sha256: and 64 hex digits".into() })?;
                return Ok((name.clone(), digest));
            }
            let read = |source| CliError::Read { path: PathBuf::from(name), source };
            let mut file = std::fs::File::open(name).map_err(read)?;
            let (mut hasher, mut chunk) = (Hasher::new(), vec![0; 64 * 1024]);
            loop {
                match file.read(&mut chunk).map_err(read)? {
                    0 => return Ok((name.clone(), hasher.finish())),
                    n => hasher.update(chunk.get(..n).unwrap_or_default()),
                }
            }
        })
        .collect()
}

/// Who is trusted: what the command line names, else the ledger that is here.
fn trusted(args: &VerifyGrantArgs, session: Option<&Session>) -> Result<(Trusted, &'static str), Failure> {
    if let Some(path) = &args.trust {
        let pin = Pin::load(path)?;
        let recorder = pin.recorder.ok_or_else(|| CliError::Usage {
            what: format!("`{}` names no recorder", path.display()),
            help: "write it anew where the ledger is, after `init`: countersign trust export --out FILE".into(),
        })?;
        return Ok((Trusted { keys: read_keys(&recorder)?.0, issuer: Some(pin.origin) }, "trust-file"));
    }
    if let Some(key) = &args.trusted_key {
        let text = if key.starts_with("ed25519:") { key.clone() } else { small(Path::new(key))? };
        let (keys, issuer) = read_keys(&text)?;
        return Ok((Trusted { keys, issuer }, "key"));
    }
    match session {
        Some(session) => Ok((tokens::own(session)?, "ledger")),
        None => Err(CliError::Usage {
            what: "nothing says whose grants are trusted".into(),
            help: "name a trust file (--trust FILE) or a key (--key KEY), or ask the ledger (--online)".into(),
        }
        .into()),
    }
}

/// A file that is small or none of ours.
pub(super) fn small(path: &Path) -> Result<String, Failure> {
    let read = |source| CliError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(read)?;
    file.take(1024 * 1024).read_to_string(&mut text).map_err(read)?;
    Ok(text)
}

fn verify(at: &PlaceArgs, args: &VerifyGrantArgs, env: &Environment) -> Outcome {
    let mut session = if args.online { Some(at.open(env)?) } else { None };
    let (trusted, by) = trusted(args, session.as_ref())?;
    let wanted = Wanted {
        environment: Some(args.environment.clone()),
        artifacts: artifacts(&args.artifact)?,
        commit: args.commit.clone(),
    };
    let text = present(&args.token)?;
    let token = match text {
        Presented::Token(token) => token,
        Presented::Id(_) => {
            let fault = grant_token::TokenFault::Malformed("a file or an id without a token");
            return invalid(args, session.as_mut(), ReleaseError::from(fault).into());
        }
    };
    let (claims, key) = match tokens::verify(token.trim(), &trusted, &wanted, env.clock.now()) {
        Ok(verified) => verified,
        Err(fault) => return invalid(args, session.as_mut(), fault.into()),
    };
    let mut checked = vec!["signature", "type", "environment", "time"];
    checked.extend(trusted.issuer.is_some().then_some("issuer"));
    checked.extend((!wanted.artifacts.is_empty()).then_some("artifact"));
    checked.extend(wanted.commit.is_some().then_some("commit"));
    let mut not_checked = vec!["single-use", "revocation", "freeze"];
    if let Some(session) = &mut session {
        if let Err(fault) = acts::stands(session, &claims) {
            return invalid(args, None, fault);
        }
        checked.extend(["single-use", "revocation", "freeze"]);
        not_checked.clear();
    }
    valid(args, &claims, &thumbprint(&key), by, &checked, &not_checked, env)?;
    Ok(Exit::Pass)
}

/// Says that a token is valid.
pub(super) fn valid(
    args: &VerifyGrantArgs,
    claims: &GrantClaims,
    kid: &str,
    by: &str,
    checked: &[&str],
    not_checked: &[&str],
    env: &Environment,
) -> Result<(), Failure> {
    match args.format {
        Format::Json => output::json(&json!({
            "version": 1, "valid": true, "grant": claims, "kid": kid, "trusted_by": by,
            "checked": checked, "not_checked": not_checked,
        })),
        Format::Text => {
            let p = Paint::of(env);
            let mut out = format!(
                "{}✓{} {} permits one deployment to {}\n  commit    {}\n  decision  {}\n  checked   {}\n",
                p.good,
                p.reset,
                printable(claims.jti.as_str()),
                printable(&claims.environment),
                printable(&claims.commit),
                claims.decision,
                checked.join(", ")
            );
            if args.artifact.is_empty() {
                out.push_str("  no artifact was compared: --artifact FILE\n");
            }
            if !not_checked.is_empty() {
                let _ = writeln!(out, "  not checked without the ledger: {}", not_checked.join(", "));
            }
            if let Some(id) = &claims.break_glass {
                let _ =
                    writeln!(out, "  {}PAST THE GATES in the emergency {}{}", p.bad, printable(id.as_str()), p.reset);
            }
            if claims.self_judged {
                out.push_str("  judged by the machine that ran it (self-judged)\n");
            }
            output::print(&out)
        }
    }
}

/// Says that a token is not valid. Where the ledger is asked, that is recorded.
fn invalid(args: &VerifyGrantArgs, session: Option<&mut Session>, fault: countersign_stages::Error) -> Outcome {
    if let Some(session) = session {
        session.record_refusal("grant verify", None, None, fault.code())?;
    }
    if args.format == Format::Json {
        output::json(&json!({"version": 1, "valid": false, "code": fault.code(), "why": fault.to_string()}))?;
    }
    Err(fault.into())
}

fn to_json(session: &Session, row: &GrantRow) -> Result<Value, Failure> {
    let said = row.revoked.as_ref().map(|s| json!({"by": s.by, "time": s.time, "reason": s.reason, "index": s.index}));
    Ok(json!({
        "state": tokens::standing(session, row)?, "by": row.grant.by, "issued": row.grant.time, "expires": row.grant.expires,
        "approvals": row.grant.approvals, "replaces": row.grant.replaces, "device": row.grant.device,
        "claims": GrantClaims::of(&row.grant, row.index), "redeemed": row.started, "revoked": said,
    }))
}

fn list(session: &Session, format: Format) -> Result<(), Failure> {
    let rows = session.state().grants()?;
    if format == Format::Json {
        let rows = rows.iter().map(|row| to_json(session, row)).collect::<Result<Vec<_>, _>>()?;
        return output::json(&json!({"version": 1, "grants": rows}));
    }
    let line = |row: &GrantRow| {
        Ok(Line {
            id: row.grant.grant.to_string(),
            state: tokens::standing(session, row)?.to_owned(),
            run: row.grant.run.to_string(),
            environment: row.grant.environment.clone(),
            expires: row.grant.expires.to_string(),
        })
    };
    output::print(&lines(&rows.iter().map(line).collect::<Result<Vec<_>, Failure>>()?))
}

/// A grant in a list.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) run: String,
    pub(super) environment: String,
    pub(super) expires: String,
}

/// A list of grants.
pub(super) fn lines(all: &[Line]) -> String {
    let mut out = String::new();
    for Line { id, state, run, environment, expires } in all {
        let _ = writeln!(out, "{id}  {state:<9}  {run}  {:<16}  until {expires}", printable(environment));
    }
    let _ = writeln!(out, "{}", output::count(all.len() as u64, "grant", "grants"));
    out
}

fn show(session: &Session, text: &str, token: bool, format: Format) -> Result<(), Failure> {
    let row = tokens::find(session, text)?;
    if token {
        return output::print(&format!("{}\n", tokens::token(session, &row)?));
    }
    if format == Format::Json {
        let mut one = to_json(session, &row)?;
        if let Some(object) = one.as_object_mut() {
            object.insert("version".into(), 1.into());
        }
        return output::json(&one);
    }
    let g = &row.grant;
    let mut out = format!("{}  {}\n", g.grant, tokens::standing(session, &row)?);
    let _ = writeln!(out, "  permits     {} to {}", printable(&g.repository), printable(&g.environment));
    let _ = writeln!(out, "  commit      {}", printable(&g.commit));
    let _ = writeln!(out, "  run         {}", g.run);
    let _ = writeln!(out, "  decision    {}", g.decision);
    if let Some(id) = &g.break_glass {
        let _ = writeln!(out, "  PAST THE GATES in the emergency {id}");
    }
    for artifact in &g.artifacts {
        let _ = writeln!(out, "  artifact    {}  {}", artifact.digest, printable(&artifact.name));
    }
    let _ = writeln!(
        out,
        "  issued      by {}, {} (entry {}), until {}",
        printable(&session.state().label(&g.by)?),
        g.time,
        row.index,
        g.expires
    );
    if let Some(index) = row.started {
        let _ = writeln!(out, "  redeemed    entry {index}");
    }
    if let Some(s) = &row.revoked {
        let by = printable(&session.state().label(&s.by)?);
        let _ = writeln!(out, "  revoked     by {by}, {} (entry {}): {}", s.time, s.index, printable(&s.reason));
    }
    output::print(&out)
}

/// The first `gra-` + 20 hex digits in a text.
pub(super) fn find_id(text: &str) -> Option<GrantId> {
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
