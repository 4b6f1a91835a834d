//! Tells people what they must act on, through channels that an administrator configured.
//!
//! | file | holds |
//! |---|---|
//! | `wanted.rs` | what somebody has to be told: a function of the log and the time, and of nothing else |
//! | `channel.rs` | a channel, and which notices go through it |
//! | `shape.rs` | a message as webhooks, Slack, Teams and mail want it |
//! | `send.rs` | who sends what when: begin, deliver, record |
//!
//! Control objective: whoever has to decide hears of it in time, and it can be shown that they were told (NIST SP 800-53 SI-4(5), AU-5;
//! DORA Art. 10(2); PCI DSS 10.7.2).
//!
//! Nothing is remembered beside the log. What a channel was told is an entry, so a server that is started again, a second one beside it
//! and a scheduled `countersign notify` tell nobody twice and forget nothing. An attempt is begun by an entry: of two that want to
//! send the same, one sends. Who dies between sending and recording leaves an attempt without an end; after its time another is
//! made, under the same name of the message, by which a receiver can tell that it is the same.
//!
//! Records: `NotificationStarted`, `NotificationSent`, `NotificationFailed`.

mod channel;
mod send;
mod shape;
mod wanted;

pub use channel::{Channel, Way};
pub use send::{Delivery, Outcome, Sending, Standing, arrivals, pass, standing, test};
pub use shape::Message;
pub use wanted::{Notice, wanted};
