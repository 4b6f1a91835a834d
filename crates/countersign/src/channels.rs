//! `notify.toml`: through which channels people are told what they must act on.
//!
//! It is the installation's and lies in its data directory, beside keys and pins. In a judged repository it would be a proposal like
//! everything else there: whoever writes a commit could send messages elsewhere, or nowhere, or have programs started.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use countersign_connect::deliver::{Authorities, Guard, MailServer, Network, Transport, WebTarget, WebhookSecret};
use countersign_model::notice::{NoticeKind, is_channel};
use countersign_model::{PersonId, Place, Role};
use countersign_server::Origin;
use countersign_stages::notify::{Channel, Way};
use serde::Deserialize;
use toml::Spanned;
use zeroize::Zeroizing;

use crate::config::{Environment, nearest_key};
use crate::errors::{CliError, Failure};

/// The file's name, in the data directory.
pub(crate) const FILE: &str = "notify.toml";

/// What is configured.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    /// The server whose pages show more.
    pub(crate) server: Option<String>,
    /// The channels.
    pub(crate) channels: Vec<Channel>,
    /// Where they were read from; none: nowhere.
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    server: Option<String>,
    #[serde(default)]
    channel: Vec<Spanned<One>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Webhook,
    Slack,
    Teams,
    Email,
    Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Security {
    Starttls,
    Tls,
    None,
}

/// `[[channel]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    name: String,
    kind: Kind,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    people: Vec<String>,
    url: Option<String>,
    url_file: Option<PathBuf>,
    url_env: Option<String>,
    secret_file: Option<PathBuf>,
    secret_env: Option<String>,
    old_secret_file: Option<PathBuf>,
    old_secret_env: Option<String>,
    #[serde(default)]
    allow: Vec<String>,
    ca: Option<PathBuf>,
    host: Option<String>,
    port: Option<u16>,
    tls: Option<Security>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    from: Option<String>,
    #[serde(default)]
    to: Vec<String>,
    command: Option<PathBuf>,
}

/// A file being read.
struct Reader<'a> {
    file: String,
    text: &'a str,
    /// Where files that it names are looked for.
    dir: &'a Path,
    env: &'a Environment,
}

impl Channels {
    /// Reads the file that is named, or the installation's where there is one. A demonstration has none: it sends nothing anywhere.
    pub(crate) fn load(named: Option<&Path>, env: &Environment) -> Result<Self, Failure> {
        if env.demonstration {
            return Ok(Self::default());
        }
        let path = match (named, &env.data_dir) {
            (Some(path), _) => path.to_owned(),
            (None, Some(dir)) => dir.join(FILE),
            (None, None) => return Ok(Self::default()),
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && named.is_none() => return Ok(Self::default()),
            Err(source) => return Err(CliError::Read { path, source }.into()),
        };
        let path = std::path::absolute(&path).unwrap_or(path);
        let dir = path.parent().unwrap_or(Path::new(".")).to_owned();
        let reader = Reader { file: path.display().to_string(), text: &text, dir: &dir, env };
        let mut read = reader.read()?;
        read.file = Some(path);
        Ok(read)
    }

    /// A channel by its name.
    pub(crate) fn find(&self, name: &str) -> Result<&Channel, CliError> {
        self.channels.iter().find(|c| c.name == name).ok_or_else(|| CliError::Usage {
            what: format!("there is no channel `{}`", name.escape_debug()),
            help: match self.channels.as_slice() {
                [] => "describe channels in notify.toml: docs/guides/notifications.md".to_owned(),
                some => format!("channels: {}", some.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")),
            },
        })
    }
}

impl Reader<'_> {
    fn read(&self) -> Result<Channels, Failure> {
        let file: File = toml::from_str(self.text).map_err(|e| {
            let what = e.message().lines().next().unwrap_or_default().to_owned();
            // What it quotes may be a secret that was written at the wrong place: only words of the format are repeated.
            let known = nearest_key(&what);
            let what = if known.is_some() || what.starts_with("missing field") {
                what
            } else {
                "a value is not what its key takes, or it is no TOML".to_owned()
            };
            self.wrong(e.span().map(|s| self.line(s.start)), what, known)
        })?;
        if file.version != 1 {
            return Err(self.wrong(None, format!("version {} is not known, only version 1 is", file.version), None));
        }
        let server = match &file.server {
            None => None,
            Some(text) => {
                let bad = |_| self.wrong(None, "`server` is scheme and host: https://HOST".to_owned(), None);
                Some(Origin::parse(text).map_err(bad)?.to_string())
            }
        };
        let mut channels: Vec<Channel> = Vec::new();
        for one in &file.channel {
            let channel = self.channel(one.get_ref(), one.span())?;
            if channels.iter().any(|c| c.name == channel.name) {
                let what = format!("there are two channels `{}`", channel.name);
                return Err(self.at(&one.span(), "name", what));
            }
            channels.push(channel);
        }
        Ok(Channels { server, channels, file: None })
    }

