//! What can go wrong with the ledger, each with a stable code.

use std::io;
use std::path::Path;

use countersign_model::{Diagnostic, Exit, Place, StreamId, Timestamp};

/// The stable codes of this room. Errors, notices and problems found by verification share them.
pub mod code {
    /// There is no ledger here.
    pub const NO_LEDGER: &str = "CS-LEDGER-001";
    /// There is a ledger here already.
    pub const EXISTS: &str = "CS-LEDGER-002";
    /// Another process holds the lock.
    pub const BUSY: &str = "CS-LEDGER-003";
    /// Somebody else appended first.
    pub const CONFLICT: &str = "CS-LEDGER-004";
    /// The clock stands before the last entry.
    pub const CLOCK_BEHIND: &str = "CS-LEDGER-005";
    /// No space is left.
    pub const DISK_FULL: &str = "CS-LEDGER-006";
    /// The ledger cannot be written.
    pub const READ_ONLY: &str = "CS-LEDGER-007";
    /// The operating system reported a fault.
    pub const IO: &str = "CS-LEDGER-008";
    /// A file of the ledger does not hold what it must hold.
    pub const CORRUPT: &str = "CS-LEDGER-009";
    /// An interrupted append was found (a notice).
    pub const HALF_WRITTEN: &str = "CS-LEDGER-010";
    /// An entry is larger than a bundle can hold.
    pub const ENTRY_TOO_LARGE: &str = "CS-LEDGER-011";
    /// The signing key is not this ledger's.
    pub const WRONG_SIGNER: &str = "CS-LEDGER-012";
    /// A payload is sealed, and its key is not here.
    pub const SEALED: &str = "CS-KEY-040";
    /// A payload is not sealed as entry 0 says.
    pub const SEALED_OTHERWISE: &str = "CS-KEY-043";
    /// A blob that an entry speaks of is gone.
    pub const MISSING_BLOB: &str = "CS-LEDGER-013";
    /// The format version is none that ever existed.
    pub const UNKNOWN_FORMAT: &str = "CS-LEDGER-014";
    /// The ledger was written by a newer program.
    pub const NEWER: &str = "CS-LEDGER-015";
    /// Whether the append stands is not known.
    pub const UNSETTLED: &str = "CS-LEDGER-016";
    /// The directory holds something that is no ledger.
    pub const OCCUPIED: &str = "CS-LEDGER-017";
    /// A blob is larger than the ledger takes.
    pub const BLOB_TOO_LARGE: &str = "CS-LEDGER-018";
    /// The batch contradicts itself.
    pub const BAD_BATCH: &str = "CS-LEDGER-019";
    /// The ledger has no such entry.
    pub const NO_SUCH_ENTRY: &str = "CS-LEDGER-021";
    /// The writer stopped after a failed sync.
    pub const POISONED: &str = "CS-LEDGER-022";
    /// An idempotency key was used for two different batches.
    pub const KEY_REUSED: &str = "CS-LEDGER-023";
    /// The index of streams and keys cannot be used.
    pub const INDEX: &str = "CS-LEDGER-024";
    /// The place where the ledger is kept cannot be appended to.
    pub const NO_WRITER: &str = "CS-LEDGER-025";
    /// The process that writes the ledger did not answer.
    pub const WRITER_GONE: &str = "CS-LEDGER-026";
    /// Acknowledged entries wait in the write-ahead log (a notice).
    pub const UNPUBLISHED: &str = "CS-LEDGER-027";
    /// A file that belongs to the ledger is missing.
    pub const MISSING_FILE: &str = "CS-LEDGER-030";
    /// A file that does not belong to the ledger.
    pub const UNKNOWN_FILE: &str = "CS-LEDGER-031";
    /// A blob that no entry speaks of.
    pub const UNREFERENCED_BLOB: &str = "CS-LEDGER-032";
    /// The checkpoint is signed by nobody who is trusted.
    pub const UNTRUSTED: &str = "CS-LEDGER-033";
    /// The ledger is shorter than it was.
    pub const ROLLBACK: &str = "CS-LEDGER-034";
    /// The ledger has another history than the one remembered.
    pub const FORK: &str = "CS-LEDGER-035";
    /// The first entry does not speak of this ledger.
    pub const GENESIS: &str = "CS-LEDGER-036";
    /// Versions, times or references are out of order.
    pub const ORDER: &str = "CS-LEDGER-037";
    /// The projection cannot be used.
    pub const PROJECTION: &str = "CS-LEDGER-040";
    /// The projection cannot be kept (a notice).
    pub const PROJECTION_NOT_KEPT: &str = "CS-LEDGER-041";
    /// There is no projection to look at.
    pub const NO_PROJECTION: &str = "CS-LEDGER-042";
    /// The projection does not say what the log says.
    pub const PROJECTION_DIFFERS: &str = "CS-LEDGER-043";
    /// The projection does not come to rest.
    pub const PROJECTION_UNSETTLED: &str = "CS-LEDGER-044";
    /// The fold broke off.
    pub const FOLD_BROKE_OFF: &str = "CS-LEDGER-045";
    /// What an examination puts aside cannot be kept.
    pub const ASIDE: &str = "CS-LEDGER-050";
    /// A ledger was examined while it grew (a notice).
    pub const WHILE_GROWING: &str = "CS-LEDGER-051";
    /// The end of the write-ahead log is no whole record (a notice).
    pub const TORN: &str = "CS-LEDGER-052";
    /// A place that publishes the log alone was examined (a notice).
    pub const LOG_ONLY: &str = "CS-LEDGER-053";
    /// A web server that publishes a log cannot be read.
    pub const WEB: &str = "CS-LEDGER-054";
    /// The address of a published log is malformed.
    pub const WEB_ADDRESS: &str = "CS-LEDGER-055";
    /// The process that has the ledger open does not hold the new keys.
    pub const NEW_KEYS_ELSEWHERE: &str = "CS-LEDGER-056";
}

