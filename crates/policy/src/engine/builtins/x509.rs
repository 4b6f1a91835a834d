//! `crypto.x509.parse_certificates` and `parse_certificate_request`: X.509 (RFC 5280) and PKCS #10 (RFC 2986) as the
//! JSON of Go's `x509.Certificate`, which is what policies for OPA expect.
//!
//! Left out are the name constraints (`PermittedDNSDomains` and the like) and `UnhandledCriticalExtensions`; of a URI
//! only the parts that RFC 3986 names are told apart. `URIStrings` has them whole.

use std::net::IpAddr;

use regorus::Value;
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Ia5String, OctetString};
use x509_cert::der::oid::{AssociatedOid, ObjectIdentifier};
use x509_cert::der::{Any, Decode, Encode, SliceReader, Tag, Tagged as _};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::request::{CertReq, ExtensionReq};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Time;

use super::args::{fault, make_object, string};
use super::jwk::{self, Public};
use super::{Builtin, Fault, pem};

/// The most certificates in one argument.
const MAX_CERTIFICATES: usize = 1000;

pub(super) const FAMILY: &[Builtin] = &[
    Builtin {
        name: "crypto.x509.parse_certificates",
        arity: 1,
        call: |args| {
            let all = certificates(string(args, 0)?)?;
            let values: Result<Vec<Value>, Fault> = all.iter().map(|(c, der)| to_value(c, der)).collect();
            Ok(Value::from(values?))
        },
    },
    Builtin { name: "crypto.x509.parse_certificate_request", arity: 1, call: |args| request(string(args, 0)?) },
];

fn malformed(e: x509_cert::der::Error) -> Fault {
    fault(format!("malformed certificate: {e}"))
}

/// The certificates of a text, PEM or DER, either in base64 too, with the DER of each.
pub(super) fn certificates(text: &str) -> Result<Vec<(Certificate, Vec<u8>)>, Fault> {
    let ders = if text.starts_with("-----BEGIN") {
        of_pem(text)?
    } else {
        let bytes = pem::base64(text)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) if text.starts_with("-----BEGIN") => of_pem(text)?,
            _ => split(&bytes)?,
        }
    };
    ders.into_iter().map(|der| Ok((Certificate::from_der(&der).map_err(malformed)?, der))).collect()
}

fn of_pem(text: &str) -> Result<Vec<Vec<u8>>, Fault> {
    let mut all = Vec::new();
    for block in pem::all(text) {
        if block.label != "CERTIFICATE" {
            return Err(fault(format!("PEM block type is '{}', expected CERTIFICATE", block.label)));
        }
        all.extend(split(&block.der)?);
        limit(&all)?;
    }
    Ok(all)
}

/// Certificates that follow each other.
fn split(der: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    use x509_cert::der::Reader as _;
    let mut reader = SliceReader::new(der).map_err(malformed)?;
    let mut all = Vec::new();
    while !reader.is_finished() {
        all.push(reader.tlv_bytes().map_err(malformed)?.to_vec());
        limit(&all)?;
    }
    Ok(all)
}

fn limit(all: &[Vec<u8>]) -> Result<(), Fault> {
    if all.len() > MAX_CERTIFICATES {
        return Err(Fault::Refused(format!("more than {MAX_CERTIFICATES} certificates")));
    }
    Ok(())
}

/// Null where there is nothing, as Go prints a slice that was never made.
fn list(values: Vec<Value>) -> Value {
    if values.is_empty() { Value::Null } else { Value::from(values) }
}

fn bytes(bytes: &[u8]) -> Value {
    Value::from(pem::to_base64(bytes))
}

fn der(value: &impl Encode) -> Result<Value, Fault> {
    value.to_der().map(|der| bytes(&der)).map_err(malformed)
}

fn oid(oid: ObjectIdentifier) -> Value {
    Value::from(oid.arcs().map(|arc| Value::from(u64::from(arc))).collect::<Vec<_>>())
}

