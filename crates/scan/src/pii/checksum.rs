//! Check digits. Each is a few lines that a property test shows to catch every single wrong digit, so none needs a
//! dependency; the crates there are for each of them parse more than is wanted here and bring types of their own.

/// The value of a digit, or of a letter as ISO 7064 and ISO 6166 count it (`A` is 10).
pub(super) const fn value(byte: u8) -> Option<u32> {
    match byte {
        b'0'..=b'9' => Some((byte - b'0') as u32),
        b'A'..=b'Z' => Some((byte - b'A') as u32 + 10),
        _ => None,
    }
}

/// The digits of `text`; `None` where something else stands in it.
fn digits(text: &[u8]) -> Option<impl DoubleEndedIterator<Item = u32> + ExactSizeIterator> {
    text.iter().all(u8::is_ascii_digit).then(|| text.iter().map(|b| u32::from(b - b'0')))
}

const fn doubled(digit: u32) -> u32 {
    let twice = digit * 2;
    if twice > 9 { twice - 9 } else { twice }
}

/// Luhn's sum, modulo 10 (ISO/IEC 7812-1 annex B).
fn luhn_sum(digits: impl DoubleEndedIterator<Item = u32>) -> u32 {
    digits.rev().enumerate().map(|(n, d)| if n % 2 == 1 { doubled(d) } else { d }).sum::<u32>() % 10
}

/// Whether the digits end in Luhn's check digit.
pub(super) fn luhn(text: &[u8]) -> bool {
    !text.is_empty() && digits(text).is_some_and(|d| luhn_sum(d) == 0)
}

/// Luhn with 80840 before the number, which is the prefix of health identifiers in the USA (45 CFR 162.406). The prefix
/// adds 24 to the sum.
pub(super) fn npi(text: &[u8]) -> bool {
    text.len() == 10 && digits(text).is_some_and(|d| (luhn_sum(d) + 24).is_multiple_of(10))
}

/// The remainder of an alphanumeric string by 97, letters as two digits (ISO 7064 MOD 97-10).
fn mod_97(text: impl Iterator<Item = u8>) -> Option<u32> {
    let mut rest = 0;
    for byte in text {
        let value = value(byte)?;
        rest = (rest * if value > 9 { 100 } else { 10 } + value) % 97;
    }
    Some(rest)
}

/// ISO 13616: the first four characters go to the end.
pub(super) fn iban(text: &[u8]) -> bool {
    text.len() > 4 && mod_97(text[4..].iter().chain(&text[..4]).copied()) == Some(1)
}

/// ISO 17442: twenty characters, the last two of them check digits.
pub(super) fn lei(text: &[u8]) -> bool {
    text.len() == 20 && mod_97(text.iter().copied()) == Some(1)
}

/// The sum of digits times weights; `None` when there is something else or another number of them.
pub(super) fn weighted(text: &[u8], weights: &[u32]) -> Option<u32> {
    if text.len() != weights.len() {
        return None;
    }
    digits(text).map(|d| d.zip(weights).map(|(d, w)| d * w).sum())
}

