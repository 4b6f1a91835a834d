//! Files inside files, made by the tools that people use where these are here, and by hand where something is wrong.

use std::io::Write as _;

use countersign_model::TreePath;
use countersign_scan::{FileResult, Match, Scanner};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use crate::{SALT, rules, token_rule};

const SECRET: &[u8] = b"first line\ntoken = tok_abcd1234\n";

fn look(bytes: &[u8]) -> (Vec<Match>, Option<String>) {
    let rules = rules(&[token_rule()]);
    match Scanner::new(&rules, SALT).scan_bytes(&TreePath::from_bytes("a.bin"), bytes) {
        FileResult::Text { matches, missed, .. } => (matches, missed),
        FileResult::Binary { .. } => panic!("not taken for an archive"),
    }
}

/// Where something was found, and at which line.
fn places(bytes: &[u8]) -> Vec<(Option<String>, u32)> {
    let (matches, missed) = look(bytes);
    assert_eq!(missed, None);
    matches.into_iter().map(|m| (m.inside, m.line)).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        out.append_data(&mut header, name, *bytes).unwrap();
    }
    out.into_inner().unwrap()
}

/// A local header and its member, as APPNOTE 6.3.10 §4.3.7 has them. `streamed` leaves the sizes to a descriptor.
fn zip_member(name: &str, bytes: &[u8], deflate: bool, streamed: bool) -> Vec<u8> {
    let packed = if deflate {
        let mut out = DeflateEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    } else {
        bytes.to_vec()
    };
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    let sizes = [(packed.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
    let mut out = b"PK\x03\x04\x14\x00".to_vec();
    out.extend_from_slice(&(if streamed { 8_u16 } else { 0 }).to_le_bytes());
    out.extend_from_slice(&(if deflate { 8_u16 } else { 0 }).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(if streamed { 0 } else { crc.sum() }).to_le_bytes());
    out.extend_from_slice(if streamed { &[0; 8] } else { &sizes });
    out.extend_from_slice(&(name.len() as u16).to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&packed);
    if streamed {
        out.extend_from_slice(b"PK\x07\x08");
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&sizes);
    }
    out
}

const END: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (n, (name, bytes)) in files.iter().enumerate() {
        out.extend(zip_member(name, bytes, n % 2 == 0, n % 4 == 0));
    }
    out.extend_from_slice(END);
    out
}

fn at(inside: &str) -> (Option<String>, u32) {
    (Some(inside.to_owned()), 2)
}

#[test]
fn every_kind_is_opened() {
    assert_eq!(places(&gzip(SECRET)), [(None, 2)]);
    assert_eq!(places(&tar(&[("a/b.txt", SECRET), ("c", b"nothing")])), [at("a/b.txt")]);
    assert_eq!(places(&gzip(&tar(&[("a/b.txt", SECRET)]))), [at("a/b.txt")]);
    let files: Vec<(String, &[u8])> = (0..8).map(|n| (format!("f{n}"), SECRET)).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (n.as_str(), *b)).collect();
    let expected: Vec<_> = (0..8).map(|n| at(&format!("f{n}"))).collect();
    assert_eq!(places(&zip(&files)), expected);
    let utf16: Vec<u8> = [0xFF, 0xFE]
        .into_iter()
        .chain(String::from_utf8_lossy(SECRET).encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    assert_eq!(places(&zip(&[("wide.txt", &utf16), ("image", b"\0\0tok_abcd1234")])), [at("wide.txt")]);
}

#[test]
fn long_names_in_a_tar_are_read_and_only_so_much_of_them() {
    let deep = format!("{}/name.txt", ["directory"; 30].join("/"));
    // The builder writes a GNU long name for it.
    let mut gnu = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(SECRET.len() as u64);
    gnu.append_data(&mut header, &deep, SECRET).unwrap();
    assert_eq!(places(&gnu.into_inner().unwrap()), [at(&deep)]);
    let mut pax = tar::Builder::new(Vec::new());
    pax.append_pax_extensions([("comment", b"x".as_slice()), ("path", deep.as_bytes())]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(SECRET.len() as u64);
    pax.append_data(&mut header, "short", SECRET).unwrap();
    assert_eq!(places(&pax.into_inner().unwrap()), [at(&deep)]);
    // A name of eight megabytes names a member all the same.
    let mut huge = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(8 << 20);
    header.set_path("././@LongLink").unwrap();
    header.set_cksum();
    huge.append(&header, vec![b'n'; 8 << 20].as_slice()).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(SECRET.len() as u64);
    huge.append_data(&mut header, "short", SECRET).unwrap();
    let found = places(&huge.into_inner().unwrap());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0.as_ref().unwrap().len(), 4096);
}

