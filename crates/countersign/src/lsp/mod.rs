//! `lsp`: the scanner's findings in an editor, while somebody types. A language server over standard input and output
//! (Language Server Protocol 3.17).
//!
//! | module | holds |
//! |---|---|
//! | `frames` | how messages are told apart |
//! | `text`, `uri` | places and addresses as editors write them |
//! | `documents` | open texts, bounded |
//! | `projects` | what a repository asks for, and the scan of one text |
//! | `words` | diagnostics, hovers, quick fixes |
//! | `server` | which message does what |
//!
//! One thread reads, one does everything else, in the order in which messages come. What is published was found in the
//! text of the version that it names.

mod documents;
mod frames;
mod projects;
mod server;
mod text;
mod uri;
mod words;

use std::sync::mpsc::sync_channel;

use countersign_scan::RuleSet;
use countersign_scan::references::References;

use crate::cli::args::PlaceArgs;
use crate::errors::Outcome;
use crate::output;
use frames::Frame;
use server::Server;
pub(crate) use uri::{bytes_of, path_of};

/// How many messages are read ahead: enough to see that a text has changed while it was looked at.
const AHEAD: usize = 4;

/// Serves until the editor says that it is done.
pub(crate) fn serve(at: &PlaceArgs, rules: &RuleSet) -> Outcome {
    let references = References::shipped()?;
    let (sender, receiver) = sync_channel(AHEAD);
    // It ends with the process: nothing else ends a read of standard input.
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let frame = frames::read(&mut input);
            let is_last = matches!(frame, Frame::End | Frame::Broken(_));
            if sender.send(frame).is_err() || is_last {
                return;
            }
        }
    });
    let mut say = |body: &[u8]| output::print_bytes(&frames::write(body));
    Server::new(at, rules, &references, &mut say).run(&receiver)
}
