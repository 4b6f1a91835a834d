//! Cosignatures (C2SP tlog-cosignature): a witness's word that a checkpoint continues all that it saw of a log before.
//!
//! Two kinds. Ed25519 (0x04) signs `cosignature/v1`, a time and the note's text. ML-DSA-44 (0x06) signs a structure with
//! the cosigner's name, a time, the log's origin, size and root; a log may sign its own checkpoint with it as well, beside
//! its Ed25519 signature. In a note, both are the time as eight bytes, big-endian, and then the signature.

use std::fmt;

use countersign_model::digest::to_hex;
use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use crate::checkpoint::{Checkpoint, Extensions};
use crate::encoding::{from_base64, to_base64};
use crate::note::{Algorithm, MAX_SIGNATURES, Note, Signature, VerifierKey, is_name};
use crate::{Error, mldsa};

/// The latest time a cosignature can carry (tlog-cosignature, format).
const MAX_TIME: u64 = i64::MAX as u64;
/// What an ML-DSA-44 statement about a tree begins with.
const LABEL: &[u8; 12] = b"subtree/v1\n\0";

/// The time and the signature proper.
pub(crate) fn split(signature: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = signature.split_first_chunk::<8>()?;
    let time = u64::from_be_bytes(*time);
    (time <= MAX_TIME).then_some((time, signature))
}

/// The bytes under an Ed25519 cosignature.
pub(crate) fn ed25519_message(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

/// The bytes under an ML-DSA-44 cosignature; none when the text is no checkpoint, or a name does not fit. Extension
/// lines are not among them, so a checkpoint that has any cannot be signed in this way alone.
pub(crate) fn mldsa_message(cosigner: &str, time: u64, text: &str) -> Option<Vec<u8>> {
    let checkpoint = Checkpoint::parse_with(text, Extensions::Ignored).ok()?;
    let mut message = LABEL.to_vec();
    opaque(&mut message, cosigner)?;
    message.extend_from_slice(&time.to_be_bytes());
    opaque(&mut message, &checkpoint.origin)?;
    message.extend_from_slice(&0_u64.to_be_bytes());
    message.extend_from_slice(&checkpoint.size.to_be_bytes());
    message.extend_from_slice(&checkpoint.root);
    Some(message)
}

/// `opaque text<1..2^8-1>` of RFC 8446 §3.4.
fn opaque(message: &mut Vec<u8>, text: &str) -> Option<()> {
    let len = u8::try_from(text.len()).ok().filter(|len| *len > 0)?;
    message.push(len);
    message.extend_from_slice(text.as_bytes());
    Some(())
}

/// The private half of a key that cosigns. Its text is `PRIVATE+KEY+name+hex id+base64(algorithm byte ‖ seed)`, as Go's
/// note package writes Ed25519 keys. Memory is overwritten when it is dropped.
pub struct CosignerKey {
    verifier: VerifierKey,
    secret: Secret,
}

enum Secret {
    Ed25519(SigningKey),
    MlDsa44(mldsa::PrivateKey),
}

impl CosignerKey {
    /// A new key called `name`.
    ///
    /// # Errors
    /// [`Error::SignerKey`] when the name or the algorithm will not do; [`Error::Random`].
    pub fn generate(name: &str, algorithm: Algorithm) -> Result<Self, Error> {
        Self::from_seed(name, algorithm, &Zeroizing::new(crate::random()?))
    }

    /// The key of a 32-byte seed (RFC 8032 §5.1.5; FIPS 204, algorithm 6).
    ///
    /// # Errors
    /// [`Error::SignerKey`] when the name will not do, or the algorithm does not cosign.
    pub fn from_seed(name: &str, algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, Error> {
        if !is_name(name) {
            return Err(Error::SignerKey("its name is empty or holds spaces or `+`"));
        }
        match algorithm {
            Algorithm::Ed25519 => Err(Error::SignerKey("its algorithm signs notes, it does not cosign")),
            Algorithm::Ed25519Cosignature => {
                let key = SigningKey::from_bytes(seed);
                Ok(Self { verifier: VerifierKey::cosigner(name, key.verifying_key()), secret: Secret::Ed25519(key) })
            }
            Algorithm::MlDsa44 => {
                let key = mldsa::PrivateKey::from_seed(seed);
                Ok(Self { verifier: VerifierKey::mldsa(name, key.public()), secret: Secret::MlDsa44(key) })
            }
        }
    }

    /// Reads `PRIVATE+KEY+name+hex+base64`.
    ///
    /// # Errors
    /// [`Error::SignerKey`] when it is malformed, of another algorithm, or id and key do not match.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = text.strip_prefix("PRIVATE+KEY+").into_iter().flat_map(|rest| rest.splitn(3, '+'));
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::SignerKey("it does not read `PRIVATE+KEY+name+hex+base64`"));
        };
        let bytes = Zeroizing::new(from_base64(key).ok_or(Error::SignerKey("the key is not base64"))?);
        let (&byte, seed) = bytes.split_first().ok_or(Error::SignerKey("the key is empty"))?;
        let algorithm = Algorithm::of_byte(byte).ok_or(Error::SignerKey("its algorithm is not known"))?;
        let seed = seed.try_into().map_err(|_| Error::SignerKey("the key is not 32 bytes"))?;
        let signer = Self::from_seed(name, algorithm, seed)?;
        if id != to_hex(&signer.verifier.id) {
            return Err(Error::SignerKey("its id does not match its name and key"));
        }
        Ok(signer)
    }

    /// The text that [`CosignerKey::parse`] reads. It is the secret itself.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut tagged = Zeroizing::new([self.verifier.algorithm().byte(); 33]);
        match &self.secret {
            Secret::Ed25519(key) => tagged[1..].copy_from_slice(key.as_bytes()),
            Secret::MlDsa44(key) => tagged[1..].copy_from_slice(key.seed()),
        }
        let key = Zeroizing::new(to_base64(tagged.as_slice()));
        Zeroizing::new(format!("PRIVATE+KEY+{}+{}+{}", self.verifier.name, to_hex(&self.verifier.id), key.as_str()))
    }

    /// The public half.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs the text of a checkpoint, extension lines included, as of `time` (seconds since the Unix epoch). Who calls
    /// this must have made sure that the checkpoint continues every one signed before.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when the text is none; [`Error::Cosign`] when the time or a name cannot be signed.
    pub fn cosign(&self, text: &str, time: u64) -> Result<Signature, Error> {
        Checkpoint::parse_with(text, Extensions::Ignored)?;
        if time > MAX_TIME {
            return Err(Error::Cosign("the time is past what it can carry"));
        }
        let mut bytes = time.to_be_bytes().to_vec();
        match &self.secret {
            Secret::Ed25519(key) => bytes.extend_from_slice(&key.sign(&ed25519_message(time, text)).to_bytes()),
            Secret::MlDsa44(key) => {
                let message = mldsa_message(&self.verifier.name, time, text)
                    .ok_or(Error::Cosign("the origin of the log is longer than 255 bytes"))?;
                bytes.extend_from_slice(&key.sign(&message).ok_or(Error::Cosign("the algorithm gave no signature"))?);
            }
        }
        Ok(Signature { name: self.verifier.name.clone(), id: self.verifier.id, bytes })
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerKey({})", self.verifier)
    }
}

