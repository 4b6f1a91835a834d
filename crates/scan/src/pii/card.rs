//! Payment card numbers (ISO/IEC 7812-1): issuer range, length, check digit, and whether the number looks like one that
//! was drawn and not made up.

use super::checksum::luhn;
use super::kind::{Reading, Shape, ends};

/// First numbers of a range, in as many digits as they are written, and the lengths that its issuers use.
struct Range {
    from: u32,
    to: u32,
    digits: u32,
    lengths: &'static [usize],
}

const fn range(from: u32, to: u32, digits: u32, lengths: &'static [usize]) -> Range {
    Range { from, to, digits, lengths }
}

const SIXTEEN_ON: &[usize] = &[16, 17, 18, 19];

/// The networks' published ranges. Maestro's are those in use; what is older than that has been reissued.
const RANGES: [Range; 19] = [
    range(4, 4, 1, &[13, 16, 19]),                       // Visa
    range(51, 55, 2, &[16]),                             // Mastercard
    range(2221, 2720, 4, &[16]),                         // Mastercard
    range(34, 34, 2, &[15]),                             // American Express
    range(37, 37, 2, &[15]),                             // American Express
    range(6011, 6011, 4, SIXTEEN_ON),                    // Discover
    range(644, 649, 3, SIXTEEN_ON),                      // Discover
    range(65, 65, 2, SIXTEEN_ON),                        // Discover, RuPay
    range(300, 305, 3, &[14, 16, 19]),                   // Diners Club
    range(3095, 3095, 4, &[14, 16]),                     // Diners Club
    range(36, 36, 2, &[14, 16, 19]),                     // Diners Club
    range(38, 39, 2, &[14, 16, 19]),                     // Diners Club
    range(3528, 3589, 4, SIXTEEN_ON),                    // JCB
    range(62, 62, 2, SIXTEEN_ON),                        // UnionPay
    range(2200, 2204, 4, SIXTEEN_ON),                    // Mir
    range(5018, 5018, 4, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    range(5020, 5020, 4, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    range(6304, 6304, 4, SIXTEEN_ON),                    // Maestro
    range(6759, 6763, 4, SIXTEEN_ON),                    // Maestro
];

fn is_issued(digits: &[u8]) -> bool {
    RANGES.iter().any(|r| {
        let head = digits.iter().take(r.digits as usize).fold(0, |n, b| n * 10 + u32::from(b - b'0'));
        r.lengths.contains(&digits.len()) && (r.from..=r.to).contains(&head)
    })
}

/// Whether a person made the digits up: few different ones, one of them many times in a row, or counted up or down. Of
/// numbers that were drawn, one in some thousands looks so.
pub(super) fn is_made_up(digits: &[u8]) -> bool {
    let mut seen = [false; 10];
    for digit in digits.iter().filter(|b| b.is_ascii_digit()) {
        seen[usize::from(digit - b'0')] = true;
    }
    let different = seen.iter().filter(|s| **s).count();
    // The length of the longest stretch in which each digit is the one before plus `step`, 9 and 0 being neighbours.
    let longest = |step: u8| {
        let mut best = 1;
        let mut now = 1;
        for pair in digits.windows(2) {
            now = if (pair[0].wrapping_sub(b'0') + step) % 10 == pair[1].wrapping_sub(b'0') { now + 1 } else { 1 };
            best = best.max(now);
        }
        best
    };
    different < 5 || longest(0) > 5 || longest(1) > 6 || longest(9) > 6
}

/// A card number at the beginning of `rest`: digits alone, or in the groups that are embossed.
pub(super) fn read(rest: &[u8]) -> Option<Reading> {
    let first = rest.iter().take(20).take_while(|b| b.is_ascii_digit()).count();
    let (len, shape) = match first {
        13..=19 => (first, Shape::Plain),
        4 => groups(rest)?,
        _ => return None,
    };
    let mut digits = [0; 19];
    let mut n = 0;
    for byte in rest[..len].iter().filter(|b| b.is_ascii_digit()) {
        *digits.get_mut(n)? = *byte;
        n += 1;
    }
    let digits = &digits[..n];
    (ends(rest, len) && is_issued(digits) && luhn(digits) && !is_made_up(digits)).then_some(Reading { len, shape })
}

/// The length of digits in groups as on a card, all with the same sign between them. Numbers that have nothing to do with
/// each other, coordinates for instance, can stand so too, with blanks between them; but none of them begins with 0.
fn groups(rest: &[u8]) -> Option<(usize, Shape)> {
    let sign = *rest.get(4).filter(|b| matches!(b, b' ' | b'-'))?;
    let mut lengths = Vec::with_capacity(6);
    let mut at = 0;
    loop {
        let length = rest[at..].iter().take(8).take_while(|b| b.is_ascii_digit()).count();
        if length == 0 || lengths.len() == 6 {
            break;
        }
        lengths.push(length);
        at += length;
        if rest.get(at) != Some(&sign) {
            break;
        }
        at += 1;
    }
    // A month behind it: `4… … … … 12/27`.
    if lengths.last() == Some(&2) && rest.get(at) == Some(&b'/') {
        lengths.pop();
    }
    let known: [&[usize]; 4] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3]];
    if !known.contains(&lengths.as_slice()) {
        return None;
    }
    let len = lengths.iter().sum::<usize>() + lengths.len() - 1;
    let one = sign == b'-' || lengths[1] == 6 || rest[..len].split(|b| *b == sign).any(|g| g.starts_with(b"0"));
    Some((len, if one { Shape::Strong } else { Shape::Plain }))
}

