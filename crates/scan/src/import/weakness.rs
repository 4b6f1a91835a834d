//! Weakness ids (CWE) as tools write them.

/// Weaknesses that are a credential in the wrong place: what the rules of our own family of secrets, and scanners for
/// secrets, find. One of these is as good as another when two tools speak of one place.
const SECRETS: &[&str] = &["CWE-798", "CWE-259", "CWE-321", "CWE-522", "CWE-312", "CWE-540", "CWE-547", "CWE-1391"];

/// No weakness has a number of more digits.
const MOST_DIGITS: usize = 5;

/// Whether one of these is a credential in the wrong place.
#[must_use]
pub fn is_secret(cwe: &[String]) -> bool {
    cwe.iter().any(|c| SECRETS.contains(&c.as_str()))
}

/// Whether two findings are about one weakness. A tool that names none says nothing about that.
#[must_use]
pub fn is_same(a: &[String], b: &[String]) -> bool {
    a.iter().any(|c| b.contains(c)) || is_secret(a) && is_secret(b)
}

/// Every id in a text: `CWE-89: SQL injection`, `external/cwe/cwe-089`, `cwe_89`.
pub(crate) fn ids(text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for (at, word) in lower.match_indices("cwe") {
        let rest = lower.get(at + word.len()..).unwrap_or_default();
        let rest = rest.strip_prefix(['-', '_', ':', '/', ' ']).unwrap_or(rest);
        found.extend(number(rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default()));
    }
    found
}

/// The id of a bare number.
pub(crate) fn number(digits: &str) -> Option<String> {
    let digits = digits.trim_start_matches('0');
    let good = !digits.is_empty() && digits.len() <= MOST_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    good.then(|| format!("CWE-{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_however_they_are_written() {
        for (text, id) in [
            ("CWE-89: SQL injection", &["CWE-89"][..]),
            ("external/cwe/cwe-079", &["CWE-79"]),
            ("cwe_22 and CWE23", &["CWE-22", "CWE-23"]),
            ("owasp/a1", &[]),
            ("CWE-", &[]),
            ("CWE-99999999999", &[]),
        ] {
            assert_eq!(ids(text), id, "{text}");
        }
        assert!(is_same(&["CWE-798".into()], &["CWE-522".into()]) && !is_same(&["CWE-89".into()], &["CWE-79".into()]));
        assert!(!is_same(&[], &[]));
    }
}
