//! Numbers that states give to people, and what else points at one.

use super::checksum;
use super::kind::{Reading, Shape, ends};

/// Digits in groups of the given sizes with one sign between them, or without any.
fn grouped(rest: &[u8], sizes: &[usize]) -> Option<(usize, Shape, Vec<u8>)> {
    let bare = rest.iter().take(20).take_while(|b| b.is_ascii_digit()).count();
    let total: usize = sizes.iter().sum();
    if bare == total {
        return ends(rest, total).then(|| (total, Shape::Weak, rest[..total].to_vec()));
    }
    let sign = *rest.get(*sizes.first()?).filter(|b| matches!(b, b' ' | b'-'))?;
    let mut digits = Vec::with_capacity(total);
    let mut at = 0;
    for (n, size) in sizes.iter().enumerate() {
        if n > 0 {
            if rest.get(at) != Some(&sign) {
                return None;
            }
            at += 1;
        }
        let group = rest.get(at..at + size).filter(|g| g.iter().all(u8::is_ascii_digit))?;
        digits.extend_from_slice(group);
        at += size;
    }
    ends(rest, at).then_some((at, Shape::Plain, digits))
}

fn few_different(digits: &[u8], least: usize) -> bool {
    let mut seen = digits.to_vec();
    seen.sort_unstable();
    seen.dedup();
    seen.len() < least
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'))
}

/// A social security number of the USA: area not 000, 666 or from 900, group not 00, serial not 0000 (SSA).
pub(super) fn read_ssn(rest: &[u8]) -> Option<Reading> {
    let (len, shape, d) = grouped(rest, &[3, 2, 4])?;
    let area = number(&d[..3]);
    let good = !matches!(area, 0 | 666 | 900..) && number(&d[3..5]) > 0 && number(&d[5..]) > 0;
    // Counted up is how people fill a form that wants something.
    let counted = matches!(&d[..], b"123456789" | b"012345678" | b"987654321" | b"123121234" | b"123451234");
    (good && !counted && !few_different(&d, 4)).then_some(Reading { len, shape })
}

/// A taxpayer number of the USA for those without a social security number: area from 900, group in the ranges in use
/// (IRS).
pub(super) fn read_itin(rest: &[u8]) -> Option<Reading> {
    let (len, shape, d) = grouped(rest, &[3, 2, 4])?;
    let group = number(&d[3..5]);
    let good = d[0] == b'9' && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99);
    (good && &d[..] != b"987654321" && !few_different(&d, 4)).then_some(Reading { len, shape })
}

/// A health provider of the USA: ten digits, the first 1 or 2.
pub(super) fn read_npi(rest: &[u8]) -> Option<Reading> {
    let d = rest.get(..10)?;
    (ends(rest, 10) && matches!(d[0], b'1' | b'2') && checksum::npi(d) && !few_different(d, 4))
        .then_some(Reading { len: 10, shape: Shape::Plain })
}

/// A social insurance number of Canada. None begins with 0 or 8.
pub(super) fn read_sin(rest: &[u8]) -> Option<Reading> {
    let (len, shape, d) = grouped(rest, &[3, 3, 3])?;
    (!matches!(d[0], b'0' | b'8') && checksum::luhn(&d) && !few_different(&d, 4)).then_some(Reading { len, shape })
}

/// A number of the National Health Service in England and Wales: weights 10 to 2, modulus 11.
pub(super) fn read_nhs(rest: &[u8]) -> Option<Reading> {
    let (len, shape, d) = grouped(rest, &[3, 3, 4])?;
    let sum = checksum::weighted(&d[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2])?;
    let check = (11 - sum % 11) % 11;
    // 999 is for tests.
    let good = check != 10 && check == u32::from(d[9] - b'0') && !d.starts_with(b"999");
    (good && !few_different(&d, 4)).then_some(Reading { len, shape })
}

