//! `doctor`: checks what this installation needs. Every line says what to type when it is not there.

use std::path::PathBuf;

use countersign_connect::git::Head;
use countersign_model::{Diagnostic as _, Exit};
use countersign_policy::{Bundle, RegorusEngine};
use countersign_scan::RuleSet;
use countersign_store::projection::StorageRow;
use serde_json::json;

use super::args::{DoctorArgs, Format, PlaceArgs};
use crate::channels::Channels;
use crate::config::{Config, Environment};
use crate::errors::{Failure, Outcome};
use crate::output::{self, Paint, printable};

/// One line of the report.
struct Check {
    name: &'static str,
    ok: bool,
    /// Something to know that is no fault.
    advice: bool,
    what: String,
    help: Option<String>,
}

impl Check {
    fn ok(name: &'static str, what: impl Into<String>) -> Self {
        Self { name, ok: true, advice: false, what: what.into(), help: None }
    }

    fn advice(name: &'static str, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { name, ok: true, advice: true, what: what.into(), help: Some(help.into()) }
    }

    fn fault(name: &'static str, failure: &Failure) -> Self {
        let e = &failure.0;
        Self { name, ok: false, advice: false, what: format!("{e} [{}]", e.code()), help: Some(e.help()) }
    }
}

/// Runs every check.
pub(crate) fn run(at: &PlaceArgs, args: &DoctorArgs, env: &Environment) -> Outcome {
    let checks = [
        tools(),
        repository(at),
        config(at),
        rules(),
        policy(),
        keys(env),
        signing_key(env),
        ledger(at, env),
        storage(at, env),
        emergencies(at, env),
        channels(at, env),
        approvals(at, env),
    ];
    match args.format {
        Format::Json => {
            let list: Vec<_> = checks
                .iter()
                .map(|c| json!({"name": c.name, "ok": c.ok, "advice": c.advice, "what": c.what, "help": c.help}))
                .collect();
            output::json(&json!({"version": 1, "checks": list}))?;
        }
        Format::Text => {
            let p = Paint::of(env);
            let mut out = String::new();
            for c in &checks {
                let (mark, colour) = match (c.ok, c.advice) {
                    (true, false) => ("✓", p.good),
                    (true, true) => ("!", p.wait),
                    (false, _) => ("✗", p.bad),
                };
                out.push_str(&format!("{colour}{mark}{} {:<12} {}\n", p.reset, c.name, printable(&c.what)));
                if let Some(help) = &c.help {
                    out.push_str(&format!("    {}{}{}\n", p.hint, printable(help), p.reset));
                }
            }
            output::print(&out)?;
        }
    }
    Ok(if checks.iter().all(|c| c.ok) { Exit::Pass } else { Exit::Internal })
}

fn check(name: &'static str, result: Result<Check, Failure>) -> Check {
    result.unwrap_or_else(|failure| Check::fault(name, &failure))
}

fn tools() -> Check {
    check("tools", tool_versions().map(|v| Check::ok("tools", v)))
}

fn tool_versions() -> Result<String, Failure> {
    let git = countersign_connect::git::version()?;
    let mut text = format!("git {git}");
    match countersign_connect::ssh::keygen_present() {
        Ok(()) => text.push_str(", ssh-keygen"),
        Err(e) => {
            text.push_str(&format!("; ssh-keygen is missing: only unencrypted key files can sign [{}]", e.code()))
        }
    }
    match countersign_connect::gpg::present() {
        Ok(()) => text.push_str(", gpg"),
        Err(e) => {
            text.push_str(&format!("; gpg is missing: OpenPGP signatures of commits count as none [{}]", e.code()))
        }
    }
    Ok(text)
}

fn repository(at: &PlaceArgs) -> Check {
    check(
        "repository",
        (|| {
            let r = at.repository()?;
            let head = match r.head()? {
                Head::Commit { id, branch } => {
                    format!("{} at {}", branch.unwrap_or_else(|| "detached".into()), id.get(..12).unwrap_or(&id))
                }
                Head::Unborn { branch } => {
                    return Ok(Check::advice("repository", format!("no commits yet on {branch}"), "git commit"));
                }
            };
            Ok(match r.identity()? {
                Some(identity) => Check::ok("repository", format!("{identity}, {head}")),
                None => Check::advice(
                    "repository",
                    format!("{head}; it has no identity that a signature could name"),
                    "git fetch --unshallow, or git remote add origin URL",
                ),
            })
        })(),
    )
}

fn config(at: &PlaceArgs) -> Check {
    check(
        "config",
        (|| {
            let dir = at.repository()?.root().to_owned();
            Config::load(&dir)?;
            let there = dir.join(crate::config::FILE).exists();
            let what = if there { "countersign.toml is well-formed" } else { "no countersign.toml; defaults hold" };
            Ok(Check::ok("config", what))
        })(),
    )
}

fn rules() -> Check {
    check(
        "rules",
        (|| {
            let rules = RuleSet::shipped()?;
            Ok(Check::ok("rules", format!("{} rules, {}", rules.rules().len(), rules.digest().short())))
        })(),
    )
}

fn policy() -> Check {
    check(
        "policy",
        (|| {
            let bundle = Bundle::shipped();
            RegorusEngine.check(&bundle)?;
            Ok(Check::ok("policy", format!("shipped bundle {}", bundle.digest().short())))
        })(),
    )
}

