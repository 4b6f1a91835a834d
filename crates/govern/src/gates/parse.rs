//! Reads a file of gate owners; what is wrong is named with file and line. People are named as they are known, and become ids.

use countersign_model::governance::gates::{Asked, Step};
use countersign_model::governance::{FailureMode, GateOwners, GateOwnership};
use countersign_model::{PersonId, Place, Role};
use countersign_store::projection::State;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use crate::Error;
use crate::access::people;
use crate::runbook::clocks;

/// The largest file, in bytes.
const MAX_FILE: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u32>,
    gates: Vec<FileGate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileGate {
    gate: Spanned<String>,
    owner: Spanned<String>,
    #[serde(default)]
    deputy: Option<Spanned<String>>,
    respond_within: Spanned<String>,
    #[serde(default)]
    escalation: Vec<FileStep>,
    #[serde(default = "closed")]
    failure: FailureMode,
    fallback: Spanned<String>,
    #[serde(default)]
    clocks: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileStep {
    after: Spanned<String>,
    #[serde(default)]
    person: Option<Spanned<String>>,
    #[serde(default)]
    role: Option<Role>,
}

const fn closed() -> FailureMode {
    FailureMode::Closed
}

/// Reads a file's text; `state` knows the people.
///
/// # Errors
/// [`Error::GateFile`] with file and line: no YAML, an unknown key, word, gate, clock or person.
pub fn parse(state: &State, file: &str, text: &str) -> Result<GateOwners, Error> {
    parse_with(file, text, &|named| match people::find(state, named) {
        Ok(person) if state.is_erased(&person.id)? => {
            Ok(Err(format!("{} has left: their data was erased", person.label())))
        }
        Ok(person) => Ok(Ok(person.id)),
        Err(e @ (Error::NoSuchPerson { .. } | Error::AmbiguousPerson { .. })) => Ok(Err(e.to_string())),
        Err(e) => Err(e),
    })
}

/// Who somebody is that a file names; the inner error says why nobody is.
type Who<'a> = &'a dyn Fn(&str) -> Result<Result<PersonId, String>, Error>;

/// Reads a file's text where nobody is known: people are as they are named.
///
/// # Errors
/// As [`parse`], but for people.
pub fn parse_as_named(file: &str, text: &str) -> Result<GateOwners, Error> {
    parse_with(file, text, &|named| Ok(Ok(PersonId::from_text(named))))
}

fn parse_with(file: &str, text: &str, who: Who<'_>) -> Result<GateOwners, Error> {
    let at = |location: Location, message: String| {
        let number = |n: u64| u32::try_from(n).ok().filter(|n| *n > 0);
        let (line, column) = (number(location.line()), number(location.column()));
        Error::GateFile { place: Place { file: file.to_owned(), line, column }, message }
    };
    if text.len() > MAX_FILE {
        return Err(at(Location::UNKNOWN, format!("it has more than {MAX_FILE} bytes")));
    }
    let read: File = serde_saphyr::from_str(text).map_err(|e| {
        let message = e.without_snippet().to_string();
        let location = e.location().unwrap_or(Location::UNKNOWN);
        at(location, message.lines().next().unwrap_or("not a file of owners").to_owned())
    })?;
    if read.version.value != 1 {
        return Err(at(read.version.referenced, format!("version {} is not known, only 1 is", read.version.value)));
    }
    let person = |named: &Spanned<String>| -> Result<PersonId, Error> {
        who(&named.value)?.map_err(|message| at(named.referenced, message))
    };
    let minutes = |text: &Spanned<String>| {
        minutes(&text.value).ok_or_else(|| {
            at(text.referenced, format!("`{}` is no time: 30m, 4h, 2d, one year at most", text.value.escape_debug()))
        })
    };
    let mut gates = Vec::with_capacity(read.gates.len());
    let mut places = Vec::with_capacity(read.gates.len());
    for gate in read.gates {
        let mut escalation = Vec::with_capacity(gate.escalation.len());
        for step in &gate.escalation {
            let ask = match (&step.person, step.role) {
                (Some(named), None) => Asked::Person(person(named)?),
                (None, Some(role)) => Asked::Role(role),
                _ => return Err(at(step.after.referenced, "a step asks one `person` or one `role`".to_owned())),
            };
            escalation.push(Step { after_minutes: minutes(&step.after)?, ask });
        }
        for clock in &gate.clocks {
            if clocks::find(&clock.value).is_none() {
                let known: Vec<&str> = clocks::CLOCKS.iter().map(|c| c.id).collect();
                let message = format!("there is no clock `{}`: {}", clock.value.escape_debug(), known.join(", "));
                return Err(at(clock.referenced, message));
            }
        }
        places.push((gate.gate.value.clone(), gate.gate.referenced));
        gates.push(GateOwnership {
            gate: gate.gate.value,
            owner: person(&gate.owner)?,
            deputy: gate.deputy.as_ref().map(&person).transpose()?,
            respond_minutes: minutes(&gate.respond_within)?,
            escalation,
            failure: gate.failure,
            fallback: gate.fallback.value.trim().to_owned(),
            clocks: gate.clocks.into_iter().map(|c| c.value).collect(),
        });
    }
    // Their order in the file means nothing.
    gates.sort_by_key(|g| countersign_model::governance::GATES.iter().position(|name| *name == g.gate));
    let owners = GateOwners { version: 1, gates };
    owners.check().map_err(|(gate, what)| {
        let place = places.iter().rev().find(|(name, _)| *name == gate).map_or(Location::UNKNOWN, |(_, place)| *place);
        at(place, format!("{}: {what}", gate.escape_debug()))
    })?;
    Ok(owners)
}

/// `30m`, `4h`, `2d` as minutes; from one minute to a year.
fn minutes(text: &str) -> Option<u32> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let factor = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 24 * 60,
        _ => return None,
    };
    let minutes = number.parse::<u32>().ok()?.checked_mul(factor)?;
    (1..=366 * 24 * 60).contains(&minutes).then_some(minutes)
}

#[cfg(test)]
mod tests {
    use super::minutes;

    #[test]
    fn times_are_read() {
        for (text, expected) in [("30m", Some(30)), ("4h", Some(240)), ("2d", Some(2_880)), ("366d", Some(527_040))] {
            assert_eq!(minutes(text), expected, "{text}");
        }
        for text in ["", "h", "0h", "4", "4w", "-1h", "367d", "99999999999d", "4 h", "ä"] {
            assert_eq!(minutes(text), None, "{text}");
        }
    }
}
