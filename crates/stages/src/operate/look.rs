//! What runs, read from what others say of it, or from files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use countersign_model::snapshot::Observed;
use countersign_model::{Digest, TreePath};
use serde::Deserialize;

use super::error::OperateError;
use crate::build::record::digest_of;

/// The longest list that is read.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// What was seen to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// How.
    pub observed: Observed,
    /// Each part once, by name and digest, with the number of places.
    pub seen: BTreeMap<(String, Digest), u32>,
    /// What runs and whose digest cannot be told.
    pub untold: BTreeSet<String>,
}

impl Looked {
    const fn new(observed: Observed) -> Self {
        Self { observed, seen: BTreeMap::new(), untold: BTreeSet::new() }
    }

    fn add(&mut self, name: String, digest: Digest) {
        let count = self.seen.entry((name, digest)).or_insert(0);
        *count = count.saturating_add(1);
    }
}

/// Reads a list whole; `-` is standard input.
///
/// # Errors
/// When it cannot be read, or is too long.
pub fn read(path: &Path) -> Result<Vec<u8>, OperateError> {
    let fail = |source| OperateError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let most = MOST_BYTES + 1;
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(fail)?;
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(fail)?;
    }
    if bytes.len() as u64 > MOST_BYTES {
        return Err(OperateError::TooLong { path: path.to_owned(), most: MOST_BYTES });
    }
    Ok(bytes)
}

#[derive(Deserialize)]
struct List {
    kind: String,
    #[serde(default)]
    items: Option<Vec<Pod>>,
    /// A list that goes on elsewhere is not whole.
    #[serde(default)]
    metadata: ListMeta,
}

#[derive(Default, Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    goes_on: Option<String>,
}

#[derive(Deserialize)]
struct Pod {
    #[serde(default)]
    kind: Option<String>,
    metadata: Meta,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Meta {
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: String,
    container_statuses: Option<Vec<Container>>,
    init_container_statuses: Option<Vec<Container>>,
    ephemeral_container_statuses: Option<Vec<Container>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: String,
    #[serde(default)]
    image: String,
    #[serde(default, rename = "imageID")]
    image_id: String,
    #[serde(default)]
    state: State,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    running: Option<serde_json::Value>,
}

/// The containers that run, as the API of a cluster lists its pods: sidecars and those that somebody put in to debug as well.
///
/// # Errors
/// When it is no list of pods, or not all of one.
pub fn kubernetes(path: &Path, bytes: &[u8]) -> Result<Looked, OperateError> {
    let bad = |line: Option<u32>, what: String| OperateError::NotPods { path: path.to_owned(), line, what };
    let list: List = serde_json::from_slice(bytes)
        .map_err(|e| bad(u32::try_from(e.line()).ok().filter(|line| *line > 0), e.to_string()))?;
    if list.kind != "PodList" && list.kind != "List" {
        return Err(bad(None, format!("its kind is `{}`", list.kind.chars().take(60).collect::<String>())));
    }
    if list.metadata.goes_on.is_some_and(|token| !token.is_empty()) {
        return Err(bad(None, "it is one page of a longer list".to_owned()));
    }
    let mut looked = Looked::new(Observed::Kubernetes);
    for pod in list.items.ok_or_else(|| bad(None, "it has no `items`".to_owned()))? {
        if pod.kind.as_deref().is_some_and(|kind| kind != "Pod") {
            return Err(bad(None, format!("{} is no pod", pod.metadata.name)));
        }
        let Status { phase, container_statuses, init_container_statuses, ephemeral_container_statuses } = pod.status;
        let of_pod = if pod.metadata.namespace.is_empty() {
            pod.metadata.name
        } else {
            format!("{}/{}", pod.metadata.namespace, pod.metadata.name)
        };
        if phase == "Running" && container_statuses.is_none() {
            looked.untold.insert(of_pod.clone());
        }
        let all = [container_statuses, init_container_statuses, ephemeral_container_statuses];
        for container in all.into_iter().flatten().flatten().filter(|c| c.state.running.is_some()) {
            // `registry/name@sha256:…`, with or without a scheme in front.
            let digest = container.image_id.rfind("sha256:").and_then(|at| container.image_id.get(at..)?.parse().ok());
            match digest {
                Some(digest) => looked.add(container.image, digest),
                None => drop(looked.untold.insert(format!("{of_pod}/{}", container.name))),
            }
        }
    }
    Ok(looked)
}

/// What another program digested: the lines of `sha256sum`.
///
/// # Errors
/// When a line is none.
pub fn sums(path: &Path, bytes: &[u8]) -> Result<Looked, OperateError> {
    let mut looked = Looked::new(Observed::Sums);
    for (n, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let (name, digest) = sum(line).ok_or_else(|| OperateError::NotASum {
            path: path.to_owned(),
            line: u32::try_from(n + 1).unwrap_or(u32::MAX),
        })?;
        looked.add(name, digest);
    }
    Ok(looked)
}

fn sum(line: &[u8]) -> Option<(String, Digest)> {
    // GNU's mark that the name is escaped: a backslash or a line break is in it.
    let (escaped, line) = line.strip_prefix(b"\\").map_or((false, line), |rest| (true, rest));
    let (hex, rest) = (line.get(..64)?, line.get(64..)?);
    let name = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *"))?;
    let digest = format!("sha256:{}", std::str::from_utf8(hex).ok()?.to_ascii_lowercase()).parse().ok()?;
    let name = if escaped { String::from_utf8_lossy(name).replace("\\\\", "\\").into_bytes() } else { name.to_vec() };
    (!name.is_empty()).then(|| (TreePath::from_bytes(name).to_string(), digest))
}

/// Files, digested here.
///
/// # Errors
/// When one cannot be read, or is none.
pub fn files(paths: &[PathBuf]) -> Result<Looked, OperateError> {
    let mut looked = Looked::new(Observed::Files);
    for path in paths {
        let fail = |source| OperateError::Read { path: path.clone(), source };
        let mut file = File::open(path).map_err(fail)?;
        if !file.metadata().map_err(fail)?.is_file() {
            return Err(fail(std::io::Error::other("it is no file")));
        }
        let (digest, _) = digest_of(&mut file).map_err(fail)?;
        looked.add(TreePath::from_bytes(path.as_os_str().as_encoded_bytes()).to_string(), digest);
    }
    Ok(looked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> String {
        Digest::of(text.as_bytes()).to_string().trim_start_matches("sha256:").to_owned()
    }

    fn names(looked: &Looked) -> Vec<(&str, u32)> {
        looked.seen.iter().map(|((name, _), count)| (name.as_str(), *count)).collect()
    }

    fn pods(items: &str) -> Result<Looked, OperateError> {
        kubernetes(Path::new("pods.json"), format!(r#"{{"kind": "PodList", "items": [{items}]}}"#).as_bytes())
    }

    #[test]
    fn every_container_that_runs_is_seen() {
        let id = format!("registry.test/pay@sha256:{}", hex("pay"));
        let docker = format!("docker-pullable://registry.test/side@sha256:{}", hex("side"));
        let looked = pods(&format!(
            r#"{{"kind": "Pod", "metadata": {{"name": "pay-1", "namespace": "shop"}}, "status": {{"phase": "Running",
                "containerStatuses": [
                  {{"name": "pay", "image": "registry.test/pay:1", "imageID": "{id}", "state": {{"running": {{}}}}}},
                  {{"name": "late", "image": "registry.test/late:1", "imageID": "", "state": {{"waiting": {{}}}}}},
                  {{"name": "odd", "image": "odd", "imageID": "", "state": {{"running": {{}}}}}}],
                "initContainerStatuses": [
                  {{"name": "side", "image": "side:1", "imageID": "{docker}", "state": {{"running": {{}}}}}},
                  {{"name": "done", "image": "done:1", "imageID": "{docker}", "state": {{"terminated": {{}}}}}}],
                "ephemeralContainerStatuses": [
                  {{"name": "dbg", "image": "busybox", "imageID": "x@sha256:{dbg}", "state": {{"running": {{}}}}}}]}}}},
               {{"metadata": {{"name": "pay-2"}}, "status": {{"phase": "Running", "containerStatuses": [
                  {{"name": "pay", "image": "registry.test/pay:1", "imageID": "{id}", "state": {{"running": {{}}}}}}]}}}},
               {{"metadata": {{"name": "silent", "namespace": "shop"}}, "status": {{"phase": "Running"}}}},
               {{"metadata": {{"name": "job"}}, "status": {{"phase": "Succeeded"}}}}"#,
            dbg = hex("dbg"),
        ))
        .unwrap();
        assert_eq!(names(&looked), [("busybox", 1), ("registry.test/pay:1", 2), ("side:1", 1)]);
        assert_eq!(looked.untold, BTreeSet::from(["shop/pay-1/odd".to_owned(), "shop/silent".to_owned()]));
    }

