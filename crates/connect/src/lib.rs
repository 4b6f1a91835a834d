//! Reaches out: git, SSH signing, keys in devices, witnesses, child processes.
//!
//! This room is the only one that starts processes, and it starts them in one file ([`process`]). What comes back
//! from a process is hostile until it is parsed: every output is read in a stream or up to a limit, every exit code
//! is looked at, and what could not be read is an error of its own, never an empty answer.
//!
//! | module | does |
//! |---|---|
//! | [`git`] | reads a repository through the `git` binary: head, commits, trees, blobs, identity, commit signatures |
//! | [`ssh`] | signs with a person's key: in process, through `ssh-agent`, or on a hardware key through `ssh-keygen` |
//! | [`gpg`] | verifies OpenPGP signatures of commits, in a home that holds enrolled keys only |
//! | [`pkcs11`] | signs with a key in a device: an HSM, a smart card, SoftHSM |
//! | [`witness`] | asks witnesses of a log for cosignatures, over HTTP |
//! | [`login`] | signs in to a server |
//! | [`remote`] | sends what a pipeline has to a server, and reads what came of it |
//! | [`timestamp`] | asks a time-stamping authority for a token, over HTTP |
//! | [`deliver`] | brings a message to somebody: a webhook, a mail server, a program |
//! | [`notify`] | tells somebody: a program, or an address |
//! | [`ci`] | reads what a CI system says in its variables |
//! | [`oidc`] | fetches keys of issuers of identity tokens |
//! | [`publish`] | brings a file to a web server |
//! | [`process`] | runs a deployment's command; names this device without revealing it |
//! | [`worker`] | asks a second process of this program, with limits on its memory and its time |
//! | [`explain`] | the long text behind every error code of this room |
//!
//! # What a judged repository cannot do
//!
//! A repository under examination is somebody else's input, its `.git/config` included. Reading it runs no code of
//! its choosing: no hooks, file system monitors, filters, text conversions, external diffs, pagers or transports,
//! and no object is fetched on demand. It cannot rewrite its own history for our eyes either: replacement refs,
//! grafts and the commit-graph cache are not believed. See [`git`] for how each of these is closed.

pub mod ci;
pub mod deliver;
pub mod error;
pub mod explain;
mod folder;
pub mod git;
pub mod gpg;
mod http;
pub mod login;
pub mod notify;
pub mod oidc;
pub mod pkcs11;
pub mod process;
pub mod publish;
pub mod remote;
pub mod ssh;
pub mod timestamp;
#[cfg(feature = "otel")]
pub mod traces;
pub mod witness;
pub mod worker;

pub use error::Error;
pub use explain::EXPLANATIONS;
pub use git::{
    BlobContent, BlobReader, ChangeStatus, ChangedFile, Commit, Head, Ident, ObjectFormat, RawSignature, Repository,
    SignatureStatus, Submodule, Tree, TreeFile, verify_commit,
};
pub use http::encoded;
pub use process::{ExitOutcome, host_name, run};
pub use ssh::SshSigner;
pub use witness::{Submission, WitnessClient, WitnessError};
