//! Arguments of `audit furnish` and `audit mock`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_govern::assess::Window;
use countersign_govern::audit::mock;
use countersign_model::{GrantId, Timestamp};

use super::args::{Format, KeyArgs};
use super::audit_args::grant;
use super::catalogue_args::moment;

#[derive(Debug, Args)]
pub(crate) struct FurnishArgs {
    #[command(subcommand)]
    pub(crate) verb: FurnishVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FurnishVerb {
    /// Record that a regulator asked for records; a security or compliance officer signs
    Open(Box<FurnishOpenArgs>),
    /// Make the records, record that they are handed over, and hand them over; a compliance officer signs
    Deliver {
        /// The regulator's request: its id or the start of it
        request: String,
        /// The file; one that is there is never replaced
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Where it is sent, as the recipient calls it: a docket, a portal's receipt; name no person
        #[arg(long, value_name = "TEXT")]
        recipient: String,
        /// Leave out people's names: everybody is called by their id
        #[arg(long)]
        mask: bool,
        #[command(flatten)]
        key: KeyArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List regulators' requests with their clocks: received, due, delivered, and what is overdue
    List {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(crate) struct FurnishOpenArgs {
    /// The authority that asks; name no person
    #[arg(long, value_name = "TEXT")]
    pub(crate) regulator: String,
    /// Its reference
    #[arg(long, value_name = "TEXT")]
    pub(crate) reference: String,
    /// When the request was received: a day (2026-01-01) or a time
    #[arg(long, value_name = "DAY", value_parser = moment)]
    pub(crate) received: Timestamp,
    /// Who received it: a name or id [default: whoever signs]
    #[arg(long, value_name = "PERSON")]
    pub(crate) received_by: Option<String>,
    /// Until when the records are to be there
    #[arg(long, value_name = "DAY", value_parser = moment)]
    pub(crate) due: Timestamp,
    /// Records from this day or time on
    #[arg(long, value_name = "DAY", value_parser = moment, required_unless_present = "deployment", requires = "to")]
    pub(crate) from: Option<Timestamp>,
    /// And before this one
    #[arg(long, value_name = "DAY", value_parser = moment, requires = "from")]
    pub(crate) to: Option<Timestamp>,
    /// Of one deployment alone, by its grant
    #[arg(long, value_name = "GRANT", conflicts_with_all = ["from", "to", "application", "framework", "control"], value_parser = grant)]
    pub(crate) deployment: Option<GrantId>,
    /// Of this application alone; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) application: Vec<String>,
    /// List the controls of this framework alone; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) framework: Vec<String>,
    /// List this control alone; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) control: Vec<String>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct MockArgs {
    /// The framework
    #[arg(long, value_name = "ID")]
    pub(crate) framework: String,
    /// The quarter, in UTC: 2026-Q3
    #[arg(long, value_name = "QUARTER", value_parser = quarter)]
    pub(crate) quarter: Window,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

fn quarter(text: &str) -> Result<Window, String> {
    mock::quarter(text).ok_or_else(|| "a quarter is a year and a number from 1 to 4: 2026-Q3".to_owned())
}