    #[test]
    fn what_is_no_whole_list_of_pods_is_none() {
        let read = |text: &str| kubernetes(Path::new("p"), text.as_bytes());
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"kind": "PodList"}"#,
            r#"{"kind": "DeploymentList", "items": []}"#,
            r#"{"kind": "List", "items": [{"kind": "Service", "metadata": {"name": "x"}}]}"#,
            r#"{"kind": "PodList", "items": [], "metadata": {"continue": "more"}}"#,
            r#"{"kind": "PodList", "items": ["#,
        ] {
            assert!(matches!(read(bad), Err(OperateError::NotPods { .. })), "{bad}");
        }
        assert!(read(r#"{"kind": "List", "items": [], "metadata": {"resourceVersion": ""}}"#).unwrap().seen.is_empty());
    }

    #[test]
    fn lines_of_sha256sum_are_read_and_others_are_not() {
        let read = |text: &str| sums(Path::new("s"), text.as_bytes());
        let (a, b) = (hex("a"), hex("b"));
        let looked = read(&format!("{a}  app.jar\n\n{b} *lib dir/b.so\r\n\\{b}  odd\\\\name\n{a}  app.jar\n")).unwrap();
        assert_eq!(names(&looked).iter().map(|(_, n)| *n).collect::<Vec<_>>(), [2, 1, 1]);
        for (bad, line) in [
            (format!("{a} app.jar"), 1),
            (format!("{a}  app.jar\n{a}"), 2),
            (format!("\n\n{}  x", &a[1..]), 3),
            (format!("{a}  "), 1),
            ("zz".repeat(32) + "  x", 1),
            (format!("SHA256 (x) = {a}"), 1),
        ] {
            match read(&bad) {
                Err(OperateError::NotASum { line: at, .. }) => assert_eq!(at, line, "{bad}"),
                other => panic!("{bad}: {other:?}"),
            }
        }
    }

    #[test]
    fn files_are_digested_and_folders_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app");
        std::fs::write(&path, "app").unwrap();
        let looked = files(&[path.clone(), path]).unwrap();
        assert_eq!(looked.seen.iter().map(|((_, d), n)| (*d, *n)).collect::<Vec<_>>(), [(Digest::of(b"app"), 2)]);
        assert!(matches!(files(&[dir.path().to_owned()]), Err(OperateError::Read { .. })));
    }
}
