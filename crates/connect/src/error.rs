//! What can go wrong when reaching out.

use std::io;
use std::path::PathBuf;

use countersign_model::{Diagnostic, Exit, Place};

/// An expected error of this room. Codes: `CS-GIT-…`, `CS-SSH-…`, `CS-GPG-…`, `CS-RUN-…`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no `git` on the search path.
    #[error("git is not installed, or not on the search path")]
    GitMissing {
        /// What starting it said.
        #[source]
        source: io::Error,
    },
    /// The installed git is older than what this room relies on.
    #[error("git {found} is too old: 2.30 or later is needed")]
    GitTooOld {
        /// The version it names.
        found: String,
    },
    /// A file could not be brought to a web server.
    #[error("it could not be brought to `{url}`: {detail}")]
    Push {
        /// Where, without what stands after `?`.
        url: String,
        /// Why.
        detail: String,
    },
    /// A program did not take a message.
    #[error("the program did not take the message: it ended with {}", code.map_or("a signal".to_owned(), |c| format!("code {c}")))]
    NotTaken {
        /// Its exit code, where it had one.
        code: Option<i32>,
    },
    /// The directory is in no git repository.
    #[error("not inside a git repository: {}", dir.display())]
    NotARepository {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// The directory is not there, or cannot be entered.
    #[error("cannot enter the directory {}", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Git refuses a repository that belongs to another account.
    #[error("git refuses the repository: another account owns it: {}", dir.display())]
    DubiousOwnership {
        /// The repository.
        dir: PathBuf,
    },
    /// The name leads to no commit.
    #[error("no such commit here: `{revision}`")]
    UnknownRevision {
        /// The name as given, control characters taken out.
        revision: String,
    },
    /// The branch has no commit yet.
    #[error("the repository has no commit yet")]
    NoCommits,
    /// The repository does not hold the object.
    #[error("the repository does not hold object {id}")]
    MissingObject {
        /// The object.
        id: String,
    },
    /// The object is there and cannot be read as what it should be.
    #[error("object {id} is damaged: {detail}")]
    CorruptObject {
        /// The object.
        id: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A git command failed for a reason we do not know by name.
    #[error("git could not {what}: {detail}")]
    GitFailed {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        detail: String,
    },
    /// Git answered something we do not understand.
    #[error("git answered something unexpected when asked to {what}")]
    GitAnswer {
        /// What was asked of it.
        what: &'static str,
    },
    /// The pipe to or from git broke.
    #[error("lost the connection to git while it was to {what}")]
    GitPipe {
        /// What was asked of it.
        what: &'static str,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// More than this room is willing to hold in memory.
    #[error("{what}: more than {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, for people.
        limit: &'static str,
    },
    /// What was sent is no pack of git objects that makes a commit whole.
    #[error("the objects that were sent are refused: {detail}")]
    Pack {
        /// What git said of it.
        detail: String,
    },
    /// What is sent must be whole, and older history is cut off here.
    #[error("this clone is shallow: the history before its oldest commit is not here")]
    Shallow,
    /// Objects are named in another way than those that were sent before.
    #[error("the repository names objects by {here} there, and what is sent by {sent}")]
    OtherFormat {
        /// The format of what is there.
        here: &'static str,
        /// The format of what is sent.
        sent: &'static str,
    },
    /// A commit does not belong to the repository that is named.
    #[error("the commit is not one of the repository `{}`, or that is no repository's identity", identity.escape_debug())]
    NotThatRepository {
        /// The identity.
        identity: String,
    },
    /// The repository's own configuration would run a program and cannot be overruled.
    #[error("the repository's configuration names a program that cannot be switched off: {key}")]
    UnsafeConfiguration {
        /// The configuration key.
        key: String,
    },
    /// A bare repository has no index.
    #[error("a bare repository has no index, so nothing can be staged in it: {}", dir.display())]
    NoWorkTree {
        /// The repository.
        dir: PathBuf,
    },

    /// The key file cannot be read.
    #[error("cannot read the key file {}", path.display())]
    KeyUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds no SSH key.
    #[error("not an SSH key: {}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// RSA and DSA keys do not sign acts.
    #[error("{algorithm} keys do not sign here: {}", path.display())]
    WeakKey {
        /// The file.
        path: PathBuf,
        /// The key's algorithm.
        algorithm: String,
    },
    /// A key of a kind that we cannot verify.
    #[error("keys of the kind {algorithm} cannot be verified here: {}", path.display())]
    UnsupportedKey {
        /// The file.
        path: PathBuf,
        /// The key's algorithm.
        algorithm: String,
    },
    /// `ssh-keygen` is not installed.
    #[error("ssh-keygen is not installed, or not on the search path")]
    SshKeygenMissing {
        /// What starting it said.
        #[source]
        source: io::Error,
    },
    /// No agent holds the key, and its private half is not beside it.
    #[error("no ssh-agent holds this key, and its private file is not beside it: {}", path.display())]
    KeyNotAtHand {
        /// The public key file.
        path: PathBuf,
    },
    /// `ssh-keygen` did not sign.
    #[error("ssh-keygen did not sign with {}: {detail}", path.display())]
    SigningFailed {
        /// The key file.
        path: PathBuf,
        /// What it said.
        detail: String,
    },
    /// The signature that came back does not verify against the key that was asked for.
    #[error("the signature that came back is not by the key {}", path.display())]
    SignatureMismatch {
        /// The key file.
        path: PathBuf,
        /// What verification said.
        #[source]
        source: Box<countersign_evidence::Error>,
    },
    /// Signing in process failed.
    #[error("cannot sign with the key {}", path.display())]
    Signing {
        /// The key file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<countersign_evidence::Error>,
    },
    /// The text to sign could not be handed to `ssh-keygen`.
    #[error("cannot write the text to sign to a temporary file")]
    Handover {
        /// Why.
        #[source]
        source: io::Error,
    },

    /// An OpenPGP key where an SSH key is needed.
    #[error("an OpenPGP key signs commits and no acts: {}", path.display())]
    OpenPgpSigner {
        /// The file.
        path: PathBuf,
    },
    /// `gpg` is not installed.
    #[error("gpg is not installed, or not on the search path")]
    GpgMissing {
        /// What starting it said.
        #[source]
        source: io::Error,
    },
    /// `gpg` did not answer as it should.
    #[error("gpg could not {what}")]
    GpgFailed {
        /// What was asked of it.
        what: &'static str,
    },
    /// Not one public OpenPGP key that signs.
    #[error("not an OpenPGP public key that signatures can be verified with: {why}")]
    NotACertificate {
        /// Why.
        why: String,
    },
    /// A private OpenPGP key.
    #[error("the file holds a private OpenPGP key; only the public one is needed")]
    SecretKey,

    /// There is no command to run.
    #[error("no command to run")]
    NoCommand,
    /// The program is not there.
    #[error("command not found: `{program}`")]
    CommandNotFound {
        /// The program.
        program: String,
        /// What starting it said.
        #[source]
        source: io::Error,
    },
    /// The program is there and could not be started.
    #[error("cannot start `{program}`")]
    CommandNotStarted {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Diagnostic for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::GitMissing { .. } => "CS-GIT-001",
            Self::GitTooOld { .. } => "CS-GIT-002",
            Self::NotARepository { .. } => "CS-GIT-003",
            Self::Directory { .. } => "CS-GIT-004",
            Self::DubiousOwnership { .. } => "CS-GIT-005",
            Self::UnknownRevision { .. } => "CS-GIT-006",
            Self::NoCommits => "CS-GIT-007",
            Self::MissingObject { .. } => "CS-GIT-008",
            Self::CorruptObject { .. } => "CS-GIT-009",
            Self::GitFailed { .. } => "CS-GIT-010",
            Self::GitAnswer { .. } => "CS-GIT-011",
            Self::GitPipe { .. } => "CS-GIT-012",
            Self::TooLarge { .. } => "CS-GIT-013",
            Self::UnsafeConfiguration { .. } => "CS-GIT-014",
            Self::NoWorkTree { .. } => "CS-GIT-015",
            Self::Pack { .. } => "CS-GIT-016",
            Self::Shallow => "CS-GIT-017",
            Self::OtherFormat { .. } => "CS-GIT-018",
            Self::NotThatRepository { .. } => "CS-GIT-019",
            Self::KeyUnreadable { .. } => "CS-SSH-001",
            Self::NotAKey { .. } => "CS-SSH-002",
            Self::WeakKey { .. } => "CS-SSH-003",
            Self::UnsupportedKey { .. } => "CS-SSH-004",
            Self::SshKeygenMissing { .. } => "CS-SSH-005",
            Self::KeyNotAtHand { .. } => "CS-SSH-006",
            Self::SigningFailed { .. } => "CS-SSH-007",
            Self::SignatureMismatch { .. } => "CS-SSH-008",
            Self::Signing { .. } => "CS-SSH-009",
            Self::Handover { .. } => "CS-SSH-010",
            Self::OpenPgpSigner { .. } => "CS-SSH-011",
            Self::GpgMissing { .. } => "CS-GPG-001",
            Self::GpgFailed { .. } => "CS-GPG-002",
            Self::NotACertificate { .. } => "CS-GPG-003",
            Self::SecretKey => "CS-GPG-004",
            Self::Push { .. } => "CS-PUSH-001",
            Self::NoCommand => "CS-RUN-001",
            Self::CommandNotFound { .. } => "CS-RUN-002",
            Self::CommandNotStarted { .. } => "CS-RUN-003",
            Self::NotTaken { .. } => "CS-RUN-004",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NoCommits => Exit::Nothing,
            Self::Push { .. } | Self::NotTaken { .. } => Exit::Backend,
            Self::MissingObject { .. } | Self::CorruptObject { .. } | Self::TooLarge { .. } => Exit::Incomplete,
            Self::GitFailed { .. }
            | Self::GitAnswer { .. }
            | Self::GitPipe { .. }
            | Self::Handover { .. }
            | Self::GpgFailed { .. } => Exit::Internal,
            Self::SignatureMismatch { .. } => Exit::Unverified,
            Self::KeyNotAtHand { .. } | Self::SigningFailed { .. } => Exit::Forbidden,
            Self::GitMissing { .. }
            | Self::GitTooOld { .. }
            | Self::NotARepository { .. }
            | Self::Directory { .. }
            | Self::DubiousOwnership { .. }
            | Self::UnknownRevision { .. }
            | Self::UnsafeConfiguration { .. }
            | Self::NoWorkTree { .. }
            | Self::Pack { .. }
            | Self::Shallow
            | Self::OtherFormat { .. }
            | Self::NotThatRepository { .. }
            | Self::KeyUnreadable { .. }
            | Self::NotAKey { .. }
            | Self::WeakKey { .. }
            | Self::UnsupportedKey { .. }
            | Self::SshKeygenMissing { .. }
            | Self::Signing { .. }
            | Self::OpenPgpSigner { .. }
            | Self::GpgMissing { .. }
            | Self::NotACertificate { .. }
            | Self::SecretKey
            | Self::NoCommand
            | Self::CommandNotFound { .. }
            | Self::CommandNotStarted { .. } => Exit::Usage,
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::KeyUnreadable { path, .. }
            | Self::NotAKey { path }
            | Self::WeakKey { path, .. }
            | Self::UnsupportedKey { path, .. }
            | Self::KeyNotAtHand { path }
            | Self::SigningFailed { path, .. }
            | Self::SignatureMismatch { path, .. }
            | Self::OpenPgpSigner { path }
            | Self::Signing { path, .. } => Some(Place::file(path.display().to_string())),
            _ => None,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::GitMissing { .. } => "install git 2.30 or later (`apt-get install git`), then try again".to_owned(),
            Self::GitTooOld { .. } => "install git 2.30 or later; `git --version` shows which one is found".to_owned(),
            Self::NotARepository { dir } => {
                format!("change into a checkout, or make one: `git init -b main {}`", dir.display())
            }
            Self::Directory { .. } => "check the path, and that this account may enter it".to_owned(),
            Self::DubiousOwnership { dir } => {
                format!("if you trust it: `git config --global --add safe.directory {}`", dir.display())
            }
            Self::UnknownRevision { .. } => {
                "fetch it first (`git fetch origin`), or name another; `git log --oneline` lists what is here"
                    .to_owned()
            }
            Self::Push { .. } => {
                "check the address with whoever runs that server; `--to DIR` writes to a directory".to_owned()
            }
            Self::NoCommits => "make the first commit: `git add -A && git commit`".to_owned(),
            Self::MissingObject { .. } => {
                "fetch the whole history and every object: `git fetch --unshallow` in a shallow clone, \
                 `git fetch --refetch --no-filter` in a partial one"
                    .to_owned()
            }
            Self::CorruptObject { .. } => "`git fsck --full` shows what is damaged; a fresh clone mends it".to_owned(),
            Self::GitFailed { .. } | Self::GitAnswer { .. } => {
                "`git fsck` tells whether the repository is sound".to_owned()
            }
            Self::GitPipe { .. } => "try again; `git fsck` tells whether the repository is sound".to_owned(),
            Self::TooLarge { .. } => "examine less at once: name a `--base` that is closer".to_owned(),
            Self::UnsafeConfiguration { .. } => {
                "look at it with `git config --local --list`, and take it out with `git config --local --unset-all KEY`"
                    .to_owned()
            }
            Self::NoWorkTree { .. } => {
                "change into a checkout, or look at all commits instead: `countersign scan --history`".to_owned()
            }
            Self::Pack { .. } => "`git fsck --full` tells whether the clone is sound; send it again from a fresh one".to_owned(),
            Self::Shallow => {
                "fetch the whole history: `git fetch --unshallow` (actions/checkout: `fetch-depth: 0`; GitLab: `GIT_DEPTH: 0`)"
                    .to_owned()
            }
            Self::OtherFormat { .. } => {
                "send it as another repository: one identity has one format of objects".to_owned()
            }
            Self::NotThatRepository { .. } => {
                "name it as `countersign run --format json` does: `git:HOST/PATH`, or `git-root:` and the oldest first commit"
                    .to_owned()
            }
            Self::KeyUnreadable { .. } => "check the path and its permissions with `ls -l`".to_owned(),
            Self::NotAKey { .. } => {
                "name a private key file or its `.pub`; `ssh-keygen -t ed25519` makes a new pair".to_owned()
            }
            Self::WeakKey { .. } | Self::UnsupportedKey { .. } => {
                "make a key that does: `ssh-keygen -t ed25519`, or `ssh-keygen -t ed25519-sk` on a hardware key"
                    .to_owned()
            }
            Self::SshKeygenMissing { .. } => {
                "install OpenSSH's client programs (`apt-get install openssh-client`), then try again".to_owned()
            }
            Self::KeyNotAtHand { path } => {
                let file = path.with_extension("");
                format!("give the key to the agent, `ssh-add {}`, and check that `ssh-add -l` shows it", file.display())
            }
            Self::SigningFailed { path, .. } => {
                format!("try by hand: `ssh-keygen -Y sign -n test -f {} FILE` (OpenSSH 8.2 or later)", path.display())
            }
            Self::SignatureMismatch { path, .. } => {
                format!("check that the pair belongs together: `ssh-keygen -l -f {}`", path.display())
            }
            Self::Signing { path, .. } => format!("look at the key: `ssh-keygen -l -f {}`", path.display()),
            Self::Handover { .. } => "check that the temporary directory is writable and has space: `df -h`".to_owned(),
            Self::OpenPgpSigner { .. } => {
                "sign with an SSH key: --key FILE; what commits are signed with is enrolled by \
                 `countersign person key add PERSON --openpgp FILE`"
                    .to_owned()
            }
            Self::GpgMissing { .. } => "install GnuPG (`apt-get install gnupg`), then try again".to_owned(),
            Self::GpgFailed { .. } => {
                "check that `gpg --version` names 2.2 or later, and that `df -h` shows space".to_owned()
            }
            Self::NotACertificate { .. } => "export it anew: `gpg --export --armor FINGERPRINT`".to_owned(),
            Self::SecretKey => {
                "delete the file, and export the public key: `gpg --export --armor FINGERPRINT`".to_owned()
            }
            Self::NoCommand => "name the command after `--`, for example `-- ./deploy.sh`".to_owned(),
            Self::CommandNotFound { .. } => "check the name and the search path with `command -v PROGRAM`".to_owned(),
            Self::NotTaken { .. } => "see what it wrote to its error stream; the next call tries again".to_owned(),
            Self::CommandNotStarted { .. } => "make it executable: `chmod +x PROGRAM`".to_owned(),
        }
    }
}
