//! A bucket of an S3 storage with Object Lock, as a place for a ledger's objects.
//!
//! | module | holds |
//! |---|---|
//! | [`Location`] | where a bucket is: `s3://bucket/prefix?endpoint=…` |
//! | [`Credentials`] | who signs |
//! | [`Bucket`] | objects: read with bounds, written once and locked, locks extended, listed with their versions |
//! | [`replicate`] | a ledger published to a bucket |
//! | [`probe()`] | whether the storage holds what a lock promises |
//!
//! Requests are signed by the official SDK's signer (`aws-sigv4`) and sent by a small HTTP client; why not with the whole
//! SDK is in design note 008.

#[cfg(feature = "s3")]
mod configure;
#[cfg(feature = "s3")]
mod credentials;
mod encode;
mod error;
mod explain;
#[cfg(feature = "s3")]
mod keeping;
#[cfg(feature = "s3")]
mod listing;
mod location;
#[cfg(feature = "s3")]
mod object;
#[cfg(feature = "s3")]
mod probe;
#[cfg(feature = "s3")]
mod record;
#[cfg(feature = "s3")]
mod replica;
#[cfg(feature = "s3")]
mod source;
#[cfg(feature = "s3")]
mod time;
#[cfg(feature = "s3")]
mod transport;
#[cfg(feature = "s3")]
mod watch;
#[cfg(feature = "s3")]
mod xml;

pub use error::{S3Error, Said, code};
pub use explain::EXPLANATIONS;
pub use location::Location;

#[cfg(feature = "s3")]
pub use self::{
    configure::DefaultRule,
    credentials::Credentials,
    keeping::Keeping,
    listing::Found,
    object::{Lock, Meta, Mode, Put},
    probe::{Attack, Attempted, CANARY_SECONDS, Held, ProbeReport, probe, sweep},
    record::{is_due, record},
    replica::{Replicated, Replication, Until, kept_until, replicate},
    transport::{Bucket, Observer, Options, Patience, Retry},
    watch::{DailyProbe, ProbeTold, Probing},
    xml::Version,
};
