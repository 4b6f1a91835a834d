//! An error as a client is told it: a status, a code that `countersign explain` knows, a sentence, and what to do next.

use axum::http::StatusCode;
use countersign_model::{Diagnostic, Exit};

/// The code of what only a fault of this program explains.
const INTERNAL: &str = "CS-SERVER-020";

/// An error on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) text: String,
    pub(crate) help: String,
}

impl Trouble {
    /// Any error of the rooms below.
    pub(crate) fn of(error: &dyn Diagnostic) -> Self {
        let status = match error.exit() {
            Exit::Usage => StatusCode::BAD_REQUEST,
            Exit::Nothing => StatusCode::NOT_FOUND,
            Exit::Forbidden => StatusCode::FORBIDDEN,
            Exit::Backend => StatusCode::SERVICE_UNAVAILABLE,
            Exit::Denied | Exit::Waiting | Exit::Drift => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        // Where it is wrong is a line of its own on a terminal.
        let text = error.place().map_or_else(|| error.to_string(), |place| format!("{place}: {error}"));
        Self { status, code: error.code(), text, help: error.help() }
    }

    /// Whether something that the ledger holds could not be read: no fault of this program's, and none of whoever asks.
    pub(crate) fn is_of_content(&self) -> bool {
        self.status == StatusCode::INTERNAL_SERVER_ERROR && self.code != INTERNAL
    }

    /// As the answer to somebody who looks: what the ledger holds does not let itself be shown, and asking again changes nothing.
    pub(crate) fn shown(self) -> Self {
        if self.is_of_content() { Self { status: StatusCode::CONFLICT, ..self } } else { self }
    }

    fn new(status: StatusCode, code: &'static str, text: &str, help: &str) -> Self {
        Self { status, code, text: text.to_owned(), help: help.to_owned() }
    }

    pub(crate) fn internal(text: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, text, "the server's own output says more")
    }

