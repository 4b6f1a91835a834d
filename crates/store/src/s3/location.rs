//! Where a bucket is: `s3://bucket/prefix?endpoint=…&region=…`.

use std::fmt;
use std::net::IpAddr;

use super::S3Error;
#[cfg(feature = "s3")]
use super::encode::encode_path;
use super::encode::{decode, encode};

/// The longest location that is looked at, in bytes.
const MAX_BYTES: usize = 2048;
const DEFAULT_REGION: &str = "us-east-1";

/// A place in a bucket. Its text form is canonical and holds no secret, so it can stand in an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    bucket: String,
    prefix: String,
    /// Scheme, host and port; `None` means AWS.
    endpoint: Option<String>,
    region: String,
    path_style: bool,
    allow_http: bool,
}

impl Location {
    /// Whether this is meant as a location in a bucket.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.starts_with("s3://")
    }

    /// Reads `s3://bucket/prefix`, with these options after a `?`:
    ///
    /// | option | meaning | default |
    /// |---|---|---|
    /// | `endpoint` | scheme, host and port of the storage | AWS |
    /// | `region` | the region that is signed for | `us-east-1` |
    /// | `path-style` | `true`: the bucket is named in the path, not in the host | `true` with an endpoint |
    /// | `allow-http` | `true`: plain HTTP to another machine is wanted | `false` |
    ///
    /// # Errors
    /// [`S3Error::BadLocation`], [`S3Error::PlainHttp`].
    pub fn parse(text: &str) -> Result<Self, S3Error> {
        let shown = redacted(text);
        let bad = |what: &str| S3Error::BadLocation { location: shown.clone(), what: what.to_owned() };
        if text.len() > MAX_BYTES {
            return Err(bad("it is too long"));
        }
        let rest = text.strip_prefix("s3://").ok_or_else(|| bad("it does not begin with `s3://`"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.contains('@') {
            return Err(bad("credentials do not belong in it"));
        }
        if !is_bucket(bucket) {
            return Err(bad("a bucket's name has 3 to 63 characters of `a-z`, `0-9`, `.` and `-`"));
        }
        let prefix = prefix.trim_end_matches('/');
        if !is_prefix(prefix) {
            return Err(bad("a prefix is made of names of `A-Za-z0-9._-`, with a `/` between them"));
        }
        let mut location = Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: None,
            region: DEFAULT_REGION.to_owned(),
            path_style: false,
            allow_http: false,
        };
        let mut path_style = None;
        for option in query.split('&').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').ok_or_else(|| bad("an option is `name=value`"))?;
            let value = decode(value).ok_or_else(|| bad("a `%` is not followed by two hex digits"))?;
            let flag = || match value.as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(bad("an option is neither `true` nor `false`")),
            };
            match key {
                "endpoint" => location.endpoint = Some(value),
                "region" if is_region(&value) => location.region = value,
                "region" => return Err(bad("that is no region")),
                "path-style" => path_style = Some(flag()?),
                "allow-http" => location.allow_http = flag()?,
                _ => return Err(bad("its options are `endpoint`, `region`, `path-style` and `allow-http`")),
            }
        }
        location.path_style = path_style.unwrap_or(location.endpoint.is_some() || bucket.contains('.'));
        if let Some(endpoint) = &location.endpoint {
            let (scheme, host) = split_endpoint(endpoint).ok_or_else(|| {
                bad("an endpoint is `https://HOST` or `http://HOST`, with a port or without, and nothing more")
            })?;
            if scheme == "http" && !location.allow_http && !is_loopback(host) {
                return Err(S3Error::PlainHttp { endpoint: endpoint.clone() });
            }
        }
        Ok(location)
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What stands before the names of all objects; empty, or without a `/` at its end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The region that requests are signed for.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Scheme and host of the storage.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| format!("https://s3.{}.amazonaws.com", self.region))
    }
}

/// Addresses.
#[cfg(feature = "s3")]
impl Location {
    /// The host that is spoken to over TLS and that is not this machine: what a proxy may stand before.
    #[must_use]
    pub fn remote_host(&self) -> Option<String> {
        let endpoint = self.endpoint();
        let (scheme, authority) = split_endpoint(&endpoint)?;
        let host = if authority.starts_with('[') {
            authority.split_inclusive(']').next().unwrap_or_default()
        } else {
            authority.split(':').next().unwrap_or_default()
        };
        (scheme == "https" && !is_loopback(authority)).then(|| host.to_owned())
    }

    /// The key of an object that has this name in the ledger.
    pub(super) fn key(&self, name: &str) -> String {
        match (self.prefix.as_str(), name) {
            ("", name) => name.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, name) => format!("{prefix}/{name}"),
        }
    }

    /// The name in the ledger of the object with this key; `None` when it lies elsewhere.
    pub(super) fn name<'a>(&self, key: &'a str) -> Option<&'a str> {
        if self.prefix.is_empty() {
            return Some(key);
        }
        key.strip_prefix(&self.prefix)?.strip_prefix('/')
    }

    /// The address of an object, or of the bucket where there is no key.
    pub(super) fn url(&self, key: Option<&str>) -> String {
        let key = key.map(encode_path).unwrap_or_default();
        let endpoint = self.endpoint();
        if self.path_style {
            return format!("{endpoint}/{}/{key}", self.bucket).trim_end_matches('/').to_owned();
        }
        match endpoint.split_once("://") {
            Some((scheme, host)) => format!("{scheme}://{}.{host}/{key}", self.bucket),
            None => format!("{endpoint}/{key}"),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        write!(f, "?region={}", self.region)?;
        if let Some(endpoint) = &self.endpoint {
            write!(f, "&endpoint={}", encode(endpoint))?;
            if !self.path_style {
                f.write_str("&path-style=false")?;
            }
        }
        if self.allow_http {
            f.write_str("&allow-http=true")?;
        }
        Ok(())
    }
}

