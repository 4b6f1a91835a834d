//! What the room promises, checked from outside: vectors of the specifications, other implementations, hostile bytes.

#[cfg(test)]
mod act;
#[cfg(test)]
mod authenticator;
#[cfg(test)]
mod canonical;
#[cfg(test)]
mod certificate;
#[cfg(test)]
mod cloudflare;
#[cfg(test)]
mod cosignature;
#[cfg(test)]
mod dsse;
#[cfg(test)]
mod go;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod jwt;
#[cfg(test)]
mod krl;
#[cfg(test)]
mod merkle;
#[cfg(test)]
mod note;
#[cfg(test)]
mod pack;
#[cfg(test)]
mod receipt;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod seal;
#[cfg(test)]
mod signer;
#[cfg(test)]
mod ssh;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tile;
#[cfg(test)]
mod trust_policy;
#[cfg(test)]
mod webauthn;
#[cfg(test)]
mod witness;
