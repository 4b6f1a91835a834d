//! What the API says of people, their roles and the reviews of all access.

use countersign_model::access::{CertificateUse, Combination};
use countersign_model::{Digest, Role, Timestamp};
use serde_json::{Map, Value, json};

use super::{Wire, bare, described};

wire! {
    /// Everybody enrolled.
    PersonList {
        /// All of them.
        items: Vec<Person>,
    }

    /// Somebody enrolled.
    Person {
        /// The person's id.
        person: String,
        /// Their name; null where it was erased.
        name: Option<String>,
        /// Their roles at this moment.
        roles: Vec<Role>,
        /// How many keys of theirs sign acts.
        keys: u64,
        /// These keys.
        signs_with: Vec<PersonKey>,
        /// Their last leaving; null: they never left.
        left: Option<PersonGone>,
        /// Log index of their enrolment.
        index: u64,
    }

    /// A key that signs acts.
    PersonKey {
        /// Its fingerprint.
        key: String,
        /// Its algorithm, as OpenSSH calls it.
        algorithm: String,
    }

    /// Somebody left.
    PersonGone {
        /// Log index.
        index: u64,
        /// Who said so, by id.
        by: String,
        /// When.
        time: Timestamp,
        /// Why.
        reason: String,
        /// Log index of their return.
        returned: Option<u64>,
    }

    /// Grants of roles, oldest first.
    RoleList {
        /// All that are asked for.
        items: Vec<RoleGrant>,
    }

    /// A role that was granted to somebody.
    RoleGrant {
        /// To whom, by id.
        person: String,
        /// Which.
        role: Role,
        /// By whom, by id; the first administrator's own is by themselves.
        by: String,
        /// Why; null where nobody had to say.
        reason: Option<String>,
        /// When.
        time: Timestamp,
        /// From when on it does not count; null: it is for good.
        expires: Option<Timestamp>,
        /// held, expired, or how it ended: revoked, left or review.
        state: String,
        /// Log index.
        index: u64,
        /// How it ended before its time.
        ended: Option<RoleGone>,
    }

    /// The end of a role.
    RoleGone {
        /// Log index.
        index: u64,
        /// By whom, by id.
        by: String,
        /// When.
        time: Timestamp,
        /// revoked, left or review.
        how: String,
        /// Why.
        reason: String,
    }

    /// Reviews of all access, oldest first.
    AccessReviewList {
        /// All of them.
        items: Vec<AccessReviewLine>,
    }

    /// A review in a list.
    AccessReviewLine {
        /// The review.
        review: String,
        /// Log index of its opening.
        index: u64,
        /// Until when lines are to be decided.
        due: Timestamp,
        /// How many lines it has.
        lines: u64,
        /// How many of them nobody decided.
        waiting: u64,
        /// Whether it is open and due: what nobody decided ends when it is closed.
        overdue: bool,
        /// Log index of its certification; null: it is open.
        closed: Option<u64>,
        /// Whose lines wait, in the order of their ids.
        waits: Vec<AccessReviewWaits>,
    }

    /// Lines that wait for somebody.
    AccessReviewWaits {
        /// For whom, by id.
        reviewer: String,
        /// How many.
        lines: u64,
    }

    /// What holds for grants of roles.
    RoleRules {
        /// Log index of the choice; null: nobody chose any.
        index: Option<u64>,
        /// Combinations that no grant may make.
        refused: Vec<Combination>,
        /// After how many days without a signed act an account is idle.
        idle_days: u64,
    }

    /// Authorities whose SSH certificates say whose keys are, oldest first.
    CertificateAuthorityList {
        /// All that there are or were.
        items: Vec<CertificateAuthority>,
    }

    /// An authority for SSH certificates.
    CertificateAuthority {
        /// The fingerprint of its key.
        fingerprint: String,
        /// Whom its certificates may name, by id.
        people: Vec<String>,
        /// What they are good for.
        uses: Vec<CertificateUse>,
        /// What it certifies does not count before.
        valid_after: Option<Timestamp>,
        /// Nor from then on.
        valid_before: Option<Timestamp>,
        /// Log index of the newest entry that names it.
        index: u64,
        /// What is said against it; null: it counts.
        revoked: Option<CertificateAuthorityGone>,
    }

    /// The end of an authority.
    CertificateAuthorityGone {
        /// Log index.
        index: u64,
        /// When that was appended.
        appended: Timestamp,
        /// Since when somebody else may have had it; null: it was given up.
        compromised_since: Option<Timestamp>,
        /// By whom, by id.
        by: String,
        /// Why.
        reason: String,
    }

    /// Revocation lists of OpenSSH, oldest first.
    RevocationLists {
        /// All that were imported.
        items: Vec<RevocationListLine>,
    }

    /// A revocation list.
    RevocationListLine {
        /// Its number, in decimal digits: it may be larger than what a number in JSON holds exactly.
        number: String,
        /// SHA-256 of the file.
        digest: Digest,
        /// When it was appended.
        appended: Timestamp,
        /// Log index.
        index: u64,
    }
}
