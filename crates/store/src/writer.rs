//! Steps on the way to a new checkpoint: directories made, files written, names synced; and the way back.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use countersign_evidence::tile::{TileId, WIDTH};

use crate::Error;
use crate::layout::{self, Item, Paths, parent};
use crate::storage::Storage;

/// Writes files and remembers which directories must be synced.
pub(crate) struct Writer<'a> {
    pub(crate) paths: &'a Paths,
    pub(crate) storage: &'a dyn Storage,
    touched: BTreeSet<String>,
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(paths: &'a Paths, storage: &'a dyn Storage) -> Self {
        Self { paths, storage, touched: BTreeSet::new() }
    }

    /// Removes a file if it is there.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), Error> {
        match self.storage.remove(&self.paths.at(name)) {
            Ok(()) => {
                self.touched.insert(parent(name).to_owned());
                Ok(())
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
            Err(e) => Err(Error::writing("remove", name, e)),
        }
    }

    /// Makes every change so far durable: each touched directory once.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        for dir in std::mem::take(&mut self.touched) {
            self.storage.sync_dir(&self.paths.at(&dir)).map_err(|e| Error::writing("sync", dir, e))?;
        }
        Ok(())
    }

    pub(crate) fn make_dir(&mut self, name: &str) -> Result<(), Error> {
        if name.is_empty() || self.paths.at(name).is_dir() {
            return Ok(());
        }
        self.make_dir(parent(name))?;
        self.storage.create_dir(&self.paths.at(name)).map_err(|e| Error::writing("make", name, e))?;
        self.touched.insert(parent(name).to_owned());
        Ok(())
    }

    /// Removes the partial tiles and bundles of those among `files` that are full now.
    pub(crate) fn remove_superseded<'n>(&mut self, files: impl IntoIterator<Item = &'n String>) -> Result<(), Error> {
        for name in files {
            let full = match Item::of(name) {
                Item::Tile(TileId { width: WIDTH, .. }) => true,
                Item::Bundle(_, width) => width == WIDTH,
                _ => false,
            };
            let partials = format!("{name}.p");
            if full && self.paths.at(&partials).is_dir() {
                for file in list(self.paths, &partials)? {
                    self.remove(&file)?;
                }
                let removed = self.storage.remove_dir(&self.paths.at(&partials));
                removed.map_err(|e| Error::writing("remove", &partials, e))?;
                // The directory is gone, so it is its parent that must be synced.
                self.touched.remove(&partials);
                self.touched.insert(parent(&partials).to_owned());
            }
        }
        Ok(())
    }
}

/// The names of what stands in a directory of the ledger.
pub(crate) fn list(paths: &Paths, dir: &str) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(paths.at(dir)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::reading(dir, e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::reading(dir, e))?;
        names.push(layout::join(dir, &entry.file_name().to_string_lossy()));
    }
    names.sort_unstable();
    Ok(names)
}
