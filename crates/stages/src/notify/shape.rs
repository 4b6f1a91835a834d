//! A message as each kind of channel wants it.
//!
//! What is in it: what happened, what is wanted of which roles, until when, the command and the page. What is not: names and addresses of
//! people, what somebody wrote as a reason, and anything of a finding; whoever may see these sees them on the page, after signing in.
//!
//! Sources: the reference of Block Kit (api.slack.com: 50 blocks, 150 characters of a header, 3000 of a section; `&`, `<` and `>` are
//! control characters), the schema of Adaptive Cards 1.5 (adaptivecards.io) and the limits of Teams' incoming webhooks (28 KB a
//! message; learn.microsoft.com).

use std::fmt::Write as _;

use countersign_connect::deliver::Letter;
use countersign_model::{Timestamp, is_demonstration};
use serde_json::{Value, json};

use super::wanted::{Notice, minute};

/// The most notices that one message shows one by one; so many are also in one message at the most.
pub(super) const SHOWN: usize = 20;
/// The largest card, in bytes: 28 KB, and room for what a workflow adds.
const CARD: usize = 26 * 1024;
/// The longest title and sentence, in characters.
const LONGEST: usize = 300;

/// A message.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its name: the same for every attempt.
    pub id: String,
    /// The ledger's origin.
    pub origin: String,
    /// The server whose pages show more, where there is one: scheme and host.
    pub server: Option<String>,
    /// When.
    pub time: Timestamp,
    /// What it says; empty: it is a test.
    pub notices: Vec<Notice>,
}

/// What every kind of channel shows of a notice.
struct Part {
    title: String,
    wanted: String,
    meta: String,
    command: String,
    url: Option<String>,
}

impl Message {
    fn is_test(&self) -> bool {
        self.notices.is_empty()
    }

