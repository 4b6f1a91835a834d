//! Builtins that the interpreter lacks, or has in a way that no decision may depend on. One file a family.
//!
//! A [`Builtin`] is data: a name, a number of arguments and a function of them. How a call in a policy arrives here is
//! the business of the engine (`source/`), so adding one is adding a line to a family's table.

use std::fmt;

use regorus::Value;

mod args;
mod aws;
mod cidr;
mod collections;
pub(super) mod frozen;
mod globs;
mod graphql;
mod hash;
mod interpolate;
pub(crate) mod jose;
mod json;
mod json_schema;
mod jwk;
mod jws;
mod jwt;
mod patch;
mod pem;
mod private_keys;
mod refused;
mod template;
mod text;
mod uri;
mod uuid;
mod x509;
mod x509_verify;
mod yaml;

#[cfg(test)]
mod jwt_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod x509_tests;

/// The most elements that a builtin may put into one answer.
const MAX_ELEMENTS: usize = 1_000_000;

/// The most bytes of text that a builtin may put into one answer.
const MAX_BYTES: usize = 16 << 20;

/// A function that policies may call.
pub(super) struct Builtin {
    /// As it is called, `net.cidr_merge`.
    pub(super) name: &'static str,
    /// The number of its arguments. A call may have one more, which is unified with the answer.
    pub(super) arity: u8,
    /// The answer. No argument is undefined: such a call is undefined itself and never comes here.
    pub(super) call: fn(&[Value]) -> Result<Value, Fault>,
}

/// Why a builtin has no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The arguments are wrong in kind or value. An error where builtin errors are strict, else undefined, as OPA has it.
    Operand(String),
    /// No answer could be the same everywhere and always, or it would take too much: an error always.
    Refused(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operand(text) | Self::Refused(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Fault {}

/// Every builtin of ours.
pub(super) fn all() -> impl Iterator<Item = &'static Builtin> {
    const FAMILIES: &[&[Builtin]] = &[
        aws::FAMILY,
        cidr::FAMILY,
        collections::FAMILY,
        frozen::FAMILY,
        globs::FAMILY,
        graphql::FAMILY,
        hash::FAMILY,
        interpolate::FAMILY,
        json::FAMILY,
        json_schema::FAMILY,
        jwt::FAMILY,
        patch::FAMILY,
        private_keys::FAMILY,
        refused::FAMILY,
        template::FAMILY,
        text::FAMILY,
        uri::FAMILY,
        uuid::FAMILY,
        x509::FAMILY,
        x509_verify::FAMILY,
        yaml::FAMILY,
    ];
    FAMILIES.iter().copied().flatten()
}

/// The builtin of that name.
pub(super) fn find(name: &str) -> Option<&'static Builtin> {
    all().find(|b| b.name == name)
}
