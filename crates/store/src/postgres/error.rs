//! What can go wrong between a ledger and its database, each with a stable code.

use countersign_model::{Diagnostic, Exit, Explanation};

/// The stable codes of the PostgreSQL engine.
pub mod code {
    /// The database cannot be reached.
    pub const UNREACHABLE: &str = "CS-PG-001";
    /// The address of the ledger is none.
    pub const ADDRESS: &str = "CS-PG-002";
    /// The connection would not be protected.
    pub const PLAIN: &str = "CS-PG-003";
    /// The database refused a statement.
    pub const REFUSED: &str = "CS-PG-004";
    /// The tables are of another version.
    pub const FORMAT: &str = "CS-PG-005";
    /// This machine does not hold the log key.
    pub const NO_KEY: &str = "CS-PG-006";
    /// The head does not continue what was there before.
    pub const FENCED: &str = "CS-PG-007";
    /// The database role may not do this.
    pub const PERMISSION: &str = "CS-PG-008";
    /// Rows that do not belong to the ledger, or say something else than its entries.
    pub const STRAY: &str = "CS-PG-009";
    /// The database may lose what it acknowledged.
    pub const NOT_DURABLE: &str = "CS-PG-010";
    /// Whether a transaction stands is not known.
    pub const UNSETTLED: &str = "CS-PG-011";
    /// Other keys sign the log than this machine holds.
    pub const KEY_EXCHANGED: &str = "CS-PG-012";
}

/// An expected error of a ledger in PostgreSQL. No message holds a password.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PgError {
    /// No connection, or it broke and did not come back in time.
    #[error("the database at `{place}` cannot be reached: {what}")]
    Unreachable {
        /// The ledger's address.
        place: String,
        /// What the system said.
        what: String,
    },
    /// The address cannot be read.
    #[error("the address of the ledger will not do: {what}")]
    Address {
        /// What is wrong with it.
        what: String,
    },
    /// A connection over a network without TLS.
    #[error("the connection to `{host}` would not be protected by TLS")]
    Plain {
        /// The host.
        host: String,
    },
    /// The database said no.
    #[error("the database refused to {doing}: {what} (SQLSTATE {state})")]
    Refused {
        /// What was tried.
        doing: &'static str,
        /// What it said.
        what: String,
        /// The SQLSTATE, five characters.
        state: String,
    },
    /// The tables were made by another version.
    #[error("the tables at `{place}` have format {found}, this program knows {known}")]
    Format {
        /// The ledger's address.
        place: String,
        /// What is there.
        found: i64,
        /// What is known.
        known: i64,
    },
    /// Appending takes the log key.
    #[error("this machine does not hold the log key of `{origin}`, so it can read the ledger and not append to it")]
    NoKey {
        /// The log.
        origin: String,
    },
    /// The keys that sign were exchanged, and the new ones are not here.
    #[error("the keys of the log `{origin}` were exchanged, and this machine does not hold those that sign now")]
    KeyExchanged {
        /// The log.
        origin: String,
    },
    /// The head was changed by nobody who holds the log key, or went back.
    #[error("the head of the log is refused: {what}")]
    Fenced {
        /// What is wrong with it.
        what: String,
    },
    /// The role lacks a privilege.
    #[error("the database role may not {doing}: {what}")]
    Permission {
        /// What was tried.
        doing: &'static str,
        /// What the database said.
        what: String,
    },
    /// Nobody can say yet whether the transaction stands.
    #[error("the connection broke while a batch was being committed, and `{place}` did not answer since: {what}")]
    Unsettled {
        /// The ledger's address.
        place: String,
        /// What the system said.
        what: String,
    },
    /// The server is set up so that an acknowledged entry can be lost.
    #[error("the server runs with `{setting}`, so that what it acknowledged can be lost")]
    NotDurable {
        /// The setting.
        setting: &'static str,
    },
}

impl PgError {
    /// A transaction was rolled back because its connection broke.
    pub(super) fn rolled_back(place: &str) -> Self {
        Self::Unreachable { place: place.to_owned(), what: "the connection broke during a transaction".into() }
    }

