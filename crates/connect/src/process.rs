//! Child processes: the one place that starts them.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use countersign_model::Digest;

use crate::Error;

/// What a child says on its error stream is kept up to this many bytes; the rest is read and dropped, so that the
/// child never blocks on it.
const STDERR_KEPT: usize = 8 * 1024;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitOutcome {
    /// The exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl ExitOutcome {
    /// Whether it ended by itself, with 0.
    #[must_use]
    pub fn success(self) -> bool {
        self.code == Some(0)
    }
}

impl From<ExitStatus> for ExitOutcome {
    fn from(status: ExitStatus) -> Self {
        #[cfg(unix)]
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        #[cfg(not(unix))]
        let signal = None;
        Self { code: status.code(), signal }
    }
}

/// The environment variable with the PIN of a key in a device.
pub const PIN_VARIABLE: &str = "COUNTERSIGN_PIN";

/// Runs a deployment's command in `dir` and waits for it. Standard input, output and error are ours; `env` is added to
/// our environment. The command is started as it is, without a shell in between.
///
/// # Errors
/// [`Error::NoCommand`], [`Error::CommandNotFound`], [`Error::CommandNotStarted`], [`Error::Directory`]. A command that
/// ran and failed is no error but an [`ExitOutcome`].
pub fn run(command: &[OsString], env: &[(String, String)], dir: &Path) -> Result<ExitOutcome, Error> {
    let (program, arguments) = command.split_first().ok_or(Error::NoCommand)?;
    if program.is_empty() {
        return Err(Error::NoCommand);
    }
    // Starting a program in a directory that is not there fails with the same error as a program that is not there.
    enter(dir)?;
    let _patience = Patience::begin();
    let name = || program.to_string_lossy().chars().map(printable).collect::<String>();
    let status = prepare(program)
        .args(arguments)
        .envs(env.iter().map(|(key, value)| (key, value)))
        .current_dir(dir)
        .status()
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::CommandNotFound { program: name(), source },
            _ => Error::CommandNotStarted { program: name(), source },
        })?;
    Ok(status.into())
}

/// What a program handed out and nobody is to keep: it is overwritten when it is dropped.
pub type Secret = zeroize::Zeroizing<Vec<u8>>;

/// The most that a program may hand out, in bytes.
const MOST_HANDED_OUT: u64 = 64 * 1024;
/// Room for one byte more than that, and for the end of file to be seen.
const HANDED_OUT_BUFFER: usize = 64 * 1024 + 64;

/// Runs a program that hands out a credential: `input` is its standard input, what it writes is returned, and its error stream
/// is ours. `env` is added to our environment.
///
/// # Errors
/// As [`run`]; [`Error::CommandNotStarted`] when it writes more than 64 KiB. One that ran and failed is no error.
pub fn hand_out(
    command: &[OsString],
    input: &[u8],
    env: &[(String, String)],
    dir: &Path,
) -> Result<(ExitOutcome, Secret), Error> {
    let (program, arguments) = command.split_first().ok_or(Error::NoCommand)?;
    if program.is_empty() {
        return Err(Error::NoCommand);
    }
    enter(dir)?;
    let _patience = Patience::begin();
    let name = || program.to_string_lossy().chars().map(printable).collect::<String>();
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::CommandNotFound { program: name(), source },
        _ => Error::CommandNotStarted { program: name(), source },
    };
    let mut child = prepare(program)
        .args(arguments)
        .envs(env.iter().map(|(key, value)| (key, value)))
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    // It may write before it has read everything, or read nothing at all: neither holds the other up.
    let said = std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input)));
        // Large enough from the start: what a growing buffer leaves behind is not overwritten.
        let mut said = Secret::new(Vec::with_capacity(HANDED_OUT_BUFFER));
        let read = stdout.map_or(Ok(0), |pipe| pipe.take(MOST_HANDED_OUT.saturating_add(1)).read_to_end(&mut said));
        read.map(|_| said)
    });
    let status = child.wait().map_err(failed)?;
    let said = said.map_err(failed)?;
    if u64::try_from(said.len()).is_ok_and(|n| n > MOST_HANDED_OUT) {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    Ok((status.into(), said))
}

