//! Builtins of OPA that no decision may use, or that we do not have. They are errors that say so, never silence.

use regorus::Value;

use super::{Builtin, Fault};

pub(super) const FAMILY: &[Builtin] = &[
    Builtin { name: "http.send", arity: 1, call: |_| refused("http.send", NETWORK) },
    Builtin { name: "net.lookup_ip_addr", arity: 1, call: |_| refused("net.lookup_ip_addr", NETWORK) },
    Builtin {
        name: "rego.parse_module",
        arity: 2,
        call: |_| refused("rego.parse_module", "OPA's syntax trees are not supported"),
    },
];

const NETWORK: &str = "a decision must not depend on a network";

fn refused(name: &str, why: &str) -> Result<Value, Fault> {
    Err(Fault::Refused(format!("`{name}` is not available: {why}")))
}
