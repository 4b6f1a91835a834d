//! Arguments of `retention`, `hold`, `records-officer`, `ledger dispose` and `ledger erase-subject`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_model::Retention;
use countersign_model::retention::{Day, EventName, Office, Period, Start};

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

/// Says the same for every command that selects entries.
const SELECT: &str = "Which entries: all, run:RUN, stream:ID, person:PERSON, kind:NAME, class:NAME or entries:FROM-TO";

#[derive(Debug, Args)]
pub(crate) struct RetentionArgs {
    #[command(subcommand)]
    pub(crate) verb: RetentionVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RetentionVerb {
    /// Show the classes, starts, extensions and disposals; or what keeps one entry
    Show {
        /// Log index of an entry
        index: Option<u64>,
        /// Show what is free by the machine's clock, and what keeps the rest
        #[arg(long, conflicts_with = "index")]
        due: bool,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Define a class of your own, or make one longer; a compliance officer signs
    Define {
        /// The class's name
        class: Retention,
        /// How long: 7y, 18m, 90d or P1Y6M
        #[arg(long, value_name = "PERIOD")]
        period: Period,
        /// What the period counts from: entry-time, or the name of an event that `retention start` records
        #[arg(long, value_name = "EVENT", default_value = "entry-time")]
        start: Start,
        /// How long it must be at hand without delay
        #[arg(long, value_name = "PERIOD")]
        immediate: Option<Period>,
        /// The clause that asks for it
        #[arg(long, value_name = "TEXT")]
        source: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Choose the class of what is recorded from here on; a compliance officer signs
    Default {
        /// sec-17a-4-6y, sec-17a-4-3y, finra-6y, sox-7y, pci-12m or a class of your own
        class: Retention,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Record that something happened which starts a period; a compliance officer signs
    Start {
        /// What happened: audit-concluded, or an event that a class of your own waits for
        event: EventName,
        #[arg(long, value_name = "SELECTOR", help = SELECT)]
        select: String,
        /// On which day
        #[arg(long, value_name = "YYYY-MM-DD")]
        on: Day,
        /// How it is known
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Keep entries longer; nothing undoes it; a compliance officer signs
    Extend {
        #[arg(long, value_name = "SELECTOR", help = SELECT)]
        select: String,
        /// A class that holds for them too
        #[arg(long, value_name = "CLASS", required_unless_present = "until")]
        class: Option<Retention>,
        /// A day before whose end they are not free
        #[arg(long, value_name = "YYYY-MM-DD")]
        until: Option<Day>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Write the undertaking of the designated executive officer or third party, for counsel to review
    Undertaking {
        /// Where to write it (Markdown)
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Whose: designated-executive-officer or designated-third-party
        #[arg(long, value_name = "OFFICE", default_value = "designated-executive-officer", value_parser = undertakes)]
        office: Office,
        /// The firm's name
        #[arg(long, value_name = "NAME")]
        firm: Option<String>,
        /// The examining authority's name
        #[arg(long, value_name = "NAME")]
        authority: Option<String>,
    },
}

impl RetentionVerb {
    /// Where it is said, of what is said.
    pub(crate) const fn server(&self) -> Option<&ServerArgs> {
        match self {
            Self::Define { server, .. }
            | Self::Default { server, .. }
            | Self::Start { server, .. }
            | Self::Extend { server, .. } => Some(server),
            Self::Show { .. } | Self::Undertaking { .. } => None,
        }
    }
}

fn undertakes(text: &str) -> Result<Office, String> {
    match text.parse::<Office>()? {
        office if office.is_appointed_by_executive() => {
            Err("the designated executive officer or third party undertakes".into())
        }
        office => Ok(office),
    }
}

#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    #[command(subcommand)]
    pub(crate) verb: HoldVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HoldVerb {
    /// Put entries under hold for a matter, those that come later included; a compliance officer signs
    Place {
        /// The matter's number; never somebody's name
        matter: String,
        #[arg(long, value_name = "SELECTOR", help = SELECT)]
        select: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// End every hold of a matter; a compliance officer signs
    Release {
        /// The matter
        matter: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List every hold, open and released
    List {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RecordsOfficerArgs {
    #[command(subcommand)]
    pub(crate) verb: RecordsOfficerVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordsOfficerVerb {
    /// Give a person an office under SEC 17a-4(f)
    Designate {
        /// The person's name or id
        person: String,
        /// designated-executive-officer, designated-third-party, officer (two at most) or specialist (three at most)
        office: Office,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Take an office back
    Revoke {
        /// The person's name or id
        person: String,
        /// The office
        office: Office,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List who holds which office
    List {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Debug, Args)]
#[command(override_usage = "countersign ledger dispose --plan\n       \
                            countersign ledger dispose --out FILE --today YYYY-MM-DD [--key FILE]\n       \
                            countersign ledger dispose FILE --today YYYY-MM-DD [--key FILE]\n       \
                            countersign ledger dispose --finish")]
pub(crate) struct DisposeArgs {
    /// What the first signer wrote; signing it as the second removes what it names
    #[arg(required_unless_present_any = ["plan", "out", "finish"], conflicts_with_all = ["plan", "out", "finish"])]
    pub(crate) file: Option<PathBuf>,
    /// Show what could go by the machine's clock; nothing is signed or removed
    #[arg(long, conflicts_with_all = ["out", "finish"])]
    pub(crate) plan: bool,
    /// Sign what is free, as the first of two, and write it for the second
    #[arg(long, value_name = "FILE", conflicts_with = "finish")]
    pub(crate) out: Option<PathBuf>,
    /// Complete removals that were interrupted, and try again what a storage refused
    #[arg(long)]
    pub(crate) finish: bool,
    /// Today's date, written down by you and not taken from the machine's clock
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) today: Option<Day>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "countersign ledger erase-subject PERSON --reason TEXT [--today YYYY-MM-DD] [--key FILE]\n       \
                            countersign ledger erase-subject --due --today YYYY-MM-DD [--key FILE]"
)]
pub(crate) struct EraseArgs {
    /// The person's name or id
    #[arg(required_unless_present = "due", conflicts_with = "due")]
    pub(crate) person: Option<String>,
    /// Complete every request that nothing forbids any more
    #[arg(long, requires = "today")]
    pub(crate) due: bool,
    /// Where the request came from: a ticket's number, never somebody's name
    #[arg(long, value_name = "TEXT", required_unless_present = "due")]
    pub(crate) reason: Option<String>,
    /// Today's date, written down by you and not taken from the machine's clock; without it nothing is destroyed
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) today: Option<Day>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}
