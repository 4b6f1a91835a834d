//! Evidence packs: what an auditor takes home. A pack is a zip file; its form is that of
//! [`countersign_evidence::pack`].
//!
//! ```text
//! index.html            what it is about, what is missing, every deployment, every exception
//! VERIFY.md             how to check it with stock tools alone
//! deployments/<grant>   one deployment, as JSON and as a page
//! findings/<grant>      what its decision saw of findings, as SARIF, each with what became of it
//! tables/               the same as CSV and JSON Lines
//! oscal/                what is open, controls and requirements, as OSCAL documents; of a period
//! trust/                keys: the log's, the recorder's, people's as `ssh-keygen` reads them
//! acts/, proofs/        signed statements of people, the proof that each entry is in the log, and a timestamp over its checkpoint
//! evidence/             the ledger: its log whole, its payloads as chosen; everything above is derived from it
//! sample.py             the algorithm by which samples are drawn
//! SHA256SUMS            the digest of every file
//! manifest.dsse.json    the recorder's signature over all of it
//! ```
//!
//! What says who is trusted with what is always in it; of what runs left behind, that of the chosen deployments. So whoever
//! verifies it folds the log as any reader would and comes to the same beliefs, and what was left out is counted.
//!
//! | file | holds |
//! |---|---|
//! | `choose.rs` | which deployments, and which payloads go with them |
//! | `deployment.rs` | everything about one deployment |
//! | `findings.rs` | findings as SARIF |
//! | `table.rs` | tables as CSV and JSON Lines |
//! | `page.rs` | the pages |
//! | `period.rs` | the assessment of a period, and its reconciliation |
//! | `parquet.rs` | tables as Parquet, with the cargo feature `parquet` |
//! | `records.rs` | the index of records of a pack that a regulator asked for |
//! | `stock.rs` | what `ssh-keygen`, `openssl` and Go need |
//! | `check.rs` | verifying a pack, offline |

pub mod check;
mod choose;
mod deployment;
mod findings;
mod page;
mod parquet;
mod period;
mod records;
mod stock;
mod table;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

use countersign_connect::timestamp::StampClient;
use countersign_evidence::pack::{Before, Packer, Written};
use countersign_evidence::statement::{PAYLOAD_TYPE, Statement, Subject};
use countersign_evidence::timestamp::Authorities;
use countersign_evidence::{canonical, dsse, pack as format, sample};
use countersign_model::audit::{PackArchive, PackMissing, PackScope, PackTimestamp};
use countersign_model::event::{EvidencePack, EvidencePackMade, Predicate as _};
use countersign_model::{Digest, EventKind, PersonId, StreamId};
use countersign_policy::Catalogue;
use countersign_store::projection::{BundleRow, RoleRow, State, WaiverRow};
use countersign_store::{Ledger, Plan, Session, excerpt};

use super::AuditError;
use crate::Error;
pub use choose::Chosen;
pub(crate) use choose::choose;
pub(crate) use records::facts;
use table::Tables;

/// The response of a time-stamping authority about the checkpoint.
pub(super) const STAMP: &str = "proofs/checkpoint.tsr";
/// The layout's version.
pub const VERSION: u32 = 1;

/// A pack that was made and recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The file.
    pub path: PathBuf,
    /// Its digest and size.
    pub file: Written,
    /// What its manifest says.
    pub manifest: EvidencePack,
    /// Deployments of which something is out of the ordinary.
    pub exceptions: u64,
    /// Log index of the entry that records it.
    pub index: u64,
}

/// Makes a pack, records it, and only then puts it where it was asked for.
///
/// # Errors
/// [`AuditError::PackExists`]; [`AuditError::NoSuchDeployment`], [`AuditError::NothingInPeriod`],
/// [`AuditError::NoSuchApplication`]; what the ledger and the disk say. Then no file is left behind.
pub fn make(
    session: &mut Session,
    catalogue: &Catalogue,
    scope: &PackScope,
    masked: bool,
    out: &Path,
) -> Result<Made, Error> {
    make_with(session, catalogue, scope, &Options { masked, ..Options::default() }, out)
}

/// How a pack is made, apart from what it is about.
#[derive(Debug, Default)]
pub struct Options {
    /// Leave people's names out.
    pub masked: bool,
    /// Who stamps its checkpoint, and the authorities that have to vouch for the token, where some are given.
    pub stamp: Option<(StampClient, Option<Authorities>)>,
    /// Write each table as Parquet too.
    #[cfg(feature = "parquet")]
    pub parquet: bool,
}

/// What writes tables as Parquet, where they are to be.
#[cfg(feature = "parquet")]
fn parquet_writer(options: &Options) -> Option<String> {
    options.parquet.then(|| parquet::WRITER.to_owned())
}