/// Starts a program, gives it `input`, and waits for its end, at most so long; `None`: it was ended by us. What it writes goes nowhere.
pub(crate) fn feed(program: &OsStr, dir: &Path, input: &[u8], most: Duration) -> io::Result<Option<ExitStatus>> {
    let mut child =
        prepare(program).current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let end = Instant::now() + most;
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        // It may read nothing at all; then its end closes the pipe.
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input)));
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= end {
                let _ = child.kill();
                child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    })
}

/// While this lives, an interrupt from the keyboard does not end this process. The terminal sends it to the command as
/// well; we stay to say how that ended, for an intent without an outcome is all that would be left.
struct Patience(Option<signal_hook::SigId>);

impl Patience {
    fn begin() -> Self {
        let seen = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        // Where a handler cannot be set, an interrupt ends us as it always did.
        Self(signal_hook::flag::register(signal_hook::consts::SIGINT, seen).ok())
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        if let Some(id) = self.0.take() {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// A hint at the device that an act was done on: 16 hex digits of a SHA-256 over the machine's id and a prefix of our
/// own (machine-id(5) asks not to publish the id itself), or `unknown`. It is evidence of nothing by itself.
#[must_use]
pub fn host_name() -> String {
    let read = |path: &str| {
        let mut id = Vec::new();
        std::fs::File::open(path).ok()?.take(1024).read_to_end(&mut id).ok()?;
        device_hint(&id)
    };
    read("/etc/machine-id").or_else(|| read("/var/lib/dbus/machine-id")).unwrap_or_else(|| "unknown".to_owned())
}

/// The hint for a machine id; an empty one, or the word systemd writes before first boot, names no machine.
fn device_hint(machine_id: &[u8]) -> Option<String> {
    let id = machine_id.trim_ascii();
    if id.is_empty() || id == b"uninitialized" {
        return None;
    }
    let mut text = b"countersign-device@v1\0".to_vec();
    text.extend_from_slice(id);
    Some(Digest::of(&text).hex().chars().take(16).collect())
}

/// A character that a terminal shows and does not obey.
pub(crate) fn printable(c: char) -> char {
    if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }
}

/// Fails unless `dir` is a directory.
pub(crate) fn enter(dir: &Path) -> Result<(), Error> {
    let fail = |source| Error::Directory { dir: dir.to_owned(), source };
    match std::fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(fail(io::ErrorKind::NotADirectory.into())),
        Err(source) => Err(fail(source)),
    }
}

/// A command to be filled in. Every process of this program begins here.
#[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
pub(crate) fn prepare(program: &OsStr) -> Command {
    let mut command = Command::new(program);
    // It opens the log's key: no other program is to see it, a deployment's command least of all.
    command.env_remove(PIN_VARIABLE);
    command
}

/// What a short command answered.
pub(crate) struct Captured {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Its output.
    pub(crate) stdout: Vec<u8>,
    /// What it complained about, printable, shortened.
    pub(crate) stderr: String,
}

/// Runs a command whose answer is short; more than `limit` bytes of output is an error of the kind `FileTooLarge`.
pub(crate) fn capture(command: &mut Command, limit: u64) -> io::Result<Captured> {
    let mut stream = Stream::start(command.stdin(Stdio::null()))?;
    let mut stdout = Vec::new();
    stream.output().take(limit.saturating_add(1)).read_to_end(&mut stdout)?;
    if u64::try_from(stdout.len()).is_ok_and(|n| n > limit) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let (status, stderr) = stream.finish()?;
    Ok(Captured { status, stdout, stderr })
}

/// Runs a command that may speak with the person at the terminal: standard input is ours. Its complaints go to the
/// terminal when `shown`, else they are returned; its output is dropped.
pub(crate) fn converse(command: &mut Command, shown: bool) -> io::Result<(ExitStatus, String)> {
    command.stdin(Stdio::inherit());
    if shown {
        return Ok((command.stdout(Stdio::null()).stderr(Stdio::inherit()).status()?, String::new()));
    }
    let (running, mut stdout) = Running::start(command)?;
    io::copy(&mut stdout, &mut io::sink())?;
    running.finish()
}

/// A child that is waited for, or ended when it is dropped.
pub(crate) struct Running {
    child: Child,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts `command` and hands out its output; its complaints are collected.
    pub(crate) fn start(command: &mut Command) -> io::Result<(Self, ChildStdout)> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let stderr = Some(std::thread::spawn(move || complaint(stderr)));
        Ok((Self { child, stderr }, stdout))
    }