/// What may be repeated on a screen: no password that was put in by mistake.
fn redacted(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("s3://…@{rest}"),
        None => text,
    }
}

fn is_bucket(name: &str) -> bool {
    let ends_well = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (3..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-')
        && ends_well(name.chars().next())
        && ends_well(name.chars().next_back())
        && !name.contains("..")
}

fn is_prefix(prefix: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    prefix.is_empty() || prefix.len() <= 512 && prefix.split('/').all(is_part)
}

fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Scheme and authority of an endpoint that has nothing else.
fn split_endpoint(endpoint: &str) -> Option<(&str, &str)> {
    let (scheme, authority) = endpoint.split_once("://")?;
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let known = matches!(scheme, "http" | "https");
    (known && !authority.is_empty() && authority.chars().all(is_host)).then_some((scheme, authority))
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_has_one_canonical_form() {
        for (text, canonical) in [
            ("s3://evidence", "s3://evidence?region=us-east-1"),
            ("s3://evidence/a/b/?region=eu-central-1", "s3://evidence/a/b?region=eu-central-1"),
            (
                "s3://evidence/a?path-style=true&endpoint=http%3A%2F%2F127.0.0.1%3A8333",
                "s3://evidence/a?region=us-east-1&endpoint=http%3A%2F%2F127.0.0.1%3A8333",
            ),
            (
                "s3://evidence?endpoint=https://s3.example.org&path-style=false",
                "s3://evidence?region=us-east-1&endpoint=https%3A%2F%2Fs3.example.org&path-style=false",
            ),
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!(location.to_string(), canonical);
            assert_eq!(Location::parse(canonical).unwrap(), location);
        }
    }

    #[cfg(feature = "s3")]
    #[test]
    fn addresses_are_made_the_way_the_storage_wants_them() {
        let at = |text: &str| Location::parse(text).unwrap();
        let aws = at("s3://evidence/led?region=eu-west-1");
        assert_eq!(
            aws.url(Some(&aws.key("ledger/tile/0/x001/234.p/5"))),
            "https://evidence.s3.eu-west-1.amazonaws.com/led/ledger/tile/0/x001/234.p/5"
        );
        let own = at("s3://evidence?endpoint=http://[::1]:8333");
        assert_eq!(own.url(Some("a b")), "http://[::1]:8333/evidence/a%20b");
        assert_eq!(own.url(None), "http://[::1]:8333/evidence");
        assert_eq!(
            at("s3://a.b.c").url(Some("k")),
            "https://s3.us-east-1.amazonaws.com/a.b.c/k",
            "no certificate names such a host"
        );
        assert_eq!(aws.name("led/ledger/vkey"), Some("ledger/vkey"));
        assert_eq!(aws.name("ledger/vkey"), None);
        assert_eq!(aws.name("ledge/vkey"), None);
    }

    #[cfg(feature = "s3")]
    #[test]
    fn a_proxy_stands_before_other_machines_only() {
        let host = |query: &str| Location::parse(&format!("s3://evidence?{query}")).unwrap().remote_host();
        assert_eq!(host("region=eu-west-1").as_deref(), Some("s3.eu-west-1.amazonaws.com"));
        assert_eq!(host("endpoint=https://x.org:8333").as_deref(), Some("x.org"));
        assert_eq!(host("endpoint=https://[2001:db8::1]:8333").as_deref(), Some("[2001:db8::1]"));
        assert_eq!(host("endpoint=https://localhost:8333"), None);
        assert_eq!(host("endpoint=http://x.org&allow-http=true"), None);
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for good in
            ["http://localhost:1", "http://127.0.0.1", "http://127.9.9.9:80", "http://[::1]:8333", "https://x.org"]
        {
            Location::parse(&format!("s3://evidence?endpoint={good}")).unwrap();
        }
        for bad in ["http://x.org", "http://10.0.0.1:8333", "http://localhost.x.org", "http://127.0.0.1.x.org"] {
            let text = format!("s3://evidence?endpoint={bad}");
            assert!(matches!(Location::parse(&text), Err(S3Error::PlainHttp { .. })), "{bad}");
            Location::parse(&format!("{text}&allow-http=true")).unwrap();
        }
    }

    #[test]
    fn what_is_no_location_is_refused_and_no_secret_repeated() {
        for bad in [
            "",
            "s3:/evidence",
            "https://evidence",
            "s3://",
            "s3://ev",
            "s3://Evidence",
            "s3://-evidence",
            "s3://ev..idence",
            "s3://evidence/../x",
            "s3://evidence//x",
            "s3://evidence/a b",
            "s3://evidence?x=1",
            "s3://evidence?region=",
            "s3://evidence?region",
            "s3://evidence?endpoint=x",
            "s3://evidence?endpoint=ftp://x",
            "s3://evidence?path-style=1",
            "s3://evidence?endpoint=https://x/y",
            "s3://evidence?endpoint=https://u:p@x",
            "s3://evidence?endpoint=%zz",
            "s3://key:hunter2@evidence",
        ] {
            let error = Location::parse(bad).unwrap_err();
            assert!(matches!(error, S3Error::BadLocation { .. }), "{bad}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_never_changes_its_meaning(text in "(s3://[a-z0-9.-]{0,70}/?[a-zA-Z0-9./%_-]{0,40}(\\?[a-z=&%0-9:/.-]{0,60})?)|.{0,80}") {
            if let Ok(location) = Location::parse(&text) {
                proptest::prop_assert_eq!(Location::parse(&location.to_string()).unwrap(), location);
            }
        }
    }
}
