//! What the browser says about a ceremony (WebAuthn §5.8.1), read strictly.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;

use super::{LARGEST, PasskeyError, base64url};

/// An object in which no key stands twice: of two, one reader takes the first and another the last.
struct Unique(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object without a key twice")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut all = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if all.insert(key, value).is_some() {
                        return Err(serde::de::Error::custom("a key stands twice"));
                    }
                }
                Ok(Unique(all))
            }
        }
        d.deserialize_map(Keys)
    }
}

/// Checks that it is of this kind of ceremony, for this challenge, in this origin, and not in another site's frame.
pub(super) fn check(bytes: &[u8], kind: &str, challenge: &[u8], origin: &str) -> Result<(), PasskeyError> {
    if bytes.len() > LARGEST {
        return Err(PasskeyError::Form("the client data is larger than 64 KiB"));
    }
    let Unique(said) = serde_json::from_slice(bytes)
        .map_err(|_| PasskeyError::Form("the client data is no JSON object without a key twice"))?;
    let text = |key: &str| said.get(key).and_then(Value::as_str);
    if text("type") != Some(kind) {
        return Err(PasskeyError::Ceremony("the client data is of another ceremony"));
    }
    let challenge = base64url(challenge);
    if text("challenge") != Some(&challenge) {
        return Err(PasskeyError::Ceremony("the client data has another challenge"));
    }
    if text("origin") != Some(origin) {
        return Err(PasskeyError::Ceremony("the client data has another origin"));
    }
    if said.get("crossOrigin").is_some_and(|v| *v != Value::Bool(false)) || said.contains_key("topOrigin") {
        return Err(PasskeyError::Ceremony("it was asked inside another site's frame"));
    }
    // The one order in which browsers write it (WebAuthn §5.8.1.1), and in which OpenSSH reads it.
    let begins = format!("{{\"type\":\"{kind}\",\"challenge\":\"{challenge}\",\"origin\":\"{origin}\"");
    if !bytes.starts_with(begins.as_bytes()) {
        return Err(PasskeyError::Form("the client data does not begin with type, challenge and origin"));
    }
    Ok(())
}
