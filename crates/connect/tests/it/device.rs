//! Keys in a real token: SoftHSM. Its module reads SOFTHSM2_CONF when it is loaded, so each test that loads it runs in
//! a process of its own with that variable set: this test binary, asked for one test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use countersign_connect::pkcs11::{DeviceError, Devices, KeyUri, TokenKey};
use countersign_evidence::machine::MachineKey;
use countersign_evidence::note::{self, SignerKey};
use countersign_evidence::signer::RawSigner as _;
use countersign_model::Diagnostic as _;
use cryptoki::context::Pkcs11;

use crate::support::{command, installed};

const PIN: &str = "1234";
/// Tells a child where its token is.
const DIR: &str = "COUNTERSIGN_TEST_DEVICE";

fn module() -> PathBuf {
    let known = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib64/pkcs11/libsofthsm2.so",
        "/usr/local/lib/softhsm/libsofthsm2.so",
    ];
    known.iter().map(PathBuf::from).find(|p| p.exists()).unwrap()
}

/// Where a child's token is; `None` in the parent.
#[expect(clippy::disallowed_methods, reason = "a child is told by its environment")]
fn inside() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

fn init_token(dir: &Path, label: &str) {
    let done = command("softhsm2-util")
        .env("SOFTHSM2_CONF", dir.join("conf"))
        .args(["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "56789"])
        .output();
    assert!(done.unwrap().status.success());
}

fn tool(dir: &Path, token: &str, args: &[&str]) {
    let mut tool = command("pkcs11-tool");
    tool.env("SOFTHSM2_CONF", dir.join("conf")).arg("--module").arg(module());
    let done = tool.args(["--token-label", token, "--login", "--pin", PIN]).args(args).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn generate(dir: &Path, token: &str, label: &str, id: &str) {
    tool(dir, token, &["--keypairgen", "--key-type", "EC:edwards25519", "--label", label, "--id", id]);
}

/// Makes a token `cs` with a key `log`, and runs `test` in a process that sees it.
fn with_token(test: &str) {
    if !installed("softhsm2-util") || !installed("pkcs11-tool") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    fs::create_dir(&tokens).unwrap();
    let conf = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
    fs::write(dir.path().join("conf"), conf).unwrap();
    init_token(dir.path(), "cs");
    generate(dir.path(), "cs", "log", "01");
    pin_file(dir.path(), PIN, 0o600);
    let done = command(std::env::current_exe().unwrap())
        .args(["--exact", &format!("device::{test}"), "--nocapture", "--test-threads=1"])
        .env("SOFTHSM2_CONF", dir.path().join("conf"))
        .env(DIR, dir.path())
        .output()
        .unwrap();
    let shown = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && shown.contains("1 passed"), "{shown}");
}

fn pin_file(dir: &Path, pin: &str, mode: u32) {
    let path = dir.join("pin");
    let _ = fs::remove_file(&path);
    fs::write(&path, format!("{pin}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn uri(dir: &Path, what: &str) -> String {
    let (module, pin) = (module(), dir.join("pin"));
    format!("pkcs11:{what}?module-path={}&pin-source=file:{}", module.display(), pin.display())
}

fn refused(dir: &Path, what: &str) -> DeviceError {
    Devices::default().key(&uri(dir, what)).unwrap_err()
}

#[test]
fn a_key_in_a_token_signs() {
    let Some(dir) = inside() else { return with_token("a_key_in_a_token_signs") };
    let devices = Devices::default();
    for what in ["token=cs;object=log", "token=cs;id=%01", "object=log;type=private", "model=SoftHSM%20v2;object=log"] {
        let key = devices.key(&uri(&dir, what)).unwrap();
        let signer = SignerKey::remote("log.example", key.clone()).unwrap();
        let signed = note::sign("text\n", &signer).unwrap();
        note::open(signed.as_bytes(), &[signer.verifier().clone()]).unwrap();
        let machine = MachineKey::remote(key).unwrap();
        assert!(machine.public().verify(b"", &machine.sign(b"").unwrap()));
        let long = vec![7; 300_000];
        assert!(machine.public().verify(&long, &machine.sign(&long).unwrap()));
    }
}

#[test]
fn the_pin_comes_from_a_closed_file_or_the_environment() {
    let Some(dir) = inside() else { return with_token("the_pin_comes_from_a_closed_file_or_the_environment") };
    let what = "token=cs;object=log";
    pin_file(&dir, PIN, 0o640);
    assert!(matches!(refused(&dir, what), DeviceError::PinExposed { .. }));
    pin_file(&dir, "", 0o600);
    assert!(matches!(refused(&dir, what), DeviceError::PinFile { .. }));
    fs::remove_file(dir.join("pin")).unwrap();
    assert!(matches!(refused(&dir, what), DeviceError::PinFile { .. }));
    pin_file(&dir, "4321", 0o600);
    let wrong = refused(&dir, what);
    assert!(matches!(wrong, DeviceError::WrongPin { .. }), "{wrong:?}");
    assert!(!wrong.to_string().contains("4321") && !wrong.help().contains("4321"));
    let bare = format!("pkcs11:{what}?module-path={}", module().display());
    assert!(matches!(Devices::default().key(&bare), Err(DeviceError::NoPin)));
    assert!(Devices::new(Some(PIN.to_owned().into())).key(&bare).is_ok());
}

#[test]
fn what_is_not_there_is_named() {
    let Some(dir) = inside() else { return with_token("what_is_not_there_is_named") };
    assert!(matches!(refused(&dir, "token=other;object=log"), DeviceError::NoToken { .. }));
    assert!(matches!(refused(&dir, "token=cs;object=other"), DeviceError::NoKey { .. }));
    generate(&dir, "cs", "log", "02");
    assert!(matches!(refused(&dir, "token=cs;object=log"), DeviceError::Ambiguous { what: "key", .. }));
    assert!(Devices::default().key(&uri(&dir, "token=cs;object=log;id=%02")).is_ok());
    tool(&dir, "cs", &["--delete-object", "--type", "pubkey", "--id", "02"]);
    assert!(matches!(refused(&dir, "token=cs;id=%02"), DeviceError::NoPublicKey { .. }));
    tool(&dir, "cs", &["--keypairgen", "--key-type", "EC:prime256v1", "--label", "p256", "--id", "03"]);
    assert!(matches!(refused(&dir, "token=cs;object=p256"), DeviceError::NoKey { .. }));
    init_token(&dir, "cs");
    // A module that is loaded does not look for new tokens; a new process does.
    let missing = format!("pkcs11:object=log?module-path={}/none.so", dir.display());
    assert!(matches!(Devices::default().key(&missing), Err(DeviceError::Module { .. })));
    let no_module = format!("pkcs11:object=log?module-path={}", std::env::current_exe().unwrap().display());
    assert!(matches!(Devices::default().key(&no_module), Err(DeviceError::Module { .. })));
}

#[test]
fn two_tokens_of_one_name_are_not_guessed_between() {
    let Some(dir) = inside() else { return with_token("two_tokens_of_one_name_are_not_guessed_between") };
    init_token(&dir, "cs");
    assert!(matches!(refused(&dir, "token=cs;object=log"), DeviceError::Ambiguous { what: "token", .. }));
}

/// Shuts the module down under everybody in this process: every session with every token is gone.
fn lose_sessions() {
    Pkcs11::new(module()).unwrap().finalize().unwrap();
}

/// Logs everybody in this process out of the token.
fn log_out() {
    let library = Pkcs11::new(module()).unwrap();
    for slot in library.get_slots_with_initialized_token().unwrap() {
        library.open_ro_session(slot).unwrap().logout().unwrap();
    }
}

fn signs(key: &TokenKey) -> Result<(), &'static str> {
    match key.sign(b"message") {
        Ok(signature) => {
            let public = countersign_evidence::machine::MachinePublicKey::from_bytes(&key.public()).unwrap();
            assert!(public.verify(b"message", &signature));
            Ok(())
        }
        Err(e) => Err(e.code()),
    }
}

#[test]
fn a_lost_session_is_opened_again() {
    let Some(dir) = inside() else { return with_token("a_lost_session_is_opened_again") };
    let key = Devices::default().key(&uri(&dir, "token=cs;object=log")).unwrap();
    signs(&key).unwrap();
    for _ in 0..3 {
        lose_sessions();
        signs(&key).unwrap();
        log_out();
        signs(&key).unwrap();
    }
    // The PIN that is wrong by now is tried once, and said to be wrong.
    pin_file(&dir, "4321", 0o600);
    lose_sessions();
    assert_eq!(signs(&key), Err("CS-KEY-029"));
    pin_file(&dir, PIN, 0o600);
    signs(&key).unwrap();
}

#[test]
fn a_key_that_was_exchanged_under_its_address_does_not_sign() {
    let Some(dir) = inside() else { return with_token("a_key_that_was_exchanged_under_its_address_does_not_sign") };
    let key = Devices::default().key(&uri(&dir, "token=cs;object=log")).unwrap();
    signs(&key).unwrap();
    for kind in ["privkey", "pubkey"] {
        tool(&dir, "cs", &["--delete-object", "--type", kind, "--id", "01"]);
    }
    lose_sessions();
    assert_eq!(signs(&key), Err("CS-KEY-024"), "it is gone");
    generate(&dir, "cs", "log", "01");
    lose_sessions();
    assert_eq!(signs(&key), Err("CS-KEY-031"), "another one is there");
}

#[test]
fn addresses_show_no_secret() {
    let text = "pkcs11:object=k?module-path=/m&pin-source=file:/p";
    assert_eq!(format!("{:?}", KeyUri::parse(text).unwrap()), text);
    let devices = format!("{:?}", Devices::new(Some(PIN.to_owned().into())));
    assert!(!devices.contains(PIN), "{devices}");
}
