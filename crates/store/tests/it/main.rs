//! The ledger on disk: appended to, interrupted, tampered with and shared.

mod append;
mod concurrency;
mod create;
mod disk;
mod faults;
mod support;
mod tamper;
