//! `run`, `record`, `gate check` and `approve` with `--server`: a server does it, by the use cases that this program has as well.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_connect::git::{Head, Repository};
use countersign_connect::host_name;
use countersign_connect::oidc::IssuerKeys;
use countersign_connect::remote::{ApiClient, RemoteError, Sends};
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::statement::Statement;
use countersign_evidence::{canonical, from_base64};
use countersign_model::digest;
use countersign_model::event::ApprovalSigned;
use countersign_model::{Exit, Outcome as GateOutcome, RunId};
use countersign_stages::build::observe::short;
use countersign_stages::build::record::{self, reference};
use serde_json::{Value, json};

use super::args::{ApproveArgs, Format, PlaceArgs, RecordArgs, ReportFormat, RunArgs};
use super::ci;
use super::ci_args::TokenArgs;
use super::run::{ask, committed};
use super::server_args::ServerArgs;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome, explanations};
use crate::output::run::exit;
use crate::output::{self, Paint, gates, printable};

/// What objects and files are called when they are sent.
const OBJECTS: &str = "application/x-git-packed-objects";
const FILE: &str = "application/octet-stream";
/// How long a judgement is waited for, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
const EVERY: Duration = Duration::from_millis(500);

impl ServerArgs {
    /// The server that is named, if one is.
    pub(crate) fn client(&self, env: &Environment) -> Result<Option<ApiClient>, Failure> {
        let Some(url) = self.server.as_deref().filter(|url| !url.is_empty()) else { return Ok(None) };
        let token = match &self.token_file {
            Some(path) => {
                let read = |source| CliError::Read { path: path.clone(), source };
                Some(std::fs::read_to_string(path).map_err(read)?)
            }
            None => match env.api_token.clone() {
                Some(token) => Some(token),
                None => of_job(env)?,
            },
        };
        Ok(Some(ApiClient::new(url, token.as_deref(), exit_of)?))
    }
}

/// The audience of a job's token that is the key to a server: what the issuers that ship name.
const AUDIENCE: &str = "countersign";

/// The identity token of this job, where it has one: it opens what its own repository's jobs may do.
fn of_job(env: &Environment) -> Result<Option<String>, Failure> {
    if env.id_token.is_some() {
        return Ok(env.id_token.clone());
    }
    let Some(request) = env.ci.as_ref().and_then(|ci| ci.token_request.as_ref()) else { return Ok(None) };
    let said = |text: &str| output::note(text);
    let token = IssuerKeys::new(None, env.clock.now(), &said).github_token(&request.url, &request.bearer, AUDIENCE);
    Ok(String::from_utf8(token.map_err(countersign_stages::Error::from)?).ok())
}

/// With which exit code a command ends that finds by itself what a server says. What is the server's own follows the answer's status.
fn exit_of(code: &str) -> Option<Exit> {
    let known = explanations().into_iter().find(|e| e.code == code && !code.starts_with("CS-SERVER-"))?;
    Some(known.exit)
}

