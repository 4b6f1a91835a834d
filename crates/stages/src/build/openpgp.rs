//! OpenPGP signatures of covered commits. They are collected, for one process of `gpg` verifies many.

use countersign_connect::gpg::{Checked, Keyring, Signed};
use countersign_model::Timestamp;
use countersign_model::change::{ChangeCommit, OpenPgp};
use countersign_store::projection::State;

use crate::Error;

/// So many signatures are held at most, and so many bytes, before they are verified.
const MOST: usize = 4096;
const MOST_BYTES: usize = 32 << 20;

/// What verifies; made when there is something to verify.
enum Verifier {
    /// No OpenPGP key is enrolled, or none can be opened here.
    NoKeys,
    /// There is no `gpg`.
    NoGpg,
    /// Enrolled keys.
    Keys(Box<Keyring>),
}

/// Signatures that wait to be verified, each with the place of its commit and what the caller wants back with it.
pub(crate) struct Waiting<'a, T> {
    state: &'a State,
    now: Timestamp,
    verifier: Option<Verifier>,
    signed: Vec<Signed>,
    places: Vec<(usize, T)>,
    bytes: usize,
}

impl<'a, T> Waiting<'a, T> {
    /// Nothing yet. What expires by itself is looked at as of `now`.
    pub(crate) const fn new(state: &'a State, now: Timestamp) -> Self {
        Self { state, now, verifier: None, signed: Vec::new(), places: Vec::new(), bytes: 0 }
    }

    /// One more.
    pub(crate) fn add(&mut self, place: usize, signed: Signed, with: T) {
        self.bytes = self.bytes.saturating_add(signed.armored.len()).saturating_add(signed.payload.len());
        self.signed.push(signed);
        self.places.push((place, with));
    }

    /// Whether it is time to verify.
    pub(crate) const fn is_full(&self) -> bool {
        self.signed.len() >= MOST || self.bytes >= MOST_BYTES
    }

    /// Verifies what waits and writes it down in `commits`.
    ///
    /// # Errors
    /// When the projection or an enrolled key cannot be read, or `gpg` does not answer.
    pub(crate) fn settle(&mut self, commits: &mut [ChangeCommit]) -> Result<Vec<(usize, T)>, Error> {
        if self.signed.is_empty() {
            return Ok(Vec::new());
        }
        let verifier = match self.verifier.take() {
            Some(verifier) => verifier,
            None => self.verifier()?,
        };
        let same = |verdict| vec![Checked { verdict, fingerprint: None }; self.signed.len()];
        let checked = match &verifier {
            Verifier::NoKeys => same(OpenPgp::NoKey),
            Verifier::NoGpg => same(OpenPgp::NoGpg),
            Verifier::Keys(keyring) => keyring.verify(&self.signed)?,
        };
        self.verifier = Some(verifier);
        for (checked, (place, _)) in checked.into_iter().zip(&self.places) {
            if let Some(commit) = commits.get_mut(*place) {
                commit.signature = checked.verdict.state();
                commit.openpgp = Some(checked.verdict);
                commit.key = checked.fingerprint;
            }
        }
        self.signed.clear();
        self.bytes = 0;
        Ok(std::mem::take(&mut self.places))
    }

    fn verifier(&self) -> Result<Verifier, Error> {
        let certificates = self.state.openpgp_certificates()?;
        if certificates.is_empty() {
            return Ok(Verifier::NoKeys);
        }
        match Keyring::new(&certificates, self.now) {
            Ok(keyring) => Ok(Verifier::Keys(Box::new(keyring))),
            Err(countersign_connect::Error::GpgMissing { .. }) => Ok(Verifier::NoGpg),
            Err(e) => Err(e.into()),
        }
    }
}

/// Why a signature does not count, for people.
pub(crate) const fn said(verdict: OpenPgp) -> Option<&'static str> {
    Some(match verdict {
        OpenPgp::Good => return None,
        OpenPgp::ExpiredSignature => "with an OpenPGP signature that says itself that it is over",
        OpenPgp::ExpiredKey => "signed by an OpenPGP key that has expired",
        OpenPgp::RevokedKey => "signed by an OpenPGP key that its owner revoked",
        OpenPgp::WeakKey => "signed by an OpenPGP key that is too weak",
        OpenPgp::Bad => "with an OpenPGP signature that does not verify",
        OpenPgp::NoKey => "signed by an OpenPGP key that belongs to nobody enrolled",
        OpenPgp::NotVerifiable => "with an OpenPGP signature of a kind that is not verified here",
        OpenPgp::NoGpg => "not verified: signed with OpenPGP, and gpg is not here (apt-get install gnupg)",
    })
}
