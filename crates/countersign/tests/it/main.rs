//! Tests of the real binary.

mod bad_input;
mod contract;
#[cfg(test)]
mod docs;
mod release;
mod repositories;
mod story;
mod support;
