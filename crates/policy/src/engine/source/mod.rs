//! Rego as people write it today, made into the Rego that the interpreter reads, without moving a line.
//!
//! Three things are rewritten, all on tokens:
//!
//! - **Template strings**, `$"a {x}"`, become `internal.template_string(["a ", {t | t := x}])`, which is what OPA's own
//!   compiler makes of them (OPA 1.12).
//! - **Keywords in references**, `data.a.if.b` and rules named `if.b` (OPA 1.8), become `data.a["if"].b` and rules under a
//!   name of ours, which is taken back in what is answered.
//! - **Builtins of ours** are called by their own name where the interpreter can do that. Where it cannot (a call with the
//!   answer as a last argument, `with BUILTIN as …`, `… as BUILTIN`), by way of a function in a module that is added.
//!
//! The digest of a bundle is over the text as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use countersign_model::Place;
use regorus::unstable::BUILTINS;

use self::lexer::{Kind, Piece, Token};
use super::annotations::Annotations;
use super::builtins::{self, Builtin};
use crate::Error;

mod lexer;

/// The file that functions of ours are in, as errors would name it.
pub(super) const SHIM: &str = "(builtins)";

/// The package that functions of ours are in.
const PACKAGE: &str = "__builtins";

/// What template strings call.
const TEMPLATE: &str = "internal.template_string";

/// What stands before a keyword that names a rule.
const PREFIX: &str = "__";

/// The words that were no names before.
const KEYWORDS: [&str; 14] = [
    "as", "contains", "default", "else", "every", "false", "if", "import", "in", "not", "null", "package", "some",
    "true",
];

fn keyword(word: &str) -> bool {
    word == "with" || KEYWORDS.contains(&word)
}

/// A text that the interpreter can read, and the lines on which columns are no longer those of the author.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rewritten {
    pub(super) text: String,
    pub(super) lines: BTreeSet<u32>,
}

/// What has to be known of all modules before one can be rewritten.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources {
    /// Packages that have a rule whose first name is a keyword: `(package, keyword)`.
    roots: BTreeSet<(String, String)>,
    /// The packages.
    packages: BTreeSet<String>,
    /// Functions with a keyword in their name, in full and joined by dots.
    functions_named: BTreeSet<String>,
    /// Builtins of ours that some module replaces by `with`.
    mocked: BTreeSet<String>,
    /// The functions of the module that is added, name to text.
    functions: BTreeMap<String, String>,
    /// What the comments of the modules say about packages and rules.
    annotations: Annotations,
    /// Whether anything in the modules asks for them.
    reflects: bool,
    /// The builtins of ours that are called.
    used: BTreeSet<&'static str>,
}

