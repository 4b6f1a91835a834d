//! Frameworks of others, read from the formats in which they are published into a file of the project. Their texts stay under
//! their licences, which the file names; none of them is part of this program.
//!
//! | format | what is read |
//! |---|---|
//! | Gemara control catalogues (FINOS Common Cloud Controls and others), YAML | each assessment requirement of each control; where a control has none, the control |
//! | FINOS SDLC controls, Markdown with a head in YAML, one file a mitigation | each point under `## Requirements` |
//!
//! Keys that are not known here are passed over: these formats grow. What has no id or no text is an error.

use std::collections::BTreeSet;

use countersign_model::Place;
use countersign_model::retention::Day;
use serde_json::Value;

use super::framework::{self, Framework, is_id, one_line};
use crate::Error;

/// The most files of one import.
const MAX_FILES: usize = 1000;

/// What somebody says about what they import.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The id that the framework gets; `None`: from what is imported.
    pub id: Option<String>,
    /// Where the files are from.
    pub source: String,
    /// The terms of its text; `None`: those that its publisher is known for.
    pub licence: Option<String>,
    /// The day of the import.
    pub on: Day,
}

/// A clause, as it is found.
struct Clause {
    id: String,
    duty: String,
    related: BTreeSet<String>,
}

/// What is found in files of one format.
struct Found {
    id: String,
    title: String,
    publisher: &'static str,
    licence: &'static str,
    attribution: &'static str,
    clauses: Vec<Clause>,
}

/// Reads files of one of the formats, name and contents, and gives the framework as YAML, which [`framework::parse`] reads.
///
/// # Errors
/// [`Error::Framework`] with the file, when it has none of the formats, or nothing in it is a requirement.
pub fn import(files: &[(String, Vec<u8>)], how: &Imported) -> Result<(String, String), Error> {
    let (first, _) = files.first().ok_or_else(|| wrong("", "there is nothing to import"))?;
    if files.len() > MAX_FILES {
        return Err(wrong(first, format!("more than {MAX_FILES} files")));
    }
    let markdown = files.iter().filter(|(name, _)| name.ends_with(".md")).count();
    let found = match markdown {
        0 => gemara(files)?,
        n if n == files.len() => mitigations(files)?,
        _ => return Err(wrong(first, "import YAML and Markdown apart: they are two formats")),
    };
    let id = how.id.clone().unwrap_or(found.id);
    if !is_id(&id) {
        return Err(wrong(first, format!("`{}` is no id of a framework: name one with --id", id.escape_debug())));
    }
    if found.clauses.is_empty() {
        return Err(wrong(first, "no requirement is in it"));
    }
    let mut out = String::new();
    let licence = how.licence.as_deref().unwrap_or(found.licence);
    if licence.is_empty() {
        return Err(wrong(first, "it does not say under which terms its text may be used: name them with --licence"));
    }
    for (key, value) in [
        ("id", id.as_str()),
        ("title", &found.title),
        ("publisher", found.publisher),
        ("source", &how.source),
        ("licence", licence),
        ("attribution", found.attribution),
    ] {
        if !value.is_empty() {
            line(&mut out, "", key, value);
        }
    }
    out.push_str(&format!("checked_on: {}\nrequirements:\n", how.on));
    for clause in &found.clauses {
        line(&mut out, "  - ", "id", &clause.id);
        line(&mut out, "    ", "duty", &clause.duty);
        out.push_str("    class: partial\n    verified: true\n    checked_in: import\n");
        if !clause.related.is_empty() {
            let related: Vec<String> = clause.related.iter().map(|r| quoted(r)).collect();
            out.push_str(&format!("    related: [{}]\n", related.join(", ")));
        }
    }
    // What is written must be what is read.
    let name = format!("{id}.yaml");
    let framework: Framework = framework::parse(&name, out.as_bytes())?;
    Ok((framework.id, out))
}

fn wrong(file: &str, message: impl Into<String>) -> Error {
    Error::Framework { place: Place::file(file), message: message.into() }
}

fn line(out: &mut String, before: &str, key: &str, value: &str) {
    out.push_str(&format!("{before}{key}: {}\n", quoted(value)));
}

