//! Where a PIN comes from. It is never on a command line, and never in an address.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::{DeviceError, KeyUri};

/// Bytes of the longest PIN.
const MAX_BYTES: u64 = 1024;

/// The PIN for a token: from the file that the address names, else the given one.
pub(super) fn of(uri: &KeyUri, given: Option<&Zeroizing<String>>) -> Result<AuthPin, DeviceError> {
    let pin = match (&uri.pin_file, given) {
        (Some(path), _) => read(path)?,
        (None, Some(pin)) => pin.clone(),
        (None, None) => return Err(DeviceError::NoPin),
    };
    Ok(AuthPin::from(pin.as_str().to_owned()))
}

fn read(path: &Path) -> Result<Zeroizing<String>, DeviceError> {
    let fail = |source| DeviceError::PinFile { path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    let about = file.metadata().map_err(fail)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 != 0 {
        return Err(DeviceError::PinExposed { path: path.to_owned() });
    }
    if !about.is_file() {
        return Err(fail(std::io::Error::other("it is not a file")));
    }
    let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES as usize));
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(fail)?;
    let pin = text.strip_suffix('\n').unwrap_or(&text);
    if pin.is_empty() {
        return Err(fail(std::io::Error::other("it is empty")));
    }
    Ok(Zeroizing::new(pin.to_owned()))
}
