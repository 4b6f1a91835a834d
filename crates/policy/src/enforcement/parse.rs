//! Reads `enforcement.yaml`; what is wrong is named with file and line.

use std::collections::BTreeSet;

use countersign_model::governance::{Criticality, Level, Tier};
use countersign_model::{Action, Place, Role};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Assignment;
use super::assignment::{EVERY, Rule};
use crate::Error;

/// The largest file, in bytes.
const MAX_FILE: usize = 1 << 20;
/// The most rules.
const MAX_RULES: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u32>,
    #[serde(default = "hard")]
    default: Level,
    #[serde(rename = "override", default = "officer")]
    overrider: Spanned<Role>,
    #[serde(default)]
    rules: Vec<FileRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRule {
    controls: Vec<Spanned<String>>,
    #[serde(default)]
    tiers: Vec<Tier>,
    #[serde(default)]
    criticality: Vec<Criticality>,
    level: Spanned<Level>,
    #[serde(rename = "override", default)]
    overrider: Option<Spanned<Role>>,
    why: Spanned<String>,
}

const fn hard() -> Level {
    Level::Hard
}

const fn officer() -> Spanned<Role> {
    Spanned::new(Role::SecurityOfficer, serde_saphyr::Location::UNKNOWN, serde_saphyr::Location::UNKNOWN)
}

impl Assignment {
    /// Reads a file's text; `is_control` knows the controls there are.
    ///
    /// # Errors
    /// [`Error::Enforcement`] with file and line: no YAML, an unknown key or word, a control that does not exist, a rule without
    /// a control or a reason, a role that may not override.
    pub fn parse(file: &str, text: &str, is_control: impl Fn(&str) -> bool) -> Result<Self, Error> {
        let at = |location: serde_saphyr::Location, message: String| {
            let number = |n: u64| u32::try_from(n).ok().filter(|n| *n > 0);
            let place =
                Place { file: file.to_owned(), line: number(location.line()), column: number(location.column()) };
            Error::Enforcement { place, message }
        };
        if text.len() > MAX_FILE {
            return Err(at(serde_saphyr::Location::UNKNOWN, format!("it has more than {MAX_FILE} bytes")));
        }
        let read: File = serde_saphyr::from_str(text).map_err(|e| {
            let message = e.without_snippet().to_string();
            let location = e.location().unwrap_or(serde_saphyr::Location::UNKNOWN);
            at(location, message.lines().next().unwrap_or("no assignment").to_owned())
        })?;
        if read.version.value != 1 {
            return Err(at(read.version.referenced, format!("version {} is not known, only 1 is", read.version.value)));
        }
        if read.rules.len() > MAX_RULES {
            return Err(at(read.version.referenced, format!("it has more than {MAX_RULES} rules")));
        }
        let may_override = |role: &Spanned<Role>| match role.value {
            known if Action::OverrideSoft.roles().contains(&known) => Ok(known),
            other => Err(at(
                role.referenced,
                format!("the role `{other}` may not override: {}", Action::OverrideSoft.any_of()),
            )),
        };
        let overrider = may_override(&read.overrider)?;
        let mut rules = Vec::with_capacity(read.rules.len());
        for rule in read.rules {
            if rule.controls.is_empty() {
                return Err(at(rule.level.referenced, "the rule names no control; `\"*\"` stands for all".to_owned()));
            }
            for control in &rule.controls {
                if control.value != EVERY && !is_control(&control.value) {
                    let message = format!("there is no control `{}`", control.value.escape_debug());
                    return Err(at(control.referenced, message));
                }
            }
            if rule.why.value.trim().is_empty() {
                return Err(at(rule.why.referenced, "the rule says no reason".to_owned()));
            }
            let named = rule.overrider.as_ref().map(may_override).transpose()?;
            if let (Some(role), true) = (&rule.overrider, rule.level.value != Level::Soft) {
                let message = format!("only `soft` can be overridden, and the rule's level is `{}`", rule.level.value);
                return Err(at(role.referenced, message));
            }
            rules.push(Rule {
                controls: sorted(rule.controls.into_iter().map(|c| c.value)),
                tiers: sorted(rule.tiers),
                criticality: sorted(rule.criticality),
                level: rule.level.value,
                overrider: named,
                why: rule.why.value.trim().to_owned(),
            });
        }
        Ok(Self { version: 1, default: read.default, overrider, rules })
    }
}

fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    items.into_iter().collect::<BTreeSet<T>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::Diagnostic as _;

    const GOOD: &str = "\
version: 1
rules:
  - controls: [dual-approval, trust-is-rooted]
    tiers: [test, development]
    level: advisory
    why: nothing of clients is there
  - controls: [\"*\"]
    criticality: [low]
    level: soft
    override: release-manager
    why: a night shift must go on
";

    fn read(text: &str) -> Result<Assignment, Error> {
        Assignment::parse("enforcement.yaml", text, |c| ["dual-approval", "trust-is-rooted"].contains(&c))
    }

    fn refused(text: &str) -> String {
        let e = read(text).unwrap_err();
        format!("{}: {e}", e.place().unwrap())
    }

    #[test]
    fn a_file_is_read() {
        let a = read(GOOD).unwrap();
        assert_eq!((a.default, a.overrider, a.rules.len()), (Level::Hard, Role::SecurityOfficer, 2));
        assert_eq!(a.rules[0].tiers, [Tier::Development, Tier::Test]);
        assert_eq!(a.rules[1].overrider, Some(Role::ReleaseManager));
        assert_eq!(read("version: 1\n").unwrap(), Assignment::none());
    }

    #[test]
    fn what_is_wrong_is_named_with_file_and_line() {
        let unknown = refused(&GOOD.replace("trust-is-rooted]", "trust-is-rotted]"));
        assert!(unknown.starts_with("enforcement.yaml:3") && unknown.contains("trust-is-rotted"), "{unknown}");
        for (from, to, line) in [
            ("advisory", "advsory", 5),
            ("tiers: [test", "tiers: [tst", 4),
            ("level: soft", "level: hard", 10),
            ("override: release-manager", "override: developer", 10),
            ("why: a night shift must go on", "why: ' '", 11),
            ("[\"*\"]", "[]", 9),
            ("version: 1", "version: 2", 1),
            ("level: soft", "levle: soft", 9),
        ] {
            let said = refused(&GOOD.replace(from, to));
            assert!(said.starts_with(&format!("enforcement.yaml:{line}")), "{from} → {to}: {said}");
        }
        assert!(refused("").starts_with("enforcement.yaml"));
        assert!(refused(&GOOD.replace("    why: nothing of clients is there\n", "")).contains("why"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text: String) {
            let _ = read(&text);
        }
    }
}
