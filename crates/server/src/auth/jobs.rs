//! Jobs of CI systems that show their identity token and nothing else. It is verified as the token of a run is; what it opens is the
//! repository that it names, where that belongs to a registered application. The first use of a token is an entry.

use std::collections::HashMap;

use countersign_connect::oidc::IssuerKeys;
use countersign_model::visit::SignInMethod;
use countersign_model::{Diagnostic as _, Digest, Exit, Timestamp};
use countersign_stages::build::workload::{self, Admission};
use countersign_store::Session;

use super::{lock, refuse};
use crate::app::{App, Trouble};

/// Tokens at once; those that are over go first, then any.
const MOST: usize = 10_000;

/// Tokens that were shown and verified, by their digests: none of them can be found from here.
#[derive(Debug, Default)]
pub(crate) struct Jobs(HashMap<Digest, Admission>);

impl Jobs {
    fn keep(&mut self, token: Digest, admission: Admission, now: Timestamp) {
        if self.0.len() >= MOST {
            self.0.retain(|_, one| now < one.expires);
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(token, admission);
    }
}

/// Whether a text has the form of an identity token: three parts of base64url, the first of which begins a JSON object.
pub(crate) fn looks_like(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() == 3
}

/// The job whose identity token this is.
pub(crate) fn by_identity_token(app: &App, session: &mut Session, text: &str) -> Result<(Digest, Admission), Trouble> {
    let token = Digest::of(text.as_bytes());
    let known = lock(&app.jobs).0.get(&token).cloned();
    if let Some(known) = known
        && workload::still(session, &known)?
    {
        return Ok((token, known));
    }
    let dir = session.installation().ledger_dir(session.ledger().origin()).join("issuers");
    let keys = IssuerKeys::new(Some(dir), session.now(), &|_| {}).hasty();
    let admitted = workload::admit(session, &keys, text.as_bytes());
    match admitted {
        Ok(admission) => {
            app.metrics.sign_in(SignInMethod::Workload, false);
            lock(&app.jobs).keep(token, admission.clone(), session.now());
            Ok((token, admission))
        }
        Err(error) => {
            let mut trouble = Trouble::of(&error);
            if !matches!(error.exit(), Exit::Unverified | Exit::Forbidden) {
                return Err(trouble);
            }
            trouble.status = axum::http::StatusCode::UNAUTHORIZED;
            Err(refuse(app, session, SignInMethod::Workload, None, trouble)?)
        }
    }
}
