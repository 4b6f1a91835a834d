//! Expected errors: a stable code, the place, the next command to type, and the process's exit code.

use std::fmt;

/// The process's exit code. Ten and above mean: the tool worked, and the answer is no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for holds.
    Pass = 0,
    /// A fault of ours, or of the machine.
    Internal = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// There was nothing to examine.
    Nothing = 3,
    /// Not signed in, or forbidden.
    Forbidden = 4,
    /// A backend is unreachable, busy or full.
    Backend = 5,
    /// A gate said no, or a scan found something.
    Denied = 10,
    /// A gate waits for approval.
    Waiting = 11,
    /// Drift was found.
    Drift = 12,
    /// Verification failed, or nothing vouches for what was verified.
    Unverified = 13,
    /// Something could not be looked at.
    Incomplete = 14,
    /// Interrupted.
    Interrupted = 130,
}

impl Exit {
    /// Every exit code with its meaning, as in the reference and in `--help`.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::Pass, "pass"),
        (Self::Internal, "internal error"),
        (Self::Usage, "usage or configuration"),
        (Self::Nothing, "nothing to examine"),
        (Self::Forbidden, "not signed in or forbidden"),
        (Self::Backend, "backend unreachable, busy or full"),
        (Self::Denied, "denied by a gate, or findings"),
        (Self::Waiting, "waiting for approval"),
        (Self::Drift, "drift"),
        (Self::Unverified, "verification failed, or nothing vouches for it"),
        (Self::Incomplete, "incomplete: something could not be looked at"),
        (Self::Interrupted, "interrupted"),
    ];

    /// The exit code of that number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().map(|(exit, _)| exit).find(|exit| exit.code() == code)
    }

    /// The number given to the operating system.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// A file and, where there is one, a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as the user would type it.
    pub file: String,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
}

impl Place {
    /// A file without a line.
    #[must_use]
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, column: None }
    }

    /// A line of a file.
    #[must_use]
    pub fn line(file: impl Into<String>, line: u32) -> Self {
        Self { file: file.into(), line: Some(line), column: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}

/// An expected error. The message (`Display`) is a lower-case fragment; sources are kept in `source()`.
pub trait Diagnostic: std::error::Error + Send + Sync + 'static {
    /// The stable code, `CS-<ROOM>-<NNN>`; `countersign explain CODE` tells more.
    fn code(&self) -> &'static str;
    /// What the process ends with.
    fn exit(&self) -> Exit;
    /// The file and line that are to blame, where there are any.
    fn place(&self) -> Option<Place> {
        None
    }
    /// The next command to type, or what to change.
    fn help(&self) -> String;
}

/// The long text behind a code. Every crate lists its own; the command line collects them.
#[derive(Debug, Clone, Copy)]
pub struct Explanation {
    /// The code.
    pub code: &'static str,
    /// One line.
    pub title: &'static str,
    /// What happened, why it matters, what to do: short paragraphs of plain text.
    pub text: &'static str,
    /// What the process ends with.
    pub exit: Exit,
}
