//! VAT numbers of the Union's member states and of the United Kingdom (VIES; Council Directive 2006/112/EC, article 215).
//!
//! By checksum: AT, BE, DE, DK, ES (companies by form), FI, FR (where the key is two digits), GB, HR, IE, IT, LU, NL (the
//! older numbers; those since 2020 by MOD 97-10), PL, PT, SE, SI, EL. By form alone: BG, CY, CZ, EE, HU, LT, LV, MT, RO,
//! SK.

use super::checksum::{self, luhn, mod_11_10, weighted};

/// The form behind the country's letters: `n` a digit, `a` a letter, `x` either. Several where there are several.
const FORMS: [(&[u8; 2], &[&str]); 29] = [
    (b"AT", &["Unnnnnnnn"]),
    (b"BE", &["nnnnnnnnnn"]),
    (b"BG", &["nnnnnnnnn", "nnnnnnnnnn"]),
    (b"CY", &["nnnnnnnna"]),
    (b"CZ", &["nnnnnnnn", "nnnnnnnnn", "nnnnnnnnnn"]),
    (b"DE", &["nnnnnnnnn"]),
    (b"DK", &["nnnnnnnn"]),
    (b"EE", &["nnnnnnnnn"]),
    (b"EL", &["nnnnnnnnn"]),
    (b"ES", &["xnnnnnnnx"]),
    (b"FI", &["nnnnnnnn"]),
    (b"FR", &["xxnnnnnnnnn"]),
    (b"GB", &["nnnnnnnnn", "nnnnnnnnnnnn"]),
    (b"XI", &["nnnnnnnnn", "nnnnnnnnnnnn"]),
    (b"HR", &["nnnnnnnnnnn"]),
    (b"HU", &["nnnnnnnn"]),
    (b"IE", &["nnnnnnna", "nnnnnnnaa", "nxnnnnna"]),
    (b"IT", &["nnnnnnnnnnn"]),
    (b"LT", &["nnnnnnnnn", "nnnnnnnnnnnn"]),
    (b"LU", &["nnnnnnnn"]),
    (b"LV", &["nnnnnnnnnnn"]),
    (b"MT", &["nnnnnnnn"]),
    (b"NL", &["nnnnnnnnnBnn"]),
    (b"PL", &["nnnnnnnnnn"]),
    (b"PT", &["nnnnnnnnn"]),
    (b"RO", &["nnnnnnnn", "nnnnnnnnn", "nnnnnnnnnn"]),
    (b"SE", &["nnnnnnnnnnnn"]),
    (b"SI", &["nnnnnnnn"]),
    (b"SK", &["nnnnnnnnnn"]),
];

/// The longest there is, with its country.
pub(super) const LONGEST: usize = 14;

