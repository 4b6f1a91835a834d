//! A commit's tree as something to scan: what is judged is the commit, not what lies in the working directory.

use std::borrow::Cow;
use std::collections::HashMap;

use countersign_connect::Error as GitError;
use countersign_connect::git::{BlobReader, Repository, Tree};
use countersign_model::{Gap, GapKind, TreePath};
use countersign_scan::{Content, Item, ItemReader, Listing, Source};

/// Blobs larger than this are read as a stream.
const STREAM_FROM: u64 = 2 * 1024 * 1024;
/// Submodules nest; no real project nests deeper, and a loop of checkouts must end.
const DEEPEST_SUBMODULE: usize = 16;

/// The files of a commit, those of its checked-out submodules included.
pub struct GitTree {
    repositories: Vec<Repository>,
    listing: Listing,
    /// The repository of items that are not in the first one.
    foreign: HashMap<TreePath, usize>,
}

impl GitTree {
    /// Lists the commit whose tree was read.
    ///
    /// # Errors
    /// What git says of a submodule that is there and cannot be listed.
    pub fn new(repository: &Repository, tree: &Tree) -> Result<Self, GitError> {
        let mut this =
            Self { repositories: vec![repository.clone()], listing: Listing::default(), foreign: HashMap::new() };
        this.add(0, &[], tree, 0)?;
        this.listing.items.sort_by(|a, b| a.path.cmp(&b.path));
        this.listing.gaps.sort();
        Ok(this)
    }

    fn add(&mut self, repository: usize, prefix: &[u8], tree: &Tree, depth: usize) -> Result<(), GitError> {
        self.listing.links += tree.links;
        self.listing.items.reserve(tree.files.len());
        for file in &tree.files {
            let path = join(prefix, &file.path);
            if repository > 0 {
                self.foreign.insert(path.clone(), repository);
            }
            self.listing.items.push(Item { path, blob: Some(file.blob.clone()), size: file.size });
        }
        for module in &tree.submodules {
            let path = join(prefix, &module.path);
            let checked_out = (depth < DEEPEST_SUBMODULE)
                .then(|| self.repositories[repository].submodule(&module.path, &module.commit))
                .flatten();
            match checked_out {
                Some(inner) => {
                    let inner_tree = inner.tree(&module.commit)?;
                    self.repositories.push(inner);
                    let mut inner_prefix = path.as_bytes().to_vec();
                    inner_prefix.push(b'/');
                    self.add(self.repositories.len() - 1, &inner_prefix, &inner_tree, depth + 1)?;
                }
                None => self.listing.gaps.push(Gap {
                    path,
                    kind: GapKind::Submodule,
                    detail: format!("commit {} is not checked out here", super::observe::short(&module.commit)),
                }),
            }
        }
        Ok(())
    }
}

fn join(prefix: &[u8], path: &TreePath) -> TreePath {
    if prefix.is_empty() { path.clone() } else { TreePath::from_bytes([prefix, path.as_bytes()].concat()) }
}

impl Source for GitTree {
    fn items(&self) -> Result<Listing, countersign_scan::Error> {
        Ok(self.listing.clone())
    }

    fn reader(&self) -> Result<Box<dyn ItemReader + '_>, countersign_scan::Error> {
        let readers = self.repositories.iter().map(|_| None).collect();
        Ok(Box::new(Reader { tree: self, readers }))
    }
}

/// One `git cat-file` process a repository, started when the first of its blobs is asked for.
struct Reader<'a> {
    tree: &'a GitTree,
    readers: Vec<Option<BlobReader>>,
}

impl Reader<'_> {
    fn of(&mut self, item: &Item) -> Result<&mut BlobReader, GitError> {
        let which = self.tree.foreign.get(&item.path).copied().unwrap_or(0);
        let slot = &mut self.readers[which];
        match slot {
            Some(reader) => Ok(reader),
            None => Ok(slot.insert(self.tree.repositories[which].reader()?)),
        }
    }
}

impl ItemReader for Reader<'_> {
    fn announce(&mut self, items: &[&Item]) {
        // Several repositories have several processes; what is asked for there is asked for one by one.
        let own = items.iter().all(|item| !self.tree.foreign.contains_key(&item.path));
        if let (true, Some(first)) = (own, items.first())
            && let Ok(reader) = self.of(first)
        {
            reader.announce(items.iter().filter_map(|item| item.blob.as_deref()));
        }
    }

    fn read(&mut self, item: &Item) -> Result<Content<'_>, Gap> {
        let reader = self.of(item).map_err(|e| Gap {
            path: item.path.clone(),
            kind: GapKind::Unreadable,
            detail: e.to_string(),
        })?;
        content(reader, item)
    }
}

/// The content of an item's blob: in memory, or as a stream when it is large.
pub(crate) fn content<'r>(reader: &'r mut BlobReader, item: &Item) -> Result<Content<'r>, Gap> {
    let gap = |kind, detail: String| Gap { path: item.path.clone(), kind, detail };
    let id = item.blob.as_deref().ok_or_else(|| gap(GapKind::Unreadable, "it has no object id".into()))?;
    let content = reader.read(id).map_err(|e| match e {
        GitError::MissingObject { .. } => {
            gap(GapKind::MissingObject, "the repository does not hold its content".into())
        }
        other => gap(GapKind::Unreadable, other.to_string()),
    })?;
    if content.size() > STREAM_FROM {
        return Ok(Content::Stream { size: Some(content.size()), reader: Box::new(content) });
    }
    match content.bytes(STREAM_FROM) {
        Ok(bytes) => Ok(Content::Bytes(Cow::Owned(bytes))),
        Err(e) => Err(gap(GapKind::Unreadable, e.to_string())),
    }
}
