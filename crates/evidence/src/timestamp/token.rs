//! The response and the token in it.

use std::collections::BTreeSet;

use countersign_model::{Digest, Timestamp};
use ring::digest::{self, Algorithm};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::SignatureVerificationAlgorithm as Method;
use webpki::EndEntityCert;
use webpki::ring as methods;

use super::der::{self, Reader};
use super::{MAX_BYTES, TimestampError, oid};

/// A timestamp whose signature is by the certificate that it names. Who vouches for that certificate, is another question:
/// [`super::Authorities`].
#[derive(Debug, Clone)]
pub struct Token {
    /// When the bytes existed, as the authority says.
    pub time: Timestamp,
    /// The authority's serial number of the token, in hex.
    pub serial: String,
    /// The policy under which it was issued, as an object identifier.
    pub policy: String,
    imprint: Vec<u8>,
    pub(super) nonce: Option<Vec<u8>>,
    /// The certificate of the key that signed it, DER.
    pub(super) signer: Vec<u8>,
    /// The other certificates that are in it.
    pub(super) others: Vec<Vec<u8>>,
}

fn malformed(what: &'static str) -> TimestampError {
    TimestampError::Malformed { what }
}

impl Token {
    /// Reads a response, and checks the signature of the token in it.
    ///
    /// # Errors
    /// [`TimestampError::Malformed`], [`TimestampError::Rejected`], [`TimestampError::Unsupported`],
    /// [`TimestampError::Signature`].
    pub fn of_response(response: &[u8]) -> Result<Self, TimestampError> {
        if response.len() > MAX_BYTES {
            return Err(malformed("it is larger than a response may be"));
        }
        let whole = Reader(response).only(der::SEQUENCE).ok_or(malformed("it is no DER sequence"))?;
        let mut parts = Reader(whole);
        let status = parts.enter(der::SEQUENCE).ok_or(malformed("it has no status"))?;
        granted(status)?;
        let token = parts.any().ok_or(malformed("the status is that a token was granted, and there is none"))?;
        if !parts.is_empty() {
            return Err(malformed("something follows the token"));
        }
        Self::read(token.whole)
    }

    fn read(token: &[u8]) -> Result<Self, TimestampError> {
        let read = Signed::read(token).ok_or(malformed("the token is no CMS signed data with one signer"))?;
        if read.content_type != oid::TST_INFO {
            return Err(malformed("what is signed is no timestamp"));
        }
        let others = read.certificates;
        let hash = hash_of(read.digest).ok_or(TimestampError::Unsupported { what: "its digest algorithm" })?;
        let attributes = Attributes::read(read.attributes).ok_or(malformed("its signed attributes cannot be read"))?;
        if attributes.content_type != Some(oid::TST_INFO) {
            return Err(TimestampError::Signature { what: "it is over another type of content" });
        }
        if attributes.message_digest != Some(digest::digest(hash, read.content).as_ref()) {
            return Err(TimestampError::Signature { what: "it is over other content" });
        }
        let named = attributes.certificate.ok_or(malformed("it does not name the certificate of its signer"))?;
        let signer = others.iter().find(|c| digest::digest(named.0, c).as_ref() == named.1);
        let signer = *signer.ok_or(TimestampError::Signature { what: "the certificate that it names is not in it" })?;
        let (issuer, serial) = super::path::name_of(signer).ok_or(malformed("its certificate cannot be read"))?;
        if read.sid.is_some_and(|sid| sid != (issuer, serial)) {
            return Err(TimestampError::Signature { what: "it names two certificates" });
        }
        // The attributes are signed as the set that they are (RFC 5652 §5.4).
        let signed = der::element(der::SET, read.attributes);
        let der = CertificateDer::from(signer);
        let certificate = EndEntityCert::try_from(&der)
            .map_err(|_| TimestampError::Signature { what: "its certificate is none of X.509 version 3" })?;
        let mut is_known = false;
        let holds = methods_of(hash).iter().any(|method| {
            match certificate.verify_signature(*method, &signed, read.signature) {
                Ok(()) => true,
                Err(webpki::Error::InvalidSignatureForPublicKey) => {
                    is_known = true;
                    false
                }
                Err(_) => false,
            }
        });
        match (holds, is_known) {
            (true, _) => {}
            (false, true) => return Err(TimestampError::Signature { what: "it does not hold" }),
            (false, false) => return Err(TimestampError::Unsupported { what: "the kind of its key" }),
        }
        super::path::may_stamp(signer)?;
        let others = others.iter().filter(|c| **c != signer).map(|c| c.to_vec()).collect();
        let mut token = info(read.content).ok_or(malformed("its TSTInfo cannot be read"))?;
        (token.signer, token.others) = (signer.to_vec(), others);
        Ok(token)
    }