fn has_form(text: &[u8], form: &str) -> bool {
    text.len() == form.len()
        && text.iter().zip(form.bytes()).all(|(b, f)| match f {
            b'n' => b.is_ascii_digit(),
            b'a' => b.is_ascii_uppercase(),
            b'x' => b.is_ascii_uppercase() || b.is_ascii_digit(),
            f => *b == f,
        })
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Whether `text` (upper-case letters and digits alone) is a number of the country that it begins with.
pub(super) fn is_vat(text: &[u8]) -> bool {
    let Some((country, rest)) = text.split_at_checked(2) else { return false };
    let known = FORMS.iter().find(|(c, _)| c.as_slice() == country);
    let Some((_, forms)) = known else { return false };
    // Filled with one digit is a placeholder everywhere.
    let digits: Vec<u8> = rest.iter().copied().filter(u8::is_ascii_digit).collect();
    if digits.iter().all(|d| Some(d) == digits.first()) {
        return false;
    }
    forms.iter().any(|f| has_form(rest, f)) && checked(country, rest, text).unwrap_or(false)
}

/// `None` where something is not as the form promises.
fn checked(country: &[u8], t: &[u8], whole: &[u8]) -> Option<bool> {
    let last = |n: usize| t.get(n).map(|b| u32::from(b.wrapping_sub(b'0')));
    Some(match country {
        // Luhn over eight digits with 4 added (BMF, UID-Nummer).
        b"AT" => {
            let sum: u32 = t[1..8]
                .iter()
                .enumerate()
                .map(|(n, b)| {
                    let d = u32::from(b - b'0');
                    if n % 2 == 1 { d * 2 / 10 + d * 2 % 10 } else { d }
                })
                .sum();
            (10 - (sum + 4) % 10) % 10 == last(8)?
        }
        b"BE" => matches!(t[0], b'0' | b'1') && 97 - number(&t[..8])? % 97 == number(&t[8..])?,
        b"DE" => t[0] != b'0' && mod_11_10(t),
        b"DK" => t[0] != b'0' && weighted(t, &[2, 7, 6, 5, 4, 3, 2, 1])?.is_multiple_of(11),
        b"EL" => weighted(&t[..8], &[256, 128, 64, 32, 16, 8, 4, 2])? % 11 % 10 == last(8)?,
        b"ES" => spanish(t),
        b"FI" => match weighted(&t[..7], &[7, 9, 10, 5, 8, 4, 2])? % 11 {
            0 => last(7)? == 0,
            1 => false,
            r => 11 - r == last(7)?,
        },
        b"FR" => match number(&t[..2]) {
            Some(key) => (12 + 3 * (number(&t[2..])? % 97)) % 97 == key && luhn(&t[2..]),
            None => !t[..2].iter().any(|b| matches!(b, b'O' | b'I')) && luhn(&t[2..]),
        },
        b"GB" | b"XI" => {
            let sum = weighted(&t[..7], &[8, 7, 6, 5, 4, 3, 2])? + u32::try_from(number(&t[7..9])?).ok()?;
            sum.is_multiple_of(97) || (sum + 55).is_multiple_of(97)
        }
        b"HR" => mod_11_10(t),
        b"IE" => irish(t)?,
        b"IT" => luhn(t),
        b"LU" => number(&t[..6])? % 89 == number(&t[6..])?,
        b"NL" => {
            let sum = weighted(&t[..8], &[9, 8, 7, 6, 5, 4, 3, 2])? % 11;
            (sum < 10 && sum == last(8)?) || sole_trader(whole)
        }
        b"PL" => weighted(&t[..9], &[6, 5, 7, 2, 3, 4, 5, 6, 7])? % 11 == last(9)?,
        b"PT" => match 11 - weighted(&t[..8], &[9, 8, 7, 6, 5, 4, 3, 2])? % 11 {
            10 | 11 => last(8)? == 0,
            c => c == last(8)?,
        },
        b"SE" => t.ends_with(b"01") && luhn(&t[..10]),
        b"SI" => match 11 - weighted(&t[..7], &[8, 7, 6, 5, 4, 3, 2])? % 11 {
            10 => last(7)? == 0,
            11 => false,
            c => t[0] != b'0' && c == last(7)?,
        },
        _ => true,
    })
}

/// Dutch numbers of sole traders: MOD 97-10 over all characters, country included.
fn sole_trader(whole: &[u8]) -> bool {
    let rest =
        whole.iter().try_fold(0, |rest, b| checksum::value(*b).map(|v| (rest * if v > 9 { 100 } else { 10 } + v) % 97));
    rest == Some(1)
}

/// People's numbers end in a letter that is the number modulo 23; companies' begin with one and are taken by their form.
fn spanish(t: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let by_letter =
        |digits: &[u8]| number(digits).and_then(|n| LETTERS.get(usize::try_from(n % 23).unwrap_or(0))) == t.last();
    match t[0] {
        b'0'..=b'9' => by_letter(&t[..8]),
        b'X' | b'Y' | b'Z' => {
            let mut digits = t[..8].to_vec();
            digits[0] = t[0] - b'X' + b'0';
            by_letter(&digits)
        }
        b'A'..=b'H' | b'J' | b'N' | b'P'..=b'S' | b'U'..=b'W' => {
            // The digit or the letter that stands for it: Luhn over the seven digits between.
            let sum: u32 = t[1..8]
                .iter()
                .enumerate()
                .map(|(n, b)| {
                    let d = u32::from(b.wrapping_sub(b'0'));
                    if n % 2 == 0 { d * 2 / 10 + d * 2 % 10 } else { d }
                })
                .sum();
            let check = (10 - sum % 10) % 10;
            t[8] == b'0' + u8::try_from(check).unwrap_or(0) || Some(&t[8]) == b"JABCDEFGHI".get(check as usize)
        }
        _ => false,
    }
}

fn irish(t: &[u8]) -> Option<bool> {
    const LETTERS: &[u8; 23] = b"WABCDEFGHIJKLMNOPQRSTUV";
    if !t[1].is_ascii_digit() {
        // The old form, in use until 2013 and never reissued.
        return Some(true);
    }
    let mut sum = weighted(&t[..7], &[8, 7, 6, 5, 4, 3, 2])?;
    if let Some(second) = t.get(8) {
        sum += 9 * u32::from(second - b'A' + 1);
    }
    Some(LETTERS.get((sum % 23) as usize) == t.get(7))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_numbers_hold_and_their_neighbours_do_not() {
        // Numbers that companies print on their own pages, and those of national descriptions of the check.
        for good in [
            "ATU13585627",
            "BE0428759497",
            "DE136695976",
            "DK13585628",
            "EL094259216",
            "ESA28015865",
            "ES54362315K",
            "FI20774740",
            "FR40303265045",
            "GB980780684",
            "HR33392005961",
            "IE6433435F",
            "IE6433435OA",
            "IT00743110157",
            "LU15027442",
            "NL004495445B01",
            "PL8567346215",
            "PT501964843",
            "SE556188840401",
            "SI50223054",
        ] {
            assert!(is_vat(good.as_bytes()), "{good}");
            if good == "IE6433435OA" {
                continue;
            }
            // One digit further in the middle.
            let mut bad = good.as_bytes().to_vec();
            bad[6] = b'0' + (bad[6] - b'0' + 1) % 10;
            assert!(!is_vat(&bad), "{}", String::from_utf8(bad).unwrap());
        }
        for bad in ["DE000000000", "US123456789", "DE12345678", "PL1111111111", ""] {
            assert!(!is_vat(bad.as_bytes()), "{bad}");
        }
    }

    /// Numbers whose last digit is the check digit.
    const ENDS_IN_CHECK: [(&str, usize); 9] =
        [("DE", 9), ("IT", 11), ("PL", 10), ("PT", 9), ("FI", 8), ("HR", 11), ("EL", 9), ("DK", 8), ("SI", 8)];

    proptest! {
        #[test]
        fn at_most_one_check_digit_fits(which in 0..ENDS_IN_CHECK.len(), body in "[1-9][0-9]{10}") {
            let (country, length) = ENDS_IN_CHECK[which];
            let body = &body[..length - 1];
            let fits = (0..10).filter(|d| is_vat(format!("{country}{body}{d}").as_bytes())).count();
            prop_assert!(fits <= 1, "{country}{body}: {fits}");
        }

        #[test]
        fn a_changed_digit_is_seen(body in "[1-9][0-9]{7}", at in 0..8_usize, by in 1_u8..10) {
            let whole = (0..10).map(|d| format!("DE{body}{d}")).find(|t| is_vat(t.as_bytes()));
            prop_assume!(whole.is_some());
            let mut bytes = whole.unwrap().into_bytes();
            bytes[2 + at] = b'0' + (bytes[2 + at] - b'0' + by) % 10;
            prop_assert!(!is_vat(&bytes));
        }

        #[test]
        fn any_bytes_will_do(text in "[A-Z]{2}[0-9A-Z]{0,14}", bytes: Vec<u8>) {
            let _ = (is_vat(text.as_bytes()), is_vat(&bytes));
        }
    }
}
