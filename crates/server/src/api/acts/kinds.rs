//! Which acts can be said over the network: what is asked of each, and the use case that says it, once for the statement that is given
//! out and once more when it comes back signed.

use countersign_evidence::act;
use countersign_govern::access::Pen as GovernPen;
use countersign_govern::waivers::{self, Request};
use countersign_model::event::{
    ApprovalRejected, ApprovalWithdrawn, BreakGlassClosed, BreakGlassOpened, BreakGlassRatified, BreakGlassReviewed,
    GrantIssued, GrantRevoked, WaiverGranted, WaiverRejected, WaiverRequested, WaiverRevoked,
};
use countersign_model::governance::{Scope as Covers, WaiverCategory};
use countersign_model::{BreakGlassId, EventKind, GrantId, RunId, StreamId, Timestamp, WaiverId};
use countersign_policy::Catalogue;
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::break_glass::{self, Review};
use countersign_stages::release::grant as tokens;
use countersign_stages::release::pen::Pen;
use countersign_stages::release::{reject, withdraw};
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use serde::Deserialize;

use super::told;
use crate::app::Trouble;

/// What somebody wants to say.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Asked {
    Reject {
        run: String,
        reason: String,
    },
    Withdraw {
        run: String,
        reason: String,
    },
    WaiveRequest {
        scope: Covers,
        category: WaiverCategory,
        #[serde(default)]
        compensating: Option<String>,
        acceptance: String,
        #[serde(default)]
        not_before: Option<Timestamp>,
        days: u16,
    },
    WaiveRenew {
        waiver: String,
        acceptance: String,
        days: u16,
    },
    WaiveGrant {
        waiver: String,
        reason: String,
    },
    WaiveReject {
        waiver: String,
        reason: String,
    },
    WaiveRevoke {
        waiver: String,
        reason: String,
    },
    GrantRevoke {
        grant: String,
        reason: String,
    },
    BreakGlassOpen {
        run: String,
        environment: String,
        #[serde(default)]
        application: Option<String>,
        any_commit: bool,
        reason: String,
        ticket: String,
        minutes: u16,
        ratify_hours: u16,
        review_days: u16,
    },
    BreakGlassGrant {
        emergency: String,
        run: String,
    },
    BreakGlassClose {
        emergency: String,
        reason: String,
    },
    BreakGlassRatify {
        emergency: String,
        statement: String,
        late: bool,
    },
    BreakGlassReview {
        emergency: String,
        findings: String,
        root_cause: String,
        corrective_action: String,
        late: bool,
    },
}

/// What an act is about: where it stands in the log, and what a token must open for it.
pub(super) enum About {
    /// A run.
    Run(RunId),
    /// Something that is going to have an id of its own, and that covers this.
    Covers(Box<Covers>),
    /// A waiver, by its id or the start of it.
    Waiver(String),
    /// A grant, likewise.
    Grant(String),
    /// An emergency, likewise.
    Emergency(String),
    /// An emergency that is going to be opened for a run, and perhaps for all of an application.
    Fresh(RunId, Option<String>),
    /// An emergency, and a run that goes past the gates in it.
    Both(String, RunId),
}

/// Whole units of time from one moment to another; what is none makes another statement than the one that was signed.
fn units(from: Timestamp, to: Timestamp, seconds: i64) -> u16 {
    let whole = to.millis().saturating_sub(from.millis()).div_euclid(seconds.saturating_mul(1000));
    u16::try_from(whole).unwrap_or_default()
}

