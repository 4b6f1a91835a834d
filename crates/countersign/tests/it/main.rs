//! Tests of the real binary.

#[cfg(test)]
mod api;
#[cfg(test)]
mod assess;
#[cfg(test)]
mod atrest;
#[cfg(test)]
#[cfg(unix)]
mod attacks;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod audit_furnish;
#[cfg(test)]
mod audit_threads;
#[cfg(test)]
mod auditor;
#[cfg(test)]
#[path = "../../../evidence/tests/it/authenticator.rs"]
mod authenticator;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
#[cfg(unix)]
mod browser;
#[cfg(test)]
mod bypass;
#[cfg(test)]
#[cfg(unix)]
mod certificates;
#[cfg(test)]
mod contract;
#[cfg(test)]
#[cfg(unix)]
mod database;
#[cfg(test)]
#[cfg(unix)]
mod database_keys;
#[cfg(test)]
#[cfg(unix)]
mod demo;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod duties;
#[cfg(test)]
mod emergencies;
#[cfg(test)]
#[cfg(unix)]
mod ending_acts;
#[cfg(test)]
#[cfg(unix)]
mod findings;
#[cfg(test)]
#[cfg(unix)]
mod follow;
#[cfg(test)]
mod governance;
#[cfg(test)]
mod grants;
#[cfg(test)]
#[cfg(unix)]
mod history;
#[cfg(test)]
#[cfg(unix)]
mod hooks;
#[cfg(test)]
#[cfg(unix)]
mod hsm;
#[cfg(test)]
mod identities;
#[cfg(test)]
mod lsp;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod notify_mail;
#[cfg(test)]
#[cfg(unix)]
mod openpgp;
#[cfg(test)]
#[cfg(unix)]
mod operations;
#[cfg(test)]
mod oscal;
#[cfg(test)]
mod packs;
#[cfg(test)]
#[cfg(unix)]
mod pages;
#[cfg(test)]
mod passkeys;
#[cfg(test)]
mod policy;
#[cfg(test)]
#[cfg(unix)]
mod populations;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod release;
#[cfg(test)]
#[cfg(unix)]
mod remote_acts;
#[cfg(test)]
#[cfg(unix)]
mod remote_audits;
#[cfg(test)]
#[cfg(unix)]
mod remote_certs;
#[cfg(test)]
#[cfg(unix)]
mod remote_commits;
#[cfg(test)]
mod remote_deploy;
#[cfg(test)]
#[cfg(unix)]
mod remote_documents;
#[cfg(test)]
#[cfg(unix)]
mod remote_enrol;
#[cfg(test)]
#[cfg(unix)]
mod remote_keys;
#[cfg(test)]
#[cfg(unix)]
mod remote_lists;
#[cfg(test)]
#[cfg(unix)]
mod remote_people;
#[cfg(test)]
#[cfg(unix)]
mod remote_policy;
#[cfg(test)]
#[cfg(unix)]
mod remote_registry;
#[cfg(test)]
#[cfg(unix)]
mod remote_retention;
#[cfg(test)]
#[cfg(unix)]
mod remote_reviews;
#[cfg(test)]
#[cfg(unix)]
mod remote_rules;
mod reports;
#[cfg(test)]
mod repositories;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod reviews;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod runbook;
#[cfg(test)]
mod second_key;
#[cfg(test)]
mod secrets;
#[cfg(test)]
#[cfg(unix)]
mod server;
#[cfg(test)]
#[cfg(unix)]
mod server_acts;
#[cfg(test)]
#[cfg(unix)]
mod server_enrolment;
#[cfg(test)]
mod server_passkeys;
#[cfg(test)]
#[cfg(unix)]
mod sign_in;
#[cfg(test)]
#[cfg(unix)]
mod staged;
#[cfg(test)]
#[cfg(feature = "s3")]
mod storage;
#[cfg(test)]
mod story;
#[cfg(test)]
mod submit;
#[cfg(test)]
mod support;
#[cfg(test)]
mod timestamps;
#[cfg(test)]
mod tls;
#[cfg(test)]
#[cfg(unix)]
mod verify_now;
#[cfg(test)]
#[cfg(unix)]
mod waiver_acts;
#[cfg(test)]
#[cfg(unix)]
mod witness;
#[cfg(test)]
#[cfg(unix)]
mod workload;