#[cfg(not(feature = "parquet"))]
const fn parquet_writer(_: &Options) -> Option<String> {
    None
}

/// As [`make`].
///
/// # Errors
/// As [`make`]; with a time-stamping authority what it says ([`AuditError::Stamp`], [`AuditError::Timestamp`]): a pack that was
/// to have a timestamp is not made without.
pub fn make_with(
    session: &mut Session,
    catalogue: &Catalogue,
    scope: &PackScope,
    options: &Options,
    out: &Path,
) -> Result<Made, Error> {
    make_then(session, catalogue, scope, options, out, &mut |_, _| Ok(()))
}

/// As [`make_with`]; and what comes between the record of the pack and the file getting its name is done by `then`. Where that
/// fails, no file is left behind.
pub(crate) fn make_then(
    session: &mut Session,
    catalogue: &Catalogue,
    scope: &PackScope,
    options: &Options,
    out: &Path,
    then: &mut dyn FnMut(&mut Session, &Made) -> Result<(), Error>,
) -> Result<Made, Error> {
    if out.exists() {
        return Err(AuditError::PackExists { path: out.to_owned() }.into());
    }
    session.must_record()?;
    let beside = beside(out)?;
    let made = write(session, catalogue, scope, options, &beside);
    let recorded = made.and_then(|(file, manifest, exceptions)| {
        let index = record(session, scope, &file, &manifest)?;
        let made = Made { path: out.to_owned(), file, manifest, exceptions, index };
        then(session, &made)?;
        Ok(made)
    });
    let placed = recorded.and_then(|made| {
        place(&beside, out).map_err(|source| AuditError::PackFile { path: out.to_owned(), source })?;
        Ok(made)
    });
    let removed = fs::remove_file(&beside);
    let made = placed?;
    removed.map_err(|source| AuditError::PackFile { path: beside, source })?;
    Ok(made)
}

/// Makes a pack to see how it goes: nothing is recorded, and no file is left. `beside` is where it may stand meanwhile.
///
/// # Errors
/// As [`make`].
pub(crate) fn rehearse(
    session: &Session,
    catalogue: &Catalogue,
    scope: &PackScope,
    beside: &Path,
) -> Result<(Written, EvidencePack, u64), Error> {
    let path = beside.join(format!(".countersign-mock.{}.part", std::process::id()));
    let options = Options { masked: true, ..Options::default() };
    let made = write(session, catalogue, scope, &options, &path);
    let removed = match fs::remove_file(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound && made.is_err() => Ok(()),
        removed => removed,
    };
    let made = made?;
    removed.map_err(|source| AuditError::PackFile { path, source })?;
    Ok(made)
}

/// Gives a file its name. Whatever came there meanwhile stays. Where a file cannot have two names, it is copied.
fn place(beside: &Path, out: &Path) -> std::io::Result<()> {
    match fs::hard_link(beside, out) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => {
            let mut whole = File::open(beside)?;
            let mut copy = File::create_new(out)?;
            let copied = std::io::copy(&mut whole, &mut copy).and_then(|_| copy.sync_all());
            copied.inspect_err(|_| {
                // What is not whole is not left behind; the first error is the one to tell.
                let _ = fs::remove_file(out);
            })
        }
        placed => placed,
    }
}

/// A name beside the file, of this process alone.
fn beside(out: &Path) -> Result<PathBuf, Error> {
    let name = out.file_name().ok_or_else(|| AuditError::PackFile {
        path: out.to_owned(),
        source: std::io::Error::from(ErrorKind::InvalidInput),
    })?;
    let mut own = std::ffi::OsString::from(".");
    own.push(name);
    own.push(format!(".{}.part", std::process::id()));
    Ok(out.with_file_name(own))
}

type Packed = (Written, EvidencePack, u64);

/// What a pack is derived from: a ledger, or the excerpt of one in a pack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) state: &'a State,
    pub(crate) ledger: &'a Ledger,
}

/// Where derived files go: into a pack, or to be compared with what is in one.
pub(super) trait Put {
    /// Whether there was a file of that name.
    fn has(&self, name: &str) -> bool;

    /// Adds a file.
    ///
    /// # Errors
    /// When it cannot be written, or is not what is there.
    fn add(&mut self, name: &str, content: &[u8]) -> Result<(), Error>;

    /// Says why a file that is to be there is not derived.
    ///
    /// # Errors
    /// When it is not there, or is being made.
    fn cannot(&mut self, name: &str, why: String) -> Result<(), Error>;
}

impl<W: std::io::Write> Put for Packer<W> {
    fn has(&self, name: &str) -> bool {
        Self::has(self, name)
    }

