//! A refusal is evidence too: it is recorded before the command fails.

use countersign_evidence::statement::Subject;
use countersign_model::event::ActRefused;
use countersign_model::{Diagnostic, EventKind, Exit, PersonId, RunId, StreamId};
use countersign_store::{Plan, Session};

use crate::Error;

/// What was tried.
pub(crate) struct Attempt {
    /// The act.
    pub(crate) act: &'static str,
    /// The run.
    pub(crate) run: Option<RunId>,
    /// The ledger is only read (the signature goes into a file): nothing can be recorded here.
    pub(crate) carry: bool,
}

/// Does `check`; a refusal (not a failure of the machine) is appended before it is returned.
pub(crate) fn unless<T>(
    session: &mut Session,
    attempt: &Attempt,
    person: Option<&PersonId>,
    check: impl FnOnce(&Session) -> Result<T, Error>,
) -> Result<T, Error> {
    let refusal = match check(session) {
        Ok(value) => return Ok(value),
        Err(refusal) => refusal,
    };
    let refused = matches!(refusal.exit(), Exit::Forbidden | Exit::Denied | Exit::Waiting | Exit::Unverified);
    if refused && !attempt.carry {
        let code = refusal.code();
        session.transact(|s| {
            let predicate = ActRefused {
                act: attempt.act.into(),
                run: attempt.run.clone(),
                person: person.cloned(),
                code: code.into(),
                time: s.now(),
            };
            let (stream, subject) = match attempt.run.as_ref().and_then(|r| s.state().runs.get(r)) {
                Some(run) => (
                    StreamId::from(&run.id),
                    Subject::new(run.identity.as_deref().unwrap_or("repository"), "gitCommit", run.commit.clone()),
                ),
                None => (StreamId::from_text("ledger"), Subject::new(s.state().origin.clone(), "ledger", "refusal")),
            };
            let entry = s.machine_entry(EventKind::ActRefused, stream, vec![subject], predicate, vec![], vec![])?;
            Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
        })?;
    }
    Err(refusal)
}
