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
    Explanation {
        code: "CS-RETENTION-001",
        title: "not the role that retention asks for",
        text: "Classes, starts, extensions and holds are a compliance officer's to sign; erasures and designations also an administrator's.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RETENTION-002",
        title: "it must be said in one line",
        text: "A matter, a reason and a source stand in the record for as long as the ledger lives. They are 1 to 1000 bytes without control characters, and they name no person: they cannot be erased.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RETENTION-003",
        title: "retention is only ever made longer",
        text: "A class that others rely on is not made shorter, nor is what its period counts from changed, and the classes that every ledger knows are not redefined. A shorter class is a class of its own, under another name.",
        exit: Exit::Denied,
    },
    Explanation {
        code: "CS-RETENTION-004",
        title: "no such retention class",
        text: "An entry of a class that nobody defined is kept for ever, so an extension to one would have no end.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RETENTION-005",
        title: "no class waits for this event",
        text: "A start has an effect only where a class's period counts from it. A mistyped name would look like a start and be none.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RETENTION-006",
        title: "the day has not come",
        text: "A period counts from something that has happened.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RETENTION-007",
        title: "no hold is open",
        text: "Every hold of the matter is released already, or none was placed. Released holds stay visible.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RETENTION-008",
        title: "the executive officer appoints these",
        text: "Officers and specialists act for the designated executive officer, who appoints them (17 CFR 240.17a-4(f)(3)(v)).",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RETENTION-009",
        title: "the office is full",
        text: "There is one designated executive officer and one designated third party at a time; the executive officer may appoint two officers and three specialists. A reader of the log does not believe a further designation.",
        exit: Exit::Denied,
    },
    Explanation {
        code: "CS-RETENTION-010",
        title: "held already",
        text: "The person holds this office.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RETENTION-011",
        title: "not held",
        text: "The person does not hold this office, so it cannot be revoked.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RETENTION-012",
        title: "nobody holds the office",
        text: "The letter is an undertaking of the person who holds the office.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RETENTION-013",
        title: "nothing is free",
        text: "Everything recorded is kept by its class, an extension or a hold, or releases are still held against it. What waits for an event is kept until somebody records it.",
        exit: Exit::Nothing,
    },
    Explanation {
        code: "CS-RETENTION-014",
        title: "the time is in doubt",
        text: "A clock that jumps ahead must free nothing. So each of the two people writes down the day themselves; it must agree with the machine's clock to a day, and the second signature comes within seven days after the first.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RETENTION-015",
        title: "two people dispose, or nobody",
        text: "A disposal takes the signatures of two different people: one is a compliance officer, the other an administrator, the designated executive officer, one of their officers, or a second compliance officer.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RETENTION-016",
        title: "something is not free",
        text: "An entry of the plan is kept by its class, an extension or a hold placed meanwhile, belongs to a run that the plan names in part only, or is needed by what comes next. Nothing was removed.",
        exit: Exit::Denied,
    },
    Explanation {
        code: "CS-RETENTION-017",
        title: "not an order to this ledger",
        text: "The file is not what the first signer wrote, was changed since, or is for another ledger.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-RETENTION-018",
        title: "no such entry",
        text: "Entries are numbered from 0.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RETENTION-019",
        title: "erased already",
        text: "The key of this person's data is destroyed. What they signed stays provable by the fingerprint of their key.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-RETENTION-020",
        title: "a removal was interrupted",
        text: "A certificate of disposal stands in the log, and nothing says that the removal came to its end. Nothing is \
               lost and nothing is wrong; blobs that nobody needs are still there.",
        exit: Exit::Pass,
    },
    Explanation {
        code: "CS-RETENTION-021",
        title: "disposed of",
        text: "Nothing kept this any more, and two people signed its disposal. The entry, its digests, its place in the \
               tree and its receipt are where they were; what it spoke of is gone.",
        exit: Exit::Nothing,
    },
    Explanation {
        code: "CS-AUDIT-010",
        title: "a remembered checkpoint says nothing about this log",
        text: "A checkpoint that `--since` brings along is no signed note of a key that is trusted for this log, no trust file, or \
               it is about another log. It was to show that nothing was taken back, and cannot.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-ASSESS-001",
        title: "no such framework",
        text: "Frameworks come with the program, and a project adds its own in `frameworks/` under the directory that \
               `catalogue.dir` of countersign.toml names. `countersign framework list` shows them.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ASSESS-002",
        title: "no such control",
        text: "Controls come with the program, and a project adds its own in `controls/` under the directory that \
               `catalogue.dir` of countersign.toml names. `countersign control list` shows them.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ASSESS-003",
        title: "a window that ends before it begins",
        text: "A window holds the moments from `--from` on and before `--to`. A day stands for its first moment in UTC.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ASSESS-004",
        title: "facts of another shape",
        text: "The facts that were folded from the ledger lack a field, or have one too many. A rule would be silent \
               over it, so nothing was judged.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-REVIEW-001",
        title: "not a review",
        text: "A review is for a period that begins before it ends, and is due a day after it is opened at the soonest: silence takes access away, and must be somebody's silence.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-REVIEW-002",
        title: "nobody may look",
        text: "Nobody looks at their own access. Where the only reviewer is the one whose role or key it is, another is needed.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-REVIEW-003",
        title: "no such access review",
        text: "A review is named by its id, the start of it, or `latest`.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-REVIEW-004",
        title: "nothing to decide",
        text: "What was asked for is decided, or is for another reviewer.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-REVIEW-005",
        title: "no such line",
        text: "Lines are numbered from 1: roles, keys and workloads, each in the order of their entries.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-REVIEW-006",
        title: "another reviewer's line",
        text: "Each line has one reviewer, who was chosen when the review was opened: never its holder. Another one who could have been chosen decides it once that reviewer may review no more. The refusal was recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-REVIEW-007",
        title: "decided already",
        text: "A line is decided once. What turned out wrong is put right by giving the access anew, or taking it away.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-REVIEW-008",
        title: "the review is closed",
        text: "It was certified. The next one looks at everything anew.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-REVIEW-009",
        title: "the only one who looked",
        text: "Whoever decided alone everything that was decided, or opened a review in which nobody decided anything, does not certify that it was done well. Another officer closes it. The refusal was recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-REVIEW-010",
        title: "lines wait",
        text: "Until it is due, every line is decided before a review is closed. From then on, closing it ends what nobody decided about.",
        exit: Exit::Waiting,
    },
    Explanation {
        code: "CS-REVIEW-011",
        title: "past the due date",
        text: "What nobody decided by the due date ends when the review is closed, and a decision after it changes nothing. The refusal was recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-REVIEW-012",
        title: "the last administrator",
        text: "A review ends no role and no key without which no administrator would be left whose role and key have no end. Everything else that was to go has ended; the review stays open until there is another administrator, and can be closed then. The refusal was recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-REVIEW-013",
        title: "not ended",
        text: "Only a workload that an access review ended is let in again.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-REVIEW-014",
        title: "no reviewer",
        text: "Access is reviewed by security officers, compliance officers and administrators. Somebody else was named as reviewer.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ROLE-001",
        title: "a role for oneself",
        text: "Nobody grants a role to themselves: whoever gives out roles would hold all of them. The first administrator gives roles to others; another administrator is needed to give one to them.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-ROLE-002",
        title: "the last administrator",
        text: "Without an administrator nobody could be enrolled, nothing revoked, no key exchanged. One whose role expires does not count, so that time alone never leaves a ledger without one. Make another one for good first.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-ROLE-003",
        title: "a role that is not held",
        text: "It was never granted, or it ended: by a revocation, by leaving, by its expiry or in an access review.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ROLE-004",
        title: "held until another time",
        text: "A role is held once. To change when it ends, revoke it and grant it anew: both acts stay visible, each with its reason.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ROLE-005",
        title: "has left",
        text: "Whoever left holds no role and signs nothing until an administrator says that they are back. What they signed before stays valid.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-ROLE-006",
        title: "has not left",
        text: "Only somebody who left can come back.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ROLE-007",
        title: "a refused combination",
        text: "An officer chose that these roles do not meet in one person (`countersign role rules`). Every reader of the log refuses such a grant as well.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-ROLE-008",
        title: "over already",
        text: "A role that ends before it begins says nothing.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ACCESS-011",
        title: "not the role",
        text: "The act needs a role that the signer does not hold. The page on trust has the table of acts and roles. What was tried is recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-ACCESS-012",
        title: "it cannot be said so",
        text: "What is said in an act stands in the ledger and in reports: in one line, not empty, without control characters. Names of people do not belong there; they would stay when the person's data is erased.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ACCESS-013",
        title: "it changed meanwhile",
        text: "Between what you saw and what you signed somebody else changed it. Your signature was over another state and was not used.",
        exit: Exit::Backend,
    },
    Explanation {
        code: "CS-ENFORCE-004",
        title: "the assignment is not what was activated",
        text: "The document of levels that the ledger holds is not the one that an officer signed. Nothing is decided under levels that nobody signed.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-APPROVAL-002",
        title: "no set of people could approve",
        text: "The slots of a place need more different people than there are who hold the roles and have keys of the strength that is asked for: these slots, these people, and so many are missing. Whoever deploys counts as one more where they must have approved nothing. Put in effect, such rules would shut the gate for good, so they are not. Authors of a change cannot approve it, so have at least one person more than the slots need.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GATE-001",
        title: "the file of gate owners is wrong",
        text: "A file of gate owners is YAML: `version: 1` and `gates`, each with `gate`, `owner`, `deputy`, `respond_within` (such as `30m`, `4h`, `2d`), `escalation` (steps with `after` and one of `person` or `role`), `failure` (`closed`, or `open` where all its controls are at the level audit), `fallback` and, where only some regulators' clocks matter, `clocks`. Owners and deputies are enrolled people. Nothing was put in effect.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ISSUER-001",
        title: "the file of issuers is wrong",
        text: "A file of issuers is YAML: `version: 1`, `skew_seconds`, and `issuers`, each with `id`, `system`, `issuer` (an `https://` address; `*` stands for a whole part of the path), `audiences`, `algorithms`, `lifetime` (such as `15m`, `3h`), `claims` (a template a field) and, where they are needed, `keys` (a JWK set), `require` and `keep`. What stands in angle brackets is to be filled in. `countersign issuer show --shipped` prints an example. Nothing was put in effect.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ISSUER-002",
        title: "issuers that are not what was activated",
        text: "The document of issuers in the ledger is not the one that an officer signed. No token is believed until it is clear what happened.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GATE-002",
        title: "nobody owns the gates",
        text: "Until an officer puts owners in effect, nobody answers for a gate that is shut.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GATE-003",
        title: "no such gate",
        text: "The gates are `pre-commit`, `build` and `release`; the owners in effect may leave one out.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-GATE-004",
        title: "not the gate's owner",
        text: "A gate is taken on by its owner or deputy, and reviewed by them or by a security or compliance officer.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-GATE-005",
        title: "the owners are not those that were put in effect",
        text: "The document of owners that the ledger holds is not the one that an officer signed.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-REGISTRY-001",
        title: "it cannot be registered",
        text: "An application has an id of a-z, 0-9, `-`, `_` and `.`, a name, an owner and perhaps a deputy who are enrolled and two people, a criticality, at least one data class, a cardholder scope and its repositories. Who holds cardholder data is in the scope. Nothing was registered.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-REGISTRY-002",
        title: "not registered",
        text: "No application or environment of that id is registered, or it was retired. What belongs to no application, or is deployed to an environment that is not registered, is judged by the strictest default.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-REGISTRY-003",
        title: "registered already",
        text: "An id is one application or environment. To say something else about it, change it: what it was stays in the ledger.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-REGISTRY-004",
        title: "the repository belongs to another application",
        text: "A repository belongs to one application, so that there is one criticality by which it is judged.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-REGISTRY-005",
        title: "it takes an administrator",
        text: "A release manager may register and raise; what makes enforcement weaker takes an administrator, who releases nothing: a lower criticality or tier, a smaller cardholder scope, no SOX key system any more, a data class less, a repository of an unregistered one in something less than critical, a repository that leaves, or retirement.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-WAIVER-002",
        title: "no such control",
        text: "A waiver names controls that exist, and so does what compensates them: otherwise it would seem to cover something and cover nothing.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-WAIVER-003",
        title: "such a waiver cannot be asked for",
        text: "A waiver names at least one control and narrows it (application, repository, path, rule or fingerprint); a mitigated one names the control that meets the objective instead. It begins no earlier than it is asked for and lasts 365 days at most.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-WAIVER-004",
        title: "no such waiver",
        text: "Waivers are named by their id (`wai-` and 20 digits) or the start of it, if there is one only.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-WAIVER-005",
        title: "the waiver is in another state",
        text: "A waiver is decided once: granted or rejected. Only a granted one can be renewed or revoked, and none that is over comes back; ask for another. What was tried is recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-WAIVER-006",
        title: "whoever asks cannot grant",
        text: "A waiver takes two people: one signs the request, another the grant. What was tried is recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-ENFORCE-005",
        title: "the bundle is not what was activated",
        text: "The policy bundle that the ledger holds is not the one that an officer signed. What the gates serve cannot be told from it.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-IDENTITY-010",
        title: "the key would never count",
        text: "A key can be added with a time from which on it counts and a time before which it does. The second has to come after the \
               first, and must not be over.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-IDENTITY-011",
        title: "one's own key",
        text: "Who adds a key decides who signs as that person. So another administrator adds it. An administrator who is the only one \
               may add keys to themselves: there is nobody else, and the entry says who signed it.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-IDENTITY-012",
        title: "the person's data is erased",
        text: "Somebody whose data was erased is nobody any more to whom a key could be added.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-IDENTITY-013",
        title: "compromised later",
        text: "A revocation can say since when a key was in other hands. That is now or earlier; from the revocation on the key does not \
               count anyway.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-IDENTITY-014",
        title: "no such key",
        text: "A key is named by its fingerprint, or by enough of the start of it to mean one key of the person.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-IDENTITY-015",
        title: "revoked already",
        text: "A revoked key never comes back. Another revocation can only say that it was in other hands earlier than was known.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-IDENTITY-016",
        title: "the last key",
        text: "If this key did not count any more, no administrator would have a key that counts and has no end. Then, at once or when a key's \
               window is over, nobody could ever be enrolled or given a role or a key again.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-IDENTITY-020",
        title: "no such certificate authority",
        text: "A certificate authority is named by its fingerprint, or by enough of the start of it to mean one.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-IDENTITY-021",
        title: "not the certified key",
        text: "Whoever has a certificate need not have its key: a certificate is no secret. So the certified key signs that it is shown.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ACCOUNT-001",
        title: "one's own account",
        text: "What is done elsewhere under an account counts as its person's here: whoever had a commit run in CI may not be the one who \
               approves it. So nobody says which accounts are theirs while another administrator can.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-ACCOUNT-002",
        title: "the account is somebody's",
        text: "An account is one person's at a time. At a forge it is known by its number, which stays when it is renamed; an account of \
               another issuer is another account, whatever it is called there.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-ACCOUNT-003",
        title: "the account is not the person's",
        text: "No link of that account to that person stands. An issuer has to be named exactly as its tokens have it, and a forge's account by \
               its number.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-BEARER-001",
        title: "no token",
        text: "A token for a program ends by itself, after 90 days at the most (PCI DSS 8.6.3), and opens at least one scope: `read`, what \
               everybody with a role may look at, and `audit`, people and audits besides.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-BEARER-002",
        title: "nothing to open",
        text: "A token reads in the name of whoever made it, and opens what their roles open at that moment. Somebody without a role makes none.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-BEARER-003",
        title: "no such token",
        text: "Tokens are named by the beginning of their digest, as `token list` shows it, never by the secret.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-BEARER-004",
        title: "the token was revoked before",
        text: "A revoked token opens nothing, for ever. There is nothing to add.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-BEARER-005",
        title: "no repository",
        text: "A token is limited to repositories by their identities, which are made of the address of the remote `origin` or of the first commit.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-IDENTITY-022",
        title: "a revocation list names the key",
        text: "An administrator imported a revocation list of OpenSSH that names this key. It is nobody's for ever, whatever later lists say.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-IDENTITY-023",
        title: "an old revocation list",
        text: "The number of revocation lists only rises, so that nobody is shown an old one as the newest.",
        exit: Exit::Usage,
    },
];
