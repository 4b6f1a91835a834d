//! The use case `scan --staged`: what the next commit would add.
//!
//! The whole new content of each file is looked at, so that an expression sees the lines around its value. What counts
//! is a finding whose value touches a new line: what was there before is no reason to stop this commit.

use std::collections::HashMap;

use countersign_connect::Error as GitError;
use countersign_connect::git::{Added, BlobReader, StagedChange, StagedContents, StagedFile};
use countersign_model::{Digest, Finding, Gap, GapKind, TreePath};
use countersign_scan::{
    Content, FileResult, Item, ItemReader, Listing, Options, Report, RuleIndex, RuleSet, Scanner, Source, Stage,
    scan_source,
};

use crate::Error;
use crate::build::source::content;

/// What is staged, as something to scan.
struct Index<'a> {
    change: &'a StagedChange,
    contents: &'a StagedContents,
}

impl Source for Index<'_> {
    fn items(&self) -> Result<Listing, countersign_scan::Error> {
        let items = self.change.files.iter().map(item).collect();
        let gaps = self.change.unmerged.iter().map(|path| Gap {
            path: path.clone(),
            kind: GapKind::Unreadable,
            detail: "it is in conflict, so nobody knows what will be committed".into(),
        });
        Ok(Listing { items, gaps: gaps.collect(), links: self.change.links })
    }

    fn reader(&self) -> Result<Box<dyn ItemReader + '_>, countersign_scan::Error> {
        Ok(Box::new(Reader(self.contents.reader().map_err(countersign_scan::Error::source)?)))
    }
}

fn item(file: &StagedFile) -> Item {
    Item { path: file.path.clone(), blob: Some(file.blob.clone()), size: None }
}

struct Reader(BlobReader);

impl ItemReader for Reader {
    fn announce(&mut self, items: &[&Item]) {
        self.0.announce(items.iter().filter_map(|item| item.blob.as_deref()));
    }

    fn read(&mut self, item: &Item) -> Result<Content<'_>, Gap> {
        content(&mut self.0, item)
    }
}

/// Looks at what is staged, with the rules of the stage `commit`.
///
/// # Errors
/// As [`scan_source`]; what git says when it cannot be started.
pub fn scan(
    change: &StagedChange,
    contents: &StagedContents,
    rules: &RuleSet,
    salt: &[u8; 32],
    options: &Options<'_>,
) -> Result<Report, Error> {
    let mut report = scan_source(&Index { change, contents }, rules, salt, options)?;
    report.submodules = change.submodules;
    // Both speak of the whole tree, of which this is a part.
    report.unused_declarations.clear();
    report.stale_baseline.clear();
    let here = |rule: &str| rules.get(rule).is_none_or(|rule| rule.stages.contains(&Stage::Commit));
    let files: HashMap<&TreePath, &StagedFile> = change.files.iter().map(|file| (&file.path, file)).collect();
    let mut earlier = Earlier { contents, scanner: Scanner::new(rules, salt), rules, known: HashMap::new() };
    let mut kept = Vec::with_capacity(report.findings.len());
    for finding in report.findings {
        let (file, inside) = of(&files, &finding.path);
        let counts = match (file, inside) {
            // A place that is in no file of ours would be a fault of this program; it must not hide a finding.
            (None, _) => true,
            (Some(StagedFile { added: Added::Unknown { .. }, .. }), _) => !earlier.had(file, inside, &finding)?,
            // Lines of what is in an archive are not lines of the file.
            (Some(_), Some(_)) => true,
            (Some(file), None) => file.added.touches(finding.line, finding.end_line).unwrap_or(true),
        };
        if counts && here(&finding.rule) {
            kept.push(finding);
        }
    }
    report.findings = kept;
    Ok(report)
}

/// The file that a finding's path leads to, and the path inside it where the file is an archive.
fn of<'f, 'p>(
    files: &HashMap<&TreePath, &'f StagedFile>,
    path: &'p TreePath,
) -> (Option<&'f StagedFile>, Option<&'p [u8]>) {
    if let Some(file) = files.get(path) {
        return (Some(file), None);
    }
    let bytes = path.as_bytes();
    for (at, _) in bytes.windows(2).enumerate().filter(|(_, two)| *two == b"!/") {
        if let Some(file) = files.get(&TreePath::from_bytes(&bytes[..at])) {
            return (Some(file), bytes.get(at + 2..));
        }
    }
    (None, None)
}

/// A finding's rule, path inside an archive, line and column.
type Place = (String, Option<Vec<u8>>, u32, u32);

/// Files of which git does not tell the new lines: a value that stood in one before, as often as it does now, is not
/// new.
struct Earlier<'a> {
    contents: &'a StagedContents,
    scanner: Scanner<'a>,
    rules: &'a RuleSet,
    /// By path, the findings that were there before.
    known: HashMap<TreePath, Vec<Place>>,
}

impl Earlier<'_> {
    fn had(&mut self, file: Option<&StagedFile>, inside: Option<&[u8]>, finding: &Finding) -> Result<bool, Error> {
        let Some(file) = file else { return Ok(false) };
        if !self.known.contains_key(&file.path) {
            let known = self.compare(file)?;
            self.known.insert(file.path.clone(), known);
        }
        let known = self.known.get(&file.path);
        Ok(known.is_some_and(|known| {
            known.iter().any(|(rule, at, line, column)| {
                *rule == finding.rule && at.as_deref() == inside && (*line, *column) == (finding.line, finding.column)
            })
        }))
    }

    fn compare(&self, file: &StagedFile) -> Result<Vec<Place>, Error> {
        let Added::Unknown { before } = &file.added else { return Ok(Vec::new()) };
        let mut reader = self.contents.reader()?;
        let mut left: HashMap<(RuleIndex, Digest), u32> = HashMap::new();
        // What cannot be read holds nothing: then everything counts as new.
        for found in self.matches(&mut reader, &file.path, before).unwrap_or_default() {
            *left.entry((found.rule, found.identity)).or_default() += 1;
        }
        let mut known = Vec::new();
        for found in self.matches(&mut reader, &file.path, &file.blob)? {
            if let Some(n) = left.get_mut(&(found.rule, found.identity)).filter(|n| **n > 0) {
                *n -= 1;
                let inside = found.inside.map(String::into_bytes);
                known.push((self.rules.rule(found.rule).id.clone(), inside, found.line, found.column));
            }
        }
        Ok(known)
    }

    fn matches(
        &self,
        reader: &mut BlobReader,
        path: &TreePath,
        blob: &str,
    ) -> Result<Vec<countersign_scan::Match>, GitError> {
        let content = reader.read(blob)?;
        match self.scanner.scan_reader(path, content) {
            Ok(FileResult::Text { matches, .. }) => Ok(matches),
            Ok(FileResult::Binary { .. }) => Ok(Vec::new()),
            Err(source) => Err(GitError::GitPipe { what: "read an object", source }),
        }
    }
}
