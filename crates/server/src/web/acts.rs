//! Every act that a page can do: where it is sent, what it does, who may. The one table that routing and the tests of roles read.
//!
//! An act is a form of a page of this server: the browser says that it comes from here, and it carries the visit's secret word. Then the
//! same use case as the command line's does it, and asks everything anew. An auditor has the acts
//! of an audit, and no other; nobody else has those.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{MatchedPath, RawPathParams, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use countersign_model::access::Action;
use countersign_store::Session;
use maud::html;

use super::look::{Visitor, visitor};
use super::{html_response, layout, pages, rooms, sign, to_sign_in, trouble_body, trouble_page};
use crate::app::{App, Scope, Trouble};
use crate::auth::{self, Visit};

/// Bytes of an act's form. What a browser with a passkey answers takes less than two thousand.
pub(crate) const LARGEST: usize = 32 << 10;

/// Something that a page does.
pub(crate) struct Act {
    /// Where it is sent; `{…}` stands for a part that differs.
    pub(crate) path: &'static str,
    /// The page that it is done on.
    pub(crate) page: &'static str,
    /// What it does.
    pub(crate) does: &'static str,
    /// What it is in the table of acts; who may is said there. None: it is no act of the log, and whoever has a role does it.
    pub(crate) actions: &'static [Action],
    run: fn(&mut Doing<'_>) -> Result<String, Trouble>,
}

impl Act {
    /// Whether it appends nothing but its refusal, and so is open to whoever has a role. An auditor's is recorded as a look.
    pub(crate) fn is_everybodys(&self) -> bool {
        self.actions.is_empty()
    }

