//! Every number leads to the list with exactly that many rows: each page's links are followed as a person would, and what is there is
//! counted, page by page of the list.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use countersign_model::Role;

use super::House;
use super::walk::{links, rows_of, text_of};
use crate::server::{Browser, serve};
use crate::support::have_ssh_keygen;

/// Pages of one kind that are looked at: the first ones that are found.
const OF_A_KIND: usize = 6;

/// Numbers in tables that count nothing that has a list: the names of their columns. Whoever adds a column of numbers says here that it is
/// none, or makes it a link.
const NO_LIST: [&str; 17] = [
    // Of the whole firm, whatever the scope of who looks.
    "Broken by",
    "Judged over",
    // The table behind a chart of the newest assessment, which is not made anew for a list; the population is.
    "Did not",
    "Kept it",
    // Measures.
    "Answered within",
    "Bytes",
    "Days past SLA",
    "Place",
    "Risk",
    // How often one thing happened, which its own page or entry tells.
    "Deployments",
    "Entries",
    "Exceptions",
    "Keys",
    "Places",
    "Renewals",
    "Signatures",
    "Times",
];

/// The number that a link says, if it says one: alone, before its words as tiles do, or after them as filters do.
fn number_of(link: &super::walk::Link) -> Option<u64> {
    // The beginning of an id is no number, be it of digits alone by chance.
    if link.text.len() >= 12 && link.href.rsplit('/').next().is_some_and(|id| id.starts_with(&link.text)) {
        return None;
    }
    let text = link.text.replace('\u{202f}', "");
    let digits =
        |word: &str| (!word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())).then(|| word.parse().unwrap());
    if link.is_tile {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        return digits(&text[..end]);
    }
    if link.is_filter {
        return digits(text.rsplit(' ').next()?);
    }
    digits(text.trim())
}

/// How many rows a list has, over all of its parts.
fn counted(browser: &Browser<'_>, address: &str) -> u64 {
    let mut next = Some(address.to_owned());
    let mut rows = 0;
    while let Some(at) = next.take() {
        let body = browser.get(at.split('#').next().unwrap()).expect(200).body;
        rows += rows_of(&body, at.split_once('#').map(|(_, id)| id), &at);
        next = links(&body).into_iter().find(|link| link.is_next).map(|link| link.href);
    }
    rows
}

/// What a walk came to.
#[derive(Default)]
pub(crate) struct Walked {
    pub(crate) pages: usize,
    pub(crate) numbers: usize,
    pub(crate) wrong: BTreeSet<String>,
}

/// Walks from the pages of the navigation over every link, and follows every number.
pub(crate) fn walk(browser: &Browser<'_>, role: Role) -> Walked {
    let kinds: Vec<&str> = countersign_server::pages().filter(|p| p.roles.contains(&role)).map(|p| p.path).collect();
    let kind_of = |path: &str| {
        let fits = |kind: &&&str| {
            let (kind, path): (Vec<&str>, Vec<&str>) = (kind.split('/').collect(), path.split('/').collect());
            kind.len() == path.len() && kind.iter().zip(&path).all(|(k, p)| k == p || k.starts_with('{'))
        };
        // What is named as it stands comes before what has parts.
        kinds.iter().filter(fits).min_by_key(|kind| kind.matches('{').count()).copied()
    };
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    let mut queue: VecDeque<String> =
        kinds.iter().filter(|kind| !kind.contains('{')).map(|k| (*k).to_owned()).collect();
    let mut seen: BTreeSet<String> = queue.iter().cloned().collect();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut walked = Walked::default();
    while let Some(at) = queue.pop_front() {
        let answer = browser.get(at.split('#').next().unwrap());
        if answer.status != 200 {
            walked.wrong.insert(format!("{at} answered {}", answer.status));
            continue;
        }
        let body = answer.body;
        walked.pages += 1;
        // The page says how many there are in its own list.
        if let Some(said) = text_of(&body, "<div class=\"aside\">", "</div>")
            .and_then(|aside| aside.strip_suffix(" in this list").map(str::to_owned))
        {
            let said: u64 = said.replace('\u{202f}', "").parse().unwrap();
            let rows = *counts.entry(at.clone()).or_insert_with(|| counted(browser, &at));
            walked.numbers += 1;
            // Every look of an auditor is an entry: that of the second look stands in the list of them.
            let own = u64::from(role == Role::Auditor && at.starts_with("/ledger"));
            if rows != said && rows != said + own {
                walked.wrong.insert(format!("{at} says that there are {said}, and there are {rows}"));
            }
        }
        for column in super::walk::unlinked_numbers(&body) {
            if !NO_LIST.contains(&column.as_str()) {
                walked.wrong.insert(format!("{at}: numbers under `{column}` lead nowhere"));
            }
        }
        for link in links(&body) {
            if let Some(number) = number_of(&link) {
                let rows = *counts.entry(link.href.clone()).or_insert_with(|| counted(browser, &link.href));
                walked.numbers += 1;
                if rows != number {
                    walked.wrong.insert(format!("{at}: `{}` leads to {} with {rows} rows", link.text, link.href));
                }
            }
            let path = link.href.split(['?', '#']).next().unwrap().to_owned();
            let Some(kind) = kind_of(&path) else { continue };
            let so_far = found.entry(kind).or_default();
            if *so_far < OF_A_KIND && !link.is_next && seen.insert(link.href.clone()) {
                *so_far += 1;
                queue.push_back(link.href);
            }
        }
    }
    walked
}

#[test]
fn every_number_of_every_page_leads_to_the_list_with_that_many_rows() {
    if !have_ssh_keygen() {
        return;
    }
    let house = House::in_may();
    let server = serve(&house.world);
    super::snapshots::settled(&Browser::of(&server, &house.world, "ada"));
    for (person, role, least) in [("ada", Role::Administrator, 80), ("olga", Role::Auditor, 80)] {
        let browser = Browser::of(&server, &house.world, person);
        let walked = walk(&browser, role);
        assert!(walked.wrong.is_empty(), "{person}:\n{}", walked.wrong.into_iter().collect::<Vec<_>>().join("\n"));
        eprintln!("{person}: {} numbers on {} pages", walked.numbers, walked.pages);
        assert!(walked.numbers >= least, "{person}: {} numbers on {} pages", walked.numbers, walked.pages);
    }
}
