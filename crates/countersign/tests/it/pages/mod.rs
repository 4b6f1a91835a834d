//! Every page of the server without a browser: what it says and how it is built, held against what stands in `snapshots/`; every
//! number with a link, followed and counted; and what a ledger may hold that no page was written for.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p countersign --test it pages::` writes the snapshots anew.

mod house;
#[cfg(debug_assertions)]
mod markup;
#[cfg(debug_assertions)]
pub(crate) mod numbers;
#[cfg(debug_assertions)]
pub(crate) mod odd;
#[cfg(debug_assertions)]
mod snapshots;
pub(crate) mod walk;

pub(crate) use house::{House, PEOPLE};
