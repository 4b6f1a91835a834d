//! `policy`, from an author's first file to what is in effect, and what looks back at recorded decisions.

use serde_json::json;

use crate::support::World;

/// A firm whose `policies/` are the shipped ones.
fn authored() -> World {
    let w = World::new();
    w.firm();
    w.cs(["policy", "new", "policies"]).expect(0);
    w
}

/// A check of ours in the release gate, with its tests.
fn with_fees(w: &World) {
    w.write(
        "policies/gates/fees.rego",
        "# METADATA\n# title: Fees\n# custom:\n#   controls: [change-is-documented]\npackage countersign.gates.release\n\n\
         import data.countersign.lib.facts\nimport data.countersign.lib.reasons\n\n\
         deny contains reasons.reason(\"no-readme\", \"a change needs a README\", [\"change-is-documented\"]) if {\n\
         \tis_array(facts.sound.change.files)\n\tpaths := {f.path | some f in facts.sound.change.files}\n\
         \tnot \"README\" in paths\n}\n",
    );
    w.write(
        "policies/gates/fees_test.rego",
        "package countersign.gates.release_fees_test\n\nimport data.countersign.gates.release\nimport data.fixture\n\n\
         test_nothing_without_facts if {\n\tcount({r | some r in release.deny; r.code == \"no-readme\"}) == 0 with input as {}\n}\n",
    );
}

