//! Runs of digits, without an expression: the second thing besides keywords that makes a rule look.

use std::ops::Range;

/// Shorter runs lead nowhere: the shortest number with a checksum that is looked for by itself has nine digits.
pub(crate) const LEAST: usize = 9;

/// How far apart the places are that are looked at. Of nine bytes in a row that belong to a run, two neighbours stand
/// at such a place and the one behind it, so no run of [`LEAST`] digits is stepped over.
const STRIDE: usize = 8;

const DIGIT: u8 = 1;
const JOINT: u8 = 2;

/// What a byte can be in a run: a digit, or what stands alone between two digits.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        class[digit as usize] = DIGIT;
        digit += 1;
    }
    class[b' ' as usize] = JOINT;
    class[b'-' as usize] = JOINT;
    class[b'.' as usize] = JOINT;
    class
};

/// The longest stretches of digits with at most one space, dash or full stop between two of them, of at least
/// [`LEAST`] digits, in their order.
pub(crate) struct Runs<'t> {
    text: &'t [u8],
    /// The next place to look at.
    at: usize,
    /// The end of the last run that was seen, long enough or not.
    done: usize,
}

impl<'t> Runs<'t> {
    pub(crate) const fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, done: 0 }
    }

    /// The run around the digit at `at`, not before `floor`.
    fn around(&self, at: usize, floor: usize) -> Range<usize> {
        let digit = |n: usize| self.text.get(n).is_some_and(u8::is_ascii_digit);
        let joint = |n: usize| self.text.get(n).is_some_and(|b| CLASS[*b as usize] == JOINT);
        let (mut start, mut end) = (at, at + 1);
        loop {
            if start > floor && digit(start - 1) {
                start -= 1;
            } else if start > floor + 1 && joint(start - 1) && digit(start - 2) {
                start -= 2;
            } else {
                break;
            }
        }
        loop {
            if digit(end) {
                end += 1;
            } else if joint(end) && digit(end + 1) {
                end += 2;
            } else {
                return start..end;
            }
        }
    }
}

impl Iterator for Runs<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let rest = self.text.get(self.at..)?;
            // The hot loop: two look-ups for eight bytes, and nearly always nothing to do.
            let step = rest.chunks(STRIDE).position(|c| match c {
                [a, b, ..] => {
                    (CLASS[*a as usize] | CLASS[*b as usize]) & DIGIT != 0
                        && CLASS[*a as usize] != 0
                        && CLASS[*b as usize] != 0
                }
                _ => false,
            })?;
            let place = self.at + step * STRIDE;
            let digit = if self.text[place].is_ascii_digit() { place } else { place + 1 };
            let run = self.around(digit, self.done);
            self.done = run.end;
            self.at = (place + STRIDE).max(run.end.div_ceil(STRIDE) * STRIDE);
            if self.text[run.clone()].iter().filter(|b| b.is_ascii_digit()).take(LEAST).count() == LEAST {
                return Some(run);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs(text: &[u8]) -> Vec<Range<usize>> {
        Runs::new(text).collect()
    }

    /// The same by definition: every byte is looked at.
    fn plainly(text: &[u8]) -> Vec<Range<usize>> {
        let mut out = Vec::new();
        let mut at = 0;
        while at < text.len() {
            if !text[at].is_ascii_digit() {
                at += 1;
                continue;
            }
            let start = at;
            let mut digits = 0;
            while at < text.len() {
                if text[at].is_ascii_digit() {
                    digits += 1;
                    at += 1;
                } else if matches!(text[at], b' ' | b'-' | b'.') && text.get(at + 1).is_some_and(u8::is_ascii_digit) {
                    at += 1;
                } else {
                    break;
                }
            }
            if digits >= LEAST {
                out.push(start..at);
            }
        }
        out
    }

    #[test]
    fn runs_are_whole() {
        assert_eq!(runs(b"a 4111-1111-1111-1111, 12345678 123"), [2..21, 23..35]);
        assert!(runs(b"12345678").is_empty());
        assert_eq!(runs(b"123456789 x 123456789"), [0..9, 12..21]);
        assert_eq!(runs(b"1  2  3 -- 4.. 567890123").first(), Some(&(15..24)));
    }

    proptest! {
        #[test]
        fn no_run_is_stepped_over(text in "([0-9]{0,12}[ .-]{0,2}|[a-z,\\n]{0,9}){0,30}") {
            prop_assert_eq!(runs(text.as_bytes()), plainly(text.as_bytes()));
        }

        #[test]
        fn any_bytes_will_do(bytes: Vec<u8>) {
            prop_assert_eq!(runs(&bytes), plainly(&bytes));
        }
    }
}
