//! Sealed populations: what was sealed, and what an auditor's seed chooses from it.

use std::sync::Arc;

use countersign_evidence::sample::PYTHON;
use countersign_govern::audit::population::{self, Member, Population};
use countersign_store::projection::{PopulationRow, SampleRow};
use maud::{Markup, html};

use super::controls::subject;
use crate::app::Trouble;
use crate::web::acts::Doing;
use crate::web::files::{self, File};
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts;

/// Rows of a population on one page; the rest is in the file.
pub(super) const SHOWN: usize = 100;
/// The largest sample of which a page shows every row.
const LARGEST_SAMPLE: u64 = 1000;

fn sealed(look: &Look<'_>) -> Result<Arc<(PopulationRow, Population)>, Trouble> {
    let index = look.param("index").parse().map_err(|_| Trouble::not_found("population"))?;
    let row = look.state().population(index)?.ok_or_else(|| Trouble::not_found("population"))?;
    let title = look.app.catalogue.get(&row.said.control).map_or("", |control| control.title.as_str());
    look.app.populations.sealed(look.session, index, title)
}

pub(crate) fn export(look: &mut Look<'_>) -> Result<File, Trouble> {
    let kept = sealed(look)?;
    files::population(look, &kept.1)
}

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let kept = sealed(look)?;
    let (row, whole) = &*kept;
    let (said, index) = (&row.said, row.index);
    let samples = look.state().samples_of(index)?;
    let chosen = match look.index("sample")? {
        None => None,
        Some(wanted) => Some(samples.iter().find(|s| s.index == wanted).ok_or_else(|| Trouble::not_found("sample"))?),
    };
    let mut drawn: Vec<Markup> = Vec::new();
    for sample in samples.iter().rev() {
        let by = sample.by.as_ref().map(|by| look.name(by)).transpose()?;
        drawn.push(html! {
            tr {
                td { (parts::entry(sample.index)) }
                td { code { (sample.seed) } }
                td.n { a href={ "/populations/" (index) "?sample=" (sample.index) } { (sample.chosen.len()) } }
                td { (by.as_deref().unwrap_or("on the command line")) }
                td { (parts::time(sample.time)) }
            }
        });
    }
    let shown = match chosen {
        Some(sample) => parts::section(
            &format!("Sample by the seed {}", sample.seed),
            &chosen_rows(look, row, sample, &whole.members)?,
        ),
        None => html! {},
    };
    let members = rows(look, whole.members.iter().enumerate().take(SHOWN))?;
    let body = html! {
        (parts::facts(&[
            ("Control", html! { a href={ "/controls/" (said.control) } { (said.control) } " " (whole.title) }),
            ("Query", html! { code { (said.query) } }),
            ("From", html! { code { (said.from) } }),
            ("Before", html! { code { (said.to) } }),
            ("Applications", html! { @if said.applications.is_empty() { "all" } @else { (said.applications.join(", ")) } }),
            ("Read up to", look.entry(said.size.saturating_sub(1))?),
            ("Rows", html! { (parts::grouped(said.count)) ", " (parts::grouped(said.exceptions)) " exceptions" }),
            ("Root over them (RFC 6962)", parts::whole(said.root)),
            ("SHA-256 as JSON Lines", parts::whole(said.members)),
            ("Sealed", html! { (parts::time(said.time)) " " (parts::entry(index)) }),
        ]))
        (shown)
        section {
            h2 { "Samples" }
            (ask(look, row)?)
            (parts::table("Samples", &["Entry", "Seed", "Rows", "Named by", "When"], &drawn, "No sample was drawn yet."))
        }
        section id="members" {
            h2 { "Members" }
            p { "All of them: " (downloads(&format!("/populations/{index}/export?"))) }
            (parts::table("Members", &["Place", "What", "When", "State", "Entries"], &members, ""))
            @if whole.members.len() > SHOWN { p.quiet { "and " (whole.members.len() - SHOWN) " more, in the files" } }
        }
    };
    Ok(Page::new(format!("Sealed population {index}"), body).aside(parts::count(
        whole.members.len(),
        "member",
        "members",
    )))
}

/// Links to the two files; `before` ends where the format is added.
pub(super) fn downloads(before: &str) -> Markup {
    html! {
        a href={ (before) "format=csv" } { "CSV" } ", " a href={ (before) "format=jsonl" } { "JSON Lines" }
        span.quiet { " (as they are sealed, a line of canonical JSON each)" }
    }
}