    /// What the child reads, where it was started with a pipe. The child sees the end of it when it is dropped.
    pub(crate) fn take_input(&mut self) -> io::Result<ChildStdin> {
        self.child.stdin.take().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Waits for its end; its output must have been read or dropped.
    pub(crate) fn finish(mut self) -> io::Result<(ExitStatus, String)> {
        self.end(false)
    }

    fn end(&mut self, kill: bool) -> io::Result<(ExitStatus, String)> {
        drop(self.child.stdin.take());
        if kill {
            let _ = self.child.kill();
        }
        let status = self.child.wait()?;
        let said = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok((status, said))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.stderr.is_some() {
            let _ = self.end(true);
        }
    }
}

/// A child whose output is read as it comes. Dropping it ends the child.
pub(crate) struct Stream {
    running: Running,
    stdout: BufReader<ChildStdout>,
}

impl Stream {
    /// Starts `command`, which brings its own standard input.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let (running, stdout) = Running::start(command)?;
        Ok(Self { running, stdout: BufReader::with_capacity(64 * 1024, stdout) })
    }

    /// What the child writes.
    pub(crate) fn output(&mut self) -> &mut BufReader<ChildStdout> {
        &mut self.stdout
    }

    /// What the child reads, where it was started with a pipe.
    pub(crate) fn input(&mut self) -> io::Result<&mut ChildStdin> {
        self.running.child.stdin.as_mut().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// The same, to be written from another thread. The child sees the end of it when it is dropped.
    pub(crate) fn take_input(&mut self) -> io::Result<ChildStdin> {
        self.running.take_input()
    }

    /// Waits for the child's end; its output must have been read to the end.
    pub(crate) fn finish(self) -> io::Result<(ExitStatus, String)> {
        drop(self.stdout);
        self.running.finish()
    }
}

/// Reads an error stream to its end and keeps its beginning, printable and on one line.
fn complaint(mut stderr: impl Read) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stderr.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => {
                let room = STDERR_KEPT.saturating_sub(kept.len()).min(n);
                kept.extend_from_slice(chunk.get(..room).unwrap_or_default());
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let text = String::from_utf8_lossy(&kept);
    text.lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
        .chars()
        .map(printable)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_hint_reveals_nothing_and_is_stable() {
        let hint = device_hint(b"0123456789abcdef0123456789abcdef\n").unwrap();
        assert_eq!(hint.len(), 16);
        assert_eq!(device_hint(b"0123456789abcdef0123456789abcdef"), Some(hint));
        assert_eq!(device_hint(b"\n"), None);
        assert_eq!(device_hint(b"uninitialized\n"), None);
    }

    #[test]
    fn complaints_are_one_printable_line() {
        assert_eq!(complaint(&b"fatal: a\x1b[31m\n\n  b\n"[..]), "fatal: a\u{fffd}[31m; b");
        assert!(complaint(io::repeat(b'x').take(1 << 20)).len() <= STDERR_KEPT);
    }
}
