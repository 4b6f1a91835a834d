//! The environment and `countersign.toml`. The only room that reads either.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_connect::ci::{self, Ci};
use countersign_connect::pkcs11::Devices;
use countersign_connect::process::PIN_VARIABLE;
use countersign_model::access::approvals::MOST_SEATS;
use countersign_model::access::{AskedSlot, SlotName, Strength};
use countersign_model::change::Tightened;
use countersign_model::governance::{Criticality, Level, Tier};
use countersign_model::{Clock, Place, SystemClock};
use countersign_policy::{Assignment, Catalogue};
use countersign_scan::Declaration;
use countersign_scan::import::{self, Mapping, MappingTable};
use countersign_store::installation::Installation;
use serde::Deserialize;

use crate::errors::{CliError, Failure};
use crate::output::progress::folding;

/// Values that leave a switch off.
const OFF: [&str; 3] = ["false", "no", "0"];

/// The configuration's file name, at the top of a repository.
pub(crate) const FILE: &str = "countersign.toml";

/// `countersign.toml`: what a repository proposes. It changes nothing by itself: every suppression it asks for has to
/// be granted by somebody else.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Format version, 1.
    #[serde(default = "one")]
    pub(crate) version: u32,
    /// What a scan is told.
    #[serde(default)]
    pub(crate) scan: ScanConfig,
    /// What is said about git hooks.
    #[serde(default)]
    pub(crate) hooks: HooksConfig,
    /// What a release is told.
    #[serde(default)]
    pub(crate) release: ReleaseConfig,
    /// What is enforced more strictly here than in the firm.
    #[serde(default)]
    pub(crate) enforcement: EnforcementConfig,
    /// Where the project keeps its own controls and frameworks.
    #[serde(default)]
    pub(crate) catalogue: CatalogueConfig,
    /// Where passkeys are made and used.
    pub(crate) passkeys: Option<PasskeysConfig>,
}

/// `[passkeys]`: proposed here, said by an administrator's signature for every passkey that is enrolled.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeysConfig {
    /// The origin in which people sign, `https://host[:port]`.
    pub(crate) origin: String,
    /// The relying party's id: that host, or a domain above it.
    pub(crate) rp_id: String,
}

/// `[catalogue]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CatalogueConfig {
    /// A directory in the repository with `controls/` and `frameworks/`.
    pub(crate) dir: Option<PathBuf>,
}

/// `[scan]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScanConfig {
    /// Keys the fingerprints, so that every clone gives the same; 64 hex digits.
    pub(crate) salt: Option<String>,
    /// A baseline file: known findings for which suppression is requested.
    pub(crate) baseline: Option<PathBuf>,
    /// Tools whose reports the gate `build` needs.
    #[serde(default)]
    pub(crate) required_reports: Vec<String>,
    /// `[scan.mapping.cwe]`, `[scan.mapping.rules]`: controls that findings of other tools concern.
    #[serde(default)]
    pub(crate) mapping: MappingTable,
    /// `[[scan.declare]]`
    #[serde(default)]
    pub(crate) declare: Vec<Declare>,
}

/// A declared suppression request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declare {
    /// Glob of paths.
    path: String,
    /// Glob of rule ids.
    rule: String,
    /// Why.
    reason: String,
}

/// `[hooks]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HooksConfig {
    /// Everybody who commits here has the hooks installed; `run` records commits that they would have stopped.
    #[serde(default)]
    pub(crate) required: bool,
}

/// `[release]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleaseConfig {
    /// The environment that `run` judges for unless `--env` says otherwise.
    pub(crate) environment: Option<String>,
    /// `[[release.approvals]]`: what this repository asks of approvals besides what the firm does.
    #[serde(default)]
    pub(crate) approvals: Vec<AskedApproval>,
}

/// What is asked of one slot. It makes things stricter only, and adds no slot: who may sign what is the firm's to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedApproval {
    /// The slot's name.
    slot: SlotName,
    /// At least so many people.
    #[serde(default = "one")]
    count: u32,
    /// It counts for so many hours at most.
    valid_hours: Option<u32>,
    /// `hardware`: with a key that cannot leave its device.
    #[serde(default)]
    strength: Strength,
}