impl Asked {
    /// What was asked for, from what was signed. Nothing of it is believed: the statement is made once more from it, and compared.
    pub(super) fn of(handed: &HandedIn) -> Result<Self, HandedError> {
        let namespace = handed.namespace();
        let count = if namespace == act::BREAK_GLASS { 2 } else { 1 };
        let no = |why: &str| HandedError::NoAct { why: why.to_owned() };
        if handed.count() != count {
            return Err(no("an act of the command is missing, or stands beside it"));
        }
        Ok(match namespace {
            act::REJECTION => {
                let p: ApprovalRejected = handed.said(namespace)?;
                Self::Reject { run: p.run.to_string(), reason: p.reason }
            }
            act::WITHDRAWAL => {
                let p: ApprovalWithdrawn = handed.said(namespace)?;
                Self::Withdraw { run: p.run.to_string(), reason: p.reason }
            }
            act::WAIVER_REQUEST => {
                let p: WaiverRequested = handed.said(namespace)?;
                let (acceptance, days) = (p.acceptance, units(p.not_before, p.expires, 86_400));
                match p.renews {
                    Some(waiver) => Self::WaiveRenew { waiver: waiver.to_string(), acceptance, days },
                    None => Self::WaiveRequest {
                        scope: p.scope,
                        category: p.category,
                        compensating: p.compensating,
                        acceptance,
                        not_before: Some(p.not_before),
                        days,
                    },
                }
            }
            act::WAIVER => {
                let p: WaiverGranted = handed.said(namespace)?;
                Self::WaiveGrant { waiver: p.waiver.to_string(), reason: p.reason }
            }
            act::WAIVER_REJECTION => {
                let p: WaiverRejected = handed.said(namespace)?;
                Self::WaiveReject { waiver: p.waiver.to_string(), reason: p.reason }
            }
            act::WAIVER_REVOCATION => {
                let p: WaiverRevoked = handed.said(namespace)?;
                Self::WaiveRevoke { waiver: p.waiver.to_string(), reason: p.reason }
            }
            act::GRANT_REVOCATION => {
                let p: GrantRevoked = handed.said(namespace)?;
                Self::GrantRevoke { grant: p.grant.to_string(), reason: p.reason }
            }
            act::BREAK_GLASS => {
                let p: BreakGlassOpened = handed.said(namespace)?;
                let grant: GrantIssued = handed.said(act::GRANT)?;
                Self::BreakGlassOpen {
                    run: grant.run.to_string(),
                    environment: p.environment,
                    application: p.application,
                    any_commit: p.commit.is_none(),
                    reason: p.reason,
                    ticket: p.ticket,
                    minutes: units(p.time, p.expires, 60),
                    ratify_hours: units(p.time, p.ratify_by, 3600),
                    review_days: units(p.time, p.review_by, 86_400),
                }
            }
            act::GRANT => {
                let p: GrantIssued = handed.said(namespace)?;
                let emergency = p.break_glass.ok_or_else(|| no("an ordinary grant is handed in at its run"))?;
                Self::BreakGlassGrant { emergency: emergency.to_string(), run: p.run.to_string() }
            }
            act::BREAK_GLASS_CLOSE => {
                let p: BreakGlassClosed = handed.said(namespace)?;
                Self::BreakGlassClose { emergency: p.id.to_string(), reason: p.reason }
            }
            act::RATIFICATION => {
                let p: BreakGlassRatified = handed.said(namespace)?;
                Self::BreakGlassRatify { emergency: p.id.to_string(), statement: p.statement, late: p.late }
            }
            act::POST_REVIEW => {
                let p: BreakGlassReviewed = handed.said(namespace)?;
                Self::BreakGlassReview {
                    emergency: p.id.to_string(),
                    findings: p.findings,
                    root_cause: p.root_cause,
                    corrective_action: p.corrective_action,
                    late: p.late,
                }
            }
            _ => return Err(no("acts of this kind are said where the ledger is")),
        })
    }

