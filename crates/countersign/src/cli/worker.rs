//! The process that evaluates a gate's policy: a question on standard input, an answer on standard output.

use std::io::{self, Read as _, Write as _};

use countersign_connect::worker::confine;
use countersign_model::Exit;
use countersign_policy::engine::worker::{MEMORY, serve};

use crate::output;

/// Answers one question. What a policy did wrong is an answer; else there is none, and the other side sees how this ended.
pub(crate) fn run() -> Exit {
    let answered = confine(MEMORY).map_err(|e| e.to_string()).and_then(|()| {
        let mut question = Vec::new();
        io::stdin().read_to_end(&mut question).map_err(|e| e.to_string())?;
        let answer = serve(&question).map_err(|e| e.to_string())?;
        io::stdout().write_all(&answer).map_err(|e| e.to_string())
    });
    match answered {
        Ok(()) => Exit::Pass,
        Err(why) => {
            output::note(&why);
            Exit::Internal
        }
    }
}
