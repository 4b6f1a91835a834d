//! Which message does what.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use countersign_model::Exit;
use countersign_scan::RuleSet;
use countersign_scan::references::References;
use serde_json::{Value, json};

use super::documents::{Body, Documents, Shown};
use super::frames::Frame;
use super::projects::Projects;
use super::text::{self, Encoding};
use super::uri;
use super::words::{self, Abilities, Desk, Settings};
use crate::cli::args::PlaceArgs;
use crate::config::FILE;
use crate::errors::{CliError, Failure, Outcome};

/// How long nobody must have typed before a text is looked at.
const QUIET: Duration = Duration::from_millis(150);

/// How long typing without a pause puts it off.
const PATIENCE: Duration = Duration::from_millis(600);

/// Error codes of JSON-RPC 2.0 and the Language Server Protocol.
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const NOT_INITIALIZED: i64 = -32002;

/// The kind of `window/showMessage` that everything here is.
const SHOW_WARNING: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fresh,
    Serving,
    ShutDown,
}

/// An answer to a request: a result, or a code and words.
type Answer = Result<Value, (i64, String)>;

/// Sends one body.
type Say<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Failure>;

/// The server of one editor.
pub(crate) struct Server<'a> {
    at: &'a PlaceArgs,
    rules: &'a RuleSet,
    references: &'a References,
    say: Say<'a>,
    phase: Phase,
    encoding: Encoding,
    abilities: Abilities,
    /// The editor asks for diagnostics instead of being told.
    pulls: bool,
    /// It can be asked to ask again.
    refreshes: bool,
    /// It can be asked to watch files.
    watches: bool,
    documents: Documents,
    projects: Projects,
    /// Messages that were read while a text was looked at.
    pending: VecDeque<Frame>,
    /// Since when a text is newer than what was found in it.
    dirty_since: Option<Instant>,
    /// How many requests this side has made.
    asked: u64,
}

impl<'a> Server<'a> {
    pub(crate) fn new(at: &'a PlaceArgs, rules: &'a RuleSet, references: &'a References, say: Say<'a>) -> Self {
        Self {
            at,
            rules,
            references,
            say,
            phase: Phase::Fresh,
            encoding: Encoding::Utf16,
            abilities: Abilities::default(),
            pulls: false,
            refreshes: false,
            watches: false,
            documents: Documents::default(),
            projects: Projects::default(),
            pending: VecDeque::new(),
            dirty_since: None,
            asked: 0,
        }
    }

    /// Serves until the editor says `exit`, or is gone.
    pub(crate) fn run(mut self, from: &Receiver<Frame>) -> Outcome {
        loop {
            let Some(frame) = self.next(from) else {
                self.look(from)?;
                continue;
            };
            match frame {
                Frame::Body(body) => {
                    if let Some(exit) = self.message(&body)? {
                        return exit;
                    }
                }
                Frame::TooLong { bytes, head, tail } => self.too_long(bytes, &head, &tail)?,
                Frame::End if self.phase == Phase::ShutDown => return Ok(Exit::Pass),
                Frame::End => return Err(CliError::EditorGone.into()),
                Frame::Broken(why) => return Err(CliError::EditorMessage { why }.into()),
            }
        }
    }

