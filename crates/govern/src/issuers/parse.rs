//! Reads a file of issuers; what is wrong is named with file and line.

use std::collections::{BTreeMap, BTreeSet};

use countersign_evidence::jwt::{Algorithm, KeySet};
use countersign_model::Place;
use countersign_model::access::{Field, Issuer, Issuers};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use crate::Error;

/// The largest file, in bytes.
const MAX_FILE: usize = 1 << 20;
/// The most issuers, audiences of one, and so on.
const MAX_LIST: usize = 200;
/// The longest text, in bytes.
const MAX_TEXT: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u32>,
    #[serde(default = "minute")]
    skew_seconds: Spanned<u32>,
    issuers: Vec<FileIssuer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileIssuer {
    id: Spanned<String>,
    system: Spanned<String>,
    issuer: Spanned<String>,
    audiences: Spanned<Vec<String>>,
    algorithms: Vec<Spanned<String>>,
    lifetime: Spanned<String>,
    #[serde(default)]
    keys: Option<Spanned<serde_json::Value>>,
    #[serde(default)]
    require: BTreeMap<String, Spanned<String>>,
    claims: BTreeMap<Field, Spanned<String>>,
    #[serde(default)]
    keep: Vec<String>,
}

const fn minute() -> Spanned<u32> {
    Spanned::new(60, Location::UNKNOWN, Location::UNKNOWN)
}

/// Reads a file's text; only the entries that `only` names, where it names any.
///
/// # Errors
/// [`Error::IssuerFile`] with file and line: no YAML, an unknown key or field, an address that is none, an algorithm that is not
/// accepted, something that is still to be filled in.
pub fn parse(file: &str, text: &str, only: &[String]) -> Result<Issuers, Error> {
    let at = |location: Location, message: String| {
        let number = |n: u64| u32::try_from(n).ok().filter(|n| *n > 0);
        let (line, column) = (number(location.line()), number(location.column()));
        Error::IssuerFile { place: Place { file: file.to_owned(), line, column }, message }
    };
    if text.len() > MAX_FILE {
        return Err(at(Location::UNKNOWN, format!("it has more than {MAX_FILE} bytes")));
    }
    let read: File = serde_saphyr::from_str(text).map_err(|e| {
        let message = e.without_snippet().to_string();
        let location = e.location().unwrap_or(Location::UNKNOWN);
        at(location, message.lines().next().unwrap_or("no file of issuers").to_owned())
    })?;
    if read.version.value != 1 {
        return Err(at(read.version.referenced, format!("version {} is not known, only 1 is", read.version.value)));
    }
    if read.skew_seconds.value > Issuers::MAX_SKEW {
        let message = format!("clocks may differ by {} seconds at most", Issuers::MAX_SKEW);
        return Err(at(read.skew_seconds.referenced, message));
    }
    let mut ids = BTreeSet::new();
    let mut named = BTreeSet::new();
    let mut issuers = Vec::new();
    for one in read.issuers {
        if !ids.insert(one.id.value.clone()) {
            return Err(at(one.id.referenced, format!("`{}` stands twice", one.id.value.escape_debug())));
        }
        if !only.is_empty() && !only.contains(&one.id.value) {
            continue;
        }
        if !named.insert(one.issuer.value.clone()) {
            return Err(at(one.issuer.referenced, "two entries are of the same issuer".to_owned()));
        }
        issuers.push(entry(one, &at)?);
    }
    if let Some(missing) = only.iter().find(|id| !ids.contains(*id)) {
        return Err(at(Location::UNKNOWN, format!("there is no entry `{}`", missing.escape_debug())));
    }
    if issuers.len() > MAX_LIST {
        return Err(at(Location::UNKNOWN, format!("it has more than {MAX_LIST} issuers")));
    }
    Ok(Issuers { version: 1, skew_seconds: read.skew_seconds.value, issuers })
}