    /// Sorts what the client library says.
    pub(super) fn of(doing: &'static str, place: &str, error: &postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) if db.code().code() == "42501" => Self::Permission { doing, what: db.message().to_owned() },
            Some(db) if db.code().code().starts_with("57P") || db.code().code().starts_with("08") => {
                Self::Unreachable { place: place.to_owned(), what: db.message().to_owned() }
            }
            Some(db) => Self::Refused { doing, what: db.message().to_owned(), state: db.code().code().to_owned() },
            None => Self::Unreachable { place: place.to_owned(), what: chain(error) },
        }
    }
}

/// An error and what caused it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

impl Diagnostic for PgError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => code::UNREACHABLE,
            Self::Address { .. } => code::ADDRESS,
            Self::Plain { .. } => code::PLAIN,
            Self::Refused { .. } => code::REFUSED,
            Self::Format { .. } => code::FORMAT,
            Self::NoKey { .. } => code::NO_KEY,
            Self::KeyExchanged { .. } => code::KEY_EXCHANGED,
            Self::Fenced { .. } => code::FENCED,
            Self::Permission { .. } => code::PERMISSION,
            Self::Unsettled { .. } => code::UNSETTLED,
            Self::NotDurable { .. } => code::NOT_DURABLE,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::Refused { .. } | Self::Unsettled { .. } | Self::NotDurable { .. } => {
                Exit::Backend
            }
            Self::Address { .. } | Self::Plain { .. } | Self::Format { .. } => Exit::Usage,
            Self::NoKey { .. } | Self::KeyExchanged { .. } | Self::Permission { .. } => Exit::Forbidden,
            Self::Fenced { .. } => Exit::Unverified,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Unreachable { .. } => {
                "look whether the server answers (`pg_isready -h HOST -p PORT`), then try again".into()
            }
            Self::Address { .. } => "write it as `postgres://USER@HOST:PORT/DATABASE?schema=NAME`".into(),
            Self::Plain { .. } => "take `sslmode=disable` out of the address; the server needs a certificate".into(),
            Self::Refused { .. } => "look into the server's log; nothing was recorded".into(),
            Self::Format { .. } => "use the version of countersign that made the ledger, or a newer one".into(),
            Self::NoKey { .. } => {
                "append on a machine that holds the log key (`countersign doctor` shows where it is sought)".into()
            }
            Self::KeyExchanged { .. } => {
                "bring `log.key`, and `log.key.ml-dsa-44` where there is a second key, from the data directory of the machine \
                 that exchanged them"
                    .into()
            }
            Self::Fenced { .. } => {
                "append nothing, keep a copy of the database as evidence, and run `countersign verify`".into()
            }
            Self::Permission { .. } => "grant the role what docs/guides/postgresql.md says, or use another one".into(),
            Self::Unsettled { .. } => {
                "when the database is back, run the same command again with the same idempotency key".into()
            }
            Self::NotDurable { setting } => {
                format!("set `{setting}` to `on` in postgresql.conf and restart the server")
            }
        }
    }
}