impl Sources {
    /// Looks at every module, path and text.
    ///
    /// # Errors
    /// [`Error::Rego`] at a template string without an end, and at metadata that is no YAML where the policy asks for it.
    pub(super) fn read<'a>(modules: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let mut sources = Self::default();
        for (path, text) in modules {
            File::new(path, text)?.survey(&mut sources)?;
            if text.contains("METADATA") || text.contains("rego.metadata.") {
                sources.reflects |= text.contains("rego.metadata.");
                sources.annotations.read(path, text);
            }
        }
        if let (true, Some(error)) = (sources.reflects, sources.annotations.errors.first()) {
            return Err(Error::Rego { place: Some(error.0.clone()), message: error.1.clone() });
        }
        Ok(sources)
    }

    /// Rewrites one of the modules.
    pub(super) fn rewrite(&mut self, path: &str, text: &str) -> Result<Rewritten, Error> {
        let file = File::new(path, text)?;
        let mut writer = Writer { sources: self, fresh: 0, lines: BTreeSet::new() };
        let text = writer.write(&file)?;
        Ok(Rewritten { text, lines: writer.lines })
    }

    /// Rewrites a query.
    pub(super) fn query(&mut self, text: &str) -> Result<String, Error> {
        Ok(self.rewrite("(query)", text)?.text)
    }

    /// The builtins of ours that are called by what was rewritten so far.
    pub(super) fn used(&self) -> impl Iterator<Item = &'static Builtin> {
        self.used.iter().filter_map(|name| builtins::find(name))
    }

    /// The module that must be added after all are rewritten, if any.
    pub(super) fn shim(&self) -> Option<String> {
        if self.functions.is_empty() {
            return None;
        }
        let functions: String = self.functions.values().map(String::as_str).collect();
        Some(format!("package {PACKAGE}\n\n{functions}"))
    }

    /// Takes names of ours back in an answer.
    pub(super) fn restore(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.remove(PACKAGE);
                for (_, root) in &self.roots {
                    if let Some(value) = map.remove(&format!("{PREFIX}{root}")) {
                        map.insert(root.clone(), value);
                    }
                }
                map.values_mut().for_each(|v| self.restore(v));
            }
            serde_json::Value::Array(all) => all.iter_mut().for_each(|v| self.restore(v)),
            _ => {}
        }
    }

    /// Whether answers hold names of ours.
    pub(super) fn renames(&self) -> bool {
        !self.roots.is_empty() || !self.functions.is_empty()
    }

    /// The path of the function that stands for `name`, which is made if it is not there yet.
    fn function(&mut self, name: &str, arity: u8) -> String {
        let short = name.replace('.', "_");
        self.used.extend(builtins::find(name).map(|b| b.name));
        self.functions.entry(short.clone()).or_insert_with(|| {
            let arguments = (0..arity).map(|i| format!("a{i}")).collect::<Vec<_>>().join(", ");
            format!("f_{short}({arguments}) := {name}({arguments})\n\n")
        });
        format!("data.{PACKAGE}.f_{short}")
    }
}

/// A module's text, or that of an expression in it, and what is where in it.
struct File<'a> {
    path: &'a str,
    text: &'a str,
    tokens: Vec<Token>,
    package: String,
    /// Names of imports that are keywords.
    imported: BTreeSet<String>,
    /// Names of imports.
    imports: BTreeSet<String>,
    /// The number of its first line.
    first: u32,
}

/// A reference as far as it is names: `a.b.c`.
struct Chain<'a> {
    names: Vec<&'a str>,
    /// The index of the token after it.
    next: usize,
}

