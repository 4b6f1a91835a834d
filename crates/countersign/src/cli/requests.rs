//! Requests for suppression, written into files.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::config::{Config, FILE};
use crate::errors::{CliError, Failure};

/// The text of a declaration, to be put at the end of `countersign.toml`.
pub(crate) fn declaration(path: &str, rule: &str, reason: &str) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!("\n[[scan.declare]]\npath = {}\nrule = {}\nreason = {}\n", quoted(path), quoted(rule), quoted(reason))
}

/// Adds a declaration to the configuration at the top of a repository, which is made where there is none. What comes
/// out must be a configuration, else nothing is written.
pub(crate) fn declare(top: &Path, path: &str, rule: &str, reason: &str) -> Result<PathBuf, Failure> {
    let file = top.join(FILE);
    let mut text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => "version = 1\n".to_owned(),
        Err(source) => return Err(CliError::Read { path: file, source }.into()),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&declaration(path, rule, reason));
    Config::parse(&text, &file.display().to_string())?;
    replace(&file, text.as_bytes())?;
    Ok(file)
}

/// Replaces a file whole or not at all, with the permissions it has.
pub(crate) fn replace(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fault = |source| CliError::Write { path: file.to_owned(), source };
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = file.with_file_name(name);
    let written = OpenOptions::new().write(true).create_new(true).open(&beside).and_then(|mut new| {
        if let Ok(old) = fs::metadata(file) {
            new.set_permissions(old.permissions())?;
        }
        new.write_all(bytes)?;
        new.sync_all()?;
        fs::rename(&beside, file)
    });
    written.map_err(|e| {
        // The first error is the one that matters.
        let _ = fs::remove_file(&beside);
        fault(e).into()
    })
}
