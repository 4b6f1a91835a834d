//! A channel, and which notices go through it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use countersign_connect::deliver::{self, MailServer, NotTaken, WebTarget, WebhookSecret};
use countersign_model::notice::NoticeKind;
use countersign_model::{PersonId, Role};

use super::shape::Message;
use super::wanted::Notice;

/// How a channel reaches somebody.
#[derive(Debug, Clone)]
pub enum Way {
    /// A web server that takes JSON, signed as Standard Webhooks has it.
    Webhook {
        /// Where.
        target: WebTarget,
        /// What it is signed with: the newest first. Two while one replaces the other.
        secrets: Vec<WebhookSecret>,
    },
    /// An incoming webhook of Slack.
    Slack(WebTarget),
    /// A workflow of Teams that was started by a webhook.
    Teams(WebTarget),
    /// Mail.
    Mail {
        /// The server.
        server: MailServer,
        /// Who writes.
        from: String,
        /// To whom.
        to: Vec<String>,
    },
    /// A program that reads the same JSON as webhooks get.
    Program(PathBuf),
}

/// A channel.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its name: it stands in the log, so it names no person.
    pub name: String,
    /// What goes through it; empty: everything.
    pub kinds: BTreeSet<NoticeKind>,
    /// Only what asks one of these roles, or of `people`; both empty: whomever it asks.
    pub roles: BTreeSet<Role>,
    /// Only what asks one of these people, or of `roles`.
    pub people: BTreeSet<PersonId>,
    /// How it reaches somebody.
    pub way: Way,
}

impl Way {
    /// The word for it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack(_) => "slack",
            Self::Teams(_) => "teams",
            Self::Mail { .. } => "email",
            Self::Program(_) => "command",
        }
    }
}

impl Channel {
    /// Whether a notice goes through it.
    #[must_use]
    pub fn takes(&self, notice: &Notice) -> bool {
        let everybody = self.roles.is_empty() && self.people.is_empty();
        (self.kinds.is_empty() || self.kinds.contains(&notice.key.kind))
            && (everybody || !self.roles.is_disjoint(&notice.roles) || !self.people.is_disjoint(&notice.people))
    }

    /// Where it leads, without what is secret of it.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.way {
            Way::Webhook { target, .. } | Way::Slack(target) | Way::Teams(target) => target.shown().to_owned(),
            Way::Mail { server, to, .. } => match to.len() {
                1 => format!("1 recipient through {}:{}", server.host, server.port),
                n => format!("{n} recipients through {}:{}", server.host, server.port),
            },
            Way::Program(program) => program.display().to_string(),
        }
    }

    /// Brings a message to it. `dir` is where a program is started.
    pub(super) fn deliver(&self, message: &Message, dir: &Path) -> Result<(), NotTaken> {
        const JSON: &str = "application/json";
        match &self.way {
            Way::Webhook { target, secrets } => {
                let body = message.json();
                target.post(JSON, &deliver::sign(secrets, &message.id, message.time, &body), &body)
            }
            Way::Slack(target) => target.post(JSON, &[], &message.slack()),
            Way::Teams(target) => target.post(JSON, &[], &message.teams()),
            Way::Mail { server, from, to } => server.send(&message.letter(from, to)),
            Way::Program(program) => deliver::program(program, dir, &message.json()),
        }
    }
}
