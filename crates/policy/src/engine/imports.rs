//! Writes the names of imports out: after `import data.a.lib`, `lib.f(x)` becomes `data.a.lib.f(x)`.
//!
//! This version of the interpreter does not know functions by the name of an import, and, worse, it loses values: once
//! a whole package was evaluated by the name of an import, the imports *of that package* are undefined, in silence, and
//! a `deny` over them denies nothing. With every name written out before it reads the text, neither can happen. No line
//! moves, and the bundle's digest is over the text as it was.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::Place;
use regorus::Engine;
use regorus::unstable::{Module, Span};

use super::syntax::{self, Found};
use super::{message, place, wide};
use crate::Error;

/// A text with the names of imports written out, and the lines on which columns are no longer those of the author.
pub(super) struct Qualified {
    pub(super) text: String,
    pub(super) lines: BTreeSet<u32>,
}

/// Writes out the names of imports in `text`.
///
/// # Errors
/// When it does not parse; or declares a name that is an import's too, for the two could not be told apart.
pub(super) fn qualify(path: &str, text: &str, v0: bool) -> Result<Qualified, Error> {
    let mut engine = Engine::new();
    engine.set_rego_v0(v0);
    engine.set_policy_length_config(wide());
    engine.add_policy(path.to_owned(), text.to_owned()).map_err(|e| {
        let (place, message) = message::split(&e.to_string());
        Error::Rego { place: place.or_else(|| Some(Place::file(path))), message }
    })?;
    let mut uses: BTreeMap<u32, (Span, String)> = BTreeMap::new();
    for module in engine.get_modules() {
        let imports = imports(module, text);
        for rule in &module.policy {
            let (head, found) = syntax::rule(rule);
            let named = syntax::first(head).into_iter().map(Found::Declared);
            for found in found.into_iter().chain(named) {
                match found {
                    Found::Reference(expr) | Found::Call(expr) => {
                        let used = syntax::first(expr).and_then(|span| Some((span, imports.get(span.text())?)));
                        if let Some((span, full)) = used {
                            uses.insert(span.start, (span.clone(), full.clone()));
                        }
                    }
                    Found::Declared(span) if imports.contains_key(span.text()) => {
                        let message = format!("`{}` is the name of an import already: choose another", span.text());
                        return Err(Error::Rego { place: Some(place(span)), message });
                    }
                    Found::Declared(_) | Found::With { .. } => {}
                }
            }
        }
    }
    let mut out = Qualified { text: text.to_owned(), lines: BTreeSet::new() };
    // From the end, so that the positions before stay true.
    for (span, full) in uses.into_values().rev() {
        if let (Ok(start), Ok(end)) = (usize::try_from(span.start), usize::try_from(span.end)) {
            out.text.replace_range(start..end, &full);
            out.lines.insert(span.line);
        }
    }
    Ok(out)
}

/// What each import's name stands for, as it is written. `import input.…` and `import rego.v1` stay as they are.
fn imports(module: &Module, text: &str) -> BTreeMap<String, String> {
    let named = module.imports.iter().filter_map(|import| {
        let (names, _) = syntax::chain(&import.refr);
        let span = import.refr.span();
        let written = text.get(usize::try_from(span.start).ok()?..usize::try_from(span.end).ok()?)?;
        let name = import.r#as.as_ref().map(|s| s.text().to_owned()).or_else(|| names.last().cloned())?;
        (names.len() > 1 && names.first().is_some_and(|n| n == "data")).then(|| (name, written.to_owned()))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_use_of_an_imports_name_is_written_out() {
        let text = "package p\n\nimport data.a.lib\nimport data.b[\"c-d\"] as short\nimport input.c\n\n# lib.f(x)\n\
                    x := lib.f(1) + lib.g.h(lib.i(2))\n\ny[lib.k] := lib.v[short.w].lib if {\n\tsome z in lib.s\n\t\
                    c.f == data.lib.v\n\tz.lib != \"lib.v\"\n\tevery e in short.t { e in lib } with lib.q as short\n}\n";
        let out = qualify("a.rego", text, false).unwrap();
        let expected = "package p\n\nimport data.a.lib\nimport data.b[\"c-d\"] as short\nimport input.c\n\n# lib.f(x)\n\
                    x := data.a.lib.f(1) + data.a.lib.g.h(data.a.lib.i(2))\n\n\
                    y[data.a.lib.k] := data.a.lib.v[data.b[\"c-d\"].w].lib if {\n\tsome z in data.a.lib.s\n\t\
                    c.f == data.lib.v\n\tz.lib != \"lib.v\"\n\tevery e in data.b[\"c-d\"].t { e in data.a.lib } with \
                    data.a.lib.q as data.b[\"c-d\"]\n}\n";
        assert_eq!(out.text, expected);
        assert_eq!(out.lines, BTreeSet::from([8, 10, 11, 14]));
    }

    #[test]
    fn a_name_that_is_an_imports_too_is_refused() {
        for rule in [
            "f(lib) := 1",
            "x if some lib in input",
            "x if some lib, _ in input",
            "x if { some lib; input[lib] }",
            "x if { lib := 1; lib > 0 }",
            "x if { [lib, _] := input; lib }",
            "x if every lib in input { lib }",
            "x := {lib | some [_, lib] in input}",
            "lib contains 1",
            "default lib := 1",
        ] {
            let error =
                qualify("a.rego", &format!("package p\n\nimport data.a.lib\n\n{rule}\n"), false).err().expect(rule);
            assert!(error.to_string().contains("name of an import"), "{rule}: {error}");
        }
    }
}