/// An expected error of the store. Files are named relative to the ledger's directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no ledger in the directory.
    #[error("there is no ledger in `{dir}`")]
    NoLedger {
        /// The directory.
        dir: String,
    },
    /// A ledger stands in the directory already.
    #[error("there is a ledger in `{dir}` already")]
    AlreadyExists {
        /// The directory.
        dir: String,
    },
    /// Not a backup, or not one of this ledger.
    #[error("`{path}` is no backup that can be used: {what}")]
    NotABackup {
        /// What was named.
        path: String,
        /// Why not.
        what: &'static str,
    },
    /// Copies of two different logs.
    #[error("these are copies of two logs, `{a}` and `{b}`")]
    OtherLog {
        /// One origin.
        a: String,
        /// The other.
        b: String,
    },
    /// The directory is not empty and holds no ledger.
    #[error("`{dir}` is not empty and holds no ledger")]
    Occupied {
        /// The directory.
        dir: String,
    },
    /// Another process kept the lock for longer than we wait.
    #[error("the ledger is busy: {}", holder.map_or_else(|| "another process holds its lock".to_owned(), |pid| format!("process {pid} holds its lock")))]
    Busy {
        /// The process that wrote its id into the lock file.
        holder: Option<u32>,
    },
    /// The stream moved since the caller looked. Nothing was written; fold again and decide again.
    #[error("stream `{stream}` is at version {found}, expected {expected}")]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// The version the caller had read.
        expected: u64,
        /// The version in the ledger.
        found: u64,
    },
    /// The ledger grew since the caller looked. Nothing was written; fold again and decide again.
    #[error("the ledger holds {found} entries, expected {expected}")]
    SizeConflict {
        /// The size the caller had read.
        expected: u64,
        /// The size of the ledger.
        found: u64,
    },
    /// The clock stands before the last entry by more than two minutes. Nothing was written.
    #[error("the clock says {now}, which is before the last entry of {last}")]
    ClockBehind {
        /// The clock's time.
        now: Timestamp,
        /// The last entry's time.
        last: Timestamp,
    },
    /// No space, or no quota, is left. Nothing was acknowledged.
    #[error("no space left to write `{path}`")]
    DiskFull {
        /// The file.
        path: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The file system is read-only, or permission is denied. Nothing was acknowledged.
    #[error("`{path}` cannot be written")]
    ReadOnly {
        /// The file.
        path: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The operating system reported another fault. Nothing was acknowledged.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what the checkpoint and the entries say it holds.
    #[error("`{file}` is corrupt{}: {what}", entry.map_or_else(String::new, |i| format!(" at entry {i}")))]
    Corrupt {
        /// The file.
        file: String,
        /// The entry in it, where one is to blame.
        entry: Option<u64>,
        /// What is wrong.
        what: String,
    },
    /// A blob that an entry speaks of is not there.
    #[error("blob `{file}` is missing")]
    MissingBlob {
        /// Where it should be.
        file: String,
    },
    /// An entry is larger than 65,535 bytes of canonical JSON.
    #[error("entry {position} of the batch has {bytes} bytes, at most {} fit", countersign_model::Entry::MAX_BYTES)]
    EntryTooLarge {
        /// Its position in the batch, from 0.
        position: usize,
        /// Its size in bytes.
        bytes: usize,
    },
    /// A blob is larger than [`crate::MAX_BLOB_BYTES`].
    #[error("a blob of {bytes} bytes is too large, at most {} fit", crate::MAX_BLOB_BYTES)]
    BlobTooLarge {
        /// Its size in bytes.
        bytes: u64,
    },
    /// The batch is empty, or an entry refers to itself or to a later one.
    #[error("the batch cannot be appended: {what}")]
    BadBatch {
        /// What is wrong.
        what: String,
    },
    /// The signing key is not the one whose verifier key the ledger names.
    #[error("the key `{given}` does not sign this ledger, `{expected}` does")]
    WrongSigner {
        /// The name and id of the key that was given.
        given: String,
        /// The name and id of the ledger's key.
        expected: String,
    },
    /// The entry's format version is none that ever existed.
    #[error("entry {index} in `{file}` has the unknown format version {version}")]
    UnknownFormat {
        /// The bundle.
        file: String,
        /// The entry.
        index: u64,
        /// The version found.
        version: String,
    },
    /// The entry was written by a newer program.
    #[error("entry {index} in `{file}` was written by a newer program ({what})")]
    Newer {
        /// The bundle.
        file: String,
        /// The entry.
        index: u64,
        /// What this program does not know.
        what: String,
    },
    /// The checkpoint was put in place, but the operating system could not say that it will stay.
    #[error("whether entries {first_index} to {last_index} were appended is not known: `{path}` could not be synced")]
    Unsettled {
        /// The first entry of the batch.
        first_index: u64,
        /// The last entry of the batch.
        last_index: u64,
        /// What could not be synced.
        path: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Canonical encoding, signing, sealing or randomness failed; code and help are the evidence room's own.
    #[error(transparent)]
    Evidence(#[from] countersign_evidence::Error),
    /// A bucket could not be used; code and help are its own.
    #[error(transparent)]
    S3(#[from] crate::s3::S3Error),
    /// A sync failed earlier, so the writer acknowledges nothing until the ledger is opened, and verified, anew.
    #[error("the writer stopped, for `{path}` could not be synced before: {why}")]
    Poisoned {
        /// What could not be synced.
        path: String,
        /// What the operating system said then.
        why: String,
    },
    /// The idempotency key stands for another batch.
    #[error("the idempotency key was used for another batch, at entry {first_index}")]
    KeyReused {
        /// The first entry of that batch.
        first_index: u64,
    },
    /// The index of streams and keys, which is derived from the log, cannot be read or written.
    #[error("the index of the ledger cannot be used")]
    Index {
        /// What the database said.
        #[source]
        source: rusqlite::Error,
    },
    /// A payload is sealed, and this machine does not hold its key.
    #[error("sealed, and this machine does not hold the key `{key}`")]
    Sealed {
        /// The key's id.
        key: String,
    },
    /// What was opened can be read only: a copy, a bucket, a web server.
    #[error("`{place}` can be read and not appended to")]
    NoWriter {
        /// The place.
        place: String,
    },
    /// The process that has the ledger open does not hold the keys that are to sign from here on.
    #[error("the process that has `{place}` open does not hold the new keys of its log")]
    NewKeysElsewhere {
        /// The place.
        place: String,
    },
    /// The process that holds the lock did not answer, or ended while it was asked.
    #[error("the process that writes the ledger did not answer{}", holder.map_or_else(String::new, |pid| format!(" (process {pid})")))]
    WriterGone {
        /// The process that wrote its id into the lock file.
        holder: Option<u32>,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// An error of the writer, told to every caller that waited for the same write; or to another process.
    #[error("{what}")]
    Told {
        /// The code of its error.
        code: &'static str,
        /// Its text.
        what: String,
        /// Its advice.
        help: String,
        /// How the command ends because of it.
        exit: Exit,
        /// Whether somebody else appended first.
        conflict: bool,
    },
    /// What only a ledger in PostgreSQL can say.
    #[error(transparent)]
    Postgres(#[from] crate::postgres::PgError),
    /// The ledger has no entry of this index.
    #[error("there is no entry {index}, the ledger holds {size}")]
    NoSuchEntry {
        /// The index asked for.
        index: u64,
        /// The size of the ledger.
        size: u64,
    },
    /// SQLite could not read or write the projection. That is never taken for an answer: not for "no such person", and
    /// not for "not believed".
    #[error("the projection of the ledger cannot be used")]
    Projection {
        /// What SQLite said.
        #[from]
        source: rusqlite::Error,
    },
    /// A web server does not answer, or not as one that publishes a log.
    #[error("`{url}` cannot be read: {what}")]
    Web {
        /// The address.
        url: String,
        /// What happened.
        what: String,
    },
    /// The address of a published log is malformed.
    #[error("that is no address of a published log: {what}")]
    WebAddress {
        /// What is wrong.
        what: &'static str,
    },
    /// An examination puts aside what it has to compare later, and could not.
    #[error("the temporary file of the examination cannot be used")]
    Aside {
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The projection's file cannot be made or locked.
    #[error("the projection cannot be kept in `{path}`")]
    ProjectionPlace {
        /// The file.
        path: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// There is no projection to look at.
    #[error("there is no projection at `{path}`")]
    NoProjection {
        /// Where it would be.
        path: String,
    },
    /// Others changed the projection every time that it had been brought up to date.
    #[error("others kept changing the projection while it was read")]
    ProjectionUnsettled,
    /// A thread that reads entries ended without a word.
    #[error("a thread that reads the log ended before its time")]
    FoldBrokeOff,
}

impl Error {
    /// Sorts a fault of the operating system while writing into the kinds that people treat differently.
    pub(crate) fn writing(action: &'static str, path: impl Into<String>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull { path, source }
            }
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly { path, source },
            _ => Self::Io { action, path, source },
        }
    }

    pub(crate) fn reading(path: impl Into<String>, source: io::Error) -> Self {
        Self::Io { action: "read", path: path.into(), source }
    }

    /// A file outside the tree that could not be reached.
    pub(crate) fn io(path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Io { action: "use", path: path.as_ref().display().to_string(), source }
    }

    pub(crate) fn corrupt(file: impl AsRef<Path>, entry: Option<u64>, what: impl Into<String>) -> Self {
        Self::Corrupt { file: file.as_ref().display().to_string(), entry, what: what.into() }
    }

    /// Whether there is no ledger where one was sought.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NoLedger { .. })
    }

    /// Whether a new ledger was asked for where one stands already.
    #[must_use]
    pub const fn is_already_there(&self) -> bool {
        matches!(self, Self::AlreadyExists { .. })
    }

    /// Whether somebody else appended first: fold again, decide again.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::SizeConflict { .. } | Self::Told { conflict: true, .. })
    }
}

impl Diagnostic for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NoLedger { .. } => code::NO_LEDGER,
            Self::AlreadyExists { .. } => code::EXISTS,
            Self::Occupied { .. } => code::OCCUPIED,
            Self::NotABackup { .. } => "CS-BACKUP-001",
            Self::OtherLog { .. } => "CS-BACKUP-002",
            Self::Busy { .. } => code::BUSY,
            Self::Conflict { .. } | Self::SizeConflict { .. } => code::CONFLICT,
            Self::ClockBehind { .. } => code::CLOCK_BEHIND,
            Self::DiskFull { .. } => code::DISK_FULL,
            Self::ReadOnly { .. } => code::READ_ONLY,
            Self::Io { .. } => code::IO,
            Self::Corrupt { .. } => code::CORRUPT,
            Self::MissingBlob { .. } => code::MISSING_BLOB,
            Self::EntryTooLarge { .. } => code::ENTRY_TOO_LARGE,
            Self::BlobTooLarge { .. } => code::BLOB_TOO_LARGE,
            Self::BadBatch { .. } => code::BAD_BATCH,
            Self::WrongSigner { .. } => code::WRONG_SIGNER,
            Self::UnknownFormat { .. } => code::UNKNOWN_FORMAT,
            Self::Newer { .. } => code::NEWER,
            Self::Unsettled { .. } => code::UNSETTLED,
            Self::Poisoned { .. } => code::POISONED,
            Self::KeyReused { .. } => code::KEY_REUSED,
            Self::Index { .. } => code::INDEX,
            Self::NoWriter { .. } => code::NO_WRITER,
            Self::NewKeysElsewhere { .. } => code::NEW_KEYS_ELSEWHERE,
            Self::Sealed { .. } => code::SEALED,
            Self::WriterGone { .. } => code::WRITER_GONE,
            Self::Told { code, .. } => code,
            Self::Evidence(source) => source.code(),
            Self::S3(source) => source.code(),
            Self::Postgres(source) => source.code(),
            Self::NoSuchEntry { .. } => code::NO_SUCH_ENTRY,
            Self::Projection { .. } | Self::ProjectionPlace { .. } => code::PROJECTION,
            Self::NoProjection { .. } => code::NO_PROJECTION,
            Self::ProjectionUnsettled => code::PROJECTION_UNSETTLED,
            Self::FoldBrokeOff => code::FOLD_BROKE_OFF,
            Self::Aside { .. } => code::ASIDE,
            Self::Web { .. } => code::WEB,
            Self::WebAddress { .. } => code::WEB_ADDRESS,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotABackup { .. } => Exit::Unverified,
            Self::Sealed { .. } => Exit::Incomplete,
            Self::NoLedger { .. } | Self::NoSuchEntry { .. } | Self::NoProjection { .. } => Exit::Nothing,
            Self::AlreadyExists { .. }
            | Self::Occupied { .. }
            | Self::OtherLog { .. }
            | Self::EntryTooLarge { .. }
            | Self::BlobTooLarge { .. }
            | Self::Newer { .. } => Exit::Usage,
            Self::Busy { .. }
            | Self::Conflict { .. }
            | Self::SizeConflict { .. }
            | Self::ClockBehind { .. }
            | Self::DiskFull { .. }
            | Self::ReadOnly { .. }
            | Self::Projection { .. }
            | Self::ProjectionPlace { .. }
            | Self::ProjectionUnsettled
            | Self::Aside { .. }
            | Self::Web { .. }
            | Self::Unsettled { .. }
            | Self::Poisoned { .. }
            | Self::Index { .. }
            | Self::WriterGone { .. } => Exit::Backend,
            Self::KeyReused { .. } | Self::NoWriter { .. } | Self::WebAddress { .. } => Exit::Usage,
            Self::Told { exit, .. } => *exit,
            Self::WrongSigner { .. } | Self::NewKeysElsewhere { .. } => Exit::Forbidden,
            Self::Corrupt { .. } | Self::MissingBlob { .. } | Self::UnknownFormat { .. } => Exit::Unverified,
            Self::Io { .. } | Self::BadBatch { .. } | Self::FoldBrokeOff => Exit::Internal,
            Self::Evidence(source) => source.exit(),
            Self::S3(source) => source.exit(),
            Self::Postgres(source) => source.exit(),
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::DiskFull { path, .. }
            | Self::ReadOnly { path, .. }
            | Self::Io { path, .. }
            | Self::ProjectionPlace { path, .. }
            | Self::NoProjection { path }
            | Self::Unsettled { path, .. }
            | Self::Poisoned { path, .. } => Some(Place::file(path)),
            Self::Corrupt { file, .. }
            | Self::MissingBlob { file }
            | Self::UnknownFormat { file, .. }
            | Self::Newer { file, .. } => Some(Place::file(file)),
            Self::Evidence(source) => source.place(),
            Self::S3(source) => source.place(),
            _ => None,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::NoLedger { .. } => "run `countersign init` to make one, or name another with `--ledger DIR`".into(),
            Self::AlreadyExists { .. } => "use it as it is; `countersign verify` examines it".into(),
            Self::NotABackup { .. } => {
                "name the directory that `countersign ledger backup` wrote; one that broke off is \
                                         completed by running it again"
                    .into()
            }
            Self::OtherLog { .. } => "name two copies of one ledger: their `ledger/origin` is the same".into(),
            Self::Occupied { dir } => format!("move `{dir}` away, or name another directory with `--ledger DIR`"),
            Self::Busy { holder: Some(pid) } => {
                format!(
                    "wait for process {pid} to end (`ps -p {pid}`), then try again; if it is `countersign serve`, stop it \
                     (kill -TERM {pid}), run the same command again, and start it anew"
                )
            }
            Self::Busy { holder: None } | Self::Conflict { .. } | Self::SizeConflict { .. } => "try again".into(),
            Self::ClockBehind { .. } => "set the machine's clock (`timedatectl status`), then try again".into(),
            Self::DiskFull { .. } => "make room (`df -h`), then try again: nothing was recorded".into(),
            Self::ReadOnly { .. } => {
                "mount the ledger's directory writable, or give yourself permission to write there".into()
            }
            Self::Io { .. } => "look at the disk (`dmesg`), then run `countersign verify`".into(),
            Self::Corrupt { .. } | Self::MissingBlob { .. } | Self::UnknownFormat { .. } => {
                "run `countersign verify` for the whole picture, and restore the file from a copy".into()
            }
            Self::EntryTooLarge { .. } => "attach less to one event: each attachment adds about 120 bytes".into(),
            Self::BlobTooLarge { .. } => "keep the file elsewhere and record its digest".into(),
            Self::BadBatch { .. } => "report this as a fault of countersign".into(),
            Self::Evidence(source) => source.help(),
            Self::S3(source) => source.help(),
            Self::Postgres(source) => source.help(),
            Self::WrongSigner { .. } => {
                "use the log key that was made with this ledger (`countersign doctor` shows where it is sought)".into()
            }
            Self::Newer { .. } => "update countersign to the version that wrote this ledger".into(),
            Self::Unsettled { first_index, .. } => {
                format!("run `countersign verify`, and look whether entry {first_index} is there before trying again")
            }
            Self::Poisoned { .. } => {
                "look at the disk (`dmesg`), end this process and start it again: what it acknowledged is kept, and is \
                 verified then"
                    .into()
            }
            Self::KeyReused { .. } => "send a new batch under a new key; the earlier one stands".into(),
            Self::Index { .. } => {
                "remove `index.db` from the ledger's folder in the data directory (`countersign doctor` names it): it \
                 is derived from the log again"
                    .into()
            }
            Self::Sealed { .. } => {
                "bring its key from a machine that holds it (`countersign key export-payload-key FILE`), \
                                    then: countersign key import-payload-key FILE"
                    .into()
            }
            Self::NewKeysElsewhere { .. } => {
                "run the command with the data directory of that process (COUNTERSIGN_DATA_DIR), or end the process first".into()
            }
            Self::NoWriter { .. } => "name the ledger itself with `--ledger`".into(),
            Self::WriterGone { .. } => {
                "try again: a repeated append with the same idempotency key is one entry; `countersign ledger entries` \
                 shows whether the last one stands"
                    .into()
            }
            Self::Told { help, .. } => help.clone(),
            Self::NoSuchEntry { .. } => "`countersign verify` prints the size of the ledger".into(),
            Self::Projection { .. } | Self::NoProjection { .. } => {
                "fold it anew from the log: countersign ledger rebuild".into()
            }
            Self::ProjectionPlace { .. } => {
                "check who owns the data directory and whether it is full (`df -h`), or set COUNTERSIGN_DATA_DIR to a \
                 directory of yours"
                    .into()
            }
            Self::ProjectionUnsettled => "run the same command again".into(),
            Self::Web { .. } => "try again when the server answers: `countersign verify URL`".into(),
            Self::WebAddress { .. } => "give what stands before `/checkpoint`: `countersign verify https://log.example/`".into(),
            Self::Aside { .. } => {
                "make room in the directory for temporary files, or name another: `SQLITE_TMPDIR=DIR countersign verify`".into()
            }
            Self::FoldBrokeOff => "report this as a fault of countersign".into(),
        }
    }
}
