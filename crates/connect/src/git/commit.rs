//! A commit object, read from its raw bytes.

use countersign_model::Timestamp;

use crate::gpg::Signed;
use crate::process::printable;

/// Texts for people are cut at this many characters.
const TEXT_KEPT: usize = 500;

/// A name and an e-mail address as written in a commit. They are chosen by whoever wrote the commit: never identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ident {
    /// The name, control characters taken out, cut at 500 characters.
    pub name: String,
    /// The address, likewise; empty when there is none.
    pub email: String,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its full id.
    pub id: String,
    /// Its tree's full id.
    pub tree: String,
    /// Its parents' full ids, in order. They stand here even where a shallow clone does not hold them.
    pub parents: Vec<String>,
    /// The author's name.
    pub author_name: String,
    /// The author's address.
    pub author_email: String,
    /// Everybody named in a `Co-authored-by:` line, anywhere in the message, and every author header after the first.
    pub co_authors: Vec<Ident>,
    /// The committer's name.
    pub committer_name: String,
    /// The committer's address.
    pub committer_email: String,
    /// When the author says it was written.
    pub author_time: Timestamp,
    /// The signature it carries, not yet verified.
    pub signature: RawSignature,
    /// The message's first line, control characters taken out, cut at 500 characters.
    pub subject: String,
    /// A shallow clone cuts history here: this commit has parents that are not in the clone.
    pub cut: bool,
}

/// The signature in a commit, by its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawSignature {
    /// Not signed.
    None,
    /// SSHSIG, namespace `git`.
    Ssh {
        /// The armoured signature.
        armored: String,
        /// What it is over: the commit object without its signature headers.
        payload: Vec<u8>,
    },
    /// OpenPGP, detached.
    OpenPgp(Signed),
    /// X.509 (S/MIME, gitsign).
    X509,
    /// A signature of no known format, or more than one.
    Malformed,
}

/// Parses the raw object `bytes` of the commit `id`; `None` when it is no commit object.
pub(crate) fn parse(id: &str, bytes: &[u8], is_id: impl Fn(&str) -> bool) -> Option<Commit> {
    let (headers, message) = match find(bytes, b"\n\n") {
        Some(at) => (bytes.get(..at.checked_add(1)?)?, bytes.get(at.checked_add(2)?..)?),
        None => (bytes, &b""[..]),
    };
    let mut commit = Commit {
        id: id.to_owned(),
        tree: String::new(),
        parents: Vec::new(),
        author_name: String::new(),
        author_email: String::new(),
        co_authors: Vec::new(),
        committer_name: String::new(),
        committer_email: String::new(),
        author_time: Timestamp::from_millis(0),
        signature: RawSignature::None,
        subject: subject(message),
        cut: false,
    };
    // Git reads tree and parents from the front and stops at the first line that is neither: what comes later under
    // such a name is no parent, and must not be taken for one here.
    let mut front = true;
    let mut authors: u32 = 0;
    let mut committers: u32 = 0;
    let mut signatures = Signatures::new(id.len() == 64);
    for line in headers.split_inclusive(|b| *b == b'\n') {
        let signed = signatures.header(line);
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let (key, value) = match text.iter().position(|b| *b == b' ') {
            Some(at) if !signed => (text.get(..at)?, text.get(at.checked_add(1)?..)?),
            _ => continue,
        };
        match key {
            b"tree" if front && commit.tree.is_empty() => commit.tree = object_id(value, &is_id)?,
            b"parent" if front && !commit.tree.is_empty() => commit.parents.push(object_id(value, &is_id)?),
            b"author" => {
                front = false;
                let (ident, time) = ident(value);
                if authors == 0 {
                    (commit.author_name, commit.author_email) = (ident.name, ident.email);
                    commit.author_time = time;
                } else {
                    commit.co_authors.push(ident);
                }
                authors = authors.saturating_add(1);
            }
            b"committer" => {
                front = false;
                let (ident, _) = ident(value);
                if committers == 0 {
                    (commit.committer_name, commit.committer_email) = (ident.name, ident.email);
                } else {
                    commit.co_authors.push(ident);
                }
                committers = committers.saturating_add(1);
            }
            _ => front = false,
        }
    }
    if commit.tree.is_empty() {
        return None;
    }
    commit.co_authors.extend(co_authors(message));
    commit.signature = signatures.finish(message, bytes.len() > headers.len());
    Some(commit)
}

