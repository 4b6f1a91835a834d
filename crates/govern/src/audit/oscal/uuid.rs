//! UUIDs of version 5: of a name (RFC 9562 §5.5). OSCAL takes versions 4 and 5 alone.

use sha1::{Digest as _, Sha1};

/// Namespace of all names here: the UUID of the name `urn:countersign:oscal` in the namespace of URLs (RFC 9562 §6.6).
const NAMESPACE: [u8; 16] =
    [0x13, 0x77, 0x68, 0xb1, 0xef, 0x19, 0x5e, 0x1f, 0x89, 0x8b, 0xe4, 0xfe, 0xeb, 0x23, 0x8e, 0x80];

/// The UUID of a name in a namespace.
fn v5(namespace: &[u8; 16], name: &[u8]) -> [u8; 16] {
    let hash = Sha1::new().chain_update(namespace).chain_update(name).finalize();
    let mut id = [0; 16];
    id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    id[6] = id[6] & 0x0f | 0x50;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

/// The id of what these parts name together. Each part goes in with its length, so that no two lists of parts are one name.
pub(super) fn of(parts: &[&str]) -> String {
    let mut name = Vec::new();
    for part in parts {
        name.extend((part.len() as u64).to_be_bytes());
        name.extend(part.as_bytes());
    }
    text(v5(&NAMESPACE, &name))
}

fn text(id: [u8; 16]) -> String {
    let mut out = String::with_capacity(36);
    for (at, byte) in id.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9562 §6.6: the namespace of URLs.
    const URLS: [u8; 16] =
        [0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];
    /// RFC 9562 §6.6: the namespace of domain names.
    const DOMAINS: [u8; 16] =
        [0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];

    #[test]
    fn the_example_of_the_standard_comes_out() {
        // RFC 9562 appendix A.4.
        assert_eq!(text(v5(&DOMAINS, b"www.example.com")), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
        assert_eq!(v5(&URLS, b"urn:countersign:oscal"), NAMESPACE);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["a"]), of(&["a", ""]));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
    }
}
