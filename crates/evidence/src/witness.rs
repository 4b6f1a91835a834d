//! Witnesses (C2SP tlog-witness): what one is asked, how it decides, and what it answers. No network and no disk.
//!
//! A witness remembers the newest checkpoint of each log that it cosigned. It cosigns another one only when a proof
//! connects the two, so whoever trusts it knows that everybody was shown one history.

use crate::Error;
use crate::checkpoint::{self, Checkpoint, Extensions};
use crate::cosignature::CosignerKey;
use crate::encoding::{array_from_base64, from_decimal, to_base64};
use crate::merkle::{Hash, empty_root, verify_consistency};
use crate::note::{self, Note, Signature, VerifierKey};

/// Proof lines of the longest request (tlog-witness, add-checkpoint).
pub const MAX_PROOF: usize = 63;
/// Bytes of the largest request that is read.
pub const MAX_BYTES: usize = note::MAX_BYTES + 4096;
/// The media type of a 409 answer that tells the size the witness knows.
pub const SIZE_MEDIA: &str = "text/x.tlog.size";

/// The body of `add-checkpoint`. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The size of the checkpoint that the witness cosigned last, as the asker believes.
    pub old: u64,
    /// The consistency proof from there.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, word for word.
    pub checkpoint: String,
}

impl Request {
    /// The request's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            text.push_str(&to_base64(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`Error::WitnessRequest`] when it is malformed or too large; [`Error::Note`] when what follows is no note.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_BYTES {
            return Err(Error::WitnessRequest("it is too large"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Error::WitnessRequest("it is not UTF-8"))?;
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or(Error::WitnessRequest("it has no empty line after its proof"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(from_decimal);
        let old = old.ok_or(Error::WitnessRequest("its first line is not `old N`"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_PROOF {
                return Err(Error::WitnessRequest("its proof has more than 63 lines"));
            }
            proof.push(array_from_base64(line).ok_or(Error::WitnessRequest("a hash is not the base64 of 32 bytes"))?);
        }
        Note::parse(checkpoint.as_bytes())?;
        Ok(Self { old, proof, checkpoint: checkpoint.to_owned() })
    }

    /// The log that the request says it is about: the first line of the checkpoint.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.checkpoint.split('\n').next().unwrap_or_default()
    }
}

/// A checkpoint that a witness may cosign, and has not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptable {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The note's text, extension lines included.
    text: String,
    /// The log's own signatures, verified. No others are kept: anybody could have put them there.
    signatures: Vec<Signature>,
}

/// What a witness answers once it has cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// The checkpoint with the log's signatures and the witness's: what is to be remembered, before `lines` are given out.
    pub note: String,
    /// The witness's signature lines: the answer's body.
    pub lines: String,
}

impl Acceptable {
    /// Cosigns with every key of the witness.
    ///
    /// # Errors
    /// As [`CosignerKey::cosign`].
    pub fn cosign(&self, keys: &[CosignerKey], time: u64) -> Result<Cosigned, Error> {
        let mut note = Note { text: self.text.clone(), signatures: self.signatures.clone() };
        let mut lines = String::new();
        for key in keys {
            let signature = key.cosign(&self.text, time)?;
            lines.push_str(&signature.to_line());
            note.signatures.push(signature);
        }
        Ok(Cosigned { note: note.to_string(), lines })
    }
}

