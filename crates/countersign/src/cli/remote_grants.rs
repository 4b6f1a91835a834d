//! `deploy` and `grant` with `--server`: a machine without a ledger asks for a grant, checks it, redeems it, and says how its deployment
//! ended. What it deploys with stays here: the broker's credential and the command's words are sent nowhere.

use std::ffi::OsString;
use std::path::Path;

use countersign_connect::host_name;
use countersign_connect::process::ExitOutcome;
use countersign_connect::remote::{ApiClient, Sends};
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::statement::Statement;
use countersign_evidence::{canonical, from_base64};
use countersign_model::access::GrantClaims;
use countersign_model::digest;
use countersign_model::event::GrantIssued;
use countersign_model::{Exit, GrantId};
use countersign_stages::release::redeem::{Deployed, Handed, NO_OUTCOME, Presented, command};
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::deploy::{Issuing, ended, present, write_grant};
use super::grant::{Line, artifacts, completed, lines, valid};
use super::grant_args::{DeployArgs, GrantVerb, VerifyGrantArgs};
use super::remote::{field, only_here, run_named, stranger, whole_list};
use super::remote_says;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, Paint, printable};

const JSON: &str = "application/json";

/// The verbs of `grant`.
pub(crate) fn grant(client: &ApiClient, at: &PlaceArgs, verb: &GrantVerb, env: &Environment) -> Outcome {
    match verb {
        GrantVerb::Issue { run, env: environment, ttl, out, key, format, .. } => {
            let issuing = Issuing { run, environment, ttl: *ttl, out: out.as_deref(), key, format: *format };
            return issue(client, at, &issuing, env);
        }
        GrantVerb::List { format, .. } => list(client, *format)?,
        GrantVerb::Show { grant, token, format, .. } => show(client, grant, *token, *format)?,
        GrantVerb::Redeem { grant, environment, artifact, hook, .. } => {
            let handed = redeem(client, &present(grant)?, Some(environment), artifact, hook)?;
            let id = handed.claims.jti.clone();
            match handed.ask_broker(hook, Path::new(".")) {
                Ok(said) => output::print_bytes(&said)?,
                Err(failed) => {
                    end(client, id.as_str(), false, NO_OUTCOME)?;
                    return Err(failed.into());
                }
            }
            output::note(&format!(
                "{id} is redeemed (entry {}); say how the deployment ended: countersign grant complete {id} --succeeded --server {}",
                handed.redeemed,
                client.url()
            ));
        }
        GrantVerb::Complete { grant, succeeded, format, .. } => {
            let id = find(client, grant)?;
            let index = end(client, &id, *succeeded, NO_OUTCOME)?;
            completed(&id, *succeeded, index, *format)?;
        }
        GrantVerb::Verify(args) => return verify(client, args, env),
        GrantVerb::Revoke { grant, reason, key, format, .. } => {
            return remote_says::revoke_grant(client, grant, reason, key, *format, env);
        }
        GrantVerb::Keys { .. } => return Err(only_here("this verb")),
    }
    Ok(Exit::Pass)
}

/// `deploy --grant`: redeems, deploys, and says how it ended.
pub(crate) fn deploy(client: &ApiClient, args: &DeployArgs, grant: &str, env: &Environment) -> Outcome {
    let handed = redeem(client, &present(grant)?, args.env.as_deref(), &args.artifact, &args.command)?;
    let done = handed.deploy(&args.command, args.broker.as_ref(), Path::new("."));
    let outcome = *done.as_ref().unwrap_or(&NO_OUTCOME);
    let id = handed.claims.jti.clone();
    let success = done.is_ok() && outcome.success();
    let index = end(client, id.as_str(), success, outcome).inspect_err(|_| {
        let how = if success { "succeeded" } else { "failed" };
        output::note(&format!(
            "the deployment {how}, and the server does not know it yet: countersign grant complete {id} --{how} --server {}",
            client.url()
        ));
    })?;
    done?;
    let GrantClaims { run, environment, .. } = handed.claims;
    ended(&Deployed { grant: id, run, environment, outcome, index }, args.format, env)
}

/// What is about to be deployed, as it is sent.
fn named(artifact: &[String]) -> Result<Vec<Value>, Failure> {
    Ok(artifacts(artifact)?.into_iter().map(|(name, digest)| json!({"name": name, "digest": digest})).collect())
}

fn redeem(
    client: &ApiClient,
    presented: &Presented,
    environment: Option<&str>,
    artifact: &[String],
    words: &[OsString],
) -> Result<Handed, Failure> {
    let grant = match presented {
        Presented::Id(id) => id.as_str(),
        Presented::Token(token) => token.trim(),
    };
    let asked = json!({
        "grant": grant, "environment": environment, "artifacts": named(artifact)?, "command": command(words),
    });
    let key = digest::to_hex(&countersign_evidence::random::<16>()?);
    let headers = [("idempotency-key", key.as_str())];
    let said = client.post("redemptions", &[], &headers, &Sends::Bytes(JSON, asked.to_string().as_bytes()))?;
    let claims = claims(client, &said)?;
    let redeemed = said.get("redeemed").and_then(Value::as_u64);
    let redeemed = redeemed.ok_or_else(|| stranger(client, "its answer lacks `redeemed`"))?;
    if environment.is_some_and(|environment| environment != claims.environment) {
        return Err(stranger(client, "it redeemed a grant for another environment"));
    }
    let token = said.get("token").and_then(Value::as_str).map(str::to_owned);
    Ok(Handed { claims, redeemed, token })
}

