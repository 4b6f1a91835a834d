//! The long text behind every code of this room, and the exit code that goes with it.

use countersign_model::{Exit, Explanation};

/// Every code of the stages.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-APPROVAL-010",
        title: "no such approval is needed",
        text: "Slots are named by the approval rules in effect, or are `technical` and `regulatory` where there are none. An approval for a slot that nobody has to sign would count for nothing, so it is not taken.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-APPROVAL-011",
        title: "what was signed is not so any more",
        text: "An approval binds the repository, commit, tree, artifacts, environment, policy bundle, decision, levels, approval rules, waivers in force and the newest findings. What differs is named; the approval is of something else, and whoever gave it has to look again.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-APPROVAL-012",
        title: "a duty keeps the person from it",
        text: "The approval rules say which duties in a run exclude somebody from a slot: who edited the pipeline's definition, who put the policy in effect or edited it, who pushed. Authors and co-authors are excluded always.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-APPROVAL-013",
        title: "the key is too weak for the slot",
        text: "The approval rules ask for a key that cannot leave its device. A key in a file or an agent does not count, whoever holds it.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-APPROVAL-014",
        title: "another approval comes first",
        text: "The approval rules say that this slot is signed after another one was filled. A signature given before does not count later either: whoever signs second has seen that the first stands.",
        exit: Exit::Waiting,
    },
    Explanation {
        code: "CS-APPROVAL-015",
        title: "the approval expired",
        text: "An approval counts until the time that it says, or as long as its slot allows. A clock that is set back does not bring it back: the newest time in the log counts as well.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-APPROVAL-016",
        title: "the approval counts for too long",
        text: "The slot's rule says for how many hours an approval counts, and this one claims more, or names no end.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-APPROVAL-017",
        title: "signed in the future",
        text: "The time of a signature may be five minutes ahead of the log at most. A later one would make the approval count for longer than its slot allows.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-APPROVAL-018",
        title: "the person rejected the run",
        text: "A rejection stands until whoever gave it takes it back by signature, or a new decision is made. Until then they cannot approve, nor reject again.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-APPROVAL-019",
        title: "nothing to take back",
        text: "`withdraw` ends the approvals and rejections that the person gave of the newest decision that they spoke about. Nothing of theirs stands.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-APPROVAL-020",
        title: "no say in the run",
        text: "Only whoever could approve can reject: somebody who holds the role of a slot and has no duty that keeps them from it. An author who thinks better of a change makes another commit.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-APPROVAL-021",
        title: "the run is not in this ledger",
        text: "The approval names a run that this ledger does not know. It was signed for another repository's ledger, or a copy that went on by itself.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-APPROVAL-022",
        title: "a signature for something else",
        text: "The signature was given for another act. Each act has an SSH namespace of its own, so that a signature for one never passes for another.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-APPROVAL-023",
        title: "another key signed it",
        text: "The approval names a key, and another one signed it. Which device somebody signed with is part of what they sign.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-APPROVAL-024",
        title: "the strength is overstated",
        text: "The approval says that it was given with a hardware key, and the key is none.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-APPROVAL-025",
        title: "signed over another history",
        text: "An approval binds size and root of the log when it was signed. Here the log had another root at that size: whoever signed saw another history of this ledger than is here now.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-APPROVAL-026",
        title: "no reason",
        text: "A rejection or withdrawal says why in one line of at most 1000 bytes: those who come later have to understand it.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-PASSKEY-013",
        title: "the request is for something else",
        text: "An approval with a passkey has two steps: a request with the exact statement is made, and the browser's answer to it is \
               handed in with that request. This file is no such request, was altered, or is one for another run or slot.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-COMMIT-001",
        title: "hooks are set for the whole machine",
        text: "core.hooksPath in the user's or the system's configuration names one folder for the hooks of every \
               repository, so a hook in this repository alone would not run, and one in that folder would run \
               everywhere. Neither is done unasked.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-COMMIT-002",
        title: "two hooks to keep",
        text: "A hook that is there when ours is installed is kept beside it, as NAME.before-countersign, and runs \
               first. Here another program has since put its own in our place, and the kept one is still there. Only \
               you know whether both are wanted. Nothing was changed.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-COMMIT-003",
        title: "a hook's file",
        text: "A file in the folder of hooks cannot be read, written or renamed.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-BUILD-001",
        title: "no commits",
        text: "A run judges the commit at HEAD. This repository has none, so there is nothing to examine, which is never the same as a pass.",
        exit: Exit::Nothing,
    },
    Explanation {
        code: "CS-BUILD-002",
        title: "no such run",
        text: "A run is named by its id, by the start of it, by the commit it judged, or by `latest`. None or more than one fits.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-BUILD-003",
        title: "nothing was scanned",
        text: "A run without a recorded scan cannot be decided: a missing scan is never a pass.",
        exit: Exit::Incomplete,
    },
    Explanation {
        code: "CS-BUILD-004",
        title: "the active bundle is not what was activated",
        text: "The digest in a PolicyActivated act is the policy version in effect. The stored bundle has another digest.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-BUILD-005",
        title: "evidence cannot be read",
        text: "A file named to `record` cannot be read. Nothing was recorded.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-BUILD-006",
        title: "not a file",
        text: "`record` attaches files. Pack a directory first.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-BUILD-007",
        title: "evidence too large",
        text: "Evidence is stored whole in the ledger's blobs, up to a limit. Larger files are named by digest as artifacts.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-BUILD-008",
        title: "no such decision",
        text: "A decision is named by its id, its digest (at least six digits), its log index, or its run (then its last decision).",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-BUILD-009",
        title: "the facts changed",
        text: "Between the decision and the signature something it rests on changed: evidence, a claim, a grant, a role, the policy bundle. A signature over the past is worth nothing, so none was made.",
        exit: Exit::Waiting,
    },
    Explanation {
        code: "CS-RELEASE-001",
        title: "no root of trust",
        text: "Before `init` a ledger has a log key and a recorder and nobody to trust. What was recorded before never counts as an approval.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RELEASE-002",
        title: "unknown key",
        text: "Acts count when they are signed by a key of an enrolled person. The refusal was recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RELEASE-030",
        title: "has left",
        text: "Whoever left holds no role and signs nothing until an administrator says that they are back. What they signed before stays valid.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RELEASE-003",
        title: "missing role",
        text: "The act needs a role that this person does not hold. The refusal was recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RELEASE-004",
        title: "an author cannot approve",
        text: "Whoever wrote, or claimed, a commit that the release covers is excluded from approving it: all commits since the environment's last deployment count. The refusal was recorded. (RTS (EU) 2024/1774 Art. 17(1)(b); PCI DSS 6.2.3.1.)",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RELEASE-005",
        title: "one person, two signatures",
        text: "Four eyes are two people. The same person cannot give the technical and the regulatory approval of one decision. The refusal was recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RELEASE-006",
        title: "approved already",
        text: "This person gave this very approval of this decision before. It counts once.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RELEASE-007",
        title: "denied by a gate",
        text: "A gate says no, and no signature changes that. Fix what it names and run again. The refusal was recorded.",
        exit: Exit::Denied,
    },
    Explanation {
        code: "CS-RELEASE-008",
        title: "a gate waits",
        text: "A grant is issued when every gate is satisfied. One still waits for something. The refusal was recorded.",
        exit: Exit::Waiting,
    },
    Explanation {
        code: "CS-RELEASE-009",
        title: "no repository identity",
        text: "An approval names the repository by its remote or by its first commit. A shallow clone without a remote has neither.",
        exit: Exit::Waiting,
    },
    Explanation {
        code: "CS-RELEASE-010",
        title: "signed for another ledger",
        text: "Every act names the ledger it is meant for, so that it cannot be replayed elsewhere.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RELEASE-011",
        title: "a stale approval",
        text: "The approval binds a decision. Since then the facts, the policy bundle or an artifact changed, which made a new decision; the gate closed again. The refusal was recorded.",
        exit: Exit::Waiting,
    },
    Explanation {
        code: "CS-RELEASE-012",
        title: "conflicting duties",
        text: "Author, technical approver, regulatory approver and deployer of one run are different people. The refusal was recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RELEASE-013",
        title: "decided for another environment",
        text: "What a release covers depends on what was last deployed to the environment, so a decision holds for one environment only.",
        exit: Exit::Denied,
    },
    Explanation {
        code: "CS-RELEASE-014",
        title: "the environment moved on",
        text: "A release covers every commit since the environment's last deployment. That one changed, so the covered commits and their authors did too.",
        exit: Exit::Waiting,
    },
    Explanation {
        code: "CS-RELEASE-015",
        title: "no such grant",
        text: "The ledger knows no deploy grant of that id. A grant file alone permits nothing.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RELEASE-016",
        title: "the grant was used",
        text: "A grant is redeemed once. The redemption is in the ledger, so a copy of the file helps nobody. The refusal was recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RELEASE-017",
        title: "the grant expired",
        text: "A grant is a short-lived permission. The refusal was recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-RELEASE-018",
        title: "the grant is outdated",
        text: "The decision, its approvals or what is deployed in the environment changed after the grant was issued. The refusal was recorded.",
        exit: Exit::Waiting,
    },
    Explanation {
        code: "CS-RELEASE-019",
        title: "nothing to grant",
        text: "Only suppressions that the judged tree asks for (an inline mark, a declaration, a baseline) can be granted, and only once.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-BUILD-010",
        title: "a recorded document is not what this program writes",
        text: "A decision or change in the ledger cannot be read: it is damaged, or a newer program wrote it.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-RELEASE-020",
        title: "nothing to override",
        text: "Only what blocks at the level `soft` can be overridden. What is `hard` changes with the assignment alone, \
               and what is `advisory` or `audit` holds nobody up. Without an assignment everything is hard.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-BUILD-011",
        title: "an assignment that is gone",
        text: "A decision names the assignment of levels that it was made under, and the ledger holds no activation of such \
               a one, or its document is another.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-WORKLOAD-001",
        title: "nobody's identity tokens are believed",
        text: "A token of a CI system counts when its issuer was put in effect by the signature of a security officer. None was, so the token proves nothing. The refusal was recorded.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-WORKLOAD-002",
        title: "issuers that are not what was activated",
        text: "The document of issuers in the ledger is not the one that an officer signed.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-WORKLOAD-003",
        title: "the issuers changed meanwhile",
        text: "An officer put other issuers in effect while the token was verified under the earlier ones. Nothing was recorded.",
        exit: Exit::Backend,
    },
    Explanation {
        code: "CS-WORKLOAD-004",
        title: "a required claim is missing",
        text: "The issuer's entry requires a claim with a certain value, or makes commit or repository of one, and the token does not say it. The refusal was recorded.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-WORKLOAD-005",
        title: "a token for another commit or repository",
        text: "The token is genuine, and its job was about something else than this run: another commit, or another repository (a fork has the same commits). A run whose repository is not known by an address goes with no token that names one. The refusal was recorded.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-WORKLOAD-006",
        title: "a token that was shown before",
        text: "Each token (by its `jti`, else by its bytes) counts for one attempt of one run. Somebody shows this one again: a job that runs twice with one token, or whoever copied it out of a log. The refusal was recorded.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-WORKLOAD-007",
        title: "a workload that a review ended",
        text: "Nobody kept this workload in an access review, so its tokens are not believed any more, whatever the branch. A security officer lets it in again where that was a mistake. The refusal was recorded.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-WORKLOAD-008",
        title: "a job of no application",
        text: "A job that shows a server the identity token of its CI system, and nothing else, may ask about the repository that the token names, where \
               that belongs to a registered application. Anybody in the world can run a job at a public CI system.",
        exit: Exit::Forbidden,
    },
];
