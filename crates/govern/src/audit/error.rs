//! What can go wrong with packs, populations and samples, each with a stable code.

use std::path::PathBuf;

use countersign_connect::timestamp::StampError;
use countersign_evidence::pack::PackError;
use countersign_evidence::timestamp::TimestampError;
use countersign_model::{Diagnostic, Exit, Explanation, Place, Timestamp};

/// What can go wrong with packs, populations and samples.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The form of a pack.
    #[error(transparent)]
    Form(#[from] PackError),
    /// A time-stamping authority that gave no token.
    #[error(transparent)]
    Stamp(#[from] StampError),
    /// The timestamp of a pack's checkpoint.
    #[error("the timestamp of the pack's checkpoint")]
    Timestamp(#[from] TimestampError),
    /// A file that is no good pack.
    #[error("{}", path.display())]
    Pack {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: PackError,
    },
    /// There is a file already.
    #[error("`{}` is there already", path.display())]
    PackExists {
        /// The file.
        path: PathBuf,
    },
    /// The disk.
    #[error("`{}` cannot be written or read", path.display())]
    PackFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No such deployment.
    #[error("{}", if *issued { format!("the grant {grant} was never used for a deployment that ended") } else { format!("there is no deployment {grant}") })]
    NoSuchDeployment {
        /// What was asked for.
        grant: String,
        /// Whether a grant of that id was issued.
        issued: bool,
    },
    /// Nothing in the period.
    #[error("nothing was recorded {}", period(*from, *to))]
    NothingInPeriod {
        /// From when on.
        from: Option<Timestamp>,
        /// Before when.
        to: Option<Timestamp>,
    },
    /// No such application.
    #[error("no application `{}` is registered", application.escape_debug())]
    NoSuchApplication {
        /// What was asked for.
        application: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// Nothing that the control was applied to.
    #[error("the control {control} was applied to nothing in this window: {why}")]
    EmptyPopulation {
        /// The control.
        control: String,
        /// Why.
        why: String,
    },
    /// No sealed population.
    #[error("entry {index} seals no population")]
    NoSuchPopulation {
        /// What was asked for.
        index: u64,
    },
    /// A population whose members are others than its entry says.
    #[error("entry {index}: the members are not those that it seals")]
    PopulationDiffers {
        /// Log index.
        index: u64,
    },
    /// More members than a population can have.
    #[error("{count} members are more than the {most} that a population can have")]
    LargePopulation {
        /// How many there are.
        count: u64,
        /// How many there may be.
        most: u64,
    },
    /// Not a seed.
    #[error("a seed is a line of 1 to 200 bytes")]
    BadSeed,
    /// A list of deployments that cannot be read.
    #[error("{}:{line}: {what}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A framework that nothing meets.
    #[error("no control meets a requirement of {framework}")]
    Unmet {
        /// The framework.
        framework: String,
    },
    /// A framework without evidence.
    #[error("nothing that was recorded from {from} on and before {to} is evidence for {framework}")]
    NoEvidence {
        /// The framework.
        framework: String,
        /// From when on.
        from: Timestamp,
        /// Before when.
        to: Timestamp,
    },
    /// An architecture that does not fit.
    #[error("{name}: {what}")]
    Architecture {
        /// The file.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// Nothing is open.
    #[error("nothing is open: no waiver, no emergency, no access review, no request of an auditor, no denial")]
    NothingOpen,
    /// A newer layout.
    #[error("the pack has layout {found}, and this program reads up to {known}")]
    NewerPack {
        /// Its layout.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// The manifest and the pack differ.
    #[error("{}{what}", file.as_ref().map(|f| format!("`{f}`: ")).unwrap_or_default())]
    Manifest {
        /// The file of the pack that is concerned.
        file: Option<String>,
        /// What is wrong.
        what: String,
    },
    /// Something derived is not what the log gives.
    #[error("`{file}` is not what follows from the log in this pack")]
    Derived {
        /// The file of the pack.
        file: String,
    },
    /// A table cannot be written as Parquet.
    #[error("the table `{table}` cannot be written as Parquet: {what}")]
    Parquet {
        /// The table.
        table: String,
        /// What the writer says.
        what: String,
    },
    /// A payload that the period should have was left out.
    #[error("entry {entry} was appended in the period of this pack, and its payload was left out")]
    LeftOut {
        /// Log index.
        entry: u64,
    },
    /// A decision comes out otherwise.
    #[error("entry {entry}: the decision {decision} does not come out again: {what}")]
    NotRepeated {
        /// Log index.
        entry: u64,
        /// The decision's digest.
        decision: String,
        /// How it differs.
        what: String,
    },
}

fn period(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => format!("from {from} on and before {to}"),
        (Some(from), None) => format!("from {from} on"),
        (None, Some(to)) => format!("before {to}"),
        (None, None) => "at all".to_owned(),
    }
}

impl Diagnostic for AuditError {
    fn code(&self) -> &'static str {
        match self {
            Self::Form(e) => e.code(),
            Self::Stamp(e) => e.code(),
            Self::Timestamp(e) => e.code(),
            Self::Pack { source, .. } => source.code(),
            Self::PackExists { .. } => "CS-AUDIT-030",
            Self::PackFile { .. } => "CS-AUDIT-031",
            Self::NoSuchDeployment { .. } => "CS-AUDIT-032",
            Self::NothingInPeriod { .. } => "CS-AUDIT-033",
            Self::NoSuchApplication { .. } => "CS-AUDIT-034",
            Self::NewerPack { .. } => "CS-AUDIT-035",
            Self::Manifest { .. } => "CS-AUDIT-036",
            Self::Derived { .. } => "CS-AUDIT-037",
            Self::LeftOut { .. } => "CS-AUDIT-038",
            Self::NotRepeated { .. } => "CS-AUDIT-039",
            Self::EmptyPopulation { .. } => "CS-AUDIT-040",
            Self::NoSuchPopulation { .. } => "CS-AUDIT-041",
            Self::BadSeed => "CS-AUDIT-042",
            Self::List { .. } => "CS-AUDIT-043",
            Self::PopulationDiffers { .. } => "CS-AUDIT-044",
            Self::LargePopulation { .. } => "CS-AUDIT-045",
            Self::Parquet { .. } => "CS-AUDIT-046",
            Self::Unmet { .. } => "CS-AUDIT-090",
            Self::NoEvidence { .. } => "CS-AUDIT-091",
            Self::NothingOpen => "CS-AUDIT-092",
            Self::Architecture { .. } => "CS-AUDIT-093",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Form(e) => e.exit(),
            Self::Stamp(e) => e.exit(),
            Self::Timestamp(e) => e.exit(),
            Self::Pack { source, .. } => source.exit(),
            _ => EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit),
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Pack { path, .. } => Some(Place::file(path.display().to_string())),
            _ => None,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Form(e) => e.help(),
            Self::Stamp(e) => e.help(),
            Self::Timestamp(e) => e.help(),
            Self::Pack { source, .. } => source.help(),
            Self::PackExists { .. } => "name another file: --out FILE".into(),
            Self::PackFile { .. } => "look whether the place is there, has room, and may be written".into(),
            Self::NoSuchDeployment { .. } => "list them: countersign audit list".into(),
            Self::NothingInPeriod { .. } => "name another period: --from 2026-01-01 --to 2026-04-01".into(),
            Self::NoSuchApplication { known, .. } => match known.as_slice() {
                [] => "register it: countersign application register --help".into(),
                known => format!("registered are: {}", known.join(", ")),
            },
            Self::EmptyPopulation { control, .. } => {
                format!(
                    "name another window with --from and --to, or see what it needs: countersign control show {control}"
                )
            }
            Self::NoSuchPopulation { .. } => "list what was sealed: countersign audit list".into(),
            Self::PopulationDiffers { .. } => "run `countersign verify`; nothing is drawn from it".into(),
            Self::LargePopulation { .. } => "name a shorter window: --from 2026-01-01 --to 2026-02-01".into(),
            Self::Unmet { framework } if framework.contains(' ') => {
                "see what is there: countersign framework list".into()
            }
            Self::Unmet { framework } => format!(
                "name controls in its file, or its requirements in controls: countersign framework show {framework}"
            ),
            Self::NoEvidence { .. } => {
                "name another window with --from and --to, or see why: countersign assess".into()
            }
            Self::Architecture { .. } => "name a CALM architecture, and unique ids of its elements with --node".into(),
            Self::NothingOpen => "what was closed is in: countersign audit pack".into(),
            Self::BadSeed => "the auditor names it: --seed TEXT".into(),
            Self::List { .. } => "correct the line; the columns are environment and commit".into(),
            Self::NewerPack { .. } => "verify it with the version of countersign that its manifest names".into(),
            Self::Parquet { .. } => "leave --parquet out: CSV and JSON Lines hold the same".into(),
            Self::Manifest { .. } | Self::Derived { .. } | Self::LeftOut { .. } | Self::NotRepeated { .. } => {
                "do not rely on this pack; ask whoever made it for another: countersign audit pack".into()
            }
        }
    }
}

const fn explained(code: &'static str, exit: Exit, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text, exit }
}

/// One explanation for every code of [`AuditError`] that is not of another room.
pub const EXPLANATIONS: &[Explanation] = &[
    explained(
        "CS-AUDIT-030",
        Exit::Usage,
        "the file is there already",
        "A pack never takes the place of another file: it may be the one that an auditor has a digest of.",
    ),
    explained(
        "CS-AUDIT-031",
        Exit::Internal,
        "a pack cannot be written or read",
        "The operating system reported an error, which is printed. A pack that is not whole is not left behind, and one that \
         could not be recorded is not handed over.",
    ),
    explained(
        "CS-AUDIT-032",
        Exit::Nothing,
        "there is no such deployment",
        "A deployment is named by its grant, `grt-…`. One that was issued and never used, or whose deployment did not end, has \
         nothing to show yet.",
    ),
    explained(
        "CS-AUDIT-033",
        Exit::Nothing,
        "nothing was recorded in the period",
        "No entry of the log falls into it. A pack of it would be empty, and look as if everything were in order.",
    ),
    explained(
        "CS-AUDIT-034",
        Exit::Usage,
        "no such application",
        "Applications are registered by signature; a pack can be about some of them.",
    ),
    explained(
        "CS-AUDIT-035",
        Exit::Unverified,
        "a pack of a newer program",
        "Its layout is one that this program does not know. It may hold what would have to be checked and is not, so nothing is \
         said about it.",
    ),
    explained(
        "CS-AUDIT-036",
        Exit::Unverified,
        "a pack is not the one that was signed",
        "The manifest signs the digest of every byte before it, the list of files, and origin, size and root of the log. One of \
         these is another one here, or the signature is not that of the ledger's recorder. The file that differs is named where \
         it can be told.",
    ),
    explained(
        "CS-AUDIT-037",
        Exit::Unverified,
        "a document of a pack does not follow from its log",
        "Pages, tables, proofs and keys in a pack are derived from the log in it. With `--re-evaluate` they are derived again and \
         compared, byte by byte. This one differs: it was written by hand, or by another version of the program.",
    ),
    explained(
        "CS-AUDIT-038",
        Exit::Unverified,
        "a pack left something out of its period",
        "A pack of a period of all applications holds every payload of that period. This one does not, and its manifest says so.",
    ),
    explained(
        "CS-AUDIT-039",
        Exit::Unverified,
        "a decision does not come out again",
        "With `--re-evaluate` every decision of the pack is computed again from its recorded facts, policy bundle and time, and \
         has to come out byte for byte. This one did not.",
    ),
    explained(
        "CS-AUDIT-040",
        Exit::Nothing,
        "a control was applied to nothing",
        "A population lists everything that a control was applied to in a window of time. There is nothing to list: it did not \
         arise, or the evidence that it needs is not recorded. An empty population proves nothing about the control.",
    ),
    explained(
        "CS-AUDIT-041",
        Exit::Usage,
        "no sealed population",
        "Samples are drawn from populations that an entry of the log seals, so that nobody can change the population after the \
         seed is known.",
    ),
    explained(
        "CS-AUDIT-042",
        Exit::Usage,
        "not a seed",
        "The seed decides which members are drawn. The auditor chooses it, after the population is sealed: a line of text, such \
         as a row of dice.",
    ),
    explained(
        "CS-AUDIT-043",
        Exit::Usage,
        "a list of deployments cannot be read",
        "A list that deployments are held against is CSV with a first line that names the columns `environment` and `commit`, \
         others beside them. Nothing was compared.",
    ),
    explained(
        "CS-AUDIT-044",
        Exit::Unverified,
        "a population is not the one that was sealed",
        "The entry names the number of members, the number of exceptions and the root of a Merkle tree over them. The list that is \
         attached to it gives others.",
    ),
    explained(
        "CS-AUDIT-045",
        Exit::Usage,
        "a population is too large",
        "Every reader of the log computes a sample of it again, so there is a limit to its members.",
    ),
    explained(
        "CS-AUDIT-046",
        Exit::Internal,
        "a table of a pack cannot be written as Parquet",
        "A column of a Parquet file has one type, by its name, so that the files of all packs have one schema. A value is of another type \
         than its column, or the writer failed. No pack is made. It is a fault of the program.",
    ),
    explained(
        "CS-AUDIT-090",
        Exit::Nothing,
        "nothing meets a requirement of a framework",
        "A component definition and a mapping say which controls meet which requirement. No control names one of this \
         framework, and no requirement of it names a control, so the document would be empty; OSCAL has no form for that.",
    ),
    explained(
        "CS-AUDIT-091",
        Exit::Nothing,
        "there is no evidence for a framework",
        "Assessment results say what evidence shows. No entry of the window supports any requirement of this framework: every \
         one of them would be not evaluated, and a reader could take that for an assessment that took place.",
    ),
    explained(
        "CS-AUDIT-092",
        Exit::Nothing,
        "nothing is open",
        "A plan of action and milestones needs an item at least. There is none: no waiver that is asked for or in force, no \
         emergency that owes its ratification or review, no open access review, no \
         request of an auditor that nobody answered, and no denial that stands.",
    ),
    explained(
        "CS-AUDIT-093",
        Exit::Usage,
        "an architecture does not fit",
        "A decorator of CALM names elements of an architecture. The file that was named is no architecture, or has no element of \
         that id. An architecture that is named by an address is not fetched, and nothing in it is looked up.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_and_helps() {
        let path = PathBuf::from("p");
        let all = [
            AuditError::PackExists { path: path.clone() },
            AuditError::PackFile { path: path.clone(), source: std::io::ErrorKind::NotFound.into() },
            AuditError::Pack { path, source: PackError::NoZip },
            AuditError::NoSuchDeployment { grant: String::new(), issued: true },
            AuditError::NothingInPeriod { from: None, to: None },
            AuditError::NoSuchApplication { application: String::new(), known: Vec::new() },
            AuditError::NewerPack { found: 2, known: 1 },
            AuditError::Manifest { file: None, what: String::new() },
            AuditError::Derived { file: String::new() },
            AuditError::Parquet { table: String::new(), what: String::new() },
            AuditError::LeftOut { entry: 1 },
            AuditError::NotRepeated { entry: 1, decision: String::new(), what: String::new() },
            AuditError::EmptyPopulation { control: String::new(), why: String::new() },
            AuditError::NoSuchPopulation { index: 1 },
            AuditError::PopulationDiffers { index: 1 },
            AuditError::LargePopulation { count: 2, most: 1 },
            AuditError::BadSeed,
            AuditError::Unmet { framework: "f".into() },
            AuditError::NoEvidence {
                framework: "f".into(),
                from: Timestamp::from_millis(0),
                to: Timestamp::from_millis(1),
            },
            AuditError::NothingOpen,
            AuditError::Architecture { name: "a.json".into(), what: String::new() },
            AuditError::List { path: PathBuf::new(), line: 1, what: "" },
        ];
        for error in &all {
            let own = EXPLANATIONS.iter().chain(countersign_evidence::pack::EXPLANATIONS);
            assert!(own.into_iter().any(|e| e.code == error.code()), "{}", error.code());
            assert!(!error.help().is_empty());
        }
        assert_eq!(EXPLANATIONS.len(), all.len() - 1);
    }
}
