//! What stands in a directory of the ledger. Tiles and bundles follow from the size; blobs and keys are looked up.

use std::collections::BTreeSet;

use countersign_evidence::tile::{self, TileId, WIDTH};

use super::conn::Conn;
use super::head::get;
use crate::Error;
use crate::layout::{self, CHECKPOINT, LEDGER, ORIGIN, ROTATIONS, SALT, SUBJECTS, VKEY};
use crate::source::Listed;

const TILES: &str = "ledger/tile";
const BLOBS: &str = "blobs/sha256";
const BUNDLES: &str = "ledger/tile/entries";

fn file(name: impl Into<String>) -> Listed {
    Listed { name: name.into(), is_dir: false }
}

fn dir(name: impl Into<String>) -> Listed {
    Listed { name: name.into(), is_dir: true }
}

/// What stands directly in `dir`, in a log of `size` entries whose key was exchanged `rotations` times.
pub(super) fn list(conn: &mut Conn, at: &str, size: u64, rotations: usize) -> Result<Vec<Listed>, Error> {
    Ok(match at {
        "" => vec![file(SALT), dir(LEDGER), dir("blobs"), dir(SUBJECTS)],
        LEDGER => {
            let always = [file(ORIGIN), file(VKEY), file(CHECKPOINT), dir(TILES)];
            always.into_iter().chain((rotations > 0).then(|| dir(ROTATIONS))).collect()
        }
        ROTATIONS => (1_u64..).zip(0..rotations).map(|(n, _)| file(layout::rotation_name(n))).collect(),
        TILES => {
            let levels = (0..u8::MAX).take_while(|level| tile::hashes_at(*level, size) > 0);
            levels.map(|level| dir(format!("{TILES}/{level}"))).chain((size > 0).then(|| dir(BUNDLES))).collect()
        }
        "blobs" => vec![dir(BLOBS)],
        BLOBS => (0..=u8::MAX).map(|shard| dir(format!("{BLOBS}/{shard:02x}"))).collect(),
        SUBJECTS => subjects(conn)?,
        _ => match (at.strip_prefix("blobs/sha256/"), at.strip_prefix("ledger/tile/")) {
            (Some(shard), _) => blobs(conn, shard)?,
            (None, Some(below)) => tiles(below, size),
            (None, None) => Vec::new(),
        },
    })
}

fn subjects(conn: &mut Conn) -> Result<Vec<Listed>, Error> {
    let rows = conn.query("list keys", "select person from @.subject_keys order by person", &[])?;
    rows.iter().map(|row| Ok(file(format!("{SUBJECTS}/{}.key", get::<String>(row, 0)?)))).collect()
}

fn blobs(conn: &mut Conn, shard: &str) -> Result<Vec<Listed>, Error> {
    let Some(first) = (shard.len() == 2).then(|| u8::from_str_radix(shard, 16).ok()).flatten() else {
        return Ok(Vec::new());
    };
    // Anything that begins with this byte, of whatever length; the last shard has no upper end.
    let from = vec![first];
    let rows = match first.checked_add(1) {
        Some(next) => {
            let sql = "select distinct sha256 from @.blobs where sha256 >= $1 and sha256 < $2";
            conn.query("list blobs", sql, &[&from, &vec![next]])?
        }
        None => conn.query("list blobs", "select distinct sha256 from @.blobs where sha256 >= $1", &[&from])?,
    };
    let name =
        |hex: String| file(format!("{BLOBS}/{}/{}", hex.get(..2).unwrap_or("--"), hex.get(2..).unwrap_or_default()));
    rows.iter().map(|row| Ok(name(countersign_model::digest::to_hex(get::<&[u8]>(row, 0)?)))).collect()
}

