//! Running a deployment's command.

use std::ffi::OsString;

use countersign_connect::{Error, ExitOutcome, host_name, run};
use countersign_model::{Diagnostic, Exit};

use crate::support::Folder;

fn words(command: &[&str]) -> Vec<OsString> {
    command.iter().map(OsString::from).collect()
}

#[cfg(unix)]
#[test]
fn a_command_ends_with_its_code_or_signal() {
    let folder = Folder::new();
    let outcome = |script: &str| run(&words(&["sh", "-c", script]), &[], folder.path()).unwrap();
    assert!(outcome("exit 0").success());
    assert_eq!(outcome("exit 7"), ExitOutcome { code: Some(7), signal: None });
    assert_eq!(outcome("kill -9 $$"), ExitOutcome { code: None, signal: Some(9) });
}

#[cfg(unix)]
#[test]
fn a_command_gets_its_environment_and_directory() {
    let folder = Folder::new();
    let env = [("COUNTERSIGN_GRANT".to_owned(), "gra-1".to_owned())];
    let script = "printf %s \"$COUNTERSIGN_GRANT $PATH\" > out";
    assert!(run(&words(&["sh", "-c", script]), &env, folder.path()).unwrap().success());
    let out = std::fs::read_to_string(folder.join("out")).unwrap();
    assert!(out.starts_with("gra-1 /"), "ours is inherited: {out}");
}

#[test]
fn what_cannot_be_started_is_said_plainly() {
    let folder = Folder::new();
    let error = run(&words(&["no-such-program-at-all"]), &[], folder.path()).unwrap_err();
    assert_eq!((error.code(), error.exit()), ("CS-RUN-002", Exit::Usage));
    std::fs::write(folder.join("plain"), "text").unwrap();
    let plain = folder.join("plain");
    let error = run(&[plain.into()], &[], folder.path()).unwrap_err();
    assert_eq!(error.code(), "CS-RUN-003");
    assert!(matches!(run(&[], &[], folder.path()), Err(Error::NoCommand)));
    assert!(matches!(run(&words(&[""]), &[], folder.path()), Err(Error::NoCommand)));
    let error = run(&words(&["sh"]), &[], &folder.join("nowhere")).unwrap_err();
    assert!(matches!(error, Error::Directory { .. }));
}

#[test]
fn the_device_hint_is_short_and_the_same_every_time() {
    let hint = host_name();
    assert!(hint == "unknown" || (hint.len() == 16 && hint.bytes().all(|b| b.is_ascii_hexdigit())));
    assert_eq!(hint, host_name());
}