impl<'a> File<'a> {
    fn new(path: &'a str, text: &'a str) -> Result<Self, Error> {
        let mut file = Self {
            path,
            text,
            tokens: read(path, text)?,
            package: String::new(),
            imported: BTreeSet::new(),
            imports: BTreeSet::new(),
            first: 1,
        };
        for i in 0..file.tokens.len() {
            match file.word(i) {
                "package" if file.package.is_empty() && !file.after_dot(i) => {
                    file.package = file.chain(i + 1).map(|c| c.names.join(".")).unwrap_or_default();
                }
                "import" if !file.after_dot(i) => {
                    if let Some(chain) = file.chain(i + 1)
                        && let Some(last) = chain.names.last()
                    {
                        let alias = if file.word(chain.next) == "as" { file.word(chain.next + 1) } else { last };
                        file.imports.insert(alias.to_owned());
                    }
                    if let Some(chain) = file.chain(i + 1)
                        && let Some(last) = chain.names.last().filter(|n| keyword(n))
                        && !chain.is_future()
                        && file.word(chain.next) != "as"
                    {
                        file.imported.insert((*last).to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(file)
    }

    /// The expression at a range of it.
    fn inner(&self, range: Range<usize>) -> Result<Self, Error> {
        let first = self.line(range.start);
        let text = self.text.get(range).unwrap_or("");
        let tokens = read(self.path, text)?;
        Ok(Self {
            path: self.path,
            text,
            tokens,
            package: self.package.clone(),
            imported: self.imported.clone(),
            imports: self.imports.clone(),
            first,
        })
    }

    /// The number of the line that holds the offset.
    fn line(&self, offset: usize) -> u32 {
        self.first + line(self.text, offset) - 1
    }

    fn word(&self, i: usize) -> &'a str {
        self.tokens.get(i).filter(|t| t.kind == Kind::Ident).map_or("", |t| t.text(self.text))
    }

    fn is(&self, i: usize, symbol: &str) -> bool {
        self.tokens.get(i).is_some_and(|t| t.is(self.text, symbol))
    }

    /// Whether token `i` follows the one before it without white space.
    fn joined(&self, i: usize) -> bool {
        i > 0 && self.tokens.get(i).zip(self.tokens.get(i - 1)).is_some_and(|(t, before)| t.start == before.end)
    }

    fn after_dot(&self, i: usize) -> bool {
        self.joined(i) && self.is(i - 1, ".")
    }

    /// The names that begin at token `i`.
    fn chain(&self, i: usize) -> Option<Chain<'a>> {
        let mut names = vec![Some(self.word(i)).filter(|w| !w.is_empty())?];
        let mut next = i + 1;
        while self.is(next, ".") && self.joined(next) && self.joined(next + 1) && !self.word(next + 1).is_empty() {
            names.push(self.word(next + 1));
            next += 2;
        }
        Some(Chain { names, next })
    }

    /// The names at token `i`, where they are those of a function of this package with a keyword among them.
    fn local_function(&self, i: usize) -> Option<Chain<'a>> {
        let local =
            !self.after_dot(i) && !["data", "input"].contains(&self.word(i)) && !self.imports.contains(self.word(i));
        let chain = self.chain(i).filter(|c| local && self.is(c.next, "("))?;
        chain.names.get(1..)?.iter().any(|n| keyword(n)).then_some(chain)
    }

    /// The member that a rule's head names after `contains`, token `i`, where a template string is in it. The interpreter
    /// finds no order for what is put into a template there.
    fn member(&self, i: usize) -> Option<Member> {
        let ends = |k: usize| k >= self.tokens.len() || self.at_margin(k);
        let mut end = i + 1;
        let (mut depth, mut template) = (0_usize, false);
        while !(ends(end) || depth == 0 && self.word(end) == "if" && !self.after_dot(end)) {
            depth += usize::from(["(", "[", "{"].iter().any(|s| self.is(end, s)));
            if [")", "]", "}"].iter().any(|s| self.is(end, s)) {
                depth = depth.checked_sub(1)?;
            }
            template |= self.tokens.get(end).is_some_and(|t| t.kind == Kind::Template);
            end += 1;
        }
        // `contains(a, b)` is a call; what stands in brackets is no head.
        let call = self.is(i + 1, "(") && self.joined(i + 1);
        if !template || call || end == i + 1 {
            return None;
        }
        let body = end + 1;
        let has_body = !ends(end) && self.word(end) == "if";
        let stop = (body..=self.tokens.len()).find(|k| ends(*k)).unwrap_or(self.tokens.len());
        Some(Member { from: i + 1, end, body: has_body.then_some(body), stop: if has_body { stop } else { end } })
    }

    /// The token that closes the bracket which token `open` opens.
    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for i in open..self.tokens.len() {
            depth += usize::from(["(", "[", "{"].iter().any(|s| self.is(i, s)));
            if [")", "]", "}"].iter().any(|s| self.is(i, s)) {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(i);
                }
            }
        }
        None
    }

    /// Whether token `i` begins a statement: it stands at the margin, and nothing of the one before can.
    fn at_margin(&self, i: usize) -> bool {
        let Some(token) = self.tokens.get(i) else { return false };
        let margin = token.start == 0 || self.text.as_bytes().get(token.start - 1) == Some(&b'\n');
        margin && token.kind == Kind::Ident && token.text(self.text) != "else"
    }

    /// What has to be known of this module.
    fn survey(&self, sources: &mut Sources) -> Result<(), Error> {
        sources.packages.insert(self.package.clone());
        for (i, token) in self.tokens.iter().enumerate() {
            if token.kind == Kind::Template {
                for (_, range) in pieces(self.text, *token).into_iter().filter(|(p, _)| *p == Piece::Expression) {
                    self.inner(range)?.survey(sources)?;
                }
            }
            let word = self.word(i);
            if let Some(chain) = self.local_function(i) {
                sources.functions_named.insert(format!("data.{}.{}", self.package, chain.names.join(".")));
            }
            if !keyword(word) || self.after_dot(i) {
                continue;
            }
            if self.chain(i).is_some_and(|c| c.names.len() > 1) {
                if !self.imported.contains(word) {
                    sources.roots.insert((self.package.clone(), word.to_owned()));
                }
            } else if word == "with"
                && let Some(name) = self.chain(i + 1).map(|c| c.names.join("."))
                && arity(&name).is_some()
            {
                sources.mocked.insert(name);
            }
        }
        Ok(())
    }

