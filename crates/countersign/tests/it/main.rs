//! Tests of the real binary.

mod story;
