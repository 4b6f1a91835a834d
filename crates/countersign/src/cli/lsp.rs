//! `lsp`: a language server for editors.

use countersign_scan::RuleSet;

use super::args::PlaceArgs;
use super::secrets_args::LspArgs;
use crate::errors::Outcome;
use crate::{lsp, output};

/// Serves one editor over standard input and output.
pub(crate) fn run(at: &PlaceArgs, args: &LspArgs) -> Outcome {
    let rules = if args.rules.is_empty() { RuleSet::shipped()? } else { RuleSet::load(&args.rules)? };
    for note in rules.notes() {
        output::note(note);
    }
    lsp::serve(at, &rules)
}