/// Why a witness does not cosign.
#[derive(Debug)]
pub enum Refusal {
    /// The request is malformed, or its old size is larger than the checkpoint's: 400.
    Malformed(Error),
    /// No log of this origin is known: 404.
    UnknownLog,
    /// No key of the log signed the checkpoint, or one of its signatures does not verify: 403.
    Unsigned(Error),
    /// The witness's newest checkpoint has another size than the request says: 409 with that size.
    Stale {
        /// The size it knows, 0 for none.
        size: u64,
        /// The signed checkpoint, where it is of the size that is known and has another root.
        fork: Option<String>,
    },
    /// The proof does not connect the two checkpoints, or two of one size differ: 422.
    Inconsistent {
        /// The checkpoint that the log signed, with the log's signatures only: it may prove that there are two histories.
        signed: String,
        /// Whether it does: it has the size of the known checkpoint and another root.
        fork: bool,
    },
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Unsigned(_) => 403,
            Self::UnknownLog => 404,
            Self::Stale { .. } => 409,
            Self::Inconsistent { .. } => 422,
        }
    }

    /// The media type and body of the answer.
    #[must_use]
    pub fn body(&self) -> (&'static str, String) {
        const TEXT: &str = "text/plain; charset=utf-8";
        match self {
            Self::Malformed(e) => (TEXT, format!("{e}\n")),
            Self::Unsigned(e) => (TEXT, format!("{e}\n")),
            Self::UnknownLog => (TEXT, "this witness does not know the log\n".to_owned()),
            Self::Stale { size, .. } => (SIZE_MEDIA, format!("{size}\n")),
            Self::Inconsistent { fork: true, .. } => {
                (TEXT, "a checkpoint of this size with another root was cosigned before\n".to_owned())
            }
            Self::Inconsistent { .. } => (TEXT, "the proof does not connect the two checkpoints\n".to_owned()),
        }
    }
}

/// Decides about a request (tlog-witness, add-checkpoint). `keys` are those of the log that the request names, none where it
/// is not known; `latest` is the checkpoint of it that was cosigned last.
///
/// Deciding and remembering must be one step: between them, nothing else may be decided about this log.
///
/// # Errors
/// A [`Refusal`].
pub fn decide(request: &Request, keys: &[VerifierKey], latest: Option<&Checkpoint>) -> Result<Acceptable, Refusal> {
    let origin = request.origin();
    let keys: Vec<_> = keys.iter().filter(|k| k.name() == origin && k.algorithm().is_for_logs()).cloned().collect();
    if keys.is_empty() {
        return Err(Refusal::UnknownLog);
    }
    let opened = checkpoint::open_verified(request.checkpoint.as_bytes(), &keys, Extensions::Ignored);
    let (checkpoint, verified) = opened.map_err(|e| match e {
        Error::NoKnownSigner | Error::NoteSignature { .. } | Error::Origin { .. } => Refusal::Unsigned(e),
        other => Refusal::Malformed(other),
    })?;
    if request.old > checkpoint.size {
        return Err(Refusal::Malformed(Error::WitnessRequest("its old size is larger than the checkpoint's")));
    }
    let (size, root) = latest.map_or_else(|| (0, empty_root()), |l| (l.size, l.root));
    let acceptable = Acceptable { text: verified.text, signatures: verified.signatures, checkpoint };
    let signed = || Note { text: acceptable.text.clone(), signatures: acceptable.signatures.clone() }.to_string();
    let fork = acceptable.checkpoint.size == size && acceptable.checkpoint.root != root;
    if request.old != size {
        return Err(Refusal::Stale { size, fork: fork.then(signed) });
    }
    let new = &acceptable.checkpoint;
    if verify_consistency(size, new.size, &request.proof, &root, &new.root).is_err() {
        return Err(Refusal::Inconsistent { signed: signed(), fork });
    }
    Ok(acceptable)
}

/// What a witness answered, as far as its status and body say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200: signature lines, not verified.
    Lines(String),
    /// 409: the size that the witness knows.
    Size(u64),
    /// Anything else.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The first line of the body, at most 200 characters of it, control characters left out.
        reason: String,
    },
}

impl Answer {
    /// Reads an answer. A 409 without the media type of a size is a refusal: asking again would not help.
    #[must_use]
    pub fn read(status: u16, media: Option<&str>, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let media = media.map(|m| m.split(';').next().unwrap_or_default().trim());
        match status {
            200 => Self::Lines(text.into_owned()),
            409 if media == Some(SIZE_MEDIA) => match text.strip_suffix('\n').and_then(from_decimal) {
                Some(size) => Self::Size(size),
                None => Self::Refused { status, reason: "its size is not a plain decimal number".to_owned() },
            },
            _ => {
                let line = text.lines().next().unwrap_or_default();
                Self::Refused { status, reason: line.chars().filter(|c| !c.is_control()).take(200).collect() }
            }
        }
    }
}