    /// What stands before every title.
    fn mark(&self) -> &'static str {
        match (is_demonstration(&self.origin), self.is_test()) {
            (true, true) => "[DEMONSTRATION] [TEST] ",
            (true, false) => "[DEMONSTRATION] ",
            (false, true) => "[TEST] ",
            (false, false) => "",
        }
    }

    /// One line for all of it.
    #[must_use]
    pub fn title(&self) -> String {
        match self.notices.as_slice() {
            [] => format!("{}Countersign can reach this channel", self.mark()),
            [one] => format!("{}{}", self.mark(), line(&one.title)),
            many => format!("{}{} things wait in Countersign", self.mark(), many.len()),
        }
    }

    fn url(&self, path: &str) -> Option<String> {
        let server = self.server.as_ref()?;
        let mut url = server.clone();
        for byte in path.bytes() {
            match byte {
                b'/' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
                _ if byte.is_ascii_alphanumeric() => url.push(char::from(byte)),
                _ => {
                    let _ = write!(url, "%{byte:02X}");
                }
            }
        }
        Some(url)
    }

    fn parts(&self, most: usize) -> Vec<Part> {
        if self.is_test() {
            return vec![Part {
                title: self.title(),
                wanted: "Nothing is wanted of you: somebody tries whether messages arrive here.".to_owned(),
                meta: String::new(),
                command: "countersign notify status".to_owned(),
                url: self.url("/"),
            }];
        }
        let part = |n: &Notice| Part {
            title: line(&n.title),
            wanted: line(&n.wanted),
            meta: match n.due {
                Some(due) => format!("{} · until {} · for {}", n.key.kind, minute(due), n.asks()),
                None => format!("{} · for {}", n.key.kind, n.asks()),
            },
            command: line(&n.command),
            url: self.url(&n.path),
        };
        self.notices.iter().take(most).map(part).collect()
    }

    /// Where it comes from, in a line.
    fn about(&self) -> String {
        let demonstration =
            if is_demonstration(&self.origin) { " · a demonstration: nothing of it is real" } else { "" };
        format!("{} · {} · {}{demonstration}", line(&self.origin), minute(self.time), self.id)
    }

    /// What webhooks and programs get: type, timestamp and data, as Standard Webhooks recommends it.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let notices = self.notices.iter().map(|n| {
            json!({
                "kind": n.key.kind, "entry": n.key.at, "part": n.key.part, "step": n.key.step, "key": n.key.to_string(),
                "title": n.title, "wanted": n.wanted, "due": n.due, "roles": n.roles, "people": n.people,
                "command": n.command, "url": self.url(&n.path),
            })
        });
        bytes(&json!({
            "type": "countersign.notification", "timestamp": self.time,
            "data": {
                "version": 1, "id": self.id, "ledger": self.origin, "demonstration": is_demonstration(&self.origin),
                "test": self.is_test(), "title": self.title(), "notices": notices.collect::<Vec<_>>(),
            },
        }))
    }

    /// Block Kit, with a text for where blocks are not shown.
    #[must_use]
    pub fn slack(&self) -> Vec<u8> {
        let mut blocks = vec![json!({
            "type": "header", "text": {"type": "plain_text", "text": cut(&self.title(), 150), "emoji": false},
        })];
        for part in self.parts(SHOWN) {
            let mut text = format!("*{}*\n{}", mrkdwn(&part.title), mrkdwn(&part.wanted));
            if !part.meta.is_empty() {
                let _ = write!(text, "\n{}", mrkdwn(&part.meta));
            }
            let _ = write!(text, "\n`{}`", mrkdwn(&part.command.replace('`', "'")));
            if let Some(url) = &part.url {
                let _ = write!(text, "\n<{}|Open in Countersign>", mrkdwn(url));
            }
            blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
        }
        let left = self.notices.len().saturating_sub(SHOWN);
        if left > 0 {
            let text = format!("… and {left} more");
            blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
        }
        let about = json!([{"type": "mrkdwn", "text": mrkdwn(&self.about())}]);
        blocks.push(json!({"type": "context", "elements": about}));
        bytes(&json!({"text": mrkdwn(&self.title()), "blocks": blocks, "unfurl_links": false, "unfurl_media": false}))
    }

    /// An Adaptive Card in the envelope that Teams' workflows take. What comes from the ledger is in runs of text, which know no Markdown.
    #[must_use]
    pub fn teams(&self) -> Vec<u8> {
        let mut shown = (1..=SHOWN).rev().map(|most| self.card(most));
        // One alone is always short enough: its texts are bounded.
        shown.find(|card| card.len() <= CARD).unwrap_or_else(|| self.card(1))
    }

    fn card(&self, most: usize) -> Vec<u8> {
        let run = |text: &str, bold: bool| {
            json!({
                "type": "TextRun", "text": text, "weight": if bold { "Bolder" } else { "Default" },
            })
        };
        let block = |inlines: Value| json!({"type": "RichTextBlock", "inlines": inlines});
        let mut body = vec![json!({
            "type": "RichTextBlock",
            "inlines": [{"type": "TextRun", "text": self.title(), "weight": "Bolder", "size": "Large"}],
        })];
        let parts = self.parts(most);
        let single = parts.len() == 1;
        let mut actions = Vec::new();
        for part in parts {
            let mut items = Vec::new();
            if !single {
                items.push(block(json!([run(&part.title, true)])));
            }
            items.push(block(json!([run(&part.wanted, false)])));
            if !part.meta.is_empty() {
                items.push(json!({
                    "type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": part.meta, "isSubtle": true, "size": "Small"}],
                }));
            }
            items.push(json!({
                "type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": part.command, "fontType": "Monospace"}],
            }));
            let mut container = json!({"type": "Container", "separator": true, "items": items});
            match part.url {
                Some(url) if single => {
                    actions.push(json!({"type": "Action.OpenUrl", "title": "Open in Countersign", "url": url}))
                }
                Some(url) => container["selectAction"] = json!({"type": "Action.OpenUrl", "title": "Open", "url": url}),
                None => {}
            }
            body.push(container);
        }
        let left = self.notices.len().saturating_sub(most);
        if left > 0 {
            body.push(block(json!([run(&format!("… and {left} more"), false)])));
        }
        body.push(json!({
            "type": "RichTextBlock", "separator": true,
            "inlines": [{"type": "TextRun", "text": self.about(), "isSubtle": true, "size": "Small"}],
        }));
        bytes(&json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.5",
                    "msteams": {"width": "Full"}, "fallbackText": self.title(), "body": body, "actions": actions,
                },
            }],
        }))
    }

    /// A letter.
    #[must_use]
    pub fn letter(&self, from: &str, to: &[String]) -> Letter {
        let mut text = String::new();
        if is_demonstration(&self.origin) {
            text.push_str("This is a demonstration: nothing of it is real.\n\n");
        }
        for part in self.parts(SHOWN) {
            let _ = writeln!(text, "{}\n{}", part.title, part.wanted);
            if !part.meta.is_empty() {
                let _ = writeln!(text, "{}", part.meta);
            }
            let _ = writeln!(text, "\n    {}", part.command);
            if let Some(url) = part.url {
                let _ = writeln!(text, "    {url}");
            }
            text.push('\n');
        }
        let left = self.notices.len().saturating_sub(SHOWN);
        if left > 0 {
            let _ = writeln!(text, "… and {left} more\n");
        }
        let _ = writeln!(text, "-- \n{}", self.about());
        Letter {
            id: self.id.clone(),
            from: from.to_owned(),
            to: to.to_vec(),
            subject: format!("[Countersign] {}", self.title()),
            text,
            time: self.time,
        }
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// At most so many characters, the last of them an ellipsis where something is left away.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A line without control characters or marks that turn the direction of writing, and not longer than people read.
fn line(text: &str) -> String {
    let is_odd = |c: char| {
        c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    cut(&text.chars().map(|c| if is_odd(c) { ' ' } else { c }).collect::<String>(), LONGEST)
}

/// What Slack takes as text and nothing else.
fn mrkdwn(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_model::notice::{NoticeKey, NoticeKind};
    use countersign_model::{PersonId, Role};

    use super::*;

    fn notice(title: &str) -> Notice {
        Notice {
            key: NoticeKey { kind: NoticeKind::ApprovalWanted, at: 17, part: Some("technical".into()), step: 0 },
            title: title.to_owned(),
            wanted: "An engineer signs, or says no.".into(),
            command: "countersign approve run-1 --as technical".into(),
            path: "/approvals/run-1/technical".into(),
            due: Some("2030-01-01T12:00:00Z".parse().unwrap()),
            roles: BTreeSet::from([Role::Engineer]),
            people: BTreeSet::from([PersonId::from_text("per-1")]),
        }
    }

    fn message(notices: Vec<Notice>) -> Message {
        Message {
            id: format!("ntf-{}", "ab".repeat(16)),
            origin: "countersign.bank.example/ledger".into(),
            server: Some("https://countersign.bank.example".into()),
            time: "2030-01-01T08:00:00Z".parse().unwrap(),
            notices,
        }
    }

    fn value(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn one_notice_in_every_shape() {
        let m = message(vec![notice("A technical approval is wanted for payments at 0123456789ab (run-1)")]);
        let j = value(&m.json());
        assert_eq!((&j["type"], &j["data"]["version"]), (&"countersign.notification".into(), &1.into()));
        assert_eq!(j["timestamp"], "2030-01-01T08:00:00.000Z");
        let n = &j["data"]["notices"][0];
        assert_eq!(n["key"], "approval-wanted/17/technical");
        assert_eq!(n["url"], "https://countersign.bank.example/approvals/run-1/technical");
        assert_eq!((&n["roles"], &n["people"]), (&json!(["engineer"]), &json!(["per-1"])));

        let slack = value(&m.slack());
        assert_eq!(slack["text"], "A technical approval is wanted for payments at 0123456789ab (run-1)");
        assert_eq!(slack["blocks"][0]["type"], "header");
        assert_eq!(
            slack["blocks"][1]["text"]["text"],
            "*A technical approval is wanted for payments at 0123456789ab (run-1)*\nAn engineer signs, or says no.\n\
             approval-wanted · until 2030-01-01 12:00 UTC · for engineer\n`countersign approve run-1 --as technical`\n\
             <https://countersign.bank.example/approvals/run-1/technical|Open in Countersign>"
        );
        let teams = value(&m.teams());
        let card = &teams["attachments"][0]["content"];
        assert_eq!((&teams["type"], &card["version"]), (&"message".into(), &"1.5".into()));
        assert_eq!(card["actions"][0]["url"], "https://countersign.bank.example/approvals/run-1/technical");
        assert_eq!(card["body"][1]["items"][2]["inlines"][0]["text"], "countersign approve run-1 --as technical");

        let letter = m.letter("a@b", &["c@d".to_owned()]);
        assert_eq!(letter.subject, "[Countersign] A technical approval is wanted for payments at 0123456789ab (run-1)");
        assert!(
            letter.text.contains("\n    countersign approve run-1 --as technical\n    https://"),
            "{}",
            letter.text
        );
        // Who could do it is for programs; people read roles.
        for shape in [m.slack(), m.teams(), letter.to_bytes(), letter.text.into_bytes()] {
            assert!(!String::from_utf8(shape).unwrap().contains("per-1"));
        }
    }

    #[test]
    fn tests_and_demonstrations_are_marked_in_every_shape() {
        let mut m = message(vec![]);
        m.origin = "countersign.demo/x".into();
        assert_eq!(m.title(), "[DEMONSTRATION] [TEST] Countersign can reach this channel");
        assert_eq!(value(&m.json())["data"]["test"], true);
        m.notices = vec![notice("x")];
        let j = value(&m.json());
        assert_eq!((&j["data"]["test"], &j["data"]["demonstration"]), (&false.into(), &true.into()));
        let letter = m.letter("a@b", &["c@d".to_owned()]);
        assert!(letter.subject.contains("[DEMONSTRATION]") && letter.text.starts_with("This is a demonstration"));
        for shape in [m.slack(), m.teams()] {
            let text = String::from_utf8(shape).unwrap();
            assert!(text.contains("[DEMONSTRATION] x") && text.contains("nothing of it is real"), "{text}");
        }
    }

    /// However long and odd what stands in a ledger is, a message stays within what is documented of its receivers.
    #[test]
    fn limits_hold_and_nothing_is_markup() {
        let evil = "<!channel> & `x` *b* [l](http://e) \r\nBcc: t@e \u{202e}".repeat(40);
        let many: Vec<Notice> =
            (0..50).map(|_| Notice { command: evil.clone(), wanted: evil.clone(), ..notice(&evil) }).collect();
        let wide: Vec<Notice> =
            many.iter().map(|n| Notice { wanted: "\u{1f511}\"\\".repeat(200), ..n.clone() }).collect();
        for notices in [vec![notice(&evil)], many, wide] {
            let m = message(notices);
            let slack = value(&m.slack());
            let blocks = slack["blocks"].as_array().unwrap();
            assert!(blocks.len() <= 50);
            assert!(blocks[0]["text"]["text"].as_str().unwrap().chars().count() <= 150);
            for block in &blocks[1..blocks.len() - 1] {
                let text = block["text"]["text"].as_str().unwrap();
                assert!(text.chars().count() <= 3000, "{}", text.len());
                let outside = text.split("\n<https://countersign.bank.example/").next().unwrap();
                assert!(!outside.contains('<') && !outside.contains('>'), "{text}");
            }
            let teams = m.teams();
            assert!(teams.len() <= 28 * 1024, "{}", teams.len());
            let text = String::from_utf8(teams).unwrap();
            assert!(!text.contains("TextBlock\",\"text") && !text.contains('\u{202e}'));
            let letter = m.letter("a@b", &["c@d".to_owned()]);
            assert!(!letter.subject.contains(['\r', '\n']) && !letter.text.contains('\r'));
            assert!(m.title().chars().count() <= 320);
        }
        let mut odd = notice("x");
        odd.path = "/environments/a b?c#d/../é".into();
        let url = value(&message(vec![odd]).json())["data"]["notices"][0]["url"].as_str().unwrap().to_owned();
        assert_eq!(url, "https://countersign.bank.example/environments/a%20b%3Fc%23d/../%C3%A9");
    }
}
