//! Packs: read by stock tools, and every byte accounted for.

use std::fs;

use countersign_evidence::pack::{Archive, MANIFEST, PackError, Packer, SUMS, sums};
use countersign_model::Digest;

use crate::support::{command, have, must};

fn members() -> Vec<(String, Vec<u8>)> {
    let text = "an entry says the same words again and again, ".repeat(40);
    vec![
        ("index.html".into(), text.into_bytes()),
        ("ledger/tile/entries/000.p/5".into(), (0..=255).collect()),
        ("small.txt".into(), b"x".to_vec()),
        ("empty".into(), Vec::new()),
    ]
}

/// A pack whose manifest is the digest of all that stands before it, in hex: here it need not be signed.
fn pack(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut packer = Packer::new(Vec::new());
    for (name, content) in members {
        packer.add(name, content).unwrap();
    }
    let manifest = |before: &countersign_evidence::pack::Before| {
        Ok::<_, PackError>(format!("{} {}", before.size, before.digest).into_bytes())
    };
    let (written, bytes) = packer.finish(manifest).unwrap();
    assert_eq!((written.size, written.digest), (bytes.len() as u64, Digest::of(&bytes)));
    bytes
}

/// Whether all of it is as it was written.
fn holds(bytes: Vec<u8>) -> Result<(), String> {
    let given = (bytes.len() as u64, Digest::of(&bytes));
    let archive = Archive::open(Box::new(bytes)).map_err(|e| e.to_string())?;
    let [(size, digest), whole] = archive.hashes().map_err(|e| e.to_string())?;
    assert_eq!(whole, given);
    let manifest = archive.manifest().map_err(|e| e.to_string())?;
    if manifest == format!("{size} {digest}").into_bytes() { Ok(()) } else { Err("the manifest says otherwise".into()) }
}

#[test]
fn what_was_put_in_comes_out() {
    let members = members();
    let bytes = pack(&members);
    holds(bytes.clone()).unwrap();
    let archive = Archive::open(Box::new(bytes)).unwrap();
    let names: Vec<&str> = archive.names().collect();
    let expected: Vec<&str> = members.iter().map(|(n, _)| n.as_str()).chain([SUMS, MANIFEST]).collect();
    assert_eq!(names, expected);
    for (name, content) in &members {
        assert_eq!(archive.read(name, 1 << 20).unwrap().as_ref(), Some(content));
        assert_eq!(archive.stat(name), Some(content.len() as u64));
    }
    assert_eq!(archive.read("no such", 10).unwrap(), None);
    assert!(matches!(archive.read("index.html", 10), Err(PackError::TooLarge { .. })));
    let list = String::from_utf8(archive.read(SUMS, 1 << 20).unwrap().unwrap()).unwrap();
    let list = sums(&list).unwrap();
    assert_eq!(list.len(), members.len());
    for (sum, (name, content)) in list.iter().zip(&members) {
        assert_eq!((sum.name, sum.digest), (name.as_str(), Digest::of(content)));
    }
    assert!(matches!(sums("zz  a\n"), Err(PackError::Sums { line: 1 })));
    let cut = format!("{}  a", Digest::of(b"").hex());
    assert!(matches!(sums(&cut), Err(PackError::Sums { line: 1 })));
}

#[test]
fn no_bit_can_be_turned_and_no_byte_taken_or_added() {
    let bytes = pack(&members());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut turned = bytes.clone();
            turned[at] ^= 1 << bit;
            assert!(holds(turned).is_err(), "byte {at}, bit {bit}");
        }
        let mut without = bytes.clone();
        without.remove(at);
        assert!(holds(without).is_err(), "without byte {at}");
        let mut more = bytes.clone();
        more.insert(at, more[at]);
        assert!(holds(more).is_err(), "byte {at} twice");
        assert!(holds(bytes[..at].to_vec()).is_err(), "cut to {at} bytes");
    }
    let mut more = bytes;
    more.push(0);
    assert!(holds(more).is_err());
}

#[test]
fn names_lead_nowhere_else() {
    for name in [
        "", "/a", "../a", "a/../b", "a//b", "a/", "./a", "a\\b", "C:a", "a\0b", "a\nb", "\u{e4}", "a/.", "a./b",
        "con:", "a*b",
    ] {
        let mut packer = Packer::new(Vec::new());
        assert!(matches!(packer.add(name, b"x"), Err(PackError::Name { .. })), "{name:?}");
        assert!(!packer.has(name));
    }
    let mut packer = Packer::new(Vec::new());
    packer.add("a", b"x").unwrap();
    assert!(matches!(packer.add("a", b"y"), Err(PackError::Twice { .. })));
    assert!(matches!(packer.add(SUMS, b"y"), Err(PackError::Twice { .. })));
    assert!(matches!(packer.add(MANIFEST, b"y"), Err(PackError::Twice { .. })));
}

#[test]
fn other_files_are_told_apart() {
    let open = |bytes: &[u8]| Archive::open(Box::new(bytes.to_vec())).err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(open(b""), "it is no zip file");
    assert_eq!(open(b"PK\x05\x06 and more than twenty-two bytes of it"), "it is no zip file");
    assert!(open(b"PK\x03\x04").starts_with("it is cut short"), "{}", open(b"PK\x03\x04"));
}

/// `unzip` and Python read it, more members than the 16-bit count of a zip can say included; and what Python writes of
/// the same contents is no pack.
#[test]
fn stock_tools_read_it() {
    if !have("python3", &["--version"]) {
        return;
    }
    let mut many = members();
    many.extend((0..70_000).map(|n| (format!("many/{n}"), b"-".to_vec())));
    let dir = tempfile::tempdir().unwrap();
    for (name, members) in [("a.zip", members()), ("many.zip", many)] {
        let file = dir.path().join(name);
        fs::write(&file, pack(&members)).unwrap();
        let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                      print(len(z.namelist())); print(z.read('small.txt').decode())";
        let out = must(command("python3").arg("-c").arg(script).arg(&file));
        assert_eq!(out.trim(), format!("{}\nx", members.len() + 2));
        holds(fs::read(&file).unwrap()).unwrap();
    }
    if have("unzip", &["-v"]) {
        must(command("unzip").arg("-tq").arg(dir.path().join("many.zip")));
    }
    let script = "import sys, zipfile; a = zipfile.ZipFile(sys.argv[1]); b = zipfile.ZipFile(sys.argv[2], 'w'); \
                  [b.writestr(n, a.read(n)) for n in a.namelist()]; b.close()";
    let again = dir.path().join("again.zip");
    must(command("python3").arg("-c").arg(script).arg(dir.path().join("a.zip")).arg(&again));
    let error = Archive::open(Box::new(fs::read(&again).unwrap())).unwrap_err();
    assert!(matches!(error, PackError::Form { .. }), "{error}");
}
