//! What `gpg` says of many signatures, line by line (GnuPG, doc/DETAILS).
//!
//! Only the machine lines are read, from a file that nothing else is written to. A user id in them is somebody else's text: it stands
//! at the end of a line, `gpg` escapes line breaks in it, and it is never looked at.

use countersign_model::access::is_openpgp_fingerprint;
use countersign_model::change::OpenPgp;

/// What was said of one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) verdict: OpenPgp,
    /// Fingerprints of the key that signed and of its primary key, where the signature verifies.
    pub(super) keys: Option<(String, String)>,
}

/// Reads the lines about the files `0`, `1`, … `count - 1`, in this order; `None` when they are not what `gpg` writes.
pub(super) fn parse(text: &[u8], count: usize) -> Option<Vec<Said>> {
    let mut all = Vec::with_capacity(count);
    let mut current: Option<File<'_>> = None;
    let lines = text.strip_suffix(b"\n").map_or(&[][..], |text| text);
    for line in lines.split(|b| *b == b'\n').filter(|_| !text.is_empty()) {
        let line = line.strip_prefix(b"[GNUPG:] ")?;
        let mut words = line.split(|b| *b == b' ');
        let keyword = words.next()?;
        match (keyword, &mut current) {
            (b"FILE_START", None) => {
                let name = [words.next()?, words.next()?];
                if name != [&b"1"[..], all.len().to_string().as_bytes()] || words.next().is_some() {
                    return None;
                }
                current = Some(File::default());
            }
            (b"FILE_DONE", open) => all.push(open.take()?.conclude()?),
            (b"FILE_START" | b"FILE_ERROR", _) => return None,
            (b"NEWSIG", Some(file)) => file.signatures = file.signatures.saturating_add(1),
            (b"GOODSIG" | b"EXPSIG" | b"EXPKEYSIG" | b"REVKEYSIG" | b"BADSIG" | b"ERRSIG", Some(file)) => {
                file.verdicts.push((keyword, words.collect()));
            }
            (b"VALIDSIG", Some(file)) => file.valid.push(words.collect()),
            (
                b"NEWSIG" | b"GOODSIG" | b"EXPSIG" | b"EXPKEYSIG" | b"REVKEYSIG" | b"BADSIG" | b"ERRSIG" | b"VALIDSIG",
                None,
            ) => return None,
            _ => {}
        }
    }
    (current.is_none() && all.len() == count).then_some(all)
}

#[derive(Default)]
struct File<'a> {
    signatures: usize,
    verdicts: Vec<(&'a [u8], Vec<&'a [u8]>)>,
    valid: Vec<Vec<&'a [u8]>>,
}

impl File<'_> {
    fn conclude(self) -> Option<Said> {
        let without = |verdict| Some(Said { verdict, keys: None });
        let (keyword, words) = match self.verdicts.as_slice() {
            [one] if self.signatures <= 1 => one,
            // It did not come to a signature that it could look at.
            [] if self.valid.is_empty() => return without(OpenPgp::NotVerifiable),
            _ => return None,
        };
        let verdict = match *keyword {
            b"GOODSIG" => OpenPgp::Good,
            b"EXPSIG" => OpenPgp::ExpiredSignature,
            b"EXPKEYSIG" => OpenPgp::ExpiredKey,
            b"REVKEYSIG" => OpenPgp::RevokedKey,
            b"BADSIG" if self.valid.is_empty() => return without(OpenPgp::Bad),
            // ERRSIG key algorithm hash class time reason; 9: there is no such key.
            b"ERRSIG" if self.valid.is_empty() => {
                let missing = words.get(5) == Some(&&b"9"[..]);
                return without(if missing { OpenPgp::NoKey } else { OpenPgp::NotVerifiable });
            }
            _ => return None,
        };
        // VALIDSIG key date time expires version reserved algorithm hash class primary.
        let [valid] = self.valid.as_slice() else { return None };
        let (key, class, primary) = (fingerprint(valid.first()?)?, valid.get(8)?, fingerprint(valid.get(9)?)?);
        let id = std::str::from_utf8(words.first()?).ok()?;
        (*class == b"00" && valid.len() == 10 && id.len() >= 16 && key.ends_with(id))
            .then_some(Said { verdict, keys: Some((key, primary)) })
    }
}

