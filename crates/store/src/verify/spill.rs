//! Records that are put aside until the whole log was seen: in memory while they are few, else in a temporary file that
//! has no name. They lie in 256 heaps, and one heap at a time is looked at, so that the memory does not grow with the log.

use rusqlite::Connection;

use crate::Error;

/// Bytes of a record.
pub(super) const RECORD: usize = 32;
/// Records that are held in memory: 2 MiB.
const HELD: usize = 1 << 16;
const HEAPS: usize = 256;

/// Records in heaps. Within a heap they keep their order.
#[derive(Debug)]
pub(super) struct Spill {
    heaps: Vec<Vec<[u8; RECORD]>>,
    held: usize,
    file: Option<Connection>,
}

impl Default for Spill {
    fn default() -> Self {
        Self { heaps: vec![Vec::new(); HEAPS], held: 0, file: None }
    }
}

impl Spill {
    /// Puts a record on a heap.
    ///
    /// # Errors
    /// [`Error::Aside`] when the temporary file cannot be written.
    pub(super) fn push(&mut self, heap: u8, record: [u8; RECORD]) -> Result<(), Error> {
        if let Some(heap) = self.heaps.get_mut(usize::from(heap)) {
            heap.push(record);
            self.held += 1;
        }
        if self.held >= HELD { self.flush().map_err(|source| Error::Aside { source }) } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), rusqlite::Error> {
        if self.file.is_none() {
            let file = Connection::open("")?;
            // It is never read again, so nothing has to survive: no journal, one transaction that never ends.
            file.execute_batch(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1024;
                 CREATE TABLE heaps (heap INTEGER NOT NULL, part INTEGER NOT NULL, records BLOB NOT NULL,
                    PRIMARY KEY (heap, part)) STRICT, WITHOUT ROWID; BEGIN",
            )?;
            self.file = Some(file);
        }
        let Some(file) = &self.file else { return Ok(()) };
        let mut insert = file
            .prepare_cached("INSERT INTO heaps SELECT ?1, coalesce(max(part), 0) + 1, ?2 FROM heaps WHERE heap = ?1")?;
        for (number, heap) in self.heaps.iter_mut().enumerate().filter(|(_, heap)| !heap.is_empty()) {
            insert.execute((number as u64, heap.as_flattened()))?;
            heap.clear();
        }
        self.held = 0;
        Ok(())
    }

    /// A heap, in the order in which its records came.
    ///
    /// # Errors
    /// [`Error::Aside`] when the temporary file cannot be read.
    pub(super) fn heap(&self, number: u8) -> Result<Vec<[u8; RECORD]>, Error> {
        let mut records = Vec::new();
        if let Some(file) = &self.file {
            let mut read = || -> Result<(), rusqlite::Error> {
                let mut query = file.prepare_cached("SELECT records FROM heaps WHERE heap = ?1 ORDER BY part")?;
                let mut rows = query.query([number])?;
                while let Some(row) = rows.next()? {
                    records.extend_from_slice(row.get_ref(0)?.as_blob()?.as_chunks::<RECORD>().0);
                }
                Ok(())
            };
            read().map_err(|source| Error::Aside { source })?;
        }
        records.extend(self.heaps.get(usize::from(number)).into_iter().flatten());
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heaps_keep_their_order_beyond_what_memory_holds() {
        let mut spill = Spill::default();
        let record = |n: u64| {
            let mut record = [7; RECORD];
            record[..8].copy_from_slice(&n.to_be_bytes());
            record
        };
        let count = 2 * HELD as u64 + 1000;
        for n in 0..count {
            spill.push((n % 251) as u8, record(n)).unwrap();
        }
        assert!(spill.file.is_some() && spill.held == 1000);
        for heap in 0..=255_u8 {
            let expected: Vec<_> = (0..count).filter(|n| n % 251 == u64::from(heap)).map(record).collect();
            assert_eq!(spill.heap(heap).unwrap(), expected);
        }
    }
}