    fn add(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        Ok(Self::add(self, name, content)?)
    }

    fn cannot(&mut self, name: &str, _: String) -> Result<(), Error> {
        Err(AuditError::Derived { file: name.to_owned() }.into())
    }
}

/// Files that are not derived from the log alone: which controls there are is the catalogue's to say.
pub(super) fn is_of_catalogue(name: &str) -> bool {
    name.starts_with("tables/controls.") || super::oscal::is_of_catalogue(name)
}

/// Everything that is derived from the log. How many deployments have exceptions comes back.
pub(super) fn derive(
    view: View<'_>,
    catalogue: &Catalogue,
    manifest: &EvidencePack,
    chosen: &Chosen,
    names: &Names,
    put: &mut dyn Put,
) -> Result<u64, Error> {
    let mut tables = Tables::default();
    let mut missing = Missing::new();
    manifest.missing.iter().for_each(|m| missing.entry(m.entry).or_default().push(m));
    let firm = Firm {
        names,
        missing: &missing,
        roles: view.state.role_grants()?,
        waivers: view.state.granted_waivers()?,
        bundles: view.state.bundles()?,
    };
    // Whose log it is, and who is trusted to begin with.
    let roots: Vec<u64> = [0].into_iter().chain(view.state.trust().map(|t| t.index)).collect();
    stock::of_entries(view, &roots, put)?;
    let (mut exceptions, mut rows, mut before) = (0, Vec::new(), findings::Before::default());
    for row in &chosen.deployments {
        let document = deployment::document(view, row, &firm)?;
        exceptions += u64::from(!document["exceptions"].as_array().is_none_or(Vec::is_empty));
        tables.deployment(&document);
        let at = format!("deployments/{}", row.grant);
        put.add(&format!("{at}.json"), &canonical::to_vec(&document)?)?;
        put.add(&format!("{at}.html"), page::deployment(&document).html().as_bytes())?;
        if let Some(sarif) = before.sarif(&document) {
            put.add(&format!("findings/{}.sarif", row.grant), &canonical::to_vec(&sarif)?)?;
        }
        stock::proofs(view, &document, put)?;
        rows.push(page::Row::of(&document));
    }
    tables.firm(view, catalogue, &manifest.scope, names, &manifest.left_out, &missing)?;
    tables.period(period::tables(view, catalogue, manifest)?);
    let furnished = records::add(view, manifest, chosen, names, &missing, put)?;
    let mut listed = BTreeMap::new();
    for table in tables.all() {
        // One after the other they are let go.
        let (csv, jsonl) = table.written();
        put.add(&format!("tables/{}.csv", table.name), csv.as_bytes())?;
        put.add(&format!("tables/{}.jsonl", table.name), jsonl.as_bytes())?;
        if let Some(writer) = &manifest.parquet {
            parquet::add(&table, writer, put)?;
        }
        // A number on the first page that another catalogue would change would not be derived from the log.
        let name = format!("tables/{}.csv", table.name);
        if !is_of_catalogue(&name) && !period::rests_on_catalogue(&name) {
            listed.insert(table.name, table.rows());
        }
    }
    // What the firm has open, and its controls: a period's, not a single deployment's.
    if manifest.scope.deployment.is_none() {
        for (name, document) in super::oscal::of_pack(view, catalogue, &manifest.scope.frameworks, &manifest.left_out)?
        {
            put.add(&name, &document)?;
        }
    }
    stock::keys(view, put)?;
    put.add("sample.py", sample::PYTHON.as_bytes())?;
    put.add("VERIFY.md", stock::instructions(view, manifest).as_bytes())?;
    put.add("index.html", page::index(manifest, &rows, &listed, furnished.as_ref()).html().as_bytes())?;
    Ok(exceptions)
}

