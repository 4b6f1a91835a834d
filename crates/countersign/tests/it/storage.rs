//! Copies in buckets: made, examined, probed; and what is said where they cannot be.

#[path = "../../../store/tests/it/s3/servers.rs"]
#[expect(dead_code, reason = "the tests of the store use the rest of it")]
mod servers;

use countersign_store::s3::{Bucket, Credentials, Location, Options};

use crate::support::{Ran, World};
use servers::{ACCESS_KEY, SECRET_KEY, Server, filer_delete, moto, seaweedfs};

/// The place of a new bucket with Object Lock.
fn make(server: &Server, bucket: &str) -> (String, Bucket) {
    let text = format!("s3://{bucket}/led?endpoint={}", server.endpoint);
    let location = Location::parse(&text).unwrap();
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None);
    let bucket = Bucket::new(location, credentials, Options::default()).unwrap();
    bucket.create(true).unwrap();
    (text, bucket)
}

/// The binary, with the storage's credentials.
fn cs(world: &World, args: &[&str]) -> Ran {
    cs_with(world, args, &[("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)])
}

fn cs_with(world: &World, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = world.command(env!("CARGO_BIN_EXE_countersign"), &world.repo());
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_CA_BUNDLE",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).args(args);
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Output for programs, held against its schema.
fn fits(ran: &Ran, schema: &str) -> serde_json::Value {
    let path = format!("{}/../../schemas/{schema}.json", env!("CARGO_MANIFEST_DIR"));
    let schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let value = ran.json();
    let problems: Vec<_> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&value).map(|e| e.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?}: {value}");
    value
}

#[test]
fn a_copy_is_made_probed_and_examined() {
    let Some(server) = seaweedfs() else { return };
    let world = World::with_commit();
    world.cs(["run"]).expect(11);
    let (to, bucket) = make(server, "story");

    let probe = cs(&world, &["ledger", "probe", &to, "--format", "json"]).expect(0);
    let probe = fits(&probe, "ledger-probe.v1");
    assert_eq!((&probe["verdict"], &probe["entry"]), (&"held".into(), &4.into()), "{probe}");
    let first = cs(&world, &["ledger", "replicate", "--to", &to, "--format", "json"]).expect(0);
    let first = fits(&first, "ledger-replicate.v1");
    assert_eq!((&first["from"], &first["size"]), (&0.into(), &5.into()), "the probe is recent: {first}");
    let verified = cs(&world, &["verify", &to]).expect(0);
    assert!(verified.out.contains("verified"), "{}", verified.out);
    let info = world.cs(["ledger", "info"]).expect(0);
    assert!(info.out.contains("lock held: s3://story/led?"), "{}", info.out);
    assert!(!info.out.contains(SECRET_KEY));

    // Nothing confidential left home.
    let salt = std::fs::read_to_string(world.repo().join(".countersign/salt")).unwrap();
    for object in bucket.list_all("").unwrap() {
        assert!(!object.name.starts_with("subjects/"), "{}", object.name);
        let (_, bytes) = bucket.get(&object.name, 1 << 24).unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(salt.trim()), "{}", object.name);
    }

    // The ledger goes on, and the copy is behind until it is replicated again.
    world.commit("second", "x\n");
    world.cs(["run"]).expect(11);
    let behind = cs(&world, &["verify", &to]).expect(0);
    assert!(behind.out.contains("this copy ends after 5 entries"), "{}", behind.out);
    let live = world.repo();
    let args = ["ledger", "fork-check", live.to_str().unwrap(), &to, "--format", "json"];
    let prefix = cs(&world, &args).expect(0).json();
    assert_eq!((&prefix["result"], &prefix["common"]), (&"prefix".into(), &5.into()), "{prefix}");
    let more = cs(&world, &["ledger", "replicate", "--to", &to]).expect(0);
    assert!(more.out.contains("(it had 5)"), "{}", more.out);
    let whole = cs(&world, &["verify", &to]).expect(0);
    assert!(!whole.out.contains("this copy ends"), "{}", whole.out);

    // A machine that never pinned it says that nothing vouches for it.
    let elsewhere = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
    let other = world.path("other-data").display().to_string();
    let untrusted =
        cs_with(&world, &["verify", &to], &[elsewhere[0], elsewhere[1], ("COUNTERSIGN_DATA_DIR", &other)]).expect(13);
    assert!(untrusted.out.contains("untrusted"), "{}", untrusted.out);

    // What an administrator of the storage deletes behind its locks is named, with its entry.
    let gone = bucket.list_all("blobs").unwrap().remove(0).name;
    let version = bucket.versions(&gone).unwrap().remove(0).id;
    filer_delete(server, &format!("/buckets/story/led/{gone}.versions/v_{version}"));
    let failed = cs(&world, &["verify", &to]).expect(13);
    assert!(failed.out.contains(&gone) && failed.out.contains("it is missing"), "{}", failed.out);
    cs(&world, &["ledger", "replicate", "--to", &to, "--full"]).expect(0);
    cs(&world, &["verify", &to]).expect(0);
}

#[test]
fn a_storage_that_lets_go_is_found_out_and_nothing_is_sent_there() {
    let Some(server) = moto() else { return };
    let world = World::with_commit();
    world.cs(["run"]).expect(11);
    let (to, bucket) = make(server, "leaky");
    let refused = cs(&world, &["ledger", "replicate", "--to", &to]).expect(13);
    assert!(refused.out.contains("storage not WORM"), "{}", refused.out);
    let refused = cs(&world, &["ledger", "replicate", "--to", &to, "--format", "json"]).expect(13);
    assert_eq!(fits(&refused, "ledger-probe.v1")["verdict"], "broken");
    let objects = bucket.list_all("").unwrap();
    assert!(objects.iter().all(|o| o.name.starts_with("canary/")), "{objects:?}");

    // It stands in the ledger, and everybody who looks is told.
    for (args, code) in [(&["verify"][..], 0), (&["doctor"], 0), (&["ledger", "info"], 0)] {
        let said = world.cs(args).expect(code);
        assert!(said.out.contains("storage not WORM: s3://leaky/led?"), "{args:?}: {}", said.out);
    }
    let shown = fits(&world.cs(["ledger", "info", "--format", "json"]).expect(0), "ledger-info.v1");
    assert_eq!(shown["storages"][0]["verdict"], "broken");
    assert!(shown["storages"][0]["failed"].as_array().unwrap().contains(&"shorten".into()), "{shown}");

    let entries = world.cs(["ledger", "entries"]).expect(0).out.lines().count();
    let unrecorded = cs(&world, &["ledger", "probe", &to, "--no-record", "--format", "json"]).expect(13);
    assert_eq!(fits(&unrecorded, "ledger-probe.v1")["entry"], serde_json::Value::Null);
    assert_eq!(world.cs(["ledger", "entries"]).expect(0).out.lines().count(), entries);
}

#[test]
fn what_is_missing_is_said_before_anything_is_sent() {
    let world = World::with_commit();
    world.cs(["run"]).expect(11);
    let case = |to: &str, variables: &[(&str, &str)], code: i32, says: &str| {
        let ran = cs_with(&world, &["ledger", "replicate", "--to", to], variables).expect(code);
        assert!(ran.err.contains(says), "{to}: {}", ran.err);
        assert!(ran.err.contains("help: "), "{}", ran.err);
    };
    let local = "s3://evidence?endpoint=http://127.0.0.1:1";
    case("evidence", &[], 2, "CS-S3-001");
    case("s3://evidence?endpoint=http://storage.example.org", &[], 2, "CS-S3-002");
    case(local, &[], 4, "CS-S3-003");
    case(local, &[("AWS_ACCESS_KEY_ID", "a")], 4, "`AWS_SECRET_ACCESS_KEY` is not set");
    std::fs::create_dir(world.path("home/.aws")).unwrap();
    std::fs::write(world.path("home/.aws/credentials"), "[ci]\naws_access_key_id = a\n").unwrap();
    case(local, &[("AWS_PROFILE", "ci")], 4, "no whole profile `ci`");
    case(local, &[("AWS_PROFILE", "ci"), ("AWS_CA_BUNDLE", "/nowhere")], 4, "no whole profile `ci`");
}

#[test]
fn credentials_come_from_the_shared_file_too() {
    let Some(server) = seaweedfs() else { return };
    let world = World::with_commit();
    let (to, _) = make(server, "profile");
    std::fs::create_dir(world.path("home/.aws")).unwrap();
    let text = format!("[ci]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n");
    std::fs::write(world.path("home/.aws/credentials"), text).unwrap();
    let args = ["ledger", "probe", &to, "--no-record"];
    let held = cs_with(&world, &args, &[("AWS_PROFILE", "ci")]).expect(0);
    assert!(held.out.contains("WORM: nothing that was tried"), "{}", held.out);
    // An empty place holds no ledger.
    cs_with(&world, &["verify", &to], &[("AWS_PROFILE", "ci")]).expect(3);
    let error =
        cs_with(&world, &args, &[("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", "wrong")]).expect(4);
    assert!(error.err.contains("CS-S3-005") && !error.err.contains("wrong"), "{}", error.err);
}

#[test]
fn a_copy_follows_when_the_logs_key_is_exchanged() {
    let Some(server) = seaweedfs() else { return };
    if !crate::support::have_ssh_keygen() {
        return;
    }
    let world = World::with_commit();
    world.firm();
    let (to, bucket) = make(server, "rotated");
    cs(&world, &["ledger", "replicate", "--to", &to]).expect(0);
    cs(&world, &["verify", &to]).expect(0);
    world.by("ada", &["ledger", "rotate-key"]).expect(0);
    let more = cs(&world, &["ledger", "replicate", "--to", &to]).expect(0);
    assert!(!more.out.contains("(it had 0)"), "{}", more.out);
    assert!(bucket.head("ledger/rotations/1").unwrap().is_some());
    cs(&world, &["verify", &to]).expect(0);
    // People's keys are not in the copy, and who signed is checked all the same.
    let entries = bucket.list_all("").unwrap();
    assert!(entries.iter().all(|o| !o.name.starts_with("subjects/")));
}

#[test]
fn a_copy_of_an_encrypted_ledger_is_read_with_its_key_alone() {
    let Some(server) = seaweedfs() else { return };
    if !crate::support::have_ssh_keygen() {
        return;
    }
    let mut world = World::new();
    world.encrypts = true;
    world.firm();
    world.approve();
    let (to, bucket) = make(server, "sealed");
    cs(&world, &["ledger", "replicate", "--to", &to]).expect(0);
    let verified = cs(&world, &["verify", &to, "--format", "json"]).expect(0);
    assert_eq!(fits(&verified, "verify.v1")["unopened"], 0);
    let clear = crate::atrest::Clear::of(&world);
    for object in bucket.list_all("").unwrap() {
        let (_, bytes) = bucket.get(&object.name, 1 << 24).unwrap().unwrap();
        assert_eq!(clear.leaks(&bytes), [""; 0], "{}", object.name);
    }
    let key = crate::atrest::key_file(&world);
    let kept = world.path("kept.key");
    std::fs::rename(&key, &kept).unwrap();
    let sealed = fits(&cs(&world, &["verify", &to, "--format", "json"]).expect(14), "verify.v1");
    assert_eq!((&sealed["verdict"], &sealed["problems"]), (&"sealed".into(), &serde_json::json!([])));
    // Replication adds entries that are sealed: without the key there is none.
    assert!(cs(&world, &["ledger", "replicate", "--to", &to]).expect(14).err.contains("CS-KEY-040"));
    std::fs::rename(&kept, &key).unwrap();
    // What is deleted behind the storage's locks is named, also to who cannot read it.
    let gone = bucket.list_all("blobs").unwrap().remove(0).name;
    let version = bucket.versions(&gone).unwrap().remove(0).id;
    filer_delete(server, &format!("/buckets/sealed/led/{gone}.versions/v_{version}"));
    assert!(cs(&world, &["verify", &to]).expect(13).out.contains(&gone));
    cs(&world, &["ledger", "replicate", "--to", &to, "--full"]).expect(0);
    cs(&world, &["verify", &to]).expect(0);
}

#[test]
fn what_the_ledger_says_about_retention_goes_along() {
    let Some(server) = seaweedfs() else { return };
    if !crate::support::have_ssh_keygen() {
        return;
    }
    let world = World::with_commit();
    world.firm();
    let class = "firm-board-30y";
    let define = ["retention", "define", class, "--period", "30y", "--source", "policy 4", "--reason", "board"];
    world.by("ruth", &define).expect(0);
    let extend = ["retention", "extend", "--select", "entries:0-2", "--class", class, "--reason", "board"];
    world.by("ruth", &extend).expect(0);
    world.by("ruth", &["hold", "place", "26-cv-1", "--select", "entries:1-1", "--reason", "subpoena"]).expect(0);
    let (to, bucket) = make(server, "retention");
    cs(&world, &["ledger", "replicate", "--to", &to]).expect(0);
    cs(&world, &["verify", &to]).expect(0);

    let entries = world.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    let now = countersign_model::Clock::now(&countersign_model::SystemClock);
    for (index, entry) in entries["entries"].as_array().unwrap().iter().enumerate() {
        let hex = entry["entry"]["payload"]["sha256"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
        let meta = bucket.head(&format!("blobs/sha256/{}/{}", &hex[..2], &hex[2..])).unwrap().unwrap();
        let years = (meta.lock.unwrap().until.millis() - now.millis()) / 1000 / 86_400 / 365;
        assert_eq!(years, if index <= 2 { 30 } else { 7 }, "entry {index}");
        assert_eq!(meta.is_held, index == 1, "entry {index}");
    }
}

/// A server that probes, and what it says.
fn serve_probing(world: &World, to: &str) -> (crate::witness::Server, std::path::PathBuf) {
    let log = world.path("stderr");
    let repo = world.repo().display().to_string();
    let keys = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
    let args = ["--repo", &repo, "serve", "--listen", "127.0.0.1:0", "--probe", to];
    let stderr = std::fs::File::create(&log).unwrap().into();
    (crate::witness::Server::start_with(world, &args, &keys, stderr), log)
}

fn until_said(log: &std::path::Path, text: &str) -> String {
    let start = std::time::Instant::now();
    loop {
        let said = std::fs::read_to_string(log).unwrap();
        if said.contains(text) {
            return said;
        }
        assert!(start.elapsed().as_secs() < 180, "{said}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_server_probes_its_bucket_at_the_start_and_records_it() {
    let (Some(holds), Some(leaks)) = (seaweedfs(), moto()) else { return };
    let world = World::with_commit();
    world.cs(["run"]).expect(11);
    let (to, _) = make(holds, "watched");
    let (server, log) = serve_probing(&world, &to);
    let said = until_said(&log, "lock held: s3://watched/led?");
    assert!(said.contains("recorded as entry 4") && !said.contains(SECRET_KEY), "{said}");
    let info = world.cs(["ledger", "info"]).expect(0);
    assert!(info.out.contains("lock held: s3://watched/led?"), "{}", info.out);
    // It goes on serving and appending.
    world.cs(["run"]).expect(11);
    assert_eq!(server.terminate(), Some(0));
    // A storage that lets go is told of loudly, and one that does not answer too.
    let (to, _) = make(leaks, "leaks");
    let (server, log) = serve_probing(&world, &to);
    let said = until_said(&log, "STORAGE NOT WORM: s3://leaks/led?");
    assert!(said.contains("[CS-S3-011]") && said.contains("countersign ledger probe 's3://leaks/led?"), "{said}");
    assert_eq!(server.terminate(), Some(0));
    let (server, log) = serve_probing(&world, "s3://nobody?endpoint=http://127.0.0.1:1");
    until_said(&log, "COULD NOT BE PROBED");
    assert_eq!(server.terminate(), Some(0));
    world.cs(["verify"]).expect(0);
    let refused = world.cs(["serve", "--listen", "127.0.0.1:0", "--probe", "evidence"]).expect(2);
    assert!(refused.err.contains("CS-S3-001"), "{}", refused.err);
}
