//! Pages that are written from what the binary says.

use std::fmt::Write as _;

use countersign_model::{Action, Role};
use countersign_scan::{Matching, RuleSet};

use super::{Desk, page, project, variable};

/// Compares a page with what it should say, or writes it.
pub(super) fn same(name: &str, wanted: &str) {
    if variable("UPDATE_DOCS").is_some() {
        std::fs::write(project().join(name), wanted).unwrap();
        return;
    }
    if page(name) == wanted {
        return;
    }
    let (old, new) = (page(name), wanted.to_owned());
    let at = old.lines().zip(new.lines()).take_while(|(a, b)| a == b).count();
    panic!(
        "{name} differs from line {} on: the page says {:?}, the program {:?}\nrun: UPDATE_DOCS=1 cargo test -p countersign docs",
        at + 1,
        old.lines().nth(at).unwrap_or_default(),
        new.lines().nth(at).unwrap_or_default(),
    );
}

pub(super) const GENERATED: &str = "<!-- Written by a test: UPDATE_DOCS=1 cargo test -p countersign docs -->\n";

#[test]
fn every_error_is_on_its_page() {
    let desk = Desk::new();
    let list = desk.said(&["explain"]);
    let mut out =
        format!("# Errors\n\n{GENERATED}\nThe code stands in brackets after `error`, and never changes its meaning.\n");
    out.push_str("`countersign explain CODE` prints the same text, offline.\n");
    let mut codes = 0;
    for line in list.lines() {
        let (code, title) = line.split_once(char::is_whitespace).unwrap();
        let full = desk.said(&["explain", code]);
        let (head, text) = full.split_once("\n\n").unwrap();
        assert_eq!(head, format!("{code}: {}", title.trim()));
        let _ = write!(out, "\n## {code}: {}\n\n{}\n", title.trim(), text.trim_end());
        codes += 1;
    }
    assert!(codes > 50, "{codes} codes only");
    same("docs/reference/errors.md", &out);
}

#[test]
fn every_rule_is_on_its_page() {
    let rules = RuleSet::shipped().unwrap();
    let mut out = format!("# Rules\n\n{GENERATED}\n");
    let _ = writeln!(
        out,
        "{} rules are built into the binary, one file each under `rules/`. What blocks where is for the",
        rules.rules().len()
    );
    out.push_str("policy to say; the shipped one lets `pre-commit` fail from severity medium on, in what the change touches, and\n");
    out.push_str("`build` from severity high on, anywhere; both at confidence medium or more. A proof raises confidence to certain.\n\n");
    out.push_str(
        "| rule | finds | severity | confidence | proof or detector | weakness |\n|---|---|---|---|---|---|\n",
    );
    for rule in rules.rules() {
        let proof = match &rule.matching {
            Some(Matching::Secret(m)) => m.proof.as_deref().unwrap_or_default(),
            Some(Matching::Pii(m)) => m.detector.as_deref().unwrap_or("together"),
            Some(Matching::Foreign(_)) | None => "",
        };
        let _ = writeln!(
            out,
            "| [`{}`](../../rules/{}.yaml) | {} | {} | {} | {proof} | {} |",
            rule.id,
            rule.id,
            rule.title.replace('|', "\\|"),
            rule.severity,
            rule.confidence,
            rule.cwe.join(", "),
        );
    }
    let built_in = rules.get(countersign_scan::MISSING_REASON).unwrap();
    let _ = write!(
        out,
        "\nBuilt in: `{}` ({}, {}). {}\n",
        built_in.id, built_in.severity, built_in.confidence, built_in.why
    );
    same("docs/reference/rules.md", &out);
}

#[test]
fn every_command_is_on_its_page() {
    let desk = Desk::new();
    let mut out = format!("# Commands\n\n{GENERATED}");
    let mut todo: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(words) = todo.pop() {
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.push("--help");
        let help = desk.said(&args);
        let name = [vec!["countersign".to_owned()], words.clone()].concat().join(" ");
        let _ = write!(
            out,
            "\n## {name}\n\n```text\n{}\n```\n",
            help.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
        );
        let verbs: Vec<&str> = help
            .lines()
            .skip_while(|l| *l != "Commands:")
            .skip(1)
            .take_while(|l| l.starts_with("  "))
            .filter(|l| !l.starts_with("   "))
            .filter_map(|l| l.split_whitespace().next())
            .collect();
        todo.extend(verbs.iter().rev().map(|v| [words.clone(), vec![(*v).to_owned()]].concat()));
    }
    assert!(out.contains("## countersign ledger receipt"), "subcommands are missing");
    same("docs/reference/cli.md", &out);
}

