//! The texts of hooks: small, for `/bin/sh`, and the same for everybody, so that "is it ours and current" is a
//! comparison of bytes.

use std::path::Path;

/// The hooks there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Looks at what is staged.
    PreCommit,
    /// Looks at the message.
    CommitMsg,
    /// Looks at the commits that are pushed.
    PrePush,
}

impl Hook {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::PreCommit, Self::CommitMsg, Self::PrePush];

    /// Git's name for it (githooks).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::CommitMsg => "commit-msg",
            Self::PrePush => "pre-push",
        }
    }
}

/// The other hooks that git runs. `core.hooksPath` takes the place of a repository's own folder for all of them, so
/// these are passed on to it. Left out is `push-to-checkout`, for that there is one changes what a push into a checkout does.
pub(super) const PASSED_ON: [&str; 19] = [
    "applypatch-msg",
    "pre-applypatch",
    "post-applypatch",
    "pre-merge-commit",
    "prepare-commit-msg",
    "post-commit",
    "pre-rebase",
    "post-checkout",
    "post-merge",
    "post-rewrite",
    "post-index-change",
    "pre-auto-gc",
    "reference-transaction",
    "pre-receive",
    "update",
    "proc-receive",
    "post-receive",
    "post-update",
    "sendemail-validate",
];

/// What the first comment of every script of ours begins with; the version follows.
pub(super) const MARK: &str = "# countersign hook v";

/// The version of the scripts below. Raised when one of them changes.
const VERSION: u32 = 1;

/// The file name under which the hook that was there before is kept.
pub(super) fn kept_name(hook: &str) -> String {
    format!("{hook}.before-countersign")
}

/// A text as one word of the shell.
fn quoted(path: &Path) -> Vec<u8> {
    let mut word = vec![b'\''];
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'\'' => word.extend_from_slice(b"'\\''"),
            other => word.push(*other),
        }
    }
    word.push(b'\'');
    word
}

/// The script of a hook. `program` is where this program is; without it, it is looked for on the search path alone,
/// as a script that other machines share must.
pub(super) fn script(hook: Hook, program: Option<&Path>, machine: bool) -> Vec<u8> {
    let name = hook.name();
    let kept = kept_name(name);
    let mut out = format!(
        "#!/bin/sh\n{MARK}{VERSION}: {name}\n\
         # `countersign hook install` wrote this, `countersign hook uninstall` puts back what was here before.\n\n"
    )
    .into_bytes();
    let before = match machine {
        true => format!(
            "# The repository's own hook, which core.hooksPath keeps git from seeing, goes first.\n\
             before=$(git rev-parse --git-common-dir 2>/dev/null)/hooks/{name}\n\
             if grep -q '^{MARK}' \"$before\" 2>/dev/null; then exec \"$before\" \"$@\"; fi\n\
             if [ ! -x \"$before\" ]; then before=$(dirname -- \"$0\")/{kept}; fi\n"
        ),
        false => format!(
            "# The hook that was here before goes first: what it changes is looked at too.\n\
             before=$(dirname -- \"$0\")/{kept}\n"
        ),
    };
    out.extend_from_slice(before.as_bytes());
    match hook {
        Hook::PrePush => out.extend_from_slice(
            b"pushed=$(cat)\n\
              pushed() { if [ -n \"$pushed\" ]; then printf '%s\\n' \"$pushed\"; fi; }\n\
              if [ -x \"$before\" ]; then pushed | \"$before\" \"$@\" || exit; fi\n\n",
        ),
        _ => out.extend_from_slice(b"if [ -x \"$before\" ]; then \"$before\" \"$@\" || exit; fi\n\n"),
    }
    out.extend_from_slice(b"countersign=");
    out.extend(program.map_or_else(|| b"''".to_vec(), quoted));
    out.extend_from_slice(
        format!(
            "\nif [ ! -x \"$countersign\" ] && ! countersign=$(command -v countersign); then\n  \
               echo 'countersign is not installed, so nothing looked at this and {name} stops it' >&2\n  \
               echo '  next: put countersign on the search path, or remove this hook: '\"$0\" >&2\n  \
               exit 1\nfi\n"
        )
        .as_bytes(),
    );
    let run = match hook {
        Hook::PrePush => format!("pushed | \"$countersign\" hook run {name} \"$@\"\n"),
        _ => format!("exec \"$countersign\" hook run {name} \"$@\"\n"),
    };
    out.extend_from_slice(run.as_bytes());
    out
}

