//! The long text behind every code of this room.

use countersign_model::{Exit, Explanation};

/// Every code of access and audit.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-ACCESS-001",
        title: "no root of trust",
        text: "Before `init` there is nobody to trust: no administrator could have enrolled anybody.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-ACCESS-002",
        title: "trust is rooted already",
        text: "A ledger has one root of trust. Everybody else is enrolled by an administrator.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ACCESS-003",
        title: "unknown key",
        text: "Acts count when they are signed by a key of an enrolled person.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-ACCESS-004",
        title: "not an administrator",
        text: "Enrolment and roles lead back to the first administrator; only administrators sign them.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-ACCESS-005",
        title: "not an officer",
        text: "A policy bundle takes effect by the signature of a security or compliance officer.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-ACCESS-006",
        title: "not a name",
        text: "The name is what people will see beside every act.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ACCESS-007",
        title: "the name is taken",
        text: "Names are how people refer to each other in commands, so each is enrolled once (case does not count).",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ACCESS-008",
        title: "the key is taken",
        text: "If two people shared a key, four eyes would be two.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ACCESS-009",
        title: "no such person",
        text: "People are named by the name they were enrolled with, or by their id (`per-…`).",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ACCESS-010",
        title: "more than one person",
        text: "The text fits more than one enrolled person.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-AUDIT-001",
        title: "an entry that is not believed",
        text: "The entry is in the log, and what it says is not believed: its signature does not verify, its signer is \
               not enrolled or did not hold the role at that point of the log, or it contradicts what stands before it. \
               No reader counts it; that it is there at all means somebody wrote past the program.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-AUDIT-002",
        title: "the pinned root of trust is not there",
        text: "This machine or the trust file holds on to the entry in which the first administrator vouched for the \
               ledger. The ledger has another one in its place, or none.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-AUDIT-020",
        title: "a trust policy is about other logs",
        text: "A trust policy (C2SP tlog-policy) may name the logs that it is for, by verifier key. This ledger's key is not \
               among them, so its witnesses were chosen for something else. A policy without `log` lines is for any log.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-AUDIT-021",
        title: "no trust policy is set",
        text: "Which witnesses count, and how many are enough, is said by a trust policy in this machine's data directory: \
               `countersign trust policy set FILE`. Without one, no witness is asked and none is needed.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-AUDIT-003",
        title: "a person's key is gone or damaged",
        text: "The key that opens a person's sealed profile is missing or does not fit, and no entry says that it was \
               destroyed. Their name is lost; everything they signed still verifies, for a profile is no part of a \
               signature. Restore the file from a copy.",
        exit: Exit::Unverified,
    },
];