    /// The command that says it, for the record of a refusal.
    pub(super) const fn act(&self) -> &'static str {
        match self {
            Self::Reject { .. } => "reject",
            Self::Withdraw { .. } => "withdraw",
            Self::WaiveRequest { .. } | Self::WaiveRenew { .. } => "waive request",
            Self::WaiveGrant { .. } => "waive grant",
            Self::WaiveReject { .. } => "waive reject",
            Self::WaiveRevoke { .. } => "waive revoke",
            Self::GrantRevoke { .. } => "grant revoke",
            Self::BreakGlassOpen { .. } => "break-glass open",
            Self::BreakGlassGrant { .. } => "break-glass grant",
            Self::BreakGlassClose { .. } => "break-glass close",
            Self::BreakGlassRatify { .. } => "break-glass ratify",
            Self::BreakGlassReview { .. } => "break-glass review",
        }
    }

    /// What its entry is, of those that it appends the first.
    pub(super) const fn event(&self) -> EventKind {
        match self {
            Self::Reject { .. } => EventKind::ApprovalRejected,
            Self::Withdraw { .. } => EventKind::ApprovalWithdrawn,
            Self::WaiveRequest { .. } | Self::WaiveRenew { .. } => EventKind::WaiverRequested,
            Self::WaiveGrant { .. } => EventKind::WaiverGranted,
            Self::WaiveReject { .. } => EventKind::WaiverRejected,
            Self::WaiveRevoke { .. } => EventKind::WaiverRevoked,
            Self::GrantRevoke { .. } => EventKind::GrantRevoked,
            Self::BreakGlassOpen { .. } => EventKind::BreakGlassOpened,
            Self::BreakGlassGrant { .. } => EventKind::GrantIssued,
            Self::BreakGlassClose { .. } => EventKind::BreakGlassClosed,
            Self::BreakGlassRatify { .. } => EventKind::BreakGlassRatified,
            Self::BreakGlassReview { .. } => EventKind::BreakGlassReviewed,
        }
    }

    /// What it is about.
    pub(super) fn about(&self) -> About {
        match self {
            Self::Reject { run, .. } | Self::Withdraw { run, .. } => About::Run(RunId::from_text(run)),
            Self::WaiveRequest { scope, .. } => About::Covers(Box::new(scope.clone())),
            Self::WaiveRenew { waiver, .. }
            | Self::WaiveGrant { waiver, .. }
            | Self::WaiveReject { waiver, .. }
            | Self::WaiveRevoke { waiver, .. } => About::Waiver(waiver.clone()),
            Self::GrantRevoke { grant, .. } => About::Grant(grant.clone()),
            Self::BreakGlassOpen { run, application, .. } => About::Fresh(RunId::from_text(run), application.clone()),
            Self::BreakGlassGrant { emergency, run } => About::Both(emergency.clone(), RunId::from_text(run)),
            Self::BreakGlassClose { emergency, .. }
            | Self::BreakGlassRatify { emergency, .. }
            | Self::BreakGlassReview { emergency, .. } => About::Emergency(emergency.clone()),
        }
    }

    /// Says it with a key on another machine: what is to be signed, or the log index of what was.
    pub(super) fn say(
        &self,
        session: &mut Session,
        catalogue: &Catalogue,
        away: Away<'_>,
    ) -> Result<Written<u64>, Trouble> {
        let (pen, officer) = (Pen::Away(away), GovernPen::Away(away));
        let (engine, told) = (&ConfinedEngine, told);
        let emergency = |session: &Session, id: &str| -> Result<BreakGlassId, Trouble> {
            Ok(break_glass::find(session, id).map_err(|e| told(&e))?.opened.id)
        };
        match self {
            Self::Reject { run, reason } => {
                let said = reject::reject(session, engine, &RunId::from_text(run), reason, pen);
                said.map(|said| said.map(|said| said.index)).map_err(|e| told(&e))
            }
            Self::Withdraw { run, reason } => {
                let said = withdraw::withdraw(session, engine, &RunId::from_text(run), reason, pen);
                said.map(|said| said.map(|said| said.index)).map_err(|e| told(&e))
            }
            Self::WaiveRequest { scope, category, compensating, acceptance, not_before, days } => {
                let asked = Request {
                    scope: scope.clone(),
                    category: *category,
                    compensating: compensating.clone(),
                    acceptance: acceptance.clone(),
                    not_before: *not_before,
                    days: *days,
                };
                waivers::request(session, &asked, catalogue, officer).map(|(_, said)| said).map_err(|e| told(&e))
            }
            Self::WaiveRenew { waiver, acceptance, days } => {
                let said = waivers::renew(session, waiver, acceptance, *days, catalogue, officer);
                said.map(|(_, said)| said).map_err(|e| told(&e))
            }
            Self::WaiveGrant { waiver, reason } => {
                waivers::grant(session, waiver, reason, officer).map(|(_, said)| said).map_err(|e| told(&e))
            }
            Self::WaiveReject { waiver, reason } => {
                waivers::reject(session, waiver, reason, officer).map(|(_, said)| said).map_err(|e| told(&e))
            }
            Self::WaiveRevoke { waiver, reason } => {
                waivers::revoke(session, waiver, reason, officer).map(|(_, said)| said).map_err(|e| told(&e))
            }
            Self::GrantRevoke { grant, reason } => {
                let id = tokens::find(session, grant).map_err(|e| told(&e))?.grant.grant;
                tokens::revoke(session, &id, reason, pen).map_err(|e| told(&e))
            }
            Self::BreakGlassOpen {
                run,
                environment,
                application,
                any_commit,
                reason,
                ticket,
                minutes,
                ratify_hours,
                review_days,
            } => {
                let asked = break_glass::Asked {
                    environment: environment.clone(),
                    application: application.clone(),
                    any_commit: *any_commit,
                    reason: reason.clone(),
                    ticket: ticket.clone(),
                    minutes: *minutes,
                    ratify_hours: *ratify_hours,
                    review_days: *review_days,
                };
                let broken = break_glass::open(session, engine, &RunId::from_text(run), &asked, pen);
                broken.map(|b| b.map(|b| b.opened.unwrap_or(b.index))).map_err(|e| told(&e))
            }
            Self::BreakGlassGrant { emergency: id, run } => {
                let id = emergency(session, id)?;
                let broken = break_glass::grant(session, engine, &id, &RunId::from_text(run), pen);
                broken.map(|b| b.map(|b| b.index)).map_err(|e| told(&e))
            }
            Self::BreakGlassClose { emergency: id, reason } => {
                let id = emergency(session, id)?;
                break_glass::close(session, &id, reason, pen).map_err(|e| told(&e))
            }
            Self::BreakGlassRatify { emergency: id, statement, late } => {
                let id = emergency(session, id)?;
                break_glass::ratify(session, &id, statement, *late, pen).map_err(|e| told(&e))
            }
            Self::BreakGlassReview { emergency: id, findings, root_cause, corrective_action, late } => {
                let id = emergency(session, id)?;
                let review = Review {
                    findings: findings.clone(),
                    root_cause: root_cause.clone(),
                    corrective_action: corrective_action.clone(),
                };
                break_glass::review(session, &id, &review, *late, pen).map_err(|e| told(&e))
            }
        }
    }
}

