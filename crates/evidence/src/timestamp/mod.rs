//! Trusted timestamps (RFC 3161): a time-stamping authority signs that some bytes existed at a moment.
//!
//! ```text
//! request    version, SHA-256 of the bytes, a nonce, "send your certificate"
//! response   a status, and with it a token
//! token      CMS SignedData (RFC 5652) over a TSTInfo: the same SHA-256, the same nonce, the time, a serial number
//! ```
//!
//! Everything is read as DER, with no room for a second form. What is checked: the status, that the token speaks of these
//! bytes and answers this request, that it carries one signature, that this is over the content, that the certificate in the
//! token is the one that the signature names (RFC 2634, RFC 5035) and may do nothing else than sign timestamps, and, where
//! certificates of authorities are given, that a path leads from it to one of them at the time that it says.

mod der;
mod error;
mod explain;
mod oid;
mod path;
mod token;

use countersign_model::Digest;

use crate::Error;
use crate::random::random;

pub use error::TimestampError;
pub use explain::EXPLANATIONS;
pub use path::Authorities;
pub use token::Token;

/// Bytes of the largest response that is read.
pub const MAX_BYTES: usize = 256 << 10;
/// The media type of a request (RFC 3161 §3.4).
pub const QUERY: &str = "application/timestamp-query";
/// The media type of a response.
pub const REPLY: &str = "application/timestamp-reply";

/// What a time-stamping authority is asked.
#[derive(Debug, Clone)]
pub struct Request {
    imprint: Digest,
    nonce: [u8; 16],
}

impl Request {
    /// For these bytes, with a nonce of its own.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn new(bytes: &[u8]) -> Result<Self, Error> {
        let mut nonce: [u8; 16] = random()?;
        // A positive INTEGER that has no shorter form.
        nonce[0] = nonce[0] & 0x7f | 0x40;
        Ok(Self { imprint: Digest::of(bytes), nonce })
    }

    /// The request as it is sent.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let algorithm = der::sequence(&[&der::element(der::OID, oid::SHA256), &der::element(der::NULL, &[])]);
        let imprint = der::sequence(&[&algorithm, &der::element(der::OCTETS, self.imprint.as_bytes())]);
        let version = der::element(der::INTEGER, &[1]);
        let certificate = der::element(der::BOOLEAN, &[0xff]);
        der::sequence(&[&version, &imprint, &der::element(der::INTEGER, &self.nonce), &certificate])
    }

    /// Reads the response to this request: the token in it, with its signature checked.
    ///
    /// # Errors
    /// [`TimestampError`].
    pub fn answered(&self, response: &[u8]) -> Result<Token, TimestampError> {
        let token = Token::of_response(response)?;
        token.is_about(&self.imprint)?;
        if token.nonce.as_deref() != Some(self.nonce.as_slice()) {
            return Err(TimestampError::Nonce);
        }
        Ok(token)
    }
}