/// What a card's magnetic stripe holds, from its number on: track 1 (`%B…^NAME^YYMM…`) or track 2 (`;…=YYMM…`), ISO/IEC 7813.
pub(super) fn read_track(text: &[u8], at: usize) -> Option<Reading> {
    let rest = &text[at..];
    let digits = rest.iter().take(20).take_while(|b| b.is_ascii_digit()).count();
    let number = rest.get(..digits)?;
    if !(13..=19).contains(&digits) || !is_issued(number) || !luhn(number) || is_made_up(number) {
        return None;
    }
    let behind = &rest[digits..rest.len().min(digits + 80)];
    let end = match behind.first()? {
        b'^' if text[..at].ends_with(b"%B") => {
            let name = behind[1..].iter().take(27).position(|b| *b == b'^')?;
            let data = &behind[name + 2..];
            let figures = data.iter().take_while(|b| b.is_ascii_digit()).count();
            (figures >= 7).then_some(name + 2 + figures)?
        }
        b'=' if text[..at].ends_with(b";") => {
            let figures = behind[1..].iter().take_while(|b| b.is_ascii_digit()).count();
            (figures >= 7).then_some(1 + figures)?
        }
        _ => return None,
    };
    Some(Reading { len: digits + end, shape: Shape::Strong })
}

#[cfg(test)]
mod tests {
    use super::super::checksum::tests::completed;
    use super::*;
    use proptest::prelude::*;

    fn length(text: &str) -> Option<usize> {
        read(text.as_bytes()).map(|r| r.len)
    }

    #[test]
    fn cards_are_read_in_their_forms_and_nothing_else_is() {
        for (text, len) in [
            ("4539578763621486", 16),
            ("4539 5787 6362 1486", 19),
            ("4539-5787-6362-1486,", 19),
            ("4539 5787 6362 1486 12/27", 19),
            ("374275019920459 ", 15),
            ("3742 750199 20459", 17),
        ] {
            assert_eq!(length(text), Some(len), "{text}");
        }
        for text in [
            "4539578763621487",         // the check digit
            "4539578763621486.5",       // a number with a fraction
            "4539578763621486-12",      // a longer thing
            "4539578763621486ab",       // hex
            "4539 5787-6362 1486",      // signs mixed
            "4539 5787 6362 1486 2345", // a table of numbers
            "4111111111111111",         // made up
            "1539578763621489",         // no issuer
            "45395787636214",
        ] {
            assert_eq!(length(text), None, "{text}");
        }
    }

    #[test]
    fn a_stripe_is_read_with_what_is_behind_the_number() {
        let one = b"%B4539578763621486^DOE/JANE^27121011000?";
        assert_eq!(read_track(one, 2).unwrap().len, one.len() - 3);
        let two = b";4539578763621486=27121011000?";
        assert_eq!(read_track(two, 1).unwrap().len, two.len() - 2);
        assert!(read_track(b";4539578763621486=27", 1).is_none());
        assert!(read_track(b" 4539578763621486=27121011000", 1).is_none());
    }

    #[test]
    fn groups_that_could_be_numbers_of_their_own_say_less() {
        let shape = |text: &str| read(text.as_bytes()).unwrap().shape;
        assert_eq!(shape("4539 5787 6362 1486"), Shape::Plain);
        assert_eq!(shape("4539-5787-6362-1486"), Shape::Strong);
        assert_eq!(shape("4539 1065 4912 1033"), Shape::Plain);
        assert_eq!(shape("4539 0065 4912 1233"), Shape::Strong);
    }

    proptest! {
        #[test]
        fn drawn_visa_numbers_are_nearly_all_read(body in "4[0-9]{14}") {
            let whole = completed(&body, luhn).remove(0);
            prop_assert_eq!(length(&whole).is_some(), !is_made_up(whole.as_bytes()));
            let grouped: Vec<&str> = [0, 4, 8, 12].iter().map(|n| &whole[*n..*n + 4]).collect();
            prop_assert_eq!(length(&grouped.join("-")).is_some(), !is_made_up(whole.as_bytes()));
        }

        #[test]
        fn any_bytes_will_do(bytes: Vec<u8>, text in "[0-9 ^=;%B-]{0,60}", at in 0..60_usize) {
            let _ = (read(&bytes), read(text.as_bytes()), read_track(text.as_bytes(), at.min(text.len())));
        }
    }
}
