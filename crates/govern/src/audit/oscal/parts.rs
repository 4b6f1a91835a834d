//! What all documents are made of.

use std::collections::{BTreeMap, BTreeSet};

use countersign_evidence::merkle::leaf_hash;
use countersign_evidence::{canonical, to_base64};
use countersign_model::{Digest, PersonId, Timestamp};
use countersign_policy::Catalogue;
use countersign_policy::catalogue::{Control, Framework, Requirement};
use serde_json::{Map, Value, json};

use super::{VERSION, uuid};
use crate::Error;
use crate::audit::pack::View;

/// Names of the documents, as they refer to each other.
pub(super) const CATALOG: &str = "catalog.json";
pub(super) const FRAMEWORKS: &str = "catalog-frameworks.json";
pub(super) const COMPONENTS: &str = "component-definition.json";
pub(super) const MAPPINGS: &str = "mapping-collection.json";
pub(super) const PLAN: &str = "plan-of-action-and-milestones.json";

/// Namespace of our own properties.
const NS: &str = "urn:countersign:oscal";
/// Namespace of the properties by which compliance-trestle ties rules to controls.
const TRESTLE: &str = "https://oscal-compass.github.io/compliance-trestle/schemas/oscal/cd";

/// What documents are made from, and what stands in all of them.
pub(super) struct Desk<'a> {
    pub(super) view: View<'a>,
    pub(super) catalogue: &'a Catalogue,
    /// The time of the newest entry.
    pub(super) as_of: Timestamp,
    /// How many entries there are.
    size: u64,
}

impl<'a> Desk<'a> {
    pub(super) fn of(view: View<'a>, catalogue: &'a Catalogue) -> Result<Self, Error> {
        Ok(Self { view, catalogue, as_of: view.state.newest_time()?, size: view.state.size() })
    }

    /// The id of something of this ledger.
    pub(super) fn id(&self, parts: &[&str]) -> String {
        uuid::of(&[&[self.view.state.origin()], parts].concat())
    }

    /// The program, as a component.
    pub(super) fn tool(&self) -> String {
        self.id(&["component", "countersign"])
    }

    /// Finishes a document: metadata go in, and an id that changes whenever anything in it does.
    pub(super) fn document(
        &self,
        root: &str,
        title: &str,
        about: &[&str],
        with: &Named,
        mut body: Value,
    ) -> Result<Value, Error> {
        let mut metadata = json!({
            "title": line(title), "last-modified": self.as_of, "version": self.size.to_string(), "oscal-version": VERSION,
            "document-ids": [{
                "scheme": NS,
                "identifier": text(&format!("{} {root} {}", self.view.state.origin(), about.join(" "))),
            }],
        });
        let mut props = vec![prop("log-origin", self.view.state.origin()), prop("log-size", &self.size.to_string())];
        if !with.is_of_log {
            props.push(prop("catalogue", &self.catalogue.digest().to_string()));
        }
        put(&mut metadata, "props", props);
        let roles = with.roles.iter().map(|role| json!({"id": token(role), "title": line(&role.replace('-', " "))}));
        put(&mut metadata, "roles", roles.collect());
        let people = with.people.iter().map(|person| {
            json!({
                "uuid": self.party(person), "type": "person", "name": text(person.as_str()),
                "external-ids": [{"scheme": NS, "id": text(person.as_str())}],
            })
        });
        put(&mut metadata, "parties", people.collect());
        body["metadata"] = metadata;
        if !with.resources.is_empty() {
            body["back-matter"] = json!({"resources": with.resources.values().collect::<Vec<_>>()});
        }
        body["uuid"] = self.id(&["document", root, &canonical::digest(&body)?.to_string()]).into();
        Ok(Value::Object(Map::from_iter([(root.to_owned(), body)])))
    }

    /// The id of a person as a party.
    pub(super) fn party(&self, person: &PersonId) -> String {
        self.id(&["party", person.as_str()])
    }

    /// Whose act it was.
    pub(super) fn origin_of(&self, person: &PersonId, named: &mut Named) -> Value {
        named.people.insert(person.clone());
        json!([{"actors": [{"type": "party", "actor-uuid": self.party(person)}]}])
    }

    /// That the program found it.
    pub(super) fn found(&self) -> Value {
        json!([{"actors": [{"type": "tool", "actor-uuid": self.tool()}]}])
    }

    /// The program as something that a result or a plan defines.
    pub(super) fn tool_component(&self) -> Value {
        json!({
            "uuid": self.tool(), "type": "software", "title": "countersign",
            "description": "Judges changes by policy, and keeps the log that this document is derived from.",
            "status": {"state": "operational"},
        })
    }

    /// Entries of the log as evidence, each by the hash of its leaf (RFC 6962 §2.1).
    pub(super) fn evidence(&self, entries: &[u64]) -> Result<Vec<Value>, Error> {
        let mut found = Vec::with_capacity(entries.len());
        for index in entries {
            for (index, entry) in self.view.ledger.entries(*index..index + 1)? {
                let leaf = Digest::from_bytes(leaf_hash(&canonical::to_vec(&entry)?));
                found.push(json!({
                    "href": entry_urn(&leaf),
                    "description": format!("Entry {index} of the log: {}, {}.", entry.kind.as_str(), entry.time),
                    "props": [prop("entry", &index.to_string())],
                }));
            }
        }
        Ok(found)
    }
}

/// The name of an entry: the hash of its leaf.
pub(super) fn entry_urn(leaf: &Digest) -> String {
    format!("urn:countersign:entry:{leaf}")
}

