//! What people say with `--server`: the server gives out exactly what is signed, it is shown and held against what was asked for, it is
//! signed here, and handed in. A server must not get a signature over anything else.

use countersign_connect::host_name;
use countersign_connect::remote::{ApiClient, Sends};
use countersign_evidence::act::SignedAct;
use countersign_evidence::seal::Opener;
use countersign_evidence::statement::{Statement, Subject};
use countersign_evidence::{canonical, from_base64, to_base64};
use countersign_model::{Digest, PersonId, Timestamp, digest};
use countersign_store::subjects;
use serde_json::{Map, Value, json};

use super::args::KeyArgs;
use super::remote::{array, field, stranger};
use crate::config::Environment;
use crate::errors::Failure;
use crate::output;

const JSON: &str = "application/json";

/// What one statement has to say.
pub(super) struct Expects {
    /// What it is signed for.
    pub(super) namespace: &'static str,
    /// The field that says who.
    pub(super) by: &'static str,
    /// Fields that were asked for.
    pub(super) says: Value,
    /// Fields whose text begins with what was asked for: ids may be named by their start.
    pub(super) begins: Vec<(&'static str, String)>,
    /// Fields that the ledger says, or that are made up: nobody asked for them.
    pub(super) free: &'static [&'static str],
    /// How many seconds there are between two fields.
    pub(super) lasts: Vec<(&'static str, &'static str, i64)>,
}

impl Expects {
    /// What somebody says, and nothing else.
    pub(super) const fn of(namespace: &'static str, says: Value) -> Self {
        Self { namespace, by: "by", says, begins: Vec::new(), free: &[], lasts: Vec::new() }
    }

    /// An officer's word about something that has an id.
    pub(super) fn about(namespace: &'static str, id: &'static str, text: &str, says: Value) -> Self {
        Self { begins: vec![(id, text.to_owned())], ..Self::of(namespace, says) }
    }

    /// The same with fields that nobody asked for.
    pub(super) fn free(self, free: &'static [&'static str]) -> Self {
        Self { free, ..self }
    }
}

/// What somebody wrote: it is sealed where the ledger is, and what is signed names the digest of the sealed bytes as its `text`.
pub(super) struct Wrote<'a> {
    /// In words.
    pub(super) text: &'a str,
    /// The field that says what it is about, without which it does not open.
    pub(super) about: &'static str,
}

/// What was sealed for a statement, with what opens it.
pub(super) struct Opened<'a> {
    /// The sealed bytes.
    pub(super) bytes: &'a [u8],
    /// What opens them alone.
    pub(super) opener: &'a Opener,
    /// The statement that names them.
    said: &'a Value,
    /// Who signs it.
    by: PersonId,
}

impl Opened<'_> {
    /// What the statement says in a field that is a text.
    pub(super) fn text(&self, name: &str) -> &str {
        self.said.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whom the statement names in a field.
    pub(super) fn person(&self, name: &str) -> PersonId {
        PersonId::from_text(self.text(name))
    }
}

/// Something that is sealed where the ledger is: what is signed names the digest of the sealed bytes.
#[derive(Clone, Copy)]
pub(super) struct Sealing<'a> {
    /// The field that names it.
    pub(super) field: &'static str,
    /// Whether it opens to what was given; none, where it does not open.
    pub(super) opens: &'a dyn Fn(&Opened<'_>) -> Option<bool>,
}

/// What there is beside the statements of an act.
#[derive(Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    /// What is sealed for them: nothing is signed unless it opens to what was given.
    pub(super) sealing: Option<Sealing<'a>>,
    /// What a browser said of a new passkey: it is handed in once more.
    pub(super) passkey: Option<&'a Value>,
    /// The file that a document is read from, which the statement names by its digest: it is handed in once more.
    pub(super) document: Option<&'a Value>,
    /// The revocation list that the statement names by its digest: it is handed in once more.
    pub(super) list: Option<&'a [u8]>,
    /// What the statement has to be about alone, where that is not the ledger.
    pub(super) subject: Option<&'a Subject>,
}

/// What somebody said.
pub(super) struct Said {
    /// What the command prints of it as JSON where the ledger is.
    pub(super) result: Value,
    /// What was signed, by statement.
    pub(super) signed: Vec<Value>,
    /// The acts themselves, as they are stored.
    pub(super) acts: Vec<Vec<u8>>,
    /// What it was about, as the ledger said it before.
    pub(super) about: Value,
    /// Whoever said it, by id.
    pub(super) person: String,
    /// Their name.
    pub(super) name: String,
}

