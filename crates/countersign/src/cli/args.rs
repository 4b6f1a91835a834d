//! The command line. Help texts are read by newcomers: one sentence each, then the next thing to type.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use countersign_model::Retention;
use countersign_model::access::SlotName;

use super::approvals_args::{ApprovalsArgs, SayArgs};
use super::audit_args::AuditArgs;
use super::break_glass_args::BreakGlassArgs;
use super::catalogue_args::{AssessArgs, ControlArgs, FrameworkArgs};
use super::ci_args::{SummaryArgs, TokenArgs};
use super::commit_args::{ClaimArgs, SuppressionArgs};
use super::enforcement_args::EnforcementArgs;
use super::findings_args::FindingsArgs;
use super::grant_args::{DeployArgs, GrantArgs};
use super::hook_args::HookArgs;
use super::issuer_args::IssuerArgs;
use super::ledger_args::LedgerArgs;
use super::policy_args::PolicyArgs;
use super::registry_args::{ApplicationArgs, EnvironmentArgs};
use super::retention_args::{HoldArgs, RecordsOfficerArgs, RetentionArgs};
use super::runbook_args::RunbookArgs;
use super::secrets_args::{LspArgs, SecretsArgs};
use super::server_args::{GateClaimArgs, ServerArgs};
use super::waive_args::WaiveArgs;

const EXIT_CODES: &str = "\
Exit codes:
    0  pass                          10  denied by a gate, or findings
    1  internal error                11  waiting for approval
    2  usage or configuration        12  drift
    3  nothing to examine            13  verification failed
    4  not signed in or forbidden    14  incomplete: something could not be looked at
    5  backend unreachable          130  interrupted
Ten and above mean: the tool worked, and the answer is no.

Start with `countersign run` in a git repository; `countersign explain CODE` tells more about an error.";

