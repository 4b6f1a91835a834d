//! Reads the change: which commits a release covers, who really wrote them, which files and pipeline it touches.

use std::collections::BTreeMap;

use countersign_connect::git::Tree;
use countersign_connect::git::{
    ChangeStatus, Commit, Judging, RawSignature, Repository, SignatureStatus, is_pipeline_file, verify_commit,
};
use countersign_evidence::sshsig::Certificate;
use countersign_model::change::{Change, ChangeCommit, ChangeFile, CommitCertificate, Pipeline, SignatureState};
use countersign_model::digest::Hasher;
use countersign_model::{PersonId, Timestamp, TreePath};
use countersign_store::projection::{State, key_id_pseudonym, window};

use super::openpgp::{self, Waiting};
use super::rules;
use crate::Error;

/// What the user says about a change.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The environment the release is for.
    pub environment: String,
    /// The change ticket.
    pub ticket: Option<String>,
    /// The reason.
    pub reason: Option<String>,
    /// What stands for a ticket where none was ever named: the pull request, as the CI system calls it.
    pub ticket_hint: Option<String>,
}

/// A change as observed, with what people want to see and the log must not hold.
pub struct Observed {
    /// What is recorded.
    pub change: Change,
    /// Authors as git names them, by the commits they stand on. For people's eyes; never recorded.
    pub authors: Vec<AuthorView>,
    /// Subjects of the newest commits, newest first.
    pub subjects: Vec<(String, String)>,
    /// Tracked files that differ from the commit and were therefore not judged.
    pub dirty: u64,
}

/// An author string of git, and what it is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorView {
    /// The name in the commit.
    pub name: String,
    /// The address in the commit.
    pub email: String,
    /// How many covered commits carry it.
    pub commits: u64,
    /// How many of these an enrolled person signed or claimed.
    pub attributed: u64,
    /// The people who did.
    pub people: Vec<PersonId>,
    /// What the signatures on the others are worth.
    pub unattributed: BTreeMap<&'static str, u64>,
}