/// A national insurance number of the United Kingdom: prefixes as HMRC gives them (NIM39110), six digits, A to D.
pub(super) fn read_nino(rest: &[u8]) -> Option<Reading> {
    let a = *rest.first()?;
    let b = *rest.get(1)?;
    let first = a.is_ascii_uppercase() && !matches!(a, b'D' | b'F' | b'I' | b'Q' | b'U' | b'V');
    let second = b.is_ascii_uppercase() && !matches!(b, b'D' | b'F' | b'I' | b'O' | b'Q' | b'U' | b'V');
    if !first || !second || matches!(&[a, b], b"BG" | b"GB" | b"NK" | b"KN" | b"TN" | b"NT" | b"ZZ") {
        return None;
    }
    let sign = matches!(rest.get(2), Some(b' ' | b'-')).then(|| rest[2]);
    let mut at = 2;
    let mut digits = Vec::with_capacity(6);
    for _ in 0..3 {
        if let Some(sign) = sign {
            if rest.get(at) != Some(&sign) {
                return None;
            }
            at += 1;
        }
        digits.extend_from_slice(rest.get(at..at + 2).filter(|g| g.iter().all(u8::is_ascii_digit))?);
        at += 2;
    }
    if sign.is_some() && rest.get(at).copied() == sign {
        at += 1;
    }
    let suffix = matches!(rest.get(at), Some(b'A'..=b'D'));
    let shown = matches!(&digits[..], b"123456" | b"000000") || few_different(&digits, 2);
    (suffix && ends(rest, at + 1) && !shown).then_some(Reading { len: at + 1, shape: Shape::Plain })
}

/// An address as people write it (a subset of RFC 5321): not at a name that is kept for examples (RFC 2606), and not one
/// that a machine answers.
pub(super) fn read_email(rest: &[u8]) -> Option<Reading> {
    let local = rest
        .iter()
        .take(65)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-' | b'\''))
        .count();
    if !(1..=64).contains(&local) || rest.get(local) != Some(&b'@') {
        return None;
    }
    let domain = &rest[local + 1..];
    let length = domain.iter().take(254).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')).count();
    let mut domain = &domain[..length];
    while let [rest @ .., b'.' | b'-'] = domain {
        domain = rest;
    }
    let top = domain.iter().rposition(|b| *b == b'.')?;
    let name = &domain[top + 1..];
    let lower = domain.to_ascii_lowercase();
    let kept = [&b"example"[..], b"test", b"invalid", b"localhost", b"local"].iter().any(|k| lower[top + 1..] == **k)
        || [&b"example.com"[..], b"example.org", b"example.net"]
            .iter()
            .any(|k| lower.ends_with(k) && (lower.len() == k.len() || lower[lower.len() - k.len() - 1] == b'.'));
    let person = rest[..local].to_ascii_lowercase();
    let machine = [&b"noreply"[..], b"no-reply", b"donotreply"].iter().any(|m| person.starts_with(m));
    let good = top > 0 && (2..=18).contains(&name.len()) && name.iter().all(u8::is_ascii_alphabetic);
    (good && !kept && !machine).then_some(Reading { len: local + 1 + domain.len(), shape: Shape::Plain })
}

/// A telephone number: `+` and 8 to 15 digits (ITU-T E.164), or ten digits in the groups of North America. Numbers that
/// are kept for fiction (555-01xx) are none.
pub(super) fn read_phone(rest: &[u8]) -> Option<Reading> {
    let taken = rest
        .iter()
        .take(25)
        .take_while(|b| b.is_ascii_digit() || matches!(b, b' ' | b'-' | b'.' | b'(' | b')' | b'+' | b'/'))
        .count();
    let length = rest[..taken].iter().rposition(u8::is_ascii_digit)? + 1;
    let digits: Vec<u8> = rest[..length].iter().copied().filter(u8::is_ascii_digit).collect();
    let signs = rest[..length].iter().filter(|b| **b == b'+').count();
    let international = rest[0] == b'+' && signs == 1 && (8..=15).contains(&digits.len());
    let local = signs == 0 && (9..=12).contains(&digits.len()) && rest[..length].iter().any(|b| !b.is_ascii_digit());
    let bare = signs == 0 && length == digits.len() && (9..=12).contains(&length);
    let fiction = digits.windows(5).any(|w| w == b"55501") || few_different(&digits, 4);
    let shape = if bare { Shape::Weak } else { Shape::Plain };
    ((international || local || bare) && !fiction && ends(rest, length)).then_some(Reading { len: length, shape })
}