    /// The number of arguments of the call whose opening parenthesis is token `open`.
    fn arguments(&self, open: usize) -> usize {
        let (mut depth, mut commas, mut any) = (0_usize, 0, false);
        for i in open..self.tokens.len() {
            if [")", "]", "}"].iter().any(|s| self.is(i, s)) {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    // A comma may stand before the end.
                    return if any { commas + usize::from(!self.is(i - 1, ",")) } else { 0 };
                }
            }
            any |= i > open;
            commas += usize::from(depth == 1 && self.is(i, ","));
            depth += usize::from(["(", "[", "{"].iter().any(|s| self.is(i, s)));
        }
        commas
    }

    /// Whether the module has something of this name that is no function, so that a builtin may not be meant.
    fn names_a_value(&self, name: &str) -> bool {
        let other =
            |i: &usize| self.word(*i) == name && !self.after_dot(*i) && !self.is(i + 1, "(") && self.before(*i) != "as";
        (0..self.tokens.len()).any(|i| other(&i))
    }

    /// The word before token `i`.
    fn before(&self, i: usize) -> &'a str {
        i.checked_sub(1).map_or("", |i| self.word(i))
    }
}

/// A rule's head from `contains` on, and its body, by the indices of tokens.
struct Member {
    /// Where the member begins.
    from: usize,
    /// The token after it.
    end: usize,
    /// Where the body begins, after `if`.
    body: Option<usize>,
    /// The token after the rule.
    stop: usize,
}

impl Chain<'_> {
    /// Whether it is `future.keywords…`, which the interpreter knows.
    fn is_future(&self) -> bool {
        self.names.first() == Some(&"future")
    }
}

/// The tokens of a text but comments: they stay, and nothing is decided by them.
fn read(path: &str, text: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = lexer::tokens(text).map_err(|broken| {
        let message = "a template string does not end here, or is nested too deep".to_owned();
        let place = Place { file: path.to_owned(), line: Some(line(text, broken.0)), column: None };
        Error::Rego { place: Some(place), message }
    })?;
    tokens.retain(|t| t.kind != Kind::Comment);
    Ok(tokens)
}

/// The pieces of a template string.
fn pieces(text: &str, token: Token) -> Vec<(Piece, Range<usize>)> {
    let mut pieces = Vec::new();
    // It was read before: it has an end.
    let _end = lexer::template(text, token.start, 0, &mut |piece, range| pieces.push((piece, range)));
    pieces
}

/// The number of arguments of a builtin of ours.
fn arity(name: &str) -> Option<u8> {
    builtins::find(name).map(|b| b.arity)
}

/// The number of the line that holds the offset, from 1.
fn line(text: &str, offset: usize) -> u32 {
    let lines = text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count();
    u32::try_from(lines + 1).unwrap_or(u32::MAX)
}

/// Writes the text of one module anew.
struct Writer<'s> {
    sources: &'s mut Sources,
    /// The number of the next variable of ours.
    fresh: usize,
    lines: BTreeSet<u32>,
}

