//! Which repository this is, wherever it was cloned to and by whichever protocol.

use super::command::{Git, failed};
use super::repository::{Head, Repository};
use crate::Error;

const WHAT: &str = "find out which repository this is";

impl Repository {
    /// The repository's identity: `git:HOST/PATH` from the address of the remote `origin`, so that one place has one
    /// identity whether it is reached by HTTPS or SSH, and no user or password is in it; without such a remote
    /// `git-root:ID`, the oldest commit without parents that `HEAD` descends from. `None` when neither can be known:
    /// a shallow clone without a remote, or no commit yet.
    ///
    /// Remotes that are files or local paths do not count: they say where this clone came from, not what it is.
    ///
    /// # Errors
    /// When git fails.
    pub fn identity(&self) -> Result<Option<String>, Error> {
        if let Some(identity) = self.submitted_as() {
            return Ok(Some(identity.to_owned()));
        }
        if let Some(url) = self.origin()?
            && let Some(identity) = identity_of_url(&url)
        {
            return Ok(Some(identity));
        }
        if self.is_shallow() {
            return Ok(None);
        }
        match self.head()? {
            Head::Unborn { .. } => Ok(None),
            Head::Commit { id, .. } => self.oldest_root(&id).map(|root| Some(format!("git-root:{root}"))),
        }
    }

    /// The address of `origin` as it was configured.
    fn origin(&self) -> Result<Option<String>, Error> {
        let said = Git::capture(self.command().args(["config", "-z", "--get-all", "remote.origin.url"]), WHAT)?;
        let url = match said.status.code() {
            Some(0) => first_of(&said.stdout, 0),
            Some(1) => return Ok(None),
            _ => return Err(failed(WHAT, &said.stderr)),
        };
        if !is_shorthand(&url) {
            return Ok(Some(url));
        }
        // `gh:acme/app` may be a shorthand of this user's configuration (`url.<base>.insteadOf`). A full address is
        // taken as it stands: rewriting it leads to a mirror near this machine, and the identity is no machine's.
        let said = Git::capture(self.command().args(["ls-remote", "--get-url", "origin"]), WHAT)?;
        Ok(Some(if said.status.success() { first_of(&said.stdout, b'\n') } else { url }))
    }

    /// The oldest commit without parents, by committer date and then by id.
    pub(super) fn oldest_root(&self, head: &str) -> Result<String, Error> {
        let mut command = self.command();
        command.args(["rev-list", "--max-parents=0", "--timestamp", head]);
        let said = Git::capture(&mut command, WHAT)?;
        if !said.status.success() {
            return Err(failed(WHAT, &said.stderr));
        }
        let text = String::from_utf8_lossy(&said.stdout);
        text.lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(time, id)| Some((time.parse::<i64>().ok()?, id)))
            .filter(|(_, id)| self.is_id(id))
            .min()
            .map(|(_, id)| id.to_owned())
            .ok_or(Error::GitAnswer { what: WHAT })
    }
}

fn first_of(bytes: &[u8], end: u8) -> String {
    String::from_utf8_lossy(bytes.split(|b| *b == end).next().unwrap_or_default()).into_owned()
}

/// `WORD:rest` without user, dots or slashes in the word: an SSH host of this user's naming, or a shorthand.
fn is_shorthand(url: &str) -> bool {
    url.split_once(':').is_some_and(|(word, rest)| {
        word.len() > 1 && !rest.starts_with("//") && !rest.starts_with(':') && !word.contains(['@', '.', '/', '['])
    })
}

