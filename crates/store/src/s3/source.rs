//! A bucket as a place that a ledger is read from.

use countersign_model::Digest;

use super::{Bucket, S3Error};
use crate::error::Error;
use crate::source::{Listed, Source};

impl Source for Bucket {
    fn place(&self) -> String {
        self.location().to_string()
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.get(name, limit).map_err(ours)?.map(|(_, bytes)| bytes))
    }

    fn stat(&self, name: &str, limit: u64) -> Result<Option<u64>, Error> {
        match self.head(name).map_err(ours)? {
            Some(meta) if meta.size > limit => Err(too_large(name, limit)),
            other => Ok(other.map(|meta| meta.size)),
        }
    }

    fn digest(&self, name: &str, limit: u64) -> Result<Option<(u64, Digest)>, Error> {
        Ok(self.digest_of(name, limit).map_err(ours)?.map(|(meta, digest)| (meta.size, digest)))
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<Listed>>, Error> {
        let found = Self::list(self, dir).map_err(ours)?;
        Ok(Some(found.into_iter().map(|f| Listed { name: f.name, is_dir: f.is_dir }).collect()))
    }
}

fn ours(error: S3Error) -> Error {
    match error {
        S3Error::TooLarge { name, limit } => too_large(&name, limit),
        other => other.into(),
    }
}

fn too_large(name: &str, limit: u64) -> Error {
    Error::corrupt(name, None, format!("at most {limit} bytes belong there"))
}