    /// The next frame; none when it is time to look at a text.
    fn next(&mut self, from: &Receiver<Frame>) -> Option<Frame> {
        if let Some(frame) = self.pending.pop_front() {
            return Some(frame);
        }
        let is_waiting = !self.pulls && self.documents.dirty().is_some();
        if !is_waiting {
            self.dirty_since = None;
            return Some(from.recv().unwrap_or(Frame::End));
        }
        let since = *self.dirty_since.get_or_insert_with(Instant::now);
        let wait = QUIET.min(PATIENCE.saturating_sub(since.elapsed()));
        match from.recv_timeout(wait) {
            Ok(frame) => Some(frame),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Frame::End),
        }
    }

    /// Looks at every text that is newer than what was found in it, and tells. A text that the editor has changed again
    /// in the meantime is left for the next time, so that nobody is told what is no longer so.
    fn look(&mut self, from: &Receiver<Frame>) -> Result<(), Failure> {
        while let Some(name) = self.documents.dirty() {
            self.scan(&name)?;
            while let Ok(frame) = from.try_recv() {
                self.pending.push_back(frame);
            }
            let is_stale = self.pending.iter().any(|f| matches!(f, Frame::Body(b) if is_about(b, &name)));
            if !is_stale {
                self.publish(&name)?;
            }
            if !self.pending.is_empty() {
                return Ok(());
            }
        }
        self.dirty_since = None;
        Ok(())
    }

    /// Looks at one text.
    fn scan(&mut self, name: &str) -> Result<(), Failure> {
        let place = self.projects.place(name);
        let (project, is_new) = self.projects.of(&place, self.at);
        let complaint = project.complaint.clone().filter(|_| is_new);
        if let Some(document) = self.documents.get_mut(name) {
            document.is_dirty = false;
            document.shown = Vec::new();
            document.missed = None;
            if let Body::Text(text) = &document.body {
                match project.scan(self.rules, &place.path, text) {
                    Ok((findings, missed)) => {
                        let shown = |f: countersign_model::Finding| {
                            let start = text::scanned(text, f.line, f.column);
                            let end = text::scanned(text, f.end_line, f.end_column).max(start);
                            Shown { finding: f, span: start..end }
                        };
                        document.shown = findings.into_iter().map(shown).collect();
                        document.missed = missed;
                    }
                    Err(e) => document.missed = Some(e.to_string()),
                }
            }
        }
        match complaint {
            Some(complaint) => self.show(&complaint),
            None => Ok(()),
        }
    }

    fn publish(&mut self, name: &str) -> Result<(), Failure> {
        if self.pulls {
            return Ok(());
        }
        let Some(document) = self.documents.get(name) else { return Ok(()) };
        let mut params = json!({ "uri": name, "diagnostics": self.diagnostics(name) });
        if let Some(version) = document.version {
            params["version"] = version.into();
        }
        self.notify("textDocument/publishDiagnostics", params)
    }

    fn diagnostics(&self, name: &str) -> Vec<Value> {
        let Some(document) = self.documents.get(name) else { return Vec::new() };
        let (text, unseen) = match &document.body {
            Body::Text(text) => (text.as_str(), None),
            Body::Unseen(why) => ("", Some(why.as_str())),
        };
        words::diagnostics(document, text, unseen, self.rules, self.encoding)
    }

    /// A message that was not kept. Whatever document it was about is no longer known.
    fn too_long(&mut self, bytes: u64, head: &[u8], tail: &[u8]) -> Result<(), Failure> {
        let name = uri_in(head).or_else(|| uri_in(tail));
        let why = format!("the editor sent {bytes} bytes at once, and up to {} are read", super::frames::MOST_BODY);
        self.documents.lose(name.as_deref(), &why);
        self.show(&format!("countersign: {why}: {}", name.as_deref().unwrap_or("no open file is looked at")))
    }

    /// Does what one message asks for; an outcome when it was the last.
    fn message(&mut self, body: &[u8]) -> Result<Option<Outcome>, Failure> {
        let message: Value = match serde_json::from_slice(body) {
            Ok(message) => message,
            Err(e) => {
                // It may have been an edit: from here on nobody knows what the texts are.
                self.send(
                    &json!({ "jsonrpc": "2.0", "id": null, "error": { "code": PARSE_ERROR, "message": "not JSON" } }),
                )?;
                return Err(CliError::EditorMessage { why: format!("a body that is not JSON: {e}") }.into());
            }
        };
        let id = message.get("id").cloned();
        let Some(method) = message["method"].as_str() else {
            if message.get("result").is_some() || message.get("error").is_some() {
                return Ok(None);
            }
            let error = Err((INVALID_REQUEST, "a message is a request, a notification or a response".to_owned()));
            self.answer(id.unwrap_or(Value::Null), error)?;
            return Ok(None);
        };
        let params = &message["params"];
        match id {
            Some(id) => {
                let answer = self.request(method, params)?;
                self.answer(id, answer)?;
                Ok(None)
            }
            None => self.notification(method, params),
        }
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<Answer, Failure> {
        match (self.phase, method) {
            (Phase::Fresh, "initialize") => return Ok(Ok(self.initialize(params))),
            (Phase::Fresh, _) => return Ok(Err((NOT_INITIALIZED, "`initialize` comes first".into()))),
            (Phase::ShutDown, _) => return Ok(Err((INVALID_REQUEST, "after `shutdown` comes `exit`".into()))),
            (Phase::Serving, _) => {}
        }
        let known = ["textDocument/hover", "textDocument/codeAction", "textDocument/diagnostic"].contains(&method);
        let name = params["textDocument"]["uri"].as_str();
        match (method, name) {
            ("initialize", _) => Ok(Err((INVALID_REQUEST, "`initialize` comes once".into()))),
            ("shutdown", _) => {
                self.phase = Phase::ShutDown;
                Ok(Ok(Value::Null))
            }
            (_, None) if known => Ok(Err((INVALID_PARAMS, "`textDocument.uri` is missing".into()))),
            (_, Some(name)) if known => {
                // Whoever asks is answered about the text as it is now.
                if self.documents.get(name).is_some_and(|d| d.is_dirty) {
                    self.scan(name)?;
                    self.publish(name)?;
                }
                Ok(Ok(match method {
                    "textDocument/hover" => self.hover(name, &params["position"]),
                    "textDocument/codeAction" => self.actions(name, params),
                    _ => json!({ "kind": "full", "items": self.diagnostics(name) }),
                }))
            }
            _ => Ok(Err((METHOD_NOT_FOUND, format!("`{method}` is not served")))),
        }
    }

    fn notification(&mut self, method: &str, params: &Value) -> Result<Option<Outcome>, Failure> {
        if method == "exit" {
            let orderly = self.phase == Phase::ShutDown;
            return Ok(Some(if orderly { Ok(Exit::Pass) } else { Err(CliError::EditorGone.into()) }));
        }
        if self.phase != Phase::Serving {
            return Ok(None);
        }
        let document = &params["textDocument"];
        let version = document["version"].as_i64();
        match (method, document["uri"].as_str()) {
            ("initialized", _) => self.watch()?,
            ("textDocument/didOpen", Some(name)) => match document["text"].as_str() {
                Some(text) => self.documents.open(name, version, text),
                None => self.documents.lose(Some(name), "the editor opened it without a text"),
            },
            ("textDocument/didChange", Some(name)) => match params["contentChanges"].as_array() {
                Some(changes) => self.documents.change(name, version, changes, self.encoding),
                None => self.documents.lose(Some(name), "an edit could not be understood"),
            },
            ("textDocument/didClose", Some(name)) => self.close(name)?,
            ("textDocument/didSave", Some(name)) if uri::name(name) == FILE.as_bytes() => self.reload()?,
            ("workspace/didChangeWatchedFiles", _) => self.reload()?,
            ("workspace/didChangeWorkspaceFolders", _) => {
                let event = &params["event"];
                let gone = folders(&event["removed"]);
                self.projects.folders.retain(|f| !gone.contains(f));
                self.projects.folders.extend(folders(&event["added"]));
                self.reload()?;
            }
            // `$/cancelRequest` comes when the answer is on its way already, and what is not known may be ignored.
            _ => {}
        }
        Ok(None)
    }

    fn close(&mut self, name: &str) -> Result<(), Failure> {
        if self.documents.close(name) && !self.pulls {
            return self.notify("textDocument/publishDiagnostics", json!({ "uri": name, "diagnostics": [] }));
        }
        Ok(())
    }

    fn initialize(&mut self, params: &Value) -> Value {
        let abilities = &params["capabilities"];
        let has = |list: &Value, word: &str| list.as_array().is_some_and(|l| l.iter().any(|v| v == word));
        let is = |pointer: &str| abilities.pointer(pointer) == Some(&Value::Bool(true));
        if has(&abilities["general"]["positionEncodings"], "utf-8") {
            self.encoding = Encoding::Utf8;
        }
        self.abilities = Abilities {
            document_changes: is("/workspace/workspaceEdit/documentChanges"),
            create: has(&abilities["workspace"]["workspaceEdit"]["resourceOperations"], "create"),
            markdown: has(&abilities["textDocument"]["hover"]["contentFormat"], "markdown"),
        };
        self.pulls = abilities["textDocument"]["diagnostic"].is_object();
        self.refreshes = is("/workspace/diagnostics/refreshSupport");
        self.watches = is("/workspace/didChangeWatchedFiles/dynamicRegistration");
        self.projects.folders = folders(&params["workspaceFolders"]);
        if self.projects.folders.is_empty() {
            self.projects.folders.extend(params["rootUri"].as_str().and_then(uri::to_path));
        }
        self.phase = Phase::Serving;
        let mut served = json!({
            "positionEncoding": self.encoding.name(),
            "textDocumentSync": { "openClose": true, "change": 2, "save": { "includeText": false } },
            "hoverProvider": true,
            "codeActionProvider": { "codeActionKinds": ["quickfix"] },
            "workspace": { "workspaceFolders": { "supported": true, "changeNotifications": true } },
        });
        if self.pulls {
            served["diagnosticProvider"] =
                json!({ "identifier": "countersign", "interFileDependencies": false, "workspaceDiagnostics": false });
        }
        json!({ "capabilities": served, "serverInfo": { "name": "countersign", "version": env!("CARGO_PKG_VERSION") } })
    }

    /// Asks to be told when a configuration changes outside the editor.
    fn watch(&mut self) -> Result<(), Failure> {
        if !self.watches {
            return Ok(());
        }
        let watchers = json!([{ "globPattern": format!("**/{FILE}") }]);
        let one = json!({ "id": "configuration", "method": "workspace/didChangeWatchedFiles", "registerOptions": { "watchers": watchers } });
        self.ask("client/registerCapability", json!({ "registrations": [one] }))
    }

    /// What the repositories ask for is read again, and every text looked at again.
    fn reload(&mut self) -> Result<(), Failure> {
        self.projects.forget();
        self.documents.soil();
        if self.pulls && self.refreshes {
            return self.ask("workspace/diagnostic/refresh", Value::Null);
        }
        Ok(())
    }

    fn hover(&self, name: &str, position: &Value) -> Value {
        let Some((document, text)) = self.seen(name) else { return Value::Null };
        let Some(at) = text::offset(text, position, self.encoding) else { return Value::Null };
        let Some(shown) = document.shown.iter().find(|s| s.span.start <= at && at <= s.span.end) else {
            return Value::Null;
        };
        let Some(rule) = self.rules.get(&shown.finding.rule) else { return Value::Null };
        let place = self.projects.place(name);
        let kind = self.references.kind(&place.path, text.as_bytes());
        let value = words::hover(shown, rule, text, kind, self.references, self.abilities.markdown);
        let format = if self.abilities.markdown { "markdown" } else { "plaintext" };
        let range = text::Lines::of(text).range(&shown.span, self.encoding);
        json!({ "contents": { "kind": format, "value": value }, "range": range })
    }

    fn actions(&self, name: &str, params: &Value) -> Value {
        let wanted = params["context"]["only"].as_array();
        let is_wanted = |k: &Value| k.as_str().is_some_and(|k| k.is_empty() || k == "quickfix");
        let none = Value::Array(Vec::new());
        if wanted.is_some_and(|kinds| !kinds.iter().any(is_wanted)) {
            return none;
        }
        let Some((document, text)) = self.seen(name) else { return none };
        let Some(span) = text::span(text, &params["range"], self.encoding) else { return none };
        let place = self.projects.place(name);
        let desk = Desk {
            uri: name,
            document,
            text,
            place: &place,
            kind: self.references.kind(&place.path, text.as_bytes()),
            references: self.references,
            rules: self.rules,
            encoding: self.encoding,
            abilities: self.abilities,
        };
        let settings = place.top.as_deref().and_then(|top| self.settings(top));
        let touched = document.shown.iter().filter(|s| s.span.start <= span.end && span.start <= s.span.end);
        Value::Array(touched.flat_map(|s| desk.actions(s, settings.clone())).collect())
    }

    /// The configuration of a repository: as the editor has it where it is open.
    fn settings(&self, top: &std::path::Path) -> Option<Settings> {
        let disk = Settings::on_disk(top)?;
        match self.documents.get(&disk.uri) {
            None => Some(disk),
            Some(document) => match &document.body {
                Body::Text(text) => Some(Settings { version: document.version, text: Some(text.clone()), ..disk }),
                Body::Unseen(_) => None,
            },
        }
    }

    /// A document whose text is known.
    fn seen(&self, name: &str) -> Option<(&super::documents::Document, &str)> {
        let document = self.documents.get(name)?;
        match &document.body {
            Body::Text(text) => Some((document, text)),
            Body::Unseen(_) => None,
        }
    }

    fn show(&mut self, text: &str) -> Result<(), Failure> {
        self.notify("window/showMessage", json!({ "type": SHOW_WARNING, "message": text }))
    }

    fn notify(&mut self, method: &str, params: Value) -> Result<(), Failure> {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<(), Failure> {
        self.asked += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": format!("countersign-{}", self.asked), "method": method, "params": params }))
    }

    fn answer(&mut self, id: Value, answer: Answer) -> Result<(), Failure> {
        self.send(&match answer {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err((code, message)) => {
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
            }
        })
    }

    fn send(&mut self, message: &Value) -> Result<(), Failure> {
        (self.say)(message.to_string().as_bytes())
    }
}

fn folders(list: &Value) -> Vec<std::path::PathBuf> {
    list.as_array().into_iter().flatten().filter_map(|f| uri::to_path(f["uri"].as_str()?)).collect()
}

/// Whether a message changes or closes this document.
fn is_about(body: &[u8], name: &str) -> bool {
    let Ok(message) = serde_json::from_slice::<Value>(body) else { return true };
    let changes = ["textDocument/didChange", "textDocument/didClose", "textDocument/didOpen"];
    message["method"].as_str().is_some_and(|m| changes.contains(&m)) && message["params"]["textDocument"]["uri"] == name
}

/// The URI of the document that a piece of a message is about. Within a text the quotes would be escaped.
fn uri_in(piece: &[u8]) -> Option<String> {
    let piece = String::from_utf8_lossy(piece);
    let (_, rest) = piece.split_once("\"uri\":")?;
    let rest = rest.trim_start();
    let end = rest.get(1..)?.find('"')? + 2;
    serde_json::from_str(rest.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_of_a_piece_is_told() {
        assert_eq!(
            uri_in(br#"{"method":"x","params":{"textDocument":{"uri":"file:///a","text":"b"#).as_deref(),
            Some("file:///a")
        );
        assert_eq!(uri_in(br#"k": "\"uri\": \"no\"", "uri": "file:///b"}"#).as_deref(), Some("file:///b"));
        assert_eq!(uri_in(br#""uri":"file:///cut"#), None);
        assert_eq!(uri_in(b""), None);
    }
}
