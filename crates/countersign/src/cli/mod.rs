//! One file a verb. A verb reads its arguments, calls a use case, and hands what came of it to `output`.

mod access;
mod access_args;
mod access_review;
mod approvals;
mod approvals_args;
mod approve;
pub(crate) mod args;
mod assess;
mod audit;
mod audit_args;
mod audit_furnish;
mod audit_furnish_args;
mod audit_thread;
mod audit_thread_args;
mod backup;
mod break_glass;
mod break_glass_args;
mod calm;
mod catalogue;
mod catalogue_args;
mod ci;
mod ci_args;
mod commit_args;
pub(crate) mod control;
mod demo;
mod deploy;
mod dispose;
mod doctor;
mod enforcement;
mod enforcement_args;
mod environment;
mod explain;
mod findings;
mod findings_args;
mod framework;
mod gate;
mod grant;
mod grant_args;
mod handed;
mod hook;
mod hook_args;
pub(crate) mod init;
mod issuer;
mod issuer_args;
mod key;
mod ledger;
mod ledger_args;
mod login;
mod looked;
mod lsp;
mod notes;
mod notify;
mod notify_args;
mod oscal;
mod oscal_args;
mod person_account;
mod person_account_args;
mod person_ca;
mod person_ca_args;
mod person_key;
mod person_key_args;
mod person_krl;
mod person_krl_args;
mod pipeline;
mod place;
mod policy;
mod policy_args;
mod record;
mod registry;
mod registry_args;
mod remote;
mod remote_accounts;
mod remote_acts;
mod remote_audits;
mod remote_certificates;
mod remote_commits;
mod remote_documents;
mod remote_gates;
mod remote_glass;
mod remote_grants;
mod remote_keys;
mod remote_krl;
mod remote_lists;
mod remote_overrides;
mod remote_people;
mod remote_registry;
mod remote_retention;
mod remote_reviews;
mod remote_rules;
mod remote_says;
mod replay;
mod requests;
mod retention;
mod retention_args;
mod role;
mod role_args;
mod run;
mod runbook;
mod runbook_args;
pub(crate) mod scan;
mod secrets;
mod secrets_args;
mod secrets_audit;
mod serve;
mod serve_args;
mod server_args;
mod shell;
mod snapshot;
mod snapshot_args;
mod stamp_args;
mod storage;
mod suppression;
mod token;
mod token_args;
mod trust;
mod verify;
mod waive;
mod waive_args;
mod witness;
mod witnessing;
mod worker;

use clap::Parser as _;
use countersign_model::Exit;
use countersign_stages::build::confined;

pub(crate) use requests::declaration;

use crate::config::Environment;
use crate::errors::Outcome;
use crate::output;
use args::{Cli, Verb};
use audit_args::{AuditVerb, PopulationArgs};
use catalogue_args::AssessArgs;

/// Parses, dispatches, and turns an expected error into text and an exit code.
pub(crate) fn main() -> Exit {
    // Not a verb for people, so not one that help, completions and the manual speak of.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == confined::WORKER) {
        return worker::run();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let help = matches!(e.kind(), clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion);
            // Nowhere is left to complain when this fails.
            let _ = e.print();
            return if help { Exit::Pass } else { Exit::Usage };
        }
    };
    let env = Environment::read();
    let outcome = dispatch(&cli, &env);
    if appends(&cli.verb) {
        witnessing::after(&cli.place, &env);
    }
    match outcome {
        Ok(exit) => exit,
        Err(failure) => {
            output::failure(&failure);
            failure.0.exit()
        }
    }
}

