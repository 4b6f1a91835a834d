//! Shows: a ledger's log to any tlog client, and a witness to any log, over HTTP.
//!
//! | module | serves | format |
//! |---|---|---|
//! | [`publish`] | a ledger's checkpoint, tiles and entry bundles, read only | C2SP tlog-tiles |
//! | [`witness`] | cosignatures on the checkpoints of logs that it knows | C2SP tlog-witness |
//!
//! This is the only room with async code. What is served is decided by ordinary functions over bytes ([`publish::find`],
//! [`witness::Witness::add_checkpoint`]); the part with sockets is `http.rs`. Nothing here speaks TLS or asks who is there: what is
//! published is public, a witness believes signatures only, and a proxy in front adds encryption.
//!
//! Every request is bounded: its head, its body, its time, and how many there are at once. SIGINT and SIGTERM let what is being
//! answered finish.

mod durable;
mod error;
mod explain;
mod http;
pub mod publish;
pub mod witness;

pub use error::Error;
pub use explain::EXPLANATIONS;
