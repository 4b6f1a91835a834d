//! `hook`: installs, shows, removes and runs git hooks.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use countersign_connect::git::Commits;
use countersign_model::Exit;
use countersign_stages::commit::hooks::{self, HookState, HookStatus, Place, PlaceKind, Removed};
use serde_json::json;

use super::args::{Format, PlaceArgs};
use super::hook_args::{HookArgs, HookRun, HookVerb};
use super::scan;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// The largest message that is read, in bytes.
const MOST_MESSAGE: u64 = 64 * 1024 * 1024;

/// The largest list of pushed references, in bytes.
const MOST_PUSHED: u64 = 64 * 1024 * 1024;

pub(crate) fn run(at: &PlaceArgs, args: &HookArgs, env: &Environment) -> Outcome {
    match &args.verb {
        HookVerb::Install { global } => install(at, *global, env),
        HookVerb::Status { global, format } => status(at, *global, *format, env),
        HookVerb::Uninstall { global } => uninstall(at, *global, env),
        HookVerb::Run { hook } => match hook {
            HookRun::PreCommit { .. } => scan::before_commit(at, env),
            HookRun::CommitMsg { file } => scan::message(at, file, &message(file)?, env),
            HookRun::PrePush { remote, url } => {
                scan::before_push(at, &pushed(remote.as_deref(), url.as_deref(), env)?, env)
            }
        },
    }
}

/// Where this program is.
fn program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|source| CliError::Read { path: "countersign".into(), source }.into())
}

/// Where hooks for the whole machine are kept unless the configuration says otherwise.
fn own(env: &Environment) -> Result<PathBuf, Failure> {
    Ok(env.data_dir.as_ref().ok_or(CliError::NoHome)?.join("hooks"))
}

fn install(at: &PlaceArgs, global: bool, env: &Environment) -> Outcome {
    let program = program()?;
    let (place, hooks) = if global {
        hooks::install_machine(&own(env)?, &program)?
    } else {
        let place = hooks::place(&at.repository()?)?;
        let hooks = hooks::install(&place, &program)?;
        (place, hooks)
    };
    let mut text = format!("hooks are in {}\n", shown(&place.dir));
    for hook in &hooks {
        text.push_str(&line(hook));
    }
    match place.kind {
        PlaceKind::Machine if global => text.push_str(
            "core.hooksPath of your configuration names this folder, so every repository of yours has them. A \
             repository's own hooks go first; one with a core.hooksPath of its own (husky) needs its own installation.\n",
        ),
        PlaceKind::Machine => text.push_str("they are there for every repository of yours; nothing was to be done\n"),
        PlaceKind::Husky | PlaceKind::Shared => text.push_str(
            "these files belong to the repository: commit them, and everybody who works here needs countersign\n",
        ),
        PlaceKind::Own | PlaceKind::Configured => {}
    }
    output::print(&text)?;
    Ok(Exit::Pass)
}

fn status(at: &PlaceArgs, global: bool, format: Format, env: &Environment) -> Outcome {
    let program = program()?;
    let (place, active) = if global {
        let (place, set) = hooks::machine_place(&own(env)?)?;
        (place, set)
    } else {
        (hooks::place(&at.repository()?)?, true)
    };
    let hooks = hooks::status(&place, &program)?;
    let good = active && hooks.iter().all(|h| h.state == HookState::Current);
    match format {
        Format::Json => output::json(&json!({
            "version": 1,
            "place": place.dir.to_string_lossy(),
            "through": place.kind.as_str(),
            "active": good,
            "hooks": hooks.iter().map(|h| json!({
                "hook": h.hook.name(), "state": h.state.as_str(), "file": h.file.to_string_lossy(),
                "before": h.before.as_ref().map(|b| b.to_string_lossy()),
            })).collect::<Vec<_>>(),
        }))?,
        Format::Text => {
            let mut text = format!("hooks are in {} ({})\n", shown(&place.dir), place.kind.as_str());
            for hook in &hooks {
                text.push_str(&line(hook));
            }
            if !active {
                text.push_str("core.hooksPath of your configuration does not name this folder, so none of them runs\n");
            }
            if !good {
                text.push_str(&format!("next: countersign hook install{}\n", if global { " --global" } else { "" }));
            }
            output::print(&text)?;
        }
    }
    Ok(if good { Exit::Pass } else { Exit::Drift })
}

