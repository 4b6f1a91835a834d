//! Acts that are signed with a key on another machine: first the exact statement is given out, then it comes back signed. Nothing in it
//! is believed: whoever takes it makes the same statement once more, by the same use case, and it has to be that, byte for byte. Only what
//! cannot be made again comes from it: its time, which must be of just now, random ids, which must be new, the size of the log that it was
//! read at, which must be there and of just before, and what was sealed with a random nonce, which must open with the key of whom it belongs to. What a browser said of a
//! new passkey comes along, and is verified once more.

use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::canonical;
use countersign_evidence::seal::Opener;
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::statement::Statement;
use countersign_model::event::{Device, Predicate};
use countersign_model::{Diagnostic, Digest, Exit, Explanation, PersonId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::projection::{KeyTrouble, is_ahead};
use crate::session::SessionError;
use crate::{Error, Session};

/// Seconds within which an act that was signed elsewhere is handed in.
pub const FRESH: i64 = 10 * 60;
/// The most acts that one command says at once: an emergency and its first grant.
pub const MOST: usize = 2;
/// The most bytes of the text of a file whose document is put in effect; each kind of file has a limit of its own besides. A policy bundle where
/// the ledger is may be larger.
pub const LARGEST_DOCUMENT: usize = 2 << 20;

/// Why what was signed elsewhere is not taken.
#[derive(Debug, thiserror::Error)]
pub enum HandedError {
    /// It is none.
    #[error("what was handed in is no signed act that is taken so: {why}")]
    NoAct {
        /// What is wrong with it.
        why: String,
    },
    /// It says something else than what would be signed here now.
    #[error("what was signed is not what would be signed here now")]
    Differs,
    /// Its time is not of now.
    #[error("what was signed is of {time}, and is taken within ten minutes")]
    NotFresh {
        /// When it says that it was signed.
        time: Timestamp,
    },
    /// It was made by another key than it says.
    #[error("the signature is not by the key that was asked, {fingerprint}")]
    OtherKey {
        /// The key that was asked.
        fingerprint: String,
    },
    /// Something is to be signed elsewhere where a key is here.
    #[error("the act is not signed yet")]
    Unsigned,
    /// What was sealed for the act is not handed in with it as it was given out.
    #[error("what was sealed for the act {why}")]
    Sealed {
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Diagnostic for HandedError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoAct { .. } => "CS-HANDED-001",
            Self::Differs => "CS-HANDED-002",
            Self::NotFresh { .. } => "CS-HANDED-003",
            Self::OtherKey { .. } => "CS-HANDED-004",
            Self::Unsigned => "CS-HANDED-005",
            Self::Sealed { .. } => "CS-HANDED-006",
        }
    }

    fn exit(&self) -> Exit {
        EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit)
    }

    fn help(&self) -> String {
        match self {
            Self::NoAct { .. } | Self::OtherKey { .. } | Self::Sealed { .. } => {
                "have it prepared and sign that: the command with `--server` does both".into()
            }
            Self::Differs | Self::NotFresh { .. } => {
                "look at what is so now, and sign that: type the command again".into()
            }
            Self::Unsigned => "sign what was given out, and hand it in".into(),
        }
    }
}

