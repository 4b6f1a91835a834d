//! Remembers: the ledger on disk, its blobs, and what is folded from them.
//!
//! The ledger is a directory. In it is a C2SP transparency log (tlog-tiles, tlog-checkpoint), which any tlog client can
//! read, and beside the log are the blobs that its entries name by digest.
//!
//! ```text
//! .gitignore                  nothing of a ledger is committed
//! salt                        keys the fingerprints of findings; its digest is in entry 0
//! ledger/origin               the log's name
//! ledger/vkey                 the log's verifier key
//! ledger/rotations/<n>        notes in which one key of the log hands over to the next
//! ledger/checkpoint           signed note: size and root
//! ledger/tile/<L>/…           hash tiles
//! ledger/tile/entries/…       bundles of entries
//! blobs/sha256/ab/…           payloads and attachments
//! subjects/<person>.key       seals a person's data; its destruction is the erasure
//! lock  cache/  tmp/          not part of the ledger
//! ```
//!
//! **An append happens at one moment**: when the new `checkpoint` is renamed into place. Everything that it names is
//! durable by then. Before, a note in `tmp/append` says which files are going to be written, so that after a crash
//! leftovers are told from evidence: the next writer removes them, and no reader looks beyond the checkpoint.
//!
//! **Partial tiles** of every published size stay until the full tile exists. At level 0 tile and bundle come in pairs,
//! one a checkpoint, so that neither goes missing without the other; at the levels above there is one for every width.
//! So which files must exist follows from the log itself. (A pair of an earlier size that is taken away together is not
//! missed: all of it stands in the next one.)
//!
//! | module | holds |
//! |---|---|
//! | [`Ledger`] | reading, all of it checked against the checkpoint; [`Ledger::append`], [`Ledger::create`] |
//! | [`mod@verify`] | the examination of every byte |
//! | [`session`] | a [`Ledger`] with this machine's keys and beliefs: fold, plan, append |
//! | [`projection`] | the tables folded from the log |
//! | [`findings`] | what was found anywhere, grouped, beside the projection |
//! | [`handed`] | acts that are signed with a key on another machine |
//! | [`installation`] | the user's data directory: private keys and pins |
//! | [`disposal`] | what two people sign before payloads are disposed of |
//! | [`keys`] | where the private keys are: in files, or in devices |
//! | [`payload_key`] | payloads at rest, sealed with a key of the ledger |
//! | [`subjects`] | personal data, sealed with a key a person |
//! | [`mod@backup`] | copies with a signed list, and the way back |
//! | [`excerpt`] | the ledger in an evidence pack |
//! | [`fork`] | two copies held against each other |
//! | [`blob`] | payloads |
//! | [`layout`] | where everything stands |
//! | [`Source`] | where a ledger is read from: a directory, a bucket, a database, a web server |
//! | [`storage`] | the door through which everything is written |

mod append;
pub mod backup;
mod bell;
pub mod blob;
mod cosign;
mod create;
pub mod disposal;
pub mod engine;
mod error;
pub mod excerpt;
mod explain;
mod files;
pub mod findings;
pub mod fork;
pub mod handed;
mod head;
pub mod installation;
pub mod keys;
pub mod layout;
mod leaf;
mod ledger;
mod lock;
pub mod passkey;
pub mod payload_key;
pub mod postgres;
pub mod projection;
mod removal;
mod rotations;
pub mod s3;
mod second_key;
pub mod session;
mod source;
pub mod storage;
pub mod subjects;
mod tree;
mod trust_policy;
pub mod verify;
#[cfg(feature = "web")]
mod web;
mod writer;

pub use append::{Appended, Batch, NewBlob, NewEntry, Notice};
pub use blob::{MAX_BLOB_BYTES, Opened, OpenedView};
pub use create::NewLedger;
pub use engine::Engine;
pub use error::{Error, code};
pub use explain::EXPLANATIONS;
pub use layout::{DEFAULT_DIR, Paths};
pub use leaf::EntryView;
pub use ledger::{DEFAULT_LOCK_WAIT, Ledger};
pub use removal::{Blobs, Removal};
pub use session::{Plan, Session};
pub use source::{Listed, Source};
pub use verify::{Examiner, Known, LogTrust, Problem, VerifyReport, examine_source, verify, verify_source};
#[cfg(feature = "web")]
pub use web::PublishedLog;
