//! `claim` and `suppression` with `--server`: what each asks for, and what it prints, as where the ledger is.

use std::collections::BTreeSet;

use countersign_connect::remote::ApiClient;
use countersign_evidence::act;
use countersign_model::{Digest, Exit, FindingState};
use countersign_scan::Baseline;
use countersign_stages::release::claim::MOST_COMMITS;
use serde_json::{Value, json};

use super::access::is_claimed;
use super::args::{Format, KeyArgs, PlaceArgs};
use super::remote::{array, field, run_named, stranger};
use super::remote_acts::{Expects, index, say, say_unless_so};
use super::suppression::{is_granted, listed};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// Claims commits of the repository that is here; the server says which of them were claimed before.
pub(super) fn claim(
    client: &ApiClient,
    identity: &str,
    commits: &BTreeSet<String>,
    key: &KeyArgs,
    format: Format,
    env: &Environment,
) -> Outcome {
    if commits.len() > MOST_COMMITS {
        let what = format!("{} commits are too many for one act: {MOST_COMMITS} at most", commits.len());
        return Err(
            CliError::Usage { what, help: "claim them part by part: countersign claim BASE..HEAD".into() }.into()
        );
    }
    let asked = json!({"kind": "claim", "repository": identity, "commits": commits});
    let expects = Expects::of(act::CLAIM, json!({"repository": identity})).free(&["commits"]);
    let fits = |_: &Value, said: &Value| match claimed(said) {
        Some(all) if !all.is_empty() && all.iter().all(|one| commits.contains(one)) => Ok(()),
        _ => Err("`commits` are others than were named".to_owned()),
    };
    let done = say_unless_so(client, &asked, &[expects], &fits, key, env)?;
    let Some(said) = done.signed.first() else {
        is_claimed(&done.person, &[], None, format)?;
        return Ok(Exit::Pass);
    };
    is_claimed(&done.person, &claimed(said).unwrap_or_default(), Some(index(client, &done)?), format)?;
    Ok(Exit::Pass)
}

fn claimed(said: &Value) -> Option<Vec<String>> {
    serde_json::from_value(said["commits"].clone()).ok()
}

/// What the judged tree of a run asks not to count.
fn asked_for(client: &ApiClient, run: &str) -> Result<Vec<Value>, Failure> {
    let said = client.get(&format!("runs/{run}/suppressions"), &[])?;
    Ok(array(&said, "items").cloned().collect())
}

/// `suppression list`.
pub(super) fn suppressions(
    client: &ApiClient,
    at: &PlaceArgs,
    run: &str,
    format: Format,
    env: &Environment,
) -> Outcome {
    let run = run_named(client, Some(run), at, env)?;
    listed(&run, &asked_for(client, &run)?, format)?;
    Ok(Exit::Pass)
}

/// What is asked to be granted.
pub(super) struct Asked<'a> {
    pub(super) run: &'a str,
    /// Fingerprints, or the start of them; none: all.
    pub(super) fingerprints: &'a [String],
    pub(super) baseline: Option<&'a Baseline>,
    pub(super) reason: &'a str,
    pub(super) days: u16,
}

impl Asked<'_> {
    /// Whether a suppression that is asked for is meant; its fingerprint.
    fn means(&self, one: &Value) -> Option<Digest> {
        let fingerprint: Digest = one["fingerprint"].as_str()?.parse().ok()?;
        let (hex, text) = (fingerprint.hex(), |name: &str| one[name].as_str());
        let is_meant = match self.baseline {
            Some(baseline) => baseline.asks_for(&fingerprint, text("requested_by"), text("reason")),
            None => {
                let begins = |named: &String| hex.starts_with(named.strip_prefix("sha256:").unwrap_or(named));
                self.fingerprints.is_empty() || self.fingerprints.iter().any(begins)
            }
        };
        let waits = text("state") == Some(FindingState::SuppressionRequested.as_str());
        (waits && is_meant).then_some(fingerprint)
    }
}

/// `suppression grant`: exactly what is meant of what the server lists is signed.
pub(super) fn grant(
    client: &ApiClient,
    at: &PlaceArgs,
    asked: &Asked<'_>,
    key: &KeyArgs,
    env: &Environment,
) -> Outcome {
    let run = run_named(client, Some(asked.run), at, env)?;
    let mut meant = BTreeSet::new();
    for one in asked_for(client, &run)? {
        if let Some(fingerprint) = asked.means(&one) {
            let text = |name: &str| printable(one[name].as_str().unwrap_or("unknown"));
            output::note(&format!("{}  {}  {}:{}", fingerprint.short(), text("rule"), text("path"), one["line"]));
            meant.insert(fingerprint);
        }
    }
    // Whoever may grant nothing is told that first: so it is asked also where nothing is meant.
    let named: Vec<String> = match meant.is_empty() {
        true => asked.fingerprints.to_vec(),
        false => meant.iter().map(ToString::to_string).collect(),
    };
    if meant.is_empty() && asked.baseline.is_some() {
        let run = countersign_model::RunId::from_text(&run);
        return Err(countersign_stages::Error::NothingToGrant { run }.into());
    }
    let act = json!({
        "kind": "suppression-grant", "run": run, "fingerprints": named, "reason": asked.reason, "days": asked.days,
    });
    let says = json!({"fingerprints": meant, "reason": asked.reason.trim()});
    let lasts = vec![("time", "expires", i64::from(asked.days) * 86_400)];
    let expects = Expects { lasts, ..Expects::of(act::SUPPRESSION, says) }.free(&["repository"]);
    let done = say(client, &act, &[expects], key, env)?;
    let signed = done.signed.first().ok_or_else(|| stranger(client, "nothing was signed"))?;
    is_granted(meant.len() as u64, &done.person, field(client, signed, "expires")?, index(client, &done)?)?;
    Ok(Exit::Pass)
}
