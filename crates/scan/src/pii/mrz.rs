//! The machine-readable zone of passports and identity cards (ICAO Doc 9303, parts 4 to 6).

use std::ops::Range;

use super::checksum::mrz as checked;

/// Sizes of the three formats: lines and characters a line.
const FORMATS: [(usize, usize); 3] = [(2, 44), (2, 36), (3, 30)];

/// The zone whose first line holds `at`, where all its check digits hold. Utopia, the state of specimens, issues none.
pub(super) fn find(text: &[u8], at: usize) -> Option<Range<usize>> {
    FORMATS.iter().find_map(|(lines, width)| {
        let start = at - text[at.saturating_sub(*width)..at].iter().rev().take_while(|b| is_mrz(**b)).count();
        read(text, start, *lines, *width)
    })
}

const fn is_mrz(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'<'
}

/// A zone of this format that begins at `start`. Between lines may be anything that is no part of one: line ends, quotes,
/// `\n` of a string.
fn read(text: &[u8], start: usize, lines: usize, width: usize) -> Option<Range<usize>> {
    let mut zone: Vec<&[u8]> = Vec::with_capacity(lines);
    let mut at = start;
    for n in 0..lines {
        if n > 0 {
            let gap = &text[at..text.len().min(at + 40)];
            let escaped = gap.starts_with(b"\\n") || gap.starts_with(b"\\r");
            let skip = if escaped { 2 } else { gap.iter().position(|b| is_mrz(*b))? };
            at += skip;
        }
        let line = text.get(at..at + width).filter(|l| l.iter().all(|b| is_mrz(*b)))?;
        zone.push(line);
        at += width;
        if text.get(at).is_some_and(|b| is_mrz(*b)) {
            return None;
        }
    }
    holds(&zone).then_some(start..at)
}

fn holds(zone: &[&[u8]]) -> bool {
    match zone {
        [one, two] if one.len() == 44 => {
            one[0] == b'P'
                && &one[2..5] != b"UTO"
                && checked(&two[..9], two[9])
                && checked(&two[13..19], two[19])
                && checked(&two[21..27], two[27])
                && checked(&two[28..42], two[42])
                && checked(&[&two[..10], &two[13..20], &two[21..43]].concat(), two[43])
        }
        [one, two] => {
            matches!(one[0], b'A' | b'C' | b'I' | b'P' | b'V')
                && &one[2..5] != b"UTO"
                && checked(&two[..9], two[9])
                && checked(&two[13..19], two[19])
                && checked(&two[21..27], two[27])
                && checked(&[&two[..10], &two[13..20], &two[21..35]].concat(), two[35])
        }
        [one, two, _] => {
            matches!(one[0], b'A' | b'C' | b'I')
                && &one[2..5] != b"UTO"
                && checked(&one[5..14], one[14])
                && checked(&two[..6], two[6])
                && checked(&two[8..14], two[14])
                && checked(&[&one[5..30], &two[..7], &two[8..15], &two[18..29]].concat(), two[29])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Check digits computed for made-up people, so that the tests need no real document.
    fn digit(text: &str) -> char {
        (b'0'..=b'9').find(|d| checked(text.as_bytes(), *d)).unwrap() as char
    }

    fn passport(state: &str, number: &str, born: &str, until: &str) -> String {
        let number = format!("{number:<<9}").replace(' ', "<");
        let two = format!("{number}{}{state}{born}{}F{until}{}{:<<14}0", digit(&number), digit(born), digit(until), "");
        let all = format!("{}{}{}", &two[..10], &two[13..20], &two[21..43]);
        format!("{:<<44}\n{two}{}", format!("P<{state}MUSTER<<ERIKA<ANNA"), digit(&all))
    }

    fn card(state: &str, number: &str, born: &str, until: &str) -> String {
        let one = format!("{:<<30}", format!("ID{state}{number:<<9}{}", digit(&format!("{number:<<9}"))));
        let two = format!("{born}{}F{until}{}{state}{:<<11}", digit(born), digit(until), "");
        let all = format!("{}{}{}{}", &one[5..30], &two[..7], &two[8..15], &two[18..29]);
        format!("{one}\n{two}{}\n{:<<30}", digit(&all), "MUSTER<<ERIKA<ANNA")
    }

    fn found(text: &str) -> Option<Range<usize>> {
        find(text.as_bytes(), text.find("<<<")?)
    }

    #[test]
    fn the_specimen_of_the_standard_holds_and_is_none() {
        let two = b"L898902C36UTO7408122F1204159ZE184226B<<<<<10";
        let one = b"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<";
        assert!(!holds(&[one, two]));
        let mut elsewhere = *one;
        elsewhere[2..5].copy_from_slice(b"SWE");
        assert!(holds(&[&elsewhere, two]));
        // Part 6, appendix B.
        let td2: [&[u8]; 2] = [b"I<SWEERIKSSON<<ANNA<MARIA<<<<<<<<<<<", b"D231458907UTO7408122F1204159<<<<<<<6"];
        assert!(holds(&td2));
        // Part 5, appendix B.
        let td1: [&[u8]; 3] =
            [b"I<SWED231458907<<<<<<<<<<<<<<<", b"7408122F1204159UTO<<<<<<<<<<<6", b"ERIKSSON<<ANNA<MARIA<<<<<<<<<<"];
        assert!(holds(&td1));
    }

    #[test]
    fn a_zone_is_found_in_text_and_in_strings() {
        let zone = passport("SWE", "XR7F23K41", "850312", "310401");
        assert_eq!(found(&format!("scan:\n{zone}\nend")), Some(6..6 + 89));
        assert!(found(&format!("\"{}\"", zone.replace('\n', "\\n"))).is_some());
        assert!(found(&format!("lines = [\"{}\"]", zone.replace('\n', "\",\n  \""))).is_some());
        assert!(found(&zone.replace("850312", "850313")).is_none());
        assert!(found("<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> x").is_none());
        assert!(found(&card("SWE", "XR7F23K41", "850312", "310401")).is_some());
    }

    proptest! {
        #[test]
        fn every_changed_digit_is_seen(number in "[0-9A-Z]{9}", born in "[0-9]{6}", at in 0..44_usize, by in 1_u8..10) {
            let zone = passport("SWE", &number, &born, "310401");
            prop_assert!(found(&zone).is_some());
            let mut bytes = zone.into_bytes();
            let place = 45 + at;
            if bytes[place].is_ascii_digit() {
                bytes[place] = b'0' + (bytes[place] - b'0' + by) % 10;
                prop_assert!(found(std::str::from_utf8(&bytes).unwrap()).is_none());
            }
        }

        #[test]
        fn any_bytes_will_do(bytes: Vec<u8>, text in "[A-Z0-9<\n]{0,140}", at: prop::sample::Index) {
            let _ = find(&bytes, at.index(bytes.len() + 1));
            let _ = find(text.as_bytes(), at.index(text.len() + 1));
        }
    }
}