fn entry(one: FileIssuer, at: &impl Fn(Location, String) -> Error) -> Result<Issuer, Error> {
    let texts = [&one.id, &one.system, &one.issuer, &one.lifetime];
    for text in texts.into_iter().chain(one.require.values()).chain(one.claims.values()) {
        plain(text, at)?;
    }
    let word = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    for name in [&one.id, &one.system] {
        if !word(&name.value) {
            return Err(at(name.referenced, "a name is made of lower-case letters, digits and `-`".to_owned()));
        }
    }
    if let Err(what) = address(&one.issuer.value) {
        return Err(at(one.issuer.referenced, what.to_owned()));
    }
    let audiences = one.audiences.value;
    if audiences.is_empty() || audiences.len() > MAX_LIST || audiences.iter().any(|a| a.trim() != a || a.is_empty()) {
        return Err(at(one.audiences.referenced, "it needs an audience, and none with a space around it".to_owned()));
    }
    let mut algorithms = BTreeSet::new();
    for name in one.algorithms {
        let known: Algorithm = name.value.parse().map_err(|_| {
            let message =
                format!("the algorithm `{}` is not accepted: none with a shared secret is", name.value.escape_debug());
            at(name.referenced, message)
        })?;
        algorithms.insert(known);
    }
    if algorithms.is_empty() {
        return Err(at(one.id.referenced, "it names no algorithm".to_owned()));
    }
    let lifetime_seconds = lifetime(&one.lifetime.value).ok_or_else(|| {
        at(one.lifetime.referenced, "a lifetime is a number with `m` or `h`, a day at most: `15m`, `3h`".to_owned())
    })?;
    if let Some(keys) = &one.keys {
        let set = KeySet::parse(keys.value.to_string().as_bytes()).map_err(|e| at(keys.referenced, e.to_string()))?;
        if set.usable() == 0 {
            return Err(at(keys.referenced, "none of the keys can be used".to_owned()));
        }
    }
    for template in one.claims.values() {
        let rest = Issuer::named(&template.value)
            .fold(template.value.clone(), |rest, name| rest.replacen(&format!("{{{name}}}"), "", 1));
        if rest.contains(['{', '}']) || Issuer::named(&template.value).any(str::is_empty) {
            return Err(at(template.referenced, "a brace that stands for nothing: write `{claim}`".to_owned()));
        }
    }
    if !one.claims.contains_key(&Field::Repository) && one.require.is_empty() {
        let message =
            "it names no `repository` and requires no claim: any tenant of the issuer could speak for a repository";
        return Err(at(one.id.referenced, message.to_owned()));
    }
    Ok(Issuer {
        id: one.id.value,
        system: one.system.value,
        issuer: one.issuer.value,
        audiences,
        algorithms: algorithms.into_iter().map(|a| a.to_string()).collect(),
        lifetime_seconds,
        keys: one.keys.map(|keys| keys.value),
        require: one.require.into_iter().map(|(claim, value)| (claim, value.value)).collect(),
        claims: one.claims.into_iter().map(|(field, template)| (field, template.value)).collect(),
        keep: one.keep.into_iter().collect::<BTreeSet<_>>().into_iter().collect(),
    })
}

fn plain(text: &Spanned<String>, at: &impl Fn(Location, String) -> Error) -> Result<(), Error> {
    if let Some((_, rest)) = text.value.split_once('<')
        && let Some((name, _)) = rest.split_once('>')
    {
        return Err(at(text.referenced, format!("`<{}>` is still to be filled in", name.escape_debug())));
    }
    if text.value.len() > MAX_TEXT || text.value.chars().any(char::is_control) {
        return Err(at(text.referenced, format!("a text has {MAX_TEXT} bytes at most, and no control characters")));
    }
    Ok(())
}

/// An issuer's address: HTTPS (or plain HTTP at this machine), no user, query or fragment (OpenID Connect Discovery 1.0, 2), and a
/// wildcard for a whole part of the path only.
fn address(text: &str) -> Result<(), &'static str> {
    let (plain, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err("an issuer's address begins with `https://`"),
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if plain && !matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
        return Err("plain HTTP is for this machine only: whoever could change the keys on the way could make tokens");
    }
    if host.is_empty() || host.contains(['*', '@']) || text.contains(['?', '#', ' ', '\\']) {
        return Err("it needs a host without a wildcard, and no user, query or fragment");
    }
    if path.split('/').any(|part| part != "*" && part.contains('*')) {
        return Err("`*` stands for a whole part of the path");
    }
    Ok(())
}

