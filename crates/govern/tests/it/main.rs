//! Tests of access and audit.

#[cfg(test)]
mod ledger;
