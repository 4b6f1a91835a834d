//! The index of records that a pack has which a regulator asked for: what, where, in the form for people and in the form for
//! programs (SEC 17 CFR 240.17a-4(f)(2), (f)(3), (j)), and what its first page says of holds and disposals.

use std::collections::{BTreeMap, HashMap};

use countersign_model::audit::PackScope;
use countersign_model::event::EvidencePack;
use countersign_model::{Entry, GrantId, RunId, StreamId};
use countersign_store::excerpt;
use countersign_store::projection::FurnishRow;
use serde_json::json;

use super::choose::{Chosen, is_within};
use super::table::Table;
use super::{Missing, Names, Put, View};
use crate::Error;
use crate::audit::AuditError;
use crate::page::{Block, Page};

/// What the index comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// How many records it lists.
    pub(crate) records: u64,
    /// How many of them are under legal hold.
    pub(crate) held: u64,
    /// How many were disposed of.
    pub(crate) disposed: u64,
    /// Matters with an open hold on any of them, and on how many.
    matters: BTreeMap<String, u64>,
    /// Certificates of disposal, with the records that each names.
    certificates: BTreeMap<u64, Vec<u64>>,
}

/// What the first page says of the request.
#[derive(Debug)]
pub(super) struct Furnished {
    row: FurnishRow,
    received_by: String,
    facts: Facts,
}

/// A record of the index.
struct Record<'a> {
    index: u64,
    entry: &'a Entry,
    /// Matters that hold it.
    holds: Vec<String>,
    /// The certificate by which it was disposed of.
    certificate: Option<u64>,
    /// The deployment that it belongs to.
    deployment: Option<&'a GrantId>,
}

