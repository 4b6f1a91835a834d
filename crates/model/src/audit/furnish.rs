//! Records that a regulator asks for (SEC 17 CFR 240.17a-4(f) and (j), FINRA rules 4511 and 8210), and rehearsals of an audit.

use serde::{Deserialize, Serialize};

use super::PackScope;
use crate::event::{Predicate, predicates};
use crate::{Digest, FurnishId, PersonId, Timestamp};

predicates! {
    /// A regulator asked for records.
    FurnishOpened: "furnishing" {
        /// The ledger this is said to.
        origin: String,
        /// The regulator's request.
        furnish: FurnishId,
        /// Who asks: an authority, no person.
        regulator: String,
        /// Under which reference.
        reference: String,
        /// Who received it.
        received_by: PersonId,
        /// When it was received.
        received: Timestamp,
        /// Until when the records are to be there.
        due: Timestamp,
        /// Which records.
        scope: PackScope,
        /// The officer who says so.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// Records were handed over to a regulator.
    FurnishDelivered: "furnishing-delivery" {
        /// The ledger this is said to.
        origin: String,
        /// The regulator's request.
        furnish: FurnishId,
        /// Leaf hash of the entry that records it.
        request: Digest,
        /// SHA-256 of the file, which an entry before this one records.
        pack: Digest,
        /// Its size in bytes.
        bytes: u64,
        /// How many entries of the log are in it.
        size: u64,
        /// How many records its index lists.
        records: u64,
        /// How many of them are under legal hold.
        held: u64,
        /// How many records of the scope were disposed of before.
        disposed: u64,
        /// How many payloads that belong in it are missing, and no certificate says why.
        missing: u64,
        /// Where it was sent, as the recipient calls it: a docket, a portal's receipt.
        recipient: String,
        /// The officer who hands it over.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// An audit was rehearsed: what automated evidence alone says of a framework in a quarter. Its first attachment says it
    /// requirement by requirement.
    MockAuditDone: "mock-audit" {
        /// The framework.
        framework: String,
        /// From when on.
        from: Timestamp,
        /// Before when.
        to: Timestamp,
        /// How many entries the log had.
        size: u64,
        /// Digest over all controls that judged.
        catalogue: Digest,
        /// How many requirements the framework has.
        requirements: u64,
        /// Of how many automated evidence says all.
        complete: u64,
        /// Of how many people have to say a part or all.
        people: u64,
        /// Of how many evidence is missing that the program could have.
        missing: u64,
        /// How many do not apply.
        not_applicable: u64,
        /// How many are broken, whatever is missing.
        broken: u64,
        /// SHA-256 of the evidence pack that was compiled.
        pack: Digest,
        /// Its size in bytes.
        bytes: u64,
        /// How many milliseconds all of it took.
        took_ms: u64,
        /// Digest of the record (the first attachment).
        record: Digest,
        /// When.
        time: Timestamp,
    }
}