/// One explanation for every code.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-HANDED-001",
        exit: Exit::Forbidden,
        title: "no signed act that is taken so",
        text: "What was handed in is not the stored form of a signed act, or an act of a kind that is not handed in this way. Nothing was appended but this refusal.",
    },
    Explanation {
        code: "CS-HANDED-002",
        exit: Exit::Denied,
        title: "another statement than would be signed here now",
        text: "Whoever takes an act that was signed on another machine makes its statement once more, from the ledger as it is at that moment, and compares the two byte for byte. They differ: something changed in between, or the statement was changed. Only its time, the ids that it makes up and the size of the log that it was read at come from what was signed.",
    },
    Explanation {
        code: "CS-HANDED-003",
        exit: Exit::Denied,
        title: "not signed just now",
        text: "What is signed on another machine is handed in within ten minutes: what somebody looked at longer ago than that is not what they would sign now. A clock that is wrong on the machine of the ledger has the same effect.",
    },
    Explanation {
        code: "CS-HANDED-004",
        exit: Exit::Forbidden,
        title: "another key than the one that was asked",
        text: "Each statement of one command is signed with the same key: the one that the first of them was signed with.",
    },
    Explanation {
        code: "CS-HANDED-005",
        exit: Exit::Internal,
        title: "not signed yet",
        text: "A key that is here signs at once; this act waits for a key on another machine. It is a fault of this program to ask for what came of it.",
    },
    Explanation {
        code: "CS-HANDED-006",
        exit: Exit::Denied,
        title: "not what was sealed for the act",
        text: "What people write in an audit is sealed with their key; an account elsewhere, an OpenPGP key and the name of somebody who is enrolled are sealed with the key of whom they belong to. What is signed names the digest of the sealed bytes. The bytes are given out to be looked at, and are handed in beside the act. They are missing, no act names them, or they do not open with that key, for what the act is about, to something that may be said; the key of somebody who is being enrolled is kept for ten minutes, in the memory of the server that made it, for whoever asked for it.",
    },
];

/// Something to sign on another machine.
#[derive(Debug, Clone)]
pub struct ToSign {
    /// What it is signed for.
    pub namespace: &'static str,
    /// The canonical statement: exactly what is signed.
    pub statement: Vec<u8>,
    /// What was sealed for it, where the statement names that by its digest.
    pub sealed: Option<Sealed>,
}

/// Something that was sealed for a statement. It comes back with the act, for it cannot be sealed to the same bytes again.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The sealed bytes.
    pub bytes: Vec<u8>,
    /// What opens exactly these: whoever signs looks whether it is what they gave.
    pub opener: Opener,
}

/// A new passkey as a browser made it. No statement holds it: it comes along with the act that enrols the passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceremony {
    /// What the browser was asked, as JSON.
    pub request: String,
    /// What it answered, as JSON.
    pub answer: String,
}

/// A file whose document an act puts in effect. The statement names the document by its digest: it is read from the file once more where the
/// act is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What the file is called where it is, for messages about it.
    pub file: String,
    /// All of its text.
    pub text: String,
    /// Only these of its entries; empty: all.
    #[serde(default)]
    pub only: Vec<String>,
}

/// Which acts put a document in effect that they name by its digest.
const OF_A_DOCUMENT: [&str; 4] = [act::ENFORCEMENT, act::GATE_OWNERS, act::ISSUERS, act::POLICY];

/// What came of something that a person says.
#[derive(Debug)]
pub enum Written<T> {
    /// It is in the ledger.
    Done(T),
    /// It is so already: nothing is signed, and nothing appended.
    Already,
    /// It is not signed yet, and nothing is appended.
    ToSign {
        /// Who is to sign.
        by: PersonId,
        /// What; each by itself.
        acts: Vec<ToSign>,
    },
}

impl<T> Written<T> {
    /// What came of it where the key is here, of what is never so already.
    ///
    /// # Errors
    /// [`HandedError::Unsigned`] where it is not.
    pub fn done(self) -> Result<T, SessionError> {
        self.done_if_new()?.ok_or_else(|| HandedError::Unsigned.into())
    }

    /// What came of it where the key is here; none, where it was so already.
    ///
    /// # Errors
    /// [`HandedError::Unsigned`] where it is not.
    pub fn done_if_new(self) -> Result<Option<T>, SessionError> {
        match self {
            Self::Done(done) => Ok(Some(done)),
            Self::Already => Ok(None),
            Self::ToSign { .. } => Err(HandedError::Unsigned.into()),
        }
    }

    /// The same with something else made of what came of it.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Written<U> {
        match self {
            Self::Done(done) => Written::Done(make(done)),
            Self::Already => Written::Already,
            Self::ToSign { by, acts } => Written::ToSign { by, acts },
        }
    }
}