    /// Whether it is an auditor's: what only auditors may by the table of acts.
    pub(crate) fn is_of_audit(&self) -> bool {
        !self.is_everybodys() && self.actions.iter().all(|action| matches!(action, Action::AskInAudit))
    }
}

/// What is decided about a waiver.
const DECIDING: &[Action] = &[Action::GrantWaiver, Action::GrantMitigation, Action::RejectWaiver, Action::RevokeWaiver];

/// Every act.
pub(crate) const ACTS: &[Act] = &[
    Act {
        path: "/approvals/{run}/{slot}/prepare",
        page: "/approvals/{run}/{slot}",
        does: "decides anew on what is so now, and asks whether you may sign it",
        actions: &[Action::ApproveTechnical, Action::ApproveRegulatory],
        run: sign::prepare,
    },
    Act {
        path: "/approvals/{run}/{slot}",
        page: "/approvals/{run}/{slot}",
        does: "takes the answer of your passkey, and appends the approval if it counts",
        actions: &[Action::ApproveTechnical, Action::ApproveRegulatory],
        run: sign::complete,
    },
    Act {
        path: "/passkeys",
        page: "/passkeys",
        does: "takes a passkey that your browser made, and shows how an administrator enrols it; nothing is appended",
        actions: &[],
        run: pages::passkeys::take,
    },
    Act {
        path: "/passkeys/enrol/prepare",
        page: "/passkeys/enrol",
        does: "verifies a passkey that somebody's browser made, asks whether you may enrol it, and shows what you would sign",
        actions: &[Action::AddKey],
        run: pages::enrolment::prepare,
    },
    Act {
        path: "/passkeys/enrol",
        page: "/passkeys/enrol",
        does: "takes the answer of your passkey, and enrols somebody's passkey if it may still be",
        actions: &[Action::AddKey],
        run: pages::enrolment::complete,
    },
    Act {
        path: "/ledger/verify",
        page: "/ledger",
        does: "verifies the whole ledger as `countersign verify` does on the server's machine, beside the requests; nothing is appended",
        actions: &[],
        run: pages::verified::begin,
    },
    Act {
        path: "/runs/{run}/reject/prepare",
        page: "/runs/{run}/reject",
        does: "asks whether you may say no to the run, and shows what you would sign",
        actions: &[Action::RejectRun],
        run: pages::reject::prepare,
    },
    Act {
        path: "/runs/{run}/reject",
        page: "/runs/{run}/reject",
        does: "takes the answer of your passkey, and appends the rejection if it counts",
        actions: &[Action::RejectRun],
        run: pages::reject::complete,
    },
    Act {
        path: "/runs/{run}/withdraw/prepare",
        page: "/runs/{run}/withdraw",
        does: "asks whether anything of yours stands in the run, and shows what you would sign to take it back",
        actions: &[Action::WithdrawSaid],
        run: pages::withdraw::prepare,
    },
    Act {
        path: "/runs/{run}/withdraw",
        page: "/runs/{run}/withdraw",
        does: "takes the answer of your passkey, and appends the withdrawal if what it takes back still stands",
        actions: &[Action::WithdrawSaid],
        run: pages::withdraw::complete,
    },
    Act {
        path: "/findings/waive/prepare",
        page: "/findings/waive",
        does: "asks whether you may ask for a waiver of the first finding that you chose, and shows what you would sign",
        actions: &[Action::RequestWaiver],
        run: pages::findings::prepare_waiver,
    },
    Act {
        path: "/findings/waive",
        page: "/findings/waive",
        does: "takes the answer of your passkey, and appends the request for a waiver if it counts",
        actions: &[Action::RequestWaiver],
        run: pages::findings::complete_waiver,
    },
    Act {
        path: "/waivers/{waiver}/prepare",
        page: "/waivers/{waiver}",
        does: "asks whether you may grant, refuse or end the waiver, and shows what you would sign",
        actions: DECIDING,
        run: pages::waiver::prepare,
    },
    Act {
        path: "/waivers/{waiver}",
        page: "/waivers/{waiver}",
        does: "takes the answer of your passkey, and appends what you decided if it counts",
        actions: DECIDING,
        run: pages::waiver::complete,
    },
    Act {
        path: "/waivers/{waiver}/renew/prepare",
        page: "/waivers/{waiver}/renew",
        does: "asks whether you may ask that the waiver goes on, and shows what you would sign",
        actions: &[Action::RequestWaiver],
        run: pages::renewal::prepare,
    },
    Act {
        path: "/waivers/{waiver}/renew",
        page: "/waivers/{waiver}/renew",
        does: "takes the answer of your passkey, and appends the request if it counts",
        actions: &[Action::RequestWaiver],
        run: pages::renewal::complete,
    },
    Act {
        path: "/audits/{audit}/pack",
        page: "/audits/{audit}",
        does: "begins to make the evidence pack of an audit",
        actions: &[Action::OpenAudit],
        run: pages::packs::make,
    },
    Act {
        path: "/audits/{audit}/ask/prepare",
        page: "/audits/{audit}/ask",
        does: "asks whether you may request evidence, ask on or close a request, and shows what you would sign",
        actions: &[Action::AskInAudit],
        run: pages::requests::prepare,
    },
    Act {
        path: "/audits/{audit}/ask",
        page: "/audits/{audit}/ask",
        does: "takes the answer of your passkey, and appends the request, what you ask on, or that nothing more is needed",
        actions: &[Action::AskInAudit],
        run: pages::requests::complete,
    },
    Act {
        path: "/audits/{audit}/answer/prepare",
        page: "/audits/{audit}/answer",
        does: "asks whether you may answer a request, and shows what you would sign",
        actions: &[Action::AnswerAudit],
        run: pages::answers::prepare,
    },
    Act {
        path: "/audits/{audit}/answer",
        page: "/audits/{audit}/answer",
        does: "takes the answer of your passkey, and appends your answer to the request if it counts",
        actions: &[Action::AnswerAudit],
        run: pages::answers::complete,
    },
    Act {
        path: "/audits/{audit}/close/prepare",
        page: "/audits/{audit}/close",
        does: "asks whether you may close the audit, and shows what you would sign",
        actions: &[Action::CloseAudit],
        run: pages::closing::prepare,
    },
    Act {
        path: "/audits/{audit}/close",
        page: "/audits/{audit}/close",
        does: "takes the answer of your passkey, and closes the audit if nothing was asked in it meanwhile",
        actions: &[Action::CloseAudit],
        run: pages::closing::complete,
    },
    Act {
        path: "/populations/{index}/sample",
        page: "/populations/{index}",
        does: "draws the sample that your seed chooses from a sealed population",
        actions: &[Action::AskInAudit],
        run: pages::populations::draw,
    },
];

/// One act being done.
pub(crate) struct Doing<'a> {
    pub(crate) app: &'a Arc<App>,
    pub(crate) session: &'a mut Session,
    pub(crate) visitor: &'a Visitor,
    pub(crate) visit: &'a Visit,
    /// What they may be shown of what belongs to applications.
    pub(crate) scope: Scope,
    params: BTreeMap<String, String>,
    form: BTreeMap<String, String>,
}

impl Doing<'_> {
    /// A part of the path.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// What an address has after its `?` so that it is seen through the same audit.
    pub(crate) fn through(&self) -> String {
        match self.field(super::look::AUDIT) {
            "" => String::new(),
            audit => format!("&{}={}", super::look::AUDIT, super::look::encode(audit)),
        }
    }

    /// What follows `prefix` in the names of fields that begin with it.
    pub(crate) fn fields_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.form.keys().filter_map(move |name| name.strip_prefix(prefix))
    }

    /// A field of the form; one that is not there is empty.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }
}

