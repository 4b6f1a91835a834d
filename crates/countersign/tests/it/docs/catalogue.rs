//! Pages about the catalogue, written from what is compiled into the binary.

use std::fmt::Write as _;

use countersign_policy::Catalogue;
use countersign_policy::catalogue::facts::{COLLECTIONS, Field, Kind};
use countersign_policy::catalogue::source::{Delivery, SOURCES};

use super::generated::{GENERATED, same};

fn rows(out: &mut String, fields: &[Field]) {
    out.push_str("| field | kind | meaning |\n|---|---|---|\n");
    for field in fields {
        let mut what = field.what.to_owned();
        if let Kind::List(inner) = field.kind {
            let inner: Vec<String> =
                inner.iter().map(|f| format!("`{}` ({}): {}", f.name, f.kind.as_str(), f.what)).collect();
            let _ = write!(what, ". Of each: {}", inner.join("; "));
        }
        let _ = writeln!(out, "| `{}` | {} | {what} |", field.name, field.kind.as_str());
    }
}

#[test]
fn every_fact_of_an_assessment_is_on_its_page() {
    let mut out = format!("# Assessment facts\n\n{GENERATED}\n");
    out.push_str(
        "The rules of [controls](../../controls/README.md) read one JSON document, `input`. It is folded from the ledger for a\n\
         window of time, from `window.from` on and before `window.to`, and holds ids only: no name, address, path, text of a\n\
         finding or value. Times are milliseconds since 1970-01-01T00:00:00Z. `version` is 1; `sources` lists the sources of\n\
         evidence of which the window holds something. Everything else is a list of elements, each with an `id` and with\n\
         `entries`, the log indices it comes from.\n\n\
         Every element that is folded has every field, so a rule over a field is never silent for want of it. What a later part\n\
         records has its shape here already, and its list is empty.\n",
    );
    for collection in COLLECTIONS {
        let _ = write!(out, "\n## {}\n\nEach is a {}: {}.", collection.name, collection.one, collection.what);
        if collection.from != "ledger" {
            let _ = write!(out, " From the source `{}`, which is not recorded yet.", collection.from);
        }
        out.push_str("\n\n");
        rows(&mut out, collection.fields);
    }
    out.push_str("\n## Sources of evidence\n\n| source | what it is | how it gets there |\n|---|---|---|\n");
    for source in SOURCES {
        let how = match source.delivery {
            Delivery::By(how) => how.replace("countersign ", "`countersign ").replace(", then", "`, then") + "`",
            Delivery::Later(part) => format!("not recorded yet; it comes with {part}"),
        };
        let _ = writeln!(out, "| `{}` | {} | {how} |", source.name, source.what);
    }
    same("docs/reference/assessment-facts.md", &out);
}

#[test]
fn every_control_and_every_requirement_is_on_its_page() {
    let catalogue = Catalogue::shipped().unwrap();
    let mut out = format!("# Controls and frameworks\n\n{GENERATED}\n");
    let requirements: usize = catalogue.frameworks.values().map(|f| f.requirements.len()).sum();
    let _ = writeln!(
        out,
        "{} controls meet {} frameworks with {requirements} requirements. What a control needs and this version does not record\n\
         makes it not-evaluated; see [sources](assessment-facts.md#sources-of-evidence).",
        catalogue.controls.len(),
        catalogue.frameworks.len()
    );
    out.push_str("\n## Controls\n\n| control | what | owner | over | needs |\n|---|---|---|---|---|\n");
    for control in catalogue.controls.values() {
        let _ = writeln!(
            out,
            "| [`{}`](../../controls/{}.yaml) | {} | {} | {} | {} |",
            control.id,
            control.id,
            control.title,
            control.owner,
            control.decides.as_ref().map_or("people", |d| d.over.as_str()),
            control.needs.join(", ")
        );
    }
    for framework in catalogue.frameworks.values() {
        let _ = write!(
            out,
            "\n## {}\n\n{}. {}, checked on {}. [File](../../frameworks/{}.yaml).\n\n\
             | requirement | duty | class | verified | controls |\n|---|---|---|---|---|\n",
            framework.id, framework.title, framework.publisher, framework.checked_on, framework.id
        );
        for r in &framework.requirements {
            let controls: Vec<&str> =
                catalogue.meeting(&framework.id, r).iter().map(|control| control.id.as_str()).collect();
            let met = r.reason.as_ref().map_or_else(|| controls.join(", "), |reason| format!("none: {reason}"));
            let verified = if r.verified { "yes" } else { "**no**" };
            let _ = writeln!(out, "| {} | {} | {} | {verified} | {met} |", r.id, r.duty, r.class.as_str());
        }
    }
    same("docs/reference/controls.md", &out);
}
