//! `verify PACK`: offline, by whoever holds it. It ends with the first doubt, and names the file or the entry.
//!
//! 1. Its form is the one that a pack has, so that the manifest speaks of every byte.
//! 2. The bytes before the manifest are those that it signs; where they are not, the file that differs is named.
//! 3. The log in it is examined as any ledger is, payload by payload, and folded.
//! 4. The manifest is signed by that ledger's recorder, and says of the log what the log says.
//! 5. Nothing of the period was left out.
//! 6. A timestamp over the checkpoint, where there is one, is over this one, and signed by the certificate that it names.
//! 7. With `--re-evaluate`: every page, table, proof and key is derived anew from the log and compared, and every decision is
//!    computed again from its facts.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use countersign_evidence::dsse::Envelope;
use countersign_evidence::machine::MachinePublicKey;
use countersign_evidence::pack::{Archive, SUMS, sums};
use countersign_evidence::payload_key::PayloadKey;
use countersign_evidence::statement::{PAYLOAD_TYPE, Statement};
use countersign_evidence::timestamp::{Authorities, MAX_BYTES, Token};
use countersign_evidence::trust_policy::TrustPolicy;
use countersign_evidence::{canonical, note, pack as format};
use countersign_model::audit::are_in_order;
use countersign_model::event::{EvidencePack, Predicate as _};
use countersign_model::{Digest, PersonId, Timestamp};
use countersign_policy::replay::replay_under;
use countersign_policy::{Assignment, Bundle, Catalogue, Decision, RegorusEngine, Replay};
use countersign_store::excerpt::{Disk, Excerpt};
use countersign_store::projection::{DecisionRow, State};
use countersign_store::{Ledger, Source};
use serde_json::Value;

use super::{Names, Put, STAMP, VERSION, View, choose, derive, is_of_catalogue, period};
use crate::Error;
use crate::audit::AuditError;
use crate::audit::verify::{Anchor, Since, Verified, verify_excerpt};

/// The signed note that a timestamp is over, in the excerpt.
const CHECKPOINT: &str = "ledger/checkpoint";
/// Bytes of the largest file that is read whole.
const LIMIT: u64 = 1 << 31;

/// A pack that was looked at.
pub struct Checked {
    /// What was found in its log.
    pub verified: Verified,
    /// What its manifest says.
    pub manifest: EvidencePack,
    /// SHA-256 of the whole file: what the ledger has on record.
    pub file: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// The timestamp over its checkpoint, where it has one.
    pub timestamp: Option<Stamped>,
    /// Decisions that were computed again and came out the same; `None` when that was not asked.
    pub repeated: Option<Repeated>,
}

/// A timestamp that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// When the checkpoint existed, as the authority says.
    pub time: Timestamp,
    /// The token's serial number, in hex.
    pub serial: String,
    /// Whether one of the given authorities vouches for its certificate. Without that, it is signed by somebody.
    pub vouched: bool,
}

/// What came of computing again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repeated {
    /// Files that were derived again.
    pub files: u64,
    /// Decisions that came out byte for byte.
    pub identical: u64,
    /// Decisions that another version of the engine made and that come out with the same result.
    pub other_engine: u64,
    /// Files that follow from more than the pack and this program have, each with why it was not derived.
    pub not_derived: Vec<(String, String)>,
}

/// A pack that was opened, before anything in it is believed.
#[derive(Debug)]
pub struct Opened {
    source: Arc<Excerpt>,
    envelope: Envelope,
    /// Size and SHA-256 of the file.
    whole: (u64, Digest),
    /// What its manifest says. Nobody is known to have signed it yet.
    pub manifest: EvidencePack,
}

impl Opened {
    /// The ledger in it, as a place that is read from.
    #[must_use]
    pub fn source(&self) -> &dyn Source {
        self.source.as_ref()
    }
}