/// Splits signature headers from what they sign, as git does: `gpgsig` belongs to SHA-1 repositories, `gpgsig-sha256`
/// to SHA-256 ones; both are left out of what is signed (gitformat-signature).
struct Signatures {
    own: &'static [u8],
    payload: Vec<u8>,
    armored: Vec<u8>,
    count: u32,
    within: Within,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    Own,
    Other,
}

impl Signatures {
    fn new(sha256: bool) -> Self {
        let own: &[u8] = if sha256 { b"gpgsig-sha256" } else { b"gpgsig" };
        Self { own, payload: Vec::new(), armored: Vec::new(), count: 0, within: Within::Nothing }
    }

    /// Takes one header line; true when it belongs to a signature.
    fn header(&mut self, line: &[u8]) -> bool {
        let own = line.strip_prefix(self.own).and_then(|rest| rest.strip_prefix(b" "));
        match (self.within, line) {
            (Within::Own, [b' ', rest @ ..]) => self.armored.extend_from_slice(rest),
            (Within::Other, [b' ', ..]) => {}
            _ if own.is_some() => {
                self.within = Within::Own;
                self.count = self.count.saturating_add(1);
                self.armored.extend_from_slice(own.unwrap_or_default());
            }
            _ if line.starts_with(b"gpgsig") => self.within = Within::Other,
            _ => {
                self.within = Within::Nothing;
                self.payload.extend_from_slice(line);
            }
        }
        self.within != Within::Nothing
    }

    fn finish(mut self, message: &[u8], has_message: bool) -> RawSignature {
        if self.count == 0 {
            return RawSignature::None;
        }
        if has_message {
            self.payload.push(b'\n');
            self.payload.extend_from_slice(message);
        }
        let Ok(armored) = String::from_utf8(self.armored) else { return RawSignature::Malformed };
        if self.count > 1 {
            RawSignature::Malformed
        } else if armored.starts_with("-----BEGIN SSH SIGNATURE-----") {
            RawSignature::Ssh { armored, payload: self.payload }
        } else if armored.starts_with("-----BEGIN PGP ") {
            RawSignature::OpenPgp(Signed { armored, payload: self.payload })
        } else if armored.starts_with("-----BEGIN SIGNED MESSAGE-----") {
            RawSignature::X509
        } else {
            RawSignature::Malformed
        }
    }
}

/// `NAME <EMAIL> SECONDS ZONE`.
fn ident(value: &[u8]) -> (Ident, Timestamp) {
    let text = String::from_utf8_lossy(value);
    let seconds = text.rsplit_once('>').and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<i64>().ok());
    (name_and_email(&text), Timestamp::from_millis(seconds.unwrap_or(0).saturating_mul(1000)))
}

fn name_and_email(text: &str) -> Ident {
    let (name, rest) = text.split_once('<').unwrap_or((text, ""));
    let email = rest.split_once('>').map_or(rest, |(email, _)| email);
    Ident { name: shown(name), email: shown(email) }
}

/// Everybody in a `Co-authored-by:` line. Git takes only the last paragraph for trailers; a line that stands elsewhere
/// counts here too, for a co-author can only add a conflict of interest.
fn co_authors(message: &[u8]) -> impl Iterator<Item = Ident> + '_ {
    const KEY: &[u8] = b"co-authored-by:";
    message.split(|b| *b == b'\n').filter_map(|line| {
        let line = line.trim_ascii();
        let (key, value) = line.split_at_checked(KEY.len())?;
        key.eq_ignore_ascii_case(KEY).then(|| name_and_email(&String::from_utf8_lossy(value)))
    })
}

fn subject(message: &[u8]) -> String {
    let line = message.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).find(|l| !l.is_empty()).unwrap_or_default();
    shown(&String::from_utf8_lossy(line.get(..TEXT_KEPT.saturating_mul(4)).unwrap_or(line)))
}