/// Observes the change that a release of `commit` would cover.
///
/// # Errors
/// What git says.
pub fn observe(
    repository: &Repository,
    commit: &str,
    tree: &Tree,
    state: &State,
    salt: &[u8],
    ask: &Ask,
    now: Timestamp,
) -> Result<Observed, Error> {
    let identity = repository.identity()?;
    let tree_id = repository.tree_of(commit)?;
    // A commit that was deployed and is gone from this clone narrows nothing: then everything is covered.
    let deployed = match identity.as_deref() {
        Some(id) => state.release_base(id, &ask.environment, commit)?,
        None => None,
    };
    let base = deployed.filter(|base| repository.resolve(base).is_ok());
    let mut commits = Vec::new();
    let mut views: BTreeMap<(String, String), AuthorView> = BTreeMap::new();
    let mut subjects = Vec::new();
    let mut complete = true;
    let mut failed = None;
    let mut waiting = Waiting::new(state, now);
    let mut see = |recorded: &ChangeCommit, author| view(&mut views, author, recorded, identity.as_deref(), state, now);
    repository.each_commit(base.as_deref(), commit, |c| {
        complete &= !c.cut;
        let recorded = match record_commit(&c, salt, state) {
            Ok(recorded) => recorded,
            Err(error) => {
                failed.get_or_insert(error);
                return Ok(());
            }
        };
        if subjects.len() < SUBJECTS_KEPT {
            subjects.push((c.id, c.subject));
        }
        let author = (c.author_name, c.author_email);
        commits.push(recorded);
        let place = commits.len().saturating_sub(1);
        let seen = match c.signature {
            RawSignature::OpenPgp(signed) => {
                waiting.add(place, signed, author);
                if waiting.is_full() { settle(&mut waiting, &mut commits, &mut see) } else { Ok(()) }
            }
            _ => commits.last().map_or(Ok(()), |recorded| see(recorded, author)),
        };
        if let (None, Err(error)) = (&failed, seen) {
            failed = Some(error);
        }
        Ok(())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    settle(&mut waiting, &mut commits, &mut see)?;
    let files = changed_files(repository, base.as_deref(), commit, tree)?;
    let pipeline = pipeline(tree, &files);
    for what in [Judging::Pipeline, Judging::Policy] {
        // Asked only where there is something to be told: what a change adds and takes away again is no part of it.
        if !files.iter().any(|f| what.is_at(f.path.as_bytes())) {
            continue;
        }
        let touching = repository.commits_touching(base.as_deref(), commit, what)?;
        for c in commits.iter_mut().filter(|c| touching.contains(&c.id)) {
            match what {
                Judging::Pipeline => c.pipeline = true,
                Judging::Policy => c.policy = true,
            }
        }
    }
    let change = Change {
        version: 1,
        identity,
        commit: commit.to_owned(),
        tree: tree_id,
        base,
        environment: ask.environment.clone(),
        shallow: repository.is_shallow(),
        complete,
        commits,
        files,
        pipeline,
        ticket: ask.ticket.clone(),
        reason: ask.reason.clone(),
    };
    let mut authors: Vec<AuthorView> = views.into_values().collect();
    authors.sort_by(|a, b| b.commits.cmp(&a.commits).then_with(|| a.email.cmp(&b.email)));
    Ok(Observed { change, authors, subjects, dirty: repository.dirty()? })
}

/// Verifies what waits, and shows whose commits these are.
fn settle(
    waiting: &mut Waiting<'_, Author>,
    commits: &mut [ChangeCommit],
    see: &mut impl FnMut(&ChangeCommit, Author) -> Result<(), Error>,
) -> Result<(), Error> {
    for (place, author) in waiting.settle(commits)? {
        if let Some(recorded) = commits.get(place) {
            see(recorded, author)?;
        }
    }
    Ok(())
}

/// Name and address in a commit.
type Author = (String, String);

/// How many commits' subjects are kept for the summary.
const SUBJECTS_KEPT: usize = 5;

/// What is recorded of a commit. An OpenPGP signature is not verified yet: see [`Waiting`].
pub(crate) fn record_commit(commit: &Commit, salt: &[u8], state: &State) -> Result<ChangeCommit, Error> {
    let mut certificate = None;
    let (signature, key) = match verify_commit(&commit.signature) {
        SignatureStatus::None => (SignatureState::None, None),
        SignatureStatus::Valid { fingerprint, certificate: said, .. } => {
            if let Some(said) = said {
                certificate = by_certificate(&said, salt, state)?;
            }
            (SignatureState::Valid, Some(fingerprint))
        }
        SignatureStatus::Invalid { .. } => (SignatureState::Invalid, None),
        SignatureStatus::Unsupported { .. } => (SignatureState::Unsupported, None),
    };
    Ok(ChangeCommit {
        id: commit.id.clone(),
        author: pseudonym(salt, &commit.author_email),
        signature,
        key,
        certificate,
        openpgp: None,
        co_authors: u32::try_from(commit.co_authors.len()).unwrap_or(u32::MAX),
        merge: commit.parents.len() > 1,
        pipeline: false,
        policy: false,
    })
}

/// What is recorded of the certificate in a commit's signature: nothing where it names nobody whose key it could be.
fn by_certificate(said: &Certificate, salt: &[u8], state: &State) -> Result<Option<CommitCertificate>, Error> {
    // A list may name its key by SHA-1 alone, which is not recorded.
    if state.listed(said)?.is_some() {
        return Ok(None);
    }
    let Some(person) = state.certificate_names(said)? else { return Ok(None) };
    let (valid_after, valid_before) = window(said);
    Ok(Some(CommitCertificate {
        authority: said.authority.fingerprint(),
        serial: said.serial.to_string(),
        key_id: key_id_pseudonym(salt, &said.key_id),
        person,
        valid_after,
        valid_before,
    }))
}

/// A keyed pseudonym: the same address gives the same one within a ledger, and nobody without the salt can tell whose.
pub(crate) fn pseudonym(salt: &[u8], email: &str) -> String {
    let mut hasher = Hasher::new();
    hasher.update(b"countersign author v1\0");
    hasher.update(salt);
    hasher.update(email.to_lowercase().as_bytes());
    let hex: String = hasher.finish().hex().chars().take(16).collect();
    format!("author-{hex}")
}

fn view(
    views: &mut BTreeMap<(String, String), AuthorView>,
    author: Author,
    recorded: &ChangeCommit,
    repository: Option<&str>,
    state: &State,
    now: Timestamp,
) -> Result<(), Error> {
    let view = views.entry(author.clone()).or_insert_with(|| AuthorView {
        name: author.0,
        email: author.1,
        commits: 0,
        attributed: 0,
        people: Vec::new(),
        unattributed: BTreeMap::new(),
    });
    view.commits += 1;
    let mut people: Vec<PersonId> = rules::vouched(recorded, state, now)?.into_iter().collect();
    if let Some(repository) = repository {
        people.extend(state.claimants(repository, &recorded.id)?);
    }
    if people.is_empty() {
        let why = match (recorded.openpgp.and_then(openpgp::said), recorded.signature) {
            (Some(why), _) => why,
            (None, SignatureState::None) => "unsigned",
            (None, SignatureState::Valid) if rules::signer(recorded, state)?.is_some() => {
                "signed by a key that does not count any more"
            }
            (None, SignatureState::Valid) => "signed by a key that belongs to nobody enrolled",
            (None, SignatureState::Invalid) => "signature invalid",
            (None, SignatureState::Unsupported) => "signed in a format that is not verified here",
        };
        *view.unattributed.entry(why).or_default() += 1;
    } else {
        view.attributed += 1;
        for person in people {
            if !view.people.contains(&person) {
                view.people.push(person);
            }
        }
    }
    Ok(())
}

fn changed_files(
    repository: &Repository,
    base: Option<&str>,
    commit: &str,
    tree: &Tree,
) -> Result<Vec<ChangeFile>, Error> {
    let mut files: Vec<ChangeFile> = match base {
        Some(base) => repository
            .changed_files(Some(base), commit)?
            .into_iter()
            .map(|f| ChangeFile { path: f.path, status: status(f.status).into() })
            .collect(),
        // Without a base everything is new, and the tree is listed already.
        None => tree
            .files
            .iter()
            .map(|f| &f.path)
            .chain(tree.submodules.iter().map(|m| &m.path))
            .map(|path| ChangeFile { path: path.clone(), status: "A".into() })
            .collect(),
    };
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

const fn status(status: ChangeStatus) -> &'static str {
    match status {
        ChangeStatus::Added => "A",
        ChangeStatus::Modified => "M",
        ChangeStatus::Deleted => "D",
        ChangeStatus::TypeChanged => "T",
    }
}

fn pipeline(tree: &Tree, files: &[ChangeFile]) -> Pipeline {
    let mut hasher = Hasher::new();
    hasher.update(b"countersign pipeline v1\0");
    let mut count = 0;
    for file in tree.files.iter().filter(|f| is_pipeline_file(f.path.as_bytes())) {
        hasher.update(&(file.path.as_bytes().len() as u64).to_be_bytes());
        hasher.update(file.path.as_bytes());
        hasher.update(file.blob.as_bytes());
        hasher.update(b"\n");
        count += 1;
    }
    let touches = |path: &TreePath| is_pipeline_file(path.as_bytes());
    Pipeline { digest: hasher.finish(), files: count, changed: files.iter().any(|f| touches(&f.path)) }
}

/// Hex of random bytes for a new id.
pub(crate) fn random_id() -> Result<[u8; 10], Error> {
    Ok(countersign_evidence::random::<10>()?)
}

/// Short form of a commit id for people.
#[must_use]
pub fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
