//! What can go wrong with a bucket, each with a stable code.

use std::fmt;

use countersign_model::{Diagnostic, Exit, Place, Timestamp};

/// The stable codes of everything that concerns a bucket.
pub mod code {
    /// The location is not understood.
    pub const BAD_LOCATION: &str = "CS-S3-001";
    /// Plain HTTP to another machine.
    pub const PLAIN_HTTP: &str = "CS-S3-002";
    /// There are no credentials.
    pub const NO_CREDENTIALS: &str = "CS-S3-003";
    /// The storage does not answer.
    pub const UNREACHABLE: &str = "CS-S3-004";
    /// The storage refuses.
    pub const DENIED: &str = "CS-S3-005";
    /// There is no such bucket.
    pub const NO_BUCKET: &str = "CS-S3-006";
    /// The storage answers what nobody expects.
    pub const UNEXPECTED: &str = "CS-S3-007";
    /// Another object stands under the name.
    pub const DIFFERS: &str = "CS-S3-008";
    /// A retention date was about to be brought forward.
    pub const SHORTENS: &str = "CS-S3-009";
    /// The storage took an object and did not lock it.
    pub const NOT_LOCKED: &str = "CS-S3-010";
    /// The storage lets locked objects be destroyed or freed.
    pub const NOT_WORM: &str = "CS-S3-011";
    /// The bucket holds another log, or a longer one.
    pub const OTHER_LOG: &str = "CS-S3-012";
    /// The ledger's times lie ahead of the storage's clock.
    pub const CLOCK_AHEAD: &str = "CS-S3-013";
    /// This program was built without S3.
    pub const NOT_BUILT_IN: &str = "CS-S3-014";
    /// An object is larger than what belongs there.
    pub const TOO_LARGE: &str = "CS-S3-015";
    /// Somebody else replaced the object in between.
    pub const CONFLICT: &str = "CS-S3-016";
    /// An object that was just written, or that was to be locked, is not there.
    pub const MISSING: &str = "CS-S3-017";
}

/// What a storage said: status, and the code and message of its error document. Bounded, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The HTTP status.
    pub status: u16,
    /// The error code, as `NoSuchKey`; empty when there was none.
    pub code: String,
    /// The message; empty when there was none.
    pub message: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// An expected error of a bucket. Objects are named as in the ledger, without the location's prefix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum S3Error {
    /// The location is not `s3://bucket/prefix?endpoint=…`.
    #[error("`{location}` is no location in a bucket: {what}")]
    BadLocation {
        /// What was given, without a password.
        location: String,
        /// What is wrong with it.
        what: String,
    },
    /// The endpoint is `http://` and not on this machine.
    #[error("`{endpoint}` is plain HTTP to another machine")]
    PlainHttp {
        /// The endpoint.
        endpoint: String,
    },
    /// No access key, or one without its secret.
    #[error("there are no credentials for `{location}`: {what}")]
    NoCredentials {
        /// The location.
        location: String,
        /// What is missing.
        what: String,
    },
    /// No answer, or none that could be used, in all the attempts that are made.
    #[error("`{endpoint}` does not answer ({attempts} {} to {action} `{name}`): {what}", if *attempts == 1 { "attempt" } else { "attempts" })]
    Unreachable {
        /// The endpoint.
        endpoint: String,
        /// What was tried.
        action: &'static str,
        /// The object.
        name: String,
        /// How often.
        attempts: u32,
        /// What was said last.
        what: String,
    },
    /// The credentials do not permit it, or a lock stands against it.
    #[error("the storage refuses to {action} `{name}`: {said}")]
    Denied {
        /// What was tried.
        action: &'static str,
        /// The object.
        name: String,
        /// What the storage said.
        said: Said,
    },
    /// There is no such bucket.
    #[error("there is no bucket `{bucket}`")]
    NoBucket {
        /// The bucket.
        bucket: String,
    },
    /// An answer that does not fit the question.
    #[error("the storage answered what was not expected to {action} `{name}`: {what}")]
    Unexpected {
        /// What was tried.
        action: &'static str,
        /// The object.
        name: String,
        /// What it answered.
        what: String,
    },
    /// Under a name that is written once, other bytes stand already.
    #[error("other bytes stand under `{name}` already")]
    Differs {
        /// The object.
        name: String,
    },
    /// A retention date only ever moves away. Nothing was asked of the storage.
    #[error("`{name}` is locked until {until}; {wanted} would be earlier")]
    Shortens {
        /// The object.
        name: String,
        /// Until when it is locked.
        until: Timestamp,
        /// What was asked for.
        wanted: Timestamp,
    },
    /// The storage took the object and holds it without the lock that was asked for.
    #[error("the storage holds `{name}` without the lock until {wanted} that was asked for")]
    NotLocked {
        /// The object.
        name: String,
        /// Until when it should be locked.
        wanted: Timestamp,
    },
    /// The bucket holds a log that this one does not continue, or a longer one.
    #[error("the bucket holds another log: {what}")]
    OtherLog {
        /// What differs.
        what: String,
    },
    /// Locking until a date that is computed from a wrong clock cannot be undone.
    #[error("the last entry is of {last}, and the storage's clock says {storage}")]
    ClockAhead {
        /// The time of the ledger's last entry.
        last: Timestamp,
        /// The storage's clock.
        storage: Timestamp,
    },
    /// This program was built without the feature.
    #[error("this program was built without S3, `{location}` cannot be used")]
    NotBuiltIn {
        /// The location.
        location: String,
    },
    /// An object is larger than anything that belongs under its name.
    #[error("`{name}` has more than the {limit} bytes that belong there")]
    TooLarge {
        /// The object.
        name: String,
        /// The most that belongs there.
        limit: u64,
    },
    /// An object that was just written, or that is to be locked, is not there.
    #[error("`{name}` is not there")]
    Missing {
        /// The object.
        name: String,
    },
    /// Somebody else replaced the object since it was read.
    #[error("`{name}` was replaced by somebody else in between")]
    Conflict {
        /// The object.
        name: String,
    },
}

