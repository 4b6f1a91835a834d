//! `login`: sign in to a server with the key that one approves with.

use countersign_connect::login::ServerClient;
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::statement::Subject;
use countersign_model::event::SignInAsked;
use countersign_model::{Digest, Exit};
use countersign_store::session::act_statement;
use serde_json::json;

use super::args::{Format, LoginArgs};
use crate::config::Environment;
use crate::errors::Outcome;
use crate::output;

/// `login`.
pub(crate) fn run(args: &LoginArgs, env: &Environment) -> Outcome {
    let server = ServerClient::new(&args.server)?;
    let signer = args.key.signer(env)?;
    let given = server.challenge()?;
    let subject = Subject::sha256(&given.server, &Digest::of(given.challenge.as_bytes()));
    let asked =
        SignInAsked { server: given.server, origin: given.origin, challenge: given.challenge, time: env.clock.now() };
    let statement = act_statement(vec![subject], asked)?;
    let signature = signer.sign(act::SIGN_IN, &statement)?;
    let signed = SignedAct::new(act::SIGN_IN, &statement, &signature, &signer.public_key())?;
    let welcome = server.answer(act::MEDIA_TYPE, &signed.to_vec()?)?;
    match args.format {
        Format::Json => output::json(&json!({
            "version": 1, "person": welcome.person, "link": welcome.link, "seconds": welcome.seconds,
        }))?,
        Format::Text => output::print(&format!(
            "Open this in your browser within {} seconds; it signs you in once, as {}:\n  {}\n",
            welcome.seconds, welcome.person, welcome.link
        ))?,
    }
    Ok(Exit::Pass)
}