/// `run --server`: sends the commit at `HEAD` with what the server lacks of its history.
pub(crate) fn run(client: &ApiClient, at: &PlaceArgs, args: &RunArgs, env: &Environment) -> Outcome {
    let format = match args.format {
        ReportFormat::Text => Format::Text,
        ReportFormat::Json => Format::Json,
        _ => return Err(only_here("--format with a format of findings")),
    };
    if !args.rules.is_empty() || args.base.is_some() || args.summary.summary.is_some() {
        return Err(only_here("--rules, --base or --summary"));
    }
    let repository = at.repository()?;
    let commit = match repository.head()? {
        Head::Commit { id, .. } => id,
        Head::Unborn { branch } => return Err(countersign_stages::Error::NoCommits { branch }.into()),
    };
    let identity = repository.identity()?.ok_or(countersign_stages::Error::Unidentified)?;
    let asked = ask(args, env, &committed(&repository)?.config)?;
    let held = client.get("repositories", &[("repository", &identity), ("commit", &commit)])?;
    let objects = scratch()?;
    if held.get("holds").and_then(Value::as_bool) != Some(true) {
        let known: Vec<String> = array(&held, "commits").filter_map(Value::as_str).map(str::to_owned).collect();
        repository.pack(&commit, &known, &objects)?;
    }
    let claims: Vec<String> = args.claim.claim.iter().map(|c| format!("{}={}", c.gate, c.outcome)).collect();
    let claims = claims.join(",");
    let mut query = vec![("repository", identity.as_str()), ("commit", &commit), ("environment", &asked.environment)];
    let said = [("ticket", &asked.ticket), ("reason", &asked.reason), ("hint", &asked.ticket_hint)];
    query.extend(said.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    if !claims.is_empty() {
        query.push(("claims", &claims));
    }
    let key = digest::to_hex(&countersign_evidence::random::<16>()?);
    let identity_token = identity_token(&args.token, &held, env)?;
    let mut headers = vec![("idempotency-key", key.as_str())];
    headers.extend(identity_token.as_deref().map(|token| ("countersign-identity-token", token)));
    let sent = client.post("submissions", &query, &headers, &Sends::File(OBJECTS, &objects))?;
    let run = wait(client, &sent)?;
    show(client, &run, format, env)
}

pub(super) fn only_here(what: &str) -> Failure {
    CliError::Usage {
        what: format!("{what} is of what this machine judges, and a server judges here"),
        help: "leave it away, or leave --server away".into(),
    }
    .into()
}

pub(super) fn array<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Everything in a list that is sent in parts, oldest first, as where the ledger is.
pub(super) fn whole_list(client: &ApiClient, path: &str, asked: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
    let (mut all, mut before) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", "200")];
        query.extend(asked);
        query.extend(before.as_deref().map(|before| ("before", before)));
        let part = client.get(path, &query)?;
        let had = all.len();
        all.extend(array(&part, "items").cloned());
        match part.get("next").and_then(Value::as_u64) {
            Some(next) if all.len() > had => before = Some(next.to_string()),
            _ => break,
        }
    }
    all.reverse();
    Ok(all)
}

/// The one whose id begins so.
pub(super) fn beginning<'a>(all: &'a [Value], id: &str, start: &str) -> Option<&'a Value> {
    let mut found =
        all.iter().filter(|one| one.get(id).and_then(Value::as_str).is_some_and(|id| id.starts_with(start)));
    found.next().filter(|_| found.next().is_none())
}

/// People are named by id over the network.
pub(super) fn by_id(id: &str) -> Result<String, Failure> {
    Ok(printable(id))
}

/// The text of a field that the API always sends.
pub(super) fn field<'a>(client: &ApiClient, value: &'a Value, name: &str) -> Result<&'a str, RemoteError> {
    let stranger =
        || RemoteError::Stranger { url: client.url().to_owned(), what: format!("its answer lacks `{name}`") };
    value.get(name).and_then(Value::as_str).ok_or_else(stranger)
}

/// The job's identity token, where it has one and the server believes its issuer.
fn identity_token(args: &TokenArgs, held: &Value, env: &Environment) -> Result<Option<String>, Failure> {
    let issuers: Vec<(&str, &str)> = array(held, "issuers")
        .filter_map(|i| Some((i.get("issuer")?.as_str()?, i.get("audience")?.as_str()?)))
        .collect();
    let token = match &args.identity_token {
        Some(path) => Some(ci::read(path)?),
        None if issuers.is_empty() => None,
        None => match (&env.id_token, env.ci.as_ref().and_then(|ci| ci.token_request.as_ref())) {
            (Some(token), _) => Some(token.clone().into_bytes()),
            (None, Some(request)) => match issuers.iter().find(|(issuer, _)| *issuer == request.issuer) {
                Some((_, audience)) => {
                    let said = |text: &str| output::note(text);
                    let keys = IssuerKeys::new(None, env.clock.now(), &said);
                    let token = keys.github_token(&request.url, &request.bearer, audience);
                    Some(token.map_err(countersign_stages::Error::from)?)
                }
                None => None,
            },
            (None, None) => None,
        },
    };
    let Some(token) = token else { return Ok(None) };
    let text = String::from_utf8(token).ok().map(|text| text.trim().to_owned());
    let text = text.filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic()));
    text.map(Some).ok_or_else(|| {
        let help = "it is what the CI system put into the file or variable, unchanged".to_owned();
        CliError::Usage { what: "the identity token is no token".into(), help }.into()
    })
}

/// A file without a name.
fn scratch() -> Result<File, Failure> {
    let name = digest::to_hex(&countersign_evidence::random::<16>()?);
    let path = std::env::temp_dir().join(format!("countersign-{name}"));
    let write = |source| CliError::Write { path: path.clone(), source };
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(write)?;
    std::fs::remove_file(&path).map_err(write)?;
    Ok(file)
}

