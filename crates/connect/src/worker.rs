//! A second process of this program, for what must not take this one's memory or time with it.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::process::{ExitOutcome, Running, prepare};

/// What a worker may use.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Time until it is ended.
    pub time: Duration,
    /// The most bytes of its answer.
    pub answer: u64,
}

/// Why a worker did not answer.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It could not be started or spoken to.
    #[error("it cannot be started: {0}")]
    Io(#[from] io::Error),
    /// It took too long, and was ended.
    #[error("it was ended after {} seconds", .0.as_secs())]
    TooLong(Duration),
    /// It wanted more memory than it may have.
    #[error("it ran out of memory")]
    Memory,
    /// Its answer is too long.
    #[error("its answer has more than {0} bytes")]
    LongAnswer(u64),
    /// It failed.
    #[error("it ended with {}{said}", ended(*.outcome))]
    Failed {
        /// How it ended.
        outcome: ExitOutcome,
        /// What it complained about.
        said: String,
    },
}

fn ended(outcome: ExitOutcome) -> String {
    match (outcome.code, outcome.signal) {
        (Some(code), _) => format!("exit code {code}: "),
        (None, Some(signal)) => format!("signal {signal}: "),
        (None, None) => "no code: ".to_owned(),
    }
}

/// Starts this very program with `argument`, gives it `question` and returns what it writes. It gets no environment.
///
/// # Errors
/// [`WorkerError`], when there is no complete answer of a worker that ended well.
pub fn ask(argument: &str, question: Vec<u8>, allowance: Allowance) -> Result<Vec<u8>, WorkerError> {
    let program = own_program()?;
    let mut command = prepare(program.as_os_str());
    command.arg(argument).env_clear().stdin(Stdio::piped());
    let (mut running, stdout) = Running::start(&mut command)?;
    let mut stdin = running.take_input()?;
    let limit = allowance.answer;
    let (sender, receiver) = channel();
    // Detached on purpose: they end when the worker does, and it ends at the latest when its time is over.
    std::thread::spawn(move || {
        // A worker that ends before it has read everything says why by its end.
        let _unread = stdin.write_all(&question).is_err();
    });
    std::thread::spawn(move || {
        let mut answer = Vec::new();
        let read = stdout.take(limit.saturating_add(1)).read_to_end(&mut answer).map(|_| answer);
        // Nobody listens any more when the time was over.
        let _late = sender.send(read).is_err();
    });
    let answer = match receiver.recv_timeout(allowance.time) {
        Ok(answer) => answer?,
        // Dropping it ends it.
        Err(RecvTimeoutError::Timeout) => return Err(WorkerError::TooLong(allowance.time)),
        Err(RecvTimeoutError::Disconnected) => return Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
    };
    if u64::try_from(answer.len()).is_ok_and(|n| n > limit) {
        return Err(WorkerError::LongAnswer(limit));
    }
    let (status, said) = running.finish()?;
    let outcome = ExitOutcome::from(status);
    if outcome.success() {
        return Ok(answer);
    }
    // The allocator's last words; they are those of Rust's standard library.
    if outcome.signal.is_some() && said.contains("memory allocation of") {
        return Err(WorkerError::Memory);
    }
    Err(WorkerError::Failed { outcome, said })
}

/// The program that runs now, even where its file was replaced or removed meanwhile.
fn own_program() -> io::Result<PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() { Ok(own) } else { std::env::current_exe() }
}

/// The worker's side: this process gets no more than so many bytes of address space from here on. On systems that do not limit
/// address space (macOS) nothing is limited.
///
/// # Errors
/// When the system refuses.
pub fn confine(bytes: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        setrlimit(Resource::As, limit)?;
        // What it was about is in its words; a core dump of facts is nobody's.
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = bytes;
    Ok(())
}