/// When a cosignature was made, in seconds since the Unix epoch. Only a verified signature makes that a statement.
#[must_use]
pub fn time_of(signature: &Signature) -> Option<u64> {
    split(&signature.bytes).map(|(time, _)| time)
}

/// Whether a signature has the length of a cosignature, of either kind. It says nothing of who made it.
#[must_use]
pub fn has_shape(signature: &Signature) -> bool {
    split(&signature.bytes).is_some_and(|(_, proper)| matches!(proper.len(), 64 | mldsa::SIGNATURE_BYTES))
}

/// Verifies signature lines, as a witness returns them, on the note `signed`, and returns those of `keys`. Lines of
/// other keys are dropped, for they say nothing.
///
/// # Errors
/// [`Error::Note`] when a line is malformed or there are too many; [`Error::NoteSignature`] when one of a known key does
/// not verify; [`Error::NoKnownSigner`] when no line is of a known key.
pub fn verify_lines(signed: &[u8], lines: &str, keys: &[VerifierKey]) -> Result<Vec<Signature>, Error> {
    let text = Note::parse(signed)?.text;
    let lines = lines.strip_suffix('\n').ok_or(Error::Note("its last signature line is cut short"))?;
    let mut signatures = Vec::new();
    for line in lines.split('\n') {
        if signatures.len() == MAX_SIGNATURES {
            return Err(Error::Note("it carries more than 100 signatures"));
        }
        signatures.push(Signature::parse(line).ok_or(Error::Note("a signature line is malformed"))?);
    }
    Ok(Note { text, signatures }.verify(keys)?.signatures)
}

/// Adds signatures to the note `signed`. One of the same key, by name and id, takes the place of the one before: a key's
/// newest cosignature is the one that counts. Whether they verify is the caller's to know.
///
/// # Errors
/// [`Error::Note`] when the note is malformed, or would carry too many.
pub fn merge(signed: &[u8], added: &[Signature]) -> Result<String, Error> {
    let mut note = Note::parse(signed)?;
    for signature in added {
        let same = note.signatures.iter_mut().find(|s| s.name == signature.name && s.id == signature.id);
        match same {
            Some(old) => old.clone_from(signature),
            None => note.signatures.push(signature.clone()),
        }
    }
    if note.signatures.len() > MAX_SIGNATURES {
        return Err(Error::Note("it would carry more than 100 signatures"));
    }
    Ok(note.to_string())
}
