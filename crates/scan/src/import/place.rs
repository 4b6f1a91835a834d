//! Where a finding of another tool is: paths and URIs as tools write them, made paths inside the tree.
//!
//! What leads out of the repository keeps its last name only, below [`OUTSIDE`]: the finding still counts, and no absolute
//! path of a machine gets into a record.

use countersign_model::TreePath;

/// Stands before the name of a file that is not in the repository.
pub(crate) const OUTSIDE: &str = "(outside)";

/// No path of a tree that anybody works with is longer, in bytes.
const LONGEST: usize = 4096;

/// A path as tools write it: relative or absolute, with either separator. `roots` are absolute paths of the repository.
pub(crate) fn from_path(text: &str, roots: &[String]) -> TreePath {
    let text = text.strip_prefix("file://").unwrap_or(text);
    let is_windows = drive(text.as_bytes()) || !text.contains('/');
    let bytes: Vec<u8> = text.bytes().map(|b| if is_windows && b == b'\\' { b'/' } else { b }).collect();
    normal(&bytes, roots)
}

/// A URI reference (RFC 3986) as it stands in a report, already resolved against its base where that is relative.
pub(crate) fn from_uri(text: &str, roots: &[String]) -> TreePath {
    if drive(text.as_bytes()) || text.contains('\\') {
        return from_path(text, roots);
    }
    let Some((scheme, rest)) = scheme(text) else { return normal(&decode(cut(text)), roots) };
    if scheme.eq_ignore_ascii_case("file") {
        return normal(&file_path(rest), roots);
    }
    // A page of a running program, a package, an image: no file of the tree. Without user, query and fragment, where
    // passwords and tokens are.
    let rest = cut(rest);
    let rest = match rest.strip_prefix("//") {
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            format!("//{}{path}", host.rsplit('@').next().unwrap_or_default())
        }
        None => rest.to_owned(),
    };
    TreePath::from_bytes(clipped(format!("{}:{rest}", scheme.to_ascii_lowercase()).into_bytes()))
}

/// The path of a `file:` URI after its scheme, percent-decoded, without host; `/C:/x` is `C:/x`.
pub(crate) fn file_path(rest: &str) -> Vec<u8> {
    let rest = cut(rest);
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.get(rest.find('/').unwrap_or(rest.len())..).unwrap_or_default(),
        None => rest,
    };
    let decoded = decode(path);
    match decoded.strip_prefix(b"/") {
        Some(inner) if drive(inner) => inner.to_vec(),
        _ => decoded,
    }
}

/// `scheme:rest`; one letter is a drive and no scheme.
pub(crate) fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let good = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    good.then_some((scheme, rest))
}

fn cut(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or(text)
}

fn drive(text: &[u8]) -> bool {
    matches!(text, [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic())
}

fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let value = digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u8::from_str_radix(d, 16).ok());
        out.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    out
}

/// The path below the first root that holds it; `None` when it is absolute and no root does.
pub(crate) fn below<'p>(path: &'p [u8], roots: &[String]) -> Option<&'p [u8]> {
    if !(path.starts_with(b"/") || drive(path)) {
        return Some(path);
    }
    roots.iter().find_map(|root| {
        let root = root.trim_end_matches('/').as_bytes();
        let (start, rest) = path.split_at_checked(root.len())?;
        let same = if drive(path) { start.eq_ignore_ascii_case(root) } else { start == root };
        (same && (rest.is_empty() || rest.starts_with(b"/"))).then(|| rest.strip_prefix(b"/").unwrap_or(rest))
    })
}

/// The path inside the tree: no empty, `.` and `..` segments, nothing absolute.
fn normal(path: &[u8], roots: &[String]) -> TreePath {
    let Some(relative) = below(path, roots) else { return outside(path) };
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in relative.split(|b| *b == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                if kept.pop().is_none() {
                    return outside(path);
                }
            }
            other => kept.push(other),
        }
    }
    if kept.is_empty() {
        return TreePath::from_bytes(*b".");
    }
    TreePath::from_bytes(clipped(kept.join(&b'/')))
}

fn outside(path: &[u8]) -> TreePath {
    let name = path.split(|b| *b == b'/').rfind(|s| !s.is_empty() && *s != b".." && *s != b".").unwrap_or(b"?");
    TreePath::from_bytes(clipped([OUTSIDE.as_bytes(), b"/", name].concat()))
}

fn clipped(mut path: Vec<u8>) -> Vec<u8> {
    path.truncate(LONGEST);
    // NUL is in no path; a record that held one could not be shown.
    path.retain(|b| *b != 0);
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uri(text: &str) -> String {
        from_uri(text, &["/home/ci/app".into(), "C:/work/app".into()]).to_string()
    }

    #[test]
    fn uris_become_paths_inside_the_tree() {
        for (text, path) in [
            ("src/a%20b.py", "src/a b.py"),
            ("./src//x/../a.py", "src/a.py"),
            ("file:///home/ci/app/src/a.py", "src/a.py"),
            ("file://host/home/ci/app/src/a.py", "src/a.py"),
            ("file:///c:/Work/App/src/a.py", "src/a.py"),
            ("C:\\work\\app\\src\\a.py", "src/a.py"),
            ("src\\a.py", "src/a.py"),
            ("file:///home/ci/application/a.py", "(outside)/a.py"),
            ("file:///etc/passwd", "(outside)/passwd"),
            ("../../etc/passwd", "(outside)/passwd"),
            ("..%2f..%2fetc%2fpasswd", "(outside)/passwd"),
            ("src/../../../x", "(outside)/x"),
            ("file:///home/ci/app", "."),
            ("", "."),
            ("https://u:p@shop.example/pay?card=1#x", "https://shop.example/pay"),
        ] {
            assert_eq!(uri(text), path, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_path_is_absolute_or_climbs(text in any::<String>()) {
            for path in [from_uri(&text, &["/r".into()]), from_path(&text, &["/r".into()])] {
                let bytes = path.as_bytes();
                prop_assert!(!bytes.starts_with(b"/") && !bytes.contains(&0));
                let web = scheme(&text).is_some();
                prop_assert!(web || bytes.split(|b| *b == b'/').all(|s| s != b".."));
            }
        }
    }
}
