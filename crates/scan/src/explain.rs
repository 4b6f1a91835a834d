//! The long text behind every code of this room.

use countersign_model::{Exit, Explanation};

/// What each code means and what to do about it.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-SCAN-001",
        title: "the directory or file to scan cannot be opened",
        text: "The path that was to be scanned does not exist or may not be read. Nothing was looked at, and nothing is \
               said about it.\n\nName a path that exists. In a pipeline, check that the step runs after the checkout and \
               in the directory you mean.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-002",
        title: "a rule file is not well-formed",
        text: "A rule file is YAML with a fixed set of keys. This one could not be read as that: a syntax error, a key \
               that is missing, or a value of the wrong kind. A rule that is not understood is never skipped, for a scan \
               with one rule less would look like a clean one.\n\nThe place that is named is where the reader stopped; \
               the cause may stand a line above. rules/README.md shows a whole rule.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-003",
        title: "a rule file has an unknown key",
        text: "A misspelt key would change what a rule matches without anybody noticing, so unknown keys are errors. The \
               help names the known key that is nearest.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-004",
        title: "a rule contradicts itself or names what does not exist",
        text: "The file is well-formed, but it makes no rule: an id in the wrong form, no keyword, an expression that \
               does not compile, a capture group or a proof that is not there, a window out of range. Expressions are \
               those of the Rust `regex` crate over bytes with Unicode off: no look-around, no back-references.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-005",
        title: "two rules have one id",
        text: "Findings, suppressions and grants refer to a rule by its id. Two rules with one id would make it unclear \
               what was granted, so neither is used. A rule of your own cannot replace a shipped one; give it an id of \
               its own.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-006",
        title: "a rule file or directory cannot be read",
        text: "A path given for further rules does not exist, may not be read, is not UTF-8, or is a file larger than \
               1 MiB. The scan does not go on without those rules.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-007",
        title: "the rules cannot be built into one search",
        text: "All keywords of all rules are searched in one pass. The set that was loaded is too large for that. Load \
               fewer rule directories; tell us how many rules you have.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-SCAN-008",
        title: "a declared suppression has a malformed glob",
        text: "A declaration names paths and rules by globs: `*` stays within a directory, `**` crosses directories, \
               `[a-z]` is a class, `{a,b}` are alternatives. This one cannot be read. It is not ignored, for a \
               declaration that silently matches nothing helps nobody.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-009",
        title: "the baseline cannot be read",
        text: "The baseline file that was named does not exist or may not be read. Without it known findings would count \
               as new; the scan stops rather than guess which you want.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-010",
        title: "the baseline is broken",
        text: "A baseline is JSON: {\"version\": 1, \"findings\": [{\"fingerprint\", \"rule\", \"path\"}]}. This file is \
               something else, or of a version this program does not know. Baselines are written by the program; write \
               it anew instead of editing it.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-011",
        title: "the baseline cannot be written",
        text: "The file is written beside its place and then renamed, so the directory must be writable, not only the \
               file. The old file, where there was one, is untouched.",
        exit: Exit::Backend,
    },
    Explanation {
        code: "CS-SCAN-012",
        title: "the scan cache cannot be written",
        text: "The cache only makes the next scan faster. This scan's answer is complete and stands. Make the cache \
               directory writable, or scan without a cache.",
        exit: Exit::Backend,
    },
    Explanation {
        code: "CS-SCAN-013",
        title: "the scan cache was not used",
        text: "The cache file could not be read, was cut short, was written by another version, or its keyed checksum \
               does not fit. It is ignored as a whole and written anew by this scan. Nothing is ever taken from a cache \
               that is not intact, so the answer is the same and only slower. When this happens again and again, check \
               the disk, and whether somebody else writes to the cache directory.",
        exit: Exit::Pass,
    },
    Explanation {
        code: "CS-SCAN-014",
        title: "there are too many matches",
        text: "One scan keeps at most 200,000 matches. A tree with more of them holds a dump of credentials, or rules of \
               your own match what they should not. The scan stops as a whole and says nothing about the rest, which \
               must not be read as clean.\n\nScan parts of the tree one by one to find out which of the two it is.",
        exit: Exit::Incomplete,
    },
    Explanation {
        code: "CS-SCAN-030",
        title: "A rule file of another tool cannot be read",
        text: "A file that is given with `--rules` and ends with `.toml` is read as rules of gitleaks or betterleaks; a YAML file with \
a list `rules` as rules of kingfisher or noseyparker. This one is neither in good order. Nothing was scanned, since a scan with \
fewer rules than were asked for could be taken for a clean one. Correct the line that the message names, or let the tool itself \
check its file.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-040",
        title: "a report of another tool cannot be read",
        text: "`record` reads reports of other tools: SARIF 2.1.0, and what gitleaks, trufflehog, detect-secrets and GitHub \
               secret scanning write. This file is named as one or looks like one, and is not: it ends early, a value is of \
               the wrong kind, a field is missing, or it is nested too deeply. A report is read as a whole or not at all, \
               for half of one would look like fewer findings. Nothing was recorded.\n\nHave the tool write it again. The \
               message quotes nothing of the report, as that could be a secret. `--report FORMAT` says which format it is, \
               `--unread` attaches a file as it is; an unread report counts as none, and is stored with all it shows.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-041",
        title: "a report of another tool is too large",
        text: "Reports of up to 64 MiB and 100,000 findings are read. This one has more. It was not cut short, for what is \
               left out would look clean. Nothing was recorded.\n\nLet the tool report on parts of the tree, or on fewer \
               rules, and record every part.",
        exit: Exit::Incomplete,
    },
    Explanation {
        code: "CS-SCAN-042",
        title: "there is no such format of reports",
        text: "`--report` names the format of a report that cannot be recognised by its content, such as an empty list. The \
               help lists the formats there are.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-043",
        title: "a mapping to controls does not hold",
        text: "`[scan.mapping.cwe]` has weakness ids like `CWE-89` as keys, `[scan.mapping.rules]` globs over `TOOL/RULE`, and \
               both have lists of control ids. A key is of neither form, or a control does not exist: then a finding would \
               be counted for nothing. docs/guides/other-tools.md shows a mapping.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SCAN-060",
        title: "the built-in references are broken",
        text: "What may stand in a file instead of a value is data that is built into the program, references/references.toml. This \
               build holds one that cannot be read. It is a fault of the build: the tests of a released version rule it out.",
        exit: Exit::Internal,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;
    use std::path::PathBuf;

    use countersign_model::Diagnostic;

    use super::EXPLANATIONS;
    use crate::{CacheWarning, Error, RuleSet};

    fn every_error() -> Vec<Error> {
        let io = || io::Error::from(io::ErrorKind::PermissionDenied);
        let file = || PathBuf::from("f");
        let syntax = RuleSet::from_files([("f", "id: [")]).unwrap_err();
        let content = Error::RuleContent { file: "f".into(), line: None, id: "a/b".into(), why: "w".into() };
        let glob = globset::Glob::new("[").unwrap_err();
        vec![
            Error::Root { root: file(), source: io() },
            syntax,
            Error::RuleKey { file: "f".into(), line: None, column: None, key: "k".into(), nearest: None },
            content,
            Error::RuleTwice { id: "a/b".into(), first: "f".into(), second: "g".into() },
            Error::References { why: "w".into() },
            Error::RulePath { path: file(), source: io() },
            Error::RuleSearch { rules: 1, source: "too large".into() },
            Error::Glob { what: "path", glob: "[".into(), source: glob },
            Error::BaselineRead { file: file(), source: io() },
            Error::BaselineSyntax { file: file(), source: serde_json::from_str::<u8>("x").unwrap_err() },
            Error::BaselineVersion { file: file(), version: 2 },
            Error::BaselineWrite { file: file(), source: io() },
            Error::CacheWrite { file: file(), source: io() },
            Error::TooMany { limit: 1 },
            Error::ForeignSyntax { file: "f".into(), line: None, why: "it ends early".into() },
            Error::BaselineLine { file: file(), line: Some(1), why: "it names no file".into() },
            Error::Report { file: "f".into(), format: "sarif", line: None, column: None, why: "it ends early".into() },
            Error::ReportTooLarge { file: "f".into(), what: "2 findings".into() },
            Error::ReportFormat { format: "x".into(), known: "sarif".into() },
            Error::Mapping { file: "f".into(), why: "`x` is no weakness id".into() },
        ]
    }

    #[test]
    fn every_code_is_explained_and_every_explanation_has_a_code() {
        let warning = CacheWarning { file: PathBuf::from("f"), why: "w".into() };
        let mut used: BTreeSet<_> =
            every_error().iter().map(|e| (e.code(), e.exit())).map(|(c, x)| (c, x.code())).collect();
        used.insert((warning.code(), warning.exit().code()));
        let explained: BTreeSet<_> = EXPLANATIONS.iter().map(|e| (e.code, e.exit.code())).collect();
        assert_eq!(used, explained);
    }

    #[test]
    fn every_error_says_what_to_do_and_nothing_twice() {
        for error in every_error() {
            let (text, help) = (error.to_string(), error.help());
            assert!(!help.is_empty() && !help.ends_with('.'), "{help}");
            assert!(text.starts_with(char::is_lowercase) && !text.ends_with('.'), "{text}");
            if let Some(source) = std::error::Error::source(&error) {
                assert!(!text.contains(&source.to_string()), "{text}");
            }
        }
    }

    #[test]
    fn an_error_of_another_room_keeps_its_code() {
        let inner = Error::RuleTwice { id: "a/b".into(), first: "f".into(), second: "g".into() };
        let outer = Error::source(inner);
        assert_eq!((outer.code(), outer.to_string().contains("a/b")), ("CS-SCAN-005", true));
    }
}