/// Acts that were signed on another machine, by one command.
#[derive(Debug)]
pub struct HandedIn {
    acts: Vec<One>,
    /// What was sealed, by the digest that one of the acts names.
    sealed: Vec<(Digest, Vec<u8>)>,
    /// What made the passkey that is enrolled.
    ceremony: Option<Ceremony>,
    /// What its document is read from.
    document: Option<Document>,
    /// The revocation list that the act names by its digest.
    list: Option<Vec<u8>>,
    key: String,
    time: Timestamp,
}

#[derive(Debug)]
struct One {
    signed: SignedAct,
    statement: Vec<u8>,
    said: Statement<Value>,
}

impl HandedIn {
    /// Reads what was handed in, the act that the command is about first. Nothing in it is verified by that.
    ///
    /// # Errors
    /// [`HandedError::NoAct`], [`HandedError::OtherKey`].
    pub fn read(all: &[Vec<u8>]) -> Result<Self, HandedError> {
        let no = |why: &str| HandedError::NoAct { why: why.to_owned() };
        if all.is_empty() || all.len() > MOST {
            return Err(no("one act is handed in, or the two of one command"));
        }
        let mut acts: Vec<One> = Vec::new();
        for bytes in all {
            let unreadable = |e: countersign_evidence::Error| no(&e.to_string());
            let signed = SignedAct::from_slice(bytes).map_err(unreadable)?;
            let statement = signed.statement().map_err(unreadable)?;
            let said = canonical::from_slice(&statement).map_err(unreadable)?;
            if acts.iter().any(|known| known.signed.namespace() == signed.namespace()) {
                return Err(no("two of one kind are handed in"));
            }
            acts.push(One { signed, statement, said });
        }
        let first = acts.first().ok_or_else(|| no("none is handed in"))?;
        let key = |one: &One| one.signed.claimed_key().map(|key| key.fingerprint()).map_err(|e| no(&e.to_string()));
        let fingerprint = key(first)?;
        let time = first.said.predicate.get("time").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let time = time.ok_or_else(|| no("it does not say when it was signed"))?;
        for one in &acts {
            if key(one)? != fingerprint {
                return Err(HandedError::OtherKey { fingerprint });
            }
        }
        Ok(Self { acts, sealed: Vec::new(), ceremony: None, document: None, list: None, key: fingerprint, time })
    }

    /// The same with what was sealed for the acts. Nothing of it is opened by that.
    ///
    /// # Errors
    /// [`HandedError::Sealed`] where none of the acts names it, or one is handed in twice.
    pub fn with(mut self, sealed: Vec<Vec<u8>>) -> Result<Self, HandedError> {
        for bytes in sealed {
            let digest = Digest::of(&bytes);
            let name = digest.to_string();
            if !self.acts.iter().any(|one| one.sealed().any(|named| named == name)) {
                return Err(HandedError::Sealed { why: "is another than the act names" });
            }
            if self.sealed.iter().any(|(known, _)| *known == digest) {
                return Err(HandedError::Sealed { why: "is handed in twice" });
            }
            self.sealed.push((digest, bytes));
        }
        Ok(self)
    }

    /// The same with what a browser said of the passkey that is enrolled. Nothing of it is verified by that.
    ///
    /// # Errors
    /// [`HandedError::NoAct`] where the act enrols no key.
    pub fn with_ceremony(mut self, ceremony: Option<Ceremony>) -> Result<Self, HandedError> {
        if ceremony.is_some() && self.namespace() != act::PERSON_KEY {
            return Err(HandedError::NoAct { why: "a passkey is handed in with it, and it enrols none".to_owned() });
        }
        self.ceremony = ceremony;
        Ok(self)
    }