impl Diagnostic for S3Error {
    fn code(&self) -> &'static str {
        match self {
            Self::BadLocation { .. } => code::BAD_LOCATION,
            Self::PlainHttp { .. } => code::PLAIN_HTTP,
            Self::NoCredentials { .. } => code::NO_CREDENTIALS,
            Self::Unreachable { .. } => code::UNREACHABLE,
            Self::Denied { .. } => code::DENIED,
            Self::NoBucket { .. } => code::NO_BUCKET,
            Self::Unexpected { .. } => code::UNEXPECTED,
            Self::Differs { .. } => code::DIFFERS,
            Self::Shortens { .. } => code::SHORTENS,
            Self::NotLocked { .. } => code::NOT_LOCKED,
            Self::OtherLog { .. } => code::OTHER_LOG,
            Self::ClockAhead { .. } => code::CLOCK_AHEAD,
            Self::NotBuiltIn { .. } => code::NOT_BUILT_IN,
            Self::TooLarge { .. } => code::TOO_LARGE,
            Self::Conflict { .. } => code::CONFLICT,
            Self::Missing { .. } => code::MISSING,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::BadLocation { .. } | Self::PlainHttp { .. } | Self::NotBuiltIn { .. } | Self::Shortens { .. } => {
                Exit::Usage
            }
            Self::NoCredentials { .. } | Self::Denied { .. } => Exit::Forbidden,
            Self::NoBucket { .. } => Exit::Nothing,
            Self::Unreachable { .. } | Self::Unexpected { .. } | Self::ClockAhead { .. } | Self::Conflict { .. } => {
                Exit::Backend
            }
            Self::Differs { .. }
            | Self::NotLocked { .. }
            | Self::OtherLog { .. }
            | Self::TooLarge { .. }
            | Self::Missing { .. } => Exit::Unverified,
        }
    }

    fn place(&self) -> Option<Place> {
        None
    }

    fn help(&self) -> String {
        match self {
            Self::BadLocation { .. } => {
                "write it as `s3://BUCKET/PREFIX?region=eu-central-1`, with `&endpoint=https://…` for a storage other \
                 than AWS"
                    .into()
            }
            Self::PlainHttp { .. } => {
                "use an `https://` endpoint, or add `allow-http=true` to the location if the network is yours alone"
                    .into()
            }
            Self::NoCredentials { .. } => {
                "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `AWS_PROFILE` for one of the credentials file"
                    .into()
            }
            Self::Unreachable { endpoint, .. } => format!(
                "see whether the storage is up (`curl -sI {endpoint}`), then give the same command again: what is there \
                 already is not written twice"
            ),
            Self::Denied { .. } => {
                "give the key the rights that `docs/guides/storage-s3.md` lists; a locked object can be removed by \
                 nobody"
                    .into()
            }
            Self::NoBucket { bucket } => format!(
                "make it, with Object Lock: `aws s3api create-bucket --bucket {bucket} \
                 --object-lock-enabled-for-bucket`"
            ),
            Self::Unexpected { .. } => "run `countersign ledger probe LOCATION` to see what this storage can do".into(),
            Self::Differs { .. } | Self::TooLarge { .. } | Self::Missing { .. } => {
                "run `countersign verify LOCATION`: it names what is wrong in the bucket".into()
            }
            Self::Shortens { .. } => "choose a later date: a lock is only ever extended".into(),
            Self::NotLocked { .. } => {
                "use a bucket that was made with Object Lock; `countersign ledger probe LOCATION` tells whether it holds"
                    .into()
            }
            Self::OtherLog { .. } => "give every ledger a prefix of its own: `--to s3://BUCKET/ANOTHER-PREFIX`".into(),
            Self::ClockAhead { .. } => {
                "compare the clocks (`timedatectl status`): a lock that is too long cannot be shortened by anybody"
                    .into()
            }
            Self::NotBuiltIn { .. } => "build with the feature `s3`, which is on by default".into(),
            Self::Conflict { .. } => "give the same command again: it continues from what is there now".into(),
        }
    }
}
