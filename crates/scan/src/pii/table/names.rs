//! Names of columns and keys, and which rules they are for.

/// The longest name that is looked at, in bytes.
pub(super) const LONGEST: usize = 96;

/// `name` as words in small letters with one blank between: `clientAccountNo`, `CLIENT_ACCOUNT_NO` and `Client Account No.`
/// are one name.
pub(super) fn words(name: &[u8]) -> String {
    let name = &name[..name.len().min(LONGEST)];
    let mut out = String::with_capacity(name.len() + 4);
    for (n, byte) in name.iter().enumerate() {
        if !byte.is_ascii_alphanumeric() {
            if !out.ends_with(' ') && !out.is_empty() {
                out.push(' ');
            }
            continue;
        }
        let before = n.checked_sub(1).map_or(0, |n| name[n]);
        let next_is_small = name.get(n + 1).is_some_and(u8::is_ascii_lowercase);
        let begins = byte.is_ascii_uppercase()
            && (before.is_ascii_lowercase() || (before.is_ascii_uppercase() && next_is_small));
        if begins && !out.ends_with(' ') {
            out.push(' ');
        }
        out.push(char::from(byte.to_ascii_lowercase()));
    }
    out.truncate(out.trim_end().len());
    out
}

/// The words of `name` behind those of what holds it, a table or an object: `customers` and `name` are `customer name`.
pub(super) fn within(parent: &[u8], name: &[u8]) -> String {
    let own = words(name);
    let mut parent = words(parent);
    if parent.is_empty() {
        return own;
    }
    if parent.len() > 3 && parent.ends_with('s') && !parent.ends_with("ss") {
        parent.pop();
    }
    format!("{parent} {own}")
}

/// Whether a name (as [`words`] gives it) ends in the words of `phrase`, or is it when written together.
pub(super) fn is_called(name: &str, phrase: &str) -> bool {
    let tail = name.strip_suffix(phrase);
    if tail.is_some_and(|before| before.is_empty() || before.ends_with(' ')) {
        return true;
    }
    name.bytes().filter(|b| *b != b' ').eq(phrase.bytes().filter(|b| *b != b' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_the_same_in_every_style() {
        for name in
            ["clientAccountNo", "CLIENT_ACCOUNT_NO", "Client Account No.", "client-account-no", "ClientAccountNo"]
        {
            assert_eq!(words(name.as_bytes()), "client account no", "{name}");
        }
        assert_eq!(words(b"clientISINCode"), "client isin code");
        assert_eq!(within(b"customers", b"name"), "customer name");
        assert!(is_called("client account no", "account no") && is_called("accountno", "account no"));
        assert!(!is_called("account no type", "account no") && !is_called("subaccount no", "account no"));
    }

    proptest! {
        #[test]
        fn any_name_becomes_printable_words(name: Vec<u8>) {
            let words = words(&name);
            prop_assert!(words.bytes().all(|b| b == b' ' || b.is_ascii_lowercase() || b.is_ascii_digit()));
            prop_assert!(!words.starts_with(' ') && !words.ends_with(' ') && !words.contains("  "));
        }
    }
}
