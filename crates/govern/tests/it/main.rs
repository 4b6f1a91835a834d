//! Tests of access and audit.

#[cfg(test)]
mod ledger;
#[cfg(test)]
mod retention;
