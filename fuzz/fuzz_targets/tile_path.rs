//! A path of a tile or a bundle has one form.
#![no_main]

use countersign_evidence::tile::{TileId, entries_path, may_lack_tile, parse_entries_path};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(id) = TileId::parse_path(text) {
        assert_eq!(id.path(), text);
        let _ = (id.entries(), may_lack_tile(&id, u64::MAX));
    }
    if let Ok((index, width)) = parse_entries_path(text) {
        assert_eq!(entries_path(index, width), text);
    }
});