/// Who asks, and of which ledger.
struct Party {
    person: String,
    origin: String,
    key: String,
    host: String,
}

/// Says something: `act` is what the document calls it.
pub(super) fn say(
    client: &ApiClient,
    act: &Value,
    expects: &[Expects],
    key: &KeyArgs,
    env: &Environment,
) -> Result<Said, Failure> {
    let said = say_beside(client, act, expects, (&|_, _| Ok(()), Beside::default()), key, env)?;
    something(client, said)
}

/// What was said, where there always is something to sign.
fn something(client: &ApiClient, said: Said) -> Result<Said, Failure> {
    if said.acts.is_empty() {
        return Err(stranger(client, "it says that there is nothing to sign, where there always is"));
    }
    Ok(said)
}

/// As [`say`], with what somebody wrote: nothing is signed unless the sealed bytes open to that, and the statement is over them.
pub(super) fn say_written(
    client: &ApiClient,
    act: &Value,
    expects: &[Expects],
    wrote: &Wrote<'_>,
    key: &KeyArgs,
    env: &Environment,
) -> Result<Said, Failure> {
    let opens = |sealed: &Opened<'_>| wrote.is_in(sealed);
    let beside = Beside { sealing: Some(Sealing { field: "text", opens: &opens }), ..Beside::default() };
    let said = say_beside(client, act, expects, (&|_, _| Ok(()), beside), key, env)?;
    something(client, said)
}

/// Whether a statement fits what it is about, as the ledger says that.
pub(super) type Fits<'a> = &'a dyn Fn(&Value, &Value) -> Result<(), String>;

/// As [`say`]; what is so already is not signed, and has no act. `fits` holds each statement against what it is about, as the ledger says
/// that, before anything is signed.
pub(super) fn say_unless_so(
    client: &ApiClient,
    act: &Value,
    expects: &[Expects],
    fits: Fits<'_>,
    key: &KeyArgs,
    env: &Environment,
) -> Result<Said, Failure> {
    say_beside(client, act, expects, (fits, Beside::default()), key, env)
}

/// As [`say`], of one statement that is held against what it is about.
pub(super) fn say_named(
    client: &ApiClient,
    act: &Value,
    expects: Expects,
    fits: Fits<'_>,
    key: &KeyArgs,
    env: &Environment,
) -> Result<Said, Failure> {
    let said = say_unless_so(client, act, &[expects], fits, key, env)?;
    something(client, said)
}