fn claims(client: &ApiClient, said: &Value) -> Result<GrantClaims, Failure> {
    let claims = said.get("claims").cloned().unwrap_or_default();
    serde_json::from_value(claims).map_err(|_| stranger(client, "what its grant says cannot be read"))
}

/// Says how a deployment ended; the log index.
fn end(client: &ApiClient, grant: &str, success: bool, outcome: ExitOutcome) -> Result<u64, Failure> {
    let said = json!({"success": success, "exit_code": outcome.code, "signal": outcome.signal});
    let path = format!("grants/{grant}/end");
    let said = client.post(&path, &[], &[], &Sends::Bytes(JSON, said.to_string().as_bytes()))?;
    said.get("index").and_then(Value::as_u64).ok_or_else(|| stranger(client, "its answer lacks `index`"))
}

/// The grant that an id, or the start of one, means.
fn find(client: &ApiClient, text: &str) -> Result<String, Failure> {
    const WHOLE: usize = GrantId::PREFIX.len() + 20;
    if text.starts_with(GrantId::PREFIX)
        && text.len() == WHOLE
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return Ok(text.to_owned());
    }
    let mut found = whole_list(client, "grants", &[])?
        .into_iter()
        .filter_map(|g| g.get("grant").and_then(Value::as_str).map(str::to_owned));
    let mut of = found.by_ref().filter(|id| id.starts_with(text));
    match (of.next(), of.next()) {
        (Some(id), None) => Ok(id),
        _ => Err(countersign_stages::Error::NoSuchGrant { grant: text.to_owned() }.into()),
    }
}

/// A grant as the command line prints it where the ledger is.
fn as_here(client: &ApiClient, said: &Value) -> Result<Value, Failure> {
    let mut one = said.clone();
    let claims = json!(claims(client, said)?);
    if let Some(object) = one.as_object_mut() {
        object.remove("grant");
        object.insert("claims".into(), claims);
    }
    Ok(one)
}

fn list(client: &ApiClient, format: Format) -> Result<(), Failure> {
    let all = whole_list(client, "grants", &[])?;
    if format == Format::Json {
        let rows = all.iter().map(|said| as_here(client, said)).collect::<Result<Vec<_>, _>>()?;
        return output::json(&json!({"version": 1, "grants": rows}));
    }
    let rows = all.iter().map(|said| {
        let c = claims(client, said)?;
        let (state, expires) = (field(client, said, "state")?, field(client, said, "expires")?);
        Ok(Line {
            id: c.jti.to_string(),
            state: printable(state),
            run: c.run.to_string(),
            environment: c.environment,
            expires: printable(expires),
        })
    });
    output::print(&lines(&rows.collect::<Result<Vec<_>, Failure>>()?))
}

fn show(client: &ApiClient, text: &str, token: bool, format: Format) -> Result<(), Failure> {
    let id = find(client, text)?;
    if token {
        let said = client.get(&format!("grants/{id}/token"), &[])?;
        return output::print(&format!("{}\n", printable(field(client, &said, "token")?)));
    }
    let said = client.get(&format!("grants/{id}"), &[])?;
    let mut one = as_here(client, &said)?;
    if format == Format::Json {
        if let Some(object) = one.as_object_mut() {
            object.insert("version".into(), 1.into());
        }
        return output::json(&one);
    }
    let (c, word) = (claims(client, &said)?, |name: &str| field(client, &said, name).map(printable));
    let mut out =
        format!("{id}  {}\n  permits     {} to {}\n", word("state")?, printable(&c.sub), printable(&c.environment));
    out.push_str(&format!(
        "  commit      {}\n  run         {}\n  decision    {}\n",
        printable(&c.commit),
        c.run,
        c.decision
    ));
    if let Some(id) = &c.break_glass {
        out.push_str(&format!("  PAST THE GATES in the emergency {id}\n"));
    }
    for artifact in &c.artifacts {
        out.push_str(&format!("  artifact    {}  {}\n", artifact.digest, printable(&artifact.name)));
    }
    let (by, issued, expires) = (word("by")?, word("issued")?, word("expires")?);
    out.push_str(&format!("  issued      by {by}, {issued} (entry {}), until {expires}\n", c.index));
    if let Some(index) = said.get("redeemed").and_then(Value::as_u64) {
        out.push_str(&format!("  redeemed    entry {index}\n"));
    }
    if let Some(s) = said.get("revoked").filter(|s| s.is_object()) {
        let (by, time, reason) = (field(client, s, "by")?, field(client, s, "time")?, field(client, s, "reason")?);
        out.push_str(&format!("  revoked     by {}, {}: {}\n", printable(by), printable(time), printable(reason)));
    }
    output::print(&out)
}