/// Opens a pack and checks its form, and that its bytes are those which its manifest names.
///
/// # Errors
/// [`AuditError::Pack`] with the file; [`AuditError::NewerPack`], [`AuditError::Manifest`].
pub fn open(path: &Path) -> Result<Opened, Error> {
    let failed = |source| AuditError::PackFile { path: path.to_owned(), source };
    let wrong = |source| AuditError::Pack { path: path.to_owned(), source };
    let archive = Archive::open(Box::new(Disk::open(path).map_err(failed)?)).map_err(wrong)?;
    let envelope = Envelope::from_json(&archive.manifest().map_err(wrong)?)?;
    let payload = envelope.unverified_payload().ok_or_else(|| manifest(None, "its payload is not base64"))?;
    let version = serde_json::from_slice::<Value>(&payload).ok().and_then(|v| v["predicate"]["version"].as_u64());
    if let Some(found) = version.filter(|found| *found > u64::from(VERSION)) {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        return Err(AuditError::NewerPack { found, known: VERSION }.into());
    }
    let statement: Statement<EvidencePack> = canonical::from_slice(&payload)?;
    if statement.predicate_type != EvidencePack::TYPE || statement.predicate.version != VERSION {
        return Err(manifest(None, "the manifest is no statement about an evidence pack").into());
    }
    let said = statement.predicate;
    let [before, whole] = archive.hashes().map_err(wrong)?;
    if before != (said.archive.size, said.archive.sha256) {
        return Err(differs(&archive).map_err(wrong)?.into());
    }
    let list = archive.read(SUMS, format::MAX_MEMBER).map_err(wrong)?.unwrap_or_default();
    let subject = statement.subject.first().and_then(|s| s.digest.get("sha256").cloned());
    if subject.as_deref() != Some(&*Digest::of(&list).hex()) {
        return Err(manifest(Some(SUMS), "it is not the list that the manifest names").into());
    }
    let list = String::from_utf8(list).map_err(|_| manifest(Some(SUMS), "it is not UTF-8"))?;
    let listed = sums(&list).map_err(wrong)?;
    let names = archive.names().take(listed.len());
    if !names.eq(listed.iter().map(|sum| sum.name)) || listed.len() as u64 != said.archive.members {
        return Err(manifest(Some(SUMS), "it does not list what the pack holds, in its order").into());
    }
    if !are_in_order(&said.left_out, said.size) {
        return Err(manifest(Some(format::MANIFEST), "the entries that it left out are not in order").into());
    }
    let place = path.display().to_string();
    Ok(Opened { source: Arc::new(Excerpt::new(archive, place)), envelope, whole, manifest: said })
}

/// Which file is another one than was packed.
fn differs(archive: &Archive) -> Result<AuditError, format::PackError> {
    let Some(list) = archive.read(SUMS, format::MAX_MEMBER)? else { return Err(format::PackError::NoManifest) };
    let list = String::from_utf8_lossy(&list).into_owned();
    let listed = sums(&list)?;
    for sum in &listed {
        let Some(content) = archive.read(sum.name, format::MAX_MEMBER)? else {
            return Ok(manifest(Some(sum.name), "it is missing"));
        };
        if Digest::of(&content) != sum.digest {
            return Ok(manifest(Some(sum.name), "its content is not the one that was packed"));
        }
    }
    let known: HashSet<&str> = listed.iter().map(|sum| sum.name).chain([SUMS, format::MANIFEST]).collect();
    if let Some(more) = archive.names().find(|name| !known.contains(name)) {
        return Ok(manifest(Some(more), "it was not packed"));
    }
    Ok(manifest(
        Some(SUMS),
        "the manifest was signed over other bytes than these: the list itself, or how they are packed, was altered",
    ))
}

fn manifest(file: Option<&str>, what: &str) -> AuditError {
    AuditError::Manifest { file: file.map(str::to_owned), what: what.to_owned() }
}