/// As [`say_unless_so`], with what there is beside the statements.
pub(super) fn say_beside(
    client: &ApiClient,
    act: &Value,
    expects: &[Expects],
    (fits, beside): (Fits<'_>, Beside<'_>),
    key: &KeyArgs,
    env: &Environment,
) -> Result<Said, Failure> {
    let signer = key.signer(env)?;
    let public = signer.public_key();
    let text = |value: Value, name: &str| field(client, &value, name).map(str::to_owned);
    let party = Party {
        person: text(client.get("me", &[])?, "person")?,
        origin: text(client.get("ledger", &[])?, "origin")?,
        key: public.fingerprint(),
        host: host_name(),
    };
    let asked = json!({"key": party.key, "host": party.host, "act": act}).to_string();
    let given = client.post("acts/prepare", &[], &[], &Sends::Bytes(JSON, asked.as_bytes()))?;
    let about = given.get("about").cloned().unwrap_or_default();
    let name = field(client, &given, "name")?.to_owned();
    let all: Vec<&Value> = array(&given, "acts").collect();
    if let (true, Some(result)) = (all.is_empty(), given.get("already").filter(|already| already.is_object())) {
        return Ok(Said {
            result: result.clone(),
            signed: Vec::new(),
            acts: Vec::new(),
            about,
            person: party.person,
            name,
        });
    }
    if all.len() != expects.len() {
        return Err(stranger(client, "it gives out another number of statements than are signed for this"));
    }
    let (mut acts, mut signed) = (Vec::new(), Vec::new());
    let (mut read, mut sealed) = (Vec::new(), Vec::new());
    for (one, expects) in all.into_iter().zip(expects) {
        let statement = from_base64(field(client, one, "statement")?)
            .ok_or_else(|| stranger(client, "what is to be signed is no base64"))?;
        let is_it = field(client, one, "namespace")? == expects.namespace;
        let said: Option<Statement<Value>> = canonical::from_slice(&statement).ok().filter(|_| is_it);
        let Some(said) = said else {
            return Err(stranger(client, "what is to be signed is no statement of this kind"));
        };
        let about_it =
            is_about(&said.subject, beside.subject).and_then(|()| is_asked(&said.predicate, expects, &party));
        if let Err(what) = about_it.and_then(|()| fits(&about, &said.predicate)) {
            let what = format!("what is to be signed is not what was asked for: {what}");
            return Err(stranger(client, &what));
        }
        if let Some(sealing) = beside.sealing {
            let holds = holds(one, &said.predicate, sealing, &party);
            sealed
                .push(holds.map_err(|what| {
                    stranger(client, &format!("what was given is not what would be signed: {what}"))
                })?);
        }
        read.push((statement, said.predicate));
    }
    // Nothing is signed before all of it was looked at.
    for ((statement, said), expects) in read.into_iter().zip(expects) {
        output::note(&format!("signing with {} for {}: {}", party.key, expects.namespace, words(&said)));
        let armored = signer.sign(expects.namespace, &statement)?;
        acts.push(SignedAct::new(expects.namespace, &statement, &armored, &public)?.to_vec()?);
        signed.push(said);
    }
    let condition = given.get("condition").and_then(Value::as_str).map(|digest| format!("\"{digest}\""));
    let once = digest::to_hex(&countersign_evidence::random::<16>()?);
    let mut headers = vec![("idempotency-key", once.as_str())];
    headers.extend(condition.as_deref().map(|condition| ("if-match", condition)));
    let encoded = |all: &[Vec<u8>]| all.iter().map(|one| to_base64(one)).collect::<Vec<_>>();
    let mut sent = json!({"acts": encoded(&acts)});
    if !sealed.is_empty() {
        sent["sealed"] = json!(encoded(&sealed));
    }
    if let Some(passkey) = beside.passkey {
        sent["passkey"] = passkey.clone();
    }
    if let Some(document) = beside.document {
        sent["document"] = document.clone();
    }
    if let Some(list) = beside.list {
        sent["list"] = json!(to_base64(list));
    }
    let sent = sent.to_string();
    let done = client.post("acts", &[], &headers, &Sends::Bytes(JSON, sent.as_bytes()))?;
    let result = done.get("result").filter(|result| result.is_object()).cloned();
    let result = result.ok_or_else(|| stranger(client, "its answer lacks `result`"))?;
    Ok(Said { result, signed, acts, about, person: party.person, name })
}

/// Whether somebody is the one who was named: by id, or by the name that the server says is theirs.
pub(super) fn is_called(named: &PersonId, person: &PersonId, name: Option<&str>) -> bool {
    let is_name = || name.is_some_and(|name| name.to_lowercase() == named.as_str().to_lowercase());
    named == person || (!named.as_str().starts_with(PersonId::PREFIX) && is_name())
}

/// Says who somebody is, where they were not named by id.
pub(super) fn tell_who(part: &str, named: &PersonId, person: &PersonId) {
    if named != person {
        output::note(&format!("{part}{} is {person}, as the server says", output::printable(named.as_str())));
    }
}

/// Whether a statement is about what it has to be about alone.
fn is_about(subjects: &[Subject], wanted: Option<&Subject>) -> Result<(), String> {
    match wanted {
        Some(wanted) if subjects != std::slice::from_ref(wanted) => Err("it is about something else".to_owned()),
        _ => Ok(()),
    }
}

