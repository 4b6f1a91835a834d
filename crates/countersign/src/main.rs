//! Countersign: the command line.
//!
//! `main` parses, `cli` has one file a verb, `output` is the only room that prints, `config` the only one that reads
//! the environment. Verbs call `stages` and `govern`; they touch neither SQL nor files of the ledger.

mod channels;
mod cli;
mod config;
mod errors;
mod lsp;
mod output;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(cli::main().code())
}
