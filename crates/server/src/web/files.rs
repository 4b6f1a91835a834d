//! Every file that a page offers to take away: where it is, what it holds, who may have it. As a look at a page is, taking one is asked
//! for by role and scope, and of an auditor it is recorded.

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use countersign_evidence::encoding;
use countersign_model::{Digest, Role};

use super::look::Look;
use super::pages;
use super::rooms::{EVERYBODY, OFFICERS};
use crate::app::{Reach, Trouble};

/// A file that is offered.
pub(crate) struct Offer {
    /// Its path; `{…}` stands for a part that differs.
    pub(crate) path: &'static str,
    /// What it holds.
    pub(crate) holds: &'static str,
    /// Who may have it.
    pub(crate) roles: &'static [Role],
    /// How it is limited for an auditor.
    pub(crate) reach: Reach,
    pub(super) make: fn(&mut Look<'_>) -> Result<File, Trouble>,
}

/// Every file.
pub(crate) const FILES: &[Offer] = &[
    Offer {
        path: "/controls/{control}/population/export",
        holds: "everything that a control was applied to in a window, as CSV or JSON Lines",
        roles: EVERYBODY,
        reach: Reach::List,
        make: pages::controls::export,
    },
    Offer {
        path: "/audits/{audit}/pack",
        holds: "the evidence pack of an audit, for a day after it was made",
        roles: OFFICERS,
        reach: Reach::Audit,
        make: pages::packs::file,
    },
    Offer {
        path: "/populations/{index}/export",
        holds: "a sealed population, as CSV or JSON Lines",
        roles: OFFICERS,
        reach: Reach::Population,
        make: pages::populations::export,
    },
];

/// The file that a path pattern belongs to.
pub(super) fn find(pattern: &str) -> Option<&'static Offer> {
    FILES.iter().find(|file| file.path == pattern)
}

/// A file on its way.
pub(super) struct File {
    /// What it is called; letters, digits, `.` and `-`.
    pub(super) name: String,
    pub(super) media: &'static str,
    pub(super) sha256: Digest,
    pub(super) size: u64,
    pub(super) body: Body,
    /// What is said of it beside it.
    pub(super) facts: Vec<(HeaderName, String)>,
}

impl File {
    /// A file that is made of bytes.
    pub(super) fn of(name: &str, media: &'static str, bytes: Vec<u8>) -> Self {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        Self {
            name: name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect(),
            media,
            sha256: Digest::of(&bytes),
            size: bytes.len() as u64,
            body: Body::from(bytes),
            facts: Vec::new(),
        }
    }

    /// The answer: saved and not shown, with its digest (RFC 9530).
    pub(super) fn answer(self) -> Response {
        let hex = self.sha256.hex();
        let mut response = (StatusCode::OK, self.body).into_response();
        let headers = response.headers_mut();
        let all = [
            (CONTENT_TYPE, self.media.to_owned()),
            (CONTENT_LENGTH, self.size.to_string()),
            (CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", self.name)),
            (ETAG, format!("\"{hex}\"")),
            (
                HeaderName::from_static("repr-digest"),
                format!("sha-256=:{}:", encoding::to_base64(self.sha256.as_bytes())),
            ),
        ];
        for (name, value) in all.into_iter().chain(self.facts) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// The two forms of a population.
pub(super) fn population(
    look: &Look<'_>,
    p: &countersign_govern::audit::population::Population,
) -> Result<File, Trouble> {
    let day = |at: countersign_model::Timestamp| at.to_string().chars().take(10).collect::<String>();
    let name = format!("population-{}-{}-{}", p.control, day(p.window.from), day(p.window.to));
    let mut file = match look.filter("format") {
        Some("csv") => File::of(&format!("{name}.csv"), "text/csv; charset=utf-8", p.csv()?.into_bytes()),
        Some("jsonl") => File::of(&format!("{name}.jsonl"), "application/jsonl", p.lines()?),
        _ => return Err(Trouble::bad_request("`format` in the address is neither `csv` nor `jsonl`")),
    };
    let applications = if p.applications.is_empty() { "all".to_owned() } else { p.applications.join(" ") };
    let facts = [
        ("countersign-query", format!("{} of {}", p.query, p.control)),
        ("countersign-window", format!("{}/{}", p.window.from, p.window.to)),
        ("countersign-applications", applications),
        ("countersign-rows", p.members.len().to_string()),
        ("countersign-root", p.root()?.to_string()),
    ];
    file.facts = facts.into_iter().map(|(name, value)| (HeaderName::from_static(name), value)).collect();
    Ok(file)
}
