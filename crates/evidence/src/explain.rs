//! The long text behind every code of this room.

use countersign_model::{Exit, Explanation};

const fn explained(code: &'static str, exit: Exit, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text, exit }
}

/// One explanation for every code of [`crate::Error`].
pub const EXPLANATIONS: &[Explanation] = &[
    explained(
        "CS-EVIDENCE-001",
        Exit::Unverified,
        "a stored document is not the JSON that was expected",
        "An entry, a statement, an envelope or an act could not be parsed, or has fields that its kind does not have.\n\n\
         Nothing in it is believed. If it came out of a ledger, run `countersign verify`: a stored document was altered, \
         or written by a newer program. If it was sent to you, ask for it again.",
    ),
    explained(
        "CS-EVIDENCE-002",
        Exit::Unverified,
        "a document is not in canonical form",
        "Hashes and signatures are over one byte form of a JSON value, that of RFC 8785: keys sorted and none twice, no \
         white space, numbers in their shortest form. These bytes mean the same to a JSON parser, but they are not the \
         bytes that were hashed or signed.\n\n\
         Usually an editor or a transport has reformatted the file. Get the original bytes.",
    ),
    explained(
        "CS-EVIDENCE-003",
        Exit::Internal,
        "a value has no canonical form",
        "Canonical JSON writes numbers as double-precision values. A large integer that would be rounded, a NaN, an infinity or a \
         repeated key would come out as something else, so it is refused before anything is signed.\n\n\
         This is a fault of the program that made the value.",
    ),
    explained(
        "CS-EVIDENCE-010",
        Exit::Usage,
        "an index or size lies outside the log",
        "A proof was asked for an entry that the log does not have yet, or from a size larger than the log's own.\n\n\
         Entries are counted from 0, so the last one is the size less one.",
    ),
    explained(
        "CS-EVIDENCE-011",
        Exit::Unverified,
        "a tree hash is missing",
        "A proof or a root needs the hash of a part of the tree, and the tile that should hold it is absent or \
         unreadable. Without it nothing about that part can be proved.\n\n\
         `countersign verify` names the file. Restore it from a copy: tiles never change once they are full.",
    ),
    explained(
        "CS-EVIDENCE-012",
        Exit::Unverified,
        "an entry is not in the log that the checkpoint describes",
        "The inclusion proof (RFC 6962 §2.1.1) does not lead from this entry to the signed root. Either the entry was \
         altered, or the receipt belongs to another entry, or the log's tiles were altered.\n\n\
         Compare the entry with the ledger's, then run `countersign verify`.",
    ),
    explained(
        "CS-EVIDENCE-013",
        Exit::Unverified,
        "a log does not continue an earlier state of itself",
        "Two checkpoints of one log must be connected by a consistency proof (RFC 6962 §2.1.2): the newer log starts \
         with all entries of the older one. Here it does not, so history was rewritten, or an older copy was restored \
         and continued.\n\n\
         Keep both checkpoints. Signed by the same key, they prove the rewriting to anybody.",
    ),
    explained(
        "CS-EVIDENCE-020",
        Exit::Unverified,
        "a file name is no tile path",
        "Tiles are called `tile/<level>/<number>` and bundles `tile/entries/<number>`, the number in groups of three \
         digits, all but the last marked by `x`, and `.p/<width>` at the end when partial (C2SP tlog-tiles).\n\n\
         A file of another name in that place does not belong to the log.",
    ),
    explained(
        "CS-EVIDENCE-021",
        Exit::Unverified,
        "a tile has the wrong size",
        "A tile holds 32 bytes for each hash, and its path says how many hashes: 256, or the number after `.p/`. This \
         file is shorter or longer, so it was cut off or altered.\n\n\
         `countersign verify` names all such files. Restore the tile from a copy.",
    ),
    explained(
        "CS-EVIDENCE-022",
        Exit::Unverified,
        "an entry bundle is damaged",
        "A bundle holds 1 to 256 entries, each after its length in two bytes (C2SP tlog-tiles). This one ends in the \
         middle, is empty, or holds more.\n\n\
         `countersign verify` names the file and the first entry in it.",
    ),
    explained(
        "CS-EVIDENCE-023",
        Exit::Usage,
        "an entry is too large",
        "An entry has at most 65,535 bytes, for its length is written in two. Anything longer belongs into a payload, \
         whose digest stands in the entry.",
    ),
    explained(
        "CS-EVIDENCE-030",
        Exit::Usage,
        "a verifier key cannot be read",
        "A log's verifier key reads `name+hex+base64` (C2SP signed-note). The eight hex digits are the start of a hash \
         over name and key, so a typing error is noticed here. Only Ed25519 (type 0x01) is accepted, and none of the \
         curve's weak points.\n\n\
         Copy the key again from where it was published, never from inside the ledger that it shall vouch for.",
    ),
    explained(
        "CS-EVIDENCE-031",
        Exit::Usage,
        "a signer key cannot be read",
        "A log's signer key reads `PRIVATE+KEY+name+hex+base64`. The text is a secret and therefore not shown.\n\n\
         Restore the file from its backup. A log whose key is lost can still be verified, but no longer appended to.",
    ),
    explained(
        "CS-EVIDENCE-032",
        Exit::Unverified,
        "a text is no signed note",
        "A signed note is a text, a blank line, and signature lines that begin with an em dash (C2SP signed-note); \
         UTF-8, without control characters but newlines.\n\n\
         Usually the file was cut off, or its line ends were changed.",
    ),
    explained(
        "CS-EVIDENCE-033",
        Exit::Unverified,
        "a known key's signature on a note does not verify",
        "The note names a key that is trusted, but the signature is not that key's over this text. The whole note is \
         rejected, even when another signature on it is good.\n\n\
         The text or the signature was altered, or somebody signed in that key's name.",
    ),
    explained(
        "CS-EVIDENCE-034",
        Exit::Unverified,
        "no trusted key signed",
        "The document may be consistent in itself, but none of the keys that you trust signed it. Anybody can make a \
         consistent log with a key of their own.\n\n\
         Name the verifier key you were given with `--trust FILE`. If it is the right one, this is another log.",
    ),
    explained(
        "CS-EVIDENCE-035",
        Exit::Unverified,
        "a note is no checkpoint",
        "A checkpoint's text is three lines: the log's origin, its size in decimal, and its root in base64 (C2SP \
         tlog-checkpoint). Further lines are refused, because no witness could audit them.",
    ),
    explained(
        "CS-EVIDENCE-036",
        Exit::Unverified,
        "a checkpoint of another log",
        "The signature is good, but the checkpoint is of a log with another origin. A checkpoint proves nothing about a \
         log that it does not name, and a log's key signs for the log of its own name only.",
    ),
    explained(
        "CS-EVIDENCE-037",
        Exit::Unverified,
        "a text is no receipt",
        "A receipt (`.tlog-proof`) starts with `c2sp.org/tlog-proof@v1`, then come the entry's index, the hashes of its \
         inclusion proof, a blank line and the signed checkpoint.\n\n\
         Get the file again; mail programs like to change its lines.",
    ),
    explained(
        "CS-EVIDENCE-038",
        Exit::Unverified,
        "not a rotation of the log's key",
        "When a log's key is exchanged, the old and the new key sign a note that names both, and the note is an entry of \
         the log. This one is malformed, names another log or another key than the one that is believed, or a signature \
         on it is missing. The new key is not believed.",
    ),
    explained(
        "CS-EVIDENCE-039",
        Exit::Usage,
        "a checkpoint cannot be cosigned",
        "A cosignature (C2SP tlog-cosignature) carries a time of at most 2^63 - 1 seconds, and with ML-DSA-44 a log's name \
         of at most 255 bytes. This checkpoint or this clock goes past one of them.\n\n\
         Nothing was signed.",
    ),
    explained(
        "CS-EVIDENCE-040",
        Exit::Unverified,
        "an envelope is malformed",
        "A DSSE envelope holds a payload in base64, its type, and signatures. One of these cannot be read, or the \
         payload is of another type than was asked for.",
    ),
    explained(
        "CS-EVIDENCE-041",
        Exit::Unverified,
        "a known machine key's signature does not verify",
        "The envelope names the key of an enrolled recorder, but the signature is not that key's over this payload and \
         type. The whole envelope is rejected.",
    ),
    explained(
        "CS-EVIDENCE-042",
        Exit::Unverified,
        "no enrolled recorder signed",
        "The envelope carries no signature of a machine key that this ledger knows. What it says may be true, but \
         nobody vouches for it.",
    ),
    explained(
        "CS-EVIDENCE-043",
        Exit::Usage,
        "a machine key cannot be read",
        "A private key file is one PKCS #8 block, `-----BEGIN PRIVATE KEY-----`, unencrypted, of an Ed25519 key. A \
         public key is written `ed25519:` and base64.\n\n\
         `openssl pkey -in FILE -text -noout` shows what the file holds.",
    ),
    explained(
        "CS-EVIDENCE-044",
        Exit::Unverified,
        "not the expected statement",
        "A signature here is over an in-toto Statement v1, which names its subjects with digests and the type of what \
         it says about them. This one is of another version or type, or is about nothing.",
    ),
    explained(
        "CS-EVIDENCE-045",
        Exit::Usage,
        "a request to a witness is malformed",
        "A request (C2SP tlog-witness) is a line `old N`, at most 63 lines with a base64 hash each, an empty line and a signed \
         checkpoint whose size is at least N.\n\n\
         The witness answered 400 and remembers nothing of it.",
    ),
    explained(
        "CS-EVIDENCE-046",
        Exit::Usage,
        "a trust policy is malformed",
        "A trust policy (C2SP tlog-policy) has a line each for logs, witnesses and groups of witnesses, and one for the \
         quorum:\n\n\
         log VKEY [URL]\n\
         witness NAME VKEY [URL]\n\
         group NAME any|all|K MEMBER…\n\
         quorum NAME\n\n\
         `quorum none` asks for no witness. Lines that begin with `#` are comments. A line may use only names of lines before it, a \
         name is a member of one group at most, and a key stands on one line only. The last line ends with a newline, so that \
         a file that was cut short is noticed.",
    ),
    explained(
        "CS-EVIDENCE-047",
        Exit::Unverified,
        "not enough witnesses cosigned a checkpoint",
        "The trust policy asks for cosignatures of witnesses, and this checkpoint carries too few. It may be perfectly good: a \
         witness was not reachable, or has not been asked yet. But only the witnesses can tell that the log showed everybody \
         the same history, so until they did, that is not known.\n\n\
         `countersign ledger witness` asks those that are missing. A receipt that was made before can be made again afterwards.",
    ),
    explained(
        "CS-EVIDENCE-050",
        Exit::Usage,
        "an SSH key cannot be read",
        "A public key is one line, `ssh-ed25519 AAAA…`. A private key file starts with `-----BEGIN OPENSSH PRIVATE \
         KEY-----`; older forms can be rewritten with `ssh-keygen -p -f FILE`.",
    ),
    explained(
        "CS-EVIDENCE-051",
        Exit::Usage,
        "an SSH key of a weak kind",
        "RSA and DSA keys are not accepted for signing acts, nor are points of the curve for which a signature over \
         anything can be made.\n\n\
         Make a key with `ssh-keygen -t ed25519`, or `ssh-keygen -t ed25519-sk` with a hardware token, and enrol it.",
    ),
    explained(
        "CS-EVIDENCE-052",
        Exit::Usage,
        "an SSH key of an unsupported kind",
        "Supported are Ed25519, ECDSA over P-256 and P-384, and the two FIDO2 kinds. Certificates and P-521 are not.",
    ),
    explained(
        "CS-EVIDENCE-053",
        Exit::Usage,
        "the private key has a passphrase",
        "The program never asks for a passphrase itself. Add the key to the agent with `ssh-add FILE`, and name its \
         `.pub` file: then `ssh-keygen` and the agent do the signing.",
    ),
    explained(
        "CS-EVIDENCE-054",
        Exit::Usage,
        "the private key is in a hardware token",
        "The file holds only a handle. The token must be plugged in and touched; `ssh-keygen -Y sign` speaks to it.",
    ),
    explained(
        "CS-EVIDENCE-055",
        Exit::Unverified,
        "a text is no SSH signature",
        "An SSH signature stands between `-----BEGIN SSH SIGNATURE-----` and `-----END SSH SIGNATURE-----`, is of \
         version 1 and has an empty reserved field. This one is damaged, or of another kind, such as OpenPGP.",
    ),
    explained(
        "CS-EVIDENCE-056",
        Exit::Unverified,
        "a signature made for something else",
        "Every kind of act has a namespace of its own that is signed with it. A signature made for one kind is never \
         accepted for another, nor is one made for a git commit or a file.",
    ),
    explained(
        "CS-EVIDENCE-057",
        Exit::Unverified,
        "a signature made by another key",
        "The signature is of a key that is not the one expected of this person. If they have a new key, it has to be \
         enrolled first, signed by an administrator.",
    ),
    explained(
        "CS-EVIDENCE-058",
        Exit::Unverified,
        "an SSH signature does not verify",
        "Key and namespace are the expected ones, but the signature is not over these bytes: what was signed was \
         altered afterwards, or the signature was taken from another document.",
    ),
    explained(
        "CS-EVIDENCE-059",
        Exit::Unverified,
        "nobody touched the hardware token",
        "A FIDO2 token reports in the signature whether a person was present. Without that, a program on the person's \
         machine could have signed alone.\n\n\
         Keys made with `-O no-touch-required` behave so; make another.",
    ),
    explained(
        "CS-EVIDENCE-060",
        Exit::Unverified,
        "a stored act is malformed",
        "A person's act is stored as canonical JSON: the statement, the namespace, and the SSH signature in OpenSSH's \
         own layout. This one differs, so it was not written by this program, or was altered.",
    ),
    explained(
        "CS-EVIDENCE-061",
        Exit::Unverified,
        "not a sound OpenSSH certificate",
        "A certificate (OpenSSH PROTOCOL.certkeys) is one line of a `-cert.pub` file. It must be whole to the last byte, its \
         options in order, its window not empty, the certified key and the authority of kinds that are accepted here (no RSA), \
         and the authority's signature must verify.",
    ),
    explained(
        "CS-EVIDENCE-062",
        Exit::Unverified,
        "not a sound OpenSSH revocation list",
        "A revocation list (OpenSSH PROTOCOL.krl) is read to its last byte, up to 1 MiB. One with a section, a flag or a field that is \
         not known is refused as a whole: a list that is understood in part would revoke in part.",
    ),
    explained(
        "CS-EVIDENCE-070",
        Exit::Unverified,
        "bytes are not in sealed form",
        "Personal data is stored sealed: a mark, a random nonce, then the ciphertext. These bytes are something else or \
         cut off; or the file of a subject's key is not 64 hex digits.",
    ),
    explained(
        "CS-EVIDENCE-071",
        Exit::Unverified,
        "sealed data does not open",
        "The key is not the one it was sealed with, the data was moved to another record, or it was altered. If the \
         subject's data was erased, the key was destroyed on purpose, and nobody can open it again.",
    ),
    explained(
        "CS-EVIDENCE-080",
        Exit::Internal,
        "no random bytes",
        "Keys and nonces come from the operating system's generator, and it refused. There is no weaker source that \
         would be used instead.\n\n\
         A sandbox that forbids the system call `getrandom` is the usual reason.",
    ),
    explained(
        "CS-EVIDENCE-081",
        Exit::Backend,
        "a device gave a wrong signature",
        "The key is in a device (PKCS#11). It was asked for a signature, and what it gave is not one of its public key \
         over these bytes. Every signature from a device is verified before it is used, so nothing was written.\n\n\
         A faulty device, a module that signs with another mechanism, or a public key object that does not belong to \
         the private one are the usual reasons.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_model::Diagnostic;

    use super::*;
    use crate::Error;

    fn one_of_each() -> Vec<Error> {
        let json = || serde_json::from_str::<u8>("x").unwrap_err();
        let s = || String::from("s");
        vec![
            Error::Json(json()),
            Error::NotCanonical,
            Error::Unrepresentable(json()),
            Error::OutOfTree { what: "index", value: 1, size: 1 },
            Error::missing_hash(0, 0, "the disk is gone"),
            Error::Inclusion { index: 0, size: 1 },
            Error::Consistency { old: 0, new: 1 },
            Error::TilePath(s()),
            Error::TileSize { path: s(), expected: 32, found: 0 },
            Error::Bundle("x"),
            Error::EntryTooLarge(65_536),
            Error::VerifierKey("x"),
            Error::SignerKey("x"),
            Error::Note("x"),
            Error::NoteSignature { name: s() },
            Error::NoKnownSigner,
            Error::Checkpoint("x"),
            Error::Origin { expected: s(), found: s() },
            Error::Receipt("x"),
            Error::Rotation("x"),
            Error::Cosign("x"),
            Error::WitnessRequest("x"),
            Error::TrustPolicy { line: 1, what: "x" },
            Error::Quorum { asked: s(), signed: s() },
            Error::Envelope("x"),
            Error::EnvelopeSignature { keyid: s() },
            Error::NoKnownMachine,
            Error::MachineKey("x"),
            Error::Statement("x"),
            Error::SshKey { what: "public key", source: None },
            Error::WeakAlgorithm(s()),
            Error::UnsupportedAlgorithm(s()),
            Error::EncryptedKey,
            Error::HardwareKey,
            Error::SshSignature { what: "x", source: None },
            Error::Namespace { expected: s(), found: s() },
            Error::OtherKey { expected: s(), found: s() },
            Error::SshVerify { fingerprint: s() },
            Error::UserPresence { fingerprint: s() },
            Error::SshCertificate("x"),
            Error::RevocationList("x"),
            Error::Act("x"),
            Error::Sealed("x"),
            Error::Unsealable,
            Error::Random(std::io::Error::other("x")),
            Error::RemoteSignature,
        ]
    }

    #[test]
    fn every_error_is_explained_once_with_its_exit_code() {
        let errors = one_of_each();
        let codes: BTreeSet<_> = errors.iter().map(Diagnostic::code).collect();
        assert_eq!(codes.len(), errors.len(), "a code stands for two errors");
        assert_eq!(codes, EXPLANATIONS.iter().map(|e| e.code).collect());
        assert_eq!(EXPLANATIONS.len(), errors.len(), "a code is explained twice");
        for error in errors {
            let explanation = EXPLANATIONS.iter().find(|e| e.code == error.code()).unwrap();
            assert_eq!(explanation.exit, error.exit(), "{}", error.code());
        }
    }

    #[test]
    fn messages_are_fragments_that_leave_the_source_to_itself() {
        for error in one_of_each() {
            let text = error.to_string();
            assert!(!text.ends_with('.') && !error.help().is_empty(), "{text}");
            let first = text.split(' ').next().unwrap();
            assert!(first == "SSH" || first.chars().all(|c| !c.is_uppercase()), "{text}");
            if let Some(source) = std::error::Error::source(&error) {
                assert!(!text.contains(&source.to_string()), "{text} repeats {source}");
            }
        }
    }
}