    fn channel(&self, one: &One, span: Range<usize>) -> Result<Channel, Failure> {
        let at = |key: &str, what: String| self.at(&span, key, what);
        if !is_channel(&one.name) {
            return Err(at(
                "name",
                "a channel's name is lower-case letters, digits and hyphens, 40 at the most: it stands in the log"
                    .into(),
            ));
        }
        let mut kinds = BTreeSet::new();
        for event in &one.events {
            let Some(kind) = NoticeKind::from_text(event) else {
                let all = NoticeKind::ALL.map(NoticeKind::as_str);
                let nearest = all.iter().min_by_key(|k| strsim::damerau_levenshtein(event, k)).unwrap_or(&"");
                let help = format!("did you mean `{nearest}`? known here: {}", all.join(", "));
                let what = format!("there is no event `{}`", event.escape_debug());
                return Err(self.wrong(Some(self.key_line(&span, "events")), what, Some(help)));
            };
            kinds.insert(kind);
        }
        let mut allow = Vec::new();
        for network in &one.allow {
            allow.push(network.parse::<Network>().map_err(|what| at("allow", what))?);
        }
        let (guard, authorities) = (
            Guard { allow },
            match &one.ca {
                Some(file) => Authorities::File(self.dir.join(file)),
                None => Authorities::System,
            },
        );
        self.fits(one, &span)?;
        let way = match one.kind {
            Kind::Email => self.mail(one, &span, guard, authorities)?,
            Kind::Command => {
                let command =
                    one.command.clone().ok_or_else(|| at("kind", "a channel of this kind has `command`".into()))?;
                // A bare name is looked for on the search path, as a shell would.
                Way::Program(if command.components().count() > 1 { self.dir.join(command) } else { command })
            }
            kind => {
                let url =
                    self.one_of(&span, "url", one.url.as_deref(), one.url_file.as_deref(), one.url_env.as_deref())?;
                let url =
                    url.ok_or_else(|| at("kind", "a channel of this kind has `url`, `url_file` or `url_env`".into()))?;
                let target = WebTarget::new(&url, guard, authorities).map_err(|what| at("url", what))?;
                match kind {
                    Kind::Slack => Way::Slack(target),
                    Kind::Teams => Way::Teams(target),
                    _ => Way::Webhook { target, secrets: self.secrets(one, &span)? },
                }
            }
        };
        let people = one.people.iter().map(|p| PersonId::from_text(p.clone())).collect();
        Ok(Channel { name: one.name.clone(), kinds, roles: one.roles.iter().copied().collect(), people, way })
    }

    /// A key that the kind does not know would be a setting that silently does nothing.
    fn fits(&self, one: &One, span: &Range<usize>) -> Result<(), Failure> {
        let (web, mail, hook) = (
            matches!(one.kind, Kind::Webhook | Kind::Slack | Kind::Teams),
            one.kind == Kind::Email,
            one.kind == Kind::Webhook,
        );
        let rules = [
            ("url", one.url.is_some(), web),
            ("url_file", one.url_file.is_some(), web),
            ("url_env", one.url_env.is_some(), web),
            ("secret_file", one.secret_file.is_some(), hook),
            ("secret_env", one.secret_env.is_some(), hook),
            ("old_secret_file", one.old_secret_file.is_some(), hook),
            ("old_secret_env", one.old_secret_env.is_some(), hook),
            ("allow", !one.allow.is_empty(), web || mail),
            ("ca", one.ca.is_some(), web || mail),
            ("host", one.host.is_some(), mail),
            ("port", one.port.is_some(), mail),
            ("tls", one.tls.is_some(), mail),
            ("user", one.user.is_some(), mail),
            ("password_file", one.password_file.is_some(), mail),
            ("password_env", one.password_env.is_some(), mail),
            ("from", one.from.is_some(), mail),
            ("to", !one.to.is_empty(), mail),
            ("command", one.command.is_some(), one.kind == Kind::Command),
        ];
        match rules.iter().find(|(_, is_there, fits)| *is_there && !fits) {
            Some((key, ..)) => Err(self.at(span, key, format!("a channel of this kind has no `{key}`"))),
            None => Ok(()),
        }
    }

