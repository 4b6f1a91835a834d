//! `secrets`: rules explained, written and tried; findings walked through.

use std::io::Write as _;
use std::process::Stdio;

use crate::support::{Ran, World, planted_secret};

/// The binary with these lines on standard input.
fn told(w: &World, args: &[&str], lines: &str) -> Ran {
    let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
    let mut child =
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A walk that ends early does not read the rest.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_rule_is_explained_without_a_value() {
    let w = World::new();
    let full = w.cs(["secrets", "explain", "secrets/github-pat"]).expect(0).out;
    for part in [
        "secrets/github-pat: GitHub",
        "github-crc32",
        "[ ] Delete the token on GitHub",
        "[ ] Revoke the old one",
        "Controls",
        "secrets-out-of-source",
        "Read more",
        "[redacted:40]",
        "every text file",
        "--path FILE",
    ] {
        assert!(full.contains(part), "{part}: {full}");
    }
    assert!(!full.contains("ghp_ygmO"), "{full}");
    for name in ["github-pat", "gitleaks:github-pat"] {
        assert_eq!(w.cs(["secrets", "explain", name]).expect(0).out, full, "{name}");
    }
    w.write("main.tf", "a = 1\n");
    let with = w.cs(["secrets", "explain", "github-pat", "--path", "main.tf"]).expect(0).out;
    for part in [
        "Terraform configuration; it is called GITHUB_PAT",
        "HashiCorp Vault",
        "AWS Secrets Manager",
        "Azure Key Vault",
        "write  data.azurerm_key_vault_secret.github_pat.value",
    ] {
        assert!(with.contains(part), "{part}: {with}");
    }
    let wrong = w.cs(["secrets", "explain", "secrets/github-pta"]).expect(2);
    assert!(
        wrong.err.contains("error[CS-CLI-052]")
            && wrong.err.contains("did you mean: countersign secrets explain secrets/github-pat"),
        "{}",
        wrong.err
    );
    // Every rule can be explained, and none shows a value of its examples.
    for rule in countersign_scan::RuleSet::shipped().unwrap().rules().iter().step_by(40) {
        let out = w.cs(["secrets", "explain", &rule.id]).expect(0).out;
        assert!(rule.family != "secrets" || out.contains("[redacted:"), "{out}");
        assert!(rule.examples.fail.iter().all(|e| !out.contains(e.as_str())), "{out}");
    }
}

#[test]
fn a_new_rule_is_whole_but_for_what_a_person_writes() {
    let w = World::new();
    let new = w.cs(["secrets", "rule", "new", "acme-api-key", "--dir", "own"]).expect(0);
    assert!(new.out.contains("countersign secrets rule test own/secrets/acme-api-key.yaml"), "{}", new.out);
    let again = w.cs(["secrets", "rule", "new", "secrets/acme-api-key", "--dir", "own"]).expect(2);
    assert!(again.err.contains("there already; nothing was written"), "{}", again.err);
    let ran = w.cs(["secrets", "rule", "test", "own"]).expect(10);
    for part in [
        "acme-api-key.yaml:9: `why` is still to be written",
        "`text` is still to be written",
        "it has no reference",
        "3 things are wrong",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let file = w.repo().join("own/secrets/acme-api-key.yaml");
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replace("WRITE: the page", "https://acme.example/")
        .replace("WRITE: ", "");
    std::fs::write(&file, &text).unwrap();
    let ran = w.cs(["secrets", "rule", "test", "own"]).expect(0);
    assert!(ran.out.contains("1 rule in 1 file: all hold what they promise"), "{}", ran.out);
    w.write("app.py", "acme_api_key = \"q7Hd02kXmP4sVtR8wLz1\"\n");
    let found = w.cs(["scan", "app.py", "--rules", "own", "--format", "json"]).expect(10).json();
    assert_eq!(found["findings"][0]["rule"], "secrets/acme-api-key");

    for (from, to, said) in [
        ("YOUR_ACME_API_KEY", "q7Hd02kXmP4sVtR8wLz1", "passing example 1 gives a finding"),
        ("acme_api_key = \"", "other = \"", "no keyword is in failing example 1"),
        ("entropy: 3.0", "entropi: 3.0", "[CS-SCAN-003]"),
        ("id: secrets/acme-api-key", "id: secrets/other", "is not the path of its file"),
        ("severity: high", "severity: [", "[CS-SCAN-002]"),
        ("  entropy: 3.0", "  value: '(a'", "[CS-SCAN-004]"),
    ] {
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let ran = w.cs(["secrets", "rule", "test", "own"]).expect(10);
        assert!(ran.out.contains(said) && ran.out.contains("acme-api-key.yaml:"), "{to}: {}", ran.out);
    }
    w.cs(["secrets", "rule", "test", "none"]).expect(2);
    std::fs::create_dir(w.repo().join("empty")).unwrap();
    w.cs(["secrets", "rule", "test", "empty"]).expect(3);
    for id in ["Acme", "pii/acme", "secrets/", "secrets/github-pat", "secrets/../x", "secrets/-a"] {
        w.cs(["secrets", "rule", "new", "--dir", "own", "--", id]).expect(2);
    }
}

#[test]
fn the_shipped_rules_hold_what_they_promise() {
    let w = World::new();
    let rules = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let ran = w.cs(["secrets", "rule", "test", rules.to_str().unwrap()]).expect(0);
    assert!(ran.out.contains("all hold what they promise"), "{}", ran.out);
}

/// A repository with findings in four files, two of them in one.
fn leaky() -> World {
    let w = World::with_commit();
    let secret = planted_secret();
    w.write("a.py", &format!("x = 1\nkey = \"{secret}\"\nother = \"{secret}\"\n"));
    w.write("b.json", &format!("{{\"k\": \"{secret}\"}}\n"));
    w.write("c.sh", &format!("export K={secret}\r\n"));
    w.write("d.txt", &format!("{secret}\n"));
    w
}

#[test]
fn answers_are_written_as_what_they_are_and_not_asked_for_again() {
    let mut w = leaky();
    w.now = Some("2026-03-01T12:00:00Z".into());
    let lines = [
        // a.py:2 is test data, above the line; an empty reason is none.
        "x",
        "t",
        "…",
        "made up for the tests",
        "m",
        // a.py:3: the mark shifted it by one line.
        "w",
        "the vendor has no other way",
        "m",
        // b.json: no comments there, so the mark is refused; a value is no reason.
        "t",
        &planted_secret(),
        "sample of the provider",
        "m",
        "d",
        // c.sh is rotated, not in the future, and only noted.
        "o",
        "2027-01-01",
        "2026-02-30",
        "2026-02-28",
        "by the console, ask Ruth",
        "n",
        // d.txt is real.
        "r",
    ];
    let ran = told(&w, &["secrets", "audit"], &(lines.join("\n") + "\n")).expect(10);
    for part in [
        "1 of 5  secrets/aws-access-key-id",
        "have something to judge by",
        "looks like a secret itself",
        "nobody knows how comments are written here",
        "no day up to today",
        "[ ] Revoke the old one",
        "written: a mark above line 4 of a.py",
        "asks for 1 finding of secrets/aws-access-key-id",
        "5 open findings: 1 real, 1 rotated, 2 test data, 1 waiver requested",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(!ran.out.contains(&planted_secret()), "a value was shown: {}", ran.out);
    let read = |name: &str| std::fs::read_to_string(w.repo().join(name)).unwrap();
    let secret = planted_secret();
    assert_eq!(
        read("a.py"),
        format!(
            "x = 1\n# countersign:allow secrets/aws-access-key-id reason: test data: made up for the tests\nkey = \"{secret}\"\n# countersign:allow secrets/aws-access-key-id reason: waiver requested: the vendor has no other way\nother = \"{secret}\"\n"
        )
    );
    assert!(read("countersign.toml").ends_with(
        "path = \"b.json\"\nrule = \"secrets/aws-access-key-id\"\nreason = \"test data: sample of the provider\"\n"
    ));
    assert_eq!(read("c.sh"), format!("export K={secret}\r\n"), "a note changes nothing");
    let notes = read("countersign-audit.toml");
    assert!(
        notes.contains("rotated = \"2026-02-28\"") && notes.contains("on = \"2026-03-01\"") && !notes.contains(&secret),
        "{notes}"
    );

    // What was written are requests, and the two that only were noted still count.
    let report = w.cs(["scan", ".", "--format", "json"]).expect(10).json();
    let states: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["path"].as_str().unwrap(), f["state"].as_str().unwrap()))
        .collect();
    let (open, asked) = ("open", "suppression-requested");
    assert_eq!(states, [("a.py", asked), ("a.py", asked), ("b.json", asked), ("c.sh", open), ("d.txt", open)]);

    let ran = told(&w, &["secrets", "audit"], "").expect(10);
    assert!(ran.out.contains("2 open findings: 2 answered before"), "{}", ran.out);
    // Asked again, the rotated one is asked not to count, above a line that ends with CR LF.
    let ran = told(&w, &["secrets", "audit", "--again", "c.sh"], "o\n2026-02-28\nby the console\nm\n").expect(0);
    assert!(ran.out.contains("1 open finding: 1 rotated"), "{}", ran.out);
    assert_eq!(
        read("c.sh"),
        format!(
            "# countersign:allow secrets/aws-access-key-id reason: rotated on 2026-02-28: by the console\r\nexport K={secret}\r\n"
        )
    );
}

#[test]
fn a_walk_can_be_left_and_gone_on_with() {
    let w = leaky();
    let ran = told(&w, &["secrets", "audit"], "r\ns\nq\n").expect(10);
    assert!(ran.out.contains("5 open findings: 3 not asked, 1 real, 1 skipped"), "{}", ran.out);
    // The end of the input is the end of the walk, and what is not answered whole is not answered.
    let ran = told(&w, &["secrets", "audit"], "t\nmade up\n").expect(10);
    assert!(
        ran.out.contains("1 of 4") && ran.out.contains("5 open findings: 1 answered before, 4 not asked"),
        "{}",
        ran.out
    );
    assert!(!w.repo().join("countersign.toml").exists());
    // A declaration speaks for both findings of the file, so the second is not asked about.
    let ran = told(&w, &["secrets", "audit", "--again", "a.py"], "t\nmade up\nd\n").expect(0);
    assert!(ran.out.contains("2 open findings: 1 suppression requested, 1 test data"), "{}", ran.out);
    w.write("countersign-audit.toml", "version = 1\n[[note]]\nfingerprnt = 'x'\n");
    let ran = told(&w, &["secrets", "audit"], "").expect(2);
    assert!(ran.err.contains("CS-CLI-001") && ran.err.contains("countersign-audit.toml:"), "{}", ran.err);
    w.write("countersign-audit.toml", "version = 2\n");
    told(&w, &["secrets", "audit"], "").expect(2);

    let clean = World::with_commit();
    assert!(told(&clean, &["secrets", "audit"], "").expect(0).out.contains("0 open findings"));
}

#[test]
fn the_checklist_of_a_finding_names_what_can_stand_there_instead() {
    let w = leaky();
    let report = w.cs(["scan", ".", "--format", "json"]).expect(10).json();
    let print = report["findings"][0]["fingerprint"].as_str().unwrap();
    let by_print = w.cs(["secrets", "checklist", &print[..19]]).expect(0).out;
    for part in [
        "a.py:2:8",
        "[ ] Revoke the old one",
        "Instead of the value (Python; it is called KEY here)",
        "write  os.environ[\"KEY\"]",
        "Read more",
    ] {
        assert!(by_print.contains(part), "{part}: {by_print}");
    }
    assert!(!by_print.contains(&planted_secret()));
    assert_eq!(w.cs(["secrets", "checklist", "a.py:2"]).expect(0).out, by_print);
    // From below the top, places and fingerprints are still those of the repository.
    std::fs::create_dir(w.repo().join("sub")).unwrap();
    assert_eq!(w.cs_in(&w.repo().join("sub"), ["secrets", "checklist", print]).expect(0).out, by_print);
    for wrong in ["a.py:9", "ffffffffffff", "abc", ""] {
        let ran = w.cs(["secrets", "checklist", wrong]).expect(2);
        assert!(ran.err.contains("error[CS-CLI-053]: 0 findings"), "{}", ran.err);
    }
}
