//! The long texts behind the codes of buckets.

use countersign_model::{Exit, Explanation};

use super::code;

/// The long texts behind the codes of errors and notices that concern a bucket.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: code::BAD_LOCATION,
        title: "that is no location in a bucket",
        text: "A location is written `s3://BUCKET/PREFIX?region=REGION`. For a storage other than AWS add \
               `endpoint=https://HOST:PORT`; `path-style=false` names the bucket in the host, and `allow-http=true` \
               permits plain HTTP to another machine. Credentials never stand in a location: it is recorded.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::PLAIN_HTTP,
        title: "plain HTTP to another machine",
        text: "Over plain HTTP anybody on the way reads the evidence, and a signed request can be repeated for some \
               minutes. It is accepted on this machine only. Where the network is yours alone, say so with \
               `allow-http=true` in the location.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::NO_CREDENTIALS,
        title: "no credentials for the bucket",
        text: "The access key comes from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary credentials, \
               `AWS_SESSION_TOKEN`; or from the file `~/.aws/credentials` (`AWS_SHARED_CREDENTIALS_FILE` names \
               another), in which `AWS_PROFILE` names the section. Nothing was sent.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: code::UNREACHABLE,
        title: "the storage does not answer",
        text: "The storage could not be reached, gave up in the middle, or said that it is busy, in every one of the \
               attempts. What it acknowledged before is there; the same command continues from it and writes nothing \
               twice. The ledger itself is not touched by this.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::DENIED,
        title: "the storage refuses",
        text: "The access key lacks a right that is needed, the signature is not believed (a wrong secret, or a clock \
               that is minutes off), or a lock stands against what was asked. The guide on storage lists the rights a \
               key needs; it does not need the right to delete.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: code::NO_BUCKET,
        title: "no such bucket",
        text: "Buckets are made by whoever owns the storage, with Object Lock: it can only be had from the beginning \
               on most storages. Countersign makes none.",
        exit: Exit::Nothing,
    },
    Explanation {
        code: code::UNEXPECTED,
        title: "an answer that does not fit the question",
        text: "The storage answered with a status or a document that does not belong to what was asked. Perhaps it is \
               no S3 storage, lacks conditional writes or Object Lock, or something between here and there answers in \
               its place.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::DIFFERS,
        title: "other bytes stand under the name",
        text: "All objects of a ledger but the checkpoint are written once and never change. Under this name stands \
               something else: the prefix is used by another ledger, or somebody wrote there. Nothing was overwritten.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::SHORTENS,
        title: "a lock is only ever extended",
        text: "The object is locked for longer than was asked for now. Bringing a date forward would be a way to \
               destroy evidence early, so it is refused here, before the storage is asked, which must refuse it too.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::NOT_LOCKED,
        title: "the storage did not lock an object",
        text: "The storage took the object, and when it was looked at afterwards it had no COMPLIANCE lock, or one that \
               ends earlier than what was asked for. The bucket was made without Object Lock, or the storage ignores \
               it. What it holds can be deleted, and is no evidence that was kept.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::NOT_WORM,
        title: "the storage is not WORM",
        text: "A probe locked an object of its own and then destroyed it, freed it or replaced it, or the bucket agreed \
               to stop protecting what comes next. Write once, read many does not hold there. The evidence is as sound \
               as verification says, but nothing keeps it from being deleted. Use a storage that passes \
               `countersign ledger probe`, and replicate there.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::OTHER_LOG,
        title: "the bucket holds another log",
        text: "At this place in the bucket stands the checkpoint of a log that this ledger does not continue, or of one \
               that is longer than this ledger. Either the prefix belongs to another ledger, or this copy of the ledger \
               was set back: then the bucket holds entries that are missing here, and both are evidence. Nothing was \
               written.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::CLOCK_AHEAD,
        title: "the ledger's times lie ahead of the storage's clock",
        text: "Retention is counted from the times in the ledger. Its last entry lies more than a day ahead of the \
               storage's clock, so one of the two clocks is wrong, and a COMPLIANCE lock that is years too long cannot \
               be shortened by anybody. Nothing was written. When the clocks agree again, repeat the command.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::NOT_BUILT_IN,
        title: "built without S3",
        text: "This program was compiled without the feature `s3`. The released binary has it.",
        exit: Exit::Usage,
    },
    Explanation {
        code: code::TOO_LARGE,
        title: "an object is too large",
        text: "Every kind of object of a ledger has a largest size. What stands under this name is larger, so it is not \
               what was put there, and no more than the limit was read.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: code::CONFLICT,
        title: "replaced by somebody else in between",
        text: "Two replications published a checkpoint at the same time. The one that lost changed nothing; repeated, it \
               goes on from what stands there now.",
        exit: Exit::Backend,
    },
    Explanation {
        code: code::MISSING,
        title: "an object is gone",
        text: "An object that was just written, or that was to be locked for longer, is not there. Somebody deleted its \
               name (older versions may be there still), or the storage loses what it acknowledges. Verify the bucket; \
               `countersign ledger replicate --full` puts back what is missing.",
        exit: Exit::Unverified,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_model::{Diagnostic as _, Timestamp};

    use super::super::{S3Error, Said};
    use super::*;

    fn all() -> Vec<S3Error> {
        let text = String::new;
        let at = Timestamp::from_millis(0);
        let said = Said { status: 403, code: text(), message: text() };
        let all = vec![
            S3Error::BadLocation { location: text(), what: text() },
            S3Error::PlainHttp { endpoint: text() },
            S3Error::NoCredentials { location: text(), what: text() },
            S3Error::Unreachable { endpoint: text(), action: "read", name: text(), attempts: 2, what: text() },
            S3Error::Denied { action: "read", name: text(), said },
            S3Error::NoBucket { bucket: text() },
            S3Error::Unexpected { action: "read", name: text(), what: text() },
            S3Error::Differs { name: text() },
            S3Error::Shortens { name: text(), until: at, wanted: at },
            S3Error::NotLocked { name: text(), wanted: at },
            S3Error::OtherLog { what: text() },
            S3Error::ClockAhead { last: at, storage: at },
            S3Error::NotBuiltIn { location: text() },
            S3Error::TooLarge { name: text(), limit: 0 },
            S3Error::Conflict { name: text() },
            S3Error::Missing { name: text() },
        ];
        for error in &all {
            match error {
                S3Error::BadLocation { .. }
                | S3Error::PlainHttp { .. }
                | S3Error::NoCredentials { .. }
                | S3Error::Unreachable { .. }
                | S3Error::Denied { .. }
                | S3Error::NoBucket { .. }
                | S3Error::Unexpected { .. }
                | S3Error::Differs { .. }
                | S3Error::Shortens { .. }
                | S3Error::NotLocked { .. }
                | S3Error::OtherLog { .. }
                | S3Error::ClockAhead { .. }
                | S3Error::NotBuiltIn { .. }
                | S3Error::TooLarge { .. }
                | S3Error::Conflict { .. }
                | S3Error::Missing { .. } => {}
            }
        }
        all
    }

    #[test]
    fn every_code_is_explained_once_and_every_error_ends_as_its_explanation_says() {
        let codes: BTreeSet<_> = EXPLANATIONS.iter().map(|e| e.code).collect();
        assert_eq!(codes.len(), EXPLANATIONS.len(), "no code twice");
        let mut seen = BTreeSet::from([code::NOT_WORM]);
        for error in all() {
            let explanation = EXPLANATIONS.iter().find(|e| e.code == error.code());
            assert_eq!(explanation.map(|e| e.exit), Some(error.exit()), "{error}");
            assert!(!error.help().is_empty());
            seen.insert(error.code());
        }
        assert_eq!(seen, codes);
    }
}
