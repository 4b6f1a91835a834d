//! The grammar of GraphQL (October 2021, appendix B), with gqlparser's trees as the outcome.

use regorus::Value;

use super::super::Fault;
use super::super::args::fault;
use super::lexer::{self, Token};
use super::node;

/// How deep selections, values and types may stand in each other.
const MAX_DEPTH: usize = 200;

/// What a document may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Operations and fragments.
    Query,
    /// Types and directives.
    Schema,
    /// The types and directives that every schema has.
    Prelude,
}

/// The tree of a document.
pub(super) fn parse(text: &str, kind: Kind) -> Result<Value, Fault> {
    let mut parser = Parser { text, tokens: lexer::tokens(text)?, at: 0, depth: 0, builtin: kind == Kind::Prelude };
    match kind {
        Kind::Query => parser.query_document(),
        Kind::Schema | Kind::Prelude => parser.schema_document(),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    builtin: bool,
}

type Parsed = Result<Value, Fault>;

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn told(&self, what: &str) -> Fault {
        let at = self.tokens.get(self.at).map_or(self.text.len(), |(_, at)| *at);
        fault(format!("{what} in GraphQL string at location {}", lexer::place(self.text, at)))
    }

    fn unexpected<T>(&self) -> Result<T, Fault> {
        Err(self.told(&format!("Unexpected {}", self.peek().told())))
    }

    fn expected<T>(&self, what: &str) -> Result<T, Fault> {
        Err(self.told(&format!("Expected {what}, found {}", self.peek().told())))
    }

    fn is(&self, punctuator: &str) -> bool {
        matches!(self.peek(), Token::Punctuator(p) if *p == punctuator)
    }

    fn skip(&mut self, punctuator: &str) -> bool {
        let is = self.is(punctuator);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, punctuator: &str) -> Result<(), Fault> {
        if self.skip(punctuator) { Ok(()) } else { self.expected(punctuator) }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Name(name) if name == word)
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.at += usize::from(is);
        is
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.peek() {
            Token::Name(name) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => self.expected("Name"),
        }
    }

    fn name_value(&mut self) -> Parsed {
        self.name().map(Value::from)
    }

    /// One or more of something between two punctuators; nothing where the first is not there.
    fn some(&mut self, open: &str, close: &str, item: fn(&mut Self) -> Parsed) -> Parsed {
        if !self.skip(open) {
            return Ok(Value::new_array());
        }
        if self.is(close) {
            return Err(self.told(&format!("expected at least one definition, found {close}")));
        }
        self.until(close, item)
    }

    fn until(&mut self, close: &str, item: fn(&mut Self) -> Parsed) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::Refused(format!("a document is nested deeper than {MAX_DEPTH}")));
        }
        let mut all = Vec::new();
        while !self.skip(close) {
            if *self.peek() == Token::End {
                return self.expected(close);
            }
            all.push(item(self)?);
        }
        self.depth -= 1;
        Ok(Value::from(all))
    }

    // Operations and fragments.

    fn query_document(&mut self) -> Parsed {
        let (mut operations, mut fragments) = (Vec::new(), Vec::new());
        while *self.peek() != Token::End {
            match self.peek() {
                Token::Punctuator("{") => operations.push(self.operation(false)?),
                Token::Name(word) => match word.as_str() {
                    "query" | "mutation" | "subscription" => operations.push(self.operation(true)?),
                    "fragment" => fragments.push(self.fragment()?),
                    _ => return self.unexpected(),
                },
                _ => return self.unexpected(),
            }
        }
        Ok(node([("Operations", Value::from(operations)), ("Fragments", Value::from(fragments))]))
    }

    fn operation(&mut self, named: bool) -> Parsed {
        let (mut kind, mut name, mut variables, mut directives) =
            ("query".to_owned(), String::new(), Value::new_array(), Value::new_array());
        if named {
            kind = self.name()?;
            if matches!(self.peek(), Token::Name(_)) {
                name = self.name()?;
            }
            variables = self.some("(", ")", Self::variable)?;
            directives = self.directives(false)?;
        }
        Ok(node([
            ("Operation", Value::from(kind)),
            ("Name", Value::from(name)),
            ("VariableDefinitions", variables),
            ("Directives", directives),
            ("SelectionSet", self.required_selection()?),
        ]))
    }

    fn variable(&mut self) -> Parsed {
        self.expect("$")?;
        let name = self.name_value()?;
        self.expect(":")?;
        let kind = self.kind()?;
        let default = if self.skip("=") { self.value(true)? } else { Value::Null };
        Ok(node([
            ("Variable", name),
            ("Type", kind),
            ("DefaultValue", default),
            ("Directives", self.directives(true)?),
            ("Used", false.into()),
        ]))
    }

    fn required_selection(&mut self) -> Parsed {
        if self.is("{") { self.selection_set() } else { self.expected("{") }
    }

    fn selection_set(&mut self) -> Parsed {
        self.some("{", "}", Self::selection)
    }

    fn selection(&mut self) -> Parsed {
        if !self.skip("...") {
            return self.field();
        }
        if !self.is_word("on") && matches!(self.peek(), Token::Name(_)) {
            return Ok(node([("Name", self.name_value()?), ("Directives", self.directives(false)?)]));
        }
        let condition = if self.skip_word("on") { self.name()? } else { String::new() };
        Ok(node([
            ("TypeCondition", Value::from(condition)),
            ("Directives", self.directives(false)?),
            ("SelectionSet", self.required_selection()?),
        ]))
    }

    fn field(&mut self) -> Parsed {
        let alias = self.name_value()?;
        let name = if self.skip(":") { self.name_value()? } else { alias.clone() };
        Ok(node([
            ("Alias", alias),
            ("Name", name),
            ("Arguments", self.some("(", ")", |p| p.argument(false))?),
            ("Directives", self.directives(false)?),
            ("SelectionSet", self.selection_set()?),
        ]))
    }

    fn fragment(&mut self) -> Parsed {
        self.next();
        if self.is_word("on") {
            return self.unexpected();
        }
        let name = self.name_value()?;
        let variables = self.some("(", ")", Self::variable)?;
        if !self.skip_word("on") {
            return self.expected("\"on\"");
        }
        Ok(node([
            ("Name", name),
            ("VariableDefinition", variables),
            ("TypeCondition", self.name_value()?),
            ("Directives", self.directives(false)?),
            ("SelectionSet", self.required_selection()?),
        ]))
    }

    fn argument(&mut self, constant: bool) -> Parsed {
        let name = self.name_value()?;
        self.expect(":")?;
        Ok(node([("Name", name), ("Value", self.value(constant)?)]))
    }

    fn directives(&mut self, constant: bool) -> Parsed {
        let argument: fn(&mut Self) -> Parsed = if constant { |p| p.argument(true) } else { |p| p.argument(false) };
        let mut all = Vec::new();
        while self.skip("@") {
            let name = self.name_value()?;
            let arguments = self.some("(", ")", argument)?;
            all.push(node([("Name", name), ("Arguments", arguments), ("Location", Value::from(""))]));
        }
        Ok(Value::from(all))
    }

    /// A value; one that is constant has no variables in it.
    fn value(&mut self, constant: bool) -> Parsed {
        let plain = |kind: u64, raw: String| (kind, Value::from(raw), Value::new_array());
        let (kind, raw, children) = match self.peek().clone() {
            Token::Punctuator("[") => {
                self.at += 1;
                let item: fn(&mut Self) -> Parsed = if constant { |p| p.item(true) } else { |p| p.item(false) };
                (8, Value::from(""), self.until("]", item)?)
            }
            Token::Punctuator("{") => {
                self.at += 1;
                let field: fn(&mut Self) -> Parsed =
                    if constant { |p| p.argument(true) } else { |p| p.argument(false) };
                (9, Value::from(""), self.until("}", field)?)
            }
            Token::Punctuator("$") if !constant => {
                self.at += 1;
                plain(0, self.name()?)
            }
            token @ (Token::Punctuator(_) | Token::End) => {
                drop(token);
                return self.unexpected();
            }
            Token::Int(raw) => self.took(plain(1, raw)),
            Token::Float(raw) => self.took(plain(2, raw)),
            Token::String(raw) => self.took(plain(3, raw)),
            Token::Block(raw) => self.took(plain(4, raw)),
            Token::Name(raw) => {
                let kind = match raw.as_str() {
                    "true" | "false" => 5,
                    "null" => 6,
                    _ => 7,
                };
                self.took(plain(kind, raw))
            }
        };
        Ok(node([
            ("Kind", Value::from(kind)),
            ("Raw", raw),
            ("Children", children),
            ("ExpectedTypeHasDefault", false.into()),
        ]))
    }

    fn took<T>(&mut self, value: T) -> T {
        self.at += 1;
        value
    }

    fn item(&mut self, constant: bool) -> Parsed {
        Ok(node([("Name", Value::from("")), ("Value", self.value(constant)?)]))
    }

    fn kind(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::Refused(format!("a document is nested deeper than {MAX_DEPTH}")));
        }
        let (name, element) = if self.skip("[") {
            let element = self.kind()?;
            self.expect("]")?;
            (Value::from(""), element)
        } else {
            (self.name_value()?, Value::Null)
        };
        self.depth -= 1;
        Ok(node([("NamedType", name), ("Elem", element), ("NonNull", self.skip("!").into())]))
    }

    // Types and directives.

    fn schema_document(&mut self) -> Parsed {
        let [mut schemas, mut schema_extensions, mut directives, mut definitions, mut extensions] =
            [const { Vec::new() }; 5];
        while *self.peek() != Token::End {
            let start = self.at;
            let description = self.description();
            let described = self.at > start;
            let Token::Name(word) = self.peek().clone() else { return self.unexpected() };
            match word.as_str() {
                "schema" => {
                    self.at += 1;
                    schemas.push(self.schema(description, false)?);
                }
                "directive" => directives.push(self.directive_definition(description)?),
                "extend" => {
                    if described {
                        self.at = start;
                        return self.unexpected();
                    }
                    self.at += 1;
                    if self.skip_word("schema") {
                        schema_extensions.push(self.schema(String::new(), true)?);
                    } else {
                        extensions.push(self.definition(String::new(), true)?);
                    }
                }
                _ => definitions.push(self.definition(description, false)?),
            }
        }
        Ok(node([
            ("Schema", Value::from(schemas)),
            ("SchemaExtension", Value::from(schema_extensions)),
            ("Directives", Value::from(directives)),
            ("Definitions", Value::from(definitions)),
            ("Extensions", Value::from(extensions)),
        ]))
    }

    fn description(&mut self) -> String {
        match self.peek().clone() {
            Token::String(text) | Token::Block(text) => self.took(text),
            _ => String::new(),
        }
    }

    fn schema(&mut self, description: String, extension: bool) -> Parsed {
        let directives = self.directives(true)?;
        if !self.is("{") && (!extension || super::values::is_empty(&directives)) {
            return if extension { self.unexpected() } else { self.expected("{") };
        }
        let operations = self.some("{", "}", |p| {
            let Token::Name(operation) = p.peek().clone() else { return p.expected("Name") };
            if !matches!(operation.as_str(), "query" | "mutation" | "subscription") {
                return p.unexpected();
            }
            p.at += 1;
            p.expect(":")?;
            Ok(node([("Operation", Value::from(operation)), ("Type", p.name_value()?)]))
        })?;
        Ok(node([
            ("Description", Value::from(description)),
            ("Directives", directives),
            ("OperationTypes", operations),
        ]))
    }

    fn definition(&mut self, description: String, extension: bool) -> Parsed {
        let Token::Name(word) = self.peek().clone() else { return self.unexpected() };
        let kind = match word.as_str() {
            "scalar" => "SCALAR",
            "type" => "OBJECT",
            "interface" => "INTERFACE",
            "union" => "UNION",
            "enum" => "ENUM",
            "input" => "INPUT_OBJECT",
            _ => return self.unexpected(),
        };
        self.at += 1;
        let name = self.name_value()?;
        let composite = matches!(kind, "OBJECT" | "INTERFACE");
        let interfaces = if composite && self.skip_word("implements") { self.names("&")? } else { Value::new_array() };
        let directives = self.directives(true)?;
        let (mut fields, mut types, mut values) = (Value::new_array(), Value::new_array(), Value::new_array());
        match kind {
            "OBJECT" | "INTERFACE" => fields = self.some("{", "}", Self::field_definition)?,
            "INPUT_OBJECT" => fields = self.some("{", "}", Self::input_value)?,
            "UNION" if self.skip("=") => types = self.names("|")?,
            "ENUM" => values = self.some("{", "}", Self::enum_value)?,
            _ => {}
        }
        let parts = [&interfaces, &directives, &fields, &types, &values];
        if extension && parts.into_iter().all(super::values::is_empty) {
            return self.unexpected();
        }
        Ok(node([
            ("Kind", Value::from(kind)),
            ("Description", Value::from(description)),
            ("Name", name),
            ("Interfaces", interfaces),
            ("Directives", directives),
            ("Fields", fields),
            ("Types", types),
            ("EnumValues", values),
            ("BuiltIn", self.builtin.into()),
        ]))
    }

    /// Names with a separator between them, and perhaps before the first.
    fn names(&mut self, separator: &str) -> Parsed {
        self.skip(separator);
        let mut all = vec![self.name_value()?];
        while self.skip(separator) {
            all.push(self.name_value()?);
        }
        Ok(Value::from(all))
    }

    fn field_definition(&mut self) -> Parsed {
        let description = self.description();
        let name = self.name_value()?;
        let arguments = self.some("(", ")", Self::input_value)?;
        self.expect(":")?;
        Ok(node([
            ("Description", Value::from(description)),
            ("Name", name),
            ("Arguments", arguments),
            ("Type", self.kind()?),
            ("Directives", self.directives(true)?),
        ]))
    }

    /// An argument, or a field of an input object.
    fn input_value(&mut self) -> Parsed {
        let description = self.description();
        let name = self.name_value()?;
        self.expect(":")?;
        let kind = self.kind()?;
        let default = if self.skip("=") { self.value(true)? } else { Value::Null };
        Ok(node([
            ("Description", Value::from(description)),
            ("Name", name),
            ("Type", kind),
            ("DefaultValue", default),
            ("Directives", self.directives(true)?),
        ]))
    }

    fn enum_value(&mut self) -> Parsed {
        let description = self.description();
        if ["true", "false", "null"].iter().any(|word| self.is_word(word)) {
            return self.unexpected();
        }
        Ok(node([
            ("Description", Value::from(description)),
            ("Name", self.name_value()?),
            ("Directives", self.directives(true)?),
        ]))
    }

    fn directive_definition(&mut self, description: String) -> Parsed {
        self.at += 1;
        self.expect("@")?;
        let name = self.name_value()?;
        let arguments = self.some("(", ")", Self::input_value)?;
        let repeatable = self.skip_word("repeatable");
        if !self.skip_word("on") {
            return self.expected("\"on\"");
        }
        let start = self.at;
        let locations = self.names("|")?;
        let known = |l: &Value| super::schema::LOCATIONS.iter().any(|known| *l == Value::from(*known));
        if !locations.as_array().is_ok_and(|all| all.iter().all(known)) {
            self.at = start;
            return self.unexpected();
        }
        Ok(node([
            ("Description", Value::from(description)),
            ("Name", name),
            ("Arguments", arguments),
            ("Locations", locations),
            ("IsRepeatable", repeatable.into()),
        ]))
    }
}
