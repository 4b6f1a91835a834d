//! Numbers of bank accounts and of banks.

use super::checksum;
use super::kind::{Reading, Shape, ends};

/// Countries of the IBAN register (ISO 13616, SWIFT release 99): the letters, the length of the whole, and whether what
/// follows the check digits is digits alone.
const COUNTRIES: &str = "AD24x AE23n AL28x AT20n AZ28x BA20n BE16n BG22x BH22x BI27n BR29x BY28x CH21x CR22n CY28x CZ24n \
DE22n DJ27n DK18n DO28x EE20n EG29n ES24n FI18n FK18x FO18n FR27x GB22x GE22x GI23x GL18n GR27x GT28x HN28x HR21n HU28n \
IE22x IL23n IQ23x IS26n IT27x JO30x KW30x KZ20x LB28x LC32x LI21x LT20n LU20x LV21x LY25n MC27x MD24x ME22n MK19x MN20n \
MR27n MT31x MU30x NI28x NL18x NO15n OM23x PK24x PL28n PS29x PT25n QA29x RO24x RS22n RU33x SA24x SC31x SD18n SE24n SI19n \
SK24n SM27x SO23n ST25n SV28x TL23n TN24n TR26x UA29x VA22n VG24x XK20n YE30x";

/// Country codes of ISO 3166-1, and XK, which banks use for Kosovo.
const ISO_3166: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT \
BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM \
FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO \
JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT \
MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA \
SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US \
UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

pub(super) fn is_country(code: &[u8]) -> bool {
    code.len() == 2 && ISO_3166.as_bytes().chunks(3).any(|c| c[..2] == *code)
}

/// Length and whether all digits, for the IBANs of a country.
fn country(code: &[u8]) -> Option<(usize, bool)> {
    let entry = COUNTRIES.as_bytes().chunks(6).find(|e| e[..2] == *code)?;
    let digit = |n: usize| usize::from(entry[n] - b'0');
    Some((digit(2) * 10 + digit(3), entry[4] == b'n'))
}

/// An IBAN at the beginning of `rest`, in one piece or in groups of four.
pub(super) fn read_iban(rest: &[u8]) -> Option<Reading> {
    let head = rest.get(..4)?;
    if !head[..2].iter().all(u8::is_ascii_uppercase) || !head[2..].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (length, only_digits) = country(&head[..2])?;
    let grouped = matches!(rest.get(4), Some(b' ' | b'-')).then(|| rest[4]);
    let mut plain = [0_u8; 34];
    let mut at = 0;
    for n in 0..length {
        if n > 0 && n % 4 == 0 && grouped.is_some() {
            if rest.get(at).copied() != grouped {
                return None;
            }
            at += 1;
        }
        let byte = *rest.get(at)?;
        if !(byte.is_ascii_digit() || (byte.is_ascii_uppercase() && !(only_digits && n > 1))) {
            return None;
        }
        *plain.get_mut(n)? = byte;
        at += 1;
    }
    let plain = &plain[..length];
    let first = plain[4];
    let filled = plain[4..].iter().filter(|b| **b != first && **b != b'0').count() < 3;
    (ends(rest, at) && checksum::iban(plain) && !filled).then_some(Reading { len: at, shape: Shape::Strong })
}

/// A routing number: first two digits as the Federal Reserve assigns them, and the check digit.
pub(super) fn read_aba(rest: &[u8]) -> Option<Reading> {
    let number = rest.get(..9)?;
    let prefix = number.iter().all(u8::is_ascii_digit).then(|| (number[0] - b'0') * 10 + number[1] - b'0')?;
    let given = matches!(prefix, 1..=12 | 21..=32 | 61..=72 | 80);
    (ends(rest, 9) && given && checksum::aba(number)).then_some(Reading { len: 9, shape: Shape::Plain })
}

/// A business identifier code: party, country, location and perhaps a branch (ISO 9362).
pub(super) fn read_bic(rest: &[u8]) -> Option<Reading> {
    let length = rest.iter().take(12).take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
    let good = matches!(length, 8 | 11)
        && rest[..4].iter().all(u8::is_ascii_uppercase)
        && is_country(&rest[4..6])
        && ends(rest, length);
    good.then_some(Reading { len: length, shape: Shape::Plain })
}

/// What can be the number of an account: 6 to 20 characters, mostly digits, perhaps in groups. It has no check that all
/// banks share, so a rule asks for context.
pub(super) fn read_account(rest: &[u8]) -> Option<Reading> {
    let taken =
        rest.iter().take(28).take_while(|b| b.is_ascii_digit() || b.is_ascii_uppercase() || matches!(b, b' ' | b'-'));
    let mut length = taken.count();
    // Up to the last digit before two signs in a row or another word.
    let mut end = 0;
    for n in 0..length {
        if rest[n].is_ascii_digit() {
            end = n + 1;
        } else if matches!(rest[n], b' ' | b'-') && !rest.get(n + 1).is_some_and(u8::is_ascii_digit) {
            break;
        }
    }
    length = end;
    let digits = rest[..length].iter().filter(|b| b.is_ascii_digit()).count();
    let letters = rest[..length].iter().filter(|b| b.is_ascii_uppercase()).count();
    let figures: Vec<u8> = rest[..length].iter().copied().filter(u8::is_ascii_digit).collect();
    let filled = figures.iter().all(|d| Some(d) == figures.first()) || figures.starts_with(b"1234567");
    let good = (6..=20).contains(&digits) && letters <= 4 && digits + letters <= 20 && !filled && ends(rest, length);
    good.then_some(Reading { len: length, shape: Shape::Plain })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_register_is_well_formed() {
        for entry in COUNTRIES.split_ascii_whitespace() {
            let (length, _) = country(&entry.as_bytes()[..2]).unwrap();
            assert!(entry.len() == 5 && (15..=34).contains(&length), "{entry}");
            assert!(is_country(&entry.as_bytes()[..2]), "{entry}");
        }
        assert_eq!(ISO_3166.split(' ').count(), 250);
    }

    #[test]
    fn ibans_are_read_in_their_forms() {
        for (text, len) in [
            ("DE89370400440532013000", 22),
            ("GB82 WEST 1234 5698 7654 32", 27),
            ("FR1420041010050500013M02606;", 27),
            ("NO9386011117947\n", 15),
            ("MT84MALT011000012345MTLCAST001S", 31),
        ] {
            assert_eq!(read_iban(text.as_bytes()).map(|r| r.len), Some(len), "{text}");
        }
        for text in [
            "DE89370400440532013001",
            "DE8937040044053201300",
            "DE893704004405320130000",
            "ZZ89370400440532013000",
            "DE89",
        ] {
            assert!(read_iban(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn banks_and_accounts() {
        for (text, good) in [("DEUTDEFF", true), ("DEUTDEFF500", true), ("DEUTZZFF", false), ("DEUTDEFF50", false)] {
            assert_eq!(read_bic(text.as_bytes()).is_some(), good, "{text}");
        }
        for (text, len) in
            [("30918274", Some(8)), ("0532-013000 x", Some(11)), ("12345678", None), ("00000000", None), ("name", None)]
        {
            assert_eq!(read_account(text.as_bytes()).map(|r| r.len), len, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_will_do(bytes: Vec<u8>, text in "[A-Z]{2}[0-9]{2}[ 0-9A-Z-]{0,40}") {
            for read in [read_iban, read_aba, read_bic, read_account] {
                for rest in [&bytes[..], text.as_bytes()] {
                    if let Some(r) = read(rest) {
                        prop_assert!(r.len > 0 && r.len <= rest.len());
                    }
                }
            }
        }
    }
}