/// Verifies the timestamp over the checkpoint of an opened pack; `None` when it has none.
///
/// # Errors
/// [`AuditError::Timestamp`] when it does not hold, or `authorities` are given and none vouches for it;
/// [`AuditError::Manifest`] when the manifest says another thing of it, or `authorities` are given and there is none.
pub fn timestamp(opened: &Opened, authorities: Option<&Authorities>) -> Result<Option<Stamped>, Error> {
    let archive = opened.source.archive();
    let response = archive.read(STAMP, MAX_BYTES as u64)?;
    let (response, said) = match (response, &opened.manifest.timestamp) {
        (None, None) if authorities.is_some() => {
            return Err(manifest(Some(STAMP), "the pack has no timestamp").into());
        }
        (None, None) => return Ok(None),
        (Some(response), Some(said)) if Digest::of(&response) == said.response => (response, said),
        _ => return Err(manifest(Some(STAMP), "it is not the timestamp that the manifest names").into()),
    };
    let checkpoint = opened.source.read(CHECKPOINT, note::MAX_BYTES as u64)?.unwrap_or_default();
    let token = Token::of_response(&response).map_err(AuditError::from)?;
    token.is_about(&Digest::of(&checkpoint)).map_err(AuditError::from)?;
    if token.time != said.time {
        return Err(manifest(Some(STAMP), "the manifest names another time than the token").into());
    }
    if let Some(authorities) = authorities {
        authorities.vouch_for(&token).map_err(AuditError::from)?;
    }
    Ok(Some(Stamped { time: token.time, serial: token.serial, vouched: authorities.is_some() }))
}

/// Verifies an opened pack. `payload_key` opens payloads that are sealed at rest; without it they are hashed and not read. `authorities` have to vouch for its timestamp.
///
/// # Errors
/// [`AuditError`] with the first doubt. What is wrong with the log itself is in the report of [`Checked::verified`]; then
/// nothing more is looked at.
pub fn check(
    opened: &Opened,
    anchor: &Anchor,
    policy: Option<&TrustPolicy>,
    since: &[Since],
    payload_key: Option<PayloadKey>,
    authorities: Option<&Authorities>,
    catalogue: Option<&Catalogue>,
) -> Result<Checked, Error> {
    let said = &opened.manifest;
    let archive = opened.source.archive();
    let source: Arc<dyn Source> = Arc::<Excerpt>::clone(&opened.source);
    let verified = verify_excerpt(Arc::clone(&source), anchor, policy, since, payload_key.clone(), &said.left_out)?;
    let (bytes, file) = opened.whole;
    let mut checked = Checked { verified, manifest: said.clone(), file, bytes, timestamp: None, repeated: None };
    if !checked.verified.report.is_sound() {
        return Ok(checked);
    }
    let (state, report) = (&checked.verified.state, &checked.verified.report);
    let recorder: MachinePublicKey = state.recorder().parse()?;
    opened
        .envelope
        .verify_type(PAYLOAD_TYPE, &[recorder])
        .map_err(|e| manifest(Some(format::MANIFEST), &format!("the ledger's recorder did not sign it: {e}")))?;
    if (&said.origin, said.size, said.root) != (&report.origin, report.size, Digest::from_bytes(report.root)) {
        return Err(manifest(Some(format::MANIFEST), "it is about another log than the one in the pack").into());
    }
    let chosen = choose(state, &said.scope)?;
    if chosen.deployments.len() as u64 != said.deployments {
        let what = format!("it names {} deployments, and the log has {}", said.deployments, chosen.deployments.len());
        return Err(manifest(Some(format::MANIFEST), &what).into());
    }
    complete(state, said)?;
    checked.timestamp = timestamp(opened, authorities)?;
    for missing in &said.missing {
        if state.certificate_of(missing.entry)? != missing.certificate {
            let what =
                format!("it names another certificate for what is missing of entry {} than the log", missing.entry);
            return Err(manifest(Some(format::MANIFEST), &what).into());
        }
    }
    if let Some(catalogue) = catalogue {
        let mut ledger = Ledger::over(source)?;
        ledger.set_payload_key(payload_key);
        let view = View { state, ledger: &ledger };
        let names = names(archive, said.masked)?;
        let other = said.catalogue.filter(|of| period::version(catalogue).is_ok_and(|ours| ours != *of));
        let mut again = Again { archive, files: 0, other, not_derived: Vec::new() };
        derive(view, catalogue, said, &chosen, &names, &mut again)?;
        let mut repeated = Repeated { files: again.files, not_derived: again.not_derived, ..Repeated::default() };
        for row in chosen.runs.iter().map(|run| state.run(run)).collect::<Result<Vec<_>, _>>()?.iter().flatten() {
            for decision in &row.decisions {
                repeat(state, &opened.source, decision, &mut repeated)?;
            }
        }
        checked.repeated = Some(repeated);
    }
    Ok(checked)
}

