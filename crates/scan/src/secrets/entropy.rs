//! How evenly a value spreads over its bytes.

/// The Shannon entropy of `value` in bits a byte: 0 for one byte repeated, 8 at most. Shannon 1948, §6.
pub(crate) fn shannon(value: &[u8]) -> f64 {
    if value.is_empty() {
        return 0.0;
    }
    let mut counts = [0_u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let total = value.len() as f64;
    counts
        .iter()
        .filter(|n| **n > 0)
        .map(|n| {
            let share = f64::from(*n) / total;
            -share * share.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::shannon;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        assert!(shannon(b"").abs() < f64::EPSILON);
        assert!(shannon(b"aaaaaaa").abs() < f64::EPSILON);
        assert!((shannon(b"abcd") - 2.0).abs() < 1e-12);
        assert!((shannon(b"0123456789abcdef") - 4.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn between_zero_and_eight(value: Vec<u8>) {
            let bits = shannon(&value);
            prop_assert!((-1e-9..=8.0 + 1e-9).contains(&bits));
        }
    }
}