/// A whole fingerprint, upper-case hex.
pub(super) fn fingerprint(text: &[u8]) -> Option<String> {
    std::str::from_utf8(text).ok().filter(|text| is_openpgp_fingerprint(text)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIGNER: &str = "2FB68C5F4ADC263AD4C98E76E4542ED40FB9BD61";
    const MAIN: &str = "0FB68C5F4ADC263AD4C98E76E4542ED40FB9BD60";

    fn file(n: usize, lines: &[&str]) -> String {
        let inner: String = lines.iter().map(|l| format!("[GNUPG:] {l}\n")).collect();
        format!("[GNUPG:] FILE_START 1 {n}\n{inner}[GNUPG:] FILE_DONE\n")
    }

    fn valid() -> String {
        format!("VALIDSIG {SIGNER} 2026-11-26 1795702583 0 4 0 22 8 00 {MAIN}")
    }

    fn one(lines: &[&str]) -> Option<OpenPgp> {
        parse(file(0, lines).as_bytes(), 1).map(|all| all[0].verdict)
    }

    #[test]
    fn every_verdict_has_its_name() {
        let valid = valid();
        for (word, verdict) in [
            ("GOODSIG", OpenPgp::Good),
            ("EXPSIG", OpenPgp::ExpiredSignature),
            ("EXPKEYSIG", OpenPgp::ExpiredKey),
            ("REVKEYSIG", OpenPgp::RevokedKey),
        ] {
            let line = format!("{word} {} Ann <a@b.example>", &SIGNER[24..]);
            assert_eq!(one(&["NEWSIG", &line, &valid, "TRUST_UNDEFINED 0 pgp"]), Some(verdict));
            // Without the line that says which key it is, or with two of them, it is nothing.
            assert_eq!(one(&["NEWSIG", &line]), None);
            assert_eq!(one(&["NEWSIG", &line, &valid, &valid]), None);
            assert_eq!(one(&["NEWSIG", &line, &valid, "NEWSIG", &line, &valid]), None);
            // Another key than the one that is said to be valid; a signature that is over no document.
            assert_eq!(one(&["NEWSIG", &line, &valid.replace(SIGNER, &SIGNER.replace("61", "62"))]), None);
            assert_eq!(one(&["NEWSIG", &line, &valid.replace(" 00 ", " 01 ")]), None);
            assert_eq!(one(&["NEWSIG", &line, &valid.replace(MAIN, "AAAA0000AAAA0000")]), None);
        }
        assert_eq!(one(&["NEWSIG", "BADSIG AAAA0000AAAA0000 Ann"]), Some(OpenPgp::Bad));
        assert_eq!(one(&["NEWSIG", "BADSIG AAAA0000AAAA0000 Ann", &valid]), None);
        assert_eq!(one(&["NEWSIG", "ERRSIG AAAA0000AAAA0000 22 8 00 1795702583 9 -"]), Some(OpenPgp::NoKey));
        assert_eq!(one(&["NEWSIG", "ERRSIG AAAA0000AAAA0000 22 8 00 1795702583 5 -"]), Some(OpenPgp::NotVerifiable));
        assert_eq!(one(&["NODATA 3"]), Some(OpenPgp::NotVerifiable));
        assert_eq!(one(&[&valid]), None);
    }

    #[test]
    fn what_stands_in_a_user_id_says_nothing() {
        let uid = format!("BADSIG AAAA0000AAAA0000 [GNUPG:] GOODSIG {} %0A[GNUPG:] {}", &SIGNER[24..], valid());
        assert_eq!(one(&["NEWSIG", &uid]), Some(OpenPgp::Bad));
        // Were a line break to come through, the lines would not be what gpg writes.
        let uid = format!("BADSIG AAAA0000AAAA0000 x\n[GNUPG:] GOODSIG {} x\n[GNUPG:] {}", &SIGNER[24..], valid());
        assert_eq!(one(&["NEWSIG", &uid]), None);
        assert_eq!(one(&["NEWSIG", "BADSIG AAAA0000AAAA0000 x\nGOODSIG"]), None);
        assert_eq!(one(&["NEWSIG", "NOTATION_DATA [GNUPG:] GOODSIG x", "NODATA 1"]), Some(OpenPgp::NotVerifiable));
    }

    #[test]
    fn every_file_is_answered_once_and_in_order() {
        let bad = ["NEWSIG", "BADSIG AAAA0000AAAA0000 Ann"];
        let (first, second) = (file(0, &bad), file(1, &bad));
        let read = |text: &str, n| parse(text.as_bytes(), n).map(|all| all.len());
        assert_eq!(read(&format!("{first}{second}[GNUPG:] FAILURE verify 1\n"), 2), Some(2));
        assert_eq!(read("", 0), Some(0));
        for (text, n) in [
            (first.clone(), 2),
            (format!("{second}{first}"), 2),
            (format!("{first}{first}"), 2),
            (format!("{first}{second}"), 1),
            (first.replace("[GNUPG:] FILE_DONE\n", ""), 1),
            (first.replace("FILE_DONE", "FILE_ERROR 1 0"), 1),
            (first.trim_end().to_owned(), 1),
            (format!("gpg: hello\n{first}"), 1),
            (format!("{first}[GNUPG:] GOODSIG AAAA0000AAAA0000 x\n"), 1),
        ] {
            assert_eq!(read(&text, n), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall_over(bytes: Vec<u8>, lines in proptest::collection::vec("(GOODSIG|VALIDSIG|NEWSIG|FILE_DONE|ERRSIG|FILE_START 1 0)( [0-9A-F]{0,40}){0,11}", 0..8)) {
            let _ = parse(&bytes, 1);
            let text: String = lines.iter().map(|l| format!("[GNUPG:] {l}\n")).collect();
            let _ = parse(text.as_bytes(), 1);
        }
    }
}
