//! The story in `examples/broker-dealer`, played with the binary under test.

use std::path::Path;
use std::process::{Command, Stdio};

#[expect(clippy::disallowed_methods, reason = "the story is a program, and so are the tools it needs")]
fn command(program: &str) -> Command {
    Command::new(program)
}

/// Whether the tools are there. Absent, the test is skipped aloud; under `CI=true` it fails, for a skipped proof is
/// none.
fn have(tools: &[(&str, &[&str])]) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let missing: Vec<&str> = tools
        .iter()
        .filter(|(tool, args)| {
            command(tool).args(*args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
        })
        .map(|(tool, _)| *tool)
        .collect();
    assert!(missing.is_empty() || !ci, "not installed: {missing:?}");
    if !missing.is_empty() {
        eprintln!("skipped: not installed: {missing:?}");
    }
    missing.is_empty()
}

#[test]
fn the_broker_dealer_example_plays_to_its_end() {
    // `ssh-keygen -?` only prints its usage.
    if !have(&[("bash", &["--version"]), ("git", &["--version"]), ("ssh-keygen", &["-?"])]) {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/broker-dealer/run.sh");
    let played = command("bash")
        .arg(&script)
        .env("COUNTERSIGN", env!("CARGO_BIN_EXE_countersign"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&played.stdout);
    let errors = String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success(), "{}\n{told}\n{errors}", played.status);
    // The script skips what this machine cannot check, and says so; those lines belong to the test's own output.
    for line in told.lines().filter(|l| l.contains("SKIP:")) {
        eprintln!("{}", line.trim());
    }
    let last = told.lines().last().unwrap_or_default();
    assert!(last.starts_with("All 15 acts passed"), "the story ended with: {last}");
    assert_eq!(told.lines().filter(|l| l.starts_with("=== Act ")).count(), 15, "{told}");
}