/// The stream that the first entry of a signed act stands in.
pub(super) fn stream(asked: &Asked, handed: &HandedIn) -> Result<StreamId, HandedError> {
    let namespace = handed.namespace();
    Ok(match asked {
        Asked::Reject { run, .. } | Asked::Withdraw { run, .. } => StreamId::from(&RunId::from_text(run)),
        Asked::WaiveRequest { .. } | Asked::WaiveRenew { .. } => {
            StreamId::from(&handed.said::<WaiverRequested>(namespace)?.waiver)
        }
        Asked::WaiveGrant { waiver, .. } | Asked::WaiveReject { waiver, .. } | Asked::WaiveRevoke { waiver, .. } => {
            StreamId::from(&WaiverId::from_text(waiver))
        }
        Asked::GrantRevoke { grant, .. } => StreamId::from(&GrantId::from_text(grant)),
        Asked::BreakGlassOpen { .. } => StreamId::from(&handed.said::<BreakGlassOpened>(namespace)?.id),
        Asked::BreakGlassGrant { .. } => StreamId::from(&handed.said::<GrantIssued>(namespace)?.grant),
        Asked::BreakGlassClose { emergency, .. }
        | Asked::BreakGlassRatify { emergency, .. }
        | Asked::BreakGlassReview { emergency, .. } => StreamId::from(&BreakGlassId::from_text(emergency)),
    })
}
