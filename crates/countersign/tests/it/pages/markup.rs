//! A page as text that can be compared and read: one element that stands by itself a line, and what is chance has a name.

use std::collections::HashMap;
use std::fmt::Write as _;

/// Elements that stand in a line of text.
const INLINE: [&str; 13] =
    ["a", "b", "br", "code", "em", "input", "label", "option", "span", "strong", "time", "caption", "button"];
/// Elements without an end.
const VOID: [&str; 5] = ["br", "img", "input", "link", "meta"];

/// Lays a page out.
pub(super) fn laid_out(html: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    // Whether something else than text stands in the open elements: then their ends have lines of their own.
    let mut open: Vec<bool> = Vec::new();
    let mut rest = html;
    while !rest.is_empty() {
        let (is_tag, end) = match (rest.starts_with('<'), rest.find(if rest.starts_with('<') { '>' } else { '<' })) {
            (true, Some(at)) => (true, at + 1),
            (false, Some(at)) => (false, at),
            (is_tag, None) => (is_tag, rest.len()),
        };
        let (part, more) = rest.split_at(end);
        rest = more;
        let name: String =
            part.trim_start_matches(['<', '/']).chars().take_while(char::is_ascii_alphanumeric).collect();
        if !is_tag || INLINE.contains(&name.as_str()) {
            out.push_str(part);
            continue;
        }
        let is_end = part.starts_with("</");
        if is_end {
            depth = depth.saturating_sub(1);
            if !open.pop().unwrap_or(false) {
                out.push_str(part);
                continue;
            }
        }
        let _ = write!(out, "\n{:1$}{part}", "", depth * 2);
        if let Some(outer) = open.last_mut() {
            *outer = true;
        }
        if !is_end && !VOID.contains(&name.as_str()) && !part.starts_with("<!") {
            depth += 1;
            open.push(false);
        }
    }
    out.trim_start().to_owned() + "\n"
}

/// What is chance in a page, by its form alone, and named in the order in which it stands there:
///
/// - hexadecimal digits, exactly 64 (digests), 40 (commits), 24 (requests), 20 (ids), 16 (devices), 12 (the first of a longer one): `[hex 1]`;
///   what is the beginning of one that stood there before is `[hex 1…]`;
/// - 43 letters and digits or more of base64 with both cases (keys, signatures, roots): `[base64 1]`;
/// - up to which entry the newest assessment went: `[n]`; it is computed beside the requests.
///
/// Everything else is compared: words, numbers, times, order.
pub(super) fn without_chance(page: &str) -> String {
    let mut named = Names::default();
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(first) = rest.chars().next() {
        let hex = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let base = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"+/_-".contains(b)).count();
        let word = &rest[..hex];
        if [12, 16, 20, 24, 40, 64].contains(&hex)
            && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            out.push_str(&named.hex(word));
            rest = &rest[hex..];
        } else if base >= 43 && is_mixed(&rest[..base]) {
            out.push_str(&named.base(&rest[..base]));
            rest = rest[base..].trim_start_matches('=');
        } else {
            let next = hex.max(first.len_utf8());
            out.push_str(&rest[..next]);
            rest = &rest[next..];
        }
    }
    masked(&out, "days, up to entry ", ", by the catalogue")
}

fn is_mixed(text: &str) -> bool {
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)
}

/// What stands between the two, wherever they stand.
fn masked(text: &str, before: &str, after: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(before) {
        let (head, tail) = rest.split_at(at + before.len());
        out.push_str(head);
        out.push_str("[n]");
        rest = &tail[tail.find(after).unwrap_or(0)..];
    }
    out + rest
}

#[derive(Default)]
struct Names<'p> {
    hex: Vec<&'p str>,
    base: HashMap<&'p str, usize>,
}

impl<'p> Names<'p> {
    fn hex(&mut self, word: &'p str) -> String {
        if let Some(at) = self.hex.iter().position(|known| known.starts_with(word)) {
            let is_whole = self.hex[at].len() == word.len();
            return format!("[hex {}{}]", at + 1, if is_whole { "" } else { "…" });
        }
        self.hex.push(word);
        format!("[hex {}]", self.hex.len())
    }

    fn base(&mut self, word: &'p str) -> String {
        let next = self.base.len() + 1;
        format!("[base64 {}]", self.base.entry(word).or_insert(next))
    }
}

#[test]
fn what_is_chance_is_named_in_order_and_nothing_else_is() {
    let (a, b) = ("0123456789abcdef0123", "fedcba9876543210fedc");
    let page = format!("run-{a} run-{b} /runs/run-{a} 2026-05-04 0123456789ab 1234 sha256:{}", "a0".repeat(32));
    let wanted = "run-[hex 1] run-[hex 2] /runs/run-[hex 1] 2026-05-04 [hex 1…] 1234 sha256:[hex 3]";
    assert_eq!(without_chance(&page), wanted);
    let key = "Ab1".repeat(15);
    assert_eq!(
        without_chance(&format!("SHA256:{key} {key}= /controls/segregation-of-duties")),
        "SHA256:[base64 1] [base64 1] /controls/segregation-of-duties"
    );
    assert_eq!(
        laid_out("<ul><li>a <b>c</b></li><li><p>d</p></li></ul>"),
        "<ul>\n  <li>a <b>c</b></li>\n  <li>\n    <p>d</p>\n  </li>\n</ul>\n"
    );
}
