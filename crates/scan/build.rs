//! Turns the rule files of `rules/` into one JSON text, which the program reads several times as fast as the YAML. It
//! checks nothing: what is wrong with a rule is told by the test that walks them all.

#![expect(clippy::disallowed_methods, reason = "a build script speaks with cargo so")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let rules = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../rules");
    println!("cargo::rerun-if-changed={}", rules.display());
    let mut todo = vec![rules.clone()];
    let mut files: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir)? {
            let path: PathBuf = entry?.path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml") {
                let name = path.strip_prefix(&rules)?.to_str().ok_or("a rule file whose name is not UTF-8")?;
                let rule = serde_saphyr::from_str(&fs::read_to_string(&path)?)
                    .map_err(|e| format!("{}: {e}", path.display()))?;
                files.insert(format!("rules/{}", name.replace('\\', "/")), rule);
            }
        }
    }
    let out = Path::new(&env::var("OUT_DIR")?).join("rules.json");
    fs::write(out, serde_json::to_vec(&files)?)?;
    Ok(())
}
