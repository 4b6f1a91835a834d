//! Whether the work tree is what was committed.

use std::collections::BTreeSet;

use super::command::{Git, failed};
use super::repository::Repository;
use super::tree::records;
use crate::Error;

const WHAT: &str = "compare the work tree";

impl Repository {
    /// How many tracked files differ from `HEAD`, staged or not; a submodule at another commit counts as one, what
    /// was changed inside it does not. 0 for a bare repository.
    ///
    /// A file whose timestamps changed is compared by content, and git would run it through the repository's filter
    /// programs for that. Those that only the repository's own configuration names are switched off, for reading must
    /// not run its code; such a file may then count as different.
    ///
    /// # Errors
    /// [`Error::UnsafeConfiguration`] for a filter whose name cannot be overruled; those of git.
    pub fn dirty(&self) -> Result<u64, Error> {
        if self.is_bare() {
            return Ok(0);
        }
        let filters = self.own_filters()?;
        let mut command = self.command();
        let mut work_tree = std::ffi::OsString::from("--work-tree=");
        work_tree.push(self.root());
        command.arg(work_tree);
        for name in filters {
            for (key, value) in [("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")] {
                command.arg("-c").arg(format!("filter.{name}.{key}={value}"));
            }
        }
        command.args(["status", "--porcelain=v1", "-z", "-uno", "--no-renames", "--ignore-submodules=dirty"]);
        let mut count: u64 = 0;
        records(&mut command, WHAT, |_, _| {
            count = count.saturating_add(1);
            Ok(())
        })?;
        Ok(count)
    }

    /// The names of filters that the repository's own configuration gives programs to. The user's and the system's are
    /// the user's own doing (git-lfs is usually installed there).
    fn own_filters(&self) -> Result<BTreeSet<String>, Error> {
        let mut command = self.command();
        command.args(["config", "-z", "--show-scope", "--get-regexp", r"^filter\..*\.(clean|smudge|process)$"]);
        let said = Git::capture(&mut command, WHAT)?;
        match said.status.code() {
            Some(0) => {}
            // Nothing matches.
            Some(1) => return Ok(BTreeSet::new()),
            _ => return Err(failed(WHAT, &said.stderr)),
        }
        let mut names = BTreeSet::new();
        let mut fields = said.stdout.split(|b| *b == 0);
        while let (Some(scope), Some(pair)) = (fields.next(), fields.next()) {
            if matches!(scope, b"system" | b"global") {
                continue;
            }
            let key = pair.split(|b| *b == b'\n').next().unwrap_or_default();
            let shown = || String::from_utf8_lossy(key).chars().map(crate::process::printable).take(200).collect();
            // `git -c` ends a key at the first `=`.
            let name = std::str::from_utf8(key)
                .ok()
                .and_then(|key| key.strip_prefix("filter.")?.rsplit_once('.'))
                .map(|(name, _)| name)
                .filter(|name| !name.contains('='))
                .ok_or_else(|| Error::UnsafeConfiguration { key: shown() })?;
            names.insert(name.to_owned());
        }
        Ok(names)
    }
}
