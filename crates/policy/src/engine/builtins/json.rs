//! `json.is_valid`, which of what is not text is false.

use serde::de::IgnoredAny;

use super::Builtin;
use super::args::string;

pub(super) const FAMILY: &[Builtin] = &[Builtin {
    name: "json.is_valid",
    arity: 1,
    call: |args| Ok(string(args, 0).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok()).into()),
}];
