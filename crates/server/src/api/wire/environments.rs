//! What the API says of environments: what was deployed there, what really runs, and where that differs.

use countersign_model::Timestamp;
use serde_json::{Map, Value, json};

use super::{Wire, bare, described};

wire! {
    /// Environments by id.
    EnvironmentList {
        /// Those that are not retired, or all where that is asked for.
        items: Vec<EnvironmentLine>,
    }

    /// An environment in a list.
    EnvironmentLine {
        /// The environment.
        environment: String,
        /// Its tier.
        tier: String,
        /// Log index of its registration.
        index: u64,
        /// Who registered it so, by id.
        by: String,
        /// When.
        time: Timestamp,
        /// Log index of its retirement.
        retired: Option<u64>,
        /// Why nothing may be deployed there now: frozen or outside-windows; null: it is open.
        closed: Option<String>,
        /// Whether something is overdue after an emergency.
        overdue: bool,
        /// How many differences there are between what runs and what was let through, as far as anybody looked.
        drift: u64,
        /// Log index of the newest snapshot of what runs there; null: nobody looked.
        snapshot: Option<u64>,
        /// How many deployments ended there.
        deployments: u64,
        /// Log index of the last.
        last: Option<u64>,
    }

    /// An environment with what was deployed there.
    Environment {
        /// The environment.
        environment: String,
        /// Its tier.
        tier: String,
        /// Log index of its registration.
        index: u64,
        /// Log index of its retirement.
        retired: Option<u64>,
        /// Why nothing may be deployed there now: frozen or outside-windows; null: it is open.
        closed: Option<String>,
        /// Freezes that hold now or will, the oldest first.
        freezes: Vec<Freeze>,
        /// The windows in which it is open, as `mon-thu 20:00-23:30 +01:00`; none: always.
        windows: Vec<String>,
        /// The newest successful deployment of each repository.
        running: Vec<Deployment>,
        /// How many deployments ended there.
        deployments: u64,
        /// Its emergencies, newest first.
        emergencies: Vec<Emergency>,
        /// The newest snapshot of what really runs there; null: nobody looked.
        snapshot: Option<Snapshot>,
        /// Where what runs differs from what was let through, the oldest first.
        drift: Vec<DriftFound>,
    }

    /// A deployment that ended well.
    Deployment {
        /// Log index.
        index: u64,
        /// The repository's identity.
        repository: String,
        /// The commit.
        commit: String,
        /// The run that was let through.
        run: String,
        /// The grant that it used.
        grant: String,
        /// The emergency in which it went past the gates.
        break_glass: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// An emergency: somebody broke the glass.
    Emergency {
        /// The emergency.
        break_glass: String,
        /// Log index.
        index: u64,
        /// Whether it is open.
        open: bool,
        /// Where its ratification stands: owed, overdue, done or late.
        ratification: String,
        /// Where its review stands: owed, overdue, done or late.
        review: String,
        /// Whether nothing that it owes is overdue.
        compliant: bool,
        /// Whether everything that it owes was done in time, or is not due yet.
        was_compliant: bool,
        /// Who, by id.
        person: String,
        /// When.
        time: Timestamp,
    }

    /// Freezes, the newest first.
    FreezeList {
        /// All that are asked for, those that are over included.
        items: Vec<Freeze>,
    }

    /// For a while nothing is deployed to an environment.
    Freeze {
        /// The freeze.
        freeze: String,
        /// Log index.
        index: u64,
        /// The environment.
        environment: String,
        /// frozen: it holds; ahead: it will; over; lifted: somebody ended it.
        state: String,
        /// From when.
        from: Timestamp,
        /// Until when; null: until it is lifted.
        until: Option<Timestamp>,
        /// Who put it in place, by id.
        by: String,
        /// Why.
        reason: String,
        /// Who ended it before its time.
        lifted: Option<FreezeEnded>,
    }

    /// That a freeze was lifted.
    FreezeEnded {
        /// Log index.
        index: u64,
        /// Who, by id.
        by: String,
        /// When.
        time: Timestamp,
        /// Why.
        reason: String,
    }

    /// What ran in an environment at a moment.
    Snapshot {
        /// Log index.
        index: u64,
        /// When.
        time: Timestamp,
        /// How it was seen: kubernetes, sums or files.
        observed: String,
        /// The applications that were looked at; none: all of the environment.
        applications: Vec<String>,
        /// What ran, as far as it belongs to what is shown.
        seen: Vec<SeenPart>,
        /// What ran and has no digest.
        untold: Vec<String>,
    }

    /// Something that ran.
    SeenPart {
        /// What it is called there.
        name: String,
        /// Its digest.
        digest: String,
        /// In how many places.
        count: u64,
        /// The run that is known of it.
        run: Option<String>,
    }

    /// A snapshot as it was taken.
    SnapshotRecorded {
        /// The environment.
        environment: String,
        /// Log index; where nothing was recorded, of the one before, which says the same.
        index: u64,
        /// Whether it was recorded: one that says what the one before said is not, until that is 15 minutes old.
        recorded: bool,
        /// When.
        time: Timestamp,
        /// What ran.
        seen: Vec<SeenPart>,
        /// What ran and has no digest.
        untold: Vec<String>,
        /// Where it differs from what was let through.
        drift: Vec<DriftPart>,
        /// How many of the differences are new.
        new: u64,
        /// Log index of the entry that says so.
        told: Option<u64>,
        /// Repositories that were deployed without a recorded artifact: it cannot be told whether they run.
        without_artifacts: Vec<String>,
    }

    /// A difference that a snapshot found.
    DriftPart {
        /// What it is: unknown, elsewhere, replaced or missing.
        kind: String,
        /// What it is called there; of what is missing, as it was recorded.
        name: String,
        /// Its digest.
        digest: String,
        /// The grant of the deployment that is known of it.
        grant: Option<String>,
        /// That deployment's run.
        run: Option<String>,
    }

    /// A difference between what runs and what was let through.
    DriftFound {
        /// What it is: unknown, elsewhere, replaced or missing.
        kind: String,
        /// What it is called there; of what is missing, as it was recorded.
        name: String,
        /// Its digest.
        digest: String,
        /// The run that is known of it.
        run: Option<String>,
        /// Log index of the snapshot that found it.
        index: u64,
        /// When.
        time: Timestamp,
    }
}
