//! Outside tools, and a small log written to a directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use countersign_evidence::Error;
use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::merkle::{HashReader as _, MemoryTree, leaf_hash};
use countersign_evidence::note::SignerKey;
use countersign_evidence::tile::{self, TileId, TileReader};

/// A command of another program. Tests start them to be judged by somebody else.
#[expect(clippy::disallowed_methods, reason = "tests start other people's verifiers")]
pub(crate) fn command(program: &str) -> Command {
    Command::new(program)
}

/// Whether a tool is there. Absent, the test is skipped aloud; under `CI=true` it fails, for a skipped proof is none.
#[expect(clippy::disallowed_methods, reason = "whether this runs in continuous integration is in the environment")]
pub(crate) fn have(program: &str, args: &[&str]) -> bool {
    if command(program).args(args).output().is_ok() {
        return true;
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{program} is not installed");
    eprintln!("skipped: {program} is not installed");
    false
}

/// Runs to the end; both streams are in the panic when it fails.
pub(crate) fn must(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", both(&output));
    both(&output)
}

pub(crate) fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Entry `i` of a test log: different lengths, some empty.
pub(crate) fn entry(i: u64) -> Vec<u8> {
    format!("{{\"n\":{i}}}").into_bytes().repeat(usize::try_from(i % 7).unwrap())
}

/// A tree over the first `size` test entries.
pub(crate) fn tree(size: u64) -> MemoryTree {
    let mut tree = MemoryTree::new();
    tree.extend((0..size).map(|i| leaf_hash(&entry(i))));
    tree
}

/// The bytes of a tile of `tree`.
pub(crate) fn tile_bytes(tree: &MemoryTree, id: &TileId) -> Vec<u8> {
    let hashes = |i| tree.hash(8 * id.level, id.index * 256 + u64::from(i)).unwrap();
    tile::encode_tile(&(0..id.width).map(hashes).collect::<Vec<_>>())
}

/// Tiles in memory, as a store would keep them after publishing some sizes.
#[derive(Default)]
pub(crate) struct Tiles(pub(crate) BTreeMap<TileId, Vec<u8>>);

impl TileReader for Tiles {
    fn tile(&self, id: &TileId) -> Result<Vec<u8>, Error> {
        self.0.get(id).cloned().ok_or_else(|| Error::missing_hash(id.level * 8, id.index, id.path()))
    }
}

/// Writes a log of test entries that was published at the given sizes, and signs the last.
pub(crate) fn write_log(dir: &Path, sizes: &[u64], key: &SignerKey) -> String {
    let mut old = 0;
    for &size in sizes {
        let tree = tree(size);
        for id in tile::tiles_for_growth(old, size) {
            write(&dir.join(id.path()), &tile_bytes(&tree, &id));
        }
        for (index, width) in tile::bundles_for_growth(old, size) {
            let entries: Vec<_> = (0..u64::from(width)).map(|i| entry(index * 256 + i)).collect();
            write(&dir.join(tile::entries_path(index, width)), &tile::encode_bundle(&entries).unwrap());
        }
        old = size;
    }
    let checkpoint = Checkpoint { origin: key.name().to_owned(), size: old, root: tree(old).root() }.sign(key).unwrap();
    write(&dir.join("checkpoint"), checkpoint.as_bytes());
    checkpoint
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