#[test]
fn an_author_tests_lints_builds_signs_publishes_and_an_officer_activates() {
    let w = authored();
    let tested = w.cs(["policy", "test", "policies", "--min-coverage", "90"]).expect(0);
    assert!(tested.out.contains(" passed, 0 failed"), "{}", tested.out);
    w.cs(["policy", "lint", "policies", "--strict"]).expect(0);
    w.cs(["policy", "fmt-check", "policies"]).expect(0);
    with_fees(&w);
    let diff = w.cs(["policy", "diff", "active", "policies"]).expect(0);
    assert!(diff.out.contains("~ rule data.countersign.gates.release.deny"), "{}", diff.out);

    w.cs(["policy", "build", "policies", "--out", "b.tar.gz", "--revision", "r1"]).expect(0);
    let first = std::fs::read(w.repo().join("b.tar.gz")).unwrap();
    w.cs(["policy", "build", "policies", "--out", "again.tar.gz", "--revision", "r1"]).expect(0);
    assert_eq!(first, std::fs::read(w.repo().join("again.tar.gz")).unwrap(), "the same files give the same bytes");
    assert!(w.cs(["policy", "push", "b.tar.gz", "--to", "out"]).expect(13).err.contains("not signed"));

    for (args, file) in [
        (&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"][..], "key.pem"),
        (&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"], "other.pem"),
    ] {
        openssl(&w, &[args, &[file]].concat());
        openssl(&w, &["pkey", "-in", file, "-pubout", "-out", &file.replace(".pem", ".pub.pem")]);
    }
    w.cs(["policy", "sign", "b.tar.gz", "--signing-key", "key.pem", "--key-id", "release"]).expect(0);
    let sealed = w.cs(["policy", "sign", "b.tar.gz"]).expect(0).out;
    let recorder = sealed.split("--recorder ").nth(1).unwrap().trim();
    let verified =
        w.cs(["policy", "verify", "b.tar.gz", "--verification-key", "key.pub.pem", "--recorder", recorder]).expect(0);
    assert!(verified.out.contains("signed by ES256"), "{}", verified.out);
    w.cs(["policy", "push", "b.tar.gz", "--to", "out"]).expect(0);
    assert!(w.repo().join("out/b.tar.gz.dsse.json").exists());

    // Another key, another id, another scope: what was in effect still is.
    let before = w.cs(["policy", "show"]).expect(0).out;
    for more in [
        &["--verification-key", "other.pub.pem"][..],
        &["--verification-key", "key.pub.pem", "--verification-key-id", "else"],
        &["--verification-key", "key.pub.pem", "--scope", "production"],
    ] {
        let refused = w.by("ruth", &[&["policy", "activate", "out/b.tar.gz"], more].concat()).expect(13);
        assert!(refused.err.contains("CS-POLICY-031"), "{}", refused.err);
    }
    assert_eq!(w.cs(["policy", "show"]).expect(0).out, before);
    w.by("ruth", &["policy", "activate", "out/b.tar.gz", "--verification-key", "key.pub.pem"]).expect(0);
    let history = w.cs(["policy", "history", "--format", "json"]).expect(0).json();
    assert_eq!(history["bundles"].as_array().unwrap().len(), 2);
    w.commit_signed("mia", "app.sh", "echo app\n");
    let run = w.cs(["run"]).expect(10);
    assert!(run.out.contains("a change needs a README"), "{}", run.out);
}

fn openssl(w: &World, args: &[&str]) {
    let mut command = w.command("openssl", &w.repo());
    command.args(args);
    World::finish(command).expect(0);
}

#[test]
fn a_changed_file_in_a_signed_bundle_is_found() {
    let w = authored();
    w.cs(["policy", "build", "policies", "--out", "b.tar.gz"]).expect(0);
    openssl(&w, &["genpkey", "-algorithm", "ed25519", "-out", "key.pem"]);
    openssl(&w, &["pkey", "-in", "key.pem", "-pubout", "-out", "key.pub.pem"]);
    w.cs(["policy", "sign", "b.tar.gz", "--signing-key", "key.pem", "--algorithm", "EdDSA"]).expect(0);
    let verify =
        ["policy", "verify", "b.tar.gz", "--verification-key", "key.pub.pem", "--verification-algorithm", "EdDSA"];
    w.cs(verify).expect(0);
    let mut tar = w.command("sh", &w.repo());
    tar.args([
        "-c",
        "mkdir x && tar xzf b.tar.gz -C x && echo '# more' >> x/gates/build.rego && tar czf b.tar.gz -C x .",
    ]);
    World::finish(tar).expect(0);
    let refused = w.cs(verify).expect(13);
    assert!(refused.err.contains("`gates/build.rego` is not what was signed"), "{}", refused.err);
}

#[test]
fn a_policy_that_passes_by_finding_nothing_is_refused_with_file_and_line() {
    let w = World::new();
    w.write(
        "p/main.rego",
        "package main\n\ndefault allow := false\n\nallow if count(deny) == 0\n\ndeny contains \"x\" if input.x\n",
    );
    w.write("p/main_test.rego", "package main_test\n\nimport data.main\n\ntest_x if main.deny with input as {\"x\": 1}\n\ntest_wrong if main.allow with input as {\"x\": 1}\n");
    let lint = w.cs(["policy", "lint", "p"]).expect(10);
    assert!(lint.out.contains("main.rego:5:1: error [vacuous-pass]"), "{}", lint.out);
    let test = w.cs(["policy", "test", "p"]).expect(10);
    assert!(test.out.contains("data.main_test.test_wrong  FAIL: it is undefined"), "{}", test.out);
    w.write("p/main.rego", "package main\n\ndeny contains x if {\n\tx := \n}\n");
    let broken = w.cs(["policy", "test", "p"]).expect(2);
    assert!(broken.err.contains("main.rego:"), "{}", broken.err);
    assert!(w.cs(["policy", "test", "p", "--filter", "nothing"]).expect(2).err.contains("CS-POLICY-003"));
}

#[test]
fn policies_of_conftest_gatekeeper_and_trivy_judge_as_they_are() {
    let w = World::new();
    w.write("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {}}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b, labels: {owner: x}}\n");
    w.write("policy/a.rego", "package main\n\ndeny_owner contains msg if {\n\tnot input.metadata.labels.owner\n\tmsg := sprintf(\"%s has no owner\", [input.metadata.name])\n}\n\nwarn contains $\"{input.kind} is looked at\" if input.kind\n\nexception contains [\"owner\"] if input.metadata.name == \"excepted\"\n");
    let denied = w.cs(["policy", "check", "pod.yaml"]).expect(10);
    assert!(denied.out.contains("pod.yaml: deny [main.deny_owner] a has no owner"), "{}", denied.out);
    assert!(denied.out.contains("warn [main.warn] Service is looked at"), "{}", denied.out);
    let none = w.cs(["policy", "check", "pod.yaml", "--namespace", "other"]).expect(2);
    assert!(none.err.contains("nothing would be judged"), "{}", none.err);

    // Rego v0, as most templates are.
    w.write("library/template.yaml", "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: labels}\nspec:\n  crd: {spec: {names: {kind: Labels}}}\n  targets:\n    - target: admission.k8s.gatekeeper.sh\n      rego: |\n        package labels\n        violation[{\"msg\": msg}] {\n          wanted := input.parameters.labels[_]\n          not input.review.object.metadata.labels[wanted]\n          msg := sprintf(\"no label %v\", [wanted])\n        }\n");
    w.write("constraints.yaml", "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Labels\nmetadata: {name: owner}\nspec:\n  match: {kinds: [{apiGroups: [\"\"], kinds: [Pod]}]}\n  parameters: {labels: [owner]}\n");
    let judged = w
        .cs([
            "policy",
            "check",
            "pod.yaml",
            "--policy",
            "library",
            "--convention",
            "gatekeeper",
            "--parameters",
            "constraints.yaml",
            "--format",
            "json",
        ])
        .expect(10)
        .json();
    assert_eq!(judged["findings"].as_array().unwrap().len(), 1);
    assert_eq!(
        judged["findings"][0]["found"],
        json!({"level": "deny", "rule": "Labels/owner", "text": "no label owner"})
    );

    // A template that nothing could be asked of is no pass.
    w.write("empty/a.rego", "package labels # of pods\n\nviolations[{\"msg\": \"x\"}] { true }\n");
    let nothing = w.cs(["policy", "check", "pod.yaml", "--policy", "empty", "--convention", "gatekeeper"]).expect(2);
    assert!(nothing.err.contains("has no rule `violation`"), "{}", nothing.err);
    w.write("plain/a.rego", "package labels # of pods\n\nviolation[{\"msg\": \"x\"}] { true }\n");
    w.cs(["policy", "check", "pod.yaml", "--policy", "plain", "--convention", "gatekeeper"]).expect(10);

    w.write("checks/a.rego", "# METADATA\n# title: x\n# custom:\n#   id: KSV1\n#   severity: HIGH\n#   input:\n#     selector:\n#     - type: kubernetes\npackage builtin.kubernetes.KSV1\n\ndeny contains res if {\n\tinput.kind == \"Pod\"\n\tres := {\"msg\": \"a pod\"}\n}\n");
    let sarif = w
        .cs(["policy", "check", "pod.yaml", "--policy", "checks", "--convention", "trivy", "--format", "sarif"])
        .expect(10)
        .json();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "KSV1");

    let value = w.cs(["policy", "eval", "x = data.main.deny_owner", "--policy", "policy"]).expect(0).json();
    assert_eq!(value["result"][0]["bindings"]["x"], json!([]));
    assert_eq!(w.cs(["policy", "eval", "data.main.none", "--policy", "policy"]).expect(3).json(), json!({}));
}

#[test]
fn the_past_is_replayed_sampled_tried_with_another_bundle_and_told_to_collectors() {
    let w = authored();
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run"]).expect(11);
    w.commit_signed("mia", "README", "hello\n");
    w.cs(["run"]).expect(11);
    let all = w.cs(["replay", "--all", "--format", "json"]).expect(0).json();
    assert_eq!((&all["population"], &all["identical"]), (&json!(2), &json!(2)));
    let sample = ["replay", "--all", "--sample", "1", "--seed", "an auditor's words", "--format", "json"];
    assert_eq!(w.cs(sample).expect(0).json()["replayed"], json!(1));
    w.cs(["replay", "--from", "2001-01-01", "--to", "2001-02-01"]).expect(3);

    with_fees(&w);
    let impact = w.cs(["policy", "impact", "policies", "--format", "json"]).expect(0).json();
    assert_eq!((&impact["decisions"], &impact["changed"]), (&json!(2), &json!(1)));
    assert_eq!(impact["cases"][0]["changes"], json!(["release: pass → fail (no-readme)"]));

    w.write(
        "policies/log.rego",
        "package system.log\n\nmask contains \"/input/change\"\n\ndrop if input.input.change.ticket == \"none\"\n",
    );
    w.by("ruth", &["policy", "activate", "policies"]).expect(0);
    w.cs(["run"]).expect(11);
    let log = w.cs(["policy", "decision-log"]).expect(0).out;
    let events: Vec<serde_json::Value> = log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(events.len(), 3);
    for event in &events {
        for field in ["labels", "decision_id", "bundles", "path", "input", "result", "timestamp", "evidence_seq"] {
            assert!(event.get(field).is_some(), "{field}");
        }
    }
    assert!(events[0]["input"]["change"].is_object());
    assert_eq!(events[2]["erased"], json!(["/input/change"]));
    assert!(events[2]["input"].get("change").is_none());
}

/// A firm whose active policy is the shipped one and this file.
fn with_policy(text: &str) -> World {
    let w = authored();
    w.write("policies/gates/greedy.rego", text);
    w.by("ruth", &["policy", "activate", "policies"]).expect(0);
    w
}

#[test]
fn a_policy_that_doubles_its_memory_is_ended_and_leaves_the_gate_closed() {
    // Forty doublings of sixteen bytes: 16 TiB, in fewer steps than any look at a clock.
    let mut text = String::from("package countersign.gates.release\n\nx0 := \"0123456789abcdef\"\n");
    for n in 1..=40 {
        text.push_str(&format!("\nx{n} := concat(\"\", [x{0}, x{0}])\n", n - 1));
    }
    text.push_str("\ndeny contains {\"code\": \"x\", \"text\": x40, \"controls\": []} if count(x40) > 0\n");
    let w = with_policy(&text);
    w.commit_signed("mia", "app.sh", "echo app\n");
    let ran = w.cs(["run"]).expect(14);
    assert!(ran.err.contains("CS-POLICY-005") && ran.err.contains("2048 MiB"), "{}", ran.err);
    assert!(w.cs(["policy", "decision-log"]).expect(0).out.is_empty(), "nothing was decided");
    w.cs(["verify"]).expect(0);
    // The next policy is not the poorer for it.
    w.write("policies/gates/greedy.rego", "package countersign.lib.modest\n\nx := 1\n");
    w.by("ruth", &["policy", "activate", "policies"]).expect(0);
    w.cs(["run"]).expect(11);
}