/// Tiles of a level, or bundles: `below` is `0`, `entries/x001`, `1/000.p`.
fn tiles(below: &str, size: u64) -> Vec<Listed> {
    let top = below.split('/').next().unwrap_or_default();
    let level = if top == "entries" { Some(0) } else { top.parse::<u8>().ok().filter(|l| l.to_string() == top) };
    let Some(level) = level else { return Vec::new() };
    let name = |id: TileId| match top {
        "entries" => layout::bundle_name(id.index, id.width),
        _ => layout::tile_name(&id),
    };
    let count = tile::hashes_at(level, size);
    let (full, rest) = (count / u64::from(WIDTH), u16::try_from(count % u64::from(WIDTH)).unwrap_or_default());
    let whole = |index| TileId { level, index, width: WIDTH };
    let partial = TileId { level, index: full, width: rest };
    let at = format!("{TILES}/{below}");
    let prefix = format!("{at}/");
    if let Some(number) = at.strip_suffix(".p") {
        // Of level 0 one partial tile, with its bundle; above, one of every width.
        let is_it = rest > 0 && name(whole(full)) == number;
        let widths = if level == 0 { rest..=rest } else { 1..=rest };
        return if is_it { widths.map(|width| file(name(TileId { width, ..partial }))).collect() } else { Vec::new() };
    }
    let mut names = BTreeSet::new();
    let mut add = |name: &str| {
        if let Some(tail) = name.strip_prefix(&prefix) {
            match tail.split_once('/') {
                Some((group, _)) => names.insert((format!("{prefix}{group}"), true)),
                None => names.insert((name.to_owned(), false)),
            };
        }
    };
    // Steps of one where the names are files, of whole groups where they are directories below this one.
    let groups = below.split('/').skip(1).map(|g| g.strip_prefix('x').and_then(|g| g.parse::<u64>().ok()));
    let above = groups
        .map(|g| g.unwrap_or(u64::MAX))
        .fold((0_u64, 0_u32), |(n, k), g| (n.saturating_mul(1000).saturating_add(g), k + 1));
    for more in 1..=7_u32 {
        let Some(span) = 1000_u64.checked_pow(more) else { break };
        let step = span / 1000;
        let (from, to) = (above.0.saturating_mul(span), above.0.saturating_add(1).saturating_mul(span));
        // A number of k groups is at least 1000^(k-1), unless it has one group.
        let digits = above.1 + more;
        let least = if digits == 1 { 0 } else { 1000_u64.checked_pow(digits - 1).unwrap_or(u64::MAX) };
        let mut index = from.max(least);
        while index < to.min(full) {
            add(&name(whole(index)));
            index = (index / step).saturating_add(1).saturating_mul(step);
        }
    }
    if rest > 0 {
        add(&name(partial));
    }
    names.into_iter().map(|(name, is_dir)| Listed { name, is_dir }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn walk(at: &str, size: u64, found: &mut BTreeSet<String>) {
        for listed in tiles(at, size) {
            if listed.is_dir {
                walk(listed.name.strip_prefix("ledger/tile/").unwrap(), size, found);
            } else {
                assert!(found.insert(listed.name.clone()), "{} twice", listed.name);
            }
        }
    }

    #[test]
    fn the_listing_of_tiles_is_what_the_size_says() {
        for size in [0, 1, 255, 256, 257, 300, 512, 65_535, 65_536, 65_537, 256 * 1000, 256 * 1001 + 7, 70_000_000] {
            for level in 0..4 {
                let mut expected = BTreeSet::new();
                let count = tile::hashes_at(level, size);
                for index in 0..count / 256 {
                    expected.insert(layout::tile_name(&TileId { level, index, width: 256 }));
                }
                let rest = u16::try_from(count % 256).unwrap();
                for width in if level == 0 { rest.max(1)..=rest } else { 1..=rest } {
                    expected.insert(layout::tile_name(&TileId { level, index: count / 256, width }));
                }
                let mut found = BTreeSet::new();
                walk(&level.to_string(), size, &mut found);
                assert_eq!(found, expected, "size {size} level {level}");
            }
            let mut bundles = BTreeSet::new();
            walk("entries", size, &mut bundles);
            assert_eq!(bundles.len() as u64, size.div_ceil(256));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_name_is_listed_without_harm(name in "[0-9xp./entris]{0,40}", size: u64) {
            let _ = tiles(&name, size);
        }
    }
}
