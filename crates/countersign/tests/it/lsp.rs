//! An editor's exchange with the language server, over pipes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{World, planted_secret};

/// Long enough for any machine; a server that says nothing must not hang the tests.
const GIVE_UP: Duration = Duration::from_secs(120);

struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    /// Everything the server said.
    said: Vec<Value>,
    next: u64,
}

impl Editor {
    fn start(world: &World, args: &[&str]) -> Self {
        let mut command = world.command(env!("CARGO_BIN_EXE_countersign"), &world.repo());
        command.arg("lsp").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, messages) = channel();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            loop {
                let mut header = String::new();
                if output.read_line(&mut header).unwrap() == 0 {
                    return;
                }
                let length: usize = header.trim().strip_prefix("Content-Length: ").unwrap().parse().unwrap();
                let mut blank = String::new();
                output.read_line(&mut blank).unwrap();
                assert_eq!(blank, "\r\n");
                let mut body = vec![0; length];
                output.read_exact(&mut body).unwrap();
                if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Self { child, input, messages, said: Vec::new(), next: 0 }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).and_then(|()| input.flush()).unwrap();
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        self.bytes(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    #[track_caller]
    fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.messages.recv_timeout(GIVE_UP).expect("the server said nothing more");
            self.said.push(message.clone());
            if wanted(&message) {
                return message;
            }
        }
    }

    /// The answer to a request, result or error.
    #[track_caller]
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        self.wait(|m| m["id"] == id && m.get("method").is_none())
    }

    #[track_caller]
    fn initialize(&mut self, world: &World, capabilities: Value) -> Value {
        let folder = json!({ "uri": uri(world, ""), "name": "repo" });
        let answer = self.ask(
            "initialize",
            json!({ "processId": null, "capabilities": capabilities, "workspaceFolders": [folder] }),
        );
        self.notify("initialized", json!({}));
        answer["result"].clone()
    }

    fn open(&mut self, uri: &str, text: &str) {
        let document = json!({ "uri": uri, "languageId": "x", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
    }

    fn change(&mut self, uri: &str, version: u64, changes: Value) {
        let document = json!({ "uri": uri, "version": version });
        self.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }));
    }

    /// What is published for this version.
    #[track_caller]
    fn diagnostics(&mut self, uri: &str, version: u64) -> Vec<Value> {
        let message = self.wait(|m| {
            m["method"] == "textDocument/publishDiagnostics"
                && m["params"]["uri"] == uri
                && m["params"]["version"] == version
        });
        message["params"]["diagnostics"].as_array().unwrap().clone()
    }

    #[track_caller]
    fn actions(&mut self, uri: &str, range: &Value) -> Vec<Value> {
        let params = json!({ "textDocument": { "uri": uri }, "range": range, "context": { "diagnostics": [] } });
        self.ask("textDocument/codeAction", params)["result"].as_array().unwrap().clone()
    }

    /// Ends it as the protocol wants; exit code and what it said on the error stream.
    fn stop(mut self) -> (i32, String) {
        assert_eq!(self.ask("shutdown", Value::Null)["result"], Value::Null);
        self.notify("exit", Value::Null);
        self.end()
    }

    fn end(mut self) -> (i32, String) {
        self.input = None;
        let output = self.child.wait_with_output().unwrap();
        for message in self.messages.iter().chain(self.said) {
            assert!(!message.to_string().contains(&planted_secret()), "a value left the server: {message}");
        }
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn uri(world: &World, name: &str) -> String {
    format!("file://{}/{name}", world.repo().display()).trim_end_matches('/').to_owned()
}

fn range(from: (u64, u64), to: (u64, u64)) -> Value {
    json!({ "start": { "line": from.0, "character": from.1 }, "end": { "line": to.0, "character": to.1 } })
}

/// Applies an edit to a text as an editor that counts UTF-16 would.
fn apply(text: &str, edit: &Value) -> String {
    let units: Vec<u16> = text.encode_utf16().collect();
    let at = |position: &Value| {
        let mut start = 0;
        for _ in 0..position["line"].as_u64().unwrap() {
            start += units[start..].iter().position(|u| *u == 10).unwrap() + 1;
        }
        start + usize::try_from(position["character"].as_u64().unwrap()).unwrap()
    };
    let (from, to) = (at(&edit["range"]["start"]), at(&edit["range"]["end"]));
    let new: Vec<u16> = edit["newText"].as_str().unwrap().encode_utf16().collect();
    String::from_utf16(&[&units[..from], &new, &units[to..]].concat()).unwrap()
}

fn titled<'a>(actions: &'a [Value], part: &str) -> &'a Value {
    let fit = |a: &&Value| a["title"].as_str().unwrap().contains(part);
    actions.iter().find(fit).unwrap_or_else(|| panic!("no `{part}` in {actions:#?}"))
}