    /// Whether it speaks of bytes with this SHA-256.
    ///
    /// # Errors
    /// [`TimestampError::Imprint`].
    pub fn is_about(&self, bytes: &Digest) -> Result<(), TimestampError> {
        if self.imprint == bytes.as_bytes() { Ok(()) } else { Err(TimestampError::Imprint) }
    }
}

/// The status is `granted` or `grantedWithMods`, or the reason why not.
fn granted(mut status: Reader<'_>) -> Result<(), TimestampError> {
    let code = status.content(der::INTEGER).ok_or(malformed("its status is no number"))?;
    if let [0 | 1] = code {
        return Ok(());
    }
    let mut said = Vec::new();
    for text in status.maybe(der::SEQUENCE).map(|e| Reader(e.content)).into_iter().flatten().flatten() {
        // What somebody else says is shown, and does nothing to a terminal.
        if text.tag == der::UTF8 {
            said.push(String::from_utf8_lossy(text.content).escape_debug().take(200).collect::<String>());
        }
    }
    let code = if let [code] = code { u32::from(*code) } else { u32::MAX };
    Err(TimestampError::Rejected { status: code, said: said.join("; ") })
}

/// What is read of CMS signed data.
struct Signed<'a> {
    content_type: &'a [u8],
    content: &'a [u8],
    certificates: Vec<&'a [u8]>,
    /// Issuer and serial number of the signer's certificate, where it is named so.
    sid: Option<(&'a [u8], &'a [u8])>,
    digest: &'a [u8],
    /// The content of the set of signed attributes.
    attributes: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn read(token: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(Reader(token).only(der::SEQUENCE)?);
        if outer.content(der::OID)? != oid::SIGNED_DATA {
            return None;
        }
        let mut data = Reader(Reader(outer.content(der::context(0))?).only(der::SEQUENCE)?);
        data.content(der::INTEGER)?;
        data.content(der::SET)?;
        let mut content = data.enter(der::SEQUENCE)?;
        let content_type = content.content(der::OID)?;
        let bytes = Reader(content.content(der::context(0))?).only(der::OCTETS)?;
        let mut certificates = Vec::new();
        if let Some(all) = data.maybe(der::context(0)) {
            for one in Reader(all.content) {
                certificates.push(one?.whole);
            }
        }
        data.maybe(der::context(1));
        let mut signer = Reader(data.enter(der::SET)?.only(der::SEQUENCE)?);
        signer.content(der::INTEGER)?;
        let sid = match signer.any()? {
            sid if sid.tag == der::SEQUENCE => {
                let mut sid = Reader(sid.content);
                Some((sid.any()?.whole, sid.content(der::INTEGER)?))
            }
            // A key identifier; the attribute names the certificate by its digest.
            sid if sid.tag == 0x80 => None,
            _ => return None,
        };
        let digest = signer.enter(der::SEQUENCE)?.content(der::OID)?;
        let attributes = signer.content(der::context(0))?;
        signer.content(der::SEQUENCE)?;
        let signature = signer.content(der::OCTETS)?;
        Some(Self { content_type, content: bytes, certificates, sid, digest, attributes, signature })
    }
}

/// What is read of the signed attributes.
#[derive(Default)]
struct Attributes<'a> {
    content_type: Option<&'a [u8]>,
    message_digest: Option<&'a [u8]>,
    /// By which hash the signer's certificate is named, and the hash.
    certificate: Option<(&'static Algorithm, &'a [u8])>,
}

impl<'a> Attributes<'a> {
    fn read(set: &'a [u8]) -> Option<Self> {
        let (mut read, mut seen) = (Self::default(), BTreeSet::new());
        for attribute in Reader(set) {
            let mut attribute = Reader(attribute.filter(|a| a.tag == der::SEQUENCE)?.content);
            let (name, value) = (attribute.content(der::OID)?, Reader(attribute.content(der::SET)?));
            if !seen.insert(name) {
                return None;
            }
            match name {
                oid::CONTENT_TYPE => read.content_type = Some(value.only(der::OID)?),
                oid::MESSAGE_DIGEST => read.message_digest = Some(value.only(der::OCTETS)?),
                oid::SIGNING_CERTIFICATE if read.certificate.is_none() => {
                    let hash = &digest::SHA1_FOR_LEGACY_USE_ONLY;
                    read.certificate = Some((hash, first_certificate(value)?.content(der::OCTETS)?));
                }
                oid::SIGNING_CERTIFICATE_V2 => {
                    let mut named = first_certificate(value)?;
                    // SHA-256 where none is named.
                    let hash = match named.maybe(der::SEQUENCE) {
                        Some(algorithm) => hash_of(Reader(algorithm.content).content(der::OID)?)?,
                        None => &digest::SHA256,
                    };
                    read.certificate = Some((hash, named.content(der::OCTETS)?));
                }
                _ => {}
            }
        }
        Some(read)
    }
}