/// Whether a statement says what was asked for, and nothing besides that could be something else.
fn is_asked(said: &Value, expects: &Expects, party: &Party) -> Result<(), String> {
    let empty = Map::new();
    let (said, wanted) = (said.as_object().unwrap_or(&empty), expects.says.as_object().unwrap_or(&empty));
    let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("origin") != party.origin {
        return Err("it is for another ledger".to_owned());
    }
    if text(expects.by) != party.person {
        return Err("it is somebody else's".to_owned());
    }
    if text("time").parse::<Timestamp>().is_err() {
        return Err("it does not say when".to_owned());
    }
    if let Some(device) = said.get("device")
        && *device != json!({"key": party.key, "host": party.host})
    {
        return Err("it is by another key, or on another machine".to_owned());
    }
    for (name, value) in wanted {
        if said.get(name) != Some(value) {
            return Err(format!("`{name}` is another"));
        }
    }
    for (name, start) in &expects.begins {
        if start.is_empty() || !text(name).starts_with(start.as_str()) {
            return Err(format!("`{name}` is another"));
        }
    }
    for (from, to, seconds) in &expects.lasts {
        let at = |name: &str| text(name).parse::<Timestamp>().ok();
        if at(from).map(|from| from.plus_seconds(*seconds)) != at(to) || at(to).is_none() {
            return Err(format!("`{to}` is another"));
        }
    }
    let always = ["origin", "time", "device", expects.by];
    let is_known = |name: &str| {
        always.contains(&name)
            || wanted.contains_key(name)
            || expects.free.contains(&name)
            || expects.begins.iter().any(|(known, _)| *known == name)
            || expects.lasts.iter().any(|(_, to, _)| *to == name)
    };
    match said.keys().find(|name| !is_known(name)) {
        Some(name) => Err(format!("`{name}` was not asked for")),
        None => Ok(()),
    }
}

impl Wrote<'_> {
    /// Whether sealed bytes hold exactly this.
    fn is_in(&self, sealed: &Opened<'_>) -> Option<bool> {
        let read = subjects::read_text(sealed.opener, &sealed.by, sealed.text(self.about), sealed.bytes)?;
        Some(read == self.text.trim())
    }
}

/// The sealed bytes that a statement names, if they open to exactly what was given.
fn holds(given: &Value, said: &Value, sealing: Sealing<'_>, party: &Party) -> Result<Vec<u8>, String> {
    let part = |name: &str| given.get("sealed").and_then(|sealed| sealed.get(name)).and_then(Value::as_str);
    let bytes = part("bytes").and_then(from_base64).ok_or("it is not given out")?;
    let opener = part("opener").and_then(from_base64).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let opener = opener.map(Opener::from_bytes).ok_or("nothing opens it")?;
    let sealed = Opened { bytes: &bytes, opener: &opener, said, by: PersonId::from_text(&party.person) };
    if sealed.text(sealing.field) != Digest::of(&bytes).to_string() {
        return Err("something else is named".to_owned());
    }
    match (sealing.opens)(&sealed) {
        Some(true) => Ok(bytes),
        Some(false) => Err("it says something else".to_owned()),
        None => Err("it does not open".to_owned()),
    }
}

/// A statement in a line.
fn words(said: &Value) -> String {
    let parts = said.as_object().into_iter().flatten().map(|(name, value)| format!("{name} {value}"));
    parts.collect::<Vec<_>>().join(", ")
}

/// Who said it, for a sentence.
pub(super) fn who(said: &Said) -> String {
    output::printable(&said.name)
}

/// The entry of what was said.
pub(super) fn index(client: &ApiClient, said: &Said) -> Result<u64, Failure> {
    let index = said.result.get("index").and_then(Value::as_u64);
    index.ok_or_else(|| stranger(client, "its answer lacks `index`"))
}

/// The text of a field of what came of it.
pub(super) fn word(client: &ApiClient, said: &Value, name: &str) -> Result<String, Failure> {
    Ok(output::printable(field(client, said, name)?))
}

#[cfg(test)]
mod tests {
    use countersign_evidence::seal::{self, SubjectKey};

    use super::*;

    fn party() -> Party {
        Party { person: "per-1".into(), origin: "a/b".into(), key: "k".into(), host: "laptop".into() }
    }

    fn said() -> Value {
        json!({
            "origin": "a/b", "by": "per-1", "time": "2026-01-01T00:00:00.000Z", "waiver": "wai-12", "reason": "why",
            "request": "sha256:x", "expires": "2026-01-02T00:00:00.000Z",
            "device": {"key": "k", "host": "laptop"},
        })
    }

    fn expects() -> Expects {
        let lasts = vec![("time", "expires", 86_400)];
        Expects { lasts, ..Expects::about("n", "waiver", "wai-1", json!({"reason": "why"})).free(&["request"]) }
    }

    /// What a server gives out for a text, and a statement about it.
    fn written(text: &str, person: &str, request: &str) -> (Value, Value) {
        let key = SubjectKey::generate().unwrap();
        let bytes = seal::seal(&key, text.as_bytes(), format!("{person} text {request}").as_bytes()).unwrap();
        let opener = seal::opener(&key, &bytes).unwrap();
        let said = json!({"request": "arq-1", "text": Digest::of(&bytes)});
        (json!({"sealed": {"bytes": to_base64(&bytes), "opener": to_base64(opener.as_bytes())}}), said)
    }