/// A day between 1900 and 2025 in one of the orders in use. No clock is asked: a list of people born after 2025 is none
/// that banks have yet.
pub(super) fn read_birth_date(rest: &[u8]) -> Option<Reading> {
    let pick = |at: usize, n: usize| rest.get(at..at + n).filter(|g| g.iter().all(u8::is_ascii_digit)).map(number);
    let sign = |at: usize| rest.get(at).copied().filter(|b| matches!(b, b'-' | b'/' | b'.'));
    let day = |y: u32, m: u32, d: u32| (1900..=2025).contains(&y) && (1..=12).contains(&m) && (1..=31).contains(&d);
    let len = if let (Some(y), Some(s)) = (pick(0, 4), sign(4)) {
        (sign(7) == Some(s) && day(y, pick(5, 2)?, pick(8, 2)?)).then_some(10)?
    } else if let (Some(a), Some(s)) = (pick(0, 2), sign(2)) {
        let (b, y) = (pick(3, 2)?, pick(6, 4)?);
        (sign(5) == Some(s) && (day(y, a, b) || day(y, b, a))).then_some(10)?
    } else {
        day(pick(0, 4)?, pick(4, 2)?, pick(6, 2)?).then_some(8)?
    };
    // A time may follow.
    let next = rest.get(len).copied();
    let timed = matches!(next, Some(b'T' | b' ')) && rest.get(len + 3) == Some(&b':');
    let len = if timed {
        len + rest[len..].iter().take(30).take_while(|b| b.is_ascii_alphanumeric() || b" :.+-".contains(b)).count()
    } else {
        len
    };
    ends(rest, len).then_some(Reading { len, shape: Shape::Plain })
}

/// What can be a person's name, for a column that says so: letters, no digits, not a single sign.
pub(super) fn read_name(rest: &[u8]) -> Option<Reading> {
    let good = |b: u8| b.is_ascii_alphabetic() || b >= 0x80 || matches!(b, b' ' | b'.' | b'-' | b'\'' | b',');
    let letters = rest.iter().filter(|b| b.is_ascii_alphabetic() || **b >= 0x80).count();
    ((2..=80).contains(&rest.len()) && letters >= 2 && rest.iter().copied().all(good))
        .then_some(Reading { len: rest.len(), shape: Shape::Plain })
}

/// An amount or a quantity, for a column that says so.
pub(super) fn read_amount(rest: &[u8]) -> Option<Reading> {
    let digits = rest.iter().filter(|b| b.is_ascii_digit()).count();
    let good = |b: u8| b.is_ascii_digit() || b"+-.,' _$()".contains(&b) || b >= 0x80;
    let code = |t: &[u8]| t.len() == 3 && t.iter().all(u8::is_ascii_uppercase);
    // A currency may stand before it or behind it.
    let body = match rest {
        [a, b, c, b' ', tail @ ..] if code(&[*a, *b, *c]) => tail,
        [head @ .., b' ', a, b, c] if code(&[*a, *b, *c]) => head,
        _ => rest,
    };
    ((1..=18).contains(&digits) && rest.len() <= 32 && body.iter().copied().all(good))
        .then_some(Reading { len: rest.len(), shape: Shape::Plain })
}

#[cfg(test)]
mod tests {
    use super::super::checksum::tests::completed;
    use super::*;
    use proptest::prelude::*;

    fn len(read: impl Fn(&[u8]) -> Option<Reading>, text: &str) -> Option<usize> {
        read(text.as_bytes()).map(|r| r.len)
    }

