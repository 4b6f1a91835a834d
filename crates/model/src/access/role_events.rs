//! What administrators and officers say about roles: the predicates of their signed statements.

use serde::{Deserialize, Serialize};

use super::Combination;
use crate::event::{Predicate, predicates};
use crate::{PersonId, Role, Timestamp};

predicates! {
    /// A role for a person.
    RoleGranted: "role" {
        /// The ledger this is said to.
        origin: String,
        /// To whom.
        person: PersonId,
        /// Which role.
        role: Role,
        /// The administrator who says so; somebody else than the person.
        by: PersonId,
        /// Why. None in ledgers of before: there, nobody had to say.
        reason: Option<String>,
        /// The moment from which the role does not count any more; none: until it is revoked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<Timestamp>,
        /// When.
        time: Timestamp,
    }

    /// A role that somebody holds ends here.
    RoleRevoked: "role-revocation" {
        /// The ledger this is said to.
        origin: String,
        /// Whose.
        person: PersonId,
        /// Which role.
        role: Role,
        /// The administrator who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// A person leaves: every role and office of theirs ends, and no key of theirs signs any more. What they signed stays.
    PersonLeft: "leaving" {
        /// The ledger this is said to.
        origin: String,
        /// Who.
        person: PersonId,
        /// The administrator who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// A person who left is back. Their keys sign again; no role comes back by it.
    PersonReturned: "return" {
        /// The ledger this is said to.
        origin: String,
        /// Who.
        person: PersonId,
        /// The administrator who says so; somebody else than the person.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// What holds for every grant of a role from here on, and when somebody counts as idle.
    RoleRulesChosen: "role-rules" {
        /// The ledger this is said to.
        origin: String,
        /// Combinations that no grant may make; sorted, each once.
        refused: Vec<Combination>,
        /// After how many days without a signed act an account is idle.
        idle_days: u16,
        /// The officer who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }
}
