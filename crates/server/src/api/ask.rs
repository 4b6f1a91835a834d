//! One request to the API: who asks, and for what.

use std::collections::BTreeMap;

use countersign_model::{Digest, Outcome, PersonId, Timestamp};
use countersign_store::Session;
use countersign_store::projection::State;

use super::caller::Caller;
use super::table::{Param, Resource, USUAL};
use super::wire::OUTCOMES;
use crate::app::{App, Scope, Trouble};
use crate::web::look::Visitor;

/// A request.
pub(crate) struct Ask<'a> {
    pub(crate) app: &'a App,
    pub(crate) session: &'a mut Session,
    pub(super) caller: &'a Caller,
    /// What they may be shown of what belongs to applications.
    pub(crate) scope: Scope,
    pub(super) params: &'a BTreeMap<String, String>,
    pub(super) query: &'a BTreeMap<String, String>,
}

impl<'a> Ask<'a> {
    /// Whose program asks; a job's request is nobody's.
    pub(crate) fn visitor(&self) -> Result<&'a Visitor, Trouble> {
        self.caller.visit().map(|(_, visitor)| visitor).ok_or_else(Trouble::not_of_jobs)
    }

    pub(super) fn state(&self) -> &State {
        self.session.state()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.session.now()
    }

    /// A part of the path.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// A parameter of the query; the table says what it may be, and that was looked at before.
    pub(super) fn filter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A parameter of the query that must stand there.
    pub(super) fn said(&self, name: &str) -> &str {
        self.filter(name).unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.filter(name).and_then(|text| text.parse().ok())
    }

    /// How many rows are wanted.
    pub(super) fn limit(&self) -> u32 {
        self.filter("limit").and_then(|text| text.parse().ok()).unwrap_or(USUAL)
    }

    /// Those of these entries that are in the scope of whoever asks.
    pub(super) fn entries(&self, all: &[u64]) -> Result<Vec<u64>, Trouble> {
        let mut inside = Vec::new();
        for index in all {
            if self.scope.has_entry(self.session, *index)? {
                inside.push(*index);
            }
        }
        Ok(inside)
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.filter("outcome").and_then(|text| OUTCOMES.into_iter().find(|o| o.as_str() == text))
    }

    pub(super) fn day(&self, name: &str) -> Option<Timestamp> {
        self.filter(name).and_then(day)
    }
}

/// A day's beginning.
pub(super) fn day(text: &str) -> Option<Timestamp> {
    format!("{text}T00:00:00Z").parse().ok()
}

/// What stands in a query: each parameter once, each one that the resource has, each as its schema says.
pub(super) fn query(resource: &Resource, pairs: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Trouble> {
    read(resource.params(), pairs)
}

/// As [`query`], by the parameters themselves.
pub(super) fn read<'a>(
    params: impl Iterator<Item = &'a Param> + Clone,
    pairs: Vec<(String, String)>,
) -> Result<BTreeMap<String, String>, Trouble> {
    let mut all = BTreeMap::new();
    for (name, value) in pairs {
        let Some(param) = params.clone().find(|p| p.name == name) else {
            let names: Vec<&str> = params.clone().map(|p| p.name).collect();
            let takes = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(Trouble::bad_query("the query has a parameter that this resource does not take", &takes));
        };
        if !param.kind.takes(&value) {
            return Err(Trouble::bad_query(&format!("`{}` is not as the document says", param.name), param.says));
        }
        if all.insert(name, value).is_some() {
            return Err(Trouble::bad_query(
                &format!("`{}` stands in the query more than once", param.name),
                param.says,
            ));
        }
    }
    if let Some(missing) = params.clone().find(|p| p.must && !all.contains_key(p.name)) {
        return Err(Trouble::bad_query(&format!("`{}` is missing in the query", missing.name), missing.says));
    }
    Ok(all)
}

pub(super) fn id(person: &PersonId) -> String {
    person.as_str().to_owned()
}

pub(super) const fn count(n: usize) -> u64 {
    n as u64
}

/// Cuts a part of a list that was read with one row more; whether there are more.
pub(super) fn cut<T>(lines: &mut Vec<T>, limit: u32) -> bool {
    let limit = limit as usize;
    let has_more = lines.len() > limit;
    lines.truncate(limit);
    has_more
}

/// SHA-256 of an answer, in quotes (RFC 9110 §8.8.3): what depends on the clock differs as well.
pub(super) fn etag(body: &str) -> String {
    let hex: String = Digest::of(body.as_bytes()).hex().chars().take(32).collect();
    format!("\"{hex}\"")
}

/// Whether `If-None-Match` names it (RFC 9110 §13.1.2; weak comparison).
pub(super) fn matches(header: &str, etag: &str) -> bool {
    header.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    #[test]
    fn a_query_has_known_parameters_once_and_as_they_should_be() {
        let runs = table::find("/api/v1/runs").unwrap();
        let ask = |pairs: &[(&str, &str)]| {
            query(runs, pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()).map(|q| q.len())
        };
        assert_eq!(ask(&[("limit", "5"), ("outcome", "fail")]), Ok(2));
        for bad in [&[("limits", "5")][..], &[("limit", "0")], &[("limit", "")], &[("limit", "5"), ("limit", "6")]] {
            assert!(ask(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_etag_is_compared_weakly_and_in_a_list() {
        let tag = etag("{}");
        assert!(matches("*", &tag) && matches(&tag, &tag) && matches(&format!("\"x\", W/{tag}"), &tag));
        assert!(!matches("\"x\"", &tag) && !matches("", &tag));
    }
}