    #[test]
    fn numbers_of_people() {
        assert_eq!(len(read_ssn, "536-22-8714,"), Some(11));
        assert_eq!(len(read_ssn, "536228714"), Some(9));
        for bad in [
            "000-22-8714",
            "666-22-8714",
            "900-22-8714",
            "536-00-8714",
            "536-22-0000",
            "123-45-6789",
            "111-22-3333",
            "536-22-87145",
            "536-22 8714",
        ] {
            assert_eq!(len(read_ssn, bad), None, "{bad}");
        }
        assert_eq!(len(read_itin, "912-73-4816"), Some(11));
        for bad in ["812-73-4816", "912-93-4816", "912-49-4816", "912-66-4816", "912-89-4816"] {
            assert_eq!(len(read_itin, bad), None, "{bad}");
        }
        assert_eq!(len(read_nino, "AB 31 25 77 C"), Some(13));
        assert_eq!(len(read_nino, "JG312577D "), Some(9));
        for bad in ["QQ312577C", "GB312577C", "AO312577C", "AB312577E", "AB123456C", "AB3125777C"] {
            assert_eq!(len(read_nino, bad), None, "{bad}");
        }
        assert_eq!(len(read_sin, "130 692 544"), Some(11));
        assert_eq!(len(read_sin, "046 454 286"), None);
        assert_eq!(len(read_nhs, "943 476 5919"), Some(12));
        assert_eq!(len(read_nhs, "943 476 5918"), None);
    }

    #[test]
    fn ways_to_reach_people() {
        for (text, want) in [
            ("jane.doe@bank.de,", Some(16)),
            ("o'neil+x@mail.co.uk.", Some(19)),
            ("a@example.com", None),
            ("a@mail.example.org", None),
            ("a@counterexample.org", Some(20)),
            ("noreply@bank.de", None),
            ("a@b", None),
            ("@bank.de", None),
        ] {
            assert_eq!(len(read_email, text), want, "{text}");
        }
        for (text, want) in
            [("+49 30 901820", Some(13)), ("(212) 736-5000", Some(14)), ("212-555-0123", None), ("1.2.3", None)]
        {
            assert_eq!(len(read_phone, text), want, "{text}");
        }
        for (text, want) in [
            ("1984-02-29", Some(10)),
            ("29.02.1984", Some(10)),
            ("02/29/1984", Some(10)),
            ("19840229", Some(8)),
            ("1984-02-29T10:00:00Z", Some(20)),
            ("1884-02-29", None),
            ("1984-13-01", None),
        ] {
            assert_eq!(len(read_birth_date, text), want, "{text}");
        }
        assert!(read_name("Zoë O'Neil-Müller".as_bytes()).is_some() && read_name(b"x1").is_none());
        assert!(read_amount(b"1,250.00 EUR").is_some() && read_amount(b"v1").is_none());
    }

    proptest! {
        #[test]
        fn a_social_insurance_number_has_one_check_digit(body in "[1-79][0-9]{7}") {
            let fits = completed(&body, |t| read_sin(t).is_some()).len();
            prop_assert!(fits <= 1);
        }

        #[test]
        fn a_health_number_has_at_most_one_check_digit(body in "[0-8][0-9]{8}") {
            prop_assert!(completed(&body, |t| read_nhs(t).is_some()).len() <= 1);
        }

        #[test]
        fn areas_groups_and_serials_decide(area in 0_u32..1000, group in 0_u32..100, serial in 0_u32..10_000) {
            let text = format!("{area:03}-{group:02}-{serial:04}");
            let may = area != 0 && area != 666 && area < 900 && group != 0 && serial != 0;
            if read_ssn(text.as_bytes()).is_some() {
                prop_assert!(may);
            }
            // No number is both.
            prop_assert!(read_ssn(text.as_bytes()).is_none() || read_itin(text.as_bytes()).is_none());
        }

        #[test]
        fn any_bytes_will_do(bytes: Vec<u8>, text in "[A-Z+(]{0,2}[0-9 .@a-z()-]{0,40}") {
            for read in [read_ssn, read_itin, read_npi, read_sin, read_nhs, read_nino, read_email, read_phone,
                read_birth_date, read_name, read_amount] {
                for rest in [&bytes[..], text.as_bytes()] {
                    if let Some(r) = read(rest) {
                        prop_assert!(r.len > 0 && r.len <= rest.len());
                    }
                }
            }
        }
    }
}