/// The script of a hook that only passes on to the repository's own.
pub(super) fn pass_on(name: &str) -> Vec<u8> {
    format!(
        "#!/bin/sh\n{MARK}{VERSION}: {name}\n\
         # core.hooksPath keeps git from seeing the repository's own hook; this passes on to it.\n\n\
         own=$(git rev-parse --git-common-dir 2>/dev/null)/hooks/{name}\n\
         if [ -x \"$own\" ]; then exec \"$own\" \"$@\"; fi\n"
    )
    .into_bytes()
}

const BEGIN: &str = "# >>> countersign: written by `countersign hook install`\n";
const END: &str = "# <<< countersign\n";

/// The lines of ours in a hook of husky, which is a file of the repository that everybody shares.
pub(super) fn block(hook: Hook) -> String {
    let name = hook.name();
    let missing = format!(
        "command -v countersign >/dev/null 2>&1 || {{\n  \
           echo 'countersign is not installed, so nothing looked at this and {name} stops it' >&2\n  exit 1\n}}\n"
    );
    let run = match hook {
        // What follows is to read the same lines.
        Hook::PrePush => "countersign_pushed=$(cat)\n\
             { if [ -n \"$countersign_pushed\" ]; then printf '%s\\n' \"$countersign_pushed\"; fi; } |\n  \
               countersign hook run pre-push \"$@\" || exit\n\
             exec <<COUNTERSIGN\n$countersign_pushed\nCOUNTERSIGN\n"
            .to_owned(),
        _ => format!("countersign hook run {name} \"$@\" || exit\n"),
    };
    format!("{BEGIN}{missing}{run}{END}")
}

/// Where a block of ours stands in a text.
pub(super) fn find_block(text: &str) -> Option<std::ops::Range<usize>> {
    let start = text.find(BEGIN)?;
    let end = text.get(start..)?.find(END)?;
    Some(start..start + end + END.len())
}

/// `text` with the block in it, in place of an older one. That of `pre-push` stands first, for it alone gives back
/// what it reads; the others stand last, for what comes before may change what is looked at.
pub(super) fn with_block(text: &str, hook: Hook) -> String {
    let block = block(hook);
    if let Some(range) = find_block(text) {
        return format!("{}{block}{}", &text[..range.start], &text[range.end..]);
    }
    let head = match text.split_once('\n') {
        Some((first, _)) if text.starts_with("#!") && hook == Hook::PrePush => first.len() + 1,
        _ if hook == Hook::PrePush => 0,
        _ => text.len(),
    };
    let (before, after) = text.split_at(head);
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    format!("{before}{gap}{block}{after}")
}

/// `text` without the block.
pub(super) fn without_block(text: &str) -> Option<String> {
    let range = find_block(text)?;
    Some(format!("{}{}", &text[..range.start], &text[range.end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_and_goes_and_leaves_the_text_as_it_was() {
        for hook in Hook::ALL {
            for text in ["", "npm test\n", "#!/bin/sh\n. \"$(dirname \"$0\")/_/husky.sh\"\n\nnpm test\n"] {
                let with = with_block(text, hook);
                assert_eq!(with_block(&with, hook), with);
                assert_eq!(without_block(&with).unwrap(), text);
                assert!(!text.starts_with("#!") || with.starts_with("#!"));
            }
        }
    }

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quoted(Path::new("/a b/it's")), b"'/a b/it'\\''s'");
    }
}
