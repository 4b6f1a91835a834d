//! Whether the record holds, for somebody who trusts neither this machine nor whoever wrote the ledger.

pub mod verify;
pub mod witness;