/// The identity behind a remote's address; `None` for files, local paths and what names no host.
#[must_use]
pub fn identity_of_url(url: &str) -> Option<String> {
    let url = url.trim();
    let (scheme, authority, path) = match url.split_once("://") {
        Some((scheme, rest)) => {
            let scheme = scheme.to_ascii_lowercase();
            let (authority, path) = rest.split_once('/')?;
            let path = path.split(['?', '#']).next().unwrap_or_default();
            (scheme, authority, percent_decoded(path))
        }
        None => {
            let (authority, path) = scp_like(url)?;
            ("ssh".to_owned(), authority, path.as_bytes().to_vec())
        }
    };
    let default_port = match scheme.as_str() {
        "https" | "git+https" => "443",
        "http" | "git+http" => "80",
        "ssh" | "git+ssh" | "ssh+git" => "22",
        "git" => "9418",
        _ => return None,
    };
    // The last `@`: a password may hold one that nobody encoded.
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = host_and_port(place)?;
    let port = port.filter(|port| *port != default_port);
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:%".contains(&b) || b >= 0x80) {
        return None;
    }
    let path = plain_path(&path);
    if path.is_empty() {
        return None;
    }
    let (host, port, path) = one_place(host, port, path);
    Some(match port {
        Some(port) => format!("git:{host}:{port}/{path}"),
        None => format!("git:{host}/{path}"),
    })
}

/// `[user@]host:path`, as scp writes it: a colon before the first slash, and no drive letter in front of it.
fn scp_like(url: &str) -> Option<(&str, &str)> {
    let colon = match url.find('[').filter(|at| !url.get(..*at).unwrap_or_default().contains(['/', ':'])) {
        // `[host:port]:path` and `[::1]:path`.
        Some(at) => at.checked_add(url.get(at..)?.find("]:")?)?.checked_add(1)?,
        None => url.find(':')?,
    };
    let (authority, path) = (url.get(..colon)?, url.get(colon.checked_add(1)?..)?);
    // `ext::command` and its like name a program, not a place.
    let local = authority.contains('/') || path.starts_with(':') || authority.len() < 2;
    (!local).then_some((authority, path))
}

fn host_and_port(place: &str) -> Option<(&str, Option<&str>)> {
    let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.len() <= 5;
    if let Some(inside) = place.strip_prefix('[') {
        let (inner, rest) = inside.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((place.get(..inner.len().checked_add(2)?)?, Some(port).filter(|p| !p.is_empty()))),
            // scp's `[host:port]`, apart from an IPv6 address.
            None if rest.is_empty() => match inner.split_once(':') {
                Some((host, port)) if !port.contains(':') && digits(port) => Some((host, Some(port))),
                _ => Some((place, None)),
            },
            None => None,
        }
        .filter(|(_, port)| port.is_none_or(digits));
    }
    match place.split_once(':') {
        Some((host, port)) if digits(port) => Some((host, Some(port).filter(|p| !p.is_empty()))),
        Some(_) => None,
        None => Some((place, None)),
    }
}

/// Bytes of a path as one text: no slashes at its ends or doubled, no `.git` behind it, everything unusual
/// percent-encoded.
fn plain_path(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for segment in path.split(|b| *b == b'/').filter(|s| !s.is_empty()) {
        if !text.is_empty() {
            text.push('/');
        }
        for &b in segment {
            if b.is_ascii_alphanumeric() || b"-._~+@:,=$!&'()*;".contains(&b) {
                text.push(char::from(b));
            } else {
                text.push_str(&format!("%{b:02X}"));
            }
        }
    }
    text.strip_suffix(".git").map(|t| t.trim_end_matches('/').to_owned()).unwrap_or(text)
}

