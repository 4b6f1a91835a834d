//! The room against real programs: git, ssh-keygen, ssh-agent.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers end the test, and say what is skipped")]

#[cfg(unix)]
mod device;
mod hostile;
mod mirror;
mod oidc;
mod openpgp;
mod reading;
mod running;
mod shapes;
mod signing;
mod support;