/// Compliance as part of delivery: every change is scanned, judged, signed by two people, and provable.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, after_help = EXIT_CODES, propagate_version = true)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Where the repository and its ledger are.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// The git repository [default: the one around the current directory]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Place")]
    pub(crate) repo: Option<PathBuf>,
    /// The ledger's directory, or `postgres://USER@HOST/DB` [default: `.countersign` at the top of the repository]
    #[arg(long, global = true, value_name = "PLACE", help_heading = "Place")]
    pub(crate) ledger: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Judge the commit at HEAD and record everything (the main job)
    Run(RunArgs),
    /// Look for findings in files, in what is staged, or in the history; records nothing
    Scan(ScanArgs),
    /// Install, show and remove the git hooks that look before a commit and before a push
    Hook(HookArgs),
    /// Show findings in an editor, while somebody types (Language Server Protocol)
    Lsp(LspArgs),
    /// Explain, write and try rules; walk through findings
    Secrets(SecretsArgs),
    /// List what was found anywhere, the greatest risk first
    Findings(FindingsArgs),
    /// Attach evidence or artifacts to a run
    Record(RecordArgs),
    /// Show where a run's gates stand now, and who answers for them
    Gate(GateArgs),
    /// Compute a recorded decision again and compare
    Replay(ReplayArgs),
    /// Establish the root of trust with the first administrator
    Init(InitArgs),
    /// Enrol people, list them
    Person(PersonArgs),
    /// Grant roles
    Role(super::role_args::RoleArgs),
    /// Review who and what has access
    Access(super::access_args::AccessArgs),
    /// Write, test, build, sign and activate policy bundles; show the one in effect
    Policy(PolicyArgs),
    /// Say that commits without a verified signature are yours
    Claim(ClaimArgs),
    /// List and grant suppressions that the judged tree asks for
    Suppression(SuppressionArgs),
    /// Register applications: what they are, who answers for them, how much depends on them
    Application(ApplicationArgs),
    /// Register environments and their tiers
    Environment(EnvironmentArgs),
    /// How strongly each control holds a change up, and letting pass what is soft
    Enforcement(EnforcementArgs),
    /// Whose identity tokens are believed: CI systems that vouch for their jobs
    Issuer(IssuerArgs),
    /// Ask for and grant waivers: a broken control may stand for a while
    Waive(WaiveArgs),
    /// Write the Pipeline Governance Runbook from what is configured, or say what is wrong with it
    Runbook(RunbookArgs),
    /// Sign an approval of a run
    Approve(ApproveArgs),
    /// Say no to a run, by signature; whoever could have approved may
    Reject(SayArgs),
    /// Take back your approval or rejection of a run
    Withdraw(SayArgs),
    /// Show what was approved, by whom and with what; which approvals are needed where
    Approvals(ApprovalsArgs),
    /// Add an approval that was signed on another machine
    Import(ImportArgs),
    /// Issue a deploy grant, or redeem one and run a command
    Deploy(DeployArgs),
    /// Grants to deploy: issue, check, revoke, and redeem them
    Grant(GrantArgs),
    /// Let a change past the gates in an emergency, and what that owes afterwards
    BreakGlass(BreakGlassArgs),
    /// Hold what runs in an environment against what was let through, and record it
    Snapshot(super::snapshot_args::SnapshotArgs),
    /// Say where what runs differs from what was let through
    Drift(super::snapshot_args::DriftArgs),
    /// Show and import frameworks: what others demand
    Framework(FrameworkArgs),
    /// Show, try and certify controls: what the firm does
    Control(ControlArgs),
    /// Hold the ledger against frameworks: which requirements are met, by which evidence, and what is missing
    Assess(AssessArgs),
    /// Evidence packs, populations and samples for auditors
    Audit(AuditArgs),
    /// Check a whole ledger offline
    Verify(VerifyArgs),
    /// Show the ledger, its entries, and receipts
    Ledger(LedgerArgs),
    /// Show where this machine's private keys are, or choose a device that holds them
    Key(KeyArgsOf),
    /// Show and say how long things are kept
    Retention(RetentionArgs),
    /// Legal holds: what a matter needs stays, whatever its dates
    Hold(HoldArgs),
    /// Who stands for the records before an examiner (SEC 17a-4(f))
    RecordsOfficer(RecordsOfficerArgs),
    /// Carry this machine's trust in a ledger to another machine
    Trust(TrustArgs),
    /// Publish the ledger's log over HTTP, read only, so that any tlog client can read it
    Serve(ServeArgs),
    /// Play half a year of a firm in a new directory, by really running it, and serve it
    Demo(DemoArgs),
    /// Tell people what they must act on, through the channels of notify.toml
    Notify(super::notify_args::NotifyArgs),
    /// Sign in to a server with your SSH key, and print a link for the browser
    Login(LoginArgs),
    /// Make, end and list tokens: what programs show to a server to read in your name
    Token(super::token_args::TokenCommand),
    /// Run a witness: cosign checkpoints of other people's logs
    Witness(WitnessArgs),
    /// Check what this installation needs to work
    Doctor(DoctorArgs),
    /// Explain an error code, or list them all
    Explain(ExplainArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write manual pages into a directory
    Man(ManArgs),
}

/// Formats of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people.
    Text,
    /// For programs; versioned, with a JSON schema in `schemas/`.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// GitHub workflow annotations.
    Github,
    /// GitLab code quality.
    Gitlab,
    /// JUnit XML.
    Junit,
}

