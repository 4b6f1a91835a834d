//! `strings.render_template`: the part of Go's `text/template` that fits into a policy: values, fields, variables,
//! `if`, `range`, comments and trimming. Functions and pipelines, `with`, `define` and the rest are refused by name.

use std::collections::VecDeque;

use regorus::Value;

use super::args::{fault, limit_bytes, object, string};
use super::{Builtin, Fault, MAX_ELEMENTS};

/// How deep blocks may stand in each other.
const MAX_DEPTH: usize = 100;

pub(super) const FAMILY: &[Builtin] = &[Builtin {
    name: "strings.render_template",
    arity: 2,
    call: |args| {
        let (template, variables) = (string(args, 0)?, object(args, 1)?);
        let mut tokens = tokens(template)?;
        let nodes = parse(&mut tokens, 0)?.0;
        if let Some(token) = tokens.front() {
            return Err(fault(format!("unexpected {token:?}")));
        }
        let root = variables.clone().into_value();
        let mut run = Run { variables: vec![("$".to_owned(), root.clone())], text: String::new(), steps: 0 };
        run.nodes(&nodes, &root)?;
        Ok(Value::from(run.text))
    },
}];

#[derive(Debug)]
enum Token {
    Text(String),
    Action(String),
}

enum Node {
    Text(String),
    Print(Operand),
    If(Operand, Vec<Node>, Vec<Node>),
    Range { index: Option<String>, element: Option<String>, over: Operand, body: Vec<Node>, none: Vec<Node> },
}

/// A value and the fields below it.
enum Operand {
    Dot(Vec<String>),
    Variable(String, Vec<String>),
    Literal(Value),
}

/// How a list of nodes ended.
#[derive(PartialEq)]
enum Last {
    Nothing,
    End,
    Else(String),
}

fn tokens(template: &str) -> Result<VecDeque<Token>, Fault> {
    let mut tokens = VecDeque::new();
    let (mut rest, mut trim) = (template, false);
    loop {
        let (text, after) = rest.split_once("{{").map_or((rest, None), |(text, after)| (text, Some(after)));
        let text = if trim { text.trim_start() } else { text };
        let trims = after.is_some_and(|a| a.starts_with('-') && a[1..].starts_with(char::is_whitespace));
        let text = if trims { text.trim_end() } else { text };
        if !text.is_empty() {
            tokens.push_back(Token::Text(text.to_owned()));
        }
        let Some(after) = after else { return Ok(tokens) };
        let after = if trims { &after[1..] } else { after };
        let close = close(after).ok_or_else(|| fault("an action has no `}}`"))?;
        let (action, next) = (&after[..close], &after[close + 2..]);
        let inner = action.strip_suffix('-').filter(|a| a.ends_with(char::is_whitespace));
        trim = inner.is_some();
        let action = inner.unwrap_or(action).trim();
        if !(action.starts_with("/*") && action.ends_with("*/")) {
            tokens.push_back(Token::Action(action.to_owned()));
        }
        rest = next;
    }
}

/// Where an action ends: `}}` outside of quotes.
fn close(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match (quote, c) {
            (Some('"'), '\\') => drop(chars.next()),
            (Some(q), c) if q == c => quote = None,
            (None, '"' | '`') => quote = Some(c),
            (None, '}') if text[i..].starts_with("}}") => return Some(i),
            _ => {}
        }
    }
    None
}

fn parse(tokens: &mut VecDeque<Token>, depth: usize) -> Result<(Vec<Node>, Last), Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::Refused(format!("blocks are nested deeper than {MAX_DEPTH}")));
    }
    let mut nodes = Vec::new();
    while let Some(token) = tokens.pop_front() {
        let action = match token {
            Token::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Token::Action(action) => action,
        };
        let (word, rest) = action.split_once(char::is_whitespace).unwrap_or((&action, ""));
        match word {
            "end" if rest.is_empty() && depth > 0 => return Ok((nodes, Last::End)),
            "else" if depth > 0 => return Ok((nodes, Last::Else(rest.trim().to_owned()))),
            "if" => nodes.push(branch(tokens, rest, depth)?),
            "range" => nodes.push(range(tokens, rest.trim(), depth)?),
            _ => nodes.push(Node::Print(operand(&action)?)),
        }
    }
    if depth > 0 {
        return Err(fault("a block has no `{{end}}`"));
    }
    Ok((nodes, Last::Nothing))
}

fn branch(tokens: &mut VecDeque<Token>, condition: &str, depth: usize) -> Result<Node, Fault> {
    let condition = operand(condition.trim())?;
    let (then, end) = parse(tokens, depth + 1)?;
    let otherwise = match end {
        Last::Else(rest) if rest.is_empty() => finish(tokens, depth)?,
        Last::Else(rest) => {
            let next = rest.strip_prefix("if ").ok_or_else(|| refused(&rest))?;
            // `else if` shares its `end` with the `if`.
            vec![branch(tokens, next, depth + 1)?]
        }
        _ => Vec::new(),
    };
    Ok(Node::If(condition, then, otherwise))
}