fn shown(text: &str) -> String {
    text.trim().chars().take(TEXT_KEPT).map(printable).collect()
}

fn object_id(value: &[u8], is_id: impl Fn(&str) -> bool) -> Option<String> {
    std::str::from_utf8(value).ok().filter(|id| is_id(id)).map(str::to_owned)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

#[cfg(test)]
mod tests {
    use super::super::command::is_object_id;
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn read(text: &str) -> Option<Commit> {
        parse(ID, text.as_bytes(), is_object_id)
    }

    fn object(headers: &str, message: &str) -> String {
        format!(
            "tree {ID}\nparent {ID}\nauthor A B <a@b.example> 1700000000 +0100\ncommitter C <c@d.example> 1 +0000\n{headers}\n{message}"
        )
    }

    #[test]
    fn an_ordinary_commit_is_read() {
        let c = read(&object("", "Do it\n\nBody\n\nCo-authored-by: E F <e@f.example>\nco-AUTHORED-by: G\n")).unwrap();
        assert_eq!((c.author_name.as_str(), c.author_email.as_str()), ("A B", "a@b.example"));
        assert_eq!((c.committer_name.as_str(), c.committer_email.as_str()), ("C", "c@d.example"));
        assert_eq!(c.author_time.millis(), 1_700_000_000_000);
        assert_eq!(c.subject, "Do it");
        assert_eq!(c.parents, [ID]);
        let named: Vec<_> = c.co_authors.iter().map(|i| (i.name.as_str(), i.email.as_str())).collect();
        assert_eq!(named, [("E F", "e@f.example"), ("G", "")]);
        assert_eq!(c.signature, RawSignature::None);
    }

    #[test]
    fn a_signature_is_cut_out_of_what_it_signs() {
        let signature = "gpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----\n";
        let signed = object(signature, "Do it\n");
        let RawSignature::Ssh { armored, payload } = read(&signed).unwrap().signature else { panic!("no signature") };
        assert_eq!(armored, "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n");
        assert_eq!(payload, object("", "Do it\n").into_bytes());
        // The header of the other object format is no signature of this one, and is signed by neither.
        let both = object(&format!("gpgsig-sha256 -----BEGIN PGP SIGNATURE-----\n x\n{signature}"), "Do it\n");
        let RawSignature::Ssh { payload, .. } = read(&both).unwrap().signature else { panic!("no signature") };
        assert_eq!(payload, object("", "Do it\n").into_bytes());
        let twice = object(&format!("{signature}{signature}"), "Do it\n");
        assert_eq!(read(&twice).unwrap().signature, RawSignature::Malformed);
        assert_eq!(read(&object("gpgsig hello\n", "")).unwrap().signature, RawSignature::Malformed);
    }

    #[test]
    fn a_second_author_does_not_disappear() {
        let c = read(&object("author Z <z@z.example> 1 +0000\n", "x")).unwrap();
        assert_eq!(c.author_name, "A B");
        assert_eq!(c.co_authors.first().map(|i| i.name.as_str()), Some("Z"));
    }

    #[test]
    fn a_parent_behind_the_author_is_no_parent() {
        let c = read(&object(&format!("parent {ID}\n"), "x")).unwrap();
        assert_eq!(c.parents.len(), 1);
    }

    #[test]
    fn texts_cannot_steer_a_terminal() {
        let c = read(&format!("tree {ID}\nauthor \x1b[2J <\x07> 99999999999999999999 +0000\n\n\x1b]0;x\x07")).unwrap();
        assert!(!format!("{}{}{}", c.author_name, c.author_email, c.subject).chars().any(char::is_control));
        assert_eq!(c.author_time.millis(), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall_over(bytes: Vec<u8>) {
            let _ = parse(ID, &bytes, is_object_id);
            let mut plausible = format!("tree {ID}\nauthor ").into_bytes();
            plausible.extend(bytes);
            let _ = parse(ID, &plausible, is_object_id);
        }
    }
}