    /// The same with the file that its document is read from. Nothing of it is read by that.
    ///
    /// # Errors
    /// [`HandedError::NoAct`] where the act puts no document in effect.
    pub fn with_document(mut self, document: Option<Document>) -> Result<Self, HandedError> {
        if document.is_some() && !OF_A_DOCUMENT.contains(&self.namespace()) {
            return Err(HandedError::NoAct {
                why: "a document is handed in with it, and it puts none in effect".to_owned(),
            });
        }
        self.document = document;
        Ok(self)
    }

    /// The file that the act's document is read from.
    ///
    /// # Errors
    /// [`HandedError::NoAct`] where it was not handed in.
    pub fn document(&self) -> Result<&Document, HandedError> {
        let missing = || HandedError::NoAct { why: "the document that it names is not handed in with it".to_owned() };
        self.document.as_ref().ok_or_else(missing)
    }

    /// The same with the revocation list that the act names by its digest. Nothing of it is read by that: whoever takes the act makes the
    /// statement once more from it.
    ///
    /// # Errors
    /// [`HandedError::NoAct`] where the act imports none.
    pub fn with_list(mut self, list: Option<Vec<u8>>) -> Result<Self, HandedError> {
        if list.is_some() && self.namespace() != act::REVOCATION_LIST {
            return Err(HandedError::NoAct {
                why: "a revocation list is handed in with it, and it imports none".to_owned(),
            });
        }
        self.list = list;
        Ok(self)
    }

    /// The revocation list that the act names by its digest.
    ///
    /// # Errors
    /// [`HandedError::NoAct`] where it was not handed in.
    pub fn list(&self) -> Result<&[u8], HandedError> {
        let missing = || HandedError::NoAct { why: "the revocation list that it names is missing".to_owned() };
        self.list.as_deref().ok_or_else(missing)
    }

    /// What a browser said of the passkey that is enrolled, where it was handed in.
    #[must_use]
    pub const fn ceremony(&self) -> Option<&Ceremony> {
        self.ceremony.as_ref()
    }

    /// The sealed bytes that the act of a namespace names.
    ///
    /// # Errors
    /// [`HandedError::Sealed`] where they were not handed in.
    pub fn sealed(&self, namespace: &str) -> Result<&[u8], HandedError> {
        let names: Vec<&str> = self.of(namespace).map(|one| one.sealed().collect()).unwrap_or_default();
        let found = self.sealed.iter().find(|(digest, _)| names.contains(&digest.to_string().as_str()));
        found.map(|(_, bytes)| bytes.as_slice()).ok_or(HandedError::Sealed { why: "is missing" })
    }

    /// What the act that the command is about was signed for.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.acts.first().map_or("", |one| one.signed.namespace())
    }

    /// How many acts there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.acts.len()
    }

    /// The act that the command is about, as it is stored.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn act(&self) -> Result<Vec<u8>, Error> {
        let bytes = self.acts.first().map(|one| one.signed.to_vec()).transpose()?;
        Ok(bytes.unwrap_or_default())
    }

    /// When it says that it was signed.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// The key that claims to have signed, by its fingerprint.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What the act says that was signed for a namespace.
    ///
    /// # Errors
    /// [`HandedError::NoAct`] when there is none, or it does not say that.
    pub fn said<P: Predicate>(&self, namespace: &str) -> Result<P, HandedError> {
        let no = |why: &str| HandedError::NoAct { why: why.to_owned() };
        let one = self.of(namespace).ok_or_else(|| no("an act of the command is missing"))?;
        if one.said.predicate_type != P::TYPE {
            return Err(no("its statement is of another kind than its signature"));
        }
        serde_json::from_value(one.said.predicate.clone()).map_err(|e| no(&e.to_string()))
    }

    /// What the act that the command is about says.
    #[must_use]
    pub fn predicate(&self) -> Value {
        self.acts.first().map(|one| one.said.predicate.clone()).unwrap_or_default()
    }

    /// The commit that the act of a namespace is about, where it is about one.
    #[must_use]
    pub fn commit(&self, namespace: &str) -> Option<&str> {
        let first = self.of(namespace)?.said.subject.first()?;
        first.digest.get("gitCommit").map(String::as_str)
    }

    fn of(&self, namespace: &str) -> Option<&One> {
        self.acts.iter().find(|one| one.signed.namespace() == namespace)
    }

    fn text(&self, namespace: &str, field: &str) -> Option<&str> {
        self.of(namespace)?.names(field)
    }
}

