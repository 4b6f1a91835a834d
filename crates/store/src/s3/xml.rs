//! The few XML documents of S3: read with bounds, and written.

use countersign_model::Timestamp;
use roxmltree::{Document, Node, ParsingOptions};

use super::error::Said;
use super::{encode, time};

/// The largest answer that lists something: 1,000 keys of up to 1,024 bytes each, percent-encoded, and their frames.
pub(super) const MAX_LIST_BYTES: u64 = 8 << 20;
/// Elements and texts of such a document: 1,000 versions with about ten elements each.
const MAX_NODES: u32 = 100_000;
/// How much of a message is kept, in characters.
const MAX_SAID: usize = 300;

/// A page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Key and size.
    pub(super) objects: Vec<(String, u64)>,
    /// What stands before a delimiter.
    pub(super) prefixes: Vec<String>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

/// A version of an object, or a mark that it was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The object, as the ledger names it.
    pub name: String,
    /// The id of the version.
    pub id: String,
    /// Whether it is the one that stands there now.
    pub is_latest: bool,
    /// Whether it is no object, but says that there is none any more.
    pub is_delete_marker: bool,
    /// Its size in bytes.
    pub size: u64,
}

/// A page of a listing of versions; keys instead of names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct VersionPage {
    pub(super) versions: Vec<Version>,
    pub(super) next: Option<(String, String)>,
}

fn document(bytes: &[u8]) -> Result<Document<'_>, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    // No document type: nothing that is declared in one is needed here, and entities could grow.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|e| e.to_string())
}

fn child<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.children().find(|c| c.tag_name().name() == name)?.text()
}

fn children<'a, 'd>(node: Node<'a, 'd>, name: &'static str) -> impl Iterator<Item = Node<'a, 'd>> {
    node.children().filter(move |c| c.tag_name().name() == name)
}

/// The error document of an answer; empty fields where it has none.
pub(super) fn said(status: u16, bytes: &[u8]) -> Said {
    let found = document(bytes).ok().and_then(|d| {
        let root = d.root_element();
        (root.tag_name().name() == "Error").then(|| {
            (child(root, "Code").unwrap_or_default().to_owned(), child(root, "Message").unwrap_or_default().to_owned())
        })
    });
    let (code, message) = found.unwrap_or_default();
    let short = |text: &str, most: usize| text.chars().filter(|c| !c.is_control()).take(most).collect();
    Said { status, code: short(&code, 80), message: short(&message, MAX_SAID) }
}

/// A page of `ListObjectsV2`.
pub(super) fn page(bytes: &[u8]) -> Result<Page, String> {
    let document = document(bytes)?;
    let root = expect(&document, "ListBucketResult")?;
    let is_encoded = child(root, "EncodingType") == Some("url");
    let mut page = Page::default();
    for object in children(root, "Contents") {
        page.objects.push((key(object, "Key", is_encoded)?, size(object)?));
    }
    for prefix in children(root, "CommonPrefixes") {
        page.prefixes.push(key(prefix, "Prefix", is_encoded)?);
    }
    if child(root, "IsTruncated") == Some("true") {
        let token = child(root, "NextContinuationToken").ok_or("it goes on, and does not say where")?;
        page.next = Some(token.to_owned());
    }
    Ok(page)
}

/// A page of `ListObjectVersions`.
pub(super) fn version_page(bytes: &[u8]) -> Result<VersionPage, String> {
    let document = document(bytes)?;
    let root = expect(&document, "ListVersionsResult")?;
    let is_encoded = child(root, "EncodingType") == Some("url");
    let mut page = VersionPage::default();
    for node in root.children() {
        let is_delete_marker = match node.tag_name().name() {
            "Version" => false,
            "DeleteMarker" => true,
            _ => continue,
        };
        page.versions.push(Version {
            name: key(node, "Key", is_encoded)?,
            id: child(node, "VersionId").ok_or("a version has no id")?.to_owned(),
            is_latest: child(node, "IsLatest") == Some("true"),
            is_delete_marker,
            size: if is_delete_marker { 0 } else { size(node)? },
        });
    }
    if child(root, "IsTruncated") == Some("true") {
        let next = key(root, "NextKeyMarker", is_encoded)?;
        page.next = Some((next, child(root, "NextVersionIdMarker").unwrap_or_default().to_owned()));
    }
    Ok(page)
}

/// The codes of the objects that a multi-object deletion did not delete.
pub(super) fn delete_errors(bytes: &[u8]) -> Result<Vec<String>, String> {
    let document = document(bytes)?;
    let root = expect(&document, "DeleteResult")?;
    Ok(children(root, "Error").map(|e| child(e, "Code").unwrap_or_default().chars().take(80).collect()).collect())
}

/// The default rule of the bucket: mode, and `Days` or `Years` with a number.
pub(super) fn default_rule(bytes: &[u8]) -> Result<Option<(String, &'static str, u32)>, String> {
    let document = document(bytes)?;
    let root = expect(&document, "ObjectLockConfiguration")?;
    let Some(rule) = children(root, "Rule").flat_map(|r| children(r, "DefaultRetention")).next() else {
        return Ok(None);
    };
    let mode = child(rule, "Mode").ok_or("the default rule has no mode")?.to_owned();
    for unit in ["Days", "Years"] {
        if let Some(number) = child(rule, unit) {
            let number = number.parse().map_err(|_| "the default rule's period is no number".to_owned())?;
            return Ok(Some((mode, unit, number)));
        }
    }
    Err("the default rule has no period".to_owned())
}

