//! `completions` and `man`, generated from the same definitions as `--help`.

use clap::CommandFactory as _;
use countersign_model::Exit;

use super::args::{Cli, CompletionsArgs, ManArgs};
use crate::errors::{CliError, Outcome};
use crate::output;

/// Prints a completion script.
pub(crate) fn completions(args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "countersign", &mut script);
    output::print_bytes(&script)?;
    Ok(Exit::Pass)
}

/// Writes manual pages.
pub(crate) fn man(args: &ManArgs) -> Outcome {
    let fail = |source| CliError::Write { path: args.dir.clone(), source };
    std::fs::create_dir_all(&args.dir).map_err(fail)?;
    clap_mangen::generate_to(Cli::command(), &args.dir).map_err(fail)?;
    output::print(&format!(
        "✓ wrote manual pages into {}; read one: man {}/countersign.1\n",
        args.dir.display(),
        args.dir.display()
    ))?;
    Ok(Exit::Pass)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
