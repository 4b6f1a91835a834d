//! Cosignatures for the ledger's checkpoint: asks the witnesses of the trust policy and adds what they signed.
//!
//! A witness that is down delays and loses nothing: entries stand before anybody is asked, and the next time asks again.

use std::collections::BTreeMap;

use countersign_connect::witness::{Submission, WitnessClient, WitnessError};
use countersign_evidence::note::{Signature, VerifierKey};
use countersign_evidence::trust_policy::{Standing, TrustPolicy, Witness};
use countersign_store::session::SessionError;
use countersign_store::{Ledger, Session};

use crate::Error;

/// What came of asking.
#[derive(Debug)]
pub struct Collected {
    /// How the checkpoint stands with the policy now.
    pub standing: Standing,
    /// Witnesses that did not cosign, by name, and why; none for those that the policy gives no address of.
    pub failures: Vec<(String, Option<WitnessError>)>,
    /// Whether the log moved on meanwhile, so that what was collected is for an older checkpoint and was not added.
    pub moved_on: bool,
}

/// Whether the policy may be used for this ledger: it names no logs, or this one by its key.
///
/// # Errors
/// [`Error::OtherLog`].
pub fn check_policy(ledger: &Ledger, policy: &TrustPolicy) -> Result<(), Error> {
    if policy.logs().is_empty() || policy.logs().iter().any(|log| log.key == *ledger.vkey()) {
        return Ok(());
    }
    Err(Error::OtherLog { origin: ledger.origin().to_owned() })
}

/// How the ledger's checkpoint stands with the policy.
///
/// # Errors
/// As [`check_policy`]; [`Error::Evidence`] when a known cosignature on it does not verify.
pub fn standing(ledger: &Ledger, policy: &TrustPolicy) -> Result<Standing, Error> {
    check_policy(ledger, policy)?;
    Ok(policy.examine_with(ledger.checkpoint_text().as_bytes(), &[ledger.vkey().clone()])?)
}

/// Asks every witness that has not cosigned the newest checkpoint, all at once, and adds what they return.
///
/// An open session has held the ledger against this machine's pin: one that is forged, older than what was seen, or of another
/// history does not open, and is shown to no witness.
///
/// # Errors
/// As [`standing`]; [`Error::Session`] when this machine has no pin, or the ledger cannot be written. What a witness says is
/// in the answer.
pub fn collect(session: &Session, policy: &TrustPolicy) -> Result<Collected, Error> {
    session.require_pin()?;
    let known = session.ledger();
    let mut fresh = known.reopened()?;
    if fresh.vkey() != known.vkey() || fresh.root_at(known.size())? != known.root() {
        return Err(SessionError::Forked { size: known.size() }.into());
    }
    let ledger = &mut fresh;
    let before = standing(ledger, policy)?;
    let mut failures = Vec::new();
    let mut by_url: BTreeMap<&str, Vec<&Witness>> = BTreeMap::new();
    for witness in policy.witnesses().iter().filter(|w| before.missing.contains(&w.name)) {
        match &witness.url {
            Some(url) => by_url.entry(url.trim_end_matches('/')).or_default().push(witness),
            None => failures.push((witness.name.clone(), None)),
        }
    }
    let mut signatures = Vec::new();
    for (witnesses, answer) in ask(ledger, &by_url) {
        match answer {
            Ok(lines) => signatures.extend(lines),
            Err(e) => {
                let names: Vec<_> = witnesses.iter().map(|w| w.name.as_str()).collect();
                failures.push((names.join(", "), Some(e)));
            }
        }
    }
    let moved_on = !signatures.is_empty() && !ledger.add_cosignatures(&signatures)?;
    let standing = if moved_on { before } else { standing(ledger, policy)? };
    Ok(Collected { standing, failures, moved_on })
}

type Answers<'a> = Vec<(&'a [&'a Witness], Result<Vec<Signature>, WitnessError>)>;

/// One thread an address: the slowest witness is what is waited for, not the sum of all.
fn ask<'a>(ledger: &Ledger, by_url: &'a BTreeMap<&str, Vec<&'a Witness>>) -> Answers<'a> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = by_url
            .iter()
            .map(|(url, witnesses)| (*url, witnesses.as_slice(), scope.spawn(move || ask_one(ledger, url, witnesses))))
            .collect();
        let joined = threads.into_iter().map(|(url, witnesses, thread)| {
            let gone = |_| Err(WitnessError::Restless { url: url.to_owned() });
            (witnesses, thread.join().unwrap_or_else(gone))
        });
        joined.collect()
    })
}

fn ask_one(ledger: &Ledger, url: &str, witnesses: &[&Witness]) -> Result<Vec<Signature>, WitnessError> {
    let keys: Vec<VerifierKey> = witnesses.iter().map(|w| w.key.clone()).collect();
    let submission = Submission { checkpoint: ledger.checkpoint_text(), size: ledger.size(), hint: 0 };
    WitnessClient::new(url)?.cosign(&submission, &keys, |old| ledger.consistency_proof(old))
}