fn expect<'a, 'i>(document: &'a Document<'i>, name: &str) -> Result<Node<'a, 'i>, String> {
    let root = document.root_element();
    if root.tag_name().name() == name {
        return Ok(root);
    }
    Err(format!("it is no `{name}`"))
}

fn key(node: Node<'_, '_>, name: &str, is_encoded: bool) -> Result<String, String> {
    let text = child(node, name).ok_or_else(|| format!("`{name}` is missing"))?;
    if !is_encoded {
        return Ok(text.to_owned());
    }
    // Some storages write a space as `+` here; a plus sign itself is always encoded.
    encode::decode(&text.replace('+', "%20")).ok_or_else(|| format!("`{name}` is not encoded as it should be"))
}

fn size(node: Node<'_, '_>) -> Result<u64, String> {
    child(node, "Size").and_then(|s| s.parse().ok()).ok_or_else(|| "an object has no size".to_owned())
}

/// The body that sets a retention.
pub(super) fn retention(mode: &str, until: Timestamp) -> String {
    let until = time::text(until);
    format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
}

/// The body that sets or lifts a legal hold.
pub(super) fn hold(is_on: bool) -> String {
    format!("<LegalHold><Status>{}</Status></LegalHold>", if is_on { "ON" } else { "OFF" })
}

/// The body that deletes one version. Ids come from the storage itself and are escaped.
pub(super) fn delete_one(key: &str, version: &str) -> String {
    let (key, version) = (escape(key), escape(version));
    format!("<Delete><Object><Key>{key}</Key><VersionId>{version}</VersionId></Object></Delete>")
}

/// The body that sets the bucket's default rule, or removes it.
pub(super) fn lock_configuration(rule: Option<(&str, &str, u32)>) -> String {
    let rule = rule.map_or_else(String::new, |(mode, unit, n)| {
        let mode = escape(mode);
        format!("<Rule><DefaultRetention><Mode>{mode}</Mode><{unit}>{n}</{unit}></DefaultRetention></Rule>")
    });
    format!("<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}</ObjectLockConfiguration>")
}

/// The body that makes a bucket elsewhere than in the first region.
pub(super) fn create(region: &str) -> String {
    let region = escape(region);
    format!("<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>")
}

/// The body that sets versioning.
pub(super) fn versioning_configuration(status: &str) -> String {
    format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>")
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_document_is_read_and_bounded() {
        let long = "x".repeat(5000);
        let bytes =
            format!("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no\u{85}{long}</Message></Error>");
        let said = said(403, bytes.as_bytes());
        assert_eq!((said.status, said.code.as_str()), (403, "AccessDenied"));
        assert!(said.message.starts_with("nox") && said.message.len() == MAX_SAID, "{}", said.message.len());
        assert_eq!(super::said(503, b"<html>").to_string(), "503");
        assert_eq!(super::said(503, b"").to_string(), "503");
    }

    #[test]
    fn pages_are_read() {
        let text = r#"<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>
            <IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>
            <Contents><Key>a%2Fb+c%2B</Key><Size>7</Size></Contents><CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes></ListBucketResult>"#;
        let page = page(text.as_bytes()).unwrap();
        assert_eq!(
            page,
            Page { objects: vec![("a/b c+".into(), 7)], prefixes: vec!["d/".into()], next: Some("t".into()) }
        );
        assert!(super::page(text.replace("<Size>7</Size>", "").as_bytes()).is_err());
        assert!(super::page(text.replace("<NextContinuationToken>t</NextContinuationToken>", "").as_bytes()).is_err());
        assert!(super::page(b"<Other/>").is_err());
    }

    #[test]
    fn versions_and_marks_are_told_apart() {
        let text = "<ListVersionsResult><IsTruncated>false</IsTruncated>\
            <DeleteMarker><Key>a</Key><VersionId>2</VersionId><IsLatest>true</IsLatest></DeleteMarker>\
            <Version><Key>a</Key><VersionId>1</VersionId><IsLatest>false</IsLatest><Size>3</Size></Version></ListVersionsResult>";
        let versions = version_page(text.as_bytes()).unwrap().versions;
        assert!(versions[0].is_delete_marker && versions[0].is_latest);
        assert_eq!((versions[1].id.as_str(), versions[1].size, versions[1].is_delete_marker), ("1", 3, false));
    }

    #[test]
    fn a_document_type_is_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\">]><ListBucketResult>&b;</ListBucketResult>";
        assert!(page(bomb.as_bytes()).is_err());
    }

    #[test]
    fn a_default_rule_goes_round() {
        let body = lock_configuration(Some(("COMPLIANCE", "Days", 3)));
        assert_eq!(default_rule(body.as_bytes()).unwrap(), Some(("COMPLIANCE".into(), "Days", 3)));
        assert_eq!(default_rule(lock_configuration(None).as_bytes()).unwrap(), None);
    }

    #[test]
    fn what_is_written_is_escaped() {
        let body = delete_one("a<b>&\"'", "v");
        let document = document(body.as_bytes()).unwrap();
        let object = document.root_element().first_element_child().unwrap();
        assert_eq!(child(object, "Key"), Some("a<b>&\"'"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, status: u16) {
            let _ = said(status, &bytes);
            let _ = (page(&bytes).is_ok(), version_page(&bytes).is_ok(), delete_errors(&bytes).is_ok());
            let _ = default_rule(&bytes).is_ok();
        }
    }
}
