//! How much a text looks like words: the mean surprisal of its letters, one after the other.
//!
//! English and identifiers made of it come to about 3.9 bits a letter; letters drawn at random come to about 6.6.

/// Half bits of surprisal of a letter (column) behind another (row; the first row is the beginning of a word), `a` for 0.
/// From the frequencies of letter pairs in 90 million letters of English documentation and source code.
const TABLE: [&[u8; 26]; 27] = [
    b"jlgiljnhjtpkjjljtkfhmnlqsu",
    b"wkkkvomyjzpikezlzhffommrnw",
    b"grolfrtwimxfrufszkmqgvyomx",
    b"jqnuhqwhlwkeqwepyjmhluzzrz",
    b"fkrkdqsugsynrsirylmlmsstoz",
    b"jmjilgotqpvjjhsnpfhgumokow",
    b"itppgiozgzzjnqdrzgmljzyxoz",
    b"kuppeshggyzhqilmzjkniuwxrt",
    b"hqxveyzzizzlsvhvzerfltwzrz",
    b"kmijmnjyuzsjjfhhxmjfuizqzm",
    b"htuvfvxxkvvuvwitxwbtjysyzz",
    b"khpncrqsgvwoqloprqhnnnrymq",
    b"dpumeltxgnsivniqzukjlrtzlz",
    b"gksjewtzhvygjvigzympjuvwwz",
    b"jtihiogugxmotogpzuhfjoqxpw",
    b"poigrnlxotlkhfkjzghkjnlouu",
    b"dsrrfwuqkzwhtrkgzhjiktvzmz",
    b"nrmpmswurwxrqrqsvlmvavtwxu",
    b"gtjndplugznpmmhsukkjiqtzkz",
    b"mukugtwlhzqnrijfxmffkltwoz",
    b"gvnlgqzfgzzkjvikzhkjmzrtkz",
    b"kjinimmxkzyhhgqkzhfgyxzpzx",
    b"frqrdrfwfzxrmulrzspqtvynoz",
    b"hotuevvgezxrqkhozhluxzhyzz",
    b"fskpiptqjxysgvmgwrgespvorz",
    b"mmovkvmwmzyhkihdzigjmvlyut",
    b"jqrubsxphysmrwmvwsqvtrwunn",
];

/// Mean surprisal in bits a letter; `None` when there are fewer than `least` letters. Words end where letters end and
/// where a capital follows a small letter.
pub(super) fn surprisal(text: &[u8], least: usize) -> Option<f64> {
    let (mut half_bits, mut letters) = (0_u32, 0_u32);
    let mut before: Option<u8> = None;
    for (n, byte) in text.iter().enumerate() {
        if !byte.is_ascii_alphabetic() {
            before = None;
            continue;
        }
        let follows_small = n > 0 && text[n - 1].is_ascii_lowercase();
        let leads_small = text.get(n + 1).is_some_and(u8::is_ascii_lowercase);
        let follows_capital = n > 0 && text[n - 1].is_ascii_uppercase();
        // `loginForm` and `HTTPServer` are two words each.
        if byte.is_ascii_uppercase() && (follows_small || (follows_capital && leads_small)) {
            before = None;
        }
        let column = usize::from(byte.to_ascii_lowercase() - b'a');
        let row = before.map_or(0, |b| usize::from(b - b'a') + 1);
        half_bits += u32::from(TABLE[row][column] - b'a');
        letters += 1;
        before = Some(byte.to_ascii_lowercase());
    }
    (letters > 0 && letters as usize >= least).then(|| f64::from(half_bits) / 2.0 / f64::from(letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_expected_and_noise_is_not() {
        for words in ["loginFormPassword", "get_user_token", "ResourceManager", "correct horse battery staple"] {
            assert!(surprisal(words.as_bytes(), 4).unwrap() < 4.5, "{words}");
        }
        for noise in ["xKq7ZvWp3nTgBdRm", "qzjxkvwpfhgbdq", "9f8Xq2Lw7Kz4Vb1Nc6Mj"] {
            assert!(surprisal(noise.as_bytes(), 4).unwrap() > 5.2, "{noise}");
        }
        assert_eq!(surprisal(b"1234-99", 1), None);
    }
}