/// Goes through the records of a scope among the first `size` entries.
fn walk(
    view: View<'_>,
    scope: &PackScope,
    chosen: &Chosen,
    size: u64,
    each: &mut dyn FnMut(&Record<'_>),
) -> Result<Facts, Error> {
    let kept = view.state.kept(&view.state.schedule()?)?;
    let disposed = view.state.disposed_with()?;
    let members: HashMap<StreamId, RunId> = view.state.streams_of_runs()?.into_iter().collect();
    let grants: HashMap<&RunId, &GrantId> = chosen.deployments.iter().map(|d| (&d.run, &d.grant)).collect();
    let is_whole = scope.deployment.is_none() && scope.applications.is_empty();
    let mut facts = Facts::default();
    let mut at = 0;
    while at < size {
        let end = size.min(at + 256);
        for (index, entry) in view.ledger.entries(at..end)? {
            let run = members.get(&entry.stream).cloned().or_else(|| {
                entry.stream.as_str().starts_with(RunId::PREFIX).then(|| RunId::from_text(entry.stream.as_str()))
            });
            let certificate = disposed.get(&index).copied();
            let is_record = if is_whole {
                is_within(scope, entry.time)
            } else {
                // To which application something belonged that is gone nobody can tell: it is said, and not left out.
                let may_be = scope.deployment.is_none() && certificate.is_some() && is_within(scope, entry.time);
                may_be || run.as_ref().is_some_and(|run| chosen.runs.contains(run))
            };
            if !is_record {
                continue;
            }
            let holds: Vec<String> = kept.get(&index).map(|k| k.holds.clone()).unwrap_or_default();
            facts.records += 1;
            facts.held += u64::from(!holds.is_empty());
            facts.disposed += u64::from(certificate.is_some());
            for matter in &holds {
                *facts.matters.entry(matter.clone()).or_default() += 1;
            }
            if let Some(certificate) = certificate {
                facts.certificates.entry(certificate).or_default().push(index);
            }
            let deployment = run.as_ref().and_then(|run| grants.get(run).copied());
            each(&Record { index, entry: &entry, holds, certificate, deployment });
        }
        at = end;
    }
    Ok(facts)
}

/// What the index of such a pack comes to.
pub(crate) fn facts(view: View<'_>, scope: &PackScope, size: u64) -> Result<Facts, Error> {
    walk(view, scope, &super::choose(view.state, scope)?, size, &mut |_| ())
}

/// Adds the index, and gives back what the first page says; nothing where no regulator asked.
pub(super) fn add(
    view: View<'_>,
    manifest: &EvidencePack,
    chosen: &Chosen,
    names: &Names,
    missing: &Missing<'_>,
    put: &mut dyn Put,
) -> Result<Option<Furnished>, Error> {
    let Some(id) = &manifest.scope.furnish else { return Ok(None) };
    let row = view.state.furnishing(id)?.ok_or_else(|| AuditError::Manifest {
        file: None,
        what: format!("it is made for {id}, which its log does not know"),
    })?;
    let mut table = Table::new(
        "records",
        &[
            "entry",
            "record",
            "time",
            "status",
            "certificate",
            "held_for",
            "for_people",
            "for_programs",
            "sha256",
            "bytes",
        ],
    );
    let mut rows = Vec::new();
    let facts = walk(view, &manifest.scope, chosen, manifest.size, &mut |r| {
        let status = match (r.certificate, missing.contains_key(&r.index)) {
            (Some(_), _) => "disposed",
            (None, true) => "missing",
            (None, false) => "here",
        };
        let people = r.deployment.map_or_else(|| "tables/entries.csv".to_owned(), |g| format!("deployments/{g}.html"));
        let payload = &r.entry.payload;
        let programs = (status == "here").then(|| excerpt::blob_name(&payload.sha256));
        table.push(json!({
            "entry": r.index, "record": r.entry.kind.as_str(), "time": r.entry.time, "status": status,
            "certificate": r.certificate, "held_for": r.holds, "for_people": people, "for_programs": programs,
            "sha256": payload.sha256, "bytes": payload.size,
        }));
        let said = match r.certificate {
            Some(entry) => format!("disposed of, entry {entry}"),
            None => status.to_owned(),
        };
        let cells = vec![
            r.index.to_string(),
            r.entry.kind.as_str().to_owned(),
            r.entry.time.to_string(),
            said,
            r.holds.join(", "),
            programs.unwrap_or_default(),
        ];
        rows.push((people, cells));
    })?;
    let (csv, jsonl) = table.written();
    put.add("tables/records.csv", csv.as_bytes())?;
    put.add("tables/records.jsonl", jsonl.as_bytes())?;
    let mut page = Page { title: "Index of records".to_owned(), blocks: Vec::new() };
    page.text(
        "Each entry leads to its form for people; the last column names its form for programs. tables/records.csv and \
         tables/records.jsonl list the same.",
    );
    page.blocks.push(Block::Linked(vec!["Entry", "Record", "Time", "Status", "Held for", "For programs"], rows));
    put.add("records.html", page.html().as_bytes())?;
    let received_by = names.label(&row.said.received_by);
    Ok(Some(Furnished { row, received_by, facts }))
}

impl Furnished {
    /// What the first page says.
    pub(super) fn write(&self, manifest: &EvidencePack, page: &mut Page) {
        let (said, facts) = (&self.row.said, &self.facts);
        page.heading(2, "Furnished on request");
        let about = [
            ("Asked by", said.regulator.clone()),
            ("Reference", said.reference.clone()),
            ("Received", format!("{} by {} (entry {})", said.received, self.received_by, self.row.index)),
            ("Due", said.due.to_string()),
            ("Made", manifest.time.to_string()),
            ("Records", facts.records.to_string()),
        ];
        page.table(&["", ""], about.into_iter().map(|(what, text)| vec![what.to_owned(), text]).collect(), "");
        let all = vec![("records.html".to_owned(), vec!["Index of records".to_owned(), facts.records.to_string()])];
        page.blocks.push(Block::Linked(vec!["Index (the same as tables/records.csv and .jsonl)", "Records"], all));
        if facts.matters.is_empty() {
            page.text("None of the records is under legal hold.");
        } else {
            page.text(format!("{} of the records are under legal hold:", facts.held));
            let holds = facts.matters.iter().map(|(matter, n)| format!("{matter}: {n} records"));
            page.blocks.push(Block::List(holds.collect()));
        }
        if facts.certificates.is_empty() {
            page.text("None of the records was disposed of.");
        } else {
            page.text(format!("{} of the records were disposed of under the retention rules:", facts.disposed));
            let gone = facts.certificates.iter().map(|(certificate, all)| {
                let entries: Vec<String> = all.iter().map(ToString::to_string).collect();
                format!("by the certificate in entry {certificate}: entries {}", entries.join(", "))
            });
            page.blocks.push(Block::List(gone.collect()));
        }
    }
}