/// A routing number of the American Bankers Association: weights 3, 7, 1.
pub(super) fn aba(text: &[u8]) -> bool {
    weighted(text, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_some_and(|s| s.is_multiple_of(10))
}

/// Letters and digits as two digits each where they need it, then Luhn: ISO 6166 (ISIN).
pub(super) fn isin(text: &[u8]) -> bool {
    if text.len() != 12 {
        return false;
    }
    let mut digits = Vec::with_capacity(24);
    for byte in text {
        match value(*byte) {
            None => return false,
            Some(v @ 10..) => digits.extend([v / 10, v % 10]),
            Some(v) => digits.push(v),
        }
    }
    luhn_sum(digits.into_iter()) == 0
}

/// Modulus 10 double-add-double over characters, every second one doubled from the second on: CUSIP (ANSI X9.6) and, over
/// eleven characters, FIGI (OMG).
pub(super) fn double_add_double(text: &[u8]) -> bool {
    let Some((check, body)) = text.split_last() else { return false };
    let mut sum = 0;
    for (n, byte) in body.iter().enumerate() {
        let value = match byte {
            b'*' => 36,
            b'@' => 37,
            b'#' => 38,
            b => match value(*b) {
                Some(v) => v,
                None => return false,
            },
        };
        let value = if n % 2 == 1 { value * 2 } else { value };
        sum += value / 10 + value % 10;
    }
    check.is_ascii_digit() && (10 - sum % 10) % 10 == u32::from(check - b'0')
}

/// A SEDOL of the London Stock Exchange: weights 1, 3, 1, 7, 3, 9, 1.
pub(super) fn sedol(text: &[u8]) -> bool {
    const WEIGHTS: [u32; 7] = [1, 3, 1, 7, 3, 9, 1];
    let mut sum = 0;
    for (byte, weight) in text.iter().zip(WEIGHTS) {
        let Some(value) = value(*byte) else { return false };
        sum += value * weight;
    }
    text.len() == 7 && text[6].is_ascii_digit() && sum % 10 == 0
}

/// A check digit of a machine-readable travel document: weights 7, 3, 1, `<` counts nothing (ICAO Doc 9303-3, 4.9).
pub(super) fn mrz(text: &[u8], check: u8) -> bool {
    let mut sum = 0;
    for (n, byte) in text.iter().enumerate() {
        let value = match byte {
            b'<' => 0,
            b => match value(*b) {
                Some(v) => v,
                None => return false,
            },
        };
        sum += value * [7, 3, 1][n % 3];
    }
    let wanted = sum % 10;
    // An empty optional field may have a filler for its check digit.
    u32::from(check.wrapping_sub(b'0')) == wanted || (check == b'<' && text.iter().all(|b| *b == b'<'))
}

/// ISO 7064 MOD 11,10: tax numbers of Germany and Croatia.
pub(super) fn mod_11_10(text: &[u8]) -> bool {
    let Some(all) = digits(text) else { return false };
    let count = all.len();
    let mut product = 10;
    let mut last = 0;
    for (n, digit) in all.enumerate() {
        if n + 1 == count {
            last = digit;
        } else {
            let sum = match (digit + product) % 10 {
                0 => 10,
                s => s,
            };
            product = sum * 2 % 11;
        }
    }
    count > 1 && (11 - product) % 10 == last
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The one last digit that makes `holds` true of `body`, if there is one.
    pub(crate) fn completed(body: &str, holds: impl Fn(&[u8]) -> bool) -> Vec<String> {
        (0..10).map(|d| format!("{body}{d}")).filter(|t| holds(t.as_bytes())).collect()
    }

    /// `text` with the digit at `at` (in its places that are digits) changed by `by` of 1 to 9.
    fn changed(text: &str, at: usize, by: u8) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let places: Vec<usize> = (0..bytes.len()).filter(|n| bytes[*n].is_ascii_digit()).collect();
        let place = places[at % places.len()];
        bytes[place] = b'0' + (bytes[place] - b'0' + by) % 10;
        String::from_utf8(bytes).unwrap()
    }

    /// The two check digits of ISO 7064 MOD 97-10 behind `body`.
    fn check_97(body: &str) -> String {
        let rest = mod_97(body.bytes().chain(*b"00")).unwrap();
        format!("{:02}", 98 - rest)
    }

    #[test]
    fn published_numbers_hold() {
        assert!(luhn(b"4111111111111111") && luhn(b"378282246310005") && !luhn(b"4111111111111112"));
        // ISO 6166 and the identifiers of companies that everybody knows.
        for good in ["US0378331005", "AU0000XVGZA3", "GB0002634946", "DE0007164600"] {
            assert!(isin(good.as_bytes()), "{good}");
        }
        for good in ["037833100", "17275R102", "38259P508", "594918104", "68389X105"] {
            assert!(double_add_double(good.as_bytes()), "{good}");
        }
        for good in ["BBG000BLNNH6", "BBG000B9XRY4"] {
            assert!(double_add_double(good.as_bytes()), "{good}");
        }
        assert!(sedol(b"0263494") && sedol(b"B0WNLY7") && !sedol(b"B0WNLY8"));
        assert!(lei(b"5493001KJTIIGC8Y1R12") && lei(b"F50EOCWSQFAUVO9Q8Z97"));
        assert!(aba(b"021000021") && aba(b"011401533") && !aba(b"021000022"));
        assert!(npi(b"1234567893") && !npi(b"1234567890"));
        assert!(iban(b"DE89370400440532013000") && iban(b"GB29NWBK60161331926819"));
        assert!(mod_11_10(b"86095742719"));
        // ICAO Doc 9303-3, appendix A.
        assert!(mrz(b"520727", b'3') && mrz(b"AB2134<<<", b'5'));
    }

    proptest! {
        #[test]
        fn luhn_has_one_check_digit_and_no_digit_may_change(body in "[0-9]{7,18}", at: usize, by in 1_u8..10) {
            let whole = completed(&body, luhn);
            prop_assert_eq!(whole.len(), 1);
            prop_assert!(!luhn(changed(&whole[0], at, by).as_bytes()));
        }

        #[test]
        fn luhn_sees_neighbours_exchanged(body in "[0-9]{7,18}", at: prop::sample::Index) {
            let mut bytes = completed(&body, luhn).remove(0).into_bytes();
            let n = at.index(bytes.len() - 1);
            // 09 and 90 are the pair that it cannot tell apart.
            let blind = matches!((bytes[n], bytes[n + 1]), (b'0', b'9') | (b'9', b'0'));
            let same = bytes[n] == bytes[n + 1];
            bytes.swap(n, n + 1);
            prop_assert_eq!(luhn(&bytes), blind || same);
        }

        #[test]
        fn npi_is_luhn_behind_its_prefix(body in "[12][0-9]{8}", at: usize, by in 1_u8..10) {
            let whole = completed(&body, npi);
            prop_assert_eq!(whole.len(), 1);
            let prefixed = format!("80840{}", whole[0]);
            prop_assert!(luhn(prefixed.as_bytes()));
            prop_assert!(!npi(changed(&whole[0], at, by).as_bytes()));
        }

        #[test]
        fn aba_has_one_check_digit(body in "[0-9]{8}", at: usize, by in 1_u8..10) {
            let whole = completed(&body, aba);
            prop_assert_eq!(whole.len(), 1);
            prop_assert!(!aba(changed(&whole[0], at, by).as_bytes()));
        }

        #[test]
        fn iban_sees_every_changed_digit(country in "[A-Z]{2}", bban in "[0-9A-Z]{10,30}", at: usize, by in 1_u8..10) {
            let whole = format!("{country}{}{bban}", check_97(&format!("{bban}{country}")));
            prop_assert!(iban(whole.as_bytes()), "{}", whole);
            prop_assert!(!iban(changed(&whole, at, by).as_bytes()));
        }

        #[test]
        fn lei_sees_every_changed_digit(body in "[0-9A-Z]{18}", at: usize, by in 1_u8..10) {
            let whole = format!("{body}{}", check_97(&body));
            prop_assert!(lei(whole.as_bytes()), "{}", whole);
            prop_assert!(!lei(changed(&whole, at, by).as_bytes()));
        }

        #[test]
        fn isin_has_one_check_digit(body in "[A-Z]{2}[0-9A-Z]{9}", at: usize, by in 1_u8..10) {
            let whole = completed(&body, isin);
            prop_assert_eq!(whole.len(), 1);
            prop_assert!(!isin(changed(&whole[0], at, by).as_bytes()));
        }

        #[test]
        fn cusip_has_one_check_digit(body in "[0-9A-Z*@#]{8}", at: usize, by in 1_u8..10) {
            let whole = completed(&body, double_add_double);
            prop_assert_eq!(whole.len(), 1);
            prop_assert!(!double_add_double(changed(&whole[0], at, by).as_bytes()));
        }

        #[test]
        fn figi_has_one_check_digit(body in "BBG[0-9B-DF-HJ-NP-TV-Z]{8}", at: usize, by in 1_u8..10) {
            let whole = completed(&body, double_add_double);
            prop_assert_eq!(whole.len(), 1);
            prop_assert!(!double_add_double(changed(&whole[0], at, by).as_bytes()));
        }

        #[test]
        fn sedol_has_one_check_digit(body in "[0-9B-DF-HJ-NP-TV-Z]{6}", at: usize, by in 1_u8..10) {
            let whole = completed(&body, sedol);
            prop_assert_eq!(whole.len(), 1);
            prop_assert!(!sedol(changed(&whole[0], at, by).as_bytes()));
        }

        #[test]
        fn mrz_has_one_check_digit(body in "[0-9A-Z<]{1,40}[0-9A-Z]") {
            prop_assert_eq!((b'0'..=b'9').filter(|d| mrz(body.as_bytes(), *d)).count(), 1);
        }

        #[test]
        fn mod_11_10_has_one_check_digit(body in "[0-9]{8,10}", at: usize, by in 1_u8..10) {
            let whole = completed(&body, mod_11_10);
            prop_assert_eq!(whole.len(), 1);
            prop_assert!(!mod_11_10(changed(&whole[0], at, by).as_bytes()));
        }

        #[test]
        fn any_bytes_will_do(text: Vec<u8>) {
            for check in [luhn, npi, iban, lei, aba, isin, double_add_double, sedol, mod_11_10] {
                let _ = check(&text);
            }
            let _ = mrz(&text, b'0');
        }
    }
}