/// The first certificate that the attribute names: the signer's.
fn first_certificate(value: Reader<'_>) -> Option<Reader<'_>> {
    Reader(value.only(der::SEQUENCE)?).enter(der::SEQUENCE)?.enter(der::SEQUENCE)
}

fn hash_of(name: &[u8]) -> Option<&'static Algorithm> {
    match name {
        oid::SHA256 => Some(&digest::SHA256),
        oid::SHA384 => Some(&digest::SHA384),
        oid::SHA512 => Some(&digest::SHA512),
        _ => None,
    }
}

/// How keys sign what is hashed so.
fn methods_of(hash: &'static Algorithm) -> &'static [&'static dyn Method] {
    static SHA256: &[&dyn Method] = &[
        methods::RSA_PKCS1_2048_8192_SHA256,
        methods::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        methods::ECDSA_P256_SHA256,
        methods::ECDSA_P384_SHA256,
    ];
    static SHA384: &[&dyn Method] = &[
        methods::RSA_PKCS1_2048_8192_SHA384,
        methods::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        methods::ECDSA_P256_SHA384,
        methods::ECDSA_P384_SHA384,
    ];
    static SHA512: &[&dyn Method] =
        &[methods::RSA_PKCS1_2048_8192_SHA512, methods::RSA_PSS_2048_8192_SHA512_LEGACY_KEY, methods::ED25519];
    if *hash == digest::SHA256 {
        SHA256
    } else if *hash == digest::SHA384 {
        SHA384
    } else {
        SHA512
    }
}

/// Reads a TSTInfo (RFC 3161 §2.4.2).
fn info(content: &[u8]) -> Option<Token> {
    let mut info = Reader(Reader(content).only(der::SEQUENCE)?);
    if info.content(der::INTEGER)? != [1] {
        return None;
    }
    let policy = dotted(info.content(der::OID)?)?;
    let mut imprint = info.enter(der::SEQUENCE)?;
    if imprint.enter(der::SEQUENCE)?.content(der::OID)? != oid::SHA256 {
        return None;
    }
    let imprint = imprint.content(der::OCTETS)?.to_vec();
    let serial = info.content(der::INTEGER)?.iter().map(|b| format!("{b:02x}")).collect();
    let time = time(info.content(der::TIME)?)?;
    info.maybe(der::SEQUENCE);
    info.maybe(der::BOOLEAN);
    let nonce = info.maybe(der::INTEGER).map(|nonce| nonce.content.to_vec());
    info.maybe(der::context(0));
    info.maybe(der::context(1));
    let token = Token { time, serial, policy, imprint, nonce, signer: Vec::new(), others: Vec::new() };
    info.is_empty().then_some(token)
}

/// `YYYYMMDDhhmmss[.f…]Z` (RFC 3161 §2.4.2).
fn time(content: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, "0"), |(whole, fraction)| (whole, fraction));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 14 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let part = |from: usize, to: usize| whole.get(from..to).unwrap_or_default();
    let millis: String = fraction.chars().chain("00".chars()).take(3).collect();
    let (date, hours) = ((part(0, 4), part(4, 6), part(6, 8)), (part(8, 10), part(10, 12), part(12, 14)));
    format!("{}-{}-{}T{}:{}:{}.{millis}Z", date.0, date.1, date.2, hours.0, hours.1, hours.2).parse().ok()
}

/// An object identifier as people write it.
fn dotted(content: &[u8]) -> Option<String> {
    let (mut arcs, mut arc) = (Vec::new(), 0_u64);
    for byte in content {
        arc = arc.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.extend([first, arc - 40 * first]);
            } else {
                arcs.push(arc);
            }
            arc = 0;
        }
    }
    Some(arcs.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::{dotted, time};

    #[test]
    fn times_are_read_to_the_millisecond() {
        let read = |text: &str| time(text.as_bytes()).map(|t| t.to_string());
        assert_eq!(read("20261126174934Z").as_deref(), Some("2026-11-26T17:49:34.000Z"));
        assert_eq!(read("20261126174934.5Z").as_deref(), Some("2026-11-26T17:49:34.500Z"));
        assert_eq!(read("20261126174934.123456Z").as_deref(), Some("2026-11-26T17:49:34.123Z"));
        for wrong in [
            "20261126174934",
            "202611261749Z",
            "20261326174934Z",
            "20261126174934.Z",
            "2026112617493Z",
            "+0261126174934Z",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn identifiers_are_shown_in_dots() {
        assert_eq!(dotted(super::oid::SHA256).as_deref(), Some("2.16.840.1.101.3.4.2.1"));
        assert_eq!(dotted(super::oid::TIME_STAMPING).as_deref(), Some("1.3.6.1.5.5.7.3.8"));
    }
}
