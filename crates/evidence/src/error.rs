//! Everything that can be wrong with evidence, each with a stable code.

use std::error::Error as StdError;

use countersign_model::{Diagnostic, Exit, Place};

/// Why something could not be proved, read or signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no JSON, or not of the expected shape.
    #[error("not the JSON that was expected here")]
    Json(#[source] serde_json::Error),
    /// The bytes are JSON, but not in RFC 8785 form.
    #[error("the JSON is not in canonical form (RFC 8785)")]
    NotCanonical,
    /// A value has no canonical JSON form: NaN, an integer that a double would round, a key twice.
    #[error("the value has no canonical JSON form")]
    Unrepresentable(#[source] serde_json::Error),

    /// An index or an older size lies outside the tree.
    #[error("{what} {value} lies outside a tree of {size} entries")]
    OutOfTree {
        /// What was asked for: `index` or `size`.
        what: &'static str,
        /// Its value.
        value: u64,
        /// How many entries the tree has.
        size: u64,
    },
    /// A reader had no hash for a complete subtree.
    #[error("the hash of subtree {index} at level {level} is missing")]
    MissingHash {
        /// Binary level, 0 for leaves.
        level: u8,
        /// Position at that level.
        index: u64,
        /// Why, where the reader knows.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// An inclusion proof does not lead from the leaf to the root.
    #[error("the inclusion proof of entry {index} does not lead to the root of {size} entries")]
    Inclusion {
        /// The entry.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// A consistency proof does not connect the two roots.
    #[error("the log of {new} entries does not continue the log of {old} entries")]
    Consistency {
        /// The older size.
        old: u64,
        /// The newer size.
        new: u64,
    },

    /// A tile path is not of tlog-tiles form.
    #[error("not a tile path: `{0}`")]
    TilePath(String),
    /// A tile's bytes are not as many hashes as its path says.
    #[error("tile `{path}` holds {found} bytes instead of {expected}")]
    TileSize {
        /// The tile's path.
        path: String,
        /// Bytes that its width asks for.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// An entry bundle is cut short, empty, or holds more than 256 entries.
    #[error("not an entry bundle: {0}")]
    Bundle(&'static str),
    /// An entry is larger than a bundle can hold.
    #[error("an entry of {0} bytes is larger than 65535")]
    EntryTooLarge(usize),

    /// A verifier key's text is malformed, of another algorithm, or its id does not match.
    #[error("not a verifier key: {0}")]
    VerifierKey(&'static str),
    /// A signer key's text is malformed. Its text is not repeated, for it is a secret.
    #[error("not a signer key: {0}")]
    SignerKey(&'static str),
    /// A text is no signed note.
    #[error("not a signed note: {0}")]
    Note(&'static str),
    /// A signature of a known key does not verify.
    #[error("the signature of `{name}` on the note does not verify")]
    NoteSignature {
        /// The key's name.
        name: String,
    },
    /// No known key signed the note.
    #[error("the note carries no signature of a known key")]
    NoKnownSigner,
    /// The note's text is no checkpoint.
    #[error("not a checkpoint: {0}")]
    Checkpoint(&'static str),
    /// The checkpoint is another log's.
    #[error("the checkpoint is of log `{found}`, not of `{expected}`")]
    Origin {
        /// The log that was asked for.
        expected: String,
        /// The log that it names.
        found: String,
    },
    /// The note is no rotation of a log's key, or not the one that was expected.
    #[error("not a rotation of the log's key: {0}")]
    Rotation(&'static str),
    /// The text is no tlog-proof.
    #[error("not a receipt: {0}")]
    Receipt(&'static str),

    /// A checkpoint cannot be cosigned.
    #[error("the checkpoint cannot be cosigned: {0}")]
    Cosign(&'static str),
    /// A text is no `add-checkpoint` request.
    #[error("not a request to a witness: {0}")]
    WitnessRequest(&'static str),
    /// A text is no tlog-policy.
    #[error("not a trust policy: {}{what}", line_text(*line))]
    TrustPolicy {
        /// The line, from 1; 0 for the whole text.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Not enough witnesses cosigned a checkpoint.
    #[error("the quorum is not met: it asks for {asked}, and signed have {signed}")]
    Quorum {
        /// The quorum, as the policy puts it.
        asked: String,
        /// The witnesses that did, by name.
        signed: String,
    },

    /// A DSSE envelope is malformed.
    #[error("not a DSSE envelope: {0}")]
    Envelope(&'static str),
    /// A signature of a known machine key does not verify.
    #[error("the signature of machine key {keyid} on the envelope does not verify")]
    EnvelopeSignature {
        /// The key's id.
        keyid: String,
    },
    /// No known machine key signed the envelope.
    #[error("the envelope carries no signature of a known machine key")]
    NoKnownMachine,
    /// A machine key's text is malformed. A private key's text is not repeated.
    #[error("not a machine key: {0}")]
    MachineKey(&'static str),
    /// A statement is not an in-toto Statement v1 of the expected kind.
    #[error("not the in-toto statement that was expected: {0}")]
    Statement(&'static str),

    /// An SSH key's text is malformed.
    #[error("not an OpenSSH {what}")]
    SshKey {
        /// `public key` or `private key`.
        what: &'static str,
        /// What the parser said, where there is more to say.
        #[source]
        source: Option<ssh_key::Error>,
    },
    /// RSA or DSA: not accepted.
    #[error("SSH keys of type `{0}` are not accepted")]
    WeakAlgorithm(String),
    /// An SSH key or signature of a type that is not supported.
    #[error("SSH keys of type `{0}` are not supported")]
    UnsupportedAlgorithm(String),
    /// The private key is protected by a passphrase.
    #[error("the private key is encrypted")]
    EncryptedKey,
    /// The private key lives in a hardware token.
    #[error("the private key lives in a hardware token")]
    HardwareKey,
    /// Not an OpenSSH revocation list, or a damaged one.
    #[error("not a sound OpenSSH revocation list: {0}")]
    RevocationList(&'static str),
    /// Not an OpenSSH certificate, or a damaged one.
    #[error("not a sound OpenSSH certificate: {0}")]
    SshCertificate(&'static str),
    /// A text is no SSH signature.
    #[error("not an SSH signature: {what}")]
    SshSignature {
        /// What is wrong.
        what: &'static str,
        /// What the parser said, where there is more to say.
        #[source]
        source: Option<ssh_key::Error>,
    },
    /// The signature was made for another purpose.
    #[error("the signature was made for `{found}`, not for `{expected}`")]
    Namespace {
        /// The namespace that was asked for.
        expected: String,
        /// The namespace in the signature.
        found: String,
    },
    /// The signature was made by another key.
    #[error("the signature was made by {found}, not by {expected}")]
    OtherKey {
        /// Fingerprint of the key that was asked for.
        expected: String,
        /// Fingerprint of the key in the signature.
        found: String,
    },
    /// The signature does not belong to these bytes.
    #[error("the SSH signature of {fingerprint} does not verify")]
    SshVerify {
        /// Fingerprint of the key.
        fingerprint: String,
    },
    /// A hardware token signed without anybody touching it.
    #[error("the hardware token of {fingerprint} signed without being touched")]
    UserPresence {
        /// Fingerprint of the key.
        fingerprint: String,
    },
    /// A passkey did not sign it, or not so that it counts. Code and help are its own.
    #[error(transparent)]
    Passkey(#[from] crate::webauthn::PasskeyError),
    /// A stored act is malformed.
    #[error("not a signed act: {0}")]
    Act(&'static str),

    /// Bytes are not in sealed form, or a subject key's text is malformed.
    #[error("not sealed data: {0}")]
    Sealed(&'static str),
    /// Sealed bytes do not open: another key, another context, or altered.
    #[error("the sealed data does not open with this key")]
    Unsealable,
    /// The device that holds a key did not sign. Code and help are those of what the device said.
    #[error(transparent)]
    Remote(crate::signer::RemoteError),
    /// A device gave a signature that its own public key does not accept.
    #[error("the device that holds the key gave a signature that does not verify")]
    RemoteSignature,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random(#[source] std::io::Error),
}

fn line_text(line: usize) -> String {
    if line == 0 { String::new() } else { format!("line {line}: ") }
}

impl Error {
    /// For implementors of [`crate::merkle::HashReader`] and [`crate::tile::TileReader`]: a hash is missing because
    /// of `source`.
    #[must_use]
    pub fn missing_hash(level: u8, index: u64, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::MissingHash { level, index, source: Some(source.into()) }
    }
}

impl Diagnostic for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "CS-EVIDENCE-001",
            Self::NotCanonical => "CS-EVIDENCE-002",
            Self::Unrepresentable(_) => "CS-EVIDENCE-003",
            Self::OutOfTree { .. } => "CS-EVIDENCE-010",
            Self::MissingHash { .. } => "CS-EVIDENCE-011",
            Self::Inclusion { .. } => "CS-EVIDENCE-012",
            Self::Consistency { .. } => "CS-EVIDENCE-013",
            Self::TilePath(_) => "CS-EVIDENCE-020",
            Self::TileSize { .. } => "CS-EVIDENCE-021",
            Self::Bundle(_) => "CS-EVIDENCE-022",
            Self::EntryTooLarge(_) => "CS-EVIDENCE-023",
            Self::VerifierKey(_) => "CS-EVIDENCE-030",
            Self::SignerKey(_) => "CS-EVIDENCE-031",
            Self::Note(_) => "CS-EVIDENCE-032",
            Self::NoteSignature { .. } => "CS-EVIDENCE-033",
            Self::NoKnownSigner => "CS-EVIDENCE-034",
            Self::Checkpoint(_) => "CS-EVIDENCE-035",
            Self::Origin { .. } => "CS-EVIDENCE-036",
            Self::Receipt(_) => "CS-EVIDENCE-037",
            Self::Rotation(_) => "CS-EVIDENCE-038",
            Self::Cosign(_) => "CS-EVIDENCE-039",
            Self::WitnessRequest(_) => "CS-EVIDENCE-045",
            Self::TrustPolicy { .. } => "CS-EVIDENCE-046",
            Self::Quorum { .. } => "CS-EVIDENCE-047",
            Self::Envelope(_) => "CS-EVIDENCE-040",
            Self::EnvelopeSignature { .. } => "CS-EVIDENCE-041",
            Self::NoKnownMachine => "CS-EVIDENCE-042",
            Self::MachineKey(_) => "CS-EVIDENCE-043",
            Self::Statement(_) => "CS-EVIDENCE-044",
            Self::SshKey { .. } => "CS-EVIDENCE-050",
            Self::WeakAlgorithm(_) => "CS-EVIDENCE-051",
            Self::UnsupportedAlgorithm(_) => "CS-EVIDENCE-052",
            Self::EncryptedKey => "CS-EVIDENCE-053",
            Self::HardwareKey => "CS-EVIDENCE-054",
            Self::SshSignature { .. } => "CS-EVIDENCE-055",
            Self::SshCertificate(_) => "CS-EVIDENCE-061",
            Self::RevocationList(_) => "CS-EVIDENCE-062",
            Self::Namespace { .. } => "CS-EVIDENCE-056",
            Self::OtherKey { .. } => "CS-EVIDENCE-057",
            Self::SshVerify { .. } => "CS-EVIDENCE-058",
            Self::UserPresence { .. } => "CS-EVIDENCE-059",
            Self::Act(_) => "CS-EVIDENCE-060",
            Self::Sealed(_) => "CS-EVIDENCE-070",
            Self::Unsealable => "CS-EVIDENCE-071",
            Self::Random(_) => "CS-EVIDENCE-080",
            Self::Remote(e) => e.code(),
            Self::Passkey(e) => e.code(),
            Self::RemoteSignature => "CS-EVIDENCE-081",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Remote(e) => e.exit(),
            Self::Passkey(e) => e.exit(),
            Self::RemoteSignature => Exit::Backend,
            Self::Unrepresentable(_) | Self::Random(_) => Exit::Internal,
            Self::OutOfTree { .. }
            | Self::EntryTooLarge(_)
            | Self::VerifierKey(_)
            | Self::SignerKey(_)
            | Self::Cosign(_)
            | Self::WitnessRequest(_)
            | Self::TrustPolicy { .. }
            | Self::MachineKey(_)
            | Self::SshKey { .. }
            | Self::WeakAlgorithm(_)
            | Self::UnsupportedAlgorithm(_)
            | Self::EncryptedKey
            | Self::HardwareKey => Exit::Usage,
            _ => Exit::Unverified,
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Remote(e) => e.place(),
            _ => None,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Remote(e) => e.help(),
            Self::Passkey(e) => e.help(),
            Self::RemoteSignature => "check the device and the module that speaks to it: `countersign key show`".into(),
            Self::Json(_)
            | Self::NotCanonical
            | Self::TilePath(_)
            | Self::TileSize { .. }
            | Self::Bundle(_)
            | Self::MissingHash { .. }
            | Self::Inclusion { .. } => "`countersign verify` names every file of the ledger that was altered".into(),
            Self::Consistency { .. } => {
                "keep both checkpoints: together they prove that the log was rewritten; then ask who restored an older copy"
                    .into()
            }
            Self::Note(_)
            | Self::NoteSignature { .. }
            | Self::Checkpoint(_)
            | Self::Receipt(_)
            | Self::Rotation(_)
            | Self::Envelope(_)
            | Self::EnvelopeSignature { .. }
            | Self::Statement(_)
            | Self::Act(_) => "get the document again from where it was issued, and compare; `countersign verify` \
                               checks the whole ledger"
                .into(),
            Self::Unrepresentable(_) => format!("this is a fault of the program; report it with {}", self.code()),
            Self::OutOfTree { size, .. } => format!("use a value below {size}"),
            Self::EntryTooLarge(_) => "put the content into a payload; the entry holds its digest only".into(),
            Self::VerifierKey(_) => "a verifier key reads `name+hex+base64`, as `countersign` printed it at `init`".into(),
            Self::SignerKey(_) => "restore the signer key file from its backup; it reads `PRIVATE+KEY+name+hex+base64`".into(),
            Self::Cosign(_) => "a checkpoint's origin is at most 255 bytes, and the clock before the year 292 billion".into(),
            Self::WitnessRequest(_) => "ask a witness with `countersign ledger witness`, which writes the request".into(),
            Self::TrustPolicy { .. } => "correct the line; `countersign explain CS-EVIDENCE-046` shows the form".into(),
            Self::Quorum { .. } => "`countersign ledger witness` asks the witnesses again".into(),
            Self::NoKnownSigner => "name the log's verifier key with `--trust FILE`".into(),
            Self::Origin { expected, .. } => format!("ask for the checkpoint of `{expected}`"),
            Self::NoKnownMachine => "check that the recorder is enrolled in this ledger".into(),
            Self::MachineKey(_) => "`openssl pkey -in FILE -text -noout` shows what the file holds; restore it from its \
                                    backup"
                .into(),
            Self::SshKey { .. } => "`ssh-keygen -l -f FILE` shows what the file holds".into(),
            Self::WeakAlgorithm(_) | Self::UnsupportedAlgorithm(_) => "make a key with `ssh-keygen -t ed25519`, or \
                                                                       `-t ed25519-sk` with a hardware token"
                .into(),
            Self::EncryptedKey => "add it to the agent with `ssh-add FILE`, and name its `.pub` file".into(),
            Self::HardwareKey => "plug the token in, and let `ssh-keygen -Y sign` ask for the touch".into(),
            Self::SshSignature { .. } => "a signature starts with `-----BEGIN SSH SIGNATURE-----`; make it with \
                                          `ssh-keygen -Y sign`"
                .into(),
            Self::RevocationList(_) => "look at it with `ssh-keygen -Q -l -f FILE`, and make it anew: `ssh-keygen -k -z NUMBER -f FILE`".into(),
            Self::SshCertificate(_) => "look at it with `ssh-keygen -L -f FILE`, and ask the authority for another".into(),
            Self::Namespace { expected, .. } => format!("sign again with `ssh-keygen -Y sign -n {expected}`"),
            Self::OtherKey { expected, .. } => format!("sign with the key {expected}, or enrol the other one"),
            Self::SshVerify { .. } => "sign again: the signature covers other bytes than these".into(),
            Self::UserPresence { .. } => "sign again with a key made without `-O no-touch-required`, and touch the \
                                          token"
                .into(),
            Self::Sealed(_) => "`countersign verify` tells whether the stored bytes were altered".into(),
            Self::Unsealable => "the subject's key was destroyed or replaced, or the data belongs to another record; \
                                 `countersign verify` tells which"
                .into(),
            Self::Random(_) => "check that the process may call `getrandom`".into(),
        }
    }
}
