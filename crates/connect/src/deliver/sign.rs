//! Signatures of webhooks, as Standard Webhooks has them (github.com/standard-webhooks, specification 1.0): HMAC-SHA256 over
//! `ID.TIMESTAMP.BODY`, in three headers. Receivers have libraries for it in every language.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_model::Timestamp;
use ring::hmac;
use zeroize::Zeroizing;

/// A secret that sender and receiver share.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret")
    }
}

impl WebhookSecret {
    /// Reads `whsec_` and 24 to 64 bytes in base64, as the specification has it.
    ///
    /// # Errors
    /// What is wrong with it; never a part of it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim().strip_prefix("whsec_").ok_or("a secret is written `whsec_` and base64")?;
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| "what follows `whsec_` is no base64")?);
        if !(24..=64).contains(&bytes.len()) {
            return Err("a secret has 24 to 64 bytes");
        }
        Ok(Self(bytes))
    }

    fn sign(&self, signed: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        STANDARD.encode(hmac::sign(&key, signed))
    }
}

/// The three headers for a body: with one signature for each secret, so that a receiver that knows the new or the old one believes it.
#[must_use]
pub fn sign(secrets: &[WebhookSecret], id: &str, time: Timestamp, body: &[u8]) -> Vec<(&'static str, String)> {
    let seconds = (time.millis() / 1000).to_string();
    let mut headers = vec![("webhook-id", id.to_owned()), ("webhook-timestamp", seconds.clone())];
    if !secrets.is_empty() {
        let mut signed = format!("{id}.{seconds}.").into_bytes();
        signed.extend_from_slice(body);
        let all: Vec<String> = secrets.iter().map(|secret| format!("v1,{}", secret.sign(&signed))).collect();
        headers.push(("webhook-signature", all.join(" ")));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> WebhookSecret {
        WebhookSecret::parse(&format!("whsec_{}\n", STANDARD.encode([byte; 32]))).unwrap()
    }

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // Computed with Python's hmac over b"msg_1.1700000000.{}" and 32 bytes of 0x01.
        let headers = sign(&[secret(1)], "msg_1", Timestamp::from_millis(1_700_000_000_999), b"{}");
        assert_eq!(headers[0], ("webhook-id", "msg_1".to_owned()));
        assert_eq!(headers[1], ("webhook-timestamp", "1700000000".to_owned()));
        assert_eq!(headers[2], ("webhook-signature", "v1,xtZ05xWlw5OgOLjDd6HtOXxhC1OXgHe80DYwEPUhaCI=".to_owned()));
        let both = sign(&[secret(1), secret(2)], "msg_1", Timestamp::from_millis(1_700_000_000_999), b"{}");
        let signatures: Vec<&str> = both[2].1.split(' ').collect();
        assert_eq!((signatures.len(), signatures[0]), (2, headers[2].1.as_str()));
        assert_ne!(signatures[0], signatures[1]);
        assert_eq!(sign(&[], "a", Timestamp::from_millis(0), b"").len(), 2);
    }

    #[test]
    fn a_secret_is_never_shown_and_never_weak() {
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        let long = format!("whsec_{}", STANDARD.encode([1; 65]));
        for bad in ["", "whsec_", "whsec_!!!", &STANDARD.encode([1; 32]), &short, &long] {
            let why = WebhookSecret::parse(bad).unwrap_err();
            assert!(bad.len() < 10 || !why.contains(bad));
        }
        assert_eq!(format!("{:?}", secret(1)), "WebhookSecret");
    }
}
