//! The long text behind every code of [`super::TimestampError`].

use countersign_model::{Exit, Explanation};

const fn explained(code: &'static str, exit: Exit, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text, exit }
}

/// One explanation for every code of [`super::TimestampError`].
pub const EXPLANATIONS: &[Explanation] = &[
    explained(
        "CS-AUDIT-100",
        Exit::Unverified,
        "an answer is no timestamp",
        "A time-stamping authority answers with a TimeStampResp in DER (RFC 3161), and the token in it is CMS signed data with one \
         signature over a TSTInfo. This is something else, or damaged. No pack was made with it.",
    ),
    explained(
        "CS-AUDIT-101",
        Exit::Backend,
        "a time-stamping authority refused",
        "It answered with a status other than `granted`. What it says is printed. No pack was made: one that was to have a \
         timestamp is not made without.",
    ),
    explained(
        "CS-AUDIT-102",
        Exit::Unverified,
        "a timestamp is over other bytes",
        "A token names the SHA-256 of what was stamped. This is not that of the checkpoint in the pack: it was made for another, \
         or the checkpoint was altered.",
    ),
    explained(
        "CS-AUDIT-103",
        Exit::Unverified,
        "a timestamp answers another request",
        "Each request carries a random number, which the token repeats. This one does not: it is an old answer, played again.",
    ),
    explained(
        "CS-AUDIT-104",
        Exit::Unverified,
        "the signature of a timestamp does not hold",
        "The signature has to be over the token's content, by the certificate that the token names, and this certificate has to be \
         one for timestamps alone (RFC 3161, 2.3).",
    ),
    explained(
        "CS-AUDIT-105",
        Exit::Unverified,
        "nobody vouches for a timestamp",
        "No path leads from the certificate in the token to one of the authorities that were given, at the time that the token \
         says. Revocation is not looked at.",
    ),
    explained(
        "CS-AUDIT-106",
        Exit::Unverified,
        "a timestamp is signed in an unknown way",
        "Known are RSA of 2048 bits or more, ECDSA with P-256 and P-384, and Ed25519, with SHA-256, SHA-384 or SHA-512. What \
         cannot be checked is not taken.",
    ),
    explained(
        "CS-AUDIT-107",
        Exit::Usage,
        "certificates of authorities cannot be read",
        "The file is to hold the root certificates of time-stamping authorities, one or more blocks of PEM.",
    ),
];
