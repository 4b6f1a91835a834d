//! How mature delivery is: ten dimensions, four levels, and the lowest counts. A mean would hide a hole.
//!
//! A level is reached where every condition of it and of the levels below holds over 90 days. What nobody knows does not hold.

use countersign_model::Outcome;
use serde_json::Value;

use super::judged::Assessed;

/// How many subjects a condition names.
const MAX_SUBJECTS: usize = 10;
const DAY: u64 = 24 * 3_600_000;

/// The level, and what it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maturity {
    /// 1 manual, 2 tool-based, 3 policy-driven, 4 audit-ready.
    pub level: u8,
    /// The dimensions, D1 to D10.
    pub dimensions: Vec<Dimension>,
    /// The smallest set of changes that reaches the next level: what blocks each dimension that is no higher.
    pub changes: Vec<String>,
}

/// One dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    /// `D1` to `D10`.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// 1 to 4.
    pub level: u8,
    /// What keeps it from the next level.
    pub blocking: Vec<Blocking>,
}

/// A condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocking {
    /// The fact.
    pub fact: String,
    /// What would change it.
    pub change: String,
    /// What offends, where something does; at most ten.
    pub subjects: Vec<String>,
    /// How many there are.
    pub count: usize,
}

/// The name of a level.
#[must_use]
pub const fn name(level: u8) -> &'static str {
    match level {
        4 => "audit-ready",
        3 => "policy-driven",
        2 => "tool-based",
        _ => "manual",
    }
}

/// A condition of a level.
struct Condition {
    holds: bool,
    blocking: Blocking,
}

impl Condition {
    fn known(holds: bool, fact: impl Into<String>, change: &str) -> Self {
        let blocking = Blocking { fact: fact.into(), change: change.to_owned(), subjects: Vec::new(), count: 0 };
        Self { holds, blocking }
    }

    /// At least so many of a thousand of the elements keep it; without elements it does not hold.
    fn share(all: &[&Value], kept: impl Fn(&Value) -> bool, thousandths: usize, what: &str, change: &str) -> Self {
        let offending: Vec<String> =
            all.iter().filter(|e| !kept(e)).filter_map(|e| e["id"].as_str()).map(str::to_owned).collect();
        let good = all.len().saturating_sub(offending.len());
        let holds = !all.is_empty() && good.saturating_mul(1000) >= all.len().saturating_mul(thousandths);
        let percent = format!("{}.{} %", thousandths / 10, thousandths % 10).replace(".0 %", " %");
        let fact = if all.is_empty() {
            format!("nothing is known: {what}")
        } else {
            format!("{good} of {}: {what} (needed: {percent})", all.len())
        };
        let count = offending.len();
        let subjects = offending.into_iter().take(MAX_SUBJECTS).collect();
        Self { holds, blocking: Blocking { fact, change: change.to_owned(), subjects, count } }
    }
}

fn dimension(id: &'static str, title: &'static str, steps: [Vec<Condition>; 3], long_enough: bool) -> Dimension {
    let mut level = 1;
    for step in steps {
        let short = (!long_enough).then(|| {
            Condition::known(false, "the window is shorter than 90 days", "assess 90 days or more: --from").blocking
        });
        let blocking: Vec<Blocking> = step.into_iter().filter(|c| !c.holds).map(|c| c.blocking).chain(short).collect();
        if !blocking.is_empty() {
            return Dimension { id, title, level, blocking };
        }
        level += 1;
    }
    Dimension { id, title, level, blocking: Vec::new() }
}