#[test]
fn every_act_that_takes_a_role_is_on_its_page() {
    let mut out = format!("# Who may do what\n\n{GENERATED}\n");
    out.push_str(
        "Whoever holds one of the roles marked in a line may do the act, unless the last table says otherwise. The same table\n\
         is asked by the command before anybody signs, and by every reader of the log at the entry's place, so it does not\n\
         matter who wrote the entry. `countersign role matrix` prints it. A refusal is recorded (`ActRefused`) before the\n\
         command fails with exit code 4.\n",
    );
    let heads = ["developer", "engineer", "release-mgr", "security", "compliance", "auditor", "administrator"];
    let _ = write!(out, "\n| act | on | {} |\n|---|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    assert_eq!(heads.len(), Role::ALL.len());
    for action in Action::ALL {
        let cells: Vec<&str> = Role::ALL.iter().map(|r| if action.roles().contains(r) { "yes" } else { "" }).collect();
        let _ = writeln!(out, "| `{action}` | {} | {} |", action.resource(), cells.join(" | "));
    }
    out.push_str("\n## Further conditions\n\n| act | also may | may not, in spite of a role |\n|---|---|---|\n");
    for action in Action::ALL.iter().filter(|a| !a.also().is_empty() || !a.unless().is_empty()) {
        let _ = writeln!(out, "| `{action}` | {} | {} |", action.also(), action.unless());
    }
    same("docs/reference/roles.md", &out);
    let printed: serde_json::Value =
        serde_json::from_str(&Desk::new().said(&["role", "matrix", "--format", "json"])).unwrap();
    assert_eq!(printed["acts"].as_array().unwrap().len(), Action::ALL.len());
}

#[test]
fn pages() {
    let mut out = String::from(
        "# Pages of the server\n\n<!-- Written by a test: UPDATE_DOCS=1 cargo test -p countersign docs -->\n\n\
         Every page that `countersign serve` shows to somebody who is signed in, the question that it answers, and who may look.\n\
         Whoever holds one of the roles may. One table in the program routes them, and a test asks every page as every role.\n\n\
         | page | question | who may look | what an auditor sees |\n|---|---|---|---|\n",
    );
    for page in countersign_server::pages() {
        let everybody = page.roles.len() == Role::ALL.len();
        let roles: Vec<&str> = page.roles.iter().map(|role| role.as_str()).collect();
        let who = if everybody { "whoever has a role".to_owned() } else { roles.join(", ") };
        let _ = writeln!(out, "| `{}` | {} | {who} | {} |", page.path, page.question, page.reach.as_str());
    }
    out.push_str(
        "\n## Acts of pages\n\nWhat a page does is sent as a form with the secret word of the visit, from a page of this server. An auditor has the acts of an audit,\nand nobody else has those; of the others only what is no act of the log, which is recorded as a look of theirs.\n\
         Who may is what [the table of acts](roles.md) says.\n\n| where it is sent | what it does | act |\n|---|---|---|\n",
    );
    for act in countersign_server::acts() {
        let mut names: Vec<String> = act.actions.iter().map(|a| format!("`{}`", a.as_str())).collect();
        if names.is_empty() {
            names.push("none; whoever has a role".to_owned());
        }
        let _ = writeln!(out, "| `{}` | {} | {} |", act.path, act.does, names.join(", "));
    }
    out.push_str(
        "\n## Files\n\nWhat pages offer to take away. Each is sent with its digest (`Repr-Digest`), and is a look as a page is.\n\n\
         | file | what it holds | who may have it | what an auditor has |\n|---|---|---|---|\n",
    );
    for file in countersign_server::files() {
        let roles: Vec<&str> = file.roles.iter().map(|role| role.as_str()).collect();
        let who = if roles.len() == Role::ALL.len() { "whoever has a role".to_owned() } else { roles.join(", ") };
        let _ = writeln!(out, "| `{}` | {} | {who} | {} |", file.path, file.holds, file.reach.as_str());
    }
    same("docs/reference/pages.md", &out);
}

#[test]
fn the_document_of_the_api() {
    let text = serde_json::to_string_pretty(&countersign_server::openapi()).unwrap();
    same("docs/reference/openapi.json", &(text + "\n"));
}
