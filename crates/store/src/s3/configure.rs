//! The bucket itself: made, and its default rule. Replication needs none of this, and no right to do it.

use super::object::MAX_SMALL;
use super::transport::{Bucket, Call, Reply};
use super::{S3Error, xml};

/// A default rule: mode, `Days` or `Years`, and how many.
pub type DefaultRule = (String, &'static str, u32);

impl Bucket {
    /// Makes the bucket; `with_lock` switches Object Lock on, which on most storages can only be done now.
    ///
    /// # Errors
    /// What the storage or the way to it says.
    pub fn create(&self, with_lock: bool) -> Result<(), S3Error> {
        let region = self.location().region();
        // AWS's first region is the one that must not be named.
        let body = if region == "us-east-1" { String::new() } else { xml::create(region) };
        let mut call = Call::new("make", "PUT", self.location().bucket());
        if with_lock {
            call = call.header("x-amz-bucket-object-lock-enabled", "true");
        }
        self.done(call.body(body.as_bytes()))
    }

    /// The rule for what is written without a lock of its own; `None` where there is none.
    ///
    /// # Errors
    /// What the storage or the way to it says.
    pub fn default_rule(&self) -> Result<Option<DefaultRule>, S3Error> {
        let call = Call::new("look at the default rule of", "GET", self.location().bucket()).query("object-lock", "");
        match self.ask(&call, MAX_SMALL)? {
            Reply::Good(_, bytes) => xml::default_rule(&bytes).map_err(|what| S3Error::Unexpected {
                action: call.action,
                name: call.name.to_owned(),
                what,
            }),
            Reply::Bad(said) => Err(self.refused(&call, said)),
        }
    }

    /// Sets the default rule, or removes it.
    ///
    /// # Errors
    /// What the storage or the way to it says.
    pub fn set_default_rule(&self, rule: Option<(&str, &str, u32)>) -> Result<(), S3Error> {
        let body = xml::lock_configuration(rule);
        let call = Call::new("set the default rule of", "PUT", self.location().bucket()).query("object-lock", "");
        self.done(call.body(body.as_bytes()))
    }
}