/// Waits until a submission is judged; the run.
fn wait(client: &ApiClient, sent: &Value) -> Result<String, Failure> {
    let submission = field(client, sent, "submission")?.to_owned();
    let mut now = sent.clone();
    let rounds = PATIENCE.as_millis() / EVERY.as_millis();
    for _ in 0..rounds {
        match field(client, &now, "state")? {
            "done" => return Ok(field(client, &now, "run")?.to_owned()),
            "failed" => {
                let problem = now.get("problem").cloned().unwrap_or_default();
                let said = |name: &str| problem.get(name).and_then(Value::as_str).map(printable).unwrap_or_default();
                let status = problem.get("status").and_then(Value::as_u64).and_then(|s| u16::try_from(s).ok());
                let (code, what, help) = (said("code"), said("title"), said("help"));
                return Err(client.refused(status.unwrap_or(500), code, what, help).into());
            }
            _ => std::thread::sleep(EVERY),
        }
        now = client.get(&format!("submissions/{submission}"), &[])?;
    }
    Err(RemoteError::StillWorking { submission, minutes: PATIENCE.as_secs() / 60 }.into())
}

fn show(client: &ApiClient, run: &str, format: Format, env: &Environment) -> Outcome {
    let said = client.get(&format!("runs/{run}"), &[])?;
    shown(client, &said, format, env)
}

/// Prints a run in words, below what was said about it.
pub(super) fn shown_below(client: &ApiClient, run: &str, env: &Environment) -> Result<(), Failure> {
    show(client, run, Format::Text, env).map(|_| ())
}

/// Prints a run as the API says it.
fn shown(client: &ApiClient, said: &Value, format: Format, env: &Environment) -> Outcome {
    let outcome = match said.get("outcome") {
        Some(Value::String(word)) => GateOutcome::ALL.into_iter().find(|o| o.as_str() == word),
        _ => None,
    };
    let outcome = outcome.unwrap_or(GateOutcome::NotEvaluated);
    match format {
        Format::Json => output::json(said)?,
        Format::Text => output::print(&text(client, said, outcome, &Paint::of(env))?)?,
    }
    Ok(exit(outcome))
}

fn text(client: &ApiClient, said: &Value, outcome: GateOutcome, p: &Paint) -> Result<String, Failure> {
    let word = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(printable).unwrap_or_default();
    let run = field(client, said, "run")?;
    let mut out = String::new();
    let (commit, environment) = (word(said, "commit"), word(said, "environment"));
    let attempts = array(said, "attempts").count();
    let _ =
        writeln!(out, "{}{run}{}  attempt {attempts}, commit {}, for {environment}\n", p.bold, p.reset, short(&commit));
    for gate in array(said, "gates") {
        let is =
            GateOutcome::ALL.into_iter().find(|o| o.as_str() == word(gate, "outcome")).unwrap_or(GateOutcome::Error);
        let (mark, colour) = gates::sign(is, p);
        let _ = writeln!(out, "  {colour}{mark} {:<12} {is}{}", word(gate, "name"), p.reset);
        for reason in array(gate, "reasons") {
            let _ = writeln!(out, "      {}: {}", word(reason, "code"), word(reason, "text"));
        }
        for slot in array(gate, "slots").filter(|s| s.get("missing").and_then(Value::as_u64) != Some(0)) {
            let slot = word(slot, "slot");
            let _ = writeln!(out, "  {}… {slot:<12}{} waits", p.wait, p.reset);
            let _ = writeln!(
                out,
                "      {}countersign approve {run} --as {slot} --key FILE --server {}{}",
                p.hint,
                client.url(),
                p.reset
            );
        }
    }
    for d in array(said, "differences") {
        let (gate, claimed, decided) = (word(d, "gate"), word(d, "claimed"), word(d, "decided"));
        let _ =
            writeln!(out, "  {}! this pipeline said {gate}={claimed}, and it is {decided}: recorded{}", p.bad, p.reset);
    }
    let (mark, colour) = gates::sign(outcome, p);
    let page = format!("{}/runs/{run}", client.url());
    let _ = writeln!(out, "\n{colour}{mark} {outcome}{}  {page}", p.reset);
    Ok(out)
}