impl Writer<'_> {
    fn write(&mut self, file: &File<'_>) -> Result<String, Error> {
        let mut out = String::with_capacity(file.text.len());
        let (mut at, mut i) = (0, 0);
        while let Some(token) = file.tokens.get(i).copied() {
            out.push_str(file.text.get(at..token.start).unwrap_or(""));
            let (written, next) = self.token(file, i, token)?;
            at = file.tokens.get(next - 1).map_or(file.text.len(), |t| t.end);
            let before = file.text.get(token.start..at).unwrap_or("");
            if written != before {
                self.lines.extend(file.line(token.start)..=file.line(at));
            }
            out.push_str(&written);
            i = next;
        }
        out.push_str(file.text.get(at..).unwrap_or(""));
        Ok(out)
    }

    /// What is written for token `i`, and the index of the next one.
    fn token(&mut self, file: &File<'_>, i: usize, token: Token) -> Result<(String, usize), Error> {
        let word = token.text(file.text);
        let same = Ok((word.to_owned(), i + 1));
        if token.kind == Kind::Template {
            return Ok((self.template(file, token)?, i + 1));
        }
        if file.is(i, ".") && file.joined(i) && file.joined(i + 1) && keyword(file.word(i + 1)) {
            return Ok((format!("[\"{}\"]", file.word(i + 1)), i + 2));
        }
        if token.kind != Kind::Ident || file.after_dot(i) {
            return same;
        }
        if word == "contains"
            && let Some(head) = file.member(i)
        {
            return self.member(file, &head);
        }
        let Some(chain) = file.chain(i).filter(|c| !keyword(word) || c.names.len() > 1) else { return same };
        let before = file.before(i);
        if before == "import" {
            return Ok(self.import(file, i, &chain));
        }
        let name = chain.names.join(".");
        if file.is(chain.next, "(") {
            let open = chain.next;
            if name.starts_with("rego.metadata.") && file.is(open + 1, ")") {
                let line = file.line(token.start);
                let said = match name.as_str() {
                    "rego.metadata.rule" => Some(self.sources.annotations.rule(file.path, line)),
                    "rego.metadata.chain" => Some(self.sources.annotations.chain(file.path, line)),
                    _ => None,
                };
                if let Some(said) = said {
                    return Ok((said.to_string(), open + 2));
                }
            }
            if let Some(builtin) = builtins::find(&name) {
                self.sources.used.insert(builtin.name);
                let more = file.arguments(open) == usize::from(builtin.arity) + 1;
                if more || self.sources.mocked.contains(&name) {
                    return Ok((self.sources.function(&name, builtin.arity), open));
                }
            }
        } else if before == "with"
            && let Some(arity) = arity(&name)
        {
            return Ok((self.sources.function(&name, arity), chain.next));
        } else if before == "as" {
            let theirs = BUILTINS.get(name.as_str()).map(|b| b.1).filter(|_| !file.names_a_value(&name));
            if let Some(arity) = arity(&name).or(theirs) {
                return Ok((self.sources.function(&name, arity), chain.next));
            }
        }
        if file.is(chain.next, "(") {
            return Ok((self.called(file, &chain.names), chain.next));
        }
        Ok((self.reference(file, &chain.names), chain.next))
    }

    /// A reference to a function. The interpreter looks for functions by names, not by what is in brackets.
    fn called(&self, file: &File<'_>, names: &[&str]) -> String {
        let name = names.join(".");
        let local = format!("data.{}.{name}", file.package);
        let Some(full) = [&local, &name].into_iter().find(|n| self.sources.functions_named.contains(*n)) else {
            return self.reference(file, names);
        };
        // The package, if it is named, is written as it is elsewhere; the keywords in the rest get our prefix.
        let package = names.len() - if *full == local { names.len() } else { self.own_part(&name) };
        let (package, own) = names.split_at(package);
        let own: Vec<String> =
            own.iter().map(|n| if keyword(n) { format!("{PREFIX}{n}") } else { (*n).to_owned() }).collect();
        let package = if package.is_empty() { String::new() } else { self.reference(file, package) + "." };
        package + &own.join(".")
    }

    /// How many of the last names of a function, `data.package.names`, are its own rather than the package's.
    fn own_part(&self, full: &str) -> usize {
        let packages = self.sources.packages.iter().filter_map(|p| full.strip_prefix(&format!("data.{p}.")));
        packages.map(|own| own.split('.').count()).min().unwrap_or(1)
    }

    /// An import, with its alias. One whose name would be a keyword gets a name of ours.
    fn import(&self, file: &File<'_>, i: usize, chain: &Chain<'_>) -> (String, usize) {
        if chain.is_future() {
            return (chain.names.join("."), chain.next);
        }
        let mut out = self.reference(file, &chain.names);
        if file.word(chain.next) == "as" {
            // Copied with the white space around it, so that no line moves.
            let start = file.tokens.get(chain.next - 1).map_or(0, |t| t.end);
            let end = file.tokens.get(chain.next + 1).map_or(file.text.len(), |t| t.end);
            out.push_str(file.text.get(start..end).unwrap_or(""));
            return (out, chain.next + 2);
        }
        if let Some(last) = chain.names.last().filter(|n| chain.next > i + 1 && keyword(n)) {
            // Cannot fail on a string.
            let _ = write!(out, " as {PREFIX}{last}");
        }
        (out, chain.next)
    }

    fn reference(&self, file: &File<'_>, names: &[&str]) -> String {
        let mut out = String::new();
        for (k, name) in names.iter().enumerate() {
            let root = |package: &str| self.sources.roots.contains(&(package.to_owned(), (*name).to_owned()));
            if k == 0 {
                // `data` and `input` are no keywords; a word alone was left as it is.
                let ours = keyword(name) && (root(&file.package) || file.imported.contains(*name));
                out.push_str(if ours { PREFIX } else { "" });
                out.push_str(name);
            } else if !keyword(name) {
                out.push('.');
                out.push_str(name);
            } else if names.first() == Some(&"data") && root(&names.get(1..k).unwrap_or_default().join(".")) {
                out.push('.');
                out.push_str(PREFIX);
                out.push_str(name);
            } else {
                // Cannot fail on a string.
                let _ = write!(out, "[\"{name}\"]");
            }
        }
        out
    }

    /// `p contains $"a {x}" if body` as `p contains h if { h := $"a {x}"; body }`.
    fn member(&mut self, file: &File<'_>, member: &Member) -> Result<(String, usize), Error> {
        let start = |k: usize| file.tokens.get(k).map_or(file.text.len(), |t| t.start);
        let end = |k: usize| file.tokens.get(k.wrapping_sub(1)).map_or(0, |t| t.end);
        let variable = format!("__h{}", self.fresh);
        self.fresh += 1;
        let value = self.write(&file.inner(start(member.from)..end(member.end))?)?;
        let Some(body) = member.body else {
            return Ok((format!("contains {variable} if {{ {variable} := {value} }}"), member.stop));
        };
        let braced = file.is(body, "{") && file.closing(body) == Some(member.stop - 1);
        let written = self.write(&file.inner(start(body)..end(member.stop))?)?;
        let out = if braced {
            format!(
                "contains {variable} if {{ {variable} := {value}; {}",
                written.strip_prefix('{').unwrap_or(&written)
            )
        } else {
            format!("contains {variable} if {{ {variable} := {value}; {written} }}")
        };
        Ok((out, member.stop))
    }

    /// `$"a {x}"` as a call.
    fn template(&mut self, file: &File<'_>, token: Token) -> Result<String, Error> {
        self.sources.used.extend(builtins::find(TEMPLATE).map(|b| b.name));
        let raw = token.text(file.text).starts_with("$`");
        let mut parts = Vec::new();
        for (piece, range) in pieces(file.text, token) {
            let text = file.text.get(range.clone()).unwrap_or("");
            parts.push(match piece {
                // The one escape that plain strings do not know.
                Piece::Text if raw => {
                    let lines = text.matches('\n').count();
                    format!("{}{}", serde_json::Value::from(text.replace("\\{", "{")), "\n".repeat(lines))
                }
                Piece::Text => format!("\"{}\"", unescape_braces(text)),
                Piece::Expression => {
                    let variable = format!("__t{}", self.fresh);
                    self.fresh += 1;
                    let inner = self.write(&file.inner(range)?)?;
                    format!("{{{variable} | {variable} := {inner}}}")
                }
            });
        }
        Ok(format!("{TEMPLATE}([{}])", parts.join(", ")))
    }
}

/// `\{` is the brace itself; every other escape stays.
fn unescape_braces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('{')) => {}
            ('\\', Some(next)) => {
                out.extend([c, next]);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