#[test]
fn a_finding_is_shown_while_typing_and_a_quick_fix_ends_it() {
    let w = World::with_commit();
    let mut editor = Editor::start(&w, &["--stdio"]);
    let served = editor.initialize(&w, json!({ "textDocument": { "hover": { "contentFormat": ["markdown"] } } }));
    assert_eq!(served["capabilities"]["positionEncoding"], "utf-16");
    assert!(served["capabilities"].get("diagnosticProvider").is_none());
    let (file, secret) = (uri(&w, "a%20b.py"), planted_secret());

    // CR LF, a character outside the BMP before the value on its line.
    editor.open(&file, "# grüße\r\nx = 1\r\n");
    assert_eq!(editor.diagnostics(&file, 1), Vec::<Value>::new());
    let line = format!("s = '😀ü'; key = \"{secret}\"");
    editor.change(&file, 2, json!([{ "range": range((1, 0), (1, 5)), "text": line }]));
    let found = editor.diagnostics(&file, 2);
    assert_eq!(found.len(), 1, "{found:#?}");
    let end = line.encode_utf16().count() as u64 - 1;
    assert_eq!(found[0]["range"], range((1, end - 20), (1, end)));
    assert_eq!((&found[0]["code"], &found[0]["severity"]), (&json!("secrets/aws-access-key-id"), &json!(1)));
    assert!(found[0]["codeDescription"]["href"].as_str().unwrap().starts_with("https://"));
    assert!(found[0]["message"].as_str().unwrap().contains("Fix: "));

    let hover = editor.ask(
        "textDocument/hover",
        json!({ "textDocument": { "uri": file }, "position": { "line": 1, "character": end - 3 } }),
    );
    let said = hover["result"]["contents"]["value"].as_str().unwrap();
    for part in ["**Fix**", "AWS Secrets Manager", "`os.environ[\"KEY\"]`", "countersign secrets explain"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let nothing = editor.ask(
        "textDocument/hover",
        json!({ "textDocument": { "uri": file }, "position": { "line": 0, "character": 1 } }),
    );
    assert_eq!(nothing["result"], Value::Null);

    let actions = editor.actions(&file, &found[0]["range"]);
    let fix = titled(&actions, "an environment variable");
    assert_eq!(fix["isPreferred"], true);
    let edit = &fix["edit"]["changes"][&file][0];
    let text = format!("# grüße\r\n{line}\r\n");
    assert_eq!(apply(&text, edit), "# grüße\r\ns = '😀ü'; key = os.environ[\"KEY\"]\r\n");
    editor.change(&file, 3, json!([{ "range": edit["range"], "text": edit["newText"] }]));
    assert_eq!(editor.diagnostics(&file, 3), Vec::<Value>::new());

    editor.notify("textDocument/didClose", json!({ "textDocument": { "uri": file } }));
    let gone = editor.wait(|m| m["method"] == "textDocument/publishDiagnostics");
    assert_eq!(gone["params"]["diagnostics"], json!([]));
    let (code, err) = editor.stop();
    assert_eq!((code, err.as_str()), (0, ""));
}

#[test]
fn a_mark_is_a_request_and_asks_for_a_reason() {
    let w = World::with_commit();
    let mut editor = Editor::start(&w, &[]);
    editor.initialize(&w, json!({ "general": { "positionEncodings": ["utf-8"] }, "workspace": { "workspaceEdit": { "documentChanges": true } } }));
    let (file, secret) = (uri(&w, "a.go"), planted_secret());
    let text = format!("package a\r\n\r\n\tvar k = \"ü{secret}\"\r\n\tvar l = f(\"{secret}\")\r\n");
    editor.open(&file, &text);
    let found = editor.diagnostics(&file, 1);
    assert_eq!(found.len(), 2, "{found:#?}");
    // Bytes were agreed on: the letter before the value has two.
    assert_eq!(found[0]["range"]["start"]["character"], "\tvar k = \"ü".len());

    let actions = editor.actions(&file, &found[0]["range"]);
    // The literal is more than the value, so nothing takes its place.
    assert!(actions.iter().all(|a| !a["title"].as_str().unwrap().starts_with("Take it")), "{actions:#?}");
    let change = &titled(&actions, "here; write the reason")["edit"]["documentChanges"][0];
    assert_eq!(change["textDocument"], json!({ "uri": file, "version": 1 }));
    let edit = &change["edits"][0];
    let marked = apply(&text, edit);
    assert!(marked.contains("\r\n\t// countersign:allow secrets/aws-access-key-id reason: …\r\n\tvar k"), "{marked}");
    editor.change(&file, 2, json!([{ "range": edit["range"], "text": edit["newText"] }]));
    let codes = |found: &[Value]| {
        found
            .iter()
            .map(|f| (f["code"].as_str().unwrap().to_owned(), f["severity"].as_u64().unwrap()))
            .collect::<Vec<_>>()
    };
    let found = editor.diagnostics(&file, 2);
    let (rule, mark) = ("secrets/aws-access-key-id".to_owned(), "scan/suppression-without-reason".to_owned());
    assert_eq!(
        codes(&found),
        [(mark, 3), (rule.clone(), 1), (rule.clone(), 1)],
        "without a reason the mark does nothing"
    );

    let reason = marked.replace('…', "sample of the provider");
    editor.change(&file, 3, json!([{ "text": reason }]));
    let found = editor.diagnostics(&file, 3);
    assert_eq!(codes(&found), [(rule.clone(), 3), (rule, 1)]);
    let said = found[0]["message"].as_str().unwrap();
    assert!(
        said.contains("Suppression is requested, and somebody else grants it (inline): sample of the provider"),
        "{said}"
    );
    assert_eq!(editor.stop().0, 0);
}

#[test]
fn what_the_repository_asks_for_is_heard_and_heard_again_when_it_changes() {
    let w = World::with_commit();
    let secret = planted_secret();
    w.write("countersign.toml", "[[scan.declare]]\npath = 'sub/**'\nrule = '*'\nreason = 'made up'\n");
    std::fs::create_dir_all(w.repo().join("sub")).unwrap();
    let mut editor = Editor::start(&w, &[]);
    editor.initialize(&w, json!({ "workspace": { "didChangeWatchedFiles": { "dynamicRegistration": true } } }));
    let asked = editor.wait(|m| m["method"] == "client/registerCapability");
    editor.send(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": null }));
    let file = uri(&w, "sub/a.json");
    editor.open(&file, &format!("{{\"k\": \"{secret}\"}}"));
    assert_eq!(editor.diagnostics(&file, 1)[0]["severity"], 3);

    w.write("countersign.toml", "version = 1\n");
    editor.notify(
        "workspace/didChangeWatchedFiles",
        json!({ "changes": [{ "uri": uri(&w, "countersign.toml"), "type": 2 }] }),
    );
    let found = editor.diagnostics(&file, 1);
    assert_eq!(found[0]["severity"], 1);

    // JSON has no comments, so the request goes into the configuration, and is none before it has a reason.
    let actions = editor.actions(&file, &found[0]["range"]);
    assert_eq!(actions.len(), 1, "{actions:#?}");
    let settings = uri(&w, "countersign.toml");
    let new = apply("version = 1\n", &actions[0]["edit"]["changes"][&settings][0]);
    w.write("countersign.toml", &new);
    editor.notify("textDocument/didSave", json!({ "textDocument": { "uri": settings } }));
    let complaint = editor.wait(|m| m["method"] == "window/showMessage");
    assert!(complaint["params"]["message"].as_str().unwrap().contains("a declaration needs a reason"), "{complaint}");
    assert_eq!(editor.diagnostics(&file, 1)[0]["severity"], 1);
    w.write("countersign.toml", &new.replace("reason = \"\"", "reason = \"made up\""));
    editor.notify("textDocument/didSave", json!({ "textDocument": { "uri": settings } }));
    assert_eq!(editor.diagnostics(&file, 1)[0]["severity"], 3);
    assert_eq!(editor.stop().0, 0);
}

#[test]
fn an_editor_that_asks_is_answered_about_the_newest_text() {
    let w = World::with_commit();
    let mut editor = Editor::start(&w, &[]);
    let served = editor.initialize(&w, json!({ "textDocument": { "diagnostic": {} } }));
    assert!(served["capabilities"]["diagnosticProvider"].is_object());
    let file = "untitled:Untitled-1";
    editor.open(file, "nothing");
    editor.change(file, 2, json!([{ "text": format!("key = \"{}\"", planted_secret()) }]));
    let answer = editor.ask("textDocument/diagnostic", json!({ "textDocument": { "uri": file } }));
    assert_eq!(answer["result"]["kind"], "full");
    assert_eq!(answer["result"]["items"][0]["code"], "secrets/aws-access-key-id");
    editor.change(file, 3, json!([{ "text": "gone" }]));
    let answer = editor.ask("textDocument/diagnostic", json!({ "textDocument": { "uri": file } }));
    assert_eq!(answer["result"]["items"], json!([]));
    assert!(editor.said.iter().all(|m| m["method"] != "textDocument/publishDiagnostics"));
    assert_eq!(editor.stop().0, 0);
}

#[test]
fn what_is_too_large_is_told_and_never_clean() {
    let w = World::with_commit();
    let mut editor = Editor::start(&w, &[]);
    editor.initialize(&w, json!({}));
    let file = uri(&w, "large.txt");
    editor.open(&file, &"x".repeat(2 * 1024 * 1024 + 1));
    let told = editor.diagnostics(&file, 1);
    assert_eq!((told.len(), &told[0]["code"]), (1, &json!("scan/gap")));
    assert!(told[0]["message"].as_str().unwrap().contains("2097153 bytes"));
    // An edit of it is an edit of what is not known; the whole text is known again.
    editor.change(&file, 2, json!([{ "range": range((0, 0), (0, 1)), "text": "" }]));
    assert_eq!(editor.diagnostics(&file, 2)[0]["code"], "scan/gap");
    editor.change(&file, 3, json!([{ "text": "small" }]));
    assert_eq!(editor.diagnostics(&file, 3), Vec::<Value>::new());

    // More than the server keeps of one message; it goes on, and that one document is not looked at.
    let other = uri(&w, "other.txt");
    editor.open(&other, "fine");
    assert_eq!(editor.diagnostics(&other, 1), Vec::<Value>::new());
    editor.change(&file, 4, json!([{ "text": "y".repeat(17 * 1024 * 1024) }]));
    let said = editor.wait(|m| m["method"] == "window/showMessage");
    assert!(said["params"]["message"].as_str().unwrap().contains(&file), "{said}");
    let told = editor.wait(|m| m["method"] == "textDocument/publishDiagnostics");
    assert_eq!((&told["params"]["uri"], &told["params"]["diagnostics"][0]["code"]), (&json!(file), &json!("scan/gap")));
    editor.open(&uri(&w, "nul.txt"), "a\0b");
    assert_eq!(editor.diagnostics(&uri(&w, "nul.txt"), 1)[0]["code"], "scan/gap");
    assert_eq!(editor.stop().0, 0);
}

#[test]
fn what_is_not_served_is_said() {
    let w = World::new();
    let mut editor = Editor::start(&w, &[]);
    assert_eq!(editor.ask("textDocument/hover", json!({}))["error"]["code"], -32002);
    editor.initialize(&w, json!({}));
    assert_eq!(editor.ask("textDocument/rename", json!({}))["error"]["code"], -32601);
    assert_eq!(editor.ask("textDocument/hover", json!({}))["error"]["code"], -32602);
    assert_eq!(editor.ask("initialize", json!({}))["error"]["code"], -32600);
    editor.notify("$/cancelRequest", json!({ "id": 77 }));
    editor.notify("$/whatever", json!(null));
    editor.send(&json!({ "jsonrpc": "2.0", "id": "x" }));
    assert_eq!(editor.wait(|m| m["id"] == "x")["error"]["code"], -32600);
    assert_eq!(editor.ask("shutdown", Value::Null)["result"], Value::Null);
    assert_eq!(editor.ask("textDocument/hover", json!({}))["error"]["code"], -32600);
    editor.notify("exit", Value::Null);
    assert_eq!(editor.end().0, 0);
}

#[test]
fn a_connection_that_breaks_ends_the_server_and_says_why() {
    let w = World::new();
    for (bytes, code, said) in [
        (
            &b"Content-Length: x\r\n\r\n"[..],
            2,
            "error[CS-CLI-050]: the editor's message cannot be read: a Content-Length",
        ),
        (b"GET / HTTP/1.1\r\n\r\n", 2, "CS-CLI-050"),
        (b"Content-Length: 10\r\n\r\n{", 2, "middle of a message"),
        (b"Content-Length: 2\r\n\r\n{]", 2, "not JSON"),
        (b"Content-Length: 2\r\n\r\n\xff\xfe", 2, "not JSON"),
        (b"", 1, "CS-CLI-051"),
        (b"Content-Length: 33\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"exit\"}", 1, "CS-CLI-051"),
    ] {
        let mut editor = Editor::start(&w, &[]);
        editor.bytes(bytes);
        let (ended, err) = editor.end();
        assert_eq!(ended, code, "{err}");
        assert!(err.contains(said), "{said}: {err}");
    }
    let ran = w.cs(["lsp", "--rules", "none"]).expect(2);
    assert!(ran.err.contains("CS-SCAN-006"), "{}", ran.err);
}
