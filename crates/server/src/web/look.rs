//! One look at a page: who looks, whether they may, and what they see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{MatchedPath, Query, RawPathParams, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use countersign_model::{PersonId, Role, Timestamp};
use countersign_store::Session;
use countersign_store::projection::State as Tables;

use super::rooms::{self, Room};
use super::{html_response, layout, nothing_here, to_sign_in, trouble_body, trouble_page};
use crate::app::{App, Trouble};
use crate::auth::{self, Proof, Visit};

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) person: PersonId,
    /// Their name, or their id where it was erased.
    pub(crate) name: String,
    pub(crate) roles: BTreeSet<Role>,
    /// Stands in their forms.
    pub(crate) csrf: String,
}

impl Visitor {
    /// Whether they hold one of these roles.
    pub(crate) fn is_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.roles.contains(role))
    }

    /// Whether they are here to audit: they see everything and do nothing, and what they look at is recorded.
    pub(crate) fn is_auditor(&self) -> bool {
        self.roles.contains(&Role::Auditor)
    }
}

/// One look.
pub(crate) struct Look<'a> {
    pub(crate) app: &'a App,
    pub(crate) session: &'a mut Session,
    pub(crate) visitor: &'a Visitor,
    pub(crate) visit: &'a Visit,
    /// What stands in the path's places.
    params: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
}

impl Look<'_> {
    /// What the log says.
    pub(crate) fn state(&self) -> &Tables {
        self.session.state()
    }

    /// The machine's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.session.now()
    }

    /// A part of the path.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// A filter from the address; one that is empty is none.
    pub(crate) fn filter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A filter that is an index.
    pub(crate) fn index(&self, name: &str) -> Result<Option<u64>, Trouble> {
        let read = |text: &str| {
            text.parse().map_err(|_| Trouble::bad_request(&format!("`{name}` in the address is no index of the log")))
        };
        self.filter(name).map(read).transpose()
    }

    /// A person's name.
    pub(crate) fn name(&self, person: &PersonId) -> Result<String, Trouble> {
        Ok(self.state().label(person)?)
    }

    /// The page's address with other filters; those of an empty value go.
    pub(crate) fn address(&self, path: &str, with: &[(&str, &str)]) -> String {
        let mut query = self.query.clone();
        for (name, value) in with {
            query.insert((*name).to_owned(), (*value).to_owned());
        }
        query.retain(|_, value| !value.is_empty());
        let pairs: Vec<String> = query.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
    }
}

/// Text as it may stand in an address (RFC 3986 unreserved characters stay).
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Answers for every page in [`rooms::ROOMS`].
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    path: MatchedPath,
    params: RawPathParams,
    RawQuery(raw): RawQuery,
    query: Result<Query<BTreeMap<String, String>>, axum::extract::rejection::QueryRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let Some(visit) = app.visit_of(&headers) else { return to_sign_in() };
    let Some(room) = rooms::find(path.as_str()) else {
        return trouble_page(&app, &Trouble::internal("a path without a page was routed"));
    };
    let Ok(Query(query)) = query else {
        return trouble_page(&app, &Trouble::bad_request("the filters in the address cannot be read"));
    };
    // No page has a longer one, and an auditor's look is an entry with its path.
    if uri.path().len() > crate::api::LONGEST_PATH {
        return trouble_page(&app, &Trouble::not_found("page"));
    }
    let params = params.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let asked = Asked { visit, room, params, query, path: uri.path().to_owned(), raw };
    let inner = Arc::clone(&app);
    match app.with(move |session| looked(&inner, session, asked)).await {
        Ok((status, body)) => html_response(status, body),
        Err(trouble) => trouble_page(&app, &trouble),
    }
}

struct Asked {
    visit: Visit,
    room: &'static Room,
    params: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    path: String,
    raw: Option<String>,
}

/// Who somebody is now: roles end while they are signed in, and so do keys.
pub(crate) fn visitor(session: &Session, visit: &Visit) -> Result<Visitor, Trouble> {
    match &visit.proof {
        Proof::None => {}
        Proof::Key(key) => {
            if let Err(trouble) = session.state().usable(key, session.now())? {
                return Err(Trouble::refused(&format!("{trouble}, with which you signed in")));
            }
        }
        Proof::Account(account) => {
            if session.state().person_by_account(account)?.as_ref() != Some(&visit.person) {
                return Err(Trouble::refused("the account with which you signed in is yours no longer"));
            }
        }
    }
    let person = session.state().person(&visit.person)?.ok_or_else(|| Trouble::no_role("this server"))?;
    let name = person.label().to_owned();
    Ok(Visitor { person: person.id, name, roles: person.roles, csrf: visit.csrf.clone() })
}

fn looked(app: &App, session: &mut Session, asked: Asked) -> Result<(StatusCode, maud::Markup), Trouble> {
    let visitor = visitor(session, &asked.visit)?;
    let room = asked.room;
    if !visitor.is_any(room.roles) {
        return Err(Trouble::no_role(if room.name.is_empty() { "this page" } else { room.name }));
    }
    if visitor.is_auditor() {
        auth::viewed(session, &asked.visit, &asked.path, asked.raw.as_deref())?;
    }
    let size = session.state().size();
    let visit = &asked.visit;
    let mut look = Look { app, session, visitor: &visitor, visit, params: asked.params, query: asked.query };
    let (status, page) = match (room.show)(&mut look) {
        Ok(page) => (StatusCode::OK, page),
        // Somebody who is signed in keeps the way back.
        Err(trouble) => (
            trouble.status,
            layout::Page::new(
                "This did not work",
                maud::html! { (trouble_body(&trouble)) @if trouble.status == StatusCode::NOT_FOUND { (nothing_here()) } },
            ),
        ),
    };
    Ok((status, layout::whole(app, &visitor, room, size, &page)))
}