/// Rates the facts.
pub(super) fn rate(facts: &Value, frameworks: &[Assessed]) -> Maturity {
    let window = (facts["window"]["from"].as_u64().unwrap_or(0), facts["window"]["to"].as_u64().unwrap_or(0));
    let long = window.1.saturating_sub(window.0) >= 90 * DAY;
    let has = |source: &str| facts["sources"].as_array().is_some_and(|all| all.iter().any(|s| s == source));
    let list = |name: &str| -> Vec<&Value> { facts[name].as_array().map(|a| a.iter().collect()).unwrap_or_default() };
    let deployed: Vec<&Value> = list("deployments").into_iter().filter(|d| d["success"] == true).collect();
    let dimensions = vec![
        dimension("D1", "scans of what is deployed", scans(&deployed), long),
        dimension("D2", "gates by policy as code", gates(&deployed, &list("decisions")), long),
        dimension("D3", "approvals", approvals(&deployed, has("break-glass"), &list("emergencies")), long),
        dimension(
            "D4",
            "evidence that nobody writes by hand",
            evidence(frameworks, facts, has("verification-record")),
            long,
        ),
        dimension("D5", "reconciliation with production", reconciliation(&list("observations")), long),
        dimension("D6", "drift", drift(&list("drifts"), has("drift-scan")), long),
        dimension("D7", "access reviews", reviews(&list("reviews")), long),
        dimension("D8", "ownership of gates", ownership(&list("gates"), &list("alerts"), window.1), long),
        dimension("D9", "time to an evidence pack", packs(), long),
        dimension("D10", "legacy systems behind a gate", legacy(), long),
    ];
    let level = dimensions.iter().map(|d| d.level).min().unwrap_or(1);
    let mut changes: Vec<String> = Vec::new();
    for dimension in dimensions.iter().filter(|d| d.level == level) {
        for blocking in &dimension.blocking {
            let change = format!("{}: {}", dimension.id, blocking.change);
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
    }
    Maturity { level, dimensions, changes }
}

/// Kinds of analysis that were there for a deployment, whole and of this commit.
fn classes(d: &Value) -> usize {
    let reported = |class: &str| {
        d["reports"]
            .as_array()
            .is_some_and(|all| all.iter().any(|r| r["class"] == class && r["current"] == true && r["complete"] == true))
    };
    let ours = d["scanned"] == true || reported("secrets");
    ["sast", "sca", "iac"].into_iter().filter(|c| reported(c)).count() + usize::from(ours)
}

fn has_dast(d: &Value) -> bool {
    d["reports"].as_array().is_some_and(|all| all.iter().any(|r| r["class"] == "dast" && r["complete"] == true))
}

fn scans(deployed: &[&Value]) -> [Vec<Condition>; 3] {
    let all =
        "attach reports of a static analysis, of components and of infrastructure to every run: countersign record";
    let blocked = |d: &Value| d["gates"].as_array().is_some_and(|g| g.iter().any(|g| g["name"] == "build"));
    [
        vec![Condition::share(deployed, |d| classes(d) >= 2, 500, "deployments with two kinds of analysis", all)],
        vec![
            Condition::share(deployed, |d| classes(d) >= 4, 950, "deployments with all four kinds of analysis", all),
            Condition::share(
                deployed,
                blocked,
                950,
                "deployments that the gate `build` could have stopped",
                "let the gate `build` decide",
            ),
        ],
        vec![
            Condition::share(deployed, |d| classes(d) >= 4, 995, "deployments with all four kinds of analysis", all),
            Condition::share(
                deployed,
                has_dast,
                995,
                "deployments with a dynamic analysis",
                "attach a dynamic analysis no older than 14 days: countersign record",
            ),
        ],
    ]
}

fn gates(deployed: &[&Value], decisions: &[&Value]) -> [Vec<Condition>; 3] {
    let activate = "put a bundle in effect before anything is decided: countersign policy activate";
    let in_effect = |d: &Value| d["bundle_in_effect"] == true;
    let tried: Vec<&Value> = decisions.iter().copied().filter(|d| d["repeated"] != "not-tried").collect();
    [
        vec![Condition::share(
            deployed,
            |d| d["decision"] != "",
            1,
            "deployments that a policy decided on",
            "deploy through `countersign deploy`",
        )],
        vec![Condition::share(deployed, in_effect, 950, "deployments decided by a bundle in effect", activate)],
        vec![
            Condition::share(deployed, in_effect, 1000, "deployments decided by a bundle in effect", activate),
            Condition::share(
                &tried,
                |d| d["repeated"] == "identical",
                1000,
                "decisions that come out the same again",
                "find out why: countersign replay",
            ),
            Condition::known(
                false,
                "how much of the bundle its tests cover is not recorded",
                "record the coverage of the bundle's tests, 90 % at least",
            ),
        ],
    ]
}

/// Approvals by people who wrote nothing of it, as people and slots.
fn independent(d: &Value) -> (std::collections::BTreeSet<&str>, std::collections::BTreeSet<&str>) {
    let authors: Vec<&str> = d["authors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let of = d["approvals"].as_array().into_iter().flatten();
    let of = of.filter(|a| a["person"].as_str().is_some_and(|p| !authors.contains(&p)));
    of.filter_map(|a| Some((a["person"].as_str()?, a["slot"].as_str()?))).unzip()
}

fn approvals(deployed: &[&Value], break_glass: bool, emergencies: &[&Value]) -> [Vec<Condition>; 3] {
    let two = "have two people approve who wrote none of it: countersign approve";
    let dual = |d: &Value| {
        let (people, slots) = independent(d);
        people.len() >= 2 && slots.len() >= 2
    };
    let hardware = |d: &Value| {
        let approvals = d["approvals"].as_array();
        approvals.is_some_and(|all| !all.is_empty() && all.iter().all(|a| a["strength"] == "ssh-hardware-key"))
    };
    let split = |d: &Value| {
        let (people, _) = independent(d);
        let given = d["approvals"].as_array().map_or(0, Vec::len);
        let deployer = d["deployer"].as_str().unwrap_or_default();
        let wrote = d["authors"].as_array().is_some_and(|all| all.iter().any(|a| a == deployer));
        !wrote && !people.contains(deployer) && independent_count(d) == given
    };
    let closed = break_glass && emergencies.iter().all(|e| e["closed"].is_u64());
    [
        vec![Condition::share(
            deployed,
            |d| !independent(d).0.is_empty(),
            500,
            "deployments that somebody approved who wrote none of it",
            two,
        )],
        vec![Condition::share(deployed, dual, 950, "deployments that two such people approved", two)],
        vec![
            Condition::share(deployed, dual, 1000, "deployments that two such people approved", two),
            Condition::share(
                deployed,
                hardware,
                1000,
                "deployments whose approvals are signed in hardware",
                "enrol FIDO2 keys: ssh-keygen -t ed25519-sk",
            ),
            Condition::share(
                deployed,
                split,
                1000,
                "deployments without a conflict of duties",
                "split the duties: countersign role grant",
            ),
            Condition::known(
                closed,
                "closure of emergency changes is not known, or not complete",
                "record emergency changes and close them in time",
            ),
        ],
    ]
}

fn independent_count(d: &Value) -> usize {
    let authors: Vec<&str> = d["authors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let of = d["approvals"].as_array().into_iter().flatten();
    of.filter(|a| a["person"].as_str().is_some_and(|p| !authors.contains(&p))).count()
}

fn evidence(frameworks: &[Assessed], facts: &Value, scheduled: bool) -> [Vec<Condition>; 3] {
    let required: Vec<_> =
        frameworks.iter().flat_map(|f| &f.requirements).filter(|r| r.outcome != Outcome::NotApplicable).collect();
    let generated = required.iter().filter(|r| {
        matches!(r.outcome, Outcome::Pass | Outcome::Fail | Outcome::Pending | Outcome::Waived | Outcome::Mitigated)
    });
    let (total, generated) = (required.len(), generated.count());
    let share = |thousandths: usize| {
        let holds = total > 0 && generated.saturating_mul(1000) >= total.saturating_mul(thousandths);
        let fact =
            format!("{generated} of {total} requirements are decided by evidence (needed: {} %)", thousandths / 10);
        Condition::known(holds, fact, "deliver the sources that are missing; see the plan")
    };
    let silence = facts["ledger"][0]["silence"].as_u64().unwrap_or(u64::MAX);
    [
        vec![share(250)],
        vec![share(900)],
        vec![
            share(990),
            Condition::known(
                scheduled,
                "verification every day is not on record",
                "verify on a schedule, and record it",
            ),
            Condition::known(
                silence <= DAY,
                format!("the longest silence of the ledger: {} hours", silence / 3_600_000),
                "record something every day",
            ),
        ],
    ]
}

fn reconciliation(observed: &[&Value]) -> [Vec<Condition>; 3] {
    let change = "take snapshots of production and hold them against deployments";
    let of = |thousandths| {
        let what = "changes seen in production that a recorded deployment explains";
        vec![Condition::share(observed, |o| o["deployment"].is_string(), thousandths, what, change)]
    };
    [of(600), of(980), of(1000)]
}

fn drift(drifts: &[&Value], scanned: bool) -> [Vec<Condition>; 3] {
    let within = |detect: u64, resolve: u64| {
        let late = drifts.iter().any(|d| {
            let (arisen, detected) = (d["arisen"].as_u64().unwrap_or(0), d["detected"].as_u64().unwrap_or(u64::MAX));
            let resolved = d["resolved"].as_u64().unwrap_or(u64::MAX);
            detected.saturating_sub(arisen) > detect || resolved.saturating_sub(detected) > resolve
        });
        scanned && !late
    };
    let change = "scan for drift on a schedule, and correct it";
    [
        vec![Condition::known(scanned, "nobody looks for drift", change)],
        vec![Condition::known(
            within(DAY, 7 * DAY),
            "drift is not found within 24 hours and gone within 7 days",
            change,
        )],
        vec![Condition::known(
            within(15 * 60_000, DAY),
            "drift is not found within 15 minutes and gone within 24 hours",
            change,
        )],
    ]
}

fn reviews(reviews: &[&Value]) -> [Vec<Condition>; 3] {
    let change = "review all access each quarter, and look again at what was taken away";
    let in_time = |r: &Value| r["decided"].as_u64().is_some_and(|at| at <= r["due"].as_u64().unwrap_or(0));
    let proved = |r: &Value| in_time(r) && (r["revoke"] != true || r["gone"] == true);
    [
        vec![Condition::share(reviews, |_| true, 1, "lines of access reviews", change)],
        vec![Condition::share(reviews, in_time, 980, "lines decided in time", change)],
        vec![Condition::share(reviews, proved, 1000, "lines decided in time, with what was taken away gone", change)],
    ]
}

fn ownership(gates: &[&Value], alerts: &[&Value], to: u64) -> [Vec<Condition>; 3] {
    let change = "give every gate an owner, a deputy and a time to answer, and review it each year";
    let owned = |g: &Value| g["owner"].is_string() && g["owner_active"] == true;
    let whole = |g: &Value| owned(g) && g["deputy"].is_string() && g["sla_hours"].is_u64();
    let reviewed = |g: &Value| g["reviewed"].as_u64().is_some_and(|at| to.saturating_sub(at) <= 365 * DAY);
    let met = |a: &Value| {
        let limit = a["sla_hours"].as_u64().unwrap_or(0).saturating_mul(3_600_000);
        a["answered"].as_u64().is_some_and(|at| at.saturating_sub(a["raised"].as_u64().unwrap_or(0)) <= limit)
    };
    [
        vec![Condition::share(gates, owned, 1, "gates with an owner", change)],
        vec![Condition::share(gates, whole, 1000, "gates with owner, deputy and time to answer", change)],
        vec![
            Condition::share(gates, reviewed, 1000, "gates reviewed within a year", change),
            Condition::share(alerts, met, 950, "alerts taken up in time", change),
        ],
    ]
}

fn packs() -> [Vec<Condition>; 3] {
    let none = || {
        vec![Condition::known(
            false,
            "how long an evidence pack takes is not measured",
            "make evidence packs; they come with a later part",
        )]
    };
    [none(), none(), none()]
}

fn legacy() -> [Vec<Condition>; 3] {
    let none = || {
        vec![Condition::known(
            false,
            "which systems are not behind a gate is not known",
            "register applications and environments; that comes with a later part",
        )]
    };
    [none(), none(), none()]
}