/// Whether a command may append, so that witnesses are to be asked. Failures are recorded too, so its outcome does not matter.
const fn appends(verb: &Verb) -> bool {
    if let Verb::Policy(args) = verb {
        return matches!(args.verb, policy_args::PolicyVerb::Activate { .. });
    }
    if let Verb::Audit(args) = verb {
        return matches!(
            args.verb,
            AuditVerb::Pack(_) | AuditVerb::Population(PopulationArgs { seal: true, .. }) | AuditVerb::Sample(_)
        );
    }
    matches!(
        verb,
        Verb::Run(_)
            | Verb::Record(_)
            | Verb::Gate(_)
            | Verb::Init(_)
            | Verb::Person(_)
            | Verb::Role(_)
            | Verb::Access(_)
            | Verb::Claim(_)
            | Verb::Suppression(_)
            | Verb::Application(_)
            | Verb::Environment(_)
            | Verb::Enforcement(_)
            | Verb::Issuer(_)
            | Verb::Waive(_)
            | Verb::Approve(_)
            | Verb::Reject(_)
            | Verb::Withdraw(_)
            | Verb::Approvals(_)
            | Verb::Import(_)
            | Verb::Deploy(_)
            | Verb::Grant(_)
            | Verb::BreakGlass(_)
            | Verb::Snapshot(_)
            | Verb::Assess(AssessArgs { record: true, .. })
    )
}

fn dispatch(cli: &Cli, env: &Environment) -> Outcome {
    let at = &cli.place;
    match &cli.verb {
        Verb::Run(a) => run::run(at, a, env),
        Verb::Scan(a) => scan::run(at, a, env),
        Verb::Hook(a) => hook::run(at, a, env),
        Verb::Lsp(a) => lsp::run(at, a),
        Verb::Secrets(a) => secrets::run(at, a, env),
        Verb::Findings(a) => findings::run(at, a, env),
        Verb::Record(a) => record::run(at, a, env),
        Verb::Gate(a) => gate::run(at, a, env),
        Verb::Replay(a) => replay::run(at, a, env),
        Verb::Init(a) => init::run(at, a, env),
        Verb::Person(a) => access::person(at, a, env),
        Verb::Role(a) => role::role(at, a, env),
        Verb::Access(a) => access_review::run(at, a, env),
        Verb::Policy(a) => policy::run(at, a, env),
        Verb::Claim(a) => access::claim(at, a, env),
        Verb::Suppression(a) => suppression::run(at, a, env),
        Verb::Application(a) => registry::application(at, a, env),
        Verb::Environment(a) => registry::environment(at, a, env),
        Verb::Enforcement(a) => enforcement::run(at, a, env),
        Verb::Issuer(a) => issuer::run(at, a, env),
        Verb::Runbook(a) => runbook::run(at, a, env),
        Verb::Waive(a) => waive::run(at, a, env),
        Verb::Approve(a) => approve::run(at, a, env),
        Verb::Reject(a) => approvals::reject(at, a, env),
        Verb::Withdraw(a) => approvals::withdraw(at, a, env),
        Verb::Approvals(a) => approvals::run(at, a, env),
        Verb::Import(a) => approve::import(at, a, env),
        Verb::Deploy(a) => deploy::run(at, a, env),
        Verb::Grant(a) => grant::run(at, a, env),
        Verb::BreakGlass(a) => break_glass::run(at, a, env),
        Verb::Snapshot(a) => snapshot::run(at, a, env),
        Verb::Drift(a) => snapshot::drift(at, a, env),
        Verb::Framework(a) => framework::run(at, a, env),
        Verb::Control(a) => control::run(at, a, env),
        Verb::Assess(a) => assess::run(at, a, env),
        Verb::Audit(a) => audit::run(at, a, env),
        Verb::Verify(a) => verify::run(at, a, env),
        Verb::Ledger(a) => ledger::run(at, a, env),
        Verb::Key(a) => key::run(at, a, env),
        Verb::Retention(a) => retention::run(at, a, env),
        Verb::Hold(a) => retention::hold(at, a, env),
        Verb::RecordsOfficer(a) => retention::records_officer(at, a, env),
        Verb::Trust(a) => trust::run(at, a, env),
        Verb::Serve(a) => serve::run(at, a, env),
        Verb::Demo(a) => demo::run(a, env),
        Verb::Notify(a) => notify::run(at, a, env),
        Verb::Login(a) => login::run(a, env),
        Verb::Token(a) => token::run(at, a, env),
        Verb::Witness(a) => witness::run(a, env),
        Verb::Doctor(a) => doctor::run(at, a, env),
        Verb::Explain(a) => explain::run(a),
        Verb::Completions(a) => shell::completions(a),
        Verb::Man(a) => shell::man(a),
    }
}