/// Seconds of `15m` or `3h`.
fn lifetime(text: &str) -> Option<u32> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let seconds = number.parse::<u32>().ok().filter(|_| plain)?.checked_mul(unit)?;
    (1..=Issuers::MAX_LIFETIME).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::Diagnostic as _;

    use crate::issuers::SHIPPED;

    const GOOD: &str = "\
version: 1
issuers:
  - id: forge
    system: gitlab-ci
    issuer: https://gitlab.example
    audiences: [countersign.bank.example]
    algorithms: [RS256, ES256]
    lifetime: 1h
    claims:
      repository: 'git:gitlab.example/{project_path}'
      commit: '{sha}'
";

    fn refused(text: &str) -> String {
        let e = parse("issuers.yaml", text, &[]).unwrap_err();
        format!("{}: {e}", e.place().unwrap())
    }

    #[test]
    fn a_file_is_read() {
        let read = parse("issuers.yaml", GOOD, &[]).unwrap();
        assert_eq!((read.skew_seconds, read.issuers[0].lifetime_seconds), (60, 3600));
        assert_eq!(read.issuers[0].algorithms, ["RS256", "ES256"]);
    }

    #[test]
    fn what_ships_is_whole_once_it_is_filled_in() {
        for id in ["github", "gitlab"] {
            assert_eq!(parse("issuers.yaml", SHIPPED, &[id.to_owned()]).unwrap().issuers.len(), 1);
        }
        for id in ["buildkite", "circleci", "jenkins"] {
            let said = parse("issuers.yaml", SHIPPED, &[id.to_owned()]).unwrap_err().to_string();
            assert!(said.contains("still to be filled in"), "{said}");
        }
        let filled = SHIPPED
            .replace("<organization>", "acme")
            .replace("<organization id>", "0a")
            .replace("<jenkins>", "ci.example");
        assert_eq!(parse("issuers.yaml", &filled, &[]).unwrap().issuers.len(), 5);
        assert!(
            parse("issuers.yaml", SHIPPED, &["gitea".into()]).unwrap_err().to_string().contains("no entry `gitea`")
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_file_and_line() {
        for (from, to, line) in [
            ("version: 1", "version: 2", 1),
            ("https://gitlab.example\n", "http://gitlab.example\n", 5),
            ("https://gitlab.example\n", "http://127.0.0.1.evil.example\n", 5),
            ("https://gitlab.example\n", "https://*.example\n", 5),
            ("https://gitlab.example\n", "https://gitlab.example/a*\n", 5),
            ("https://gitlab.example\n", "https://u@gitlab.example\n", 5),
            ("https://gitlab.example\n", "https://<host>\n", 5),
            ("[countersign.bank.example]", "[]", 6),
            ("RS256, ", "HS256, ", 7),
            ("RS256, ", "none, ", 7),
            ("lifetime: 1h", "lifetime: 25h", 8),
            ("lifetime: 1h", "lifetime: '3600'", 8),
            ("'{sha}'", "'{sha'", 11),
            ("'{sha}'", "'{}'", 11),
            ("commit:", "comit:", 11),
            ("system: gitlab-ci", "system: GitLab", 4),
        ] {
            let said = refused(&GOOD.replace(from, to));
            assert!(said.starts_with(&format!("issuers.yaml:{line}")), "{from} → {to}: {said}");
        }
        assert!(
            refused(&GOOD.replace("      repository: 'git:gitlab.example/{project_path}'\n", ""))
                .contains("any tenant")
        );
        let twice = format!("{GOOD}{}", &GOOD[GOOD.find("  - id").unwrap()..]);
        assert!(refused(&twice).contains("stands twice"));
        assert!(refused(&twice.replacen("id: forge", "id: other", 1)).contains("same issuer"));
        assert!(refused(&format!("{GOOD}    keys: {{keys: [{{kty: oct, k: AA}}]}}\n")).contains("none of the keys"));
        assert!(refused(&GOOD.replace("version: 1", "version: 1\nskew_seconds: 301")).contains("300"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text: String) {
            let _ = parse("issuers.yaml", &text, &[]);
        }
    }
}
