//! The catalogue as it is known here: what comes with the program, and what the project adds.

use std::path::{Path, PathBuf};

use countersign_policy::Catalogue;
use countersign_policy::catalogue::Named;

use super::args::PlaceArgs;
use crate::config::Config;
use crate::errors::{CliError, Failure};

/// Where a project keeps its own controls and frameworks, unless its configuration says otherwise.
const DIR: &str = "compliance";
/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 8 << 20;

/// The project's own directory; `None` where there is no repository.
pub(crate) fn project_dir(at: &PlaceArgs) -> Result<Option<(PathBuf, bool)>, Failure> {
    let Ok(repository) = at.repository() else { return Ok(None) };
    let config = Config::load(repository.root())?;
    let (dir, named) = match config.catalogue.dir {
        Some(dir) => (dir, true),
        None => (PathBuf::from(DIR), false),
    };
    Ok(Some((repository.root().join(dir), named)))
}

/// The catalogue.
pub(crate) fn load(at: &PlaceArgs) -> Result<Catalogue, Failure> {
    let Some((dir, named)) = project_dir(at)? else { return Ok(Catalogue::shipped()?) };
    if !dir.is_dir() {
        if named {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(CliError::Read { path: dir, source }.into());
        }
        return Ok(Catalogue::shipped()?);
    }
    let (controls, frameworks) = (files(&dir.join("controls"))?, files(&dir.join("frameworks"))?);
    Ok(Catalogue::with(controls.iter().map(as_named), frameworks.iter().map(as_named))?)
}

fn as_named(file: &(String, Vec<u8>)) -> Named<'_> {
    (&file.0, &file.1)
}

/// The YAML files of a directory, by name; none where it is not there.
fn files(dir: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let read = |source| CliError::Read { path: dir.to_owned(), source };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(CliError::Read { path: dir.to_owned(), source }.into()),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(read)?.path();
        if path.extension().is_some_and(|e| e == "yaml") {
            found.push((path.display().to_string(), contents(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

/// What a file holds, where it is not larger than anything that is read here.
pub(crate) fn contents(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let read = |source| CliError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(read)?;
    file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > MAX_FILE {
        let source = std::io::Error::new(std::io::ErrorKind::FileTooLarge, format!("larger than {MAX_FILE} bytes"));
        return Err(CliError::Read { path: path.to_owned(), source }.into());
    }
    Ok(bytes)
}
