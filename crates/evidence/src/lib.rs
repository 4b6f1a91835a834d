//! Proves: canonical bytes, Merkle tree, tiles, checkpoints, proofs and signatures. Bytes in, bytes out.
//!
//! Nothing here opens a file, a socket or a clock. The only thing asked of the machine is random bytes for new keys
//! and nonces ([`random`]). Formats are those of others, byte for byte, so that what we write can be checked without us:
//!
//! | module | holds | format | checked elsewhere with |
//! |---|---|---|---|
//! | [`canonical`] | one byte form for one JSON value | RFC 8785 | any JCS library |
//! | [`merkle`] | tree hashes, inclusion and consistency proofs | RFC 6962 §2.1 | Go `x/mod/sumdb/tlog` |
//! | [`tile`] | hash tiles, entry bundles and their paths | C2SP tlog-tiles | Go `x/mod/sumdb/tlog` |
//! | [`note`] | texts signed by machines with a name | C2SP signed-note | Go `x/mod/sumdb/note` |
//! | [`checkpoint`] | size and root of a log, signed | C2SP tlog-checkpoint | Go `x/mod/sumdb/note` |
//! | [`rotation`] | the log's key is exchanged: a note signed by the old and the new one | C2SP signed-note | Go `x/mod/sumdb/note` |
//! | [`cosignature`] | a witness's signature on a checkpoint | C2SP tlog-cosignature | any tlog witness or client |
//! | [`witness`] | what a witness is asked, and its decision | C2SP tlog-witness | any tlog witness or log |
//! | [`trust_policy`] | which logs and how many witnesses are enough | C2SP tlog-policy | any tlog-policy reader |
//! | [`receipt`] | offline proof that one entry is in the log | C2SP tlog-proof | any tlog-proof reader |
//! | [`statement`] | what a signature is about | in-toto Statement v1 | any in-toto reader |
//! | [`dsse`] | a recorder's signature over a statement | DSSE v1 | any in-toto reader, `openssl` |
//! | [`grant_token`] | a grant to deploy, for tools | JWT, JWS with EdDSA (RFC 7519, 7515, 8037) | any JWT library |
//! | [`machine`] | the recorder's key | PKCS #8, RFC 8410 | `openssl pkey` |
//! | [`signer`] | a key in a device: signatures from elsewhere, verified before use | RFC 8032 | |
//! | [`sshsig`] | a person's signature | OpenSSH PROTOCOL.sshsig | `ssh-keygen -Y verify` |
//! | [`openpgp`] | the frame of a signature in a commit, and of a certificate | RFC 9580 | `gpg --verify` |
//! | [`webauthn`] | a passkey, and its signature as an SSH signature | WebAuthn Level 2, OpenSSH PROTOCOL.u2f | `ssh-keygen -Y verify` |
//! | [`mod@pack`] | evidence packs: a zip in one canonical form with a signed manifest | PKWARE APPNOTE, DSSE | `unzip`, `sha256sum`, `openssl` |
//! | [`act`] | a person's signed act, as it is stored | canonical JSON of ours | `ssh-keygen -Y verify` on the payload |
//! | [`jwt`] | a workload's identity token | JWS and JWT, RFC 7515 to 7519 | any JOSE library |
//! | [`payload_key`] | payloads at rest under a key of the ledger | XChaCha20-Poly1305 | any libsodium |
//! | [`sample`] | which members of a population a seed chooses | SHA-256 | ten lines of Python |
//! | [`seal`] | personal data under a key that can be destroyed | XChaCha20-Poly1305 | any libsodium |
//!
//! Three habits hold in every module:
//!
//! - **Strict readers.** A text has one accepted form (decimal without leading zeros, padded base64 without stray
//!   bits, canonical JSON), so two different byte strings never mean the same evidence.
//! - **Bounded readers.** Sizes and counts have a limit before anything is allocated for them.
//! - **Fail closed.** A signature of a known key that does not verify rejects the whole document, although another
//!   signature on it may be good; a document without a signature of a known key is rejected as well.
//!
//! Errors are one enum, [`Error`], with stable codes; [`EXPLANATIONS`] holds the long text behind each of them.

pub mod act;
pub mod canonical;
pub mod checkpoint;
pub mod cosignature;
pub mod dsse;
pub mod encoding;
mod error;
mod explain;
pub mod grant_token;
pub mod jwt;
pub mod machine;
pub mod merkle;
mod mldsa;
pub mod note;
pub mod openpgp;
pub mod pack;
pub mod payload_key;
mod random;
pub mod receipt;
pub mod rotation;
pub mod sample;
pub mod seal;
pub mod signer;
pub mod sshsig;
pub mod statement;
pub mod tile;
pub mod timestamp;
pub mod trust_policy;
mod verifier;
pub mod webauthn;
pub mod witness;

pub use encoding::{from_base64, to_base64};
pub use error::Error;
pub use explain::EXPLANATIONS;
pub use random::random;
