//! `assess --record`: an assessment becomes evidence itself. What each control came to is on record, and the version of its file:
//! by that a certificate can say later that it did not change.

use std::collections::BTreeMap;

use countersign_evidence::canonical;
use countersign_evidence::statement::Subject;
use countersign_model::event::AssessmentRecorded;
use countersign_model::{Digest, EventKind, StreamId};
use countersign_store::session::JSON;
use countersign_store::{NewBlob, Plan, Session};
use serde_json::{Value, json};

use super::Assessment;
use crate::Error;

/// The record: what each control came to, with the version of its file, and how mature delivery is.
#[must_use]
pub fn record_of(assessment: &Assessment) -> Value {
    let controls: BTreeMap<&str, Value> = assessment
        .controls
        .iter()
        .map(|c| (c.id.as_str(), json!({"digest": c.digest, "outcome": c.judgement.outcome})))
        .collect();
    let requirements: BTreeMap<String, Value> = assessment
        .frameworks
        .iter()
        .flat_map(|f| {
            f.requirements.iter().map(|r| (format!("{}:{}", f.framework.id, r.requirement.id), json!(r.outcome)))
        })
        .collect();
    json!({
        "version": 1, "controls": controls, "requirements": requirements, "maturity": assessment.maturity.level,
    })
}

/// Records an assessment; the log index of the entry.
///
/// # Errors
/// When it cannot be appended.
pub fn record(session: &mut Session, assessment: &Assessment) -> Result<u64, Error> {
    let bytes = canonical::to_vec(&record_of(assessment))?;
    let digest = Digest::of(&bytes);
    let (_, index) = session.transact::<_, Error>(|s| {
        // The plan is carried out at this size of the log, or made anew.
        let index = s.ledger().size();
        let predicate = AssessmentRecorded {
            from: assessment.window.from,
            to: assessment.window.to,
            size: assessment.size,
            facts: assessment.facts_digest,
            catalogue: assessment.catalogue,
            outcome: assessment.outcome(),
            record: digest,
            time: s.now(),
        };
        let blob = NewBlob { bytes: bytes.clone(), media: JSON.into() };
        let subject = vec![Subject::sha256("assessment", &digest)];
        let stream = StreamId::from_text("assessments");
        let entry =
            s.machine_entry(EventKind::AssessmentRecorded, stream, subject, predicate, Vec::new(), vec![blob])?;
        Ok((Plan { entries: vec![entry] }, index))
    })?;
    Ok(index)
}
