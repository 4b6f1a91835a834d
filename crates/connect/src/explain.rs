//! The long text behind every error code of this room.

use countersign_model::{Exit, Explanation};

/// One for every code of [`Error`](crate::Error).
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-GIT-001",
        title: "git is not installed",
        text: "Repositories are read through the git program, and none was found on the search path.\n\n\
               Install git 2.30 or later. In a minimal container image it is often left out; add it to the image of \
               the job that runs Countersign.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GIT-002",
        title: "git is too old",
        text: "Git 2.30 or later is needed. Older versions lack options that keep a hostile repository from being \
               misread, and answer in another form.\n\n\
               Install a newer one, or put it earlier on the search path.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GIT-003",
        title: "not inside a git repository",
        text: "Neither the directory nor any above it is a git repository. A change is named by its commit, so there \
               is nothing to name here.\n\n\
               Change into the checkout. In CI, check that the job checks the repository out, `.git` included: an \
               exported archive is no repository.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GIT-004",
        title: "a directory cannot be entered",
        text: "The directory does not exist, is a file, or this account may not enter it.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GIT-005",
        title: "the repository belongs to another account",
        text: "Git does not read repositories that another account owns, because their configuration can name programs \
               to run. This is usual in containers, where the checkout belongs to another user.\n\n\
               If you trust the repository, say so to git with the command shown. Countersign keeps the repository's \
               configuration from running anything either way, but does not overrule git's own caution.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GIT-006",
        title: "no such commit",
        text: "The name leads to no single commit of this clone. Names are whatever git understands: a full or short \
               id, a branch, a tag, HEAD~3. What begins with a dash is refused, so that it cannot be an option.\n\n\
               In CI the usual reason is a shallow checkout, which has the newest commit only: fetch the whole history.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GIT-007",
        title: "no commit yet",
        text: "The repository was just made and its branch has no commit. A change is judged by commit; there is \
               nothing to examine.",
        exit: Exit::Nothing,
    },
    Explanation {
        code: "CS-GIT-008",
        title: "an object is missing",
        text: "The repository names an object that it does not hold. A partial clone leaves out files until they are \
               needed, and a shallow clone leaves out history; neither is fetched while reading, because reading must \
               not open connections that a repository's configuration chooses.\n\n\
               What could not be looked at is not clean, so the answer is incomplete. Fetch everything and try again.",
        exit: Exit::Incomplete,
    },
    Explanation {
        code: "CS-GIT-009",
        title: "an object is damaged",
        text: "An object is there and cannot be read: it is cut short, does not unpack, or is of another type than the \
               tree says.\n\n\
               `git fsck --full` lists the damage. A fresh clone from a sound copy mends it.",
        exit: Exit::Incomplete,
    },
    Explanation {
        code: "CS-GIT-010",
        title: "git failed",
        text: "A git command ended with an error that is not known by name. The message holds what git said.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-GIT-011",
        title: "git answered something unexpected",
        text: "The answer of git does not have the form that its documentation gives it. Rather than guess, the work \
               stops.\n\n\
               Check that the `git` on the search path is git itself and no wrapper that prints text of its own.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-GIT-012",
        title: "the connection to git broke",
        text: "The pipe to or from a git process failed, usually because the process was ended from outside or the \
               machine ran out of memory or file handles.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-GIT-013",
        title: "too large to examine",
        text: "Something in the repository is larger than what is held in memory: a commit object of more than 16 MiB, \
               a listing of more than two million files, a history of more than 1 GiB. Such sizes are mostly made on \
               purpose, to exhaust whoever reads them.\n\n\
               Examine less at once, for example with a base that is closer.",
        exit: Exit::Incomplete,
    },
    Explanation {
        code: "CS-GIT-014",
        title: "configuration that cannot be overruled",
        text: "To compare the work tree, git would run filter programs that the repository's own configuration names. \
               They are switched off, but the name of this one holds characters that git offers no way to overrule. \
               Nobody names a filter like that by accident.\n\n\
               Look at the repository's configuration and take the entry out.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GIT-015",
        title: "no index here",
        text: "What is staged stands in the index of a work tree, and a bare repository has neither. `scan --history` \
               looks at the commits that it holds.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GIT-016",
        title: "objects that were sent are refused",
        text: "What was sent to a server to be judged is a pack of git objects. It is refused where it is none, where git's own checks \
               (`index-pack --strict`) find an object malformed or a path that leads out of the tree, and where something is missing \
               that the commit or its history needs.\n\n\
               Nothing of it was kept, and no run was made.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GIT-017",
        title: "a shallow clone cannot be sent",
        text: "A server judges a commit with everything before it: who wrote what since the last release is read from the commits \
               themselves. A clone whose history is cut off does not hold them.\n\n\
               Only what the server lacks is sent, so a whole clone costs little after the first time.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GIT-018",
        title: "another format of objects than before",
        text: "A repository names its objects by SHA-1 or by SHA-256. What was sent before under this identity was of the other format.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GIT-019",
        title: "a commit of another repository",
        text: "A repository is named by its remote's host and path, `git:HOST/PATH`, or where it has none by its oldest first commit, \
               `git-root:ID`. The name that was sent is neither, or the commit does not descend from that first commit.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SSH-001",
        title: "a key file cannot be read",
        text: "The key file does not exist, or this account may not read it. Private key files belong to you alone, \
               with mode 0600.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SSH-002",
        title: "not an SSH key",
        text: "The file is neither a private SSH key nor a `.pub` file. A private key of the older PEM forms needs its \
               `.pub` beside it.\n\n\
               `ssh-keygen -t ed25519` makes a new pair; `ssh-keygen -p -f FILE` brings an old file into today's form.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SSH-003",
        title: "the key is too weak",
        text: "RSA and DSA keys do not sign acts here. An approval must hold for as long as its record is kept, and the \
               sizes and hashes that are in use for these keys give no such promise.\n\n\
               Make an Ed25519 key, on a hardware token where you can, and have an administrator enrol it.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SSH-004",
        title: "the key is of an unsupported kind",
        text: "Signatures of this kind of key cannot be verified here. Supported are Ed25519, ECDSA over P-256 and \
               P-384, and the FIDO2 forms of Ed25519 and P-256. A certificate does not sign; name its key.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SSH-005",
        title: "ssh-keygen is not installed",
        text: "Keys with a passphrase, keys in an agent and hardware keys sign through OpenSSH's own programs, \
               `ssh-keygen` and `ssh-add`. They were not found on the search path.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SSH-006",
        title: "the private key is not at hand",
        text: "A `.pub` file was named. Either no agent is running (`SSH_AUTH_SOCK` names none), or it does not hold \
               this key, and there is no private file of the same name beside it.\n\n\
               Give the key to the agent, forward the agent to this machine, or name the private file.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-SSH-007",
        title: "ssh-keygen did not sign",
        text: "OpenSSH ran and made no signature: the passphrase was wrong, the token was not there or not touched, or \
               the program is older than OpenSSH 8.2 and cannot sign. The message holds what it said. Nothing was \
               recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-SSH-008",
        title: "the signature is by another key",
        text: "Every signature is verified before it is used, and this one does not verify against the key that was \
               named. The usual reason is a `.pub` file beside a private key that it does not belong to.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-SSH-009",
        title: "signing failed",
        text: "The private key file was read, and signing with it failed; the cause stands below the message.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-SSH-010",
        title: "no temporary file",
        text: "The text to sign is handed to `ssh-keygen` in a temporary file that only this account can read, and that \
               file could not be written.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-SSH-011",
        title: "an OpenPGP key signs no acts",
        text: "Acts (approvals, roles, waivers and so on) are signed with SSH keys and passkeys. An OpenPGP key says whose commits are, and \
               nothing else.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GPG-001",
        title: "gpg is missing",
        text: "OpenPGP keys are read, and OpenPGP signatures of commits verified, by `gpg`. Without it a commit that is signed so counts \
               as unsigned, and its author must claim it.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GPG-002",
        title: "gpg did not answer",
        text: "`gpg` ended without saying what it was asked, or said what it never says. Nothing was decided. A program of that name \
               that is not GnuPG 2.2 or later, or a full disk, are the usual reasons.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-GPG-003",
        title: "not a usable OpenPGP key",
        text: "An OpenPGP key is enrolled as one exported public key, binary or armoured, of at most 256 KiB. It must be able to sign now: \
               neither expired nor revoked, and no DSA and no RSA of fewer than 2048 bits among the keys that sign. Signatures \
               inside it by SHA-1 are not believed.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GPG-004",
        title: "a private OpenPGP key",
        text: "The file holds the private half of a key. Nobody but its owner is to have that. It was not read any further.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-PUSH-001",
        title: "a bundle could not be published",
        text: "The web server was not reached, or did not take the file: it must answer HTTP PUT with a 2xx status. \
               Redirects are not followed, and a token is sent over HTTPS or to this machine only. What was there \
               before is still there, as far as this program did it.",
        exit: Exit::Backend,
    },
    Explanation {
        code: "CS-RUN-001",
        title: "no command",
        text: "A deployment runs a command, and none was given. It stands behind two dashes at the end of the line.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RUN-002",
        title: "command not found",
        text: "The program is not on the search path, or not at the path that was given. Commands are started as they \
               are, without a shell: pipes, `&&` and variables need a script, or `sh -c '…'`.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RUN-003",
        title: "command not started",
        text: "The program is there and the operating system did not start it: it is not executable, is a directory, \
               is made for another machine, or its interpreter is missing.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RUN-004",
        title: "a message was not taken",
        text: "The program that messages are handed to ended without success, so nobody may have been told.",
        exit: Exit::Backend,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::error::Error as _;
    use std::io;
    use std::path::PathBuf;

    use countersign_model::Diagnostic;

    use super::*;
    use crate::Error;

    fn every_error() -> Vec<Error> {
        let io = || io::Error::other("cause");
        let path = || PathBuf::from("id.pub");
        let text = || "text".to_owned();
        let evidence = || Box::new(countersign_evidence::Error::EncryptedKey);
        vec![
            Error::GitMissing { source: io() },
            Error::GitTooOld { found: text() },
            Error::NotARepository { dir: path() },
            Error::Directory { dir: path(), source: io() },
            Error::DubiousOwnership { dir: path() },
            Error::UnknownRevision { revision: text() },
            Error::NoCommits,
            Error::MissingObject { id: text() },
            Error::CorruptObject { id: text(), detail: text() },
            Error::GitFailed { what: "x", detail: text() },
            Error::GitAnswer { what: "x" },
            Error::GitPipe { what: "x", source: io() },
            Error::TooLarge { what: "x", limit: "y" },
            Error::UnsafeConfiguration { key: text() },
            Error::NoWorkTree { dir: "/".into() },
            Error::Pack { detail: String::new() },
            Error::Shallow,
            Error::OtherFormat { here: "sha1", sent: "sha256" },
            Error::NotThatRepository { identity: String::new() },
            Error::KeyUnreadable { path: path(), source: io() },
            Error::NotAKey { path: path() },
            Error::WeakKey { path: path(), algorithm: text() },
            Error::UnsupportedKey { path: path(), algorithm: text() },
            Error::SshKeygenMissing { source: io() },
            Error::KeyNotAtHand { path: path() },
            Error::SigningFailed { path: path(), detail: text() },
            Error::SignatureMismatch { path: path(), source: evidence() },
            Error::Signing { path: path(), source: evidence() },
            Error::Handover { source: io() },
            Error::NoCommand,
            Error::CommandNotFound { program: text(), source: io() },
            Error::CommandNotStarted { program: text(), source: io() },
            Error::Push { url: text(), detail: text() },
            Error::NotTaken { code: Some(1) },
            Error::OpenPgpSigner { path: path() },
            Error::GpgMissing { source: io() },
            Error::GpgFailed { what: "x" },
            Error::NotACertificate { why: text() },
            Error::SecretKey,
        ]
    }

    #[test]
    fn every_code_is_explained_once_and_agrees_on_the_exit_code() {
        let errors = every_error();
        let codes: BTreeSet<_> = errors.iter().map(Diagnostic::code).collect();
        assert_eq!(codes.len(), errors.len(), "two errors share a code");
        assert_eq!(codes, EXPLANATIONS.iter().map(|e| e.code).collect());
        assert_eq!(codes.len(), EXPLANATIONS.len());
        for error in &errors {
            let explanation = EXPLANATIONS.iter().find(|e| e.code == error.code()).unwrap();
            assert_eq!(explanation.exit, error.exit(), "{}", error.code());
        }
    }

    #[test]
    fn messages_are_fragments_with_help_and_do_not_repeat_their_source() {
        for error in every_error() {
            let message = error.to_string();
            assert!(!message.ends_with('.') && !message.starts_with(|c: char| c.is_ascii_uppercase()));
            assert!(!error.help().is_empty());
            if let Some(source) = error.source() {
                assert!(!message.contains(&source.to_string()), "{message}");
            }
        }
    }
}
