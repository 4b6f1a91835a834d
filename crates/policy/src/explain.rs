//! The long text behind every error code of this crate.

use countersign_model::{Exit, Explanation};

/// One explanation for every code, in their order.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-APPROVAL-001",
        title: "the approval rules are wrong",
        text: "A file of approval rules is YAML: `version: 1` and `rules`. A rule has `tiers`, `criticality`, `why`, `slots` and \
               `deployer`. A slot has a name (`slot`), `roles` (who holds one of them may fill it), `count`, `excludes` \
               (duties: author, co-author, pusher, pipeline-editor, policy-editor), `after` (slots that must be filled \
               before), `valid_hours` and `strength` (key or hardware).\n\n\
               All rules that fit a place hold there together, so for every tier and criticality the slots they give must be \
               workable: each has a role in common, none comes after itself, and 64 people are enough. Nothing was put in \
               effect.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ENFORCE-001",
        title: "the enforcement file is wrong",
        text: "An enforcement file is YAML: `version: 1`, `default` (a level, `hard` unless it is said), `override` (the role \
               that may override what is soft) and `rules`. A rule has `controls` (ids, or `\"*\"`), `tiers`, \
               `criticality`, `level` and `why`; where it is soft it may name an `override` of its own.\n\n\
               Levels are audit, advisory, soft and hard; tiers development, test, pre-production and production; \
               criticalities low, medium, high and critical. A control that does not exist is an error, for a misspelt \
               one would leave another level in effect than the file seems to say. Nothing was put in effect.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ENFORCE-002",
        title: "a replay under another assignment",
        text: "A decision names the assignment of levels that it was made under by digest, and the given one has another. \
               Use the one that was in effect when the decision was made; it is attached to its activation in the ledger.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-ENFORCE-003",
        title: "an assignment of an unknown version",
        text: "The assignment of levels in effect was written in a format that this version does not know. Nothing is decided \
               under levels that are guessed at.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-POLICY-001",
        title: "not a policy bundle",
        text: "A policy bundle is a folder of Rego files, or the canonical JSON of one. Paths are relative and made of \
               ASCII letters, digits, `_`, `-` and `.`; each ends with `.rego`. At most 512 files, 1 MiB each, 8 MiB \
               in all. Links are not followed.\n\n\
               Tests (`*_test.rego`), Markdown and hidden files are left out. Any other file is refused, because it \
               would look as if it had an effect and have none.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-POLICY-002",
        title: "a policy cannot be read",
        text: "A file or folder of the policy bundle could not be read, or is not UTF-8. Nothing was decided, for a \
               bundle with a file missing is another bundle.\n\nCheck the path and the permissions.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-POLICY-003",
        title: "a policy does not compile",
        text: "A Rego file of the bundle has a syntax error, or uses a name that exists nowhere. The message names \
               file, line and column.\n\nPolicies are Rego v1: `deny contains x if { … }`. One faulty file makes the \
               whole bundle unusable, and every gate stays closed until it is corrected.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-POLICY-004",
        title: "a policy failed while it was evaluated",
        text: "The bundle compiles, but a rule failed over these facts: a builtin was given a value of the wrong type, \
               two rules of one name disagree, or something was called that no decision may depend on.\n\n\
               Errors of builtins are errors here, not `undefined`. Random numbers and the machine's time zone \
               (`Local`) are refused, and `time.now_ns()` is the frozen time of the decision, so that every decision \
               can be replayed.",
        exit: Exit::Incomplete,
    },
    Explanation {
        code: "CS-POLICY-005",
        title: "a policy took too long, or too much",
        text: "The evaluation was ended: after a minute, after 250 million steps of the interpreter (how many a \
               policy takes depends on it and on the facts, on no machine), or when it wanted more than 2 GiB of memory. \
               Ordinary bundles need milliseconds; look for rules that multiply, such as a loop over findings inside a loop \
               over files, and look things up by key instead. A value that is put together with itself again and again \
               doubles its memory each time.\n\nNothing was decided, and the gate stays closed.",
        exit: Exit::Incomplete,
    },
    Explanation {
        code: "CS-POLICY-006",
        title: "the policy engine broke down",
        text: "The Rego interpreter panicked. The panic was contained and nothing was decided.\n\nTo find the cause, \
               take files out of the bundle until it no longer happens; what is left is usually one call of a builtin \
               with an unusual argument. Please report it with that file.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-POLICY-007",
        title: "the policy engine cannot be set up",
        text: "The interpreter refused our frozen builtins, or the process of its own that evaluates a gate's policy could not \
               be started or ended by a signal. A machine without memory or with no room for another process is the usual \
               cause of the second. The first cannot happen with a released binary; please report it with the output of \
               `countersign --version`.\n\nNothing was decided, and the gate stays closed.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-POLICY-008",
        title: "the policy has no answer",
        text: "`data.countersign.gates` is undefined in this bundle. No answer is never a pass.\n\nEach gate is a \
               package, `countersign.gates[\"pre-commit\"]`, `countersign.gates.build` and `countersign.gates.release`, \
               with at least the rules `checks`, `deny` and `error`.",
        exit: Exit::Incomplete,
    },
    Explanation {
        code: "CS-POLICY-009",
        title: "the policy's answer is malformed",
        text: "The gates `pre-commit`, `build` and `release` must all answer, and no other. A gate's package holds \
               these rules and nothing else: `checks` (names of the checks that ran), `deny`, `error`, `wait`, `note` \
               (sets of `{\"code\", \"text\", \"controls\"}`), `requires` (`technical`, `regulatory`), `controls`, and \
               `expires` (times, RFC 3339, in the future). `checks`, `deny` and `error` must be there.\n\n\
               Codes, checks and controls are names of a-z, 0-9 and `-`. An unknown rule is refused, since a misspelt \
               `deny` would deny nothing: put helpers into a package below `countersign.lib`.",
        exit: Exit::Incomplete,
    },
    Explanation {
        code: "CS-POLICY-010",
        title: "the facts cannot be judged",
        text: "Facts are a JSON object of version 1. These are something else, or were written by another version of \
               countersign.\n\nCollect them again with `countersign run`.",
        exit: Exit::Incomplete,
    },
    Explanation {
        code: "CS-POLICY-011",
        title: "the time is out of range",
        text: "Policies count time in nanoseconds since 1970 in 64 bits, which lasts from 1677 to 2262. The frozen time \
               of this decision lies outside.\n\nCheck the machine's clock, or `COUNTERSIGN_NOW` where it is set.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-POLICY-012",
        title: "a replay with other facts",
        text: "A decision names its facts by digest (SHA-256 of their canonical JSON), and the given facts have \
               another one. Either they belong to another decision, or they were changed after it was made.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-POLICY-013",
        title: "a replay with another bundle",
        text: "A decision names its policy bundle by digest, and the given bundle has another one. Use the bundle that \
               was in effect when the decision was made; it is attached to it in the ledger.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-POLICY-014",
        title: "a decision of an unknown version",
        text: "The decision was written in a format that this version does not know. It is not guessed at.\n\nUse the \
               version of countersign that wrote it, or a later one.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-POLICY-015",
        title: "a control file is wrong",
        text: "A control is one YAML file with the keys `id` (equal to the file's name), `title`, `objective`, \
               `requirements` (each `framework:clause`) and `evidence` (kinds of event that support it). Unknown keys \
               are errors, so that nothing is misspelt in silence.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-POLICY-016",
        title: "no canonical JSON",
        text: "What is digested or signed is canonical JSON (RFC 8785), so that there is one form of bytes for one \
               meaning. These bytes are in another form, are no JSON, or are not what they should be.\n\nA record of \
               this tool is always canonical: run `countersign verify`.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-POLICY-030",
        title: "a framework file is wrong",
        text: "A framework is one YAML file: who publishes it, where its text is, when that was checked, and its \
               requirements. An unknown or missing key, an id that stands twice, a requirement without a duty, or one \
               that is called verified and does not say in what it was checked, is an error with file and line.\n\n\
               The same code stands for a file to import that has none of the formats that are read.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-POLICY-031",
        title: "the signature of a bundle is not valid",
        text: "An OPA bundle carries `.signatures.json`: a JWT that lists every file with its hash. Here it is missing, \
               made by a key that was not named or by an algorithm that is not believed (those with a shared secret are \
               not), does not verify, or a file was added, taken away or changed afterwards.\n\n\
               Nothing was activated: the bundle that was in effect still is. Get the bundle again from where it is \
               published, and the public key from whoever signs it by another way than the bundle itself.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-WAIVER-001",
        title: "a waiver's glob is none",
        text: "Path and rule of a waiver are globs: `*` stays within a directory, `**` crosses directories, `?` is one letter, \
               `[ab]` one of two, `{a,b}` one of two words. This one cannot be read, and a waiver that covers what nobody \
               can say is not asked for.",
        exit: Exit::Usage,
    },
];
