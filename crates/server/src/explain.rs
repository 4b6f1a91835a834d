//! The long text behind every code of this room.

use countersign_model::{Exit, Explanation};

const fn explained(code: &'static str, exit: Exit, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text, exit }
}

/// One explanation for every code of [`crate::Error`].
pub const EXPLANATIONS: &[Explanation] = &[
    explained(
        "CS-SERVER-001",
        Exit::Backend,
        "an address cannot be listened on",
        "Another program listens there already, the address is not one of this machine, or the port is below 1024 and needs \
         a privilege.\n\n\
         Nothing is served. Name another address with `--listen`.",
    ),
    explained(
        "CS-SERVER-002",
        Exit::Internal,
        "a server cannot start",
        "The operating system gave no thread or no way to hear of signals. Usually a limit on processes or open files is \
         too low.",
    ),
    explained(
        "CS-SERVER-003",
        Exit::Backend,
        "a file of a witness cannot be read or written",
        "A witness keeps its keys and what it vouched for in a directory. A file of it could not be read or written: \
         another owner, a full disk, a directory that was moved.\n\n\
         A witness that cannot write does not cosign: it answers 500 and remembers what it remembered before.",
    ),
    explained(
        "CS-SERVER-010",
        Exit::Usage,
        "a directory holds no witness",
        "`countersign witness init DIR --name NAME` makes a witness: its keys and an empty memory.",
    ),
    explained(
        "CS-SERVER-011",
        Exit::Usage,
        "a directory is occupied",
        "A new witness starts in a directory of its own, so that no keys or memory of another one are mixed with it.",
    ),
    explained(
        "CS-SERVER-012",
        Exit::Backend,
        "a witness is served already",
        "A witness checks and remembers in one step. Two processes with one key and two memories could vouch for two \
         histories, so a lock lets only one serve a directory.",
    ),
    explained(
        "CS-SERVER-013",
        Exit::Usage,
        "a key that cosigns was given for a log's key",
        "A witness believes a checkpoint when the log's own key signed it: Ed25519 (type 0x01) or ML-DSA-44 (type 0x06). The key \
         that was given is of type 0x04, which only cosigns.",
    ),
    explained(
        "CS-SERVER-014",
        Exit::Unverified,
        "what a witness remembers does not verify",
        "The newest checkpoint of a log that a witness cosigned is kept as it was signed. The file does not carry the witness's \
         own signature any more, or is of another log: it was altered, or a disk failed.\n\n\
         The witness cosigns nothing of that log until the file is restored. Do not delete it: a witness that forgot can be \
         shown another history.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;

    use countersign_model::Diagnostic as _;

    use super::*;
    use crate::Error;

    #[test]
    fn every_error_is_explained_once_with_its_exit_code() {
        let io = || io::Error::other("x");
        let errors = [
            Error::Listen { address: "x".into(), source: io() },
            Error::Start(io()),
            Error::File { what: "read", path: "x".into(), source: io() },
            Error::NoWitness { dir: "x".into() },
            Error::Occupied { dir: "x".into() },
            Error::Busy { dir: "x".into() },
            Error::NotALog { name: "x".into() },
            Error::Memory { path: "x".into(), what: "x".into() },
        ];
        let codes: BTreeSet<_> = errors.iter().map(|e| e.code()).collect();
        assert_eq!(codes, EXPLANATIONS.iter().map(|e| e.code).collect());
        assert_eq!((codes.len(), EXPLANATIONS.len()), (errors.len(), errors.len()));
        for error in errors {
            let explanation = EXPLANATIONS.iter().find(|e| e.code == error.code()).unwrap();
            assert_eq!(explanation.exit, error.exit(), "{}", error.code());
            assert!(!error.to_string().ends_with('.') && !error.help().is_empty());
        }
    }
}
