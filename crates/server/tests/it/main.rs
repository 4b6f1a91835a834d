//! What is served, and what a witness remembers, checked from outside.

#[cfg(test)]
mod publish;
#[cfg(test)]
mod witness;