#[test]
fn archives_in_archives_are_opened_to_a_depth_that_is_told() {
    let inner = zip(&[("conf.txt", SECRET)]);
    let middle = tar(&[("lib/app.jar", &inner)]);
    assert_eq!(places(&zip(&[("dist.tar", &middle)])), [at("dist.tar!/lib/app.jar!/conf.txt")]);
    let (matches, missed) = look(&zip(&[("outer.zip", &zip(&[("dist.tar", &middle)]))]));
    assert_eq!(matches, []);
    assert_eq!(missed.unwrap(), "outer.zip!/dist.tar!/lib/app.jar: an archive deeper than 3 layers");
}

#[test]
fn what_cannot_be_opened_is_told() {
    let whole = zip(&[("a", SECRET), ("b", SECRET)]);
    for cut in [whole.len() - END.len() - 5, 40, 20] {
        let (_, missed) = look(&whole[..cut]);
        assert_eq!(missed.unwrap(), "the archive: ends before it should", "{cut}");
    }
    let mut encrypted = zip_member("a", SECRET, false, false);
    encrypted[6] |= 1;
    encrypted.extend_from_slice(END);
    assert_eq!(look(&encrypted).1.unwrap(), "a: encrypted");
    let mut unknown = zip_member("a", SECRET, false, false);
    unknown[8] = 93;
    unknown.extend_from_slice(END);
    assert_eq!(look(&unknown).1.unwrap(), "a: packed with method 93, which is not known here");
    let mut garbled = gzip(&SECRET.repeat(100));
    let middle = garbled.len() / 2;
    garbled[middle..].fill(0xFF);
    assert!(look(&garbled).1.is_some());
    // What is known and not opened is no binary file like any other, by itself or in an archive.
    let closed: [(&str, &[u8]); 5] = [
        ("bzip2", b"BZh91AY&SY\0\0"),
        ("xz", b"\xFD7zXZ\0\0\x04"),
        ("Zstandard", b"\x28\xB5\x2F\xFD\x04"),
        ("7z", b"7z\xBC\xAF\x27\x1C\0\x04"),
        ("RAR", b"Rar!\x1A\x07\x01\0"),
    ];
    for (form, bytes) in closed {
        let why = format!("packed with {form}, which is not opened here");
        assert_eq!(look(bytes).1.unwrap(), format!("the archive: {why}"));
        assert_eq!(look(&tar(&[("in/it", bytes)])).1.unwrap(), format!("in/it: {why}"));
    }
    // How large it is does not depend on how it is read.
    let set = rules(&[token_rule()]);
    let path = TreePath::from_text("a.gz");
    let scanner = Scanner::new(&set, SALT);
    let long = [&garbled[..], &[0xFF; 100_000]].concat();
    assert_eq!(scanner.scan_reader(&path, &long[..]).unwrap(), scanner.scan_bytes(&path, &long));
    // A name that is no text and would break a line.
    let (matches, _) = look(&zip(&[("a\n\u{1b}[31m", SECRET)]));
    assert_eq!(matches[0].inside.as_deref(), Some("a\\n\\x1b[31m"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_behind_a_magic_are_read_without_a_fault(kind in 0_usize..3, rest: Vec<u8>) {
        let magic: [&[u8]; 3] = [b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08"];
        look(&[magic[kind], &rest].concat());
    }

    #[test]
    fn any_flipped_byte_is_read_without_a_fault(at in 0_usize..400, bits in 1_u8..) {
        let mut bytes = gzip(&tar(&[("dist.zip", &zip(&[("a", SECRET), ("b", SECRET)]))]));
        let at = at % bytes.len();
        bytes[at] ^= bits;
        if at > 2 {
            look(&bytes);
        }
        let mut bytes = zip(&[("a", SECRET), ("b", SECRET), ("c", SECRET)]);
        let at = at % bytes.len();
        bytes[at] ^= bits;
        if at > 3 {
            look(&bytes);
        }
    }
}
