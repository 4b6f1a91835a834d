//! `control`: what the firm does.

use countersign_govern::assess::certificate::{Shown, certify};
use countersign_model::{Exit, Outcome as Judged};
use countersign_policy::Catalogue;
use countersign_policy::catalogue::{Control, Ready, facts, judge};

use super::args::{Format, PlaceArgs};
use super::catalogue_args::{ControlArgs, ControlVerb};
use super::{assess, catalogue};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, Paint, assess as report, catalogue as pages};

/// An example that did not come out as its file says.
pub(crate) struct Wrong {
    pub(crate) control: String,
    pub(crate) wanted: Judged,
    pub(crate) example: usize,
    pub(crate) got: Judged,
    pub(crate) why: String,
}

fn find<'c>(catalogue: &'c Catalogue, id: &str) -> Result<&'c Control, Failure> {
    Ok(catalogue.get(id).ok_or_else(|| countersign_govern::Error::NoSuchControl {
        control: id.to_owned(),
        nearest: catalogue.nearest(id).map(str::to_owned),
    })?)
}

/// `control`.
pub(crate) fn run(at: &PlaceArgs, args: &ControlArgs, env: &Environment) -> Outcome {
    let catalogue = catalogue::load(at)?;
    match &args.verb {
        ControlVerb::List { format } => match format {
            Format::Json => output::json(&pages::controls_json(&catalogue))?,
            Format::Text => output::print(&pages::controls(&catalogue))?,
        },
        ControlVerb::Show { control, format } => {
            let control = find(&catalogue, control)?;
            match format {
                Format::Json => output::json(&pages::control_json(&catalogue, control))?,
                Format::Text => output::print(&pages::control(&catalogue, control))?,
            }
        }
        ControlVerb::Test { controls, format } => {
            let chosen: Vec<&Control> = if controls.is_empty() {
                catalogue.controls.values().collect()
            } else {
                controls.iter().map(|id| find(&catalogue, id)).collect::<Result<_, _>>()?
            };
            let mut wrong = Vec::new();
            let mut tried: u64 = 0;
            for control in &chosen {
                walk(control, &mut tried, &mut wrong);
            }
            match format {
                Format::Json => output::json(&pages::tried_json(chosen.len(), tried, &wrong))?,
                Format::Text => output::print(&pages::tried(chosen.len(), tried, &wrong))?,
            }
            return Ok(if wrong.is_empty() { Exit::Pass } else { Exit::Denied });
        }
        ControlVerb::Certificate { control, window, format } => {
            find(&catalogue, control)?;
            let session = at.open(env)?;
            let window = assess::window(window, &session)?;
            let verified = assess::verify(at, env)?;
            let certificate = certify(&session, &catalogue, Some(&verified), control, window)?;
            match format {
                Format::Json => output::json(&report::certificate_json(&certificate))?,
                Format::Text => output::print(&report::certificate(&certificate, &Paint::of(env)))?,
            }
            return Ok(match certificate.shown() {
                Shown::Proved | Shown::NotApplicable => Exit::Pass,
                Shown::Refuted => Exit::Denied,
                Shown::NotProved => Exit::Incomplete,
            });
        }
    }
    Ok(Exit::Pass)
}

fn walk(control: &Control, tried: &mut u64, wrong: &mut Vec<Wrong>) {
    for (wanted, examples) in [(Judged::Pass, &control.examples.pass), (Judged::Fail, &control.examples.fail)] {
        for (n, example) in examples.iter().enumerate() {
            *tried = tried.saturating_add(1);
            let (got, why) = match facts::complete(example) {
                Ok(facts) => {
                    let judged = judge(control, &Ready::new(&facts));
                    (judged.outcome, judged.why)
                }
                Err(why) => (Judged::Error, why),
            };
            if got != wanted {
                wrong.push(Wrong { control: control.id.clone(), wanted, example: n.saturating_add(1), got, why });
            }
        }
    }
}