/// A text as a YAML scalar in double quotes, on one line. JSON's texts are such scalars.
fn quoted(text: &str) -> String {
    let plain: String = one_line(text).chars().filter(|c| !c.is_control()).collect();
    Value::from(plain).to_string()
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str().map(str::trim).filter(|t| !t.is_empty())
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn gemara(files: &[(String, Vec<u8>)]) -> Result<Found, Error> {
    let mut clauses: Vec<Clause> = Vec::new();
    let (mut id, mut title) = (None, None);
    for (name, contents) in files {
        let contents = std::str::from_utf8(contents).map_err(|_| wrong(name, "not UTF-8"))?;
        let document: Value = serde_saphyr::from_str(contents).map_err(|e| {
            let line = e.location().and_then(|l| u32::try_from(l.line()).ok()).filter(|n| *n > 0);
            let place = Place { file: name.clone(), line, column: None };
            let message = e.without_snippet().to_string();
            Error::Framework { place, message: message.lines().next().unwrap_or("it is no YAML").to_owned() }
        })?;
        if let Some(metadata) = document.get("metadata") {
            id = id.or(text(metadata, "id").map(str::to_owned));
            title = title.or(text(metadata, "title").map(str::to_owned));
        }
        title = title.or(text(&document, "title").map(str::to_owned));
        // Families of controls, in the spellings of the format's versions, and controls that stand by themselves.
        let families = ["control-families", "controlfamilies", "families", "groups"];
        let in_families = families.iter().flat_map(|key| list(&document, key)).flat_map(|f| list(f, "controls"));
        for control in in_families.chain(list(&document, "controls")) {
            control_clauses(name, control, &mut clauses)?;
        }
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = clauses.iter().find(|c| !seen.insert(c.id.as_str())) {
        let (file, _) = files.first().map(|f| (f.0.as_str(), ())).unwrap_or_default();
        return Err(wrong(file, format!("`{}` stands there twice", twice.id)));
    }
    // Without metadata, what the ids have in common: `CCC.Build.CN01.TR01` is of `CCC.Build`.
    let common = clauses.first().map(|c| c.id.split('.').take(2).collect::<Vec<_>>().join("."));
    let id = id.or(common).unwrap_or_default();
    let is_finos = id.starts_with("CCC");
    Ok(Found {
        title: title.unwrap_or_else(|| id.clone()),
        id: id.to_lowercase(),
        publisher: if is_finos { "FINOS, Common Cloud Controls" } else { "see the source" },
        licence: if is_finos { "Community Specification License 1.0" } else { "" },
        attribution: if is_finos {
            "FINOS Common Cloud Controls, https://github.com/finos/common-cloud-controls"
        } else {
            ""
        },
        clauses,
    })
}

fn control_clauses(file: &str, control: &Value, clauses: &mut Vec<Clause>) -> Result<(), Error> {
    let id = text(control, "id").ok_or_else(|| wrong(file, "a control has no id"))?;
    let title = text(control, "title").unwrap_or_default();
    let related = related(control);
    let requirements = list(control, "assessment-requirements");
    if requirements.is_empty() {
        let duty = text(control, "objective").or(text(control, "title"));
        let duty = duty.ok_or_else(|| wrong(file, format!("`{id}` has neither objective nor title")))?;
        clauses.push(Clause { id: id.to_owned(), duty: one_line(duty), related });
        return Ok(());
    }
    for requirement in requirements {
        let own = text(requirement, "id").ok_or_else(|| wrong(file, format!("a requirement of `{id}` has no id")))?;
        let duty = text(requirement, "text").ok_or_else(|| wrong(file, format!("`{own}` has no text")))?;
        let levels: Vec<&str> = list(requirement, "applicability").iter().filter_map(Value::as_str).collect();
        let levels = if levels.is_empty() { String::new() } else { format!(" [{}]", levels.join(", ")) };
        let title = if title.is_empty() { String::new() } else { format!("{}: ", one_line(title)) };
        clauses.push(Clause {
            id: own.to_owned(),
            duty: format!("{title}{}{levels}", one_line(duty)),
            related: related.clone(),
        });
    }
    Ok(())
}

/// Clauses of SP 800-53 that a control is mapped to: the one rule set that both sides number alike.
fn related(control: &Value) -> BTreeSet<String> {
    let ours = |reference: &Value| {
        text(reference, "reference-id").is_some_and(|id| {
            let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
            id.starts_with("nist80053") || id.starts_with("nistsp80053")
        })
    };
    let mappings = list(control, "guideline-mappings").iter().chain(list(control, "guidelines")).filter(|m| ours(m));
    mappings
        .flat_map(|m| {
            let entries = list(m, "entries").iter().filter_map(|e| text(e, "reference-id"));
            entries.chain(list(m, "identifiers").iter().filter_map(Value::as_str))
        })
        .filter_map(nist)
        .collect()
}

/// `AC-3`, `ac-3`, `AC-2(1)`, as our catalogue writes them.
fn nist(id: &str) -> Option<String> {
    let id = id.trim().to_uppercase();
    let (family, number) = id.split_once('-')?;
    let plain = family.len() == 2
        && family.chars().all(|c| c.is_ascii_alphabetic())
        && number.chars().next().is_some_and(|c| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || c == '(' || c == ')');
    plain.then(|| format!("nist-800-53r5:{id}"))
}

fn mitigations(files: &[(String, Vec<u8>)]) -> Result<Found, Error> {
    let mut clauses = Vec::new();
    let mut numbers = BTreeSet::new();
    for (name, contents) in files {
        let contents = std::str::from_utf8(contents).map_err(|_| wrong(name, "not UTF-8"))?;
        let (head, body) = split_head(contents).ok_or_else(|| wrong(name, "it has no head between two lines `---`"))?;
        let head: Value = serde_saphyr::from_str(head).map_err(|e| {
            let message = e.without_snippet().to_string();
            wrong(name, message.lines().next().unwrap_or("its head is no YAML"))
        })?;
        let number =
            head.get("sequence").and_then(Value::as_u64).ok_or_else(|| wrong(name, "its head has no `sequence`"))?;
        if !numbers.insert(number) {
            return Err(wrong(name, format!("a second file has the sequence {number}")));
        }
        let title = text(&head, "title").unwrap_or_default();
        let related: BTreeSet<String> =
            list(&head, "nist-sp-800-53r5_references").iter().filter_map(Value::as_str).filter_map(nist).collect();
        for (n, point) in points(body).into_iter().enumerate() {
            clauses.push((
                number,
                n,
                Clause {
                    id: format!("mi-{number}.{}", n + 1),
                    duty: format!("{}: {point}", one_line(title)),
                    related: related.clone(),
                },
            ));
        }
    }
    clauses.sort_by_key(|(number, n, _)| (*number, *n));
    Ok(Found {
        id: "finos-sdlc".to_owned(),
        title: "FINOS SDLC Controls Framework".to_owned(),
        publisher: "FINOS",
        licence: "CC BY 4.0",
        attribution: "FINOS SDLC Controls Framework and its contributors, \
                      https://github.com/finos-labs/SDLC-Controls-Framework; cut into single points",
        clauses: clauses.into_iter().map(|(_, _, clause)| clause).collect(),
    })
}

/// The head between two lines of three dashes, and what follows.
fn split_head(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim_start_matches('\u{feff}').strip_prefix("---")?;
    let rest = rest.strip_prefix('\r').unwrap_or(rest).strip_prefix('\n')?;
    let end = rest.match_indices("\n---").map(|(at, _)| at).find(|at| {
        rest.get(at.saturating_add(4)..).is_some_and(|after| after.is_empty() || after.starts_with(['\n', '\r']))
    })?;
    Some((rest.get(..end)?, rest.get(end.saturating_add(4)..)?))
}

/// The points of the list under `## Requirements`, each on one line.
fn points(body: &str) -> Vec<String> {
    let mut points: Vec<String> = Vec::new();
    let under = body.lines().skip_while(|l| l.trim() != "## Requirements").skip(1);
    for line in under.take_while(|l| !l.starts_with("## ")) {
        let indented = line.starts_with([' ', '\t']);
        match line.trim().strip_prefix("* ").or(line.trim().strip_prefix("- ")) {
            Some(point) if !indented => points.push(one_line(point)),
            Some(point) => append(&mut points, point),
            None if !line.trim().is_empty() => append(&mut points, line),
            None => {}
        }
    }
    points
}

fn append(points: &mut [String], more: &str) {
    if let Some(last) = points.last_mut() {
        last.push(' ');
        last.push_str(&one_line(more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::Diagnostic as _;

    fn how() -> Imported {
        Imported { id: None, source: "https://example.test".into(), licence: None, on: "2026-11-26".parse().unwrap() }
    }

    fn read(files: &[(&str, &str)]) -> Result<Framework, Error> {
        let files: Vec<_> = files.iter().map(|(n, t)| ((*n).to_owned(), t.as_bytes().to_vec())).collect();
        let (id, yaml) = import(&files, &how())?;
        framework::parse(&format!("{id}.yaml"), yaml.as_bytes())
    }

    // The shapes of the format's versions; the texts are made up.
    const FAMILIES: &str = "control-families:\n  - title: A\n    controls:\n      - id: CCC.Made.CN01\n        title: One\n        objective: |\n          To have\n          one.\n        assessment-requirements:\n          - id: CCC.Made.CN01.TR01\n            text: |\n              When asked,\n              it \"answers\": yes.\n            applicability: [tlp-red]\n            recommendation: \"\"\n        guideline-mappings:\n          - reference-id: NIST_800_53\n            entries:\n              - reference-id: AC-3\n                strength: 0\n          - reference-id: CCM\n            entries:\n              - reference-id: CEK-03\n";

    #[test]
    fn every_version_of_a_gemara_catalogue_is_read() {
        let read_one = read(&[("controls.yaml", FAMILIES)]).unwrap();
        assert_eq!((read_one.id.as_str(), read_one.requirements.len()), ("ccc.made", 1));
        let clause = &read_one.requirements[0];
        assert_eq!(clause.duty, "One: When asked, it \"answers\": yes. [tlp-red]");
        assert_eq!(clause.related, ["nist-800-53r5:AC-3"]);
        assert_eq!(read_one.licence.as_deref(), Some("Community Specification License 1.0"));

        let artifact = "metadata:\n  id: CCC.Made\n  title: Made up\ncontrolfamilies:\n  - controls:\n    - id: CCC.Made.C01\n      title: One\n      assessment-requirements:\n        - id: CCC.Made.C01.TR01\n          text: Do it\n      guideline-mappings:\n        - reference-id: NIST_800_53\n          identifiers: [SC-28, CP-10]\nlatestreleasedetails: {further: keys}\n";
        let read_two = read(&[("a.yaml", artifact)]).unwrap();
        assert_eq!((read_two.title.as_str(), read_two.requirements[0].related.len()), ("Made up", 2));

        let flat = "metadata: {id: Other.Thing}\ncontrols:\n  - {id: O-1, title: One, objective: Be one, group: g}\n";
        let e = read(&[("flat.yaml", flat)]).unwrap_err();
        assert!(e.to_string().contains("--licence"), "{e}");
        let files = [("flat.yaml".to_owned(), flat.as_bytes().to_vec())];
        let (id, yaml) = import(&files, &Imported { licence: Some("Apache-2.0".into()), ..how() }).unwrap();
        assert!(id == "other.thing" && yaml.contains("duty: \"Be one\""), "{yaml}");
    }

    const MITIGATION: &str = "---\nsequence: 12\ntitle: Made Up\nlayout: mitigation\nnist-sp-800-53r5_references:\n  - cm-3   # a comment\nunknown: [a]\n---\n\n## Summary\n\n* not this\n\n## Requirements\n\n* It MUST be so,\n  always\n* It SHOULD be:\n  - quick\n\n## Links\n\n* not that\n";

    #[test]
    fn sdlc_mitigations_are_read_point_by_point() {
        let framework = read(&[("mi-12_made-up.md", MITIGATION)]).unwrap();
        let duties: Vec<_> = framework.requirements.iter().map(|r| (r.id.as_str(), r.duty.as_str())).collect();
        assert_eq!(
            duties,
            [("mi-12.1", "Made Up: It MUST be so, always"), ("mi-12.2", "Made Up: It SHOULD be: quick")]
        );
        assert_eq!(framework.requirements[0].related, ["nist-800-53r5:CM-3"]);
        assert_eq!((framework.id.as_str(), framework.licence.as_deref()), ("finos-sdlc", Some("CC BY 4.0")));
        let twice = read(&[("a.md", MITIGATION), ("b.md", MITIGATION)]).unwrap_err();
        assert_eq!(twice.place().unwrap().to_string(), "b.md");
    }

    #[test]
    fn what_is_nothing_of_this_is_an_error_with_its_file() {
        for (name, contents, says) in [
            ("a.yaml", "a: [", "a.yaml"),
            ("a.yaml", "a: 1\n", "no id of a framework"),
            ("a.yaml", "controls:\n  - {title: One}\n", "no id"),
            ("a.md", "no head", "no head"),
            ("a.md", "---\ntitle: A\n---\n", "sequence"),
            ("a.md", "---\nsequence: 1\n---\n## Requirements\n", "no requirement"),
        ] {
            let e = read(&[(name, contents)]).unwrap_err();
            let text = format!("{}: {e}", e.place().unwrap());
            assert!(text.contains(says), "{text}");
        }
        assert!(read(&[("a.md", MITIGATION), ("b.yaml", FAMILIES)]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, markdown: bool) {
            let name = if markdown { "a.md" } else { "a.yaml" };
            proptest::prop_assert!(import(&[(name.to_owned(), bytes)], &how()).is_err());
        }

        #[test]
        fn any_text_of_a_point_is_one_line_of_the_file(point in "[^\r\n]{1,60}") {
            let text = MITIGATION.replace("It MUST be so,", &point);
            proptest::prop_assert!(read(&[("a.md", &text)]).is_ok(), "{}", text);
        }
    }
}
