//! The long texts behind the codes.

use countersign_model::{Exit, Explanation};

use crate::error::code;

/// The long texts behind the codes of errors, notices and problems of the ledger.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: code::SEALED,
        title: "the payload is sealed, and its key is not here",
        text: "The payloads of this ledger are encrypted at rest. Entries, tree, signatures on checkpoints and the stored \
               bytes are all checked without the key; what the payloads say is not, so this never counts as verified. The \
               key is kept in the data directory of the machine that made the ledger.",
        exit: Exit::Incomplete,
    },
    Explanation {
        code: code::SEALED_OTHERWISE,
        title: "a payload is not sealed as entry 0 says",
        text: "Entry 0 says whether the payloads of a ledger are encrypted at rest, and commits to the key. A payload that is \
               stored in the clear after that was appended by a program that did not encrypt: its copies in buckets and \
               backups can be read. One that is sealed with another key was put there by somebody who holds the log's key. \
               The entry stays as it is, for a log does not rewrite what it holds: find out which program appended it.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::NO_LEDGER,
        title: "no ledger",
        text: "The directory holds no ledger. A repository's own is `.countersign` at its top; `--ledger DIR` names \
               another. `countersign run` and `countersign init` make one.",
        exit: Exit::Nothing,
    },
    Explanation {
        code: code::EXISTS,
        title: "a ledger is there already",
        text: "A new ledger was asked for where one stands. A ledger is never replaced: its entries are evidence. Use \
               it, or name another directory.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::BUSY,
        title: "the ledger is busy",
        text: "One process at a time appends to a ledger; it holds the lock while it does, which takes some \
               milliseconds. Another process held it for longer than this one waits. Nothing was written. The lock \
               belongs to a process and ends with it: the file `lock` never needs to be removed.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::CONFLICT,
        title: "somebody else appended first",
        text: "An act is decided on what the ledger says, and appended only if the ledger still says so. In between \
               somebody else appended to the same stream. Nothing was written; the act must be decided anew.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::CLOCK_BEHIND,
        title: "the clock stands before the last entry",
        text: "Times in the ledger never go back. A clock that is behind by up to two minutes is put up with, and the \
               last entry's time is used. This machine's clock is further behind, or the one that made the last entry \
               was ahead. Nothing was written.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::DISK_FULL,
        title: "no space left",
        text: "The file system of the ledger is full, or a quota is used up. Nothing was recorded, and nothing that \
               depends on a record was done. What was written of it is removed again.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::READ_ONLY,
        title: "the ledger cannot be written",
        text: "The ledger stands on a file system that is mounted read-only, or permission is denied. It can be read \
               and verified, but nothing can be recorded.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::IO,
        title: "the operating system reported a fault",
        text: "Reading or writing a file of the ledger failed. While appending, nothing was recorded. During \
               verification, a file that cannot be read is never taken as sound.",
        exit: Exit::Internal,
    },
    Explanation {
        code: code::CORRUPT,
        title: "a file of the ledger was changed",
        text: "The file does not hold what the signed checkpoint and the entries say it holds: its bytes were changed, \
               cut or replaced, by a fault of the disk or by somebody. Keep the directory as it is, restore the file \
               from a copy, and verify again. The log refuses to sign anything new on top of a changed file.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::HALF_WRITTEN,
        title: "an append was interrupted",
        text: "A process that appended was killed, or the machine went down. An append happens at one moment, when the \
               new checkpoint is put in place. Before that moment nobody was told of it, and what it left behind is \
               removed by the next one that appends; after it, all of it is there. This is a notice, not an error.",
        exit: Exit::Pass,
    },
    Explanation {
        code: code::ENTRY_TOO_LARGE,
        title: "an entry is too large",
        text: "A bundle of entries has room for 65,535 bytes an entry (tlog-tiles). Content belongs in payloads and \
               attachments, which the entry names by digest; only very many of them make an entry this large.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::WRONG_SIGNER,
        title: "not this ledger's key",
        text: "Every checkpoint of a ledger is signed by the key that was made with it. Another key was given, so \
               nothing was signed: readers would not accept it.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: code::MISSING_BLOB,
        title: "a payload is missing",
        text: "An entry speaks of a payload or attachment by its digest, and the file of that name is gone. The entry \
               itself and every proof stay valid, but what it speaks of cannot be shown. Restore `blobs/` from a copy.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::UNKNOWN_FORMAT,
        title: "unknown format of an entry",
        text: "Entries carry a format version, from 1. This one carries none that any version of this program ever \
               wrote.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::NEWER,
        title: "the ledger is newer than this program",
        text: "An entry has a format version or an event kind that this program does not know. What it does not know \
               it cannot judge, so it stops. A newer version of countersign wrote it.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::UNSETTLED,
        title: "whether it was recorded is not known",
        text: "The new checkpoint was put in place, but the operating system could not confirm that it will survive a \
               power failure. The entries are either all there or none of them is. Look before doing it again.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::OCCUPIED,
        title: "something else stands there",
        text: "A new ledger is made in a directory that does not exist yet, or is empty. This one holds files that are \
               no ledger, and they are not touched.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::BLOB_TOO_LARGE,
        title: "a file is too large for the ledger",
        text: "The ledger takes payloads and attachments of up to 256 MiB. Keep a larger file where artifacts are \
               kept, and record its digest.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::BAD_BATCH,
        title: "a batch that cannot be appended",
        text: "The entries to append contradict each other or the log: there are none, or one answers to an entry that \
               is not before it. This is a fault of the program that made them. Nothing was written.",
        exit: Exit::Internal,
    },
    Explanation {
        code: code::NO_SUCH_ENTRY,
        title: "no such entry",
        text: "The ledger has fewer entries than the index asked for. Indices count from 0.",
        exit: Exit::Nothing,
    },
    Explanation {
        code: code::POISONED,
        title: "the writer stopped after a failed sync",
        text: "The disk could not confirm a write. After that nobody can say what of it will be there tomorrow, and a \
               second sync may claim what is not so. So the writer acknowledges nothing more until the ledger is opened \
               anew: then everything in it is read back and verified. What was acknowledged before is kept.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::KEY_REUSED,
        title: "an idempotency key was used twice",
        text: "A batch that is sent again under the same idempotency key is one batch. This one says something else than \
               the batch that was appended under that key, so it is not a repetition, and was not appended.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::INDEX,
        title: "the index of the ledger cannot be used",
        text: "Versions of streams and idempotency keys are kept in a small database in the data directory, derived from \
               the log. It could not be read or written. It is no source: it can be removed, and is derived again.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::NO_WRITER,
        title: "this ledger can only be read here",
        text: "A copy, a bucket or a web server holds the ledger for reading. Entries are appended where its writer is: \
               in its directory or its database.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::NEW_KEYS_ELSEWHERE,
        title: "the process that has the ledger open does not hold the new keys",
        text: "While a process (`countersign serve`) has a ledger open, it appends for everybody, so it is asked to exchange the \
               log's keys as well. It looks for the new ones in its own data directory and did not find them there. Nothing \
               was appended.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: code::WRITER_GONE,
        title: "the process that writes the ledger did not answer",
        text: "Another process has the ledger open and appends for everybody on this machine. It did not answer, or ended \
               while it was asked. Whether the append stands will be seen when the ledger is read again.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::UNPUBLISHED,
        title: "acknowledged entries wait to be published",
        text: "Entries are acknowledged when they are durable in the write-ahead log. They are written into tiles, and the \
               checkpoint that covers them is published, right after that. Here that was interrupted. Nothing is lost: \
               readers of this program see them, and the next append publishes them for every other client. A process that \
               keeps the ledger open tries again every second; it says when it fails, with the reason, and when it \
               succeeds again.",
        exit: Exit::Pass,
    },
    Explanation {
        code: code::MISSING_FILE,
        title: "a file of the ledger is missing",
        text: "Which files a ledger consists of follows from its entries. This one must be there and is not: somebody \
               removed it, or a copy is incomplete.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::UNKNOWN_FILE,
        title: "a file that does not belong to the ledger",
        text: "Every file in the ledger's directory is accounted for, caches excepted. This one follows from no entry. \
               It is no evidence; find out who put it there, and remove it.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::UNREFERENCED_BLOB,
        title: "a blob that no entry speaks of",
        text: "Payloads come into the ledger with the entry that names them. This one came another way, or its entry \
               was taken away.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::UNTRUSTED,
        title: "signed by a key that nobody vouches for",
        text: "The ledger is signed, and the key that signed it is none of the trusted ones. Whoever forges a ledger \
               can sign it with a key of their own, so the ledger's word for its own key counts for nothing.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::ROLLBACK,
        title: "the ledger is shorter than before",
        text: "A log only grows. More entries were seen before than are there now: an older copy was put in its place, \
               or its end was cut off.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::FORK,
        title: "the ledger has another history",
        text: "The entries that were seen before have another Merkle root now. History was rewritten and signed again.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::GENESIS,
        title: "the first entry is not about this ledger",
        text: "Entry 0 names the log, its key and its salt; all files must agree with it. One of them was exchanged, \
               or the log does not begin as every log does.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::ORDER,
        title: "entries out of order",
        text: "The entries of a stream are numbered from 1 without gaps, times never go back, and an entry answers \
               only to entries before it. The log is signed and says otherwise: it was not written by this program, or \
               an entry was taken out before it was signed.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::PROJECTION,
        title: "the projection cannot be used",
        text: "What the log says is kept folded in SQLite tables in the data directory (projection.db beside the pin). They \
               could not be read or written. Nothing was taken for an answer. The tables are a cache: the log has \
               everything, and `countersign ledger rebuild` folds it anew. If that fails too, look at the disk and at who \
               owns the data directory.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::PROJECTION_NOT_KEPT,
        title: "the projection cannot be kept",
        text: "The tables folded from the log could not be kept in the data directory, so they were folded in memory, from \
               the first entry on. Answers are the same; every command takes longer the longer the log is.",
        exit: Exit::Pass,
    },
    Explanation {
        code: code::NO_PROJECTION,
        title: "no projection to look at",
        text: "`ledger rebuild --check` compares the tables that this machine keeps with the log, and this machine keeps none \
               yet. Any command that needs them makes them.",
        exit: Exit::Nothing,
    },
    Explanation {
        code: code::PROJECTION_DIFFERS,
        title: "the projection does not say what the log says",
        text: "The log was folded beside the tables that this machine keeps, and they differ. Somebody or something other \
               than countersign wrote to projection.db in the data directory; or it was made by another version of \
               countersign (then the only difference is user_version, and the next command folds it anew by itself). \
               Every row that differs is listed with its table, its key and the log entry it comes from. The log itself is \
               not touched by this. Find out who changed the file, then run `countersign ledger rebuild`.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::PROJECTION_UNSETTLED,
        title: "the projection does not come to rest",
        text: "Every time the tables had been brought up to the log's head, others had appended or had folded them anew. \
               Nothing was lost; try again.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::FOLD_BROKE_OFF,
        title: "the fold broke off",
        text: "A thread that reads entries ended without saying why. That is a fault of countersign. What was folded so far \
               is sound, and nothing else was written.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-BACKUP-001",
        title: "not a backup",
        text: "A backup is a directory with `manifest.json`, `files` and `copy/`. The manifest is signed by the recorder that \
               entry 0 names, and it names everything else by digest. This directory is something else, belongs to another \
               ledger, was altered, or the backup broke off before its manifest was written. Nothing was overwritten.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-BACKUP-002",
        title: "copies of two logs",
        text: "Two copies can be held against each other only when they are of one log. These have different origins.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::ASIDE,
        title: "the temporary file of an examination cannot be used",
        text: "Streams and blobs of a long log are put aside in a temporary file and compared when the whole log was seen, so \
               that memory does not grow with the log. The file has no name and goes with the process. There was no room for \
               it, or it could not be read back.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::WEB,
        title: "a web server that publishes a log cannot be read",
        text: "It does not answer, or answers otherwise than a server that publishes a log under the paths of C2SP tlog-tiles. \
               Whether the log is sound was not found out.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::WEB_ADDRESS,
        title: "the address of a published log is malformed",
        text: "The address of a log is what stands before `/checkpoint`: `https://log.example/prefix`. It carries no user, \
               query or fragment.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::WHILE_GROWING,
        title: "a ledger was examined while it grew",
        text: "A running writer holds the ledger. It was examined as of one moment; what was appended since was not examined, \
               but its signed checkpoint continues what was.",
        exit: Exit::Pass,
    },
    Explanation {
        code: code::TORN,
        title: "the write-ahead log ends in no whole record",
        text: "A record at the very end is cut short or damaged. Where the power failed during an append, nobody was told that \
               it succeeded, and the next append removes it. From the ledger alone that cannot be told from a record that \
               somebody damaged later: a checkpoint that was seen after the append (a pin, `--since`, a witness) tells, for \
               then the ledger is shorter than it was.",
        exit: Exit::Pass,
    },
    Explanation {
        code: code::LOG_ONLY,
        title: "a place that publishes the log alone",
        text: "A web server publishes checkpoint, tiles and entries. That the log is whole, signed and consistent can be seen \
               from them. Payloads and the signatures in them cannot: verify the ledger's directory, or a copy in a bucket.",
        exit: Exit::Pass,
    },
    Explanation {
        code: "CS-IDENTITY-001",
        title: "the key belongs to nobody",
        text: "Acts count when they are signed with a key of an enrolled person. Nobody here has this one.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-IDENTITY-002",
        title: "the key was revoked",
        text: "An administrator revoked the key. What was signed with it and appended before the revocation stands, unless the \
               revocation says that the key was in other hands by then; nothing that is appended after it counts, whatever the \
               signer's clock says. A revoked key is never taken again, for nobody.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-IDENTITY-003",
        title: "the key does not count yet",
        text: "The key was added with a time from which on it counts, and that time has not come.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-IDENTITY-004",
        title: "the key counts no longer",
        text: "The key was added with a time before which it counts, and that time is over. What was signed with it and appended \
               before stands.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-IDENTITY-005",
        title: "the signer's clock is ahead",
        text: "A statement says when it was signed, and its place in the log says by when it was there. A signer's clock may be \
               ahead of that place by five minutes. This one is further ahead: it could speak of a time at which its key does \
               not count any more, so it does not count itself.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-IDENTITY-006",
        title: "the key signs no acts",
        text: "An OpenPGP key says whose commits are. Acts are signed with SSH keys and passkeys, which anybody can check with \
               ssh-keygen.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-PASSKEY-011",
        title: "a key is not used as it was enrolled",
        text: "A passkey counts for what a browser let it sign in the origin that its enrolment names, and it says in every \
               signature whether it may be backed up, which never changes for a key. What it signed without a browser, elsewhere, \
               or with another such mark does not count, and neither does a passkey's signature by a key that was enrolled as an \
               SSH key.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-PASSKEY-012",
        title: "the counter of a passkey went back",
        text: "Many authenticators count their signatures. A number that is not higher than the last one means that something \
               signed before and is appended late, is appended twice, or that there are two authenticators with the same key. \
               Signatures count in the order in which they were made: sign again. If a new signature is refused as well, there is \
               a copy, and the passkey has to be revoked. Authenticators that keep no counter always say 0.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CERT-001",
        title: "the authority is not known",
        text: "An administrator enrols certificate authorities. This certificate is by another one, so it says nothing here.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CERT-002",
        title: "the authority is revoked",
        text: "No certificate of an authority that was revoked counts, whenever it was made, and no key that it certified does.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CERT-003",
        title: "a host's certificate",
        text: "Certificates are for users or for hosts. A host signs nothing here.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CERT-004",
        title: "a certificate with a condition",
        text: "A critical option (`force-command`, `source-address`, `verify-required` and so on) says that the certificate counts only where somebody checks it. There is no session here whose command or address could be checked, so a certificate with any of them does not count.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CERT-005",
        title: "not what the authority is for",
        text: "An authority is enrolled for acts, for commits, or for both. This certificate was used for the other.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CERT-006",
        title: "the certificate does not count at that time",
        text: "A certificate counts in its own window and in that of its authority: both when something was signed and at the place in the log.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CERT-007",
        title: "whom the certificate is for",
        text: "Among its principals a certificate names exactly one of the people that its authority is enrolled for, by their id (`per-…`). Names and addresses mean nobody; a certificate without principals is for nobody.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CERT-008",
        title: "a certificate that says too much",
        text: "A certificate that is shown stays in the log, where nothing about people may stand that cannot be erased. So its only principal is the person's id, and its key id is that id, a number, a random value in hex, or empty.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CERT-009",
        title: "the key is taken",
        text: "The certified key is another person's, an authority, or enrolled without a certificate. A key is one person's, in one way, for ever.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CERT-010",
        title: "the certified key is revoked",
        text: "A key that was revoked never comes back, with no certificate.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CERT-011",
        title: "the person is gone",
        text: "Who has left, or whose data is erased, gets no key by a certificate either.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CERT-012",
        title: "a revocation list names it",
        text: "An administrator imported a revocation list of OpenSSH that names the certificate by its serial or key id, its key, or its \
               authority. Lists of later numbers do not bring back what an earlier one named.",
        exit: Exit::Forbidden,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;

    use countersign_model::{Diagnostic as _, StreamId, Timestamp};

    use super::*;
    use crate::Error;

    /// One of every variant but the transparent one. The match makes the compiler ask for new ones.
    fn all() -> Vec<Error> {
        let source = || io::Error::from(io::ErrorKind::Other);
        let [dir, file, path, what, place, absent] = ["d", "f", "p", "w", "l", "a"].map(str::to_owned);
        let all = vec![
            Error::NoLedger { dir: dir.clone() },
            Error::AlreadyExists { dir: dir.clone() },
            Error::Occupied { dir },
            Error::Busy { holder: Some(1) },
            Error::Conflict { stream: StreamId::from_text("s"), expected: 1, found: 2 },
            Error::SizeConflict { expected: 1, found: 2 },
            Error::ClockBehind { now: Timestamp::from_millis(0), last: Timestamp::from_millis(1) },
            Error::DiskFull { path: path.clone(), source: source() },
            Error::ReadOnly { path: path.clone(), source: source() },
            Error::Io { action: "read", path: path.clone(), source: source() },
            Error::Corrupt { file: file.clone(), entry: None, what: what.clone() },
            Error::MissingBlob { file: file.clone() },
            Error::EntryTooLarge { position: 0, bytes: 1 },
            Error::BlobTooLarge { bytes: 1 },
            Error::BadBatch { what: what.clone() },
            Error::WrongSigner { given: what.clone(), expected: what.clone() },
            Error::UnknownFormat { file: file.clone(), index: 0, version: what.clone() },
            Error::Newer { file, index: 0, what },
            Error::Unsettled { first_index: 0, last_index: 1, path, source: source() },
            Error::NoSuchEntry { index: 0, size: 0 },
            Error::Projection { source: rusqlite::Error::InvalidQuery },
            Error::ProjectionPlace { path: place, source: source() },
            Error::NoProjection { path: absent },
            Error::ProjectionUnsettled,
            Error::FoldBrokeOff,
            Error::Web { url: "u".into(), what: "w".into() },
            Error::WebAddress { what: "w" },
            Error::Aside { source: rusqlite::Error::InvalidQuery },
            Error::Poisoned { path: "p".into(), why: "y".into() },
            Error::KeyReused { first_index: 1 },
            Error::Index { source: rusqlite::Error::InvalidQuery },
            Error::NoWriter { place: "p".into() },
            Error::NewKeysElsewhere { place: "p".into() },
            Error::Sealed { key: "k".into() },
            Error::WriterGone { holder: Some(1), source: source() },
        ];
        for error in &all {
            match error {
                Error::NoLedger { .. }
                | Error::AlreadyExists { .. }
                | Error::Occupied { .. }
                | Error::Busy { .. }
                | Error::Conflict { .. }
                | Error::SizeConflict { .. }
                | Error::ClockBehind { .. }
                | Error::DiskFull { .. }
                | Error::ReadOnly { .. }
                | Error::Io { .. }
                | Error::Corrupt { .. }
                | Error::MissingBlob { .. }
                | Error::EntryTooLarge { .. }
                | Error::BlobTooLarge { .. }
                | Error::BadBatch { .. }
                | Error::WrongSigner { .. }
                | Error::UnknownFormat { .. }
                | Error::Newer { .. }
                | Error::Unsettled { .. }
                | Error::NoSuchEntry { .. }
                | Error::S3(_)
                | Error::NotABackup { .. }
                | Error::OtherLog { .. }
                | Error::Projection { .. }
                | Error::ProjectionPlace { .. }
                | Error::NoProjection { .. }
                | Error::ProjectionUnsettled
                | Error::FoldBrokeOff
                | Error::Aside { .. }
                | Error::Web { .. }
                | Error::WebAddress { .. }
                | Error::Poisoned { .. }
                | Error::KeyReused { .. }
                | Error::Index { .. }
                | Error::NoWriter { .. }
                | Error::NewKeysElsewhere { .. }
                | Error::Sealed { .. }
                | Error::WriterGone { .. }
                | Error::Told { .. }
                | Error::Postgres(_)
                | Error::Evidence(_) => {}
            }
        }
        all
    }

    #[test]
    fn every_code_is_explained_once_and_every_error_ends_as_its_explanation_says() {
        let codes: BTreeSet<_> = EXPLANATIONS.iter().map(|e| e.code).collect();
        assert_eq!(codes.len(), EXPLANATIONS.len(), "no code twice");
        for error in all() {
            let explanation = EXPLANATIONS.iter().find(|e| e.code == error.code());
            assert_eq!(explanation.map(|e| e.exit), Some(error.exit()), "{error}");
            assert!(!error.help().is_empty());
        }
        for code in [
            code::HALF_WRITTEN,
            code::UNPUBLISHED,
            code::MISSING_FILE,
            code::UNKNOWN_FILE,
            code::UNREFERENCED_BLOB,
            code::UNTRUSTED,
            code::ROLLBACK,
            code::FORK,
            code::GENESIS,
            code::ORDER,
            code::PROJECTION_NOT_KEPT,
            code::PROJECTION_DIFFERS,
            code::WHILE_GROWING,
            code::TORN,
            code::LOG_ONLY,
        ] {
            assert!(codes.contains(code), "{code}");
        }
    }

    #[test]
    fn a_message_does_not_repeat_its_source() {
        use std::error::Error as _;
        for error in all() {
            if let Some(source) = error.source() {
                assert!(!error.to_string().contains(&source.to_string()), "{error}");
            }
        }
    }
}
