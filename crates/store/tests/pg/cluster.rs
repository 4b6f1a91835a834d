//! A real PostgreSQL server of our own: in a temporary directory, on a loopback port, ended with the test process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_store::postgres::Address;

/// A server.
pub(crate) struct Cluster {
    pub(crate) port: u16,
    pub(crate) data: PathBuf,
    bin: PathBuf,
    /// Stops the server and removes its files when its input ends, whatever becomes of us.
    guard: Child,
}

#[expect(clippy::disallowed_methods, reason = "tests start the real thing")]
fn command(program: &str) -> Command {
    Command::new(program)
}

/// Where the server's programs are; the newest, where there are several.
fn bin() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let bin = entry.path().join("bin");
            let version = entry.file_name().to_str()?.parse().ok()?;
            bin.join("initdb").is_file().then_some((version, bin))
        })
        .collect();
    found.sort();
    #[expect(clippy::disallowed_methods, reason = "tests may be pointed at another version")]
    if let Some(bin) = std::env::var_os("COUNTERSIGN_TEST_PG_BIN") {
        return Some(bin.into());
    }
    found.pop().map(|(_, bin)| bin)
}

/// The tests' shared server; `None`, and a line that says so, where PostgreSQL is not installed.
pub(crate) fn shared() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::start(&[])).as_ref()
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

impl Cluster {
    /// Starts a server with these settings.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        let Some(bin) = bin() else {
            #[expect(
                clippy::disallowed_methods,
                reason = "an absent tool is a failure where everything must be proved"
            )]
            let must = std::env::var_os("CI").is_some();
            assert!(!must, "PostgreSQL is not installed (package `postgresql-15`)");
            println!("skipped: PostgreSQL is not installed");
            return None;
        };
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let data = std::env::temp_dir().join(format!("countersign-pg-{}-{number}", std::process::id()));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The server refuses to run as root.
        let script = r#"
            bin=$1 data=$2; shift 2
            trap '' INT TERM
            "$bin/initdb" -D "$data" -U tester -A trust --no-sync -E UTF8 --locale=C >/dev/null || exit 1
            "$bin/pg_ctl" -D "$data" -w -t 60 -l "$data/log" -o "$*" start >/dev/null || { cat "$data/log" >&2; exit 1; }
            echo ready
            cat >/dev/null
            "$bin/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1
            rm -rf "$data"
        "#;
        let options = format!("-c listen_addresses=127.0.0.1 -p {port} -k {} -c max_connections=100", data.display());
        let mut shell = if is_root() {
            let mut shell = command("runuser");
            shell.args(["-u", "postgres", "--", "sh"]);
            shell
        } else {
            command("sh")
        };
        shell.args(["-c", script, "sh"]).arg(&bin).arg(&data).arg(options);
        for setting in settings {
            shell.args(["-c", setting]);
        }
        shell.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut guard = shell.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(guard.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the server did not start");
        Some(Self { port, data, bin, guard })
    }

    /// The address of a ledger in a schema.
    pub(crate) fn url(&self, schema: &str) -> String {
        format!("postgres://tester@127.0.0.1:{}/postgres?schema={schema}", self.port)
    }

    pub(crate) fn address(&self, schema: &str) -> Address {
        Address::parse(&self.url(schema), None).unwrap()
    }

    /// Runs SQL as the owner of everything: the insider. The rows of its last statement, a line each.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let at = format!("host=127.0.0.1 port={} user=tester dbname=postgres", self.port);
        let mut client = postgres::Client::connect(&at, postgres::NoTls).unwrap();
        let mut lines = Vec::new();
        for message in client.simple_query(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}")) {
            match message {
                postgres::SimpleQueryMessage::Row(row) => lines.push(row.get(0).unwrap_or_default().to_owned()),
                postgres::SimpleQueryMessage::RowDescription(_) => lines.clear(),
                _ => {}
            }
        }
        lines.join("\n")
    }

    /// Runs one of the client programs.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Vec<u8> {
        let mut client = command(self.bin.join(program).to_str().unwrap());
        client.args(["-h", "127.0.0.1", "-U", "tester", "-d", "postgres", "-p", &self.port.to_string()]).args(args);
        let out = client.current_dir("/").output().unwrap();
        assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    }

    /// Feeds SQL to `psql`.
    pub(crate) fn feed(&self, sql: &[u8]) {
        let mut client = command(self.bin.join("psql").to_str().unwrap());
        client.args(["-h", "127.0.0.1", "-U", "tester", "-d", "postgres", "-p", &self.port.to_string()]);
        client.args(["-X", "-q", "-v", "ON_ERROR_STOP=1"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = client.current_dir("/").spawn().unwrap();
        child.stdin.take().unwrap().write_all(sql).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Kills the server without any ado, and starts it again on the same data.
    pub(crate) fn crash_and_restart(&self) {
        self.crash();
        self.restart();
    }

    /// Kills the server without any ado.
    pub(crate) fn crash(&self) {
        self.ctl(&["-m", "immediate", "stop"]);
    }

    /// Starts it again on the same data.
    pub(crate) fn restart(&self) {
        self.ctl(&["-w", "-t", "60", "-l", self.data.join("log").to_str().unwrap(), "start"]);
    }

    fn ctl(&self, args: &[&str]) {
        let program = self.bin.join("pg_ctl");
        let mut ctl = if is_root() {
            let mut ctl = command("runuser");
            ctl.args(["-u", "postgres", "--"]).arg(program);
            ctl
        } else {
            command(program.to_str().unwrap())
        };
        // A restart takes the options from the last start.
        if args.contains(&"start") {
            let options = std::fs::read_to_string(self.data.join("postmaster.opts")).unwrap();
            let options: Vec<String> = options
                .split_whitespace()
                .skip(1)
                .map(|o| o.trim_matches('"').to_owned())
                .skip_while(|o| o == "-D" || Path::new(o) == self.data)
                .collect();
            ctl.args(["-o", &options.join(" ")]);
        }
        let status = ctl.arg("-D").arg(&self.data).args(args).current_dir("/").stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "pg_ctl {args:?}");
    }
}

/// A cluster of a single test goes with it.
impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