const fn one() -> u32 {
    1
}

/// `[enforcement]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnforcementConfig {
    /// `[[enforcement.tighten]]`
    #[serde(default)]
    pub(crate) tighten: Vec<Tighten>,
}

/// A control that holds a change up at least so strongly here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tighten {
    /// The control's id.
    control: toml::Spanned<String>,
    /// At least so strongly.
    level: toml::Spanned<Level>,
    /// In which tiers; all where none is named.
    #[serde(default)]
    tiers: Vec<Tier>,
    /// The lines that control and level stand in.
    #[serde(skip)]
    lines: (Option<u32>, Option<u32>),
}

impl Config {
    /// Parses a configuration; errors name file, line and the nearest known key.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self, CliError> {
        let line_of = |at: usize| {
            let line = 1 + text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count();
            u32::try_from(line).ok()
        };
        let mut config: Self = toml::from_str(text).map_err(|e| {
            let place = Place { file: file.into(), line: e.span().and_then(|s| line_of(s.start)), column: None };
            let what = e.message().lines().next().unwrap_or_default().to_owned();
            CliError::Config { place, suggestion: nearest_key(&what), what }
        })?;
        for tighten in &mut config.enforcement.tighten {
            tighten.lines = (line_of(tighten.control.span().start), line_of(tighten.level.span().start));
        }
        let wrong = |what: String| Err(CliError::Config { place: Place::file(file), what, suggestion: None });
        if config.version != 1 {
            return wrong(format!("version {} is not known, only version 1 is", config.version));
        }
        if config.scan.declare.iter().any(|d| d.reason.trim().is_empty()) {
            return wrong("a declaration needs a reason".into());
        }
        if let Some(tool) = config.scan.required_reports.iter().find(|t| import::tool_id(t) != **t) {
            let id = import::tool_id(tool);
            return wrong(format!("`{tool}` in `scan.required_reports` is written `{id}`"));
        }
        if config.scan.salt.as_ref().is_some_and(|s| parse_salt(s).is_none()) {
            return wrong("`scan.salt` is 64 hex digits".into());
        }
        Ok(config)
    }

    /// Reads the configuration in a directory; the default one where there is none.
    pub(crate) fn load(dir: &Path) -> Result<Self, CliError> {
        let path = dir.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path.display().to_string()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self { version: 1, ..Self::default() }),
            Err(source) => Err(CliError::Read { path, source }),
        }
    }

    /// The declared suppression requests.
    pub(crate) fn declarations(&self) -> Vec<Declaration> {
        self.scan
            .declare
            .iter()
            .map(|d| Declaration { path: d.path.clone(), rule: d.rule.clone(), reason: d.reason.clone() })
            .collect()
    }

    /// Controls that findings of other tools concern: the shipped mapping, and what the repository adds.
    pub(crate) fn mapping(&self) -> Result<Mapping, Failure> {
        let mut mapping = Mapping::shipped()?;
        mapping.add(&self.scan.mapping, FILE)?;
        if let Some(control) = mapping.named().into_iter().find(|c| !countersign_policy::catalogue::is_shipped(c)) {
            let why = format!("there is no control `{control}`");
            return Err(countersign_scan::Error::Mapping { file: FILE.into(), why }.into());
        }
        Ok(mapping)
    }

    /// What is enforced more strictly here than in the firm.
    pub(crate) fn tightened(&self) -> BTreeSet<Tightened> {
        let one = |t: &Tighten| {
            let tiers: BTreeSet<Tier> = t.tiers.iter().copied().collect();
            let control = t.control.get_ref().clone();
            Tightened { control, level: *t.level.get_ref(), tiers: tiers.into_iter().collect() }
        };
        self.enforcement.tighten.iter().map(one).collect()
    }

    /// What is asked of approvals besides what the firm does.
    pub(crate) fn asked_approvals(&self) -> BTreeSet<AskedSlot> {
        let one = |a: &AskedApproval| AskedSlot {
            slot: a.slot.clone(),
            count: a.count.clamp(1, MOST_SEATS),
            valid_hours: a.valid_hours.map(|h| h.max(1)),
            strength: a.strength,
        };
        self.release.approvals.iter().map(one).collect()
    }

    /// A repository may tighten what the firm enforces, and never loosen it: what it says must be a control that exists, and
    /// nowhere less than the firm's level. `criticality` is that of its application; where it belongs to none, all count.
    pub(crate) fn check_tightened(
        &self,
        file: &str,
        firm: Option<&Assignment>,
        criticality: Option<Criticality>,
        catalogue: &Catalogue,
    ) -> Result<(), Failure> {
        let all_hard = Assignment::none();
        let firm = firm.unwrap_or(&all_hard);
        for t in &self.enforcement.tighten {
            let (control, level) = (t.control.get_ref(), *t.level.get_ref());
            let wrong = |line: Option<u32>, what: String| {
                let place = Place { file: file.into(), line, column: None };
                let suggestion = Some("see the firm's levels: countersign enforcement show".to_owned());
                Err(CliError::Config { place, what, suggestion }.into())
            };
            if catalogue.get(control).is_none() {
                return wrong(t.lines.0, format!("there is no control `{}`", control.escape_debug()));
            }
            let tiers: &[Tier] = if t.tiers.is_empty() { Tier::ALL } else { &t.tiers };
            for tier in tiers {
                let of_firm = firm.level(control, Some(*tier), criticality);
                if level < of_firm {
                    return wrong(
                        t.lines.1,
                        format!(
                            "`{control}` is `{level}` here and `{of_firm}` in the firm ({tier}): a repository may tighten, \
                             never loosen"
                        ),
                    );
                }
            }
        }
        Ok(())
    }

    /// The configured salt.
    pub(crate) fn salt(&self) -> Option<[u8; 32]> {
        self.scan.salt.as_deref().and_then(parse_salt)
    }
}

