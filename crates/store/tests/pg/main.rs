//! The engine that keeps ledgers in PostgreSQL, against a real server.

#![cfg(test)]

mod append;
mod child;
mod cluster;
mod faults;
mod insider;
mod keys;
mod many;
mod remove;
mod roles;
mod support;
