//! `secrets`: about rules, and about single findings.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use countersign_model::{Exit, Finding, TreePath};
use countersign_scan::references::{Names, References};
use countersign_scan::{FileResult, Matching, Rule, RuleSet, Scanner, check_rules, example_path, rule_skeleton};

use super::args::PlaceArgs;
use super::looked::{self, Looked};
use super::scan::load;
use super::secrets_args::{RuleVerb, SecretsArgs, SecretsVerb};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// The fewest digits of a fingerprint that name a finding.
const FEWEST: usize = 6;

/// One of the helpers.
pub(crate) fn run(at: &PlaceArgs, args: &SecretsArgs, env: &Environment) -> Outcome {
    match &args.verb {
        SecretsVerb::Explain { rule, path, rules } => explain(rule, path.as_deref(), &load(rules)?),
        SecretsVerb::Rule(args) => match &args.verb {
            RuleVerb::New { id, dir } => new(id, dir),
            RuleVerb::Test { paths } => test(paths),
        },
        SecretsVerb::Audit(args) => super::secrets_audit::run(at, args, env),
        SecretsVerb::Checklist { finding, path, rules } => checklist(finding, &Looked::at(at, path, rules)?),
    }
}

/// The rule that a text names.
fn named<'r>(rules: &'r RuleSet, text: &str) -> Result<&'r Rule, CliError> {
    let id = text.trim();
    let all = || rules.rules().iter().chain(rules.built_in());
    let short = |r: &&Rule| r.id.split_once('/').is_some_and(|(_, name)| name == id);
    let other = |r: &&Rule| r.aliases.iter().any(|a| a == id);
    if let Some(rule) = rules.get(id).or_else(|| all().find(short)).or_else(|| all().find(other)) {
        return Ok(rule);
    }
    let name = id.rsplit('/').next().unwrap_or(id);
    let distance = |r: &Rule| strsim::damerau_levenshtein(r.id.rsplit('/').next().unwrap_or_default(), name);
    let near = all().map(|r| (distance(r), &r.id)).min().filter(|(d, _)| *d <= name.len() / 2);
    Err(CliError::NoSuchRule { rule: id.to_owned(), nearest: near.map(|(_, id)| id.clone()) })
}

fn explain(name: &str, path: Option<&Path>, rules: &RuleSet) -> Outcome {
    let rule = named(rules, name)?;
    let references = References::shipped()?;
    let mut out = format!("{}: {}\nseverity {}, confidence {}", rule.id, rule.title, rule.severity, rule.confidence);
    if let Some(proof) = proof(rule) {
        let _ = write!(out, "; certain when the proof `{proof}` holds");
    }
    let _ = writeln!(out, "\n\n{}\n", looked::sentences(&rule.why).join(" "));
    out.push_str(&looked::steps(rule, &references));
    if let Some(path) = path {
        let text = std::fs::read(path).map_err(|source| CliError::Read { path: path.to_owned(), source })?;
        let tree = TreePath::from_bytes(crate::lsp::bytes_of(path));
        match references.kind(&tree, &text) {
            Some(kind) => {
                let names = Names::of_rule(&rule.id);
                out.push_str(&looked::instead(kind, &names, &references.advice(kind, &names)));
            }
            None => out.push_str("\nInstead of the value\n  nothing is known about this kind of file; references/README.md says how to add it\n"),
        }
    } else if rule.family == "secrets" {
        let _ = writeln!(out, "\nInstead of the value\n  countersign secrets explain {} --path FILE", rule.id);
    }
    let (looks, spares): (Vec<&str>, Vec<&str>) =
        rule.kinds.iter().map(String::as_str).partition(|k| !k.starts_with('!'));
    let _ =
        writeln!(out, "\nLooks in    {}", if looks.is_empty() { "every text file".into() } else { looks.join(", ") });
    if !spares.is_empty() {
        let _ = writeln!(out, "Not in      {}", spares.iter().map(|k| &k[1..]).collect::<Vec<_>>().join(", "));
    }
    for (name, list) in [
        ("Controls", &rule.controls),
        ("Weakness", &rule.cwe),
        ("Also called", &rule.aliases),
        ("Read more", &rule.references),
    ] {
        for (n, one) in list.iter().enumerate() {
            let _ = writeln!(out, "{:<11} {}", if n == 0 { name } else { "" }, printable(one));
        }
    }
    let scanner = Scanner::new(rules, &[0; 32]);
    let at = example_path(&rule.kinds);
    for (title, examples) in [
        ("\nFound, for example (values taken out)", &rule.examples.fail),
        ("\nNot found, for example", &rule.examples.pass),
    ] {
        if examples.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{title}");
        for example in examples {
            for line in redacted(&scanner, &at, example) {
                let _ = writeln!(out, "  {line}");
            }
        }
    }
    output::print(&out)?;
    Ok(Exit::Pass)
}

fn proof(rule: &Rule) -> Option<&str> {
    match &rule.matching {
        Some(Matching::Secret(m)) => m.proof.as_deref(),
        _ => None,
    }
}

/// An example without the values in it: nobody's log is to hold what looks like one.
fn redacted(scanner: &Scanner<'_>, at: &TreePath, example: &str) -> Vec<String> {
    let matches = match scanner.scan_bytes(at, example.as_bytes()) {
        FileResult::Text { matches, .. } => matches,
        FileResult::Binary { .. } => Vec::new(),
    };
    if matches.is_empty() {
        let long = example.lines().count() > 1 || example.chars().count() > 160;
        let first: String = example.lines().next().unwrap_or_default().chars().take(160).collect();
        return vec![printable(&first) + if long { " …" } else { "" }];
    }
    let mut lines: Vec<String> = matches.into_iter().map(|m| m.excerpt).collect();
    lines.dedup();
    lines
}