/// What follows an `else`, which must be the last.
fn finish(tokens: &mut VecDeque<Token>, depth: usize) -> Result<Vec<Node>, Fault> {
    match parse(tokens, depth + 1)? {
        (nodes, Last::End) => Ok(nodes),
        _ => Err(fault("an `{{else}}` follows another")),
    }
}

fn range(tokens: &mut VecDeque<Token>, clause: &str, depth: usize) -> Result<Node, Fault> {
    let (names, over) = clause.split_once(":=").map_or((None, clause), |(n, o)| (Some(n), o));
    let mut names: Vec<String> = names.into_iter().flat_map(|n| n.split(',')).map(|n| n.trim().to_owned()).collect();
    if names.len() > 2 || names.iter().any(|n| !is_variable(n)) {
        return Err(fault(format!("`{clause}` does not name one or two variables")));
    }
    let element = names.pop();
    let over = operand(over.trim())?;
    let (body, end) = parse(tokens, depth + 1)?;
    let none = match end {
        Last::Else(rest) if rest.is_empty() => finish(tokens, depth)?,
        Last::Else(rest) => return Err(refused(&rest)),
        _ => Vec::new(),
    };
    Ok(Node::Range { index: names.pop(), element, over, body, none })
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_numeric())
        && text.chars().all(|c| c == '_' || c.is_alphanumeric())
}

fn is_variable(text: &str) -> bool {
    text.strip_prefix('$').is_some_and(is_word)
}

fn refused(what: &str) -> Fault {
    Fault::Refused(format!("`{what}` is not supported in templates: only fields, variables, `if` and `range` are"))
}

fn operand(text: &str) -> Result<Operand, Fault> {
    let fields = |text: &str| -> Option<Vec<String>> {
        let names = text.split('.').skip(1);
        names.map(|n| is_word(n).then(|| n.to_owned())).collect()
    };
    match text {
        "" => return Err(fault("missing value for command")),
        "." => return Ok(Operand::Dot(Vec::new())),
        "true" | "false" => return Ok(Operand::Literal((text == "true").into())),
        _ => {}
    }
    if text.starts_with('.') {
        return fields(text).map(Operand::Dot).ok_or_else(|| refused(text));
    }
    if text.starts_with('$') {
        let name = text.split('.').next().unwrap_or_default();
        let known = name == "$" || is_variable(name);
        let fields = fields(text).filter(|_| known).ok_or_else(|| refused(text))?;
        return Ok(Operand::Variable(name.to_owned(), fields));
    }
    if let Some(raw) = text.strip_prefix('`').and_then(|t| t.strip_suffix('`')).filter(|t| !t.contains('`')) {
        return Ok(Operand::Literal(Value::from(raw)));
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(literal @ (serde_json::Value::String(_) | serde_json::Value::Number(_))) => {
            Ok(Operand::Literal(Value::from(literal)))
        }
        _ => Err(refused(text)),
    }
}

struct Run {
    variables: Vec<(String, Value)>,
    text: String,
    steps: usize,
}

impl Run {
    /// A field that is not there is nothing.
    fn value(&self, operand: &Operand, dot: &Value) -> Result<Option<Value>, Fault> {
        let (base, fields) = match operand {
            Operand::Literal(value) => return Ok(Some(value.clone())),
            Operand::Dot(fields) => (dot, fields),
            Operand::Variable(name, fields) => {
                let found = self.variables.iter().rev().find(|(n, _)| n == name);
                (found.map(|(_, v)| v).ok_or_else(|| fault(format!("undefined variable `{name}`")))?, fields)
            }
        };
        let mut value = base;
        for (i, field) in fields.iter().enumerate() {
            match value {
                Value::Object(object) => match object.get(&Value::from(field.as_str())) {
                    Some(inner) => value = inner,
                    None if i + 1 == fields.len() => return Ok(None),
                    None => return Err(fault(format!("there is nothing to take the field `{field}` of"))),
                },
                _ => return Err(fault(format!("can't evaluate field `{field}`"))),
            }
        }
        Ok(Some(value.clone()))
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<(), Fault> {
        for node in nodes {
            self.steps += 1;
            if self.steps > MAX_ELEMENTS {
                return Err(Fault::Refused(format!("the template takes more than {MAX_ELEMENTS} steps")));
            }
            limit_bytes(self.text.len())?;
            match node {
                Node::Text(text) => self.text.push_str(text),
                Node::Print(operand) => match self.value(operand, dot)? {
                    Some(Value::Null) | None => self.text.push_str("<undefined>"),
                    Some(value) => print(&value, &mut self.text)?,
                },
                Node::If(condition, then, otherwise) => {
                    let truth = self.value(condition, dot)?.is_some_and(|v| truth(&v));
                    self.nodes(if truth { then } else { otherwise }, dot)?;
                }
                Node::Range { index, element, over, body, none } => {
                    let pairs = pairs(self.value(over, dot)?)?;
                    if pairs.is_empty() {
                        self.nodes(none, dot)?;
                    }
                    let outside = self.variables.len();
                    for (key, value) in pairs {
                        self.variables.extend(index.iter().map(|n| (n.clone(), key.clone())));
                        self.variables.extend(element.iter().map(|n| (n.clone(), value.clone())));
                        self.nodes(body, &value)?;
                        self.variables.truncate(outside);
                    }
                }
            }
        }
        limit_bytes(self.text.len())
    }
}

fn pairs(value: Option<Value>) -> Result<Vec<(Value, Value)>, Fault> {
    let numbered = |values: Vec<Value>| values.into_iter().enumerate().map(|(i, v)| (Value::from(i), v)).collect();
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(array)) => Ok(numbered(array.to_vec())),
        Some(Value::Set(set)) => Ok(numbered(set.iter().cloned().collect())),
        Some(Value::Object(object)) => Ok(object.iter_sorted().map(|(k, v)| (k.clone(), v.clone())).collect()),
        Some(_) => Err(fault("range can't iterate over this")),
    }
}