/// A whole number from its big-endian bytes.
pub(super) fn number(bytes: &[u8]) -> Value {
    const BASE: u64 = 1_000_000_000;
    let mut digits: Vec<u64> = vec![0];
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for digit in &mut digits {
            let next = *digit * 256 + carry;
            (*digit, carry) = (next % BASE, next / BASE);
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    let mut text = digits.last().unwrap_or(&0).to_string();
    text.extend(digits.iter().rev().skip(1).map(|d| format!("{d:09}")));
    Value::from_numeric_string(&text).unwrap_or(Value::Null)
}

/// A certificate as a value.
pub(super) fn to_value(certificate: &Certificate, raw: &[u8]) -> Result<Value, Fault> {
    let tbs = &certificate.tbs_certificate;
    let (names, issuer) = (name(&tbs.subject), name(&tbs.issuer));
    let serial = tbs.serial_number.as_bytes();
    let signature = certificate.signature.as_bytes().unwrap_or_default();
    let validity = &tbs.validity;
    let head = [
        ("Raw", bytes(raw)),
        ("RawTBSCertificate", der(tbs)?),
        ("RawSubjectPublicKeyInfo", der(&tbs.subject_public_key_info)?),
        ("RawSubject", der(&tbs.subject)?),
        ("RawIssuer", der(&tbs.issuer)?),
        ("Signature", bytes(signature)),
        ("SignatureAlgorithm", signature_algorithm(&certificate.signature_algorithm)),
        ("PublicKeyAlgorithm", public_key_algorithm(&tbs.subject_public_key_info)),
        ("PublicKey", public_key(&tbs.subject_public_key_info)),
        ("Version", Value::from(tbs.version as u64 + 1)),
        ("SerialNumber", number(serial)),
        ("Issuer", issuer),
        ("Subject", names),
        ("NotBefore", time(&validity.not_before)),
        ("NotAfter", time(&validity.not_after)),
    ];
    Ok(make_object(head.into_iter().chain(extensions(tbs.extensions.as_ref())?)))
}

fn request(text: &str) -> Result<Value, Fault> {
    let bytes_of = |text: &str| match pem::first(text) {
        Some((block, _)) if block.label == "CERTIFICATE REQUEST" => Ok(Some(block.der)),
        Some(_) => Err(fault("invalid PEM-encoded certificate signing request")),
        None => Ok(None),
    };
    let raw = if text.starts_with("-----BEGIN CERTIFICATE REQUEST-----") {
        bytes_of(text)?.ok_or_else(|| fault("invalid PEM-encoded certificate signing request"))?
    } else {
        let decoded = pem::base64(text)?;
        match std::str::from_utf8(&decoded) {
            Ok(text) => bytes_of(text)?.unwrap_or(decoded),
            Err(_) => decoded,
        }
    };
    let request = CertReq::from_der(&raw).map_err(malformed)?;
    let info = &request.info;
    let mut asked = Extensions::new();
    for attribute in info.attributes.iter().filter(|a| a.oid == ExtensionReq::OID) {
        for value in attribute.values.iter() {
            asked.extend(value.decode_as::<ExtensionReq>().map_err(malformed)?.0);
        }
    }
    let head = [
        ("Raw", bytes(&raw)),
        ("RawTBSCertificateRequest", der(info)?),
        ("RawSubjectPublicKeyInfo", der(&info.public_key)?),
        ("RawSubject", der(&info.subject)?),
        ("Version", Value::from(0u64)),
        ("Signature", bytes(request.signature.as_bytes().unwrap_or_default())),
        ("SignatureAlgorithm", signature_algorithm(&request.algorithm)),
        ("PublicKeyAlgorithm", public_key_algorithm(&info.public_key)),
        ("PublicKey", public_key(&info.public_key)),
        ("Subject", name(&info.subject)),
    ];
    let of_requests = ["Extensions", "ExtraExtensions", "DNSNames", "EmailAddresses", "IPAddresses", "URIs"];
    let rest = extensions(Some(&asked))?.into_iter().filter(|(name, _)| of_requests.contains(name));
    Ok(make_object(head.into_iter().chain(rest)))
}

fn time(time: &Time) -> Value {
    let t = time.to_date_time();
    let (date, clock) = ((t.year(), t.month(), t.day()), (t.hour(), t.minutes(), t.seconds()));
    Value::from(format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", date.0, date.1, date.2, clock.0, clock.1, clock.2))
}

/// The text of an attribute (X.520), whichever of the kinds of text it is.
fn attribute(value: &Any) -> String {
    match value.tag() {
        Tag::BmpString => {
            let units: Vec<u16> = value.value().chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        Tag::TeletexString => value.value().iter().map(|b| char::from(*b)).collect(),
        _ => String::from_utf8_lossy(value.value()).into_owned(),
    }
}

fn name(name: &Name) -> Value {
    let all: Vec<&AttributeTypeAndValue> = name.0.iter().flat_map(|set| set.0.iter()).collect();
    let of = |arc: u32| {
        let wanted = move |a: &&&AttributeTypeAndValue| a.oid.arcs().eq([2, 5, 4, arc]);
        all.iter().filter(wanted).map(|a| Value::from(attribute(&a.value))).collect::<Vec<_>>()
    };
    let last = |arc: u32| of(arc).pop().unwrap_or_else(|| Value::from(""));
    let names: Vec<Value> =
        all.iter().map(|a| make_object([("Type", oid(a.oid)), ("Value", Value::from(attribute(&a.value)))])).collect();
    make_object([
        ("Country", list(of(6))),
        ("Organization", list(of(10))),
        ("OrganizationalUnit", list(of(11))),
        ("Locality", list(of(7))),
        ("Province", list(of(8))),
        ("StreetAddress", list(of(9))),
        ("PostalCode", list(of(17))),
        ("SerialNumber", last(5)),
        ("CommonName", last(3)),
        ("Names", list(names)),
        ("ExtraNames", Value::Null),
    ])
}

/// The number that Go gives to an algorithm, 0 for those that it does not know.
fn signature_algorithm(algorithm: &AlgorithmIdentifierOwned) -> Value {
    let named = match algorithm.oid.to_string().as_str() {
        "1.2.840.113549.1.1.2" => 1,
        "1.2.840.113549.1.1.4" => 2,
        "1.2.840.113549.1.1.5" => 3,
        "1.2.840.113549.1.1.11" => 4,
        "1.2.840.113549.1.1.12" => 5,
        "1.2.840.113549.1.1.13" => 6,
        "1.2.840.10040.4.3" => 7,
        "2.16.840.1.101.3.4.3.2" => 8,
        "1.2.840.10045.4.1" => 9,
        "1.2.840.10045.4.3.2" => 10,
        "1.2.840.10045.4.3.3" => 11,
        "1.2.840.10045.4.3.4" => 12,
        "1.2.840.113549.1.1.10" => pss(algorithm),
        "1.3.101.112" => 16,
        _ => 0u64,
    };
    Value::from(named)
}

/// RSASSA-PSS has its hash in the parameters (RFC 4055 3.1).
fn pss(algorithm: &AlgorithmIdentifierOwned) -> u64 {
    // 2.16.840.1.101.3.4.2, and then 1 for SHA-256, 2 for SHA-384, 3 for SHA-512.
    const HASHES: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
    let parameters = algorithm.parameters.as_ref().map(Any::value).unwrap_or_default();
    let hash = parameters.windows(9).find(|w| w.starts_with(&HASHES)).and_then(|w| w.last());
    match hash {
        Some(1) => 13,
        Some(2) => 14,
        Some(3) => 15,
        _ => 0,
    }
}

fn public_key_algorithm(spki: &SubjectPublicKeyInfoOwned) -> Value {
    let named = match spki.algorithm.oid {
        jwk::RSA => 1u64,
        jwk::EC => 3,
        jwk::ED25519 => 4,
        other if other.to_string() == "1.2.840.10040.4.1" => 2,
        other if other.to_string() == "1.3.101.110" => 5,
        _ => 0,
    };
    Value::from(named)
}

/// The numbers of a key; null for a kind that is not supported.
fn public_key(spki: &SubjectPublicKeyInfoOwned) -> Value {
    use x509_cert::spki::der::referenced::OwnedToRef as _;
    match jwk::from_spki(spki.owned_to_ref()) {
        Ok(Public::Rsa { n, e }) => make_object([("N", number(&n)), ("E", number(&e))]),
        Ok(Public::Ec { curve, point }) => {
            let coordinates = point.get(1..).unwrap_or_default();
            let (x, y) = coordinates.split_at_checked(curve.bytes()).unwrap_or_default();
            make_object([("Curve", Value::new_object()), ("X", number(x)), ("Y", number(y))])
        }
        Ok(Public::Ed25519(point)) => bytes(&point),
        Ok(Public::Secret(_)) | Err(_) => Value::Null,
    }
}

/// An extension of a certificate. One that is there but malformed makes the certificate malformed.
fn find<T: AssociatedOid + for<'a> Decode<'a>>(all: &[Extension]) -> Result<Option<T>, Fault> {
    let found = all.iter().find(|e| e.extn_id == T::OID);
    found.map(|e| T::from_der(e.extn_value.as_bytes()).map_err(malformed)).transpose()
}

fn extensions(given: Option<&Extensions>) -> Result<Vec<(&'static str, Value)>, Fault> {
    let all: &[Extension] = given.map(Vec::as_slice).unwrap_or_default();
    let text = |t: &Ia5String| Value::from(t.as_str());
    let octets = |o: Option<OctetString>| o.map_or(Value::Null, |o| bytes(o.as_bytes()));

    let names = find::<SubjectAltName>(all)?.map(|n| n.0).unwrap_or_default();
    let (mut dns, mut mail, mut ips, mut uris) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for name in &names {
        match name {
            GeneralName::DnsName(name) => dns.push(text(name)),
            GeneralName::Rfc822Name(name) => mail.push(text(name)),
            GeneralName::UniformResourceIdentifier(uri) => uris.push(uri.as_str()),
            GeneralName::IpAddress(octets) => {
                let address = match *octets.as_bytes() {
                    [a, b, c, d] => IpAddr::from([a, b, c, d]),
                    ref other => IpAddr::from(
                        <[u8; 16]>::try_from(other).map_err(|_| fault("an IP address has neither 4 nor 16 bytes"))?,
                    ),
                };
                ips.push(Value::from(address.to_string()));
            }
            _ => {}
        }
    }
    let mut points = Vec::new();
    for point in find::<CrlDistributionPoints>(all)?.map(|p| p.0).unwrap_or_default() {
        if let Some(DistributionPointName::FullName(names)) = point.distribution_point {
            points.extend(names.iter().filter_map(|n| match n {
                GeneralName::UniformResourceIdentifier(uri) => Some(text(uri)),
                _ => None,
            }));
        }
    }
    let access = find::<AuthorityInfoAccessSyntax>(all)?.map(|a| a.0).unwrap_or_default();
    let at = |method: &str| {
        let wanted = access.iter().filter(|a| a.access_method.to_string() == method);
        let uris = wanted.filter_map(|a| match &a.access_location {
            GeneralName::UniformResourceIdentifier(uri) => Some(text(uri)),
            _ => None,
        });
        list(uris.collect())
    };
    let usage = find::<KeyUsage>(all)?.map_or(0, |usage| usage.0.bits());
    let extended = find::<ExtendedKeyUsage>(all)?.map(|e| e.0).unwrap_or_default();
    let (known, unknown): (Vec<_>, Vec<_>) =
        extended.into_iter().map(|o| (extended_usage(o), o)).partition(|k| k.0.is_some());
    let basic = find::<BasicConstraints>(all)?;
    let length = basic.as_ref().map_or(0, |b| b.path_len_constraint.map_or(-1, i64::from));
    let policies = find::<CertificatePolicies>(all)?.map(|p| p.0).unwrap_or_default();
    let raw = all.iter().map(|e| {
        make_object([
            ("Id", oid(e.extn_id)),
            ("Critical", e.critical.into()),
            ("Value", bytes(e.extn_value.as_bytes())),
        ])
    });
    Ok(vec![
        ("KeyUsage", Value::from(u64::from(usage))),
        ("Extensions", list(raw.collect())),
        ("ExtraExtensions", Value::Null),
        ("ExtKeyUsage", list(known.into_iter().filter_map(|k| k.0.map(Value::from)).collect())),
        ("UnknownExtKeyUsage", list(unknown.into_iter().map(|k| oid(k.1)).collect())),
        ("BasicConstraintsValid", basic.is_some().into()),
        ("IsCA", basic.is_some_and(|b| b.ca).into()),
        ("MaxPathLen", Value::from(length)),
        ("MaxPathLenZero", (all.iter().any(|e| e.extn_id == BasicConstraints::OID) && length == 0).into()),
        ("SubjectKeyId", octets(find::<SubjectKeyIdentifier>(all)?.map(|k| k.0))),
        ("AuthorityKeyId", octets(find::<AuthorityKeyIdentifier>(all)?.and_then(|k| k.key_identifier))),
        ("OCSPServer", at("1.3.6.1.5.5.7.48.1")),
        ("IssuingCertificateURL", at("1.3.6.1.5.5.7.48.2")),
        ("DNSNames", list(dns)),
        ("EmailAddresses", list(mail)),
        ("IPAddresses", list(ips)),
        ("URIs", list(uris.iter().map(|u| uri(u)).collect())),
        ("URIStrings", list(uris.iter().map(|u| Value::from(*u)).collect())),
        ("CRLDistributionPoints", list(points)),
        ("PolicyIdentifiers", list(policies.iter().map(|p| oid(p.policy_identifier)).collect())),
    ])
}

/// The number that Go gives to an extended key usage.
fn extended_usage(usage: ObjectIdentifier) -> Option<u64> {
    let text = usage.to_string();
    super::x509_verify::USAGES.iter().position(|(_, oid)| *oid == text).map(|i| i as u64)
}

/// The parts of a URI (RFC 3986 appendix B) under the names of Go's `url.URL`.
fn uri(uri: &str) -> Value {
    let (rest, fragment) = uri.split_once('#').unwrap_or((uri, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = rest.split_once(':').unwrap_or(("", rest));
    let (opaque, host, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or(("", rest, ""), |at| ("", &rest[..at], &rest[at..])),
        None if rest.starts_with('/') => ("", "", rest),
        None => (rest, "", ""),
    };
    make_object([
        ("Scheme", Value::from(scheme)),
        ("Opaque", Value::from(opaque)),
        ("User", Value::Null),
        ("Host", Value::from(host)),
        ("Path", Value::from(path)),
        ("RawPath", Value::from("")),
        ("OmitHost", false.into()),
        ("ForceQuery", false.into()),
        ("RawQuery", Value::from(query)),
        ("Fragment", Value::from(fragment)),
        ("RawFragment", Value::from("")),
    ])
}
