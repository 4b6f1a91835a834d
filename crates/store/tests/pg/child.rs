//! A front-end in a process of its own: this test program, started once more.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use countersign_store::Engine as _;
use countersign_store::postgres::{Address, Options, Postgres};

use crate::support::{keyed, keyring, now};

const VARIABLE: &str = "COUNTERSIGN_TEST_FRONT_END";

/// A process that appends.
pub(crate) struct FrontEnd {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What it was told: batch name, first index, checkpoint.
pub(crate) struct Ack {
    pub(crate) name: String,
    pub(crate) first: u64,
    pub(crate) note: String,
}

impl FrontEnd {
    /// Starts it: `count` batches from each of `clients` threads, named after `name`. Its transactions may stand still
    /// for `idle` milliseconds. Each client appends one batch for each [`FrontEnd::go`] when `count` is 0.
    pub(crate) fn start(url: &str, name: &str, clients: usize, count: usize, idle: u64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "tests start the real thing")]
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child::front_end", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(VARIABLE, format!("{url} {name} {clients} {count} {idle}"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What is waited for will never come once it has ended.
    pub(crate) fn must_run(&mut self) {
        assert_eq!(self.child.try_wait().unwrap(), None, "the front-end has ended");
    }

    pub(crate) fn signal(&self, signal: &str) {
        #[expect(clippy::disallowed_methods, reason = "tests start the real thing")]
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Lets a front-end that is led append its next batch; `false` ends it.
    pub(crate) fn go(&mut self, more: bool) {
        match &mut self.child.stdin {
            Some(stdin) if more => stdin.write_all(b"go\n").unwrap(),
            stdin => drop(stdin.take()),
        }
    }

    /// The next thing it was told; `None` when it is done.
    pub(crate) fn next_ack(&mut self) -> Option<Ack> {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            // The test program's own words may stand before it.
            let Some((_, ack)) = line.split_once("ack ") else { continue };
            let mut fields = ack.splitn(3, ' ');
            let (name, first, note) = (fields.next()?, fields.next()?, fields.next()?);
            let note = note.replace('|', "\n");
            return Some(Ack { name: name.into(), first: first.parse().unwrap(), note });
        }
        assert!(self.child.wait().unwrap().success(), "the front-end failed");
        None
    }
}

impl Drop for FrontEnd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test by itself: what a [`FrontEnd`] runs.
#[test]
#[ignore = "is started by other tests"]
fn front_end() {
    #[expect(clippy::disallowed_methods, reason = "that is how it is told what to do")]
    let Ok(task) = std::env::var(VARIABLE) else { return };
    let fields: Vec<&str> = task.split(' ').collect();
    let [url, name, clients, count, idle] = fields.as_slice() else { panic!("{task}") };
    let options = Options {
        wait: Duration::from_secs(60),
        idle: Duration::from_millis(idle.parse().unwrap()),
        ..Options::default()
    };
    let address = Address::parse(url, None).unwrap();
    let ledger = Postgres::open(address, options, keyring(true)).unwrap();
    let (clients, count): (usize, usize) = (clients.parse().unwrap(), count.parse().unwrap());
    std::thread::scope(|scope| {
        for client in 0..clients {
            let ledger = &ledger;
            scope.spawn(move || {
                let led = || std::io::stdin().lines().map_while(Result::ok).enumerate().map(|(i, _)| i);
                let turns: Box<dyn Iterator<Item = usize>> =
                    if count == 0 { Box::new(led()) } else { Box::new(0..count) };
                for i in turns {
                    let batch = format!("{name}/{client}/{i}");
                    let appended = ledger.append(keyed(&batch, 1), now(0)).unwrap();
                    let note = appended.checkpoint.replace('\n', "|");
                    println!("ack {batch} {} {note}", appended.first_index);
                }
            });
        }
    });
}
