//! What is sent, on the disk until it is read. A file has no name there while it is read back from its beginning, so that nothing stays
//! behind when the process ends before its time.

use std::fs::{self, File, OpenOptions};
use std::future::poll_fn;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use countersign_model::digest;
use futures_core::Stream as _;
use tokio::task::block_in_place;

use crate::app::Trouble;

/// A file that was sent, under the name that it was sent with. It goes when this is dropped.
pub(crate) struct Spooled {
    dir: PathBuf,
    path: PathBuf,
}

impl Spooled {
    /// Keeps what is sent as a file of this name in `incoming`.
    pub(crate) async fn keep(incoming: &Path, name: &str, body: Body, most: u64) -> Result<Self, Trouble> {
        let dir = incoming.join(word()?);
        block_in_place(|| fs::create_dir_all(&dir)).map_err(|e| full(&e))?;
        let kept = Self { path: dir.join(name), dir };
        let mut file = block_in_place(|| OpenOptions::new().write(true).create_new(true).open(&kept.path))
            .map_err(|e| full(&e))?;
        copy(body, &mut file, most).await?;
        Ok(kept)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        // What cannot be removed is of no use to anybody: its name was random, and nothing refers to it.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Takes away what a server that was killed left behind more than a day ago. What is younger may be another server's.
pub(super) fn sweep(incoming: &Path) {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let Ok(all) = fs::read_dir(incoming) else { return };
    for left in all.filter_map(Result::ok) {
        let age = left.metadata().and_then(|about| about.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > DAY) {
            // What cannot be removed now is tried again at the next start.
            let _ = fs::remove_dir_all(left.path());
        }
    }
}

/// Keeps what is sent in a file without a name, at its beginning, with its size in bytes.
pub(crate) async fn sent(incoming: &Path, body: Body, most: u64) -> Result<(File, u64), Trouble> {
    let made = block_in_place(|| {
        fs::create_dir_all(incoming)?;
        let path = incoming.join(word().map_err(|_| std::io::ErrorKind::Other)?);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        fs::remove_file(&path)?;
        Ok::<_, std::io::Error>(file)
    });
    let mut file = made.map_err(|e| full(&e))?;
    let size = copy(body, &mut file, most).await?;
    block_in_place(|| file.seek(SeekFrom::Start(0))).map_err(|e| full(&e))?;
    Ok((file, size))
}

async fn copy(body: Body, file: &mut File, most: u64) -> Result<u64, Trouble> {
    let mut stream = body.into_data_stream();
    let mut size: u64 = 0;
    while let Some(part) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
        let part = part.map_err(|_| Trouble::cut_off())?;
        size = size.saturating_add(part.len() as u64);
        if size > most {
            return Err(Trouble::too_much(most));
        }
        block_in_place(|| file.write_all(&part)).map_err(|e| full(&e))?;
    }
    Ok(size)
}

fn word() -> Result<String, Trouble> {
    let random = countersign_evidence::random::<16>().map_err(|e| Trouble::of(&e))?;
    Ok(digest::to_hex(&random))
}

fn full(error: &std::io::Error) -> Trouble {
    Trouble::no_room(&error.to_string())
}