/// The run that somebody names: its id, the start of its commit, or `latest`; where nobody does, the latest of the commit that is checked
/// out here.
pub(super) fn run_named(
    client: &ApiClient,
    named: Option<&str>,
    at: &PlaceArgs,
    env: &Environment,
) -> Result<String, Failure> {
    let of = |query: &[(&str, &str)], what: &str| -> Result<String, Failure> {
        let runs = client.get("runs", query)?;
        let first = array(&runs, "items").next().and_then(|r| r.get("run")).and_then(Value::as_str).map(str::to_owned);
        first.ok_or_else(|| countersign_stages::Error::NoSuchRun { run: what.to_owned() }.into())
    };
    match named {
        Some("latest") => of(&[("limit", "1")], "latest"),
        Some(id) if id.starts_with(RunId::PREFIX) => Ok(id.to_owned()),
        Some(commit) => of(&[("limit", "1"), ("commit", commit)], commit),
        None => {
            let checked_out = env.ci.as_ref().and_then(|ci| ci.commit.clone());
            let commit = match checked_out {
                Some(commit) => commit,
                None => match at.repository()?.head()? {
                    Head::Commit { id, .. } => id,
                    Head::Unborn { branch } => return Err(countersign_stages::Error::NoCommits { branch }.into()),
                },
            };
            of(&[("limit", "1"), ("commit", &commit)], &format!("of commit {commit}"))
        }
    }
}

/// `gate check --server`: the server decides on what is so now.
pub(crate) fn check(
    client: &ApiClient,
    named: Option<&str>,
    format: Format,
    at: &PlaceArgs,
    env: &Environment,
) -> Outcome {
    let run = run_named(client, named, at, env)?;
    let said = client.post(&format!("runs/{run}/decisions"), &[], &[], &Sends::Nothing)?;
    shown(client, &said, format, env)
}

/// `record --server`: sends files; of artifacts the digest alone.
pub(crate) fn record(client: &ApiClient, at: &PlaceArgs, args: &RecordArgs, env: &Environment) -> Outcome {
    if args.retention.is_some() {
        return Err(only_here("--retention"));
    }
    let run = run_named(client, args.run.as_deref(), at, env)?;
    let mut all = Vec::new();
    for path in &args.files {
        let reference = reference(path).filter(|_| args.artifact && !path.exists());
        let name = reference.as_ref().map_or_else(|| name_of(path), |(name, _)| Ok(name.clone()))?;
        let said = if args.artifact {
            let (digest, size) = match &reference {
                Some((_, digest)) => (digest.to_string().trim_start_matches("sha256:").to_owned(), 0),
                None => digest_of(path)?,
            };
            let size = size.to_string();
            let query = [("name", name.as_str()), ("sha256", &digest), ("size", &size)];
            client.post(&format!("runs/{run}/artifacts"), &query, &[], &Sends::Nothing)?
        } else {
            let file = open(path)?;
            let mut query = vec![("name", name.as_str())];
            query.extend(args.report.as_deref().map(|format| ("format", format)));
            query.extend(args.unread.then_some(("unread", "true")));
            let commit = args.commit.as_deref().map(|c| resolved(at, c)).transpose()?;
            query.extend(commit.as_deref().map(|commit| ("commit", commit)));
            client.post(&format!("runs/{run}/evidence"), &query, &[], &Sends::File(FILE, &file))?
        };
        all.push((path.clone(), said));
    }
    match args.format {
        Format::Json => output::json(&json!({
            "version": 1, "run": run, "files": all.iter().map(|(_, said)| said).collect::<Vec<_>>(),
        }))?,
        Format::Text => output::print(&attached(&run, &all))?,
    }
    Ok(Exit::Pass)
}

fn attached(run: &str, all: &[(PathBuf, Value)]) -> String {
    let mut out = String::new();
    for (path, said) in all {
        let word = |name: &str| said.get(name).and_then(Value::as_str).map(printable).unwrap_or_default();
        let known = if said.get("known").and_then(Value::as_bool) == Some(true) { ", recorded before" } else { "" };
        let index = said.get("index").and_then(Value::as_u64).unwrap_or_default();
        let path = printable(&path.display().to_string());
        let _ = writeln!(out, "{:<16} {path}  {} (entry {index}{known})", word("kind"), word("digest"));
        for report in array(said, "reports") {
            let findings = report.get("findings").and_then(Value::as_u64).unwrap_or_default();
            let tool = report.get("tool").and_then(Value::as_str).map(printable).unwrap_or_default();
            let counts = report.get("counts").and_then(Value::as_bool) == Some(true);
            let not = if counts { "" } else { "; it was made for another commit and does not count" };
            let _ = writeln!(out, "{:<16} {tool}: {}{not}", "", output::count(findings, "finding", "findings"));
        }
    }
    let _ = writeln!(out, "attached to {run}; approvals given before bind what was there then");
    out
}

