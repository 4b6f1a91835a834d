//! Moments as S3 writes them.

use countersign_model::Timestamp;

/// RFC 3339 in whole seconds, rounded up: a lock never ends before the moment that was asked for.
pub(super) fn text(at: Timestamp) -> String {
    let up = whole_seconds(at).to_string();
    up.strip_suffix(".000Z").map_or_else(|| up.clone(), |seconds| format!("{seconds}Z"))
}

/// The next whole second.
pub(super) const fn whole_seconds(at: Timestamp) -> Timestamp {
    let part = at.millis().rem_euclid(1000);
    if part == 0 { at } else { Timestamp::from_millis(at.millis().saturating_add(1000 - part)) }
}

/// The `Date` of an answer (RFC 9110 §5.6.7).
pub(super) fn parse_http_date(text: &str) -> Option<Timestamp> {
    let moment = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp::from_millis(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_never_ends_early() {
        assert_eq!(text(Timestamp::from_millis(1_700_000_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(text(Timestamp::from_millis(1_700_000_000_001)), "2023-11-14T22:13:21Z");
        assert_eq!(whole_seconds(Timestamp::from_millis(-1)), Timestamp::from_millis(0));
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let at = parse_http_date("Tue, 14 Nov 2023 22:13:20 GMT").unwrap();
        assert_eq!(at, Timestamp::from_millis(1_700_000_000_000));
        assert_eq!(parse_http_date("yesterday"), None);
    }
}
