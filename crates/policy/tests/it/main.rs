//! Tests of the room as others use it: the shipped bundle over facts, the Rego tests beside the policies, the engine's
//! promises (frozen, contained, exact about places), and the catalogue.
//!
//! `cfg(test)` stands at the modules so that the lints know their helpers for tests, too.

#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod enforcement;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod rego;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod shipped;