fn keys(env: &Environment) -> Check {
    check(
        "keys",
        (|| {
            let installation = env.installation()?;
            installation.recorder()?;
            Ok(Check::ok("keys", format!("recorder key in {}", installation.dir().display())))
        })(),
    )
}

fn signing_key(env: &Environment) -> Check {
    match env.key_file(None) {
        Ok(path) => Check::ok("signing", format!("{} signs unless --key says otherwise", path.display())),
        Err(failure) => Check::advice("signing", "no SSH key in the usual places", failure.0.help()),
    }
}

/// What emergencies owe. Something overdue is a fault: the environment is non-compliant.
fn emergencies(at: &PlaceArgs, env: &Environment) -> Check {
    const NAME: &str = "emergencies";
    check(
        NAME,
        (|| {
            let there = at.database(env)?.is_some() || at.ledger_dir()?.join("ledger/checkpoint").exists();
            if !there {
                return Ok(Check::ok(NAME, "no ledger, no emergency"));
            }
            let session = at.open(env)?;
            let overdue = super::environment::overdue(&session)?;
            let all = session.state().emergencies()?.len();
            if overdue.is_empty() {
                return Ok(Check::ok(NAME, format!("{all} in the ledger, nothing overdue")));
            }
            let help = Some("countersign break-glass list --due".to_owned());
            Ok(Check { name: NAME, ok: false, advice: false, what: overdue.join("; "), help })
        })(),
    )
}

/// Channels through which people are told something: whether the file can be used, and whether messages arrive.
fn channels(at: &PlaceArgs, env: &Environment) -> Check {
    const NAME: &str = "channels";
    check(
        NAME,
        (|| {
            let channels = Channels::load(None, env)?;
            if channels.channels.is_empty() {
                return Ok(Check::ok(
                    NAME,
                    "none: nobody is told what they must act on (docs/guides/notifications.md)",
                ));
            }
            let there = at.database(env)?.is_some() || at.ledger_dir()?.join("ledger/checkpoint").exists();
            let troubles = if there { super::notify::troubles(&at.open(env)?, &channels)? } else { Vec::new() };
            if troubles.is_empty() {
                return Ok(Check::ok(NAME, super::notify::shown(&channels)));
            }
            let help = Some("countersign notify status".to_owned());
            Ok(Check { name: NAME, ok: false, advice: false, what: troubles.join("; "), help })
        })(),
    )
}

fn ledger(at: &PlaceArgs, env: &Environment) -> Check {
    check(
        "ledger",
        (|| {
            let database = at.database(env)?;
            let dir = if database.is_some() { PathBuf::new() } else { at.ledger_dir()? };
            if database.is_none() && !dir.join("ledger/checkpoint").exists() {
                return Ok(Check::advice("ledger", format!("none in {} yet", dir.display()), "countersign run"));
            }
            let session = at.open(env)?;
            let size = session.ledger().size();
            let last = session.ledger().entries(size.saturating_sub(1)..size)?.into_iter().next();
            if let Some((_, last)) = last
                && last.time > session.now()
            {
                return Ok(Check::advice(
                    "ledger",
                    format!("the clock says {}, before the last entry of {}", session.now(), last.time),
                    "timedatectl status",
                ));
            }
            if session.pin().is_none() {
                return Ok(Check::advice(
                    "ledger",
                    format!("{size} entries, not pinned here"),
                    "countersign trust import FILE",
                ));
            }
            session.require_log_keys()?;
            Ok(match session.state().trust() {
                Some(_) => Check::ok("ledger", format!("{size} entries, pinned, root of trust established")),
                None => {
                    Check::advice("ledger", format!("{size} entries, pinned, nobody to trust yet"), "countersign init")
                }
            })
        })(),
    )
}

/// Whether there are people for the approval rules in effect. Who left since is noticed here.
fn approvals(at: &PlaceArgs, env: &Environment) -> Check {
    check(
        "approvals",
        (|| {
            if at.database(env)?.is_none() && !at.ledger_dir()?.join("ledger/checkpoint").exists() {
                return Ok(Check::ok("approvals", "no ledger yet"));
            }
            let session = at.open(env)?;
            let Some(active) = session.state().approval_rules()? else {
                return Ok(Check::ok("approvals", "no approval rules in effect; what the policy requires holds"));
            };
            let wanting = countersign_govern::approvals::unkeepable(session.state())?;
            Ok(match wanting.as_slice() {
                [] => Check::ok("approvals", format!("rules {} can be kept", active.digest.short())),
                some => Check::advice("approvals", some.join("; "), "countersign role grant PERSON ROLE"),
            })
        })(),
    )
}

/// The storages that hold copies, as of their last probes.
fn storage(at: &PlaceArgs, env: &Environment) -> Check {
    check(
        "storage",
        (|| {
            if at.database(env)?.is_none() && !at.ledger_dir()?.join("ledger/checkpoint").exists() {
                return Ok(Check::ok("storage", "no copy in a bucket"));
            }
            let storages = at.open(env)?.state().storages()?;
            let warnings: Vec<_> = storages.iter().filter_map(StorageRow::warning).collect();
            Ok(match (warnings.as_slice(), storages.len()) {
                ([], 0) => Check::ok("storage", "no copy in a bucket"),
                ([], n) => Check::ok("storage", format!("{n} probed, locks held")),
                (some, _) => Check::advice("storage", some.join("; "), "countersign ledger probe LOCATION"),
            })
        })(),
    )
}