fn uninstall(at: &PlaceArgs, global: bool, env: &Environment) -> Outcome {
    let program = program()?;
    let removed = if global {
        hooks::uninstall_machine(&own(env)?, &program)?
    } else {
        let place: Place = hooks::place(&at.repository()?)?;
        hooks::uninstall(&place, &program)?
    };
    let mut text = String::new();
    for (hook, removed) in &removed {
        let what = match removed {
            Removed::Gone => "removed",
            Removed::Restored => "removed; what was here before is back",
            Removed::NotOurs => "is not ours, and stays",
            Removed::Absent => "was not installed",
        };
        text.push_str(&format!("  {:<11} {what}\n", hook.hook.name()));
    }
    output::print(&text)?;
    Ok(Exit::Pass)
}

fn line(hook: &HookStatus) -> String {
    let what = match hook.state {
        HookState::Current => "ours, current",
        HookState::Outdated => "ours, from another version or another place of this program",
        HookState::Foreign => "there, and not ours",
        HookState::NotExecutable => "ours, and git does not run it: it may not be executed",
        HookState::Absent => "not there",
    };
    let before = match &hook.before {
        Some(before) => format!("; {} goes first", shown(Path::new(before.file_name().unwrap_or_default()))),
        None => String::new(),
    };
    format!("  {:<11} {what}{before}\n", hook.hook.name())
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// The message in a file.
fn message(file: &Path) -> Result<Vec<u8>, Failure> {
    let fault = |source| CliError::Read { path: file.to_owned(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(fault)?.take(MOST_MESSAGE + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > MOST_MESSAGE {
        return Err(fault(std::io::ErrorKind::FileTooLarge.into()).into());
    }
    Ok(bytes)
}

/// The commits of a push: from the lines that git writes, or from the pre-commit framework's variables.
fn pushed(remote: Option<&str>, url: Option<&str>, env: &Environment) -> Result<Commits, Failure> {
    let mut text = String::new();
    let fault = |source| CliError::Read { path: "standard input".into(), source };
    std::io::stdin().lock().take(MOST_PUSHED + 1).read_to_string(&mut text).map_err(fault)?;
    if text.len() as u64 > MOST_PUSHED {
        return Err(fault(std::io::ErrorKind::FileTooLarge.into()).into());
    }
    // The framework keeps git's lines to itself.
    if let (true, Some(framework)) = (text.trim().is_empty(), &env.pre_commit) {
        // Without a range the framework means everything that is checked out.
        let new = vec![framework.to.clone().unwrap_or_else(|| "HEAD".to_owned())];
        let known = framework.from.iter().cloned().collect();
        return Ok(Commits::Pushed { new, known, remote: framework.remote.clone() });
    }
    // A push to an address has no tracking branches: its name is the address.
    let remote = remote.filter(|name| Some(*name) != url).map(str::to_owned);
    let (mut new, mut known) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        // `LOCAL-REF ID REMOTE-REF ID` (githooks, "pre-push"); zeros stand for a branch that is not there.
        let words: Vec<&str> = line.split(' ').collect();
        let [_, ours, _, theirs] = words.as_slice() else {
            return Err(CliError::Usage {
                what: format!("`{}` is not what git writes to the hook pre-push", printable(line)),
                help: "let git start it: git push".into(),
            }
            .into());
        };
        let is_there = |id: &str| !id.bytes().all(|b| b == b'0');
        if is_there(ours) {
            new.push((*ours).to_owned());
            if is_there(theirs) {
                known.push((*theirs).to_owned());
            }
        }
    }
    Ok(Commits::Pushed { new, known, remote })
}