/// Parses 64 hex digits.
fn parse_salt(text: &str) -> Option<[u8; 32]> {
    countersign_model::digest::from_hex(text)?.try_into().ok()
}

/// "unknown field `scna`, expected one of `version`, `scan`" → the nearest of these.
pub(crate) fn nearest_key(message: &str) -> Option<String> {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (unknown, known) = quoted.split_first()?;
    if !message.starts_with("unknown field") {
        return None;
    }
    let nearest = known.iter().min_by_key(|k| strsim::damerau_levenshtein(unknown, k))?;
    Some(format!("did you mean `{nearest}`? known here: {}", known.join(", ")))
}

/// Where the credentials of buckets come from, under the names that other tools know.
#[derive(Default)]
#[cfg_attr(not(feature = "s3"), expect(dead_code, reason = "only buckets ask for it"))]
pub(crate) struct StorageEnvironment {
    /// `AWS_ACCESS_KEY_ID`
    pub(crate) access_key: Option<String>,
    /// `AWS_SECRET_ACCESS_KEY`
    pub(crate) secret_key: Option<String>,
    /// `AWS_SESSION_TOKEN`
    pub(crate) session_token: Option<String>,
    /// `AWS_PROFILE`
    pub(crate) profile: Option<String>,
    /// `AWS_SHARED_CREDENTIALS_FILE`, or `~/.aws/credentials`
    pub(crate) shared_file: Option<PathBuf>,
    /// `AWS_CA_BUNDLE`
    pub(crate) ca_bundle: Option<PathBuf>,
    /// `HTTPS_PROXY`
    pub(crate) proxy: Option<String>,
    /// `NO_PROXY`
    pub(crate) no_proxy: Option<String>,
}

#[cfg(feature = "s3")]
impl StorageEnvironment {
    /// The proxy through which a host is reached. `NO_PROXY` lists hosts and domains, separated by commas; `*` is all.
    pub(crate) fn proxy_for(&self, host: &str) -> Option<&str> {
        let is_excepted = |name: &str| {
            let name = name.trim().trim_start_matches('.');
            let is_inside = host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            name == "*" || !name.is_empty() && is_inside
        };
        let excepted = self.no_proxy.as_ref().is_some_and(|list| list.split(',').any(is_excepted));
        self.proxy.as_deref().filter(|_| !excepted)
    }
}

