//! The formats that gojsonschema looks at. What it does not know means nothing; what it knows and we do not is refused.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::Fault;

/// Whether the format can be looked at.
pub(super) fn known(name: &str) -> Result<(), Fault> {
    match name {
        "uri-template" => Err(Fault::Refused(format!("the format `{name}` is not supported"))),
        _ => Ok(()),
    }
}

/// Whether text has a format.
pub(super) fn is(name: &str, text: &str) -> bool {
    match name {
        "date" => date(text),
        "time" => time(text),
        "date-time" => date(text) || time(text) || date_time(text),
        "hostname" => text.len() < 256 && text.split('.').all(label),
        "email" | "idn-email" => {
            let plain = |part: &str| !part.is_empty() && !part.contains([' ', '\t', '<', '>', '@', '\r', '\n']);
            text.rsplit_once('@').is_some_and(|(local, domain)| plain(local) && plain(domain))
        }
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "uri" | "iri" => {
            let scheme = |s: &str| {
                s.starts_with(|c: char| c.is_ascii_alphabetic())
                    && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
            };
            reference(text) && text.split_once(':').is_some_and(|(s, _)| scheme(s))
        }
        "uri-reference" | "iri-reference" => reference(text),
        "uuid" => {
            let groups: Vec<&str> = text.split('-').collect();
            groups.iter().map(|g| g.len()).eq([8, 4, 4, 4, 12])
                && groups.iter().all(|g| g.bytes().all(|b| b.is_ascii_hexdigit()))
        }
        "regex" => regex::Regex::new(text).is_ok(),
        "json-pointer" => pointer(text),
        "relative-json-pointer" => {
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (number, rest) = text.split_at(end);
            !number.is_empty() && (number == "0" || !number.starts_with('0')) && (rest == "#" || pointer(rest))
        }
        _ => true,
    }
}

fn number(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// RFC 3339 `full-date`.
fn date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
        return false;
    };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// RFC 3339 `full-time`, or a time without an offset.
fn time(text: &str) -> bool {
    let (clock, offset) = match text.find(['Z', '+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, "Z"),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else { return false };
    let below = |text: &str, limit: u32| number(text, 2).is_some_and(|n| n < limit);
    let offset_is = offset == "Z"
        || offset.get(1..).and_then(|o| o.split_once(':')).is_some_and(|(h, m)| below(h, 24) && below(m, 60));
    below(hour, 24)
        && below(minute, 60)
        && below(second, 60)
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && offset_is
}

/// RFC 3339 `date-time`, whose offset is needed.
fn date_time(text: &str) -> bool {
    text.split_once('T').is_some_and(|(day, clock)| date(day) && time(clock) && clock.contains(['Z', '+', '-']))
}

fn label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn reference(text: &str) -> bool {
    let escapes = text.split('%').skip(1).all(|e| e.get(..2).is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit())));
    escapes && !text.contains(['\\', ' ', '"', '<', '>']) && !text.chars().any(char::is_control)
}

/// RFC 6901.
fn pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}
