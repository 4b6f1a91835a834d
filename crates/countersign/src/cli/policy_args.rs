//! Arguments of `policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::{Format, KeyArgs};
use super::server_args::ServerArgs;

#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    pub(crate) verb: PolicyVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Show which bundle is in effect, who activated it, and the one shipped with this binary
    Show {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Put a bundle in effect; a security or compliance officer signs
    Activate {
        /// A directory of Rego files, or an OPA bundle (.tar.gz) [default: the bundle shipped with this binary]
        #[arg(value_name = "BUNDLE")]
        bundle: Option<PathBuf>,
        #[command(flatten)]
        verify: VerifyKeyArgs,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Start a bundle of your own: the shipped policies with their tests, in a new directory
    New {
        /// The directory, which must not exist or be empty
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Say what is odd in the layout of Rego files; change nothing
    FmtCheck {
        /// The directory
        #[arg(value_name = "DIR", default_value = "policies")]
        dir: PathBuf,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Look for mistakes that compile, such as a policy that can only pass by having found nothing
    Lint {
        /// The directory
        #[arg(value_name = "DIR", default_value = "policies")]
        dir: PathBuf,
        /// Warnings count as errors
        #[arg(long)]
        strict: bool,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Run the tests beside the policies (`test_…` in `*_test.rego`)
    Test {
        /// The directory
        #[arg(value_name = "DIR", default_value = "policies")]
        dir: PathBuf,
        /// Only tests whose path contains this
        #[arg(long, value_name = "TEXT")]
        filter: Option<String>,
        /// Also say which lines no test ran through
        #[arg(long)]
        coverage: bool,
        /// Fail below this coverage, in per cent of lines
        #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
        min_coverage: Option<u8>,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Pack a directory as an OPA bundle (.tar.gz); the same files give the same bytes
    Build {
        /// The directory
        #[arg(value_name = "DIR", default_value = "policies")]
        dir: PathBuf,
        /// Where to write it
        #[arg(long, value_name = "FILE", default_value = "bundle.tar.gz")]
        out: PathBuf,
        /// Your name for this version, for the manifest
        #[arg(long, value_name = "TEXT")]
        revision: Option<String>,
    },
    /// Sign an OPA bundle: inside it as OPA verifies it, or beside it as a DSSE envelope of this installation
    Sign {
        /// The bundle (.tar.gz)
        #[arg(value_name = "FILE")]
        bundle: PathBuf,
        /// A private key (PEM or JWK); without one, the envelope FILE.dsse.json is written, signed by this installation's
        /// recorder
        #[arg(long, value_name = "FILE")]
        signing_key: Option<PathBuf>,
        /// Its algorithm
        #[arg(long, value_name = "ALG", default_value = "ES256")]
        algorithm: String,
        /// Its id, by which others find the public key
        #[arg(long, value_name = "ID", default_value = "")]
        key_id: String,
        /// Who issues the bundle
        #[arg(long, value_name = "TEXT")]
        issuer: Option<String>,
    },
    /// Check the signature of an OPA bundle, and of the envelope beside it where there is one
    Verify {
        /// The bundle (.tar.gz)
        #[arg(value_name = "FILE")]
        bundle: PathBuf,
        #[command(flatten)]
        verify: VerifyKeyArgs,
        /// The recorder that must have signed the envelope FILE.dsse.json; `countersign key show` tells its key
        #[arg(long, value_name = "ed25519:…")]
        recorder: Option<String>,
    },
    /// Bring a bundle to where OPA and others fetch it: a directory, or a URL by HTTP PUT
    Push {
        /// The bundle (.tar.gz)
        #[arg(value_name = "FILE")]
        bundle: PathBuf,
        /// A directory, or https://… (the environment's COUNTERSIGN_PUSH_TOKEN is sent as bearer token)
        #[arg(long, value_name = "PLACE")]
        to: String,
    },
    /// Compare two bundles rule by rule
    Diff {
        /// A directory, a .tar.gz, `shipped` or `active`
        #[arg(value_name = "OLD", default_value = "active")]
        old: String,
        /// A directory, a .tar.gz, `shipped` or `active`
        #[arg(value_name = "NEW", default_value = "policies")]
        new: String,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List which bundles were in effect, since when, and who activated them
    History {
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print recorded decisions as events of OPA's decision log, one a line, masked by the bundle's own rules
    DecisionLog {
        /// Decisions from this day on (2026-01-31), or from this time (RFC 3339)
        #[arg(long, value_name = "DATE")]
        since: Option<String>,
    },
    /// Evaluate a query over any Rego, as `opa eval` does
    Eval {
        /// The query, `data.main.deny` or `x = data.a.b`
        #[arg(value_name = "QUERY")]
        query: String,
        /// A directory of Rego files and documents, or an OPA bundle (.tar.gz)
        #[arg(long, short = 'p', value_name = "BUNDLE")]
        policy: PathBuf,
        /// The input, JSON; `-` is standard input
        #[arg(long, short, value_name = "FILE")]
        input: Option<PathBuf>,
        /// An error of a builtin ends the evaluation, as in gates; else the call is undefined, as in OPA
        #[arg(long)]
        strict: bool,
    },
    /// Judge files by Conftest, Gatekeeper or Trivy policies
    Check {
        /// What is judged: JSON or YAML files (of several documents)
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Where the policies are
        #[arg(long, short = 'p', value_name = "DIR", default_value = "policy")]
        policy: PathBuf,
        /// Whose conventions they follow
        #[arg(long, value_enum, default_value_t = Convention::Conftest)]
        convention: Convention,
        /// The package that is asked, for Conftest
        #[arg(long, value_name = "NAME", default_value = "main")]
        namespace: String,
        /// Parameters for Gatekeeper's templates, JSON or YAML
        #[arg(long, value_name = "FILE")]
        parameters: Option<PathBuf>,
        /// Output format
        #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
        format: CheckFormat,
    },
    /// Decide recorded cases again by another bundle: which would have come out otherwise
    Impact {
        /// A directory, or an OPA bundle (.tar.gz)
        #[arg(value_name = "NEW_BUNDLE")]
        bundle: PathBuf,
        /// Decisions from this day on (2026-01-31), or from this time (RFC 3339)
        #[arg(long, value_name = "DATE")]
        since: Option<String>,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// With which keys a bundle's own signature is verified.
#[derive(Debug, Args)]
pub(crate) struct VerifyKeyArgs {
    /// A public key (PEM, certificate or JWK); the bundle must be signed by it
    #[arg(long, value_name = "FILE")]
    pub(crate) verification_key: Option<PathBuf>,
    /// The key's algorithm
    #[arg(long, value_name = "ALG", default_value = "ES256")]
    pub(crate) verification_algorithm: String,
    /// The key's id; without one, any id is accepted
    #[arg(long, value_name = "ID", default_value = "")]
    pub(crate) verification_key_id: String,
    /// What the signature must be meant for
    #[arg(long, value_name = "TEXT")]
    pub(crate) scope: Option<String>,
}

/// Whose conventions policies follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Convention {
    /// `deny`, `violation`, `warn` and `exception` in a package, over the document.
    Conftest,
    /// `violation` over `input.review.object` and `input.parameters`, in ConstraintTemplates or plain Rego.
    Gatekeeper,
    /// `deny` with `# METADATA`, over the document, in any package.
    Trivy,
}

/// Formats of `policy check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// SARIF 2.1.0, which `record` takes.
    Sarif,
}
