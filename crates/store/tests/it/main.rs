//! The ledger on disk: appended to, interrupted, tampered with and shared.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod append;
#[cfg(test)]
mod audits;
#[cfg(test)]
#[path = "../../../evidence/tests/it/authenticator.rs"]
mod authenticator;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod cosign;
#[cfg(test)]
mod create;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod emergencies;
#[cfg(test)]
mod engagements;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod findings;
#[cfg(test)]
mod flips;
#[cfg(test)]
mod furnishings;
#[cfg(test)]
mod governance;
#[cfg(test)]
mod history;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod passkeys;
#[cfg(test)]
mod projection;
#[cfg(test)]
mod redemptions;
#[cfg(test)]
mod reviews;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod s3;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod submissions;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod workloads;