/// Formats of everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Which key signs.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The SSH key that signs: a private key, or a .pub file whose key ssh-agent holds
    /// [default: COUNTERSIGN_KEY, else for an administrator's act the key that `init` signed with, else the one in ~/.ssh]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The change ticket
    #[arg(long, value_name = "ID")]
    pub(crate) ticket: Option<String>,
    /// Why the change is made
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Show only what changed since REV; what is judged and covered stays the same
    #[arg(long, value_name = "REV")]
    pub(crate) base: Option<String>,
    /// The environment the release is for [default: production]
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Further rule files or directories
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
    #[command(flatten)]
    pub(crate) summary: SummaryArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) claim: GateClaimArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// No progress bar
    #[arg(long)]
    pub(crate) no_progress: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// What to look at [default: the current directory]
    #[arg(conflicts_with_all = ["staged", "history"])]
    pub(crate) path: Option<PathBuf>,
    /// Look at what the next commit would add: the new lines of the index
    #[arg(long, conflicts_with_all = ["write_baseline", "history"])]
    pub(crate) staged: bool,
    /// Look at everything that commits brought: all of them, or those of a range such as `main..HEAD`
    #[arg(long, value_name = "RANGE", num_args = 0..=1, conflicts_with = "write_baseline")]
    pub(crate) history: Option<Option<String>>,
    /// Further rule files or directories
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    /// A baseline: known findings for which suppression is requested
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write everything found into a baseline file
    #[arg(long, value_name = "FILE")]
    pub(crate) write_baseline: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// No progress bar
    #[arg(long)]
    pub(crate) no_progress: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Files to attach; what kind they are is detected. With `--artifact` also `NAME@sha256:DIGEST`, as registries of images write it
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The run [default: the latest run of the commit at HEAD]
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// The files are build artifacts: named by digest, not stored, and bound by approvals
    #[arg(long)]
    pub(crate) artifact: bool,
    /// The retention class [default: that of everything recorded now; see `retention show`]
    #[arg(long, value_name = "CLASS")]
    pub(crate) retention: Option<Retention>,
    /// The format of the reports, where the content does not show it (an empty list, for one): sarif, gitleaks,
    /// trufflehog, detect-secrets, github-secret-scanning
    #[arg(long, value_name = "FORMAT", conflicts_with_all = ["artifact", "unread"])]
    pub(crate) report: Option<String>,
    /// The commit that the reports were made for, where they do not say it themselves
    #[arg(long, value_name = "COMMIT", conflicts_with_all = ["artifact", "unread"])]
    pub(crate) commit: Option<String>,
    /// Attach reports of other tools as they are, unread: they count as none, and keep all they show
    #[arg(long, conflicts_with = "artifact")]
    pub(crate) unread: bool,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct GateArgs {
    #[command(subcommand)]
    pub(crate) verb: GateVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GateVerb {
    /// Decide again on the present state of the ledger and show every gate
    Check {
        /// The run: its id or the start of it, its commit, or `latest` [default: in a CI system's job the latest run of its
        /// commit, else the latest]
        run: Option<String>,
        #[command(flatten)]
        token: TokenArgs,
        #[command(flatten)]
        summary: SummaryArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say of every required approval who fills it, who may not and why, who could sign, and why an approval does not count
    Explain {
        /// The run: its id or the start of it, its commit, `HEAD`, or `latest`
        #[arg(default_value = "latest")]
        run: String,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List the gates with their owners
    List {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show who answers for a gate, how soon, and who is asked next
    Show {
        /// pre-commit, build or release
        gate: String,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Put the owners of a file in effect; a security or compliance officer signs
    Activate {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Check it only; changes nothing
        #[arg(long)]
        dry_run: bool,
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
    /// Take a gate on; its owner signs, or its deputy
    Acknowledge {
        /// pre-commit, build or release
        gate: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say what came of looking at how a gate is set up; its owner, its deputy or an officer signs
    Review {
        /// pre-commit, build or release
        gate: String,
        /// What came of it
        #[arg(long, value_name = "TEXT")]
        finding: String,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The decision: its id (`dec-…`), digest or log index; or a run, for its last decision
    #[arg(default_value = "latest", conflicts_with_all = ["all", "from", "to", "sample"])]
    pub(crate) decision: String,
    /// Every recorded decision
    #[arg(long)]
    pub(crate) all: bool,
    /// Every decision from this day on (2026-01-31), or from this time (RFC 3339)
    #[arg(long, value_name = "DATE")]
    pub(crate) from: Option<String>,
    /// Every decision before this day or time
    #[arg(long, value_name = "DATE")]
    pub(crate) to: Option<String>,
    /// Only so many of them, chosen by --seed
    #[arg(long, value_name = "N", requires = "seed", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sample: Option<u64>,
    /// What chooses the sample; the choice can be made again by anybody (docs/guides/replay.md)
    #[arg(long, value_name = "TEXT", requires = "sample")]
    pub(crate) seed: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Ask nothing
    #[arg(long)]
    pub(crate) yes: bool,
    /// The first administrator's SSH public key
    #[arg(long, value_name = "FILE.pub")]
    pub(crate) ssh_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// The first administrator's name [default: the comment of their public key]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Encrypt the payloads of the ledger at rest; only where this makes the ledger
    #[arg(long)]
    pub(crate) encrypt_payloads: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct PersonArgs {
    #[command(subcommand)]
    pub(crate) verb: PersonVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PersonVerb {
    /// Enrol a person; an administrator signs
    Add {
        /// The name people know them by
        name: String,
        /// Their SSH public key
        #[arg(long, value_name = "FILE.pub")]
        ssh_key: PathBuf,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: super::server_args::ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Give people more keys, revoke keys, list them
    Key(super::person_key_args::PersonKeyArgs),
    /// Certificate authorities: whose OpenSSH certificates say whose keys are
    Ca(super::person_ca_args::PersonCaArgs),
    /// Say which accounts at forges and identity providers are whose
    Account(super::person_account_args::PersonAccountArgs),
    /// Revocation lists of OpenSSH: what they name counts no more
    Krl(super::person_krl_args::PersonKrlArgs),
    /// Somebody leaves: every role and office of theirs ends, and no key of theirs signs any more; an administrator signs
    Leave(super::role_args::PresenceArgs),
    /// Somebody who left is back: their keys sign again, roles are granted anew; an administrator signs
    Return(super::role_args::PresenceArgs),
    /// List everybody with their roles and keys
    List {
        #[command(flatten)]
        server: super::server_args::ServerArgs,
        /// Output format
        #[arg(long, value_enum, default_value_t = PersonFormat::Text)]
        format: PersonFormat,
    },
}

/// Formats of the list of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PersonFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For `ssh-keygen -Y verify -f`.
    AllowedSigners,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The run: its id or the start of it, its commit, or `latest`
    pub(crate) run: String,
    /// Which of the signatures: technical, regulatory, or one that the approval rules name
    #[arg(long = "as", value_name = "SLOT")]
    pub(crate) slot: SlotName,
    /// Let it count for so many hours only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8784))]
    pub(crate) hours: Option<u32>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Write the signature into FILE instead of the ledger, to be carried over with `import`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) elsewhere: ElsewhereArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Signing with a passkey, in a browser: first the request, then the answer.
#[derive(Debug, Args)]
pub(crate) struct ElsewhereArgs {
    /// Sign with this passkey: its fingerprint, or the start of it. Nothing is signed yet: what the browser is asked goes into --request
    #[arg(long, value_name = "FINGERPRINT", requires = "request", conflicts_with_all = ["key", "out", "signature"])]
    pub(crate) passkey: Option<String>,
    /// What the browser is asked: written with --passkey, read with --signature
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "out"])]
    pub(crate) request: Option<PathBuf>,
    /// The browser's answer to the request, as JSON.stringify(credential) gives it
    #[arg(long, value_name = "FILE", requires = "request", conflicts_with_all = ["key", "out", "hours"])]
    pub(crate) signature: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// What `approve --out` wrote
    pub(crate) file: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A repository, a ledger's directory, an evidence pack, a ledger in a bucket (s3://BUCKET/PREFIX?region=…), or a published
    /// log (https://…)
    pub(crate) path: Option<PathBuf>,
    /// Trust by this file (`trust export`), verifier key or trust policy instead of this machine's pin
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    /// A checkpoint that was seen before (a signed note or a trust file), which must be continued; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Vec<PathBuf>,
    /// Ask for the payloads: exit 14 where the place publishes the log alone
    #[arg(long)]
    pub(crate) payloads: bool,
    /// Of an evidence pack: derive every document of it again and compare, and compute every decision again
    #[arg(long)]
    pub(crate) re_evaluate: bool,
    /// Of an evidence pack: it must have a timestamp, and one of these root certificates (PEM) must vouch for it
    #[arg(long, value_name = "FILE")]
    pub(crate) timestamp_ca: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct KeyArgsOf {
    #[command(subcommand)]
    pub(crate) verb: KeyVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyVerb {
    /// Show the recorder's key and the key of this ledger's log: public halves, and where the private ones are
    Show {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Choose keys in a device (PKCS#11) for what is made from here on
    Use {
        /// The key that signs the checkpoints of ledgers made from here on
        #[arg(long, value_name = "pkcs11:…")]
        log: Option<String>,
        /// The key of this installation's recorder, before it has one
        #[arg(long, value_name = "pkcs11:…")]
        recorder: Option<String>,
    },
    /// Write the key that opens this ledger's encrypted payloads into a new file
    ExportPayloadKey {
        /// The file; it must not be there yet
        file: PathBuf,
    },
    /// Keep the key that opens this ledger's encrypted payloads on this machine
    ImportPayloadKey {
        /// The file that was exported
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    #[command(subcommand)]
    pub(crate) verb: TrustVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrustVerb {
    /// Write what this machine believes about the ledger into a trust file
    Export {
        /// Where to write it [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Believe a trust file from now on; compare it with its sender over another channel first
    Import {
        /// The trust file
        file: PathBuf,
    },
    /// Say which witnesses must have cosigned the ledger's checkpoints
    Policy(TrustPolicyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TrustPolicyArgs {
    #[command(subcommand)]
    pub(crate) verb: TrustPolicyVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrustPolicyVerb {
    /// Keep a trust policy for this ledger on this machine, in place of the one before
    Set {
        /// The policy: lines `log`, `witness`, `group` and `quorum` (C2SP tlog-policy)
        file: PathBuf,
    },
    /// Print the trust policy of this ledger
    Show,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes any that is free and says which
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7380")]
    pub(crate) listen: SocketAddr,
    /// Where people reach it, where that is not the address it listens on: https://HOST behind a proxy that adds TLS
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    /// Serve the log alone, and no pages
    #[arg(long, conflicts_with = "origin")]
    pub(crate) log_only: bool,
    /// Probe this bucket at the start and every day, and record what came of it: s3://BUCKET/PREFIX?region=REGION
    #[arg(long, value_name = "LOCATION")]
    pub(crate) probe: Vec<String>,
    #[command(flatten)]
    pub(crate) oidc: super::serve_args::OidcArgs,
    #[command(flatten)]
    pub(crate) channels: super::notify_args::ChannelsArgs,
    #[command(flatten)]
    pub(crate) watch: super::serve_args::WatchArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// A directory that does not exist yet, or holds a demonstration
    #[arg(default_value = "countersign-demo")]
    pub(crate) dir: PathBuf,
    /// Where to listen; port 0 takes any that is free and says which
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7380")]
    pub(crate) listen: SocketAddr,
    /// Play it, and serve nothing
    #[arg(long)]
    pub(crate) no_serve: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// The server, as its own output names it
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7380")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct WitnessArgs {
    #[command(subcommand)]
    pub(crate) verb: WitnessVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WitnessVerb {
    /// Make a witness in a new directory, and print its verifier keys
    Init {
        /// The directory
        dir: PathBuf,
        /// Its name: an address without `https://`, that it need not be reached at
        #[arg(long)]
        name: String,
    },
    /// Make a witness know a log
    AddLog {
        /// The witness's directory
        dir: PathBuf,
        /// The log's verifier key, as `countersign ledger info` prints it
        vkey: String,
    },
    /// Serve a witness until it is interrupted
    Serve {
        /// The witness's directory
        dir: PathBuf,
        /// Where to listen; port 0 takes any that is free and says which
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7381")]
        listen: SocketAddr,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The code in brackets after `error`; none lists them all
    pub(crate) code: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// bash, elvish, fish, powershell or zsh
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where to write the pages
    pub(crate) dir: PathBuf,
}
