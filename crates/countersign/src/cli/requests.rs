//! Requests for suppression, written into files.

/// The text of a declaration, to be put at the end of `countersign.toml`.
pub(crate) fn declaration(path: &str, rule: &str, reason: &str) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!("\n[[scan.declare]]\npath = {}\nrule = {}\nreason = {}\n", quoted(path), quoted(rule), quoted(reason))
}