fn percent_decoded(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        let decoded = match (first, after) {
            (b'%', [high, low, ..]) => {
                let hex = |b: u8| char::from(b).to_digit(16);
                hex(*high).zip(hex(*low)).and_then(|(h, l)| u8::try_from(h << 4 | l).ok())
            }
            _ => None,
        };
        match decoded {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

/// Hosts that answer under several names, or do not mind upper case: one identity for one place.
fn one_place(host: String, port: Option<&str>, path: String) -> (String, Option<&str>, String) {
    let lower = |path: String| path.to_ascii_lowercase();
    match (host.as_str(), port) {
        ("github.com" | "gitlab.com" | "bitbucket.org", None) => (host, None, lower(path)),
        // SSH on the port of HTTPS, for networks that let nothing else through.
        ("ssh.github.com", Some("443")) => ("github.com".to_owned(), None, lower(path)),
        ("altssh.gitlab.com", Some("443")) => ("gitlab.com".to_owned(), None, lower(path)),
        ("altssh.bitbucket.org", Some("443")) => ("bitbucket.org".to_owned(), None, lower(path)),
        // `v3/ORGANISATION/PROJECT/REPOSITORY` by SSH, `ORGANISATION/PROJECT/_git/REPOSITORY` by HTTPS.
        ("ssh.dev.azure.com" | "vs-ssh.visualstudio.com", None) => match path.strip_prefix("v3/") {
            Some(rest) => ("dev.azure.com".to_owned(), None, lower(rest.to_owned())),
            None => (host, None, path),
        },
        ("dev.azure.com", None) => (host, None, lower(path.replacen("/_git/", "/", 1))),
        _ => (host, port, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_place_has_one_identity() {
        for url in [
            "https://git.bank.example/Acme/app.git",
            "https://git.bank.example/Acme/app",
            "https://git.bank.example/Acme/app/",
            "https://user:pa@ss@GIT.bank.example:443/Acme/app.git",
            "https://token@git.bank.example//Acme/%61pp.git/",
            "ssh://git@git.bank.example/Acme/app.git",
            "ssh://git@git.bank.example:22/Acme/app.git",
            "git+ssh://git.bank.example/Acme/app",
            "git@git.bank.example:Acme/app.git",
            "git@git.bank.example:/Acme/app",
            "git.bank.example:Acme/app.git",
            "[git.bank.example:22]:Acme/app.git",
            "git://git.bank.example/Acme/app.git",
            "http://git.bank.example:80/Acme/app.git",
        ] {
            assert_eq!(identity_of_url(url).as_deref(), Some("git:git.bank.example/Acme/app"), "{url}");
        }
    }

    #[test]
    fn known_hosts_have_one_identity_by_every_name() {
        for (url, identity) in [
            ("git@github.com:Acme/App.git", "git:github.com/acme/app"),
            ("ssh://git@ssh.github.com:443/acme/app.git", "git:github.com/acme/app"),
            ("https://acme@dev.azure.com/acme/Trading/_git/app", "git:dev.azure.com/acme/trading/app"),
            ("git@ssh.dev.azure.com:v3/acme/Trading/app", "git:dev.azure.com/acme/trading/app"),
            ("https://git.example:8443/a b/c", "git:git.example:8443/a%20b/c"),
            ("git.example:a b/c", "git:git.example/a%20b/c"),
            ("https://[2001:db8::1]:8443/a", "git:[2001:db8::1]:8443/a"),
            ("git@[2001:db8::1]:a", "git:[2001:db8::1]/a"),
        ] {
            assert_eq!(identity_of_url(url).as_deref(), Some(identity), "{url}");
        }
    }

    #[test]
    fn files_paths_and_programs_have_none() {
        for url in [
            "/srv/git/app.git",
            "../app",
            "./a:b",
            "file:///srv/git/app.git",
            "C:\\work\\app",
            "C:/work/app",
            "ext::sh -c whatever",
            "https://",
            "https://host",
            "https://host/",
            "https:///path",
            "https://ho st/path",
            "https://host:port/path",
            "",
        ] {
            assert_eq!(identity_of_url(url), None, "{url}");
        }
    }

    #[test]
    fn only_short_words_are_asked_about() {
        assert!(is_shorthand("gh:acme/app"));
        assert!(!is_shorthand("https://host/path"));
        assert!(!is_shorthand("git@host:path"));
        assert!(!is_shorthand("git.example:path"));
        assert!(!is_shorthand("/srv/a:b"));
    }

    proptest! {
        #[test]
        fn no_address_makes_it_fall_over(url: String) {
            let _ = identity_of_url(&url);
        }

        #[test]
        fn a_password_never_shows(password in "[a-zA-Z0-9@:]{8,20}") {
            let identity = identity_of_url(&format!("https://user:{password}@host.example/path")).unwrap_or_default();
            prop_assert_eq!(identity, "git:host.example/path");
        }
    }
}