    pub(crate) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "CS-SERVER-021",
            "the ledger has more readers than it can answer at the moment",
            "come again in a few seconds",
        )
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "CS-SERVER-022",
            &format!("there is no {what} of that name here"),
            "go back to the list that it would stand in",
        )
    }

    pub(crate) fn bad_request(what: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "CS-SERVER-023", what, "change the address, or take a filter from the page")
    }

    pub(crate) fn no_role(what: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "CS-SERVER-024",
            &format!("your roles do not open {what}"),
            "an administrator grants roles: `countersign role grant`",
        )
    }

    pub(crate) fn forged() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "CS-SERVER-025",
            "the request did not come from a page of this server, or the page is older than your visit",
            "open the page again and repeat what you did",
        )
    }

    pub(crate) fn refused(text: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "CS-SERVER-026",
            text,
            "ask for a new link with `countersign login`, and check the key with `countersign person list`",
        )
    }

    pub(crate) fn locked_out() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "CS-SERVER-027",
            "too many sign-ins were refused in a short time",
            "wait a minute, then try again",
        )
    }

    pub(crate) fn wrong_host() -> Self {
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "CS-SERVER-028",
            "this server is not known under that name",
            "use the address that the server printed, or start it with `--origin` and the name that people type",
        )
    }

    pub(crate) fn not_prepared() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "CS-SERVER-040",
            "what was signed is not what this page showed a short while ago",
            "open the page again, and sign what it shows then; it is good once, for ten minutes",
        )
    }

    pub(crate) fn no_passkey() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "CS-SERVER-041",
            "you have no such passkey that signs in pages of this server",
            "make one on the page `/passkeys`; an administrator enrols it for this server's origin",
        )
    }

    pub(crate) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "CS-SERVER-023",
            "the form is larger than any that a page here sends",
            "open the page again and repeat what you did",
        )
    }

    pub(crate) fn not_begun(why: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "CS-SERVER-060",
            &format!("the provider's answer belongs to no sign-in of this browser: {why}"),
            "begin again at /sign-in, in one window",
        )
    }

    pub(crate) fn no_account(issuer: &str, subject: &str) -> Self {
        let subject: String = subject.chars().take(255).collect();
        Self::new(
            StatusCode::FORBIDDEN,
            "CS-SERVER-061",
            &format!("the account `{subject}` at {issuer} is nobody's here"),
            &format!(
                "an administrator links it: `countersign person account add NAME --issuer {issuer} --subject {subject}`"
            ),
        )
    }

    pub(crate) fn too_fast() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "CS-SERVER-062",
            "too many requests came from here in a short time",
            "wait as long as `Retry-After` says, then go on more slowly",
        )
    }

    pub(crate) fn no_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "CS-SERVER-050",
            "the API wants a token",
            "make one with `countersign token issue`, and send it as `Authorization: Bearer cst_…`",
        )
    }

    pub(crate) fn bad_token(why: &str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "CS-SERVER-051",
            why,
            "list what still counts with `countersign token list`, and make another with `countersign token issue`",
        )
    }

    pub(crate) fn no_scope(scope: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "CS-SERVER-052",
            &format!("the token does not open `{scope}`"),
            &format!("make one that does: `countersign token issue --scope read,{scope}`"),
        )
    }

    pub(crate) fn not_yet() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "CS-SERVER-053",
            "the first assessment is being computed",
            "come again in a few seconds",
        )
    }

    pub(crate) fn population_being_read() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "CS-SERVER-114",
            "what controls were applied to in this window is being read",
            "come again in a few seconds, a minute in a large ledger; it is then kept",
        )
    }

    pub(crate) fn no_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "CS-SERVER-054",
            "this is answered to GET and HEAD only",
            "the document says what is sent where: `/api/v1/openapi.json`",
        )
    }

    pub(crate) fn posted_only() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "CS-SERVER-089",
            "this is sent by POST",
            "the document says what is sent where: `/api/v1/openapi.json`",
        )
    }

    pub(crate) fn pack_being_made() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "CS-SERVER-070",
            "another pack is being made",
            "come again when it is there; one is made at a time",
        )
    }

    pub(crate) fn bad_query(what: &str, takes: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "CS-SERVER-055", what, &format!("it takes: {takes}"))
    }

    pub(crate) fn cut_off() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "CS-SERVER-080", "what was sent ended before its time", "send it again")
    }

    pub(crate) fn too_much(most: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "CS-SERVER-081",
            &format!("more than {most} bytes were sent"),
            "send less: a pack holds what the server lacks alone, and an artifact is named by its digest",
        )
    }

    /// A revocation list is larger than what is taken over the network, or comes to a statement that is.
    pub(crate) fn too_large_list(most: usize) -> Self {
        let mut trouble = Self::too_much(most as u64);
        "a list as large as this is taken where the ledger is: leave --server away there".clone_into(&mut trouble.help);
        trouble
    }

    pub(crate) fn no_room(why: &str) -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "CS-SERVER-082",
            &format!("what was sent cannot be kept: {why}"),
            "whoever runs the server sees to its disk; then send it again under the same key",
        )
    }

    pub(crate) fn no_key() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "CS-SERVER-083",
            "the request has no `Idempotency-Key` of 16 to 128 letters, digits, `-` and `_`",
            "choose a random one for each request, and send the same with its repetition",
        )
    }

    pub(crate) fn nothing_taken() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "CS-SERVER-084",
            "this server takes no commits",
            "send them to a server whose machine holds the recorder's key: `countersign serve` there",
        )
    }

    pub(crate) fn many_submissions() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "CS-SERVER-085",
            "as many commits as may wait are waiting to be judged",
            "come again in a few seconds, with the same key",
        )
    }

    pub(crate) fn no_condition() -> Self {
        Self::new(
            StatusCode::PRECONDITION_REQUIRED,
            "CS-SERVER-086",
            "what is handed in signed names in `If-Match` what its signer looked at",
            "send the digest that was given out with the statement, in quotes: of a run's newest decision, or of how it stood",
        )
    }

    pub(crate) fn other_decision(now: &str) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "CS-SERVER-087",
            &format!("the run's newest decision is another one: {now}"),
            "look at what changed, and sign what you see then",
        )
    }

    pub(crate) fn other_state(now: &str) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "CS-SERVER-113",
            &format!("what it is about does not stand as its signer saw it: {now}"),
            "look at what changed, and sign what you see then",
        )
    }

    pub(crate) fn not_of_jobs() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "CS-SERVER-111",
            "a job's identity token alone does not open this",
            "jobs send commits and files, ask for decisions, and redeem grants, of their own repository; for the rest somebody's token is shown",
        )
    }

    pub(crate) fn not_by_id() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "CS-SERVER-112",
            "a job that shows an identity token names a grant by the grant's own token",
            "have the release manager hand it to this job: `countersign grant show GRANT --token`",
        )
    }

    pub(crate) fn bad_body(what: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "CS-SERVER-110",
            what,
            "the document says what is sent: `/api/v1/openapi.json`",
        )
    }

    pub(crate) fn wrong_media(wanted: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "CS-SERVER-088",
            &format!("what is sent is not called `{wanted}`"),
            "say what it is in `Content-Type`",
        )
    }

    /// Whether the ledger is as it was: a question that was answered with no says nothing against it.
    pub(super) fn is_an_answer(&self) -> bool {
        self.status.is_client_error()
    }
}

macro_rules! troubles { ($($t:ty),*) => {$(
    impl From<$t> for Trouble {
        fn from(error: $t) -> Self {
            Self::of(&error)
        }
    }
)*}; }
troubles!(
    countersign_store::Error,
    countersign_store::session::SessionError,
    countersign_govern::Error,
    countersign_stages::Error,
    countersign_evidence::Error,
    countersign_policy::Error
);