    #[test]
    fn only_what_was_written_is_signed() {
        let wrote = Wrote { text: " Who approved it?\n", about: "request" };
        let opens = |sealed: &Opened<'_>| wrote.is_in(sealed);
        let sealing = Sealing { field: "text", opens: &opens };
        let holds = |(given, said): &(Value, Value)| super::holds(given, said, sealing, &party());
        let good = written("Who approved it?", "per-1", "arq-1");
        assert_eq!(to_base64(&holds(&good).unwrap()), good.0["sealed"]["bytes"].as_str().unwrap());
        // Another text of the same length, one that is not trimmed, another writer's, one of another request.
        for other in [
            written("Who approved me?", "per-1", "arq-1"),
            written("Who approved it?\n", "per-1", "arq-1"),
            written("Who approved it?", "per-2", "arq-1"),
            written("Who approved it?", "per-1", "arq-2"),
        ] {
            assert!(holds(&other).is_err(), "{other:?}");
            // Its digest where the right text is shown, and the right digest where it is.
            assert!(holds(&(good.0.clone(), other.1.clone())).is_err() && holds(&(other.0, good.1.clone())).is_err());
        }
        for (field, value) in [
            ("bytes", json!("")),
            ("bytes", json!("!")),
            ("opener", json!("AAAA")),
            ("opener", json!(to_base64(&[0; 32]))),
            ("opener", Value::Null),
        ] {
            let mut changed = good.clone();
            changed.0["sealed"][field] = value;
            assert!(holds(&changed).is_err(), "{field}");
        }
        assert!(holds(&(json!({"sealed": null}), good.1.clone())).is_err());
        assert!(holds(&(good.0.clone(), json!({"request": "arq-1"}))).is_err());
    }

    #[test]
    fn who_is_named_by_id_is_that_and_nobody_who_is_called_so() {
        let id = PersonId::from_text;
        for (named, person, name, is_so) in [
            ("per-1", "per-1", None, true),
            ("Dan", "per-1", Some("dan"), true),
            ("Dan", "per-1", Some("Mia"), false),
            ("Dan", "per-1", None, false),
            ("per-2", "per-1", Some("per-2"), false),
        ] {
            assert_eq!(is_called(&id(named), &id(person), name), is_so, "{named} {person} {name:?}");
        }
    }

    #[test]
    fn what_has_to_be_about_something_is_about_nothing_else() {
        let subject = |text: &str| Subject::sha256("policy-bundle", &Digest::of(text.as_bytes()));
        let (wanted, other) = (subject("a"), subject("b"));
        assert_eq!(is_about(std::slice::from_ref(&wanted), Some(&wanted)), Ok(()));
        assert_eq!(is_about(std::slice::from_ref(&other), None), Ok(()));
        let named = Subject { name: "bundle".to_owned(), ..wanted.clone() };
        for subjects in [vec![], vec![other.clone()], vec![named], vec![wanted.clone(), other], vec![wanted.clone(); 2]]
        {
            assert!(is_about(&subjects, Some(&wanted)).is_err(), "{subjects:?}");
        }
    }

    #[test]
    fn only_what_was_asked_for_is_signed() {
        assert_eq!(is_asked(&said(), &expects(), &party()), Ok(()));
        for (field, value) in [
            ("origin", json!("a/c")),
            ("by", json!("per-2")),
            ("time", json!("soon")),
            ("waiver", json!("wai-22")),
            ("reason", json!("other")),
            ("expires", json!("2026-01-03T00:00:00.000Z")),
            ("device", json!({"key": "l", "host": "laptop"})),
            ("device", json!({"key": "k", "host": "other"})),
            ("scope", json!({})),
        ] {
            let mut changed = said();
            changed[field] = value;
            assert!(is_asked(&changed, &expects(), &party()).is_err(), "{field}");
        }
        for field in ["origin", "by", "time", "waiver", "reason", "expires"] {
            let mut less = said();
            less.as_object_mut().unwrap().remove(field);
            assert!(is_asked(&less, &expects(), &party()).is_err(), "{field}");
        }
        assert!(is_asked(&Value::Null, &expects(), &party()).is_err());
    }
}
