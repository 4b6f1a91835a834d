//! `demo`: half a year of a firm, made by really running every command of it, and then served. Nothing is written straight into
//! tables: the same verbs, signatures and checks, with a clock that is moved by hand.
//!
//! The ledger says in its origin that it is a demonstration, so every page and pack of it says so, and nothing that is signed for
//! it counts in another.

mod story;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use clap::Parser as _;
use countersign_connect::process;
use countersign_model::{Clock, Exit, SystemClock, Timestamp};
use serde_json::Value;

use super::args::{Cli, DemoArgs, PlaceArgs, ServeArgs, Verb};
use super::notify_args::ChannelsArgs;
use super::serve_args::{OidcArgs, WatchArgs};
use super::{dispatch, serve};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output;

/// How far back the story begins, in days.
const DAYS: i64 = 171;

/// A clock that is moved by hand.
#[derive(Debug)]
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// `demo`.
pub(crate) fn run(args: &DemoArgs, env: &Environment) -> Outcome {
    let dir = std::path::absolute(&args.dir).unwrap_or_else(|_| args.dir.clone());
    let made = dir.join("ledger/ledger/checkpoint").exists();
    if made {
        output::print(&format!("the demonstration in {} is there already\n", dir.display()))?;
    } else {
        fill(&dir, env)?;
    }
    let own = env.for_demonstration(dir.join("data"), Arc::new(SystemClock));
    let ledger = dir.join("ledger");
    let at = PlaceArgs { repo: None, ledger: Some(ledger) };
    if args.no_serve {
        output::print(&format!("look at it: countersign demo {}\n", dir.display()))?;
        return Ok(Exit::Pass);
    }
    output::print(&format!(
        "Sign in as somebody: countersign login --server http://{} --key {}/keys/NAME\n  {}\n",
        args.listen,
        dir.display(),
        story::PEOPLE.map(|p| format!("{} ({})", p.name, p.roles.join(", "))).join("\n  ")
    ))?;
    let served = ServeArgs {
        listen: args.listen,
        origin: None,
        log_only: false,
        probe: Vec::new(),
        oidc: OidcArgs::default(),
        // It sends nothing anywhere.
        channels: ChannelsArgs::default(),
        watch: WatchArgs::quiet(),
    };
    serve::run(&at, &served, &own)
}

/// Plays the story in a directory of its own.
fn fill(dir: &Path, env: &Environment) -> Result<(), Failure> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Failure::from(CliError::Write { path, source })
    };
    let is_occupied = std::fs::read_dir(dir).is_ok_and(|mut inside| inside.next().is_some());
    if is_occupied {
        return Err(CliError::Usage {
            what: format!("`{}` is not empty", dir.display()),
            help: "name a directory that does not exist yet: countersign demo DIR".into(),
        }
        .into());
    }
    for sub in ["keys", "repos", "data", "grants", "reports"] {
        std::fs::create_dir_all(dir.join(sub)).map_err(failed(&dir.join(sub)))?;
    }
    let start = env.clock.now().plus_seconds(-DAYS * 24 * 60 * 60);
    let clock = Arc::new(Hands(AtomicI64::new(start.millis())));
    let own = env.for_demonstration(dir.join("data"), Arc::clone(&clock) as Arc<dyn Clock>);
    let (built, running) = Default::default();
    let mut stage = Stage { dir: dir.to_owned(), env: own, clock, end: env.clock.now(), steps: 0, built, running };
    story::play(&mut stage)?;
    output::print(&format!(
        "played {} commands of half a year in {}; every one of them is in the ledger\n",
        stage.steps,
        dir.display()
    ))
}

/// Where the story plays.
struct Stage {
    dir: PathBuf,
    env: Environment,
    clock: Arc<Hands>,
    /// The present: the story does not go beyond.
    end: Timestamp,
    steps: usize,
    /// The digest of each repository's newest image.
    built: BTreeMap<String, String>,
    /// The digest of the image that runs in production.
    running: BTreeMap<String, String>,
}

impl Stage {
    /// Time passes; never beyond the present.
    fn later(&self, minutes: i64) {
        let then = self.clock.now().plus_seconds(minutes * 60).min(self.end);
        self.clock.0.store(then.millis(), Ordering::SeqCst);
    }

    /// The next morning but `days`, at nine.
    fn morning(&self, days: i64) {
        const DAY: i64 = 24 * 60 * 60 * 1000;
        let midnight = self.clock.now().millis() / DAY * DAY;
        let then =
            Timestamp::from_millis(midnight + days * DAY + 9 * 60 * 60 * 1000).min(self.end).max(self.clock.now());
        self.clock.0.store(then.millis(), Ordering::SeqCst);
    }