/// What a document names on its way: roles, people, other documents.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) roles: BTreeSet<String>,
    pub(super) people: BTreeSet<PersonId>,
    /// The document follows from the log alone, whatever the catalogue says.
    is_of_log: bool,
    resources: BTreeMap<String, Value>,
}

impl Named {
    /// Of a document that follows from the log alone.
    pub(super) fn of_log() -> Self {
        Self { is_of_log: true, ..Self::default() }
    }

    /// Puts a text into the back matter, and refers to it.
    pub(super) fn attached(&mut self, desk: &Desk<'_>, title: &str, file: &str, content: &str) -> String {
        let id = desk.id(&["resource", title]);
        let resource = json!({
            "uuid": id, "title": line(title),
            "base64": {"filename": file, "media-type": "text/plain", "value": to_base64(content.as_bytes())},
        });
        self.resources.insert(id.clone(), resource);
        format!("#{id}")
    }
}

/// A property of ours.
pub(super) fn prop(name: &str, value: &str) -> Value {
    json!({"name": name, "ns": NS, "value": text(value)})
}

/// A property of OSCAL's own.
pub(super) fn own(name: &str, value: &str) -> Value {
    json!({"name": name, "value": text(value)})
}

/// A property as compliance-trestle reads it; `set` ties together those of one rule.
pub(super) fn rule(name: &str, value: &str, set: Option<&str>) -> Value {
    let mut prop = json!({"name": name, "ns": TRESTLE, "value": text(value)});
    if let Some(set) = set {
        prop["remarks"] = set.into();
    }
    prop
}

/// Puts a list in; none where it is empty, for OSCAL has no empty lists.
pub(super) fn put(to: &mut Value, name: &str, list: Vec<Value>) {
    if !list.is_empty() {
        to[name] = list.into();
    }
}

/// A string: one line, and not empty.
pub(super) fn text(of: &str) -> String {
    let words: Vec<&str> = of.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

/// A line of Markdown (CommonMark) that says just this.
pub(super) fn line(of: &str) -> String {
    prose(&text(of))
}

/// Markdown that says just this: what would begin markup in it, or a tag, is escaped.
pub(super) fn prose(of: &str) -> String {
    let mut out = String::with_capacity(of.len());
    for c in of.trim().chars() {
        if matches!(c, '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '#' | '|' | '~') {
            out.push('\\');
        }
        out.push(c);
    }
    if out.is_empty() { "-".to_owned() } else { out }
}

/// A token (an NCName of XML Schema): brackets open a further level, and what else may not stand in it is `_`.
pub(super) fn token(of: &str) -> String {
    let mut out = String::with_capacity(of.len() + 1);
    for c in of.chars() {
        match c {
            c if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') => out.push(c),
            '(' => out.push('.'),
            ')' => {}
            _ => out.push('_'),
        }
    }
    if out.starts_with(|c: char| c.is_alphabetic() || c == '_') { out } else { format!("_{out}") }
}

/// A control's id as OSCAL has it.
pub(super) fn control_id(control: &Control) -> String {
    token(&control.id)
}

/// Ids of a framework's requirements as OSCAL has them. Where two would be one, both get a part of their hash.
pub(super) fn requirement_ids(framework: &Framework) -> BTreeMap<&str, String> {
    let plain = |r: &Requirement| format!("{}_{}", token(&framework.id), token(&format!("r{}", r.id)).split_at(1).1);
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    framework.requirements.iter().for_each(|r| *times.entry(plain(r)).or_default() += 1);
    let id = |r: &Requirement| {
        let id = plain(r);
        match times.get(&id) {
            Some(1) => id,
            _ => format!("{id}-{}", Digest::of(r.id.as_bytes()).hex().split_at(12).0),
        }
    };
    framework.requirements.iter().map(|r| (r.id.as_str(), id(r))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_tokens() {
        assert_eq!(token("17(1)(b)"), "_17.1.b");
        assert_eq!(token("dual-approval"), "dual-approval");
        assert_eq!(token("a:b c/d"), "a_b_c_d");
        assert_eq!(token(""), "_");
    }

    #[test]
    fn texts_stay_what_they_are() {
        assert_eq!(text(" a\n\tb "), "a b");
        assert_eq!(text("\u{7}"), "-");
        assert_eq!(prose("<b>*x*</b> [a](b)"), r"\<b\>\*x\*\</b\> \[a\](b)");
    }

    #[test]
    fn requirements_of_shipped_frameworks_have_ids_of_their_own() {
        let catalogue = Catalogue::shipped().unwrap();
        let mut all = BTreeSet::new();
        for framework in catalogue.frameworks.values() {
            for (_, id) in requirement_ids(framework) {
                assert!(all.insert(id.clone()), "{id}");
            }
        }
        assert!(all.iter().all(|id| !catalogue.controls.contains_key(id)));
        assert!(all.contains("dora-rts-2024-1774_17.1.b"), "{all:?}");
        // Two that would be one get parts of their hashes.
        let mut framework = catalogue.frameworks["sox"].clone();
        framework.requirements.truncate(2);
        framework.requirements[0].id = "a b".into();
        framework.requirements[1].id = "a:b".into();
        let ids: BTreeSet<String> = requirement_ids(&framework).into_values().collect();
        assert_eq!(ids.len(), 2, "{ids:?}");
        assert!(!ids.contains("sox_a_b"));
    }
}
