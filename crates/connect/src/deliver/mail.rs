//! A letter as RFC 5322 has it: a few header fields and a text. What a subject or a text says cannot become a header field.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_model::Timestamp;

/// The most bytes of text in one encoded word: 45 are 60 characters of base64, and the whole word has at most 75 (RFC 2047 §2).
const WORD: usize = 45;
/// The most characters of a subject.
const LONGEST_SUBJECT: usize = 200;

/// A letter.
#[derive(Debug, Clone)]
pub struct Letter {
    /// What stands before the `@` of its `Message-ID`. The same for every attempt, so that doubles can be told.
    pub id: String,
    /// Who sends it.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// What it is about.
    pub subject: String,
    /// The text, lines ended with `\n`.
    pub text: String,
    /// When.
    pub time: Timestamp,
}

/// Whether a text can be an address here: plain ASCII, one `@`, nothing that RFC 5321 would have to quote.
pub(super) fn is_address(text: &str) -> bool {
    let is_local = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let is_domain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let is_dotted =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.contains("..");
    text.split_once('@').is_some_and(|(local, domain)| {
        text.len() <= 254
            && is_dotted(local)
            && local.chars().all(is_local)
            && is_dotted(domain)
            && !domain.starts_with('-')
            && domain.chars().all(is_domain)
    })
}

impl Letter {
    /// Its bytes: header fields, an empty line, and the text in base64, whose lines are short and begin with no dot.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let domain = self.from.split_once('@').map_or("localhost", |(_, domain)| domain);
        let mut out = String::new();
        let mut field = |name: &str, value: &str| {
            let _ = write!(out, "{name}: {value}\r\n");
        };
        field("Date", &date(self.time));
        field("From", &format!("<{}>", self.from));
        field("To", &self.to.iter().map(|to| format!("<{to}>")).collect::<Vec<_>>().join(",\r\n "));
        field("Subject", &subject(&self.subject));
        field("Message-ID", &format!("<{}@{domain}>", self.id));
        // RFC 3834 §5: nobody's absence answers it.
        field("Auto-Submitted", "auto-generated");
        field("MIME-Version", "1.0");
        field("Content-Type", "text/plain; charset=utf-8");
        field("Content-Transfer-Encoding", "base64");
        out.push_str("\r\n");
        let text = STANDARD.encode(self.text.replace("\r\n", "\n").replace('\n', "\r\n"));
        for line in text.as_bytes().chunks(76) {
            out.push_str(std::str::from_utf8(line).unwrap_or_default());
            out.push_str("\r\n");
        }
        out.into_bytes()
    }
}

/// A subject: what is plain and short as it is, everything else in encoded words (RFC 2047), one a line.
fn subject(text: &str) -> String {
    let text: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_SUBJECT).collect::<String>();
    let is_plain = text.len() <= 65 && text.bytes().all(|b| (b' '..=b'~').contains(&b)) && !text.contains("=?");
    if is_plain {
        return text;
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if word.len() + c.len_utf8() > WORD {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    words.iter().map(|w| format!("=?utf-8?B?{}?=", STANDARD.encode(w))).collect::<Vec<_>>().join("\r\n ")
}

/// A moment as RFC 5322 §3.3 writes it: `Thu, 26 Nov 2026 20:48:11 +0000`.
fn date(time: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // RFC 3339, in UTC: `2026-11-26T20:48:11.000Z`.
    let text = time.to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or("00");
    let month = part(5, 7).parse::<usize>().ok().and_then(|m| MONTHS.get(m.wrapping_sub(1))).unwrap_or(&"Jan");
    // 1 January 1970 was a Thursday.
    let days = time.millis().div_euclid(86_400_000).rem_euclid(7);
    let day = usize::try_from(days).ok().and_then(|d| DAYS.get(d)).unwrap_or(&"Thu");
    format!("{day}, {} {month} {} {} +0000", part(8, 10), part(0, 4), part(11, 19))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(subject: &str, text: &str) -> String {
        let letter = Letter {
            id: "ntf-1".into(),
            from: "gate@bank.example".into(),
            to: vec!["a@bank.example".into(), "b@bank.example".into()],
            subject: subject.into(),
            text: text.into(),
            time: "2026-11-26T20:48:11Z".parse().unwrap(),
        };
        String::from_utf8(letter.to_bytes()).unwrap()
    }

    #[test]
    fn a_letter_has_its_fields_and_no_others() {
        let text = letter("Wanted", "hello\nthere\n");
        assert!(text.starts_with("Date: Thu, 26 Nov 2026 20:48:11 +0000\r\nFrom: <gate@bank.example>\r\n"), "{text}");
        assert!(text.contains("To: <a@bank.example>,\r\n <b@bank.example>\r\nSubject: Wanted\r\n"));
        assert!(text.contains("Message-ID: <ntf-1@bank.example>\r\n"));
        let body = text.split("\r\n\r\n").nth(1).unwrap().replace("\r\n", "");
        assert_eq!(STANDARD.decode(body).unwrap(), b"hello\r\nthere\r\n");
        assert_eq!(date("2024-02-29T00:00:00Z".parse().unwrap()), "Thu, 29 Feb 2024 00:00:00 +0000");
        assert_eq!(date("1969-12-31T23:59:59Z".parse().unwrap()), "Wed, 31 Dec 1969 23:59:59 +0000");
    }

    #[test]
    fn no_text_becomes_a_field_or_a_command() {
        let evil = "x\r\nBcc: thief@evil.example\r\n\r\n.\r\nMAIL FROM:<a@b>";
        let text = letter(evil, evil);
        let fields: Vec<&str> = text.split("\r\n\r\n").next().unwrap().split("\r\n").collect();
        assert!(fields.iter().all(|f| !f.starts_with("Bcc") && !f.starts_with("MAIL")), "{text}");
        assert!(text.split("\r\n").all(|line| !line.starts_with('.') && line.len() <= 78), "{text}");
        for subject_of in ["ünïcode", "=?utf-8?B?x?=", &"long ".repeat(60), "emoji 🔑 and\u{2028}lines", ""] {
            let text = letter(subject_of, "");
            let lines: Vec<&str> =
                text.split("\r\n").filter(|l| l.starts_with("Subject") || l.starts_with(" =?")).collect();
            assert!(lines.iter().all(|l| l.is_ascii() && l.len() <= 90), "{lines:?}");
        }
    }

    #[test]
    fn addresses_are_plain() {
        for good in ["a@b", "first.last+tag@sub.bank.example"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "a@b c",
            "a@b\r\nRCPT TO:<x@y>",
            "<a@b>",
            "a@b>",
            "\"a\"@b",
            "ä@b",
            "a@ä",
            ".a@b",
            "a..b@c",
            "a@-b",
            "a@b.",
            "a@[127.0.0.1]",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