/// Where statements name what was sealed for them by its digest: a text, an account, an OpenPGP key, a name.
const SEALED: [&str; 4] = ["/text", "/sealed", "/certificate", "/profile"];

impl One {
    fn names(&self, field: &str) -> Option<&str> {
        self.said.predicate.pointer(field)?.as_str()
    }

    fn sealed(&self) -> impl Iterator<Item = &str> {
        SEALED.iter().filter_map(|field| self.names(field))
    }
}

/// A key that is on another machine.
#[derive(Debug, Clone, Copy)]
pub enum Away<'a> {
    /// It is asked what it would have to sign.
    Asked {
        /// The key's fingerprint.
        key: &'a str,
        /// What its machine calls itself.
        host: &'a str,
    },
    /// It signed.
    Signed(&'a HandedIn),
}

impl Away<'_> {
    /// The key's fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        match self {
            Self::Asked { key, .. } => key,
            Self::Signed(handed) => handed.key(),
        }
    }

    /// With what, and where, an act of this namespace is signed. What a machine calls itself is its own word.
    #[must_use]
    pub fn device(&self, namespace: &str) -> Device {
        let host = match self {
            Self::Asked { host, .. } => host,
            Self::Signed(handed) => handed.text(namespace, "/device/host").unwrap_or_default(),
        };
        Device { key: self.fingerprint().to_owned(), host: host.to_owned() }
    }

    /// Whose key it is, if what it signs now, without a browser, counts; the inner error says why not.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn holder(&self, session: &Session) -> Result<Result<PersonId, KeyTrouble>, Error> {
        let fingerprint = self.fingerprint();
        match session.state().key(fingerprint)?.and_then(|row| row.public) {
            Some(key) => session.signer(&key),
            None => Ok(Err(KeyTrouble::Unknown { fingerprint: fingerprint.to_owned() })),
        }
    }

    /// When it is said: now, or when it was signed, where that was just now.
    ///
    /// # Errors
    /// [`HandedError::NotFresh`].
    pub fn time(&self, session: &Session) -> Result<Timestamp, SessionError> {
        let now = session.place()?;
        match self {
            Self::Asked { .. } => Ok(session.now()),
            Self::Signed(handed) if is_ahead(handed.time, now) || now > handed.time.plus_seconds(FRESH) => {
                Err(HandedError::NotFresh { time: handed.time }.into())
            }
            Self::Signed(handed) => Ok(handed.time),
        }
    }

    /// The id that an act of this namespace made up, where it is signed: ten random bytes in hex after a prefix.
    ///
    /// # Errors
    /// [`HandedError::Differs`] when it is no such id.
    pub fn id(&self, namespace: &str, field: &str, prefix: &str) -> Result<Option<[u8; 10]>, SessionError> {
        let Self::Signed(handed) = self else { return Ok(None) };
        let hex = handed.text(namespace, field).and_then(|text| text.strip_prefix(prefix));
        let bytes = hex.filter(|hex| hex.len() == 20).and_then(ten);
        bytes.map(Some).ok_or_else(|| HandedError::Differs.into())
    }

    /// The place of the log that what an act of this namespace says was read at, where it is signed: one that there was, and not before
    /// what there was ten minutes before it was said. None where it is asked: then it is the log as it is.
    ///
    /// # Errors
    /// [`HandedError::Differs`] when it is another.
    pub fn size(&self, session: &Session, namespace: &str, field: &str) -> Result<Option<u64>, SessionError> {
        let Self::Signed(handed) = self else { return Ok(None) };
        let size = handed.of(namespace).and_then(|one| one.said.predicate.pointer(field)?.as_u64());
        let size = size.filter(|size| (1..=session.state().size()).contains(size)).ok_or(HandedError::Differs)?;
        // What was appended first after it was read cannot be older than the statement, or the log was not read as it was.
        let next = session.ledger().entries(size..size.saturating_add(1).min(session.state().size()))?.pop();
        match next {
            Some((_, entry)) if entry.time < handed.time.plus_seconds(-FRESH) => Err(HandedError::Differs.into()),
            _ => Ok(Some(size)),
        }
    }

    /// The signed act, where it is signed, and over exactly this statement; none, where it is asked.
    ///
    /// # Errors
    /// [`HandedError::Differs`]; when the signature does not verify, or its key counts no longer.
    pub fn sign(
        &self,
        session: &Session,
        namespace: &'static str,
        statement: &[u8],
    ) -> Result<Option<SignedAct>, SessionError> {
        let Some(one) = self.exactly(namespace, statement)? else { return Ok(None) };
        let fingerprint = self.fingerprint();
        let row = session.state().key(fingerprint)?;
        let unknown = || KeyTrouble::Unknown { fingerprint: fingerprint.to_owned() };
        let key = row.and_then(|row| row.public).ok_or_else(unknown)?;
        one.signed.open(namespace, &key).map_err(Error::from)?;
        session.counts(&one.signed)?;
        Ok(Some(one.signed.clone()))
    }

    /// As [`Away::sign`], by a key that is nobody's yet: what is signed makes it somebody's.
    ///
    /// # Errors
    /// [`HandedError::Differs`]; when the signature does not verify.
    pub fn sign_by(
        &self,
        key: &PublicKey,
        namespace: &'static str,
        statement: &[u8],
    ) -> Result<Option<SignedAct>, SessionError> {
        let Some(one) = self.exactly(namespace, statement)? else { return Ok(None) };
        one.signed.open(namespace, key).map_err(Error::from)?;
        Ok(Some(one.signed.clone()))
    }

    /// What was signed, where it is signed, if that is exactly this statement.
    fn exactly(&self, namespace: &str, statement: &[u8]) -> Result<Option<&One>, HandedError> {
        let Self::Signed(handed) = self else { return Ok(None) };
        handed.of(namespace).filter(|one| one.statement == statement).map(Some).ok_or(HandedError::Differs)
    }
}

