//! Inline marks of other tools. They ask for the same as ours and count as the same: a request, with the tool's name for
//! a reason, which somebody else grants or does not.

/// For which lines a mark speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// The line that it stands on.
    Own,
    /// The line behind it.
    Next,
    /// All lines from there to the mark that ends it, or to the end of the text.
    On,
    /// Ends what [`Lines::On`] began.
    Off,
}

/// A mark of another tool.
#[derive(Debug)]
pub(super) struct ForeignMark {
    /// As it is written, in small letters; found without regard to case.
    pub(super) text: &'static str,
    pub(super) tool: &'static str,
    pub(super) lines: Lines,
}

const fn mark(text: &'static str, tool: &'static str, lines: Lines) -> ForeignMark {
    ForeignMark { text, tool, lines }
}

/// Every mark that is known.
pub(super) const FOREIGN: [ForeignMark; 14] = [
    mark("gitleaks:allow", "gitleaks", Lines::Own),
    mark("betterleaks:allow", "betterleaks", Lines::Own),
    mark("kingfisher:ignore", "kingfisher", Lines::Own),
    mark("noseyparker:ignore", "noseyparker", Lines::Own),
    mark("trufflehog:ignore", "trufflehog", Lines::Own),
    mark("ggignore", "ggshield", Lines::Own),
    mark("pragma: allowlist secret", "detect-secrets", Lines::Own),
    mark("pragma: whitelist secret", "detect-secrets", Lines::Own),
    mark("pragma: allowlist nextline secret", "detect-secrets", Lines::Next),
    mark("pragma: whitelist nextline secret", "detect-secrets", Lines::Next),
    mark("secretlint-disable-line", "secretlint", Lines::Own),
    mark("secretlint-disable-next-line", "secretlint", Lines::Next),
    mark("secretlint-disable", "secretlint", Lines::On),
    mark("secretlint-enable", "secretlint", Lines::Off),
];
