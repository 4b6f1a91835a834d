//! Random bytes of the operating system.

use crate::Error;

/// `N` bytes from the operating system's generator, fit for keys and nonces.
///
/// # Errors
/// [`Error::Random`] when the operating system has none to give; there is no weaker source to fall back on.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::Random(std::io::Error::other(e.to_string())))?;
    Ok(bytes)
}
