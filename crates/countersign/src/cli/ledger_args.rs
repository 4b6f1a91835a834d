//! Arguments of `ledger`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::args::{Format, KeyArgs};
use super::retention_args::{DisposeArgs, EraseArgs};

#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    #[command(subcommand)]
    pub(crate) verb: LedgerVerb,
}

/// What signs a log beside its Ed25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SignAlso {
    /// A key of ML-DSA-44 (FIPS 204)
    #[value(name = "ml-dsa-44")]
    MlDsa44,
    /// Nothing: the second key is retired
    None,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerVerb {
    /// Origin, verifier key, size, root, and where the tiles are
    Info {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List entries
    Entries {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List runs
    Runs {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print an entry, or what it speaks of
    Show {
        /// Log index
        index: u64,
        /// Print the bytes of the payload, opened where they are sealed
        #[arg(long, conflicts_with_all = ["statement", "signature", "attachment"])]
        payload: bool,
        /// Print the signed statement's bytes, exactly as signed
        #[arg(long, conflicts_with = "attachment")]
        statement: bool,
        /// Print the armoured SSH signature of an act
        #[arg(long, conflicts_with_all = ["statement", "attachment"])]
        signature: bool,
        /// Print the bytes of attachment N, from 0
        #[arg(long, value_name = "N")]
        attachment: Option<usize>,
    },
    /// Ask the witnesses of the trust policy to cosign the newest checkpoint; exit 14 when too few did
    Witness {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Fold the log anew into this machine's tables, or compare them with it
    ///
    /// What the log says is kept in SQLite tables in the data directory, so that a command need not read the whole log.
    /// They are a cache: safe to remove, and folded anew by themselves where they cannot be right. This command does it
    /// at once. Somebody who changes a row there makes this machine believe it until it is folded anew; --check finds
    /// that and changes nothing.
    Rebuild {
        /// Fold beside the present tables and compare row by row; exit 13 when anything differs
        #[arg(long)]
        check: bool,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Sign the log's checkpoints with a second, post-quantum key as well, or no longer; an administrator signs
    ///
    /// `ml-dsa-44` makes a key in a file of the data directory, and an entry of the log names it: from that entry on every
    /// checkpoint carries both signatures, and `verify` asks for both. `none` retires the key and removes its file. Readers
    /// that know only Ed25519 keep reading the log. This machine must hold the log's key.
    SignAlso {
        /// With what
        #[arg(value_enum, value_name = "ALGORITHM")]
        with: SignAlso,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        key: KeyArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Exchange the key that signs the log's checkpoints; an administrator signs
    RotateKey {
        /// The new key, in a device [default: a new one, in a file of the data directory]
        #[arg(long, value_name = "pkcs11:…")]
        to: Option<String>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        key: KeyArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Copy the ledger, as far as its checkpoint goes, with a signed list of everything in it
    Backup {
        /// A new directory, or an earlier backup: then only what is new is copied
        target: PathBuf,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Bring a ledger back from a backup, and prove that nothing is missing
    Restore {
        /// The backup
        backup: PathBuf,
        /// Where the ledger is to lie; nothing may be there
        dir: PathBuf,
        /// Trust by this file (`trust export`) or verifier key instead of this machine's pin
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Hold two copies of a ledger against each other; exit 13 when they have different histories
    ForkCheck {
        /// A ledger's directory, a repository, a backup, or a copy in a bucket (s3://…)
        a: PathBuf,
        /// Another one
        b: PathBuf,
        /// Write the proof of a fork into this file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Remove payloads that nothing keeps any more; two people sign
    Dispose(DisposeArgs),
    /// Erase a person's data, or note down that it is to be erased when nothing keeps it
    EraseSubject(EraseArgs),
    /// Write a receipt: an offline proof (tlog-proof) that an entry is in the log
    Receipt {
        /// Log index
        index: u64,
        /// Where to write it [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Copy the ledger to a bucket, every object locked as long as it must be kept
    Replicate(super::storage::ReplicateArgs),
    /// Try to break the lock of a bucket, and record what came of it
    Probe(super::storage::ProbeArgs),
}
