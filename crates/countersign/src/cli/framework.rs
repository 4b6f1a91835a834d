//! `framework`: what others demand.

use std::path::{Path, PathBuf};

use countersign_model::Exit;
use countersign_model::retention::Day;
use countersign_policy::catalogue::import::{Imported, import};

use super::args::{Format, PlaceArgs};
use super::catalogue;
use super::catalogue_args::{FrameworkArgs, FrameworkVerb};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, catalogue as pages, printable};

/// `framework`.
pub(crate) fn run(at: &PlaceArgs, args: &FrameworkArgs, env: &Environment) -> Outcome {
    match &args.verb {
        FrameworkVerb::List { format } => {
            let catalogue = catalogue::load(at)?;
            match format {
                Format::Json => output::json(&pages::frameworks_json(&catalogue))?,
                Format::Text => output::print(&pages::frameworks(&catalogue))?,
            }
        }
        FrameworkVerb::Show { framework, format } => {
            let catalogue = catalogue::load(at)?;
            let found = catalogue.frameworks.get(framework).ok_or_else(|| {
                let known = catalogue.frameworks.keys().cloned().collect();
                countersign_govern::Error::NoSuchFramework { framework: framework.clone(), known }
            })?;
            match format {
                Format::Json => output::json(&pages::framework_json(&catalogue, found))?,
                Format::Text => output::print(&pages::framework(&catalogue, found))?,
            }
        }
        FrameworkVerb::Import { files, id, source, licence, out, force } => {
            let on = Day::of(env.clock.now()).ok_or_else(|| CliError::Usage {
                what: "the clock is past the end of time".into(),
                help: "set the machine's clock right".into(),
            })?;
            let how = Imported { id: id.clone(), source: source.clone(), licence: licence.clone(), on };
            let (id, yaml) = import(&gather(files)?, &how)?;
            let path = match out {
                Some(path) => path.clone(),
                None => place(at, &id)?,
            };
            write(&path, &yaml, *force)?;
            let count = yaml.lines().filter(|l| l.starts_with("  - id: ")).count() as u64;
            output::print(&format!(
                "✓ {} of `{id}` in {}\nNext: name them in controls of this project, or controls in that file; then countersign framework show {id}\n",
                output::count(count, "requirement", "requirements"),
                printable(&path.display().to_string())
            ))?;
        }
    }
    Ok(Exit::Pass)
}

/// The files themselves, and of directories what belongs to a catalogue.
fn gather(named: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut paths = Vec::new();
    for path in named {
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let read = |source| CliError::Read { path: path.clone(), source };
        let mut inside: Vec<PathBuf> = std::fs::read_dir(path)
            .map_err(read)?
            .map(|entry| entry.map(|e| e.path()))
            .collect::<Result<_, _>>()
            .map_err(read)?;
        inside.retain(|p| {
            let name = p.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name == "controls.yaml" || name == "metadata.yaml" || name.starts_with("mi-") && name.ends_with(".md")
        });
        inside.sort();
        paths.extend(inside);
    }
    paths.iter().map(|p| Ok((p.display().to_string(), catalogue::contents(p)?))).collect()
}

/// Where a framework of the project belongs.
fn place(at: &PlaceArgs, id: &str) -> Result<PathBuf, Failure> {
    match catalogue::project_dir(at)? {
        Some((dir, _)) => Ok(dir.join("frameworks").join(format!("{id}.yaml"))),
        None => Err(CliError::Usage {
            what: "there is no repository to put the framework into".into(),
            help: "name a file: --out FILE".into(),
        }
        .into()),
    }
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    use std::io::Write as _;
    let fail = |source| CliError::Write { path: path.to_owned(), source };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(fail)?;
    }
    if !force && path.exists() {
        return Err(CliError::Usage {
            what: format!("`{}` is there already", path.display()),
            help: "what was written into it would be lost; to replace it all the same: --force".into(),
        }
        .into());
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    // What somebody wrote into it, controls that meet requirements, is theirs.
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(path).map_err(fail)?;
    Ok(file.write_all(text.as_bytes()).map_err(fail)?)
}
