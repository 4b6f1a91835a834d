//! The long text behind every code of [`super::PackError`].

use countersign_model::{Exit, Explanation};

const fn explained(code: &'static str, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text, exit: Exit::Unverified }
}

/// One explanation for every code of [`super::PackError`].
pub const EXPLANATIONS: &[Explanation] = &[
    explained(
        "CS-PACK-001",
        "the file is no zip",
        "An evidence pack is a zip file, and its first bytes are those of its first member. Something else was given, or \
         something was put before it.",
    ),
    explained(
        "CS-PACK-002",
        "a pack is cut short",
        "A zip ends in a directory of its members. Here it is missing, or followed by other bytes: a transfer was \
         interrupted, or something was appended. Get the file again and compare its SHA-256 with the one that the ledger has \
         on record (`countersign audit list`).",
    ),
    explained(
        "CS-PACK-003",
        "a member's name leads elsewhere",
        "Names in a pack are plain relative paths of printable ASCII. An absolute one, one with `..`, a backslash or a drive \
         could be written outside of the directory that the pack is unpacked into. Do not unpack this file with other tools.",
    ),
    explained(
        "CS-PACK-004",
        "a name stands in a pack twice",
        "Tools differ in which of two members of one name they show, so a pack has none.",
    ),
    explained(
        "CS-PACK-005",
        "a member of a pack is too large",
        "A member has 2 GiB at most, and what has a known form less. Nothing of it was read.",
    ),
    explained(
        "CS-PACK-006",
        "a zip has another form than a pack has",
        "A pack is written in one way only: members without gaps, one date, no comments and no extra fields, and a directory \
         that says the same as the members. So every byte of it is covered by the manifest's signature. This file was packed \
         anew by another tool, or altered.",
    ),
    explained(
        "CS-PACK-007",
        "a member of a pack is damaged",
        "Its content does not decompress, or its size or check sum (CRC-32) is not the one in the directory.",
    ),
    explained(
        "CS-PACK-008",
        "there is no signed manifest",
        "The last two members of a pack are `SHA256SUMS` and `manifest.dsse.json`. Without them it is a zip file that proves \
         nothing.",
    ),
    explained(
        "CS-PACK-009",
        "the list of digests is malformed",
        "Each line of `SHA256SUMS` is 64 hex digits, two spaces and a name, as `sha256sum --check` reads it.",
    ),
    Explanation {
        code: "CS-PACK-010",
        title: "a pack cannot be read or written",
        text: "The operating system reported an error, which is printed. A pack that is not whole is not left behind.",
        exit: Exit::Internal,
    },
];
