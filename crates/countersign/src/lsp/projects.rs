//! What a repository says about the files in it: declarations, baseline, salt.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use countersign_model::{Finding, Gap, TreePath};
use countersign_scan::{
    Baseline, Content, Declaration, Error, Item, ItemReader, Listing, Options, Report, RuleSet, Source, scan_source,
};

use super::uri;
use crate::cli::args::PlaceArgs;
use crate::cli::scan::{nobodys_salt, salt};
use crate::config::Config;
use crate::errors::Failure;

/// Where a document belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The top of its repository, or the nearest there is to one.
    pub(crate) top: Option<PathBuf>,
    /// Its path below that.
    pub(crate) path: TreePath,
}

/// What one repository says.
#[derive(Debug)]
pub(crate) struct Project {
    declarations: Vec<Declaration>,
    baseline: Option<Baseline>,
    salt: [u8; 32],
    /// What is wrong with what it says: then it asks for nothing, and more is found, never less.
    pub(crate) complaint: Option<String>,
}

/// All that are open.
#[derive(Debug, Default)]
pub(crate) struct Projects {
    /// Folders that the editor has open.
    pub(crate) folders: Vec<PathBuf>,
    known: BTreeMap<PathBuf, Project>,
    /// For documents that are in no repository.
    nobody: Option<Project>,
}

impl Projects {
    /// Where a document belongs: to the repository around it, else to the folder that is open around it, else to its
    /// own directory.
    pub(crate) fn place(&self, name: &str) -> Place {
        let Some(file) = uri::to_path(name) else {
            return Place { top: None, path: TreePath::from_bytes(uri::name(name)) };
        };
        let around = file.ancestors().skip(1).find(|dir| dir.join(".git").exists());
        let folder = || {
            let fit = self.folders.iter().filter(|f| file.starts_with(f));
            fit.max_by_key(|f| f.components().count()).map(PathBuf::as_path)
        };
        let top = around.or_else(folder).or_else(|| file.parent());
        let below = top.and_then(|top| file.strip_prefix(top).ok()).unwrap_or(&file);
        Place { top: top.map(Path::to_path_buf), path: TreePath::from_bytes(uri::bytes_of(below)) }
    }

    /// Everything is read again when it is next asked for.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }

    /// What the repository at `place` says; `true` where it was read just now.
    pub(crate) fn of(&mut self, place: &Place, at: &PlaceArgs) -> (&Project, bool) {
        let Some(top) = &place.top else {
            return (self.nobody.get_or_insert_with(Project::nobody), false);
        };
        let is_new = !self.known.contains_key(top);
        (self.known.entry(top.clone()).or_insert_with(|| Project::read(top, at)), is_new)
    }
}

impl Project {
    fn nobody() -> Self {
        Self { declarations: Vec::new(), baseline: None, salt: nobodys_salt(), complaint: None }
    }

    fn read(top: &Path, at: &PlaceArgs) -> Self {
        let mut project = Self::nobody();
        if let Err(Failure(e)) = project.fill(top, at) {
            let place = e.place().map(|p| format!("{p}: ")).unwrap_or_default();
            project.complaint = Some(format!(
                "{place}{e} [{}]. Until that is put right no request of this repository is heard. {}",
                e.code(),
                e.help()
            ));
            project.declarations.clear();
            project.baseline = None;
        }
        project
    }

    fn fill(&mut self, top: &Path, at: &PlaceArgs) -> Result<(), Failure> {
        let config = Config::load(top)?;
        self.declarations = config.declarations();
        self.baseline = config.scan.baseline.as_ref().map(|file| Baseline::load(&top.join(file))).transpose()?;
        if let Some(salt) = salt(at, top, &config)? {
            self.salt = salt;
        }
        Ok(())
    }

    /// Looks at one text. What comes second could not be looked at.
    pub(crate) fn scan(
        &self,
        rules: &RuleSet,
        path: &TreePath,
        text: &str,
    ) -> Result<(Vec<Finding>, Option<String>), Error> {
        let options =
            Options { declarations: &self.declarations, baseline: self.baseline.as_ref(), ..Options::default() };
        let source = One { path, text };
        let Report { findings, gaps, binary, .. } = scan_source(&source, rules, &self.salt, &options)?;
        let missed = match gaps.first() {
            Some(gap) => Some(gap.detail.clone()),
            None => (binary > 0).then(|| "there is a NUL in it, so it counts as binary".to_owned()),
        };
        Ok((findings, missed))
    }
}

/// A source that has one text.
struct One<'a> {
    path: &'a TreePath,
    text: &'a str,
}

impl Source for One<'_> {
    fn items(&self) -> Result<Listing, Error> {
        let item = Item { path: self.path.clone(), blob: None, size: Some(self.text.len() as u64) };
        Ok(Listing { items: vec![item], ..Listing::default() })
    }

    fn reader(&self) -> Result<Box<dyn ItemReader + '_>, Error> {
        Ok(Box::new(Text(self.text)))
    }
}

struct Text<'a>(&'a str);

impl ItemReader for Text<'_> {
    fn read(&mut self, _item: &Item) -> Result<Content<'_>, Gap> {
        Ok(Content::Bytes(Cow::Borrowed(self.0.as_bytes())))
    }
}