/// The process's surroundings, read once.
pub(crate) struct Environment {
    /// Where keys and pins are kept.
    pub(crate) data_dir: Option<PathBuf>,
    /// The key to sign with unless `--key` names one.
    pub(crate) key: Option<PathBuf>,
    /// The address of the key with which new ledgers are made.
    pub(crate) log_key: Option<String>,
    /// Whether the payloads of ledgers that are made from here on are sealed.
    pub(crate) encrypt_payloads: bool,
    /// The devices that hold keys.
    pub(crate) devices: Arc<Devices>,
    /// Where the credentials of buckets come from.
    #[cfg_attr(not(feature = "s3"), expect(dead_code, reason = "only buckets ask for it"))]
    pub(crate) storage: StorageEnvironment,
    /// The password of a database, where its address has none: `PGPASSWORD`.
    pub(crate) database_password: Option<String>,
    /// The user's home.
    pub(crate) home: Option<PathBuf>,
    /// The bearer token that `policy push` sends.
    pub(crate) push_token: Option<String>,
    /// The clock.
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether colour is wanted at all.
    pub(crate) colour: bool,
    /// Whether somebody is at the terminal.
    pub(crate) attended: bool,
    /// What the CI system says of the job, where this is one.
    pub(crate) ci: Option<Ci>,
    /// The job's identity token: `COUNTERSIGN_ID_TOKEN`.
    pub(crate) id_token: Option<String>,
    /// The token that is shown to a server: `COUNTERSIGN_TOKEN`.
    pub(crate) api_token: Option<String>,
    /// What the pre-commit framework says of a push, where it started this program.
    pub(crate) pre_commit: Option<PreCommit>,
    /// Whether ledgers that are made from here on are demonstrations.
    pub(crate) demonstration: bool,
}

/// A push as the pre-commit framework names it.
pub(crate) struct PreCommit {
    /// `PRE_COMMIT_FROM_REF`: what the remote has.
    pub(crate) from: Option<String>,
    /// `PRE_COMMIT_TO_REF`: what it will have.
    pub(crate) to: Option<String>,
    /// `PRE_COMMIT_REMOTE_NAME`.
    pub(crate) remote: Option<String>,
}