/// Go's truth: what is empty or zero is false.
fn truth(value: &Value) -> bool {
    match value {
        Value::Null | Value::Undefined => false,
        Value::Bool(b) => *b,
        Value::Number(_) => *value != Value::from(0u64),
        Value::String(text) => !text.is_empty(),
        Value::Array(array) => !array.is_empty(),
        Value::Set(set) => !set.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

/// As Go's `fmt` prints it.
fn print(value: &Value, to: &mut String) -> Result<(), Fault> {
    limit_bytes(to.len())?;
    let list = |values: &mut dyn Iterator<Item = &Value>, to: &mut String| {
        to.push('[');
        for (i, value) in values.enumerate() {
            if i > 0 {
                to.push(' ');
            }
            print(value, to)?;
        }
        to.push(']');
        Ok(())
    };
    match value {
        Value::String(text) => to.push_str(text),
        Value::Null | Value::Undefined => to.push_str("<nil>"),
        Value::Array(array) => return list(&mut array.iter(), to),
        Value::Set(set) => return list(&mut set.iter(), to),
        Value::Object(object) => {
            to.push_str("map[");
            for (i, (key, value)) in object.iter_sorted().enumerate() {
                if i > 0 {
                    to.push(' ');
                }
                print(key, to)?;
                to.push(':');
                print(value, to)?;
            }
            to.push(']');
        }
        plain => to.push_str(&serde_json::to_string(plain).map_err(|e| fault(e.to_string()))?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{call, json, text};
    use super::*;

    fn render(template: &str, variables: &str) -> Result<Value, Fault> {
        call("strings.render_template", &[text(template), json(variables)])
    }

    #[test]
    fn templates() {
        let variables = r#"{"a": {"b": 1.5, "t": true}, "l": ["x", "y"], "m": {"k": 1, "j": null}, "e": []}"#;
        for (template, want) in [
            ("{{.a.b}} {{ .l }} {{.m}} {{.no}}", "1.5 [x y] map[j:<nil> k:1] <undefined>"),
            ("{{range .l}}<{{.}}>{{else}}none{{end}}", "<x><y>"),
            ("{{range .e}}<{{.}}>{{else}}none{{end}}", "none"),
            ("{{range $k, $v := .m}}{{$k}}={{$v}} {{$.a.t}};{{end}}", "j=<undefined> true;k=1 true;"),
            ("{{if .e}}1{{else if .a.t}}2{{else}}3{{end}}", "2"),
            ("{{if .e}}1{{else if .no}}2{{else}}3{{end}}", "3"),
            ("a {{- /* nothing */ -}} b{{\"}}\"}}", "ab}}"),
        ] {
            assert_eq!(render(template, variables).unwrap(), text(want), "{template}");
        }
    }

    #[test]
    fn what_is_not_supported_is_said() {
        for bad in
            ["{{len .l}}", "{{.a | printf}}", "{{with .a}}{{end}}", "{{template \"x\"}}", "{{define \"x\"}}{{end}}"]
        {
            assert!(matches!(render(bad, "{}"), Err(Fault::Refused(_))), "{bad}");
        }
        for bad in ["{{", "{{if .a}}", "{{end}}", "{{}}", "{{$x}}", "{{.a.b}}", "{{if .a}}{{else}}{{else}}{{end}}"] {
            assert!(render(bad, "{}").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_template_cannot_grow_without_bound() {
        let list: Vec<u32> = (0..2000).collect();
        let variables = format!(r#"{{"l": {list:?}}}"#);
        assert!(matches!(render("{{range .l}}{{range $.l}}.{{end}}{{end}}", &variables), Err(Fault::Refused(_))));
        let deep = "{{if .l}}".repeat(100_000);
        assert!(matches!(render(&deep, "{}"), Err(Fault::Refused(_))));
    }
}