fn write(
    session: &Session,
    catalogue: &Catalogue,
    scope: &PackScope,
    options: &Options,
    path: &Path,
) -> Result<Packed, Error> {
    let view = View { state: session.state(), ledger: session.ledger() };
    let chosen = choose(view.state, scope)?;
    // Asked before the work, so that a refusal costs nothing.
    let token = options.stamp.as_ref().map(|(client, authorities)| stamp(view.ledger, client, authorities.as_ref()));
    let token = token.transpose()?;
    let failed = |source| AuditError::PackFile { path: path.to_owned(), source };
    let file = File::create_new(path).map_err(failed)?;
    let mut packer = Packer::new(BufWriter::with_capacity(1 << 20, file));
    // The log first: what is derived from it comes after, so that nothing is in it that was not recorded.
    excerpt::log_files(view.ledger, |name, content| packer.add(name, content).map_err(Error::from))?;
    let (left_out, missing) = choose::payloads(view, scope, &chosen, &mut packer)?;
    if let Some((response, _)) = &token {
        packer.add(STAMP, response)?;
    }
    let (size, masked) = (view.ledger.size(), options.masked);
    let mut manifest = EvidencePack {
        version: VERSION,
        origin: view.state.origin().to_owned(),
        size,
        root: Digest::from_bytes(view.ledger.root_at(size)?),
        scope: scope.clone(),
        deployments: chosen.deployments.len() as u64,
        archive: PackArchive { size: 0, sha256: Digest::of(b""), members: 0 },
        left_out,
        missing,
        masked,
        time: session.now(),
        timestamp: token.map(|(_, timestamp)| timestamp),
        catalogue: period::is_whole(scope).then(|| period::version(catalogue)).transpose()?,
        parquet: parquet_writer(options),
        tool: format!("countersign {}", env!("CARGO_PKG_VERSION")),
    };
    let names = Names::of(view.state, masked)?;
    let exceptions = derive(view, catalogue, &manifest, &chosen, &names, &mut packer)?;
    let (written, out) = packer.finish::<Error>(|before| {
        manifest.archive = PackArchive { size: before.size, sha256: before.digest, members: before.members };
        sign(session, &manifest, before)
    })?;
    let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok((written, manifest, exceptions))
}

/// A timestamp over the checkpoint: the response, and what the manifest says of it.
fn stamp(
    ledger: &Ledger,
    client: &StampClient,
    authorities: Option<&Authorities>,
) -> Result<(Vec<u8>, PackTimestamp), AuditError> {
    let (response, token) = client.stamp(ledger.checkpoint_text().as_bytes())?;
    if let Some(authorities) = authorities {
        authorities.vouch_for(&token)?;
    }
    let timestamp = PackTimestamp { time: token.time, response: Digest::of(&response) };
    Ok((response, timestamp))
}

/// The recorder signs what it packed.
fn sign(session: &Session, manifest: &EvidencePack, before: &Before) -> Result<Vec<u8>, Error> {
    let subject = vec![Subject::sha256(format::SUMS, &before.sums)];
    let statement = canonical::to_vec(&Statement::new(subject, EvidencePack::TYPE, manifest))?;
    Ok(dsse::sign(PAYLOAD_TYPE, &statement, &session.recorder()?)?.to_json()?)
}

fn record(session: &mut Session, scope: &PackScope, file: &Written, manifest: &EvidencePack) -> Result<u64, Error> {
    let (_, index) = session.transact::<_, Error>(|s| {
        let index = s.ledger().size();
        let predicate = EvidencePackMade {
            scope: scope.clone(),
            size: manifest.size,
            deployments: manifest.deployments,
            pack: file.digest,
            bytes: file.size,
            time: s.now(),
        };
        let subject = vec![Subject::sha256("evidence-pack", &file.digest)];
        let stream = StreamId::from_text("audit");
        let entry = s.machine_entry(EventKind::EvidencePackMade, stream, subject, predicate, vec![], vec![])?;
        Ok((Plan { entries: vec![entry] }, index))
    })?;
    Ok(index)
}

/// What people are called in a pack.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<PersonId, String>);

impl Names {
    /// Reads them once. Masked, everybody is called by their id.
    pub(crate) fn of(state: &State, masked: bool) -> Result<Self, Error> {
        if masked {
            return Ok(Self::default());
        }
        let people = state.people()?;
        Ok(Self(people.into_iter().filter_map(|p| Some((p.id.clone(), p.name.clone()?))).collect()))
    }

    /// A person's name; their id where it was erased or is masked.
    pub(crate) fn label(&self, id: &PersonId) -> String {
        self.0.get(id).cloned().unwrap_or_else(|| id.to_string())
    }
}

/// What is missing, by entry.
pub(crate) type Missing<'m> = BTreeMap<u64, Vec<&'m PackMissing>>;

/// What every deployment is looked up in. It is read once.
pub(crate) struct Firm<'m> {
    names: &'m Names,
    missing: &'m Missing<'m>,
    roles: Vec<RoleRow>,
    waivers: Vec<WaiverRow>,
    bundles: Vec<BundleRow>,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::place;

    #[test]
    fn a_file_that_is_there_stays_and_nothing_half_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (beside, out) = (dir.path().join("part"), dir.path().join("out"));
        assert!(place(&beside, &out).is_err() && !out.exists());
        fs::write(&beside, "new").unwrap();
        place(&beside, &out).unwrap();
        assert_eq!(fs::read(&out).unwrap(), b"new");
        fs::write(dir.path().join("other"), "other").unwrap();
        assert!(place(&dir.path().join("other"), &out).is_err());
        assert_eq!(fs::read(&out).unwrap(), b"new");
    }
}
