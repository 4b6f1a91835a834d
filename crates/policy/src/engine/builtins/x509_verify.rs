//! `crypto.x509.parse_and_verify_certificates` and its form with options: path validation (RFC 5280 6).
//!
//! It is never more lenient than OPA's, and stricter where `rustls-webpki` is: version 3 certificates only, no leaf
//! that is an authority itself, RSA keys of 2048 bits at least, no P-521.

use std::time::Duration;

use regorus::Value;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, RequiredEkuNotFoundContext};

use super::args::{fault, object, string};
use super::{Builtin, Fault, frozen, x509};

pub(super) const FAMILY: &[Builtin] = &[
    Builtin {
        name: "crypto.x509.parse_and_verify_certificates",
        arity: 1,
        call: |args| verify(args, &Options::default()),
    },
    Builtin {
        name: "crypto.x509.parse_and_verify_certificates_with_options",
        arity: 2,
        call: |args| verify(args, &Options::of(args)?),
    },
];

/// The extended key usages that have a name, without its `KeyUsage`. The place in the list is Go's number for it.
pub(super) const USAGES: [(&str, &str); 14] = [
    ("Any", "2.5.29.37.0"),
    ("ServerAuth", "1.3.6.1.5.5.7.3.1"),
    ("ClientAuth", "1.3.6.1.5.5.7.3.2"),
    ("CodeSigning", "1.3.6.1.5.5.7.3.3"),
    ("EmailProtection", "1.3.6.1.5.5.7.3.4"),
    ("IPSECEndSystem", "1.3.6.1.5.5.7.3.5"),
    ("IPSECTunnel", "1.3.6.1.5.5.7.3.6"),
    ("IPSECUser", "1.3.6.1.5.5.7.3.7"),
    ("TimeStamping", "1.3.6.1.5.5.7.3.8"),
    ("OCSPSigning", "1.3.6.1.5.5.7.3.9"),
    ("MicrosoftServerGatedCrypto", "1.3.6.1.4.1.311.10.3.3"),
    ("NetscapeServerGatedCrypto", "2.16.840.1.113730.4.1"),
    ("MicrosoftCommercialCodeSigning", "1.3.6.1.4.1.311.2.1.22"),
    ("MicrosoftKernelCodeSigning", "1.3.6.1.4.1.311.61.1.1"),
];

#[derive(Default)]
struct Options {
    dns_name: Option<String>,
    /// Nanoseconds since 1970.
    time: Option<i64>,
    usages: Vec<&'static str>,
}

impl Options {
    fn of(args: &[Value]) -> Result<Self, Fault> {
        let mut options = Self::default();
        for (key, value) in object(args, 1)?.iter_sorted() {
            let Value::String(name) = key else { continue };
            match &**name {
                "DNSName" => {
                    let name = value.as_string().map_err(|_| fault("'DNSName' should be a string"))?;
                    options.dns_name = Some(name.trim_matches('"').to_owned()).filter(|n| !n.is_empty());
                }
                "CurrentTime" => {
                    options.time = Some(
                        value.as_i64().map_err(|_| fault("'CurrentTime' should be a whole number of nanoseconds"))?,
                    );
                }
                // The bound of the validation is a fixed one here.
                "MaxConstraintComparisons" => {
                    value.as_i64().map_err(|_| fault("'MaxConstraintComparisons' should be a whole number"))?;
                }
                "KeyUsages" => {
                    let wrong = |_| fault("'KeyUsages' should be an array or set");
                    for usage in super::args::elements(std::slice::from_ref(value), 0).map_err(wrong)? {
                        let name = usage.as_string().map_err(|_| fault("'KeyUsages' should have strings"))?;
                        let name = name.trim_matches('"');
                        let found = USAGES.iter().find(|(n, _)| name.strip_prefix("KeyUsage") == Some(n));
                        let (_, oid) =
                            found.ok_or_else(|| fault(format!("invalid entry for 'KeyUsages' found: {name}")))?;
                        options.usages.push(oid);
                    }
                }
                _ => return Err(fault(format!("invalid key option `{name}`"))),
            }
        }
        Ok(options)
    }
}

/// One of several usages is enough, and so is a certificate that says none (RFC 5280 4.2.1.12).
struct AnyOf<'a>(&'a [&'static str]);

impl ExtendedKeyUsageValidator for AnyOf<'_> {
    fn validate(&self, ids: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let (any, server) = (USAGES[0].1, USAGES[1].1);
        let wanted: &[&str] = if self.0.is_empty() { &[server] } else { self.0 };
        let mut none = true;
        for id in ids {
            let arcs: Vec<String> = id?.to_decoded_oid().iter().map(usize::to_string).collect();
            let oid = arcs.join(".");
            if oid == any || wanted.contains(&oid.as_str()) {
                return Ok(());
            }
            none = false;
        }
        if none || wanted.contains(&any) {
            return Ok(());
        }
        Err(Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext {
            required: webpki::KeyUsage::server_auth(),
            present: Vec::new(),
        }))
    }
}

/// The first certificate is the one that is trusted, the last the one that is verified.
fn verify(args: &[Value], options: &Options) -> Result<Value, Fault> {
    let invalid = || Ok(Value::from(vec![false.into(), Value::new_array()]));
    let Ok(all) = x509::certificates(string(args, 0)?) else {
        return invalid();
    };
    let ders: Vec<CertificateDer<'_>> = all.iter().map(|(_, der)| CertificateDer::from(der.as_slice())).collect();
    let Some(path) = path(&ders, options) else {
        return invalid();
    };
    let mut chain = Vec::new();
    for i in path {
        // What the validation does not look at may be malformed still.
        match all.get(i).map(|(certificate, der)| x509::to_value(certificate, der)) {
            Some(Ok(value)) => chain.push(value),
            _ => return invalid(),
        }
    }
    Ok(Value::from(vec![true.into(), Value::from(chain)]))
}

/// The places of the certificates from the leaf to the root, if the leaf is valid.
fn path(ders: &[CertificateDer<'_>], options: &Options) -> Option<Vec<usize>> {
    let (root, rest) = ders.split_first()?;
    let (leaf, between) = rest.split_last()?;
    let anchors = [webpki::anchor_from_trusted_cert(root).ok()?];
    let leaf = EndEntityCert::try_from(leaf).ok()?;
    let ns = u64::try_from(options.time.unwrap_or(frozen::now_ns())).ok()?;
    let time = UnixTime::since_unix_epoch(Duration::from_nanos(ns));
    let found = leaf
        .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, between, time, AnyOf(&options.usages), None, None)
        .ok()?;
    // A trust anchor's own dates are not looked at by the validation; Go looks at them.
    let (trusted, _) = x509::certificates(&super::pem::to_base64(root)).ok()?.into_iter().next()?;
    let validity = &trusted.tbs_certificate.validity;
    let now = Duration::from_secs(time.as_secs());
    if now < validity.not_before.to_unix_duration() || now > validity.not_after.to_unix_duration() {
        return None;
    }
    if let Some(name) = &options.dns_name {
        leaf.verify_is_valid_for_subject_name(&ServerName::try_from(name.as_str()).ok()?).ok()?;
    }
    let mut path = vec![ders.len() - 1];
    for used in found.intermediate_certificates() {
        path.push(ders.iter().position(|der| *der == used.der())?);
    }
    path.push(0);
    Some(path)
}