/// A commit of the repository that is here; elsewhere it is taken as it is.
fn resolved(at: &PlaceArgs, commit: &str) -> Result<String, Failure> {
    match at.repository() {
        Ok(repository) => Ok(Repository::resolve(&repository, commit)?),
        Err(_) => Ok(commit.to_owned()),
    }
}

/// A file's name as the server takes it: characters that it does not take become `_`.
fn name_of(path: &Path) -> Result<String, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '_' }).collect();
    let plain = plain.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).chars().take(200).collect::<String>();
    if plain.is_empty() {
        let what = format!("`{}` has no name that could be sent", printable(&path.display().to_string()));
        return Err(CliError::Usage { what, help: "copy it to a name of letters and digits".into() }.into());
    }
    Ok(plain)
}

fn open(path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(|source| CliError::Read { path: path.to_owned(), source })?;
    if file.metadata().map_err(|source| CliError::Read { path: path.to_owned(), source })?.is_file() {
        return Ok(file);
    }
    Err(countersign_stages::Error::NotAFile { path: path.to_owned() }.into())
}

fn digest_of(path: &Path) -> Result<(String, u64), Failure> {
    let mut file = open(path)?;
    let read = |source| CliError::Read { path: path.to_owned(), source };
    let (digest, size) = record::digest_of(&mut file).map_err(read)?;
    Ok((digest.hex(), size))
}

/// `approve --server`: fetches exactly what is signed, looks whether it is what was asked for, signs it here and hands it in.
pub(crate) fn approve(client: &ApiClient, at: &PlaceArgs, args: &ApproveArgs, env: &Environment) -> Outcome {
    let elsewhere = &args.elsewhere;
    if args.out.is_some() || args.hours.is_some() || elsewhere.passkey.is_some() || elsewhere.request.is_some() {
        return Err(only_here("--out, --hours or a passkey"));
    }
    let run = run_named(client, Some(&args.run), at, env)?;
    let signer = args.key.signer(env)?;
    let public = signer.public_key();
    let fingerprint = public.fingerprint();
    let slot = args.slot.as_str();
    // What is signed is of what is so now.
    client.post(&format!("runs/{run}/decisions"), &[], &[], &Sends::Nothing)?;
    let host = host_name();
    let query = [("key", fingerprint.as_str()), ("host", &host)];
    let given = client.get(&format!("runs/{run}/approvals/{slot}"), &query)?;
    let statement = from_base64(field(client, &given, "statement")?)
        .ok_or_else(|| stranger(client, "what is to be signed is no base64"))?;
    let said = is_asked(client, &statement, &run, slot, &fingerprint)?;
    let signature = signer.sign(act::APPROVAL, &statement)?;
    let signed = SignedAct::new(act::APPROVAL, &statement, &signature, &public)?.to_vec()?;
    let condition = format!("\"{}\"", said.decision);
    let headers = [("if-match", condition.as_str())];
    let done = client.post(&format!("runs/{run}/approvals"), &[], &headers, &Sends::Bytes(act::MEDIA_TYPE, &signed))?;
    if args.format == Format::Text {
        output::print(&format!(
            "✓ {slot} approval of {run} by {}: {} at {}, for {}, decision {}\n\n",
            said.person,
            printable(&said.repository),
            short(&said.commit),
            printable(&said.environment),
            said.decision.short()
        ))?;
    }
    shown(client, &done, args.format, env)?;
    Ok(Exit::Pass)
}

pub(super) fn stranger(client: &ApiClient, what: &str) -> Failure {
    RemoteError::Stranger { url: client.url().to_owned(), what: what.to_owned() }.into()
}

/// Whether a statement is the approval that somebody asked for: a server must not get a signature over anything else.
fn is_asked(client: &ApiClient, statement: &[u8], run: &str, slot: &str, key: &str) -> Result<ApprovalSigned, Failure> {
    let read: Statement<ApprovalSigned> =
        canonical::from_slice(statement).map_err(|_| stranger(client, "what is to be signed is no approval"))?;
    let p = read.predicate;
    if p.run.as_str() != run || p.slot.as_str() != slot || p.device.key != key {
        return Err(stranger(client, "what is to be signed is another approval than the one that was asked for"));
    }
    Ok(p)
}