    fn secrets(&self, one: &One, span: &Range<usize>) -> Result<Vec<WebhookSecret>, Failure> {
        let mut all = Vec::new();
        for (key, file, variable) in
            [("secret", &one.secret_file, &one.secret_env), ("old_secret", &one.old_secret_file, &one.old_secret_env)]
        {
            if let Some(text) = self.one_of(span, key, None, file.as_deref(), variable.as_deref())? {
                all.push(WebhookSecret::parse(&text).map_err(|what| self.at(span, key, format!("`{key}`: {what}")))?);
            }
        }
        if one.secret_file.is_none() && one.secret_env.is_none() {
            let what = "a webhook is signed: `secret_file` or `secret_env` says with what";
            return Err(self.at(span, "kind", what.into()));
        }
        Ok(all)
    }

    fn mail(&self, one: &One, span: &Range<usize>, guard: Guard, authorities: Authorities) -> Result<Way, Failure> {
        let at = |key: &str, what: &str| self.at(span, key, what.to_owned());
        let host = one.host.clone().ok_or_else(|| at("kind", "a channel of this kind has `host`"))?;
        let from = one.from.clone().ok_or_else(|| at("kind", "a channel of this kind has `from`"))?;
        let (transport, usual) = match one.tls {
            None | Some(Security::Starttls) => (Transport::StartTls, 587),
            Some(Security::Tls) => (Transport::Tls, 465),
            Some(Security::None) => (Transport::Plain, 25),
        };
        let (file, variable) = (one.password_file.as_deref(), one.password_env.as_deref());
        let account = match (&one.user, self.one_of(span, "password", None, file, variable)?) {
            (Some(user), Some(password)) if !user.is_empty() && !user.chars().any(char::is_control) => {
                Some((user.clone(), password))
            }
            (None, None) => None,
            _ => return Err(at("user", "`user` and `password_file` or `password_env` belong together")),
        };
        let server = MailServer { host, port: one.port.unwrap_or(usual), transport, account, guard, authorities };
        server.check(&from, &one.to).map_err(|what| self.at(span, "to", what))?;
        Ok(Way::Mail { server, from, to: one.to.clone() })
    }

    /// A value that is written in the file, in a file of its own, or in a variable; and in one of these alone.
    fn one_of(
        &self,
        span: &Range<usize>,
        key: &str,
        written: Option<&str>,
        file: Option<&Path>,
        variable: Option<&str>,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        if usize::from(written.is_some()) + usize::from(file.is_some()) + usize::from(variable.is_some()) > 1 {
            return Err(self.at(span, key, format!("`{key}` is said in more than one way")));
        }
        let value = match (written, file, variable) {
            (Some(text), ..) => Zeroizing::new(text.to_owned()),
            (_, Some(file), _) => {
                let bytes = countersign_server::private(&self.dir.join(file))?;
                let text = std::str::from_utf8(&bytes)
                    .map_err(|_| self.at(span, &format!("{key}_file"), "what the file holds is no text".to_owned()))?;
                Zeroizing::new(text.trim().to_owned())
            }
            (_, _, Some(name)) => match self.env.secret(name) {
                Some(text) => Zeroizing::new(text.trim().to_owned()),
                None => {
                    let what = format!("the variable `{}` is not set", name.escape_debug());
                    return Err(self.at(span, &format!("{key}_env"), what));
                }
            },
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    fn line(&self, at: usize) -> u32 {
        let lines = self.text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count();
        u32::try_from(lines).map_or(u32::MAX, |n| n.saturating_add(1))
    }

    /// The line on which a key of a channel stands; the channel's first line where it is not there.
    fn key_line(&self, span: &Range<usize>, key: &str) -> u32 {
        let mut at = span.start;
        for line in self.text.get(span.start..).unwrap_or_default().split_inclusive('\n') {
            let word = line.trim_start();
            if at > span.start && word.starts_with("[[") {
                break;
            }
            let name = word.split(['=', ' ', '\t']).next().unwrap_or_default();
            if name == key || name.strip_prefix(key).is_some_and(|rest| matches!(rest, "_file" | "_env")) {
                return self.line(at);
            }
            at = at.saturating_add(line.len());
        }
        self.line(span.start)
    }

    fn at(&self, span: &Range<usize>, key: &str, what: String) -> Failure {
        self.wrong(Some(self.key_line(span, key)), what, None)
    }

    fn wrong(&self, line: Option<u32>, what: String, suggestion: Option<String>) -> Failure {
        let place = Place { file: self.file.clone(), line, column: None };
        CliError::Channels { place, what, suggestion }.into()
    }
}
