//! How this room asks over HTTP: no redirect is followed, no proxy is used, every status is looked at, and there is an end to it.

use std::time::Duration;

/// An agent that gives up on a connection after `connect`, and on the whole exchange after `exchange`.
pub(crate) fn agent(connect: Duration, exchange: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(connect))
        .timeout_global(Some(exchange))
        .build()
        .new_agent()
}