fn new(id: &str, dir: &Path) -> Outcome {
    let id = if id.contains('/') { id.to_owned() } else { format!("secrets/{id}") };
    let is_word = |w: &str| {
        w.len() > 1
            && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !w.starts_with('-')
            && !w.ends_with('-')
    };
    let wrong = |what: String| CliError::Usage {
        what,
        help: "name it so: countersign secrets rule new secrets/acme-api-key".into(),
    };
    if !id.strip_prefix("secrets/").is_some_and(is_word) {
        return Err(wrong(format!(
            "`{}` is no id of a rule for secrets: `secrets/` and words of a-z and 0-9 joined by `-`",
            printable(&id)
        ))
        .into());
    }
    if RuleSet::shipped()?.get(&id).is_some() {
        return Err(wrong(format!("`{id}` is built in, and an id stands for one rule")).into());
    }
    let path = dir.join(format!("{id}.yaml"));
    let fault = |source| CliError::Write { path: path.clone(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fault)?;
    }
    let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            let what = format!("`{}` is there already; nothing was written", path.display());
            return Err(CliError::Usage {
                what,
                help: format!("go on with it: countersign secrets rule test {}", path.display()),
            }
            .into());
        }
        Err(source) => return Err(fault(source).into()),
    };
    file.write_all(rule_skeleton(&id).as_bytes()).and_then(|()| file.sync_all()).map_err(fault)?;
    let (file, dir) = (path.display(), dir.display());
    output::print(&format!(
        "{file} written. It finds values by their name and is whole but for the parts that begin with `WRITE:`.\n\
         Next   countersign secrets rule test {file}\n\
         Then   countersign scan --rules {dir} .\n"
    ))?;
    Ok(Exit::Pass)
}

fn test(paths: &[std::path::PathBuf]) -> Outcome {
    let check = check_rules(paths)?;
    if check.files == 0 {
        return Err(CliError::NothingToScan { path: paths.first().cloned().unwrap_or_default() }.into());
    }
    let mut out = String::new();
    for one in &check.complaints {
        let code = one.code.map(|c| format!(" [{c}]")).unwrap_or_default();
        let _ = writeln!(out, "{}: {}{code}", printable(&one.place.to_string()), printable(&one.what));
        if let Some(help) = &one.help {
            let _ = writeln!(out, "    help: {}", printable(help));
        }
    }
    let rules = output::count(check.rules as u64, "rule", "rules");
    let files = output::count(check.files as u64, "file", "files");
    let _ = match check.complaints.len() {
        0 => writeln!(out, "{rules} in {files}: all hold what they promise"),
        n => writeln!(out, "{rules} in {files}: {}", output::count(n as u64, "thing is wrong", "things are wrong")),
    };
    output::print(&out)?;
    Ok(if check.complaints.is_empty() { Exit::Pass } else { Exit::Denied })
}

/// The finding that a text names: a fingerprint or the start of one, or a place.
fn find<'l>(looked: &'l Looked, text: &str) -> Result<&'l Finding, CliError> {
    let text = text.trim();
    let all = || looked.report.findings.iter();
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    let is_print = text.len() >= FEWEST && text.bytes().all(|b| b.is_ascii_hexdigit());
    let mut fit: Vec<&Finding> = if is_print {
        let lower = text.to_ascii_lowercase();
        all().filter(|f| f.fingerprint.hex().starts_with(&lower)).collect()
    } else {
        Vec::new()
    };
    if fit.is_empty() {
        let place = text.strip_prefix("./").unwrap_or(text);
        fit = all()
            .filter(|f| {
                [format!("{}:{}", f.path, f.line), format!("{}:{}:{}", f.path, f.line, f.column)]
                    .iter()
                    .any(|p| p == place)
            })
            .collect();
    }
    match fit.as_slice() {
        [one] => Ok(one),
        more => Err(CliError::NoSuchFinding { finding: printable(text), found: more.len() }),
    }
}

fn checklist(text: &str, looked: &Looked) -> Result<Exit, Failure> {
    let finding = find(looked, text)?;
    let mut out = about(finding);
    out.push('\n');
    out.push_str(&looked.checklist(finding));
    let rule = looked.rules.get(&finding.rule);
    for (n, page) in rule.iter().flat_map(|r| &r.references).enumerate() {
        let _ = writeln!(out, "{}{}", if n == 0 { "\nRead more   " } else { "            " }, printable(page));
    }
    output::print(&out)?;
    Ok(Exit::Pass)
}

/// What a finding is and where, without its value.
pub(super) fn about(finding: &Finding) -> String {
    let mut out = format!(
        "{}: {}\n{}:{}:{}, severity {}, confidence {}, {}\n    {}\n",
        finding.rule,
        finding.title,
        printable(&finding.path.to_string()),
        finding.line,
        finding.column,
        finding.severity,
        finding.confidence,
        finding.fingerprint.short(),
        finding.excerpt
    );
    if let Some(reason) = &finding.reason {
        let _ = writeln!(out, "    {}: {}", finding.state, printable(reason));
    }
    out
}
