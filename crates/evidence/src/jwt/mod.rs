//! Identity tokens of workloads: JSON Web Tokens (RFC 7519) in compact JWS form (RFC 7515), verified under a JWK set
//! (RFC 7517). Bytes in, bytes out: who fetches the set, and what the ledger knows of replays, is seen to elsewhere.
//!
//! The reader is narrower than the specifications, after RFC 8725 and what has gone wrong in others:
//!
//! - only signatures by asymmetric keys ([`Algorithm`]); `none` and `HS*` have no name here, so nothing can choose them;
//! - one accepted form: three segments of base64url without padding or stray bits, JSON objects without a key twice,
//!   [`MAX_TOKEN`] bytes at most; neither the JSON form of a JWS nor a JWE;
//! - the key comes from the issuer's set alone. A header that brings or names a key itself (`jwk`, `jku`, `x5c`, `x5u`)
//!   is refused, and so is one with `crit`, `b64`, `zip` or `cty`;
//! - `kid` is needed where the set has several keys; `alg`, `use` and `key_ops` of a key are respected; RSA has 2048 bits
//!   at least (RFC 7518 3.3), ECDSA the one curve of its algorithm (RFC 7518 3.4), Ed25519 no weak point;
//! - `iss` is exactly the expected one, `aud` holds an expected one, `exp` and `iat` are there and lie around now, and
//!   together not further apart than the issuer's tokens live.

mod error;
mod explain;
mod json;
mod key;
mod token;

pub use error::TokenError;
pub use explain::EXPLANATIONS;
pub use key::{Algorithm, KeySet, MAX_SET, thumbprint};
pub use token::{Expected, MAX_TOKEN, Token, Verified};
