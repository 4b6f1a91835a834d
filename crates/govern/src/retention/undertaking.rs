//! `retention undertaking`: the letter in which a designated executive officer or third party undertakes to furnish the
//! records. The words are ours; what the rule asks to be undertaken is not.

use std::fmt::Write as _;

use countersign_model::PersonId;
use countersign_model::retention::{Day, Office};
use countersign_store::Session;
use countersign_store::projection::OfficeRow;

use crate::Error;

/// The letter for whoever holds the office, as Markdown. `firm` and `authority` are names that the ledger does not know.
///
/// # Errors
/// When nobody holds the office.
pub fn undertaking(
    session: &Session,
    office: Office,
    firm: Option<&str>,
    authority: Option<&str>,
) -> Result<String, Error> {
    let state = session.state();
    let offices = state.offices()?;
    let holder = offices.iter().find(|o| o.office == office).ok_or(Error::NobodyInOffice { office })?;
    let blank = |name: Option<&str>, what: &str| name.map_or_else(|| format!("[{what}]"), one_line);
    let (firm, authority) = (blank(firm, "name of the firm"), blank(authority, "name of the examining authority"));
    let name = one_line(&state.label(&holder.person)?);
    let today = Day::of(session.now()).map_or_else(|| "[date]".to_owned(), |d| d.to_string());
    let mut out = String::new();
    let third = office == Office::DesignatedThirdParty;
    let title = if third { "third party" } else { "executive officer" };
    let _ = writeln!(out, "# Undertaking of the designated {title}\n");
    let _ = writeln!(
        out,
        "> Generated from the ledger. It is a draft: counsel must review it, complete what stands in brackets, and hold \
         it against the text of 17 CFR 240.17a-4 in force before anybody signs or files it.\n"
    );
    let _ = writeln!(out, "To: {authority}\n\nConcerning: {firm}\n\nDate: {today}\n");
    let who = if third {
        format!(
            "I, {name}, am independent of {firm} and have agreed with it to be its designated third party under 17 CFR \
             240.17a-4(f)(3)(v)."
        )
    } else {
        format!("I, {name}, am the executive officer whom {firm} has designated under 17 CFR 240.17a-4(f)(3)(v).")
    };
    let _ = writeln!(out, "{who}\n");
    let _ = writeln!(
        out,
        "I have access to, and can provide, the records that the firm keeps in the electronic recordkeeping system \
         described below, either myself or through the people named below. I undertake:\n\n\
         1. when the authority or its staff asks for it, to furnish promptly the records, and the audit trail where the \
         system keeps one, in a form that people can read and in a reasonably usable electronic form;\n\
         2. to take reasonable steps so that the records can be downloaded and reach the staff, whatever has become of the \
         firm's own willingness or ability to hand them over;\n\
         3. to furnish promptly what is needed to locate, decrypt and read them;\n\
         4. where the firm fails to produce a record that it is asked for, to produce it in its place;\n\
         5. to tell the firm and the authority in good time when I can no longer do so.\n"
    );
    system(session, &mut out)?;
    people(session, &offices, third, &mut out)?;
    let _ = writeln!(out, "## How the records are furnished\n");
    let _ = writeln!(
        out,
        "- `countersign ledger entries --format json` lists every record with its index, kind, time, class and digest.\n\
         - `countersign ledger show INDEX` shows a record with its payload in readable form.\n\
         - `countersign ledger receipt INDEX --out FILE` writes an offline proof that the record is in the log.\n\
         - `countersign verify` checks every byte of the system; the same can be done without this program, with publicly \
         available tools.\n\
         - `countersign retention show` says how long records are kept, and what was disposed of, when, and by whom.\n"
    );
    let _ = writeln!(
        out,
        "Signed: ______________________________\n\n{name}, designated {title} since {} (entry {} of the ledger)",
        holder.time, holder.index
    );
    Ok(out)
}

fn system(session: &Session, out: &mut String) -> Result<(), Error> {
    let state = session.state();
    let size = state.size();
    let first = state.selected(0)?.map(|e| e.time);
    let last = size.checked_sub(1).map(|i| state.selected(i)).transpose()?.flatten().map(|e| e.time);
    let _ = writeln!(out, "## The system\n\n| | |\n|---|---|");
    let mut row = |what: &str, value: String| {
        let _ = writeln!(out, "| {what} | {value} |");
    };
    row("ledger", format!("`{}`", state.origin()));
    row("log key", format!("`{}`", state.vkey()));
    row("records", size.to_string());
    if let (Some(first), Some(last)) = (first, last) {
        row("first record", first.to_string());
        row("newest record", last.to_string());
    }
    row("root hash at this size", format!("`{}`", countersign_model::digest::to_hex(&session.ledger().root_at(size)?)));
    let schedule = state.schedule()?;
    let holds: std::collections::BTreeSet<&str> = schedule.open_holds().map(|h| h.matter.as_str()).collect();
    let holds = if holds.is_empty() {
        "none".to_owned()
    } else {
        holds.into_iter().map(one_line).collect::<Vec<_>>().join(", ")
    };
    row("matters under legal hold", holds);
    row("disposals certified", state.certificates()?.len().to_string());
    let _ = writeln!(
        out,
        "\nEvery record is an entry of an append-only Merkle tree (RFC 6962). No record can be changed; a correction is a \
         new record, with its time and the person who made it, so that original and interim versions can be recreated.\n"
    );
    Ok(())
}

fn people(session: &Session, offices: &[OfficeRow], third: bool, out: &mut String) -> Result<(), Error> {
    let helpers: Vec<&OfficeRow> = offices.iter().filter(|o| o.office.is_appointed_by_executive()).collect();
    if third || helpers.is_empty() {
        return Ok(());
    }
    let _ = writeln!(out, "## People appointed to act for me\n\n| person | office | since | key |\n|---|---|---|---|");
    for row in helpers {
        let name = one_line(&session.state().label(&row.person)?);
        let _ = writeln!(out, "| {name} | {} | {} | {} |", row.office, row.time, keys(session, &row.person)?);
    }
    out.push('\n');
    Ok(())
}

fn keys(session: &Session, person: &PersonId) -> Result<String, Error> {
    let keys = session.state().person(person)?.map(|p| p.keys).unwrap_or_default();
    Ok(keys.iter().map(|k| format!("`{}`", k.fingerprint())).collect::<Vec<_>>().join(", "))
}

/// A name in a table: on one line, and nothing in it is taken for Markdown.
fn one_line(text: &str) -> String {
    let mut out = String::new();
    for c in text.trim().chars().take(200) {
        if matches!(c, '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '\\') {
            out.push('\\');
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}