/// The long texts behind the codes.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: code::UNREACHABLE,
        title: "the database cannot be reached",
        text: "The ledger lies in a database that does not answer: it is not running, the network is in the way, the \
               name, password or certificate is not accepted, or the connection broke and did not come back within the \
               time that is waited. Nothing was recorded, and nothing that depends on a record was done.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::ADDRESS,
        title: "not an address of a ledger",
        text: "A ledger in a database is named `postgres://USER@HOST:PORT/DATABASE?schema=NAME`. The schema is \
               `countersign` unless it is named; its name has lower-case letters, digits and `_`. `sslmode` may be \
               `require`, `verify-full` or, on this machine only, `disable`; `sslrootcert=FILE` names the authority \
               that signed the server's certificate, `passfile=FILE` a password file as libpq reads it.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::PLAIN,
        title: "the connection would not be protected",
        text: "Over a network the connection to the database is protected by TLS and the server's certificate is \
               checked against its name, whether `sslmode` says `require` or `verify-full`. Without TLS only a server \
               on this machine is spoken to: by a Unix socket, or at a loopback address.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::REFUSED,
        title: "the database refused a statement",
        text: "The database answered with an error that trying again does not mend: a full disk, a limit, a table that \
               is not there. The transaction was rolled back: nothing was recorded.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::FORMAT,
        title: "tables of another format",
        text: "The schema holds a ledger whose tables another version of this program made. They are not changed by \
               reading, and this version does not know how to read them.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::NO_KEY,
        title: "no log key here",
        text: "An entry is acknowledged with a signed checkpoint that covers it, so whoever appends must hold the log \
               key. This machine does not. It can read and verify the ledger.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: code::FENCED,
        title: "the head of the log is refused",
        text: "Before a server appends or signs, it locks the head and checks that it was left there by a holder of the \
               log key (it carries a seal) and that it continues the log that this server has seen. It did not: \
               somebody changed the tables by hand, or an older copy of the database was put in its place. A \
               checkpoint that contradicts an earlier one is never signed, so nothing is appended until this is \
               cleared up.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::KEY_EXCHANGED,
        title: "other keys sign the log by now",
        text: "Several servers append to one ledger, each with the log's keys. On another one they were exchanged \
               (`ledger rotate-key`, `ledger sign-also`), in the transaction that says so in the log, and from there on \
               nothing is appended or signed with the former ones. Nothing of this batch was recorded. A server that runs \
               takes over the new keys as soon as they are in its data directory; until then it serves what others publish.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: code::PERMISSION,
        title: "the database role may not do this",
        text: "The role of the connection lacks a privilege. That is right for auditors, who only read. Servers use a \
               role that may insert, and that may update only the head, the streams and the keys of people.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: code::STRAY,
        title: "rows that do not follow from the entries",
        text: "Some tables of a ledger follow from its entries: versions of streams, idempotency keys, transactions, \
               published checkpoints. One of their rows says something else, is missing, or there is one too many. \
               Only somebody with access to the database itself can have done that. The entries themselves are \
               examined against the signed checkpoint; what those rows say is never taken as evidence.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::NOT_DURABLE,
        title: "the database may lose what it acknowledged",
        text: "With `fsync=off` or `full_page_writes=off` a crash of the machine can destroy what the server called \
               committed. A ledger must not acknowledge on such ground.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::UNSETTLED,
        title: "whether the batch stands is not known",
        text: "The connection broke while the transaction was being committed, and the database did not come back \
               within the time that is waited. The batch is in the ledger whole, or not at all. Sent again with the \
               same idempotency key it is appended exactly once.",
        exit: Exit::Backend,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_error_is_explained_and_ends_as_its_explanation_says() {
        let codes: BTreeSet<_> = EXPLANATIONS.iter().map(|e| e.code).collect();
        assert_eq!(codes.len(), EXPLANATIONS.len(), "no code twice");
        let text = || "x".to_owned();
        let all = [
            PgError::Unreachable { place: text(), what: text() },
            PgError::Address { what: text() },
            PgError::Plain { host: text() },
            PgError::Refused { doing: "x", what: text(), state: text() },
            PgError::Format { place: text(), found: 2, known: 1 },
            PgError::NoKey { origin: text() },
            PgError::KeyExchanged { origin: text() },
            PgError::Fenced { what: text() },
            PgError::Permission { doing: "x", what: text() },
            PgError::Unsettled { place: text(), what: text() },
            PgError::NotDurable { setting: "x" },
        ];
        for error in &all {
            let explanation = EXPLANATIONS.iter().find(|e| e.code == error.code());
            assert_eq!(explanation.map(|e| e.exit), Some(error.exit()), "{error}");
            assert!(!error.help().is_empty());
        }
        assert_eq!(codes.len(), all.len() + 1, "and the code of what the examination finds");
    }
}
