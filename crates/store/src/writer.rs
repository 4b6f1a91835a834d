//! Steps on the way to a new checkpoint: directories made, files written, names synced; and the way back.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use countersign_evidence::tile::{self, TileId, WIDTH};

use crate::intent::Intent;
use crate::layout::{self, INTENT, Item, Paths, TMP, parent};
use crate::storage::{Access, Storage};
use crate::{Error, Notice, error::code};

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

    /// Writes a new file where it belongs.
    pub(crate) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.make_dir(parent(name))?;
        match self.storage.write_new(&self.paths.at(name), bytes, Access::Open) {
            Ok(()) => {
                self.touched.insert(parent(name).to_owned());
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::corrupt(name, None, "a file stands where the next one belongs"))
            }
            Err(e) => Err(Error::writing("write", name, e)),
        }
    }

    /// Moves a file into place.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        self.make_dir(parent(to))?;
        self.storage.rename(&self.paths.at(from), &self.paths.at(to)).map_err(|e| Error::writing("place", to, e))?;
        self.touched.insert(parent(to).to_owned());
        Ok(())
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

    /// Ends the append under way, or one that was interrupted: finishes it when the checkpoint says that it happened,
    /// else takes back what it wrote. The holder of the lock calls this, with the size that the checkpoint says.
    pub(crate) fn settle(&mut self, size: u64) -> Result<Option<Notice>, Error> {
        let intent = Intent::read(self.paths)?;
        let notice = match &intent {
            None => None,
            Some(intent) if size >= intent.new => {
                self.remove_superseded(&intent.files)?;
                Some(format!(
                    "the append of entries {} to {} was complete; it is tidied up now",
                    intent.old,
                    intent.new - 1
                ))
            }
            Some(intent) if size == intent.old => {
                for name in &intent.files {
                    if !is_beyond(name, size) {
                        return Err(Error::corrupt(
                            INTENT,
                            None,
                            format!("it names `{name}`, which is part of the log"),
                        ));
                    }
                    self.remove(name)?;
                }
                let what = "was interrupted before anybody was told of it; what it left behind is removed";
                Some(format!("an append of {} entries after the first {} {what}", intent.new - intent.old, intent.old))
            }
            Some(intent) => {
                let what = format!("it goes from {} to {} entries, the checkpoint has {size}", intent.old, intent.new);
                return Err(Error::corrupt(INTENT, None, what));
            }
        };
        let leftovers = list(self.paths, TMP)?;
        for name in leftovers.iter().filter(|n| *n != INTENT) {
            self.remove(name)?;
        }
        // The note goes last, when nothing is left that it explains.
        self.sync()?;
        if leftovers.iter().any(|n| n == INTENT) {
            self.remove(INTENT)?;
        }
        self.touched.clear();
        Ok(notice.map(|what| Notice { code: code::HALF_WRITTEN, what }))
    }
}

/// Whether a tile or bundle lies beyond the log of `size` entries, so that no checkpoint ever named it. A blob does
/// when the append that named it did not happen.
fn is_beyond(name: &str, size: u64) -> bool {
    match Item::of(name) {
        Item::Tile(id) => id.width > tile::width_at(id.level, id.index, size),
        Item::Bundle(index, width) => width > tile::width_at(0, index, size),
        Item::Blob(_) => true,
        _ => false,
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
