//! Before a commit is made: what is about to be committed is looked at where it is written. Nothing is recorded here;
//! continuous integration looks again at everything, and what it finds counts.
//!
//! | module | holds |
//! |---|---|
//! | [`staged`] | the index against `HEAD` |
//! | [`bypass`] | commits that a hook would have stopped |
//! | [`hooks`] | installs, shows and removes git hooks |
//! | `script` | their texts |
//! | [`history`] | what commits brought; a commit's message |

pub mod bypass;
pub mod history;
pub mod hooks;
mod script;
pub mod staged;

pub use script::Hook;
