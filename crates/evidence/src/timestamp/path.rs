//! Certificates: what one is for, and whether a path leads from it to one that is trusted.

use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::der::{self, Reader};
use super::{TimestampError, Token, oid};

/// Certificates of authorities that somebody trusts for timestamps.
#[derive(Debug, Clone)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Reads them from PEM.
    ///
    /// # Errors
    /// [`TimestampError::Authorities`] when there is none in it, or one that cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TimestampError> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let all = all.ok().filter(|all| !all.is_empty()).ok_or(TimestampError::Authorities)?;
        if all.iter().any(|one| anchor_from_trusted_cert(one).is_err()) {
            return Err(TimestampError::Authorities);
        }
        Ok(Self(all))
    }

    /// Whether a path leads from the token's certificate to one of these, at the time that the token says. Revocation is not
    /// looked at: whoever relies on the authority knows where it publishes that.
    ///
    /// # Errors
    /// [`TimestampError::Path`].
    pub fn vouch_for(&self, token: &Token) -> Result<(), TimestampError> {
        let no = |what: String| TimestampError::Path { what };
        let signer = CertificateDer::from(token.signer.as_slice());
        let leaf = EndEntityCert::try_from(&signer).map_err(|e| no(e.to_string()))?;
        let anchors: Vec<_> = self.0.iter().filter_map(|one| anchor_from_trusted_cert(one).ok()).collect();
        let others: Vec<CertificateDer<'_>> = token.others.iter().map(|c| CertificateDer::from(c.as_slice())).collect();
        let millis = u64::try_from(token.time.millis()).map_err(|_| no("its time is before 1970".into()))?;
        let time = UnixTime::since_unix_epoch(Duration::from_millis(millis));
        let usage = KeyUsage::required(oid::TIME_STAMPING);
        let path = leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &others, time, usage, None, None);
        path.map(|_| ()).map_err(|e| no(e.to_string()))
    }
}

/// The fields of a certificate from its serial number on.
fn fields(certificate: &[u8]) -> Option<Reader<'_>> {
    let mut fields = Reader(Reader(certificate).only(der::SEQUENCE)?).enter(der::SEQUENCE)?;
    fields.maybe(der::context(0));
    Some(fields)
}

/// The issuer and the serial number of a certificate.
pub(super) fn name_of(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = fields(certificate)?;
    let serial = fields.content(der::INTEGER)?;
    fields.content(der::SEQUENCE)?;
    Some((fields.any()?.whole, serial))
}

/// A certificate of a time-stamping authority says that it is one, critically, and that it is nothing else (RFC 3161 §2.3).
pub(super) fn may_stamp(certificate: &[u8]) -> Result<(), TimestampError> {
    let critical = [der::element(der::BOOLEAN, &[0xff]), usage_of_stamps()].concat();
    let extension = der::sequence(&[&der::element(der::OID, oid::EXTENDED_KEY_USAGE), &critical]);
    let has_it = || {
        let extensions = fields(certificate)?.flatten().find(|field| field.tag == der::context(3))?;
        let all = Reader(Reader(extensions.content).only(der::SEQUENCE)?);
        Some(all.flatten().any(|one| one.whole == extension))
    };
    let what = "its certificate is not one for timestamps alone";
    if has_it() == Some(true) { Ok(()) } else { Err(TimestampError::Signature { what }) }
}

fn usage_of_stamps() -> Vec<u8> {
    der::element(der::OCTETS, &der::sequence(&[&der::element(der::OID, oid::TIME_STAMPING)]))
}