fn verify(client: &ApiClient, args: &VerifyGrantArgs, env: &Environment) -> Outcome {
    if args.trust.is_some() || args.trusted_key.is_some() {
        return Err(only_here("--trust or --key"));
    }
    let token = match present(&args.token)? {
        Presented::Token(token) => token,
        Presented::Id(id) => {
            let what = format!("`{id}` is an id, and a token is verified");
            let help = "print it, or redeem the grant by its id: countersign grant show ID --token --server URL".into();
            return Err(CliError::Usage { what, help }.into());
        }
    };
    let asked = json!({
        "token": token.trim(), "environment": args.environment, "artifacts": named(&args.artifact)?, "commit": args.commit,
    });
    match client.post("verifications", &[], &[], &Sends::Bytes(JSON, asked.to_string().as_bytes())) {
        Ok(said) => {
            let kid = printable(field(client, &said, "kid")?);
            let mut checked = vec!["signature", "type", "environment", "time", "issuer"];
            checked.extend((!args.artifact.is_empty()).then_some("artifact"));
            checked.extend(args.commit.is_some().then_some("commit"));
            checked.extend(["single-use", "revocation", "freeze"]);
            valid(args, &claims(client, &said)?, &kid, "server", &checked, &[], env)?;
            Ok(Exit::Pass)
        }
        Err(error) => {
            if let (countersign_connect::remote::RemoteError::Refused { code, what, .. }, Format::Json) =
                (&error, args.format)
            {
                output::json(&json!({"version": 1, "valid": false, "code": code, "why": what}))?;
            }
            Err(error.into())
        }
    }
}

/// `grant issue --server`: fetches exactly what is signed, looks whether it is what was asked for, signs it here and hands it in.
pub(crate) fn issue(client: &ApiClient, at: &PlaceArgs, issuing: &Issuing<'_>, env: &Environment) -> Outcome {
    let run = run_named(client, Some(issuing.run), at, env)?;
    let signer = issuing.key.signer(env)?;
    let public = signer.public_key();
    let fingerprint = public.fingerprint();
    // What is signed is of what is so now.
    client.post(&format!("runs/{run}/decisions"), &[], &[], &Sends::Nothing)?;
    let (host, minutes) = (host_name(), issuing.ttl.to_string());
    let query =
        [("environment", issuing.environment), ("key", fingerprint.as_str()), ("host", &host), ("minutes", &minutes)];
    let given = client.get(&format!("runs/{run}/grant-statement"), &query)?;
    let statement = from_base64(field(client, &given, "statement")?)
        .ok_or_else(|| stranger(client, "what is to be signed is no base64"))?;
    let said = is_asked(client, &statement, &run, issuing, &fingerprint)?;
    let signature = signer.sign(act::GRANT, &statement)?;
    let signed = SignedAct::new(act::GRANT, &statement, &signature, &public)?.to_vec()?;
    let condition = format!("\"{}\"", said.decision);
    let headers = [("if-match", condition.as_str())];
    let done = client.post(&format!("runs/{run}/grants"), &[], &headers, &Sends::Bytes(act::MEDIA_TYPE, &signed))?;
    let (id, token) = (&said.grant, field(client, &done, "token")?);
    if let Some(path) = issuing.out {
        write_grant(path, &signed, id, token)?;
    }
    let index = client.get(&format!("grants/{id}"), &[]).ok().and_then(|g| g.pointer("/claims/index")?.as_u64());
    match issuing.format {
        Format::Json => output::json(&json!({
            "version": 1,
            "grant": {
                "id": id, "file": issuing.out.map(Path::to_string_lossy), "run": run, "environment": issuing.environment,
                "commit": said.commit, "expires": said.expires, "index": index,
                "self_judged": said.self_judged, "token": token,
            },
        }))?,
        Format::Text => {
            let p = Paint::of(env);
            let by = if said.self_judged { "by the machine that ran it (self-judged)" } else { "by the server" };
            output::print(&format!(
                "{}✓{} grant {id} for {}, commit {}, good once until {}\n  judged {by}\n  {}countersign deploy --grant {id} --server {} -- COMMAND{}\n",
                p.good,
                p.reset,
                issuing.environment,
                printable(&said.commit),
                said.expires,
                p.hint,
                client.url(),
                p.reset
            ))?;
        }
    }
    Ok(Exit::Pass)
}

/// Whether a statement is the grant that somebody asked for: a server must not get a signature over anything else.
fn is_asked(
    client: &ApiClient,
    statement: &[u8],
    run: &str,
    issuing: &Issuing<'_>,
    key: &str,
) -> Result<GrantIssued, Failure> {
    let read: Statement<GrantIssued> =
        canonical::from_slice(statement).map_err(|_| stranger(client, "what is to be signed is no grant"))?;
    let p = read.predicate;
    let longest = p.time.plus_seconds(i64::from(issuing.ttl) * 60);
    let asked = p.run.as_str() == run && p.environment == issuing.environment && p.device.key == key;
    if !asked || p.expires > longest || p.break_glass.is_some() {
        return Err(stranger(client, "what is to be signed is another grant than the one that was asked for"));
    }
    Ok(p)
}
