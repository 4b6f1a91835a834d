//! The address of a key in a device: a PKCS#11 URI (RFC 7512), as `p11tool` and `pkcs11-tool` users know it.

use std::fmt;
use std::path::PathBuf;

use super::DeviceError;

/// Bytes of the longest address that is read.
const MAX_BYTES: usize = 4096;

/// A PKCS#11 URI that names one private key. What is absent matches anything.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyUri {
    text: String,
    /// The token's label.
    pub token: Option<String>,
    /// The token's maker.
    pub manufacturer: Option<String>,
    /// The token's model.
    pub model: Option<String>,
    /// The token's serial number.
    pub serial: Option<String>,
    /// The number of the slot that the token is in.
    pub slot: Option<u64>,
    /// The key's label (CKA_LABEL).
    pub object: Option<String>,
    /// The key's id (CKA_ID).
    pub id: Option<Vec<u8>>,
    /// The library that speaks to the device.
    pub module: PathBuf,
    /// The file that holds the PIN.
    pub pin_file: Option<PathBuf>,
}

impl KeyUri {
    /// Reads an address.
    ///
    /// # Errors
    /// [`DeviceError::Uri`] when it is no PKCS#11 URI (RFC 7512 §2.3), names no module or no key, holds an attribute
    /// that is not understood, or the PIN itself.
    pub fn parse(text: &str) -> Result<Self, DeviceError> {
        let wrong = |what: &str| DeviceError::Uri { what: what.to_owned() };
        if text.len() > MAX_BYTES {
            return Err(wrong("it is longer than 4096 bytes"));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong("it holds spaces or characters that have to be percent-encoded"));
        }
        let rest = text.strip_prefix("pkcs11:").ok_or_else(|| wrong("it does not start with `pkcs11:`"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self {
            text: text.to_owned(),
            token: None,
            manufacturer: None,
            model: None,
            serial: None,
            slot: None,
            object: None,
            id: None,
            module: PathBuf::new(),
            pin_file: None,
        };
        let mut seen = Vec::new();
        let attributes = path.split(';').map(|a| (a, true)).chain(query.split('&').map(|a| (a, false)));
        for (attribute, in_path) in attributes.filter(|(a, _)| !a.is_empty()) {
            let (name, value) = attribute.split_once('=').ok_or_else(|| wrong("an attribute has no value"))?;
            if seen.contains(&name) {
                return Err(DeviceError::Uri { what: format!("`{name}` is in it twice") });
            }
            seen.push(name);
            let value = decode(value).ok_or_else(|| wrong("its percent-encoding is broken"))?;
            if in_path { uri.path_attribute(name, value)? } else { uri.query_attribute(name, &value)? }
        }
        if uri.object.is_none() && uri.id.is_none() {
            return Err(wrong("it names no key: give `object` (the label) or `id`"));
        }
        if !uri.module.is_absolute() {
            return Err(wrong("it names no module: give `module-path`, an absolute path, behind `?`"));
        }
        Ok(uri)
    }

    fn path_attribute(&mut self, name: &str, value: Vec<u8>) -> Result<(), DeviceError> {
        match name {
            "token" => self.token = Some(utf8(name, value)?),
            "manufacturer" => self.manufacturer = Some(utf8(name, value)?),
            "model" => self.model = Some(utf8(name, value)?),
            "serial" => self.serial = Some(utf8(name, value)?),
            "object" => self.object = Some(utf8(name, value)?),
            "id" => self.id = Some(value),
            "slot-id" => {
                let number = utf8(name, value)?.parse();
                self.slot = Some(number.map_err(|_| DeviceError::Uri { what: "`slot-id` is no number".into() })?);
            }
            "type" if value == b"private" => {}
            "type" => return Err(DeviceError::Uri { what: "its `type` is not `private`".into() }),
            other => return Err(not_understood(other)),
        }
        Ok(())
    }

    fn query_attribute(&mut self, name: &str, value: &[u8]) -> Result<(), DeviceError> {
        match name {
            "module-path" => self.module = PathBuf::from(utf8(name, value.to_vec())?),
            "pin-source" => {
                let source = utf8(name, value.to_vec())?;
                let path = source.strip_prefix("file:").map(|p| p.strip_prefix("//").unwrap_or(p));
                let path = path.map(PathBuf::from).filter(|p| p.is_absolute());
                let what = "`pin-source` is not `file:` and an absolute path";
                self.pin_file = Some(path.ok_or_else(|| DeviceError::Uri { what: what.into() })?);
            }
            // An address stands in files, in shell histories and in lists of processes.
            "pin-value" => return Err(DeviceError::Uri { what: "it holds the PIN itself".into() }),
            other => return Err(not_understood(other)),
        }
        Ok(())
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is not understood cannot be ignored: it would name another key than was meant.
fn not_understood(name: &str) -> DeviceError {
    DeviceError::Uri { what: format!("its attribute `{name}` is not understood here") }
}

fn utf8(name: &str, value: Vec<u8>) -> Result<String, DeviceError> {
    String::from_utf8(value).map_err(|_| DeviceError::Uri { what: format!("its `{name}` is not UTF-8") })
}

/// Percent-decoding (RFC 3986 §2.1).
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
        out.push(high << 4 | low);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_read() {
        let text = "pkcs11:token=The%20Log;manufacturer=M;model=X;serial=0f;slot-id=12;object=log;id=%01%fF;type=private\
                    ?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin";
        let uri = KeyUri::parse(text).unwrap();
        assert_eq!(uri.token.as_deref(), Some("The Log"));
        assert_eq!((uri.manufacturer.as_deref(), uri.model.as_deref()), (Some("M"), Some("X")));
        assert_eq!((uri.serial.as_deref(), uri.slot), (Some("0f"), Some(12)));
        assert_eq!((uri.object.as_deref(), uri.id.as_deref()), (Some("log"), Some(&[1, 255][..])));
        assert_eq!(uri.module, PathBuf::from("/usr/lib/softhsm/libsofthsm2.so"));
        assert_eq!(uri.pin_file, Some(PathBuf::from("/run/pin")));
        assert_eq!(uri.to_string(), text);
        let slashes = KeyUri::parse("pkcs11:object=k?module-path=/m&pin-source=file:///p").unwrap();
        assert_eq!(slashes.pin_file, Some(PathBuf::from("/p")));
    }

    #[test]
    fn what_could_mean_another_key_is_refused() {
        for (text, why) in [
            ("PKCS11:object=k?module-path=/m", "start with"),
            ("pkcs11:object=k", "module-path"),
            ("pkcs11:object=k?module-path=m.so", "absolute"),
            ("pkcs11:token=t?module-path=/m", "names no key"),
            ("pkcs11:object=k;object=l?module-path=/m", "twice"),
            ("pkcs11:object=k;type=public?module-path=/m", "private"),
            ("pkcs11:object=k;x-mine=1?module-path=/m", "not understood"),
            ("pkcs11:object=k?module-path=/m&module-name=softhsm2", "not understood"),
            ("pkcs11:object=k?module-path=/m&pin-value=1234", "PIN itself"),
            ("pkcs11:object=k?module-path=/m&pin-source=|cat", "file:"),
            ("pkcs11:object=k?module-path=/m&pin-source=file:pin", "absolute"),
            ("pkcs11:object=%4?module-path=/m", "percent"),
            ("pkcs11:object=%ff?module-path=/m", "UTF-8"),
            ("pkcs11:object=a b?module-path=/m", "spaces"),
            ("pkcs11:object?module-path=/m", "no value"),
            ("pkcs11:object=k;slot-id=x?module-path=/m", "no number"),
        ] {
            let error = KeyUri::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(KeyUri::parse(&format!("pkcs11:object={}?module-path=/m", "k".repeat(5000))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text: String) {
            let _ = KeyUri::parse(&format!("pkcs11:{text}")).is_ok();
        }

        #[test]
        fn a_label_survives_its_encoding(label: String) {
            let encoded: String = label.bytes().map(|b| format!("%{b:02X}")).collect();
            let uri = KeyUri::parse(&format!("pkcs11:object={encoded}?module-path=/m"));
            if label.len() < 1000 {
                proptest::prop_assert_eq!(uri.unwrap().object, Some(label));
            }
        }
    }
}