/// The form by which an auditor names a seed.
fn ask(look: &Look<'_>, row: &PopulationRow) -> Result<Markup, Trouble> {
    let index = row.index;
    if !look.visitor.is_auditor() || look.scope.is_as_auditor {
        return Ok(html! {
            p.quiet { "An auditor names the seed, here or:" }
            pre { code { "countersign audit sample --population " (index) " --seed SEED" } }
        });
    }
    Ok(html! {
        form.search method="post" action={ "/populations/" (index) "/sample" } {
            input type="hidden" name="csrf" value=(look.visitor.csrf);
            input type="hidden" name="audit" value=(look.scope.audit().map_or("", |audit| audit.said.audit.as_str()));
            label { "Your seed " input name="seed" required maxlength="200" size="24" autocomplete="off"; }
            label { "Rows " input name="size" type="number" min="1" max=(row.said.count) value=(usual(look, row).min(row.said.count)); }
            button type="submit" { "Draw" }
        }
        p.quiet { "The population was sealed before you name a seed: whoever sealed it could not know what it would choose. What is drawn is recorded, with who named the seed." }
    })
}

fn usual(look: &Look<'_>, row: &PopulationRow) -> u64 {
    look.app.catalogue.get(&row.said.control).map_or(25, |control| population::usual_size(control.frequency))
}

fn chosen_rows(
    look: &Look<'_>,
    row: &PopulationRow,
    sample: &SampleRow,
    members: &[Member],
) -> Result<Markup, Trouble> {
    let places = sample
        .chosen
        .iter()
        .take(usize::try_from(LARGEST_SAMPLE).unwrap_or(usize::MAX))
        .filter_map(|place| usize::try_from(*place).ok());
    let chosen = rows(look, places.filter_map(|place| Some((place, members.get(place)?))))?;
    let more = (sample.chosen.len() as u64).saturating_sub(LARGEST_SAMPLE);
    Ok(html! {
        p {
            "The " (sample.chosen.len()) " members with the smallest SHA-256 of seed, newline and place, smallest first. "
            "A larger sample by the same seed begins with this one. " (parts::entry(sample.index))
        }
        (parts::table("Sample", &["Place", "What", "When", "State", "Entries"], &chosen, "It is empty."))
        @if more > 0 { p.quiet { "and " (more) " more" } }
        details {
            summary { "The same without us" }
            (parts::raw("sample.py", PYTHON))
            pre { code { "python3 sample.py " (quoted(&sample.seed)) " " (row.said.count) " " (sample.chosen.len()) } }
        }
    })
}

/// A text as one word of a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn rows<'m>(look: &Look<'_>, members: impl Iterator<Item = (usize, &'m Member)>) -> Result<Vec<Markup>, Trouble> {
    let mut rows = Vec::new();
    for (place, m) in members {
        let links = look.entries(&m.entries, 8)?;
        rows.push(html! {
            tr {
                td.n { (place) }
                td { (subject(&m.subject)) }
                td { (parts::time(m.time)) }
                td { (parts::outcome(m.outcome)) @if let Some(text) = &m.text { div.quiet { (text) } } }
                td { (links) }
            }
        });
    }
    Ok(rows)
}

/// Draws the sample that an auditor's seed chooses.
pub(crate) fn draw(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let index = doing.param("index").parse().map_err(|_| Trouble::not_found("population"))?;
    let known = doing.session.state().population(index)?.filter(|row| doing.scope.has_population(row));
    let row = known.ok_or_else(|| Trouble::not_found("population"))?;
    let size: u64 = doing.field("size").parse().map_err(|_| Trouble::bad_request("`size` is no number of rows"))?;
    if size == 0 || size > row.said.count {
        return Err(Trouble::bad_request("`size` is no number of rows that the population has"));
    }
    let seed = doing.field("seed").to_owned();
    let (drawn, _) = population::draw_by(doing.session, index, &seed, size, Some(&doing.visitor.person))?;
    Ok(format!("/populations/{index}?sample={}{}", drawn.index, doing.through()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_seed_is_one_word_of_a_shell() {
        assert_eq!(super::quoted("4 6 'x' $(id)"), "'4 6 '\\''x'\\'' $(id)'");
    }
}