impl Environment {
    /// Reads it.
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]
    pub(crate) fn read() -> Self {
        let path = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let text = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let home = path("HOME").or_else(|| path("USERPROFILE"));
        let data_dir = path("COUNTERSIGN_DATA_DIR")
            .or_else(|| path("XDG_DATA_HOME").filter(|p| p.is_absolute()).map(|p| p.join("countersign")))
            .or_else(|| home.as_ref().map(|h| h.join(".local/share/countersign")));
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| !v.is_empty() && v != "0");
        Self {
            data_dir,
            key: path("COUNTERSIGN_KEY"),
            log_key: text("COUNTERSIGN_LOG_KEY"),
            // A switch that is misspelt seals rather than not.
            encrypt_payloads: text("COUNTERSIGN_ENCRYPT_PAYLOADS")
                .is_some_and(|v| !OFF.iter().any(|off| v.eq_ignore_ascii_case(off))),
            devices: Arc::new(Devices::new(text(PIN_VARIABLE).map(Into::into))),
            storage: StorageEnvironment {
                access_key: text("AWS_ACCESS_KEY_ID"),
                secret_key: text("AWS_SECRET_ACCESS_KEY"),
                session_token: text("AWS_SESSION_TOKEN"),
                profile: text("AWS_PROFILE"),
                shared_file: path("AWS_SHARED_CREDENTIALS_FILE")
                    .or_else(|| home.as_ref().map(|h| h.join(".aws/credentials"))),
                ca_bundle: path("AWS_CA_BUNDLE"),
                proxy: text("HTTPS_PROXY").or_else(|| text("https_proxy")),
                no_proxy: text("NO_PROXY").or_else(|| text("no_proxy")),
            },
            database_password: text("PGPASSWORD"),
            push_token: text("COUNTERSIGN_PUSH_TOKEN"),
            clock: clock(),
            ci: ci::detect(&text),
            id_token: text("COUNTERSIGN_ID_TOKEN"),
            api_token: text("COUNTERSIGN_TOKEN"),
            colour: !no_colour && (forced || std::io::stdout().is_terminal()),
            pre_commit: text("PRE_COMMIT").map(|_| PreCommit {
                from: text("PRE_COMMIT_FROM_REF"),
                to: text("PRE_COMMIT_TO_REF"),
                remote: text("PRE_COMMIT_REMOTE_NAME"),
            }),
            attended: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
            home,
            demonstration: false,
        }
    }

    /// A variable that a configuration names as the place of a secret.
    #[expect(clippy::disallowed_methods, clippy::unused_self, reason = "this is the room that reads the environment")]
    pub(crate) fn secret(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|v| !v.is_empty())
    }

    /// An environment of its own for a demonstration: nobody's keys, settings or CI job reach into it.
    pub(crate) fn for_demonstration(&self, data_dir: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            data_dir: Some(data_dir),
            key: None,
            log_key: None,
            encrypt_payloads: false,
            devices: Arc::new(Devices::new(None)),
            storage: StorageEnvironment::default(),
            database_password: None,
            push_token: None,
            clock,
            ci: None,
            id_token: None,
            api_token: None,
            colour: self.colour,
            pre_commit: None,
            attended: false,
            home: None,
            demonstration: true,
        }
    }

    /// The data directory.
    pub(crate) fn installation(&self) -> Result<Installation, Failure> {
        let installation = self.data_dir.clone().map(Installation::at).ok_or(CliError::NoHome)?;
        let installation = installation.watched(folding(!self.attended));
        let installation = if self.demonstration { installation.for_demonstrations() } else { installation };
        Ok(installation.with_opener(self.devices.clone()).with_new_log_key(self.log_key.clone()))
    }

    /// The file of the key to sign with.
    pub(crate) fn key_file(&self, named: Option<&Path>) -> Result<PathBuf, Failure> {
        if let Some(path) = named.map(Path::to_path_buf).or_else(|| self.key.clone()) {
            return Ok(path);
        }
        let ssh = self.home.as_ref().map(|h| h.join(".ssh"));
        let usual = ["id_ed25519", "id_ecdsa", "id_ed25519_sk", "id_ecdsa_sk"];
        ssh.iter()
            .flat_map(|dir| usual.iter().map(move |name| dir.join(name)))
            .find(|path| path.exists())
            .ok_or_else(|| CliError::NoKey.into())
    }
}

/// The machine's clock. A debug build can be given a fixed one, so that tests can turn it; a released one cannot.
#[cfg(debug_assertions)]
#[expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]
fn clock() -> Arc<dyn Clock> {
    match std::env::var("COUNTERSIGN_NOW").ok().and_then(|t| t.parse().ok()) {
        Some(now) => Arc::new(countersign_model::FixedClock(now)),
        None => Arc::new(SystemClock),
    }
}

#[cfg(not(debug_assertions))]
fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::Diagnostic as _;

    #[test]
    fn an_unknown_key_names_line_and_neighbour() {
        let e = Config::parse("version = 1\n\n[scan]\nbasline = \"x\"\n", "countersign.toml").unwrap_err();
        assert_eq!(e.place().unwrap().to_string(), "countersign.toml:4");
        assert!(e.help().contains("`baseline`"), "{}", e.help());
    }

    #[cfg(feature = "s3")]
    #[test]
    fn some_hosts_are_reached_without_the_proxy() {
        let environment = |no_proxy: Option<&str>| StorageEnvironment {
            access_key: None,
            secret_key: None,
            session_token: None,
            profile: None,
            shared_file: None,
            ca_bundle: None,
            proxy: Some("http://proxy:3128".into()),
            no_proxy: no_proxy.map(str::to_owned),
        };
        let is_direct = |no_proxy, host| environment(Some(no_proxy)).proxy_for(host).is_none();
        assert!(environment(None).proxy_for("s3.example.org").is_some());
        assert!(is_direct("a.net, .example.org", "s3.example.org") && is_direct("example.org", "example.org"));
        assert!(is_direct("*", "s3.example.org"));
        assert!(!is_direct("ample.org", "s3.example.org") && !is_direct("", "s3.example.org"));
    }

    #[test]
    fn the_written_example_parses() {
        let text = crate::cli::init::example(&"ab".repeat(32));
        let config = Config::parse(&text, FILE).unwrap();
        assert!(config.salt().is_some());
    }
}
