//! Identifiers of securities and of those who issue and trade them. They are public: a rule finds them only together
//! with what is not.

use super::bank::is_country;
use super::checksum;
use super::kind::{Reading, Shape, ends};

fn plain(rest: &[u8], len: usize, good: impl FnOnce(&[u8]) -> bool) -> Option<Reading> {
    let value = rest.get(..len)?;
    (ends(rest, len) && good(value)).then_some(Reading { len, shape: Shape::Plain })
}

fn consonant_or_digit(b: u8) -> bool {
    b.is_ascii_digit() || (b.is_ascii_uppercase() && !matches!(b, b'A' | b'E' | b'I' | b'O' | b'U'))
}

/// ISO 6166. Beside countries: XS (cross-border), EU, EZ (derivatives), and the older XA to XF.
pub(super) fn read_isin(rest: &[u8]) -> Option<Reading> {
    plain(rest, 12, |v| {
        let prefix = is_country(&v[..2]) || matches!(&v[..2], b"XS" | b"EU" | b"EZ" | b"QS" | [b'X', b'A'..=b'F']);
        prefix && checksum::isin(v)
    })
}

/// A CUSIP has digits at its fourth place at the latest; what has none is a word.
pub(super) fn read_cusip(rest: &[u8]) -> Option<Reading> {
    plain(rest, 9, |v| v.iter().filter(|b| b.is_ascii_digit()).count() >= 3 && checksum::double_add_double(v))
}

pub(super) fn read_sedol(rest: &[u8]) -> Option<Reading> {
    plain(rest, 7, |v| v.iter().copied().all(consonant_or_digit) && checksum::sedol(v))
}

/// Two consonants that are no country's ISIN prefix which could be taken for one, `G`, eight consonants or digits, check
/// digit (OMG Financial Instrument Global Identifier).
pub(super) fn read_figi(rest: &[u8]) -> Option<Reading> {
    plain(rest, 12, |v| {
        v[2] == b'G'
            && v[..2].iter().all(|b| b.is_ascii_uppercase())
            && !matches!(&v[..2], b"BS" | b"BM" | b"GG" | b"GB" | b"GH" | b"KY" | b"VG")
            && v.iter().copied().all(consonant_or_digit)
            && checksum::double_add_double(v)
    })
}

/// ISO 17442.
pub(super) fn read_lei(rest: &[u8]) -> Option<Reading> {
    plain(rest, 20, |v| v[18..].iter().all(u8::is_ascii_digit) && checksum::lei(v))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identifiers_are_read_whole() {
        assert!(read_isin(b"US0378331005,").is_some() && read_isin(b"US03783310051").is_none());
        assert!(read_isin(b"ZZ0378331005").is_none());
        assert!(read_cusip(b"037833100").is_some() && read_cusip(b"037833101").is_none());
        assert!(read_sedol(b"B0WNLY7").is_some() && read_sedol(b"A0WNLY7").is_none());
        assert!(read_figi(b"BBG000BLNNH6").is_some() && read_figi(b"GBG000BLNNH6").is_none());
        assert!(read_lei(b"5493001KJTIIGC8Y1R12").is_some() && read_lei(b"5493001KJTIIGC8Y1R13").is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_will_do(bytes: Vec<u8>, text in "[0-9A-Z]{0,24}") {
            for read in [read_isin, read_cusip, read_sedol, read_figi, read_lei] {
                let _ = (read(&bytes), read(text.as_bytes()));
            }
        }
    }
}
