//! `ledger replicate` and `ledger probe`: a ledger in a bucket, and whether the bucket holds what its lock promises.

use clap::Args;
use countersign_store::s3::Location;

use super::args::{Format, PlaceArgs};
use crate::config::Environment;
#[cfg(not(feature = "s3"))]
use crate::errors::Failure;
use crate::errors::Outcome;

#[derive(Debug, Args)]
pub(crate) struct ReplicateArgs {
    /// The bucket: s3://BUCKET/PREFIX?region=REGION, with &endpoint=https://HOST for a storage other than AWS
    #[arg(long, value_name = "LOCATION")]
    pub(crate) to: String,
    /// Look at every object, also at those of earlier replications; put back what is missing
    #[arg(long)]
    pub(crate) full: bool,
    /// How many objects are sent at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) parallel: u8,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// The bucket: s3://BUCKET/PREFIX?region=REGION
    #[arg(value_name = "LOCATION")]
    pub(crate) location: String,
    /// Record nothing in the ledger
    #[arg(long)]
    pub(crate) no_record: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[cfg(feature = "s3")]
pub(crate) use buckets::{open, probe, replicate, watch};

#[cfg(not(feature = "s3"))]
pub(crate) fn replicate(_: &PlaceArgs, args: &ReplicateArgs, _: &Environment) -> Outcome {
    Err(not_built_in(&args.to)?)
}

#[cfg(not(feature = "s3"))]
pub(crate) fn probe(_: &PlaceArgs, args: &ProbeArgs, _: &Environment) -> Outcome {
    Err(not_built_in(&args.location)?)
}

/// Buckets that are probed while this lives: none, in a program without S3.
#[cfg(not(feature = "s3"))]
pub(crate) struct Watched;

#[cfg(not(feature = "s3"))]
impl Watched {
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the one with S3 does something")]
    pub(crate) fn start(&mut self, _: &PlaceArgs, _: &Environment) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(not(feature = "s3"))]
pub(crate) fn watch(_: &PlaceArgs, locations: &[String], _: &Environment) -> Result<Watched, Failure> {
    match locations.first() {
        Some(location) => Err(not_built_in(location)?),
        None => Ok(Watched),
    }
}

/// What a location comes to in a program without S3. One that is none is said to be none.
#[cfg(not(feature = "s3"))]
pub(crate) fn not_built_in(text: &str) -> Result<Failure, Failure> {
    let location = Location::parse(text).map_err(countersign_store::Error::from)?.to_string();
    Ok(countersign_store::Error::from(countersign_store::s3::S3Error::NotBuiltIn { location }).into())
}

#[cfg(feature = "s3")]
mod buckets {
    use std::sync::Arc;

    use countersign_model::{Diagnostic as _, Exit};
    use countersign_store::Error;
    use countersign_store::s3::{
        self, Bucket, CANARY_SECONDS, Credentials, Held, Keeping, Options, ProbeReport, ProbeTold, Probing,
        Replication, S3Error,
    };

    use super::{Environment, Format, Location, Outcome, PlaceArgs, ProbeArgs, ReplicateArgs};
    use crate::errors::{CliError, Failure};
    use crate::output::{self, Paint, storage as page};

    /// A bucket, with the credentials of the environment.
    pub(crate) fn open(text: &str, env: &Environment) -> Result<Bucket, Failure> {
        let location = Location::parse(text).map_err(Error::from)?;
        let credentials = credentials(&location, env)?;
        let ca_pem = match &env.storage.ca_bundle {
            Some(path) => Some(std::fs::read(path).map_err(|source| CliError::Read { path: path.clone(), source })?),
            None => None,
        };
        let options = Options {
            ca_pem,
            proxy: location.remote_host().and_then(|host| env.storage.proxy_for(&host).map(str::to_owned)),
            observer: Some(Arc::new(|retry| {
                output::note(&format!("{} `{}`: {} (attempt {})", retry.action, retry.name, retry.what, retry.attempt));
            })),
            ..Options::default()
        };
        Ok(Bucket::new(location, credentials, options).map_err(Error::from)?)
    }

