//! One look at a page: who looks, whether they may, and what they see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{MatchedPath, Query, RawPathParams, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
pub(crate) use countersign_connect::encoded as encode;
use countersign_model::{PersonId, Role, Timestamp};
use countersign_store::Session;
use countersign_store::projection::State as Tables;

use maud::{Markup, html};

use super::rooms::{self, Room};
use super::{files, html_response, layout, nothing_here, parts, to_sign_in, trouble_body, trouble_page};
use crate::app::{App, Reach, Scope, Trouble};
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
    /// What they may be shown of what belongs to applications.
    pub(crate) scope: Scope,
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

    /// What follows `prefix` in the names of filters that begin with it.
    pub(crate) fn filters_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.keys().filter_map(move |name| name.strip_prefix(prefix))
    }

    /// A filter that is an index.
    pub(crate) fn index(&self, name: &str) -> Result<Option<u64>, Trouble> {
        let read = |text: &str| {
            text.parse().map_err(|_| Trouble::bad_request(&format!("`{name}` in the address is no index of the log")))
        };
        self.filter(name).map(read).transpose()
    }

    /// A filter that is a moment, as the charts write it, or a day.
    pub(crate) fn moment(&self, name: &str) -> Result<Option<Timestamp>, Trouble> {
        let read = |text: &str| {
            let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
            whole
                .parse()
                .map_err(|_| Trouble::bad_request(&format!("`{name}` in the address is neither a day nor a time")))
        };
        self.filter(name).map(read).transpose()
    }

    /// A person's name, where it is not kept from the visitor.
    pub(crate) fn name(&self, person: &PersonId) -> Result<String, Trouble> {
        self.scope.name(self.state(), person)
    }

    /// An entry: a link, where the visitor may look at it.
    pub(crate) fn entry(&self, index: u64) -> Result<Markup, Trouble> {
        let inside = self.scope.has_entry(self.session, index)?;
        Ok(html! { @if inside { (parts::entry(index)) } @else { "#" (index) } })
    }

    /// Links to entries, `most` at the most, of those that are in the visitor's scope.
    pub(crate) fn entries(&self, all: &[u64], most: usize) -> Result<Markup, Trouble> {
        let mut links = Vec::new();
        for index in all {
            if links.len() < most && self.scope.has_entry(self.session, *index)? {
                links.push(parts::entry(*index));
            }
        }
        Ok(html! { @for link in &links { (link) " " } })
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

/// Answers for every page in [`rooms::ROOMS`].
pub(crate) async fn answer(State(app): State<Arc<App>>, path: MatchedPath, asking: Asking) -> Response {
    let Some(room) = rooms::find(path.as_str()) else {
        return trouble_page(&app, &Trouble::internal("a path without a page was routed"));
    };
    let asked = match read(&app, "page", asking) {
        Ok(asked) => asked,
        Err(answered) => return *answered,
    };
    let inner = Arc::clone(&app);
    match app.with(move |session| looked(&inner, session, room, asked)).await {
        Ok((status, body)) => html_response(status, body),
        Err(trouble) => trouble_page(&app, &trouble),
    }
}

/// What a request for a page or a file says.
pub(crate) type Asking =
    (RawPathParams, RawQuery, Result<Query<BTreeMap<String, String>>, QueryRejection>, Uri, HeaderMap);

/// Who asks, and for what; else the answer that they get.
fn read(app: &App, what: &str, asking: Asking) -> Result<Asked, Box<Response>> {
    let (params, RawQuery(raw), query, uri, headers) = asking;
    let visit = app.visit_of(&headers).ok_or_else(|| Box::new(to_sign_in()))?;
    let refuse = |trouble| Box::new(trouble_page(app, &trouble));
    let Ok(Query(query)) = query else {
        return Err(refuse(Trouble::bad_request("the filters in the address cannot be read")));
    };
    // Nothing has a longer one, and an auditor's look is an entry with its path.
    if uri.path().len() > crate::api::LONGEST_PATH {
        return Err(refuse(Trouble::not_found(what)));
    }
    let params = params.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Ok(Asked { visit, params, query, path: uri.path().to_owned(), raw })
}

struct Asked {
    visit: Visit,
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

/// What a look came to, and what is around it.
struct Looked<T> {
    visitor: Visitor,
    scope: Scope,
    size: u64,
    /// The audit that the address names.
    audit: Option<String>,
    made: Result<T, Trouble>,
}

/// Looks at something: asks who may, records that an auditor does, finds the scope, and refuses what is outside of it.
fn begin<T>(
    app: &App,
    session: &mut Session,
    asked: Asked,
    (name, roles, reach): (&str, &[Role], Reach),
    make: impl FnOnce(&mut Look<'_>) -> Result<T, Trouble>,
) -> Result<Looked<T>, Trouble> {
    let mut visitor = visitor(session, &asked.visit)?;
    if !visitor.is_any(roles) {
        return Err(Trouble::no_role(if name.is_empty() { "this page" } else { name }));
    }
    if visitor.is_auditor() {
        auth::viewed(&app.looks, session, &asked.visit, &asked.path, asked.raw.as_deref())?;
    }
    let size = session.state().size();
    let audit = asked.query.get(AUDIT).cloned().filter(|audit| !audit.is_empty());
    let (scope, refused) = match Scope::of(session.state(), &visitor.person, &visitor.roles, audit.as_deref()) {
        Ok(scope) => (scope, None),
        Err(trouble) => (Scope::of(session.state(), &visitor.person, &visitor.roles, None)?, Some(trouble)),
    };
    if scope.is_as_auditor {
        visitor.roles = BTreeSet::from([Role::Auditor]);
    }
    let visit = &asked.visit;
    let mut look = Look { app, session, visitor: &visitor, visit, scope, params: asked.params, query: asked.query };
    let made = match refused {
        Some(trouble) => Err(trouble),
        None => look.scope.admits(look.session, reach, |name| look.param(name)).and_then(|()| make(&mut look)),
    };
    let scope = look.scope;
    Ok(Looked { visitor, scope, size, audit, made })
}

fn looked(app: &App, session: &mut Session, room: &Room, asked: Asked) -> Result<(StatusCode, Markup), Trouble> {
    let looked = begin(app, session, asked, (room.name, room.roles, room.reach), room.show)?;
    let (status, page) = match looked.made.map_err(Trouble::shown) {
        Ok(page) => (StatusCode::OK, page),
        // Somebody who is signed in keeps the way back.
        Err(trouble) => (
            trouble.status,
            layout::Page::new(
                "This did not work",
                html! {
                    (trouble_body(&trouble))
                    @if trouble.status == StatusCode::NOT_FOUND { (nothing_here()) }
                    @if trouble.status == StatusCode::CONFLICT { p { "What the ledger holds of it cannot be read. The entries themselves are " a href="/ledger" { "in the ledger" } "." } }
                },
            ),
        ),
    };
    let whole = layout::whole(app, &looked.visitor, &looked.scope, room, looked.size, &page);
    let whole = match looked.audit {
        Some(audit) => carried(&whole, &audit),
        None => whole,
    };
    Ok((status, whole))
}

/// Answers for every file in [`files::FILES`].
pub(crate) async fn file(State(app): State<Arc<App>>, path: MatchedPath, asking: Asking) -> Response {
    let Some(file) = files::find(path.as_str()) else {
        return trouble_page(&app, &Trouble::internal("a path without a file was routed"));
    };
    let asked = match read(&app, "file", asking) {
        Ok(asked) => asked,
        Err(answered) => return *answered,
    };
    let inner = Arc::clone(&app);
    let what = ("this file", file.roles, file.reach);
    let made =
        app.with(move |session| begin(&inner, session, asked, what, file.make)?.made.map_err(Trouble::shown)).await;
    match made {
        Ok(made) => made.answer(),
        Err(trouble) => trouble_page(&app, &trouble),
    }
}

/// The filter that says through which audit somebody looks.
pub(crate) const AUDIT: &str = "audit";

/// Keeps the chosen audit in every link and form of a page that leads to another page. Text cannot be taken for an attribute: its
/// quotation marks are escaped.
fn carried(page: &Markup, audit: &str) -> Markup {
    const LINK: &str = "href=\"/";
    const FORM: &str = "method=\"get\"";
    let audit = encode(audit);
    let mut out = String::with_capacity(page.0.len() + 1024);
    let mut rest = page.0.as_str();
    loop {
        let (link, form) = (rest.find(LINK), rest.find(FORM));
        let (at, is_link) = match (link, form) {
            (Some(link), Some(form)) if form < link => (form, false),
            (Some(link), _) => (link, true),
            (None, Some(form)) => (form, false),
            (None, None) => break,
        };
        let mark = if is_link { LINK.len() - 1 } else { FORM.len() };
        let (before, after) = rest.split_at(at + mark);
        out.push_str(before);
        let end = after.find(if is_link { '"' } else { '>' }).unwrap_or(after.len());
        let (inside, more) = after.split_at(end);
        // A fragment stays the end of the address.
        let (inside, fragment) = inside.split_at(if is_link { inside.find('#').unwrap_or(end) } else { end });
        out.push_str(inside);
        rest = more;
        if !is_link {
            let tail = rest.strip_prefix('>').unwrap_or(rest);
            out.push_str(&format!("><input type=\"hidden\" name=\"{AUDIT}\" value=\"{audit}\">"));
            rest = tail;
        } else if !inside.starts_with("/assets/") && !inside.contains("audit=") {
            out.push_str(if inside.contains('?') { "&amp;" } else { "?" });
            out.push_str(&format!("{AUDIT}={audit}"));
        }
        out.push_str(fragment);
    }
    out.push_str(rest);
    maud::PreEscaped(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_audit_stays_in_links_and_forms() {
        let page = html! {
            link href="/assets/style.css";
            a href="/runs?outcome=fail&before=3" { "href=\"/x\"" }
            a href="/" { "home" }
            a href="/audits/a?state=open#requests" { "part" }
            a href="/audits?audit=" { "leave" }
            a href="https://elsewhere.example/" { "elsewhere" }
            form.search method="get" action="/runs" { button { "Show" } }
            form method="post" action="/sign-out" { }
        };
        let made = carried(&page, "aud-1\"<").0;
        assert_eq!(
            made,
            "<link href=\"/assets/style.css\"><a href=\"/runs?outcome=fail&amp;before=3&amp;audit=aud-1%22%3C\">href=&quot;/x&quot;</a>\
             <a href=\"/?audit=aud-1%22%3C\">home</a><a href=\"/audits/a?state=open&amp;audit=aud-1%22%3C#requests\">part</a><a href=\"/audits?audit=\">leave</a><a href=\"https://elsewhere.example/\">elsewhere</a>\
             <form class=\"search\" method=\"get\" action=\"/runs\"><input type=\"hidden\" name=\"audit\" value=\"aud-1%22%3C\"><button>Show</button></form>\
             <form method=\"post\" action=\"/sign-out\"></form>"
        );
    }
}