/// Twenty hex digits in lower case.
fn ten(hex: &str) -> Option<[u8; 10]> {
    let mut bytes = [0; 10];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        if !pair.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_once_and_every_error_ends_as_its_explanation_says() {
        let time = Timestamp::from_millis(0);
        let all = [
            HandedError::NoAct { why: "x".into() },
            HandedError::Differs,
            HandedError::NotFresh { time },
            HandedError::OtherKey { fingerprint: "SHA256:x".into() },
            HandedError::Unsigned,
            HandedError::Sealed { why: "is missing" },
        ];
        let codes: std::collections::BTreeSet<_> = EXPLANATIONS.iter().map(|e| e.code).collect();
        assert_eq!(codes.len(), EXPLANATIONS.len());
        assert_eq!(codes.len(), all.len());
        for error in all {
            assert!(codes.contains(error.code()) && !error.help().is_empty(), "{error}");
        }
    }

    #[test]
    fn an_id_is_twenty_hex_digits_in_lower_case() {
        assert_eq!(ten("000102030405060708ff"), Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 255]));
        for bad in ["000102030405060708fF", "+0010203040506070809", "00010203040506070 09"] {
            assert_eq!(ten(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_no_act_is_told_apart() {
        for bad in [&[][..], &[b"{}".to_vec()], &[b"x".to_vec(), b"x".to_vec(), b"x".to_vec()]] {
            assert!(matches!(HandedIn::read(bad), Err(HandedError::NoAct { .. })));
        }
    }
}