    fn key(&self, name: &str) -> PathBuf {
        self.dir.join("keys").join(name)
    }

    fn repo(&self, name: &str) -> PathBuf {
        self.dir.join("repos").join(name)
    }

    /// A command of ours, as somebody types it in a repository, which must end so.
    fn expect(&mut self, exit: Exit, repo: &str, args: &[&str]) -> Result<(), Failure> {
        self.run(exit, repo, args).map(drop)
    }

    /// The same with its JSON.
    fn json(&mut self, exit: Exit, repo: &str, args: &[&str]) -> Result<Value, Failure> {
        let mut all = args.to_vec();
        all.extend(["--format", "json"]);
        let said = self.run(exit, repo, &all)?;
        serde_json::from_slice(&said).map_err(|source| CliError::Json { source }.into())
    }

    fn run(&mut self, exit: Exit, repo: &str, args: &[&str]) -> Result<Vec<u8>, Failure> {
        let mut line: Vec<OsString> = vec!["countersign".into(), "--repo".into(), self.repo(repo).into()];
        line.extend(["--ledger".into(), self.dir.join("ledger").into()]);
        line.extend(args.iter().map(OsString::from));
        let typed = args.join(" ");
        let parsed = Cli::try_parse_from(line).map_err(|e| strayed(&typed, &e.to_string()))?;
        self.steps += 1;
        self.later(1);
        let (done, said) = output::captured(|| match &parsed.verb {
            // A demonstration of a demonstration has no end.
            Verb::Demo(_) | Verb::Serve(_) => Err(strayed(&typed, "it does not end")),
            _ => dispatch(&parsed, &self.env),
        });
        let ended = match done {
            Ok(ended) => ended,
            Err(failure) if failure.0.exit() == exit => exit,
            Err(failure) => return Err(failure),
        };
        if ended == exit { Ok(said) } else { Err(strayed(&typed, &format!("it ended with {}", ended.code()))) }
    }

    /// Somebody by their key.
    fn by(&mut self, name: &str, exit: Exit, repo: &str, args: &[&str]) -> Result<(), Failure> {
        let key = self.key(name).display().to_string();
        let mut all = args.to_vec();
        all.extend(["--key", &key]);
        self.expect(exit, repo, &all)
    }

    fn by_json(&mut self, name: &str, repo: &str, args: &[&str]) -> Result<Value, Failure> {
        let key = self.key(name).display().to_string();
        let mut all = args.to_vec();
        all.extend(["--key", &key]);
        self.json(Exit::Pass, repo, &all)
    }

    /// Another program, at the story's time.
    fn tool(&self, dir: &Path, words: &[&OsStr]) -> Result<(), Failure> {
        let now = self.clock.now().to_string();
        let env = [
            ("GIT_AUTHOR_DATE", now.as_str()),
            ("GIT_COMMITTER_DATE", now.as_str()),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let ended = process::run(&words, &env, dir)?;
        if ended.success() {
            return Ok(());
        }
        let typed = words.join(OsStr::new(" ")).to_string_lossy().into_owned();
        Err(strayed(&typed, "it failed"))
    }

    fn git(&self, repo: &str, words: &[&str]) -> Result<(), Failure> {
        let all: Vec<&OsStr> = std::iter::once(OsStr::new("git")).chain(words.iter().map(OsStr::new)).collect();
        self.tool(&self.repo(repo), &all)
    }

    /// Writes a file and commits it, signed by its author.
    fn commit(&self, repo: &str, author: &str, file: &str, content: &str, message: &str) -> Result<(), Failure> {
        let path = self.repo(repo).join(file);
        let wrote = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, content));
        wrote.map_err(|source| CliError::Write { path, source })?;
        self.git(repo, &["add", "-A"])?;
        let key = format!("user.signingkey={}", self.key(author).display());
        let (name, mail) = (format!("user.name={author}"), format!("user.email={author}@demo.example"));
        self.git(
            repo,
            &["-c", &name, "-c", &mail, "-c", "gpg.format=ssh", "-c", &key, "commit", "-q", "-S", "-m", message],
        )
    }
}

/// The story went another way than it is told: a fault of ours, for nothing in it comes from outside.
fn strayed(typed: &str, what: &str) -> Failure {
    CliError::Strayed { typed: typed.to_owned(), what: what.to_owned() }.into()
}