    fn credentials(location: &Location, env: &Environment) -> Result<Credentials, Failure> {
        let from = &env.storage;
        let none =
            |what: String| Failure::from(Error::from(S3Error::NoCredentials { location: location.to_string(), what }));
        match (&from.access_key, &from.secret_key) {
            (Some(access), Some(secret)) => return Ok(Credentials::new(access, secret, from.session_token.clone())),
            (Some(_), None) => return Err(none("`AWS_SECRET_ACCESS_KEY` is not set".into())),
            (None, Some(_)) => return Err(none("`AWS_ACCESS_KEY_ID` is not set".into())),
            (None, None) => {}
        }
        let profile = from.profile.as_deref().unwrap_or("default");
        let file = from.shared_file.as_ref().ok_or_else(|| none("nothing names them".into()))?;
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(none(format!("nothing names them, and there is no `{}`", file.display())));
            }
            Err(source) => return Err(CliError::Read { path: file.clone(), source }.into()),
        };
        Credentials::from_shared_file(&text, profile)
            .ok_or_else(|| none(format!("`{}` has no whole profile `{profile}`", file.display())))
    }

    /// Probes a bucket, and records what came of it.
    pub(crate) fn probe(at: &PlaceArgs, args: &ProbeArgs, env: &Environment) -> Outcome {
        let bucket = open(&args.location, env)?;
        // The ledger first: a probe that cannot be recorded is not made.
        let mut session = if args.no_record { None } else { Some(at.open(env)?) };
        let report = s3::probe(&bucket, CANARY_SECONDS).map_err(Error::from)?;
        let index = session.as_mut().map(|session| s3::record(session, &report)).transpose()?;
        say(&report, index, args.format, env)?;
        Ok(exit_of(&report))
    }

    /// Buckets that are probed while this lives.
    pub(crate) struct Watched {
        buckets: Vec<Bucket>,
        probing: Vec<Probing>,
    }

    /// Buckets to probe; one that cannot be reached is said when it is probed.
    pub(crate) fn watch(at: &PlaceArgs, locations: &[String], env: &Environment) -> Result<Watched, Failure> {
        let buckets = locations.iter().map(|text| open(text, env)).collect::<Result<Vec<_>, _>>()?;
        if !buckets.is_empty() {
            // What only the recorder may say, this machine must be able to say.
            at.open(env)?.must_record()?;
        }
        Ok(Watched { buckets, probing: Vec::new() })
    }

    impl Watched {
        /// Starts probing, each bucket with a session of its own.
        pub(crate) fn start(&mut self, at: &PlaceArgs, env: &Environment) -> Result<(), Failure> {
            for bucket in std::mem::take(&mut self.buckets) {
                let location = bucket.location().to_string();
                self.probing.push(Probing::start(at.open(env)?, bucket, move |told| tell(&location, told))?);
            }
            Ok(())
        }
    }

    /// Says on stderr what came of a probe.
    fn tell(location: &str, told: ProbeTold<'_>) {
        let again = format!("countersign ledger probe '{location}'");
        output::note(&match told {
            ProbeTold::Probed(report, index) => {
                let failed: Vec<_> =
                    report.attempts.iter().filter(|a| a.held != Held::Yes).map(|a| a.attack.as_str()).collect();
                let failed = failed.join(", ");
                match report.verdict() {
                    Held::Yes => format!("lock held: {location}, recorded as entry {index}; probed again in a day"),
                    Held::No => format!(
                        "[{}] STORAGE NOT WORM: {location}, recorded as entry {index}: {failed}; what is locked there can be \
                         destroyed, freed or replaced; replicate nothing there before the bucket is set right, and look: \
                         {again}",
                        s3::code::NOT_WORM
                    ),
                    Held::Unclear => format!(
                        "NOT KNOWN WHETHER STORAGE IS WORM: {location}, recorded as entry {index}: {failed}; look: {again}"
                    ),
                }
            }
            ProbeTold::Failed(e) => format!(
                "[{}] {location} COULD NOT BE PROBED: {e}; it is tried again every ten minutes; {}; look: {again}",
                e.code(),
                e.help()
            ),
        });
    }

    fn say(report: &ProbeReport, index: Option<u64>, format: Format, env: &Environment) -> Result<(), Failure> {
        match format {
            Format::Json => output::json(&page::probe_json(report, index)),
            Format::Text => output::print(&page::probe(report, index, &Paint::of(env))),
        }
    }

    fn exit_of(report: &ProbeReport) -> Exit {
        match report.verdict() {
            Held::Yes => Exit::Pass,
            Held::No => Exit::Unverified,
            Held::Unclear => Exit::Incomplete,
        }
    }

    /// Publishes the ledger to a bucket that holds its locks.
    pub(crate) fn replicate(at: &PlaceArgs, args: &ReplicateArgs, env: &Environment) -> Outcome {
        let bucket = open(&args.to, env)?;
        let mut session = at.open(env)?;
        if s3::is_due(&session, &bucket)? {
            let report = s3::probe(&bucket, CANARY_SECONDS).map_err(Error::from)?;
            let index = s3::record(&mut session, &report)?;
            if report.verdict() != Held::Yes {
                // What is going to be locked for years must not go where no lock holds.
                say(&report, Some(index), args.format, env)?;
                return Ok(exit_of(&report));
            }
        }
        let bar = output::progress::Bar::counting(args.format != Format::Text);
        let keeping = Keeping::of(&session)?;
        let replication = Replication {
            until: &|index, entry, from| keeping.until(index, entry, from),
            held: &|index| keeping.is_held(index),
            disposed: &|index| keeping.is_disposed(index),
            parallel: usize::from(args.parallel),
            is_full: args.full,
            acknowledged: &|_, _| bar.tick(),
        };
        let done = s3::replicate(session.ledger(), &bucket, &replication);
        drop(bar);
        let done = done?;
        match args.format {
            Format::Json => output::json(&page::replicated_json(&done, bucket.location()))?,
            Format::Text => output::print(&page::replicated(&done, bucket.location()))?,
        }
        Ok(Exit::Pass)
    }
}