/// A pack of a period of all applications holds every payload of that period.
fn complete(state: &State, said: &EvidencePack) -> Result<(), Error> {
    if said.scope.deployment.is_some() || !said.scope.applications.is_empty() {
        return Ok(());
    }
    let times = state.entry_times()?;
    for (first, last) in &said.left_out {
        let range = usize::try_from(*first).unwrap_or(usize::MAX)..=usize::try_from(*last).unwrap_or(usize::MAX);
        let inside = times.get(range).unwrap_or_default().iter().position(|at| choose::is_within(&said.scope, *at));
        if let Some(place) = inside {
            return Err(AuditError::LeftOut { entry: first + place as u64 }.into());
        }
    }
    Ok(())
}

/// People's names, as the pack has them: their profiles are sealed, and the keys are not in it.
fn names(archive: &Archive, masked: bool) -> Result<Names, Error> {
    if masked {
        return Ok(Names::default());
    }
    let bytes = archive.read("tables/people.jsonl", LIMIT)?.unwrap_or_default();
    let mut names = BTreeMap::new();
    for line in String::from_utf8_lossy(&bytes).lines() {
        let row: Value =
            serde_json::from_str(line).map_err(|_| manifest(Some("tables/people.jsonl"), "a line of it is no JSON"))?;
        if let (Some(id), Some(name)) = (row["person"].as_str(), row["name"].as_str())
            && name != id
        {
            names.insert(PersonId::from_text(id), name.to_owned());
        }
    }
    Ok(Names(names))
}

/// Compares what is derived with what is there.
struct Again<'a> {
    archive: &'a Archive,
    files: u64,
    /// The catalogue that the pack was made with, where it is not the one at hand.
    other: Option<Digest>,
    not_derived: Vec<(String, String)>,
}

impl Put for Again<'_> {
    fn has(&self, _: &str) -> bool {
        false
    }

    fn add(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        if is_of_catalogue(name) {
            return Ok(());
        }
        if let Some(other) = self.other.filter(|_| period::rests_on_catalogue(name)) {
            let why = format!("it was made with another catalogue of controls and frameworks, {other}");
            return self.cannot(name, why);
        }
        let there = self.archive.read(name, LIMIT)?;
        if there.as_deref() != Some(content) {
            return Err(AuditError::Derived { file: name.to_owned() }.into());
        }
        self.files += 1;
        Ok(())
    }

    fn cannot(&mut self, name: &str, why: String) -> Result<(), Error> {
        if !self.archive.names().any(|there| there == name) {
            return Err(AuditError::Derived { file: name.to_owned() }.into());
        }
        self.not_derived.push((name.to_owned(), why));
        Ok(())
    }
}

/// Computes a decision again. One whose facts were disposed of is passed over: the pack says that they are missing.
fn repeat(state: &State, source: &Excerpt, row: &DecisionRow, repeated: &mut Repeated) -> Result<(), Error> {
    if !source.has(&row.facts) || !source.has(&row.bundle) {
        return Ok(());
    }
    let not = |what: String| AuditError::NotRepeated { entry: row.index, decision: row.digest.to_string(), what };
    let recorded: Decision =
        serde_json::from_value(row.document.clone()).map_err(|e| not(format!("its document cannot be read: {e}")))?;
    let facts: Value = canonical::from_slice(&state.payload(&row.facts)?)?;
    let bundle = Bundle::from_bytes(&state.payload(&row.bundle)?)?;
    let assignment = match &recorded.assignment {
        None => None,
        Some(digest) => match state.assignment_of(digest)? {
            Some(assigned) => Some(Assignment::from_bytes(&state.payload(&assigned.blob)?)?),
            None => return Err(not("the levels that it was made under are not in the log".into()).into()),
        },
    };
    match replay_under(&RegorusEngine, &recorded, &facts, &bundle, assignment.as_ref())? {
        Replay::Identical => repeated.identical += 1,
        Replay::OtherEngine { same_result: true, .. } => repeated.other_engine += 1,
        Replay::OtherEngine { recorded, present, .. } => {
            return Err(not(format!("it was made by {recorded}, and {present} gives another result")).into());
        }
        Replay::Different { differences } => return Err(not(differences.join("; ")).into()),
    }
    Ok(())
}
