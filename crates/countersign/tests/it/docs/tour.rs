//! The tour of the README, and the checks without our software, exactly as a reader would type them.

use std::path::Path;

use super::{Desk, have, page, project, variable};

/// The shell blocks of a page.
fn blocks(text: &str) -> Vec<&str> {
    text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Every line, followed by a check of its exit code: 0, or what its comment says (`# exit 4: …`).
fn checked(block: &str) -> String {
    let mut script = String::new();
    for line in block.lines().filter(|l| !l.trim().is_empty()) {
        let wanted = line.split("# exit ").nth(1).map_or("0", |rest| rest.split(':').next().unwrap_or("0"));
        script.push_str(&format!(
            "{line}\ncode=$?; [ $code -eq {wanted} ] || {{ echo \"exit code $code instead of {wanted}: {}\" >&2; exit 99; }}\n",
            line.replace(['"', '$', '`', '\\'], "'"),
        ));
    }
    script
}

#[test]
fn the_tour_and_the_checks_without_us_work_as_typed() {
    if !have(&["git", "ssh-keygen", "jq", "openssl", "go"]) {
        return;
    }
    let readme = page("README.md");
    let tour = readme.split("<!-- tour -->").nth(1).unwrap();
    let guide = page("docs/guides/verify-without-us.md");
    let mut script = checked(blocks(tour)[0]);
    // From here on nothing of ours may be called.
    script.push_str("countersign() { echo 'countersign was called' >&2; exit 98; }\nset -eu\n");
    for block in blocks(&guide) {
        script.push_str(block);
    }
    let desk = Desk::new();
    let path = variable("PATH").unwrap_or_default();
    let ours = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let path = format!("{}:{path}", ours.display());
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    let played = desk
        .command("sh")
        .args(["-c", &script])
        .env("PATH", path)
        .env("COUNTERSIGN_SRC", project())
        .env("GOCACHE", cache)
        .env("GOFLAGS", "")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&played.stdout), String::from_utf8_lossy(&played.stderr));
    assert!(played.status.success(), "{}\n{out}\n{err}", played.status);
    for proof in [
        "identical: the same bytes came out again",
        "verified: every byte is accounted for",
        "ok size=",
        "every blob is what its entry says",
        "Good \"countersign-approval@v1\" signature",
        "Signature Verified Successfully",
    ] {
        assert!(out.contains(proof), "`{proof}` is missing from\n{out}");
    }
    // The digest that was recorded, and the one that was computed.
    let digests: Vec<&str> = out.lines().filter(|l| l.starts_with("sha256:") && l.len() == 71).collect();
    assert!(digests.len() == 2 && digests[0] == digests[1], "{digests:?}");
}

#[test]
fn commands_of_the_guides_are_commands_of_ours() {
    let help = page("docs/reference/cli.md");
    let mut unknown = Vec::new();
    for name in ["first-run", "approvals", "suppressions", "other-tools"] {
        let guide = page(&format!("docs/guides/{name}.md"));
        for line in blocks(&guide).iter().flat_map(|b| b.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let typed = line.split_whitespace().skip_while(|w| *w != "countersign").skip(1);
            let verbs: Vec<&str> = typed.skip_while(|w| w.starts_with("--") || w.starts_with('/')).take(2).collect();
            let Some(verb) = verbs.first() else { continue };
            let section = |words: &str| help.split(&format!("\n## countersign {words}\n")).nth(1);
            let Some(section) = section(&verbs.join(" ")).or_else(|| section(verb)) else {
                unknown.push(format!("{name}: {line}"));
                continue;
            };
            let section = section.split("\n## ").next().unwrap_or_default();
            let is_known = |option: &&str| section.split_whitespace().any(|word| word == *option);
            let ours = line.split(" -- ").next().unwrap_or_default();
            let options = ours.split_whitespace().filter(|w| w.starts_with("--"));
            unknown.extend(options.filter(|o| !is_known(o)).map(|o| format!("{name}: {o} in {line}")));
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}
