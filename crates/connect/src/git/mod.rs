//! The reader of git repositories, through the `git` binary.
//!
//! # How reading stays reading
//!
//! | what a repository could do | why it cannot |
//! |---|---|
//! | run hooks, a file system monitor, a pager | `core.hooksPath`, `core.fsmonitor` overruled; plumbing commands only |
//! | run a diff driver or text conversion | `--no-ext-diff --no-textconv`; content is read by `cat-file --batch` alone |
//! | run a filter when the work tree is compared | filters of its own configuration are switched off ([`Repository::dirty`]) |
//! | run a transport to fetch a missing object | `GIT_NO_LAZY_FETCH`, and no transport is on the list of allowed ones |
//! | show another history than the one signed | replacement refs, grafts and the commit-graph cache are not used |
//! | be another repository than the one named | every `GIT_*` variable that a hook may have set is cleared |
//!
//! Signatures are verified by [`signature`], never by a program that the configuration names.
//! What is absent (a partial clone) or damaged is an error that says which object; it is never read as empty.

mod blobs;
mod changes;
mod command;
mod commit;
mod commits;
mod file;
mod history;
pub mod hooks;
mod identity;
mod mirror;
mod pipeline;
mod repository;
pub mod signature;
mod staged;
mod status;
mod tree;

pub use blobs::{BlobContent, BlobReader};
pub use changes::{ChangeStatus, ChangedFile};
pub use commit::{Commit, Ident, RawSignature};
pub use file::version;
pub use history::{Brought, Commits, History};
pub use hooks::{HooksPath, HooksScope};
pub use identity::identity_of_url;
pub use mirror::Mirror;
pub use pipeline::{Judging, is_pipeline_file};
pub use repository::{Head, ObjectFormat, Repository};
pub use signature::{SignatureStatus, verify_commit};
pub use staged::{Added, StagedChange, StagedContents, StagedFile, Staging};
pub use tree::{Submodule, Tree, TreeFile};