/// Answers for every act in [`ACTS`]: does it and leads to the page that shows what came of it.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    path: MatchedPath,
    params: RawPathParams,
    headers: HeaderMap,
    form: Result<Form<BTreeMap<String, String>>, FormRejection>,
) -> Response {
    let Some(visit) = app.visit_of(&headers) else { return to_sign_in() };
    let Some(act) = ACTS.iter().find(|act| act.path == path.as_str()) else {
        return trouble_page(&app, &Trouble::internal("a path without an act was routed"));
    };
    let form = match form {
        Ok(Form(form)) => form,
        Err(e) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return trouble_page(&app, &Trouble::too_large());
        }
        Err(_) => return trouble_page(&app, &Trouble::bad_request("the form cannot be read")),
    };
    if !app.is_own(&headers) || form.get("csrf") != Some(&visit.csrf) {
        return trouble_page(&app, &Trouble::forged());
    }
    let params = params.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let inner = Arc::clone(&app);
    match app.with(move |session| done(&inner, session, &visit, act, params, form)).await {
        Ok(Ok(location)) => (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response(),
        Ok(Err((status, page))) => html_response(status, page),
        Err(trouble) => trouble_page(&app, &trouble),
    }
}

type Refused = (StatusCode, maud::Markup);

fn done(
    app: &Arc<App>,
    session: &mut Session,
    visit: &Visit,
    act: &Act,
    params: BTreeMap<String, String>,
    form: BTreeMap<String, String>,
) -> Result<Result<String, Refused>, Trouble> {
    let visitor = visitor(session, visit)?;
    let is_theirs = act.is_everybodys() || visitor.is_auditor() == act.is_of_audit();
    if !is_theirs || visitor.roles.is_empty() {
        return Err(Trouble::no_role("this act"));
    }
    // What an auditor does that is no act of the log shows them something, as a look does.
    if visitor.is_auditor() && act.is_everybodys() {
        auth::viewed(&app.looks, session, visit, act.path, None)?;
    }
    let audit = form.get(super::look::AUDIT).map(String::as_str).filter(|audit| !audit.is_empty());
    let scope = Scope::of(session.state(), &visitor.person, &visitor.roles, audit.filter(|_| visitor.is_auditor()))?;
    let back = params.iter().fold(act.page.to_owned(), |path, (name, value)| {
        path.replace(&format!("{{{name}}}"), &super::look::encode(value))
    });
    let mut doing = Doing { app, session, visitor: &visitor, visit, scope, params, form };
    // What is not shown to somebody is not theirs to act on.
    let inside = match rooms::find(act.page) {
        Some(room) => doing.scope.admits(doing.session, room.reach, |name| doing.param(name)),
        None => Ok(()),
    };
    let done = match inside {
        Ok(()) => (act.run)(&mut doing),
        Err(trouble) => Err(outside(&mut doing, act, trouble)?),
    };
    let trouble = match done {
        Ok(location) => return Ok(Ok(location)),
        Err(trouble) if trouble.status.is_client_error() => trouble,
        Err(trouble) => return Err(trouble),
    };
    // Somebody who is signed in keeps the way back.
    let Some(room) = rooms::find(act.page) else { return Err(trouble) };
    let body = html! { (trouble_body(&trouble)) p { a href=(back) { "Look at it again" } } };
    let page = layout::Page::new("This was refused", body);
    let size = session.state().size();
    let scope = Scope::of(session.state(), &visitor.person, &visitor.roles, None)?;
    Ok(Err((trouble.status, layout::whole(app, &visitor, &scope, room, size, &page))))
}

/// Records that somebody tried to act on what is outside of their scope.
fn outside(doing: &mut Doing<'_>, act: &Act, trouble: Trouble) -> Result<Trouble, Trouble> {
    let name = act.actions.first().map_or("act", |action| action.as_str());
    sign::refused(doing, name, None, trouble)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_is_of_a_page_and_of_the_table_of_acts() {
        // An auditor closes an audit at the command line: on pages they have the acts that nobody else has.
        let is_others = |action: &Action| {
            *action == Action::CloseAudit || !action.roles().contains(&countersign_model::Role::Auditor)
        };
        for act in ACTS {
            assert!(act.is_of_audit() || act.actions.iter().all(is_others), "{}", act.path);
            assert!(rooms::find(act.page).is_some() && !act.does.is_empty(), "{}", act.path);
        }
    }
}
