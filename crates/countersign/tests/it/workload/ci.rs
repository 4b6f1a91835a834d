//! What CI systems say in their variables fills in what somebody would type.

use crate::support::World;

use super::{firm_at, head};

fn job(w: &World, args: &[&str], variables: &[(&str, &str)]) -> crate::support::Ran {
    let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
    command.args(args).envs(variables.iter().copied());
    World::finish(command)
}

#[test]
fn variables_fill_in_environment_ticket_base_and_run() {
    if !crate::support::have_ssh_keygen() {
        return;
    }
    let w = firm_at("https://gitlab.example/bank/app.git");
    let first = head(&w);
    w.commit_signed("mia", "more.sh", "echo more\n");
    let commit = head(&w);
    let gitlab = [
        ("GITLAB_CI", "true"),
        ("CI_COMMIT_SHA", commit.as_str()),
        ("CI_MERGE_REQUEST_DIFF_BASE_SHA", first.as_str()),
        ("CI_MERGE_REQUEST_IID", "12"),
        ("CI_ENVIRONMENT_NAME", "staging"),
        ("CI_JOB_URL", "https://gitlab.example/bank/app/-/jobs/5"),
    ];
    let ran = job(&w, &["run", "--format", "json"], &gitlab).expect(11).json();
    assert_eq!((&ran["run"]["environment"], &ran["change"]["ticket"]), (&"staging".into(), &"pull request 12".into()));
    assert!(ran["workload"].is_null(), "variables prove nothing");
    let text = job(&w, &["run"], &gitlab).expect(11).out;
    assert!(text.contains("1 commit"), "narrowed to the merge request: {text}");
    // What somebody says counts more, and stays.
    let said = ["run", "--format", "json", "--env", "production", "--ticket", "CHG-7"];
    let ran = job(&w, &said, &gitlab).expect(11).json();
    assert_eq!((&ran["run"]["environment"], &ran["change"]["ticket"]), (&"production".into(), &"CHG-7".into()));
    let ran = job(&w, &["run", "--format", "json"], &gitlab).expect(11).json();
    assert_eq!(ran["change"]["ticket"], "CHG-7");

    // The run is found by the commit of the job, in every system.
    w.commit_signed("mia", "later.sh", "echo later\n");
    w.cs(["run"]).expect(11);
    let summary = w.path("summary.md");
    for system in [
        &[("GITLAB_CI", "true"), ("CI_COMMIT_SHA", commit.as_str())][..],
        &[("GITHUB_ACTIONS", "true"), ("GITHUB_SHA", commit.as_str())],
        &[("JENKINS_URL", "https://jenkins.example/"), ("GIT_COMMIT", commit.as_str())],
        &[("TF_BUILD", "True"), ("BUILD_SOURCEVERSION", commit.as_str())],
    ] {
        let checked = ["gate", "check", "--format", "json", "--summary", summary.to_str().unwrap()];
        let checked = job(&w, &checked, system).expect(11).json();
        assert_eq!(checked["run"]["id"], ran["run"]["id"], "{system:?}");
        w.write("notes.txt", "tested\n");
        let recorded = job(&w, &["record", "notes.txt", "--format", "json"], system).expect(0).json();
        assert_eq!(recorded["run"], ran["run"]["id"], "{system:?}");
    }
    let written = std::fs::read_to_string(&summary).unwrap();
    assert_eq!(written.matches("### ⏳ Countersign: pending").count(), 4, "{written}");
    assert!(written.contains(&commit[..12]) && written.contains("the job proved no identity"), "{written}");
    // A commit that was never judged has no run, and the latest is not taken in its place.
    let unknown = [("GITHUB_ACTIONS", "true"), ("GITHUB_SHA", first.as_str())];
    let missing = job(&w, &["gate", "check"], &unknown);
    assert!(missing.code != 0 && missing.err.contains("CS-BUILD-002"), "{}", missing.err);
}
