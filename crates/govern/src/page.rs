//! A page without a format: what Markdown and HTML are written from.

use std::fmt::Write as _;

/// A part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading, from 1.
    Heading(u8, String),
    /// A paragraph.
    Text(String),
    /// A table: its head, its rows.
    Table(Vec<&'static str>, Vec<Vec<String>>),
    /// A table whose first cells lead somewhere: its head, and a relative address with each row.
    Linked(Vec<&'static str>, Vec<(String, Vec<String>)>),
    /// A list.
    List(Vec<String>),
}

/// A page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// Its parts.
    pub blocks: Vec<Block>,
}

impl Page {
    pub(crate) fn heading(&mut self, level: u8, text: impl Into<String>) {
        self.blocks.push(Block::Heading(level, text.into()));
    }

    pub(crate) fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    /// A table; where it has no rows, `none` stands in its place.
    pub(crate) fn table(&mut self, head: &[&'static str], rows: Vec<Vec<String>>, none: &str) {
        if rows.is_empty() {
            self.text(none);
        } else {
            self.blocks.push(Block::Table(head.to_vec(), rows));
        }
    }

    /// As Markdown. What comes from people is escaped, so that it can make no mark-up of its own.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!("# {}\n", markdown(&self.title));
        for block in &self.blocks {
            out.push('\n');
            match block {
                Block::Heading(level, text) => {
                    let _ = writeln!(out, "{} {}", "#".repeat(usize::from(*level)), markdown(text));
                }
                Block::Text(text) => {
                    let _ = writeln!(out, "{}", markdown(text));
                }
                Block::Table(head, rows) => {
                    let _ = writeln!(out, "| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
                    for row in rows {
                        let cells: Vec<String> = row.iter().map(|cell| markdown(cell)).collect();
                        let _ = writeln!(out, "| {} |", cells.join(" | "));
                    }
                }
                Block::Linked(head, rows) => {
                    let _ = writeln!(out, "| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
                    for (href, row) in rows {
                        let cells = row.iter().enumerate().map(|(n, cell)| match n {
                            0 => format!("[{}](<{}>)", markdown(cell), plain(href)),
                            _ => markdown(cell),
                        });
                        let _ = writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "));
                    }
                }
                Block::List(items) => {
                    for item in items {
                        let _ = writeln!(out, "- {}", markdown(item));
                    }
                }
            }
        }
        out
    }

    /// As one HTML file that needs nothing else: no script, no address, styles for screen and paper inside. A policy in its head
    /// forbids everything else, should something slip in all the same.
    #[must_use]
    pub fn html(&self) -> String {
        let title = html(&self.title);
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        );
        for block in &self.blocks {
            match block {
                Block::Heading(level, text) => {
                    let _ = writeln!(out, "<h{level}>{}</h{level}>", html(text));
                }
                Block::Text(text) => {
                    let _ = writeln!(out, "<p>{}</p>", html(text));
                }
                Block::Table(head, rows) => {
                    out.push_str("<table>\n<thead><tr>");
                    for cell in head {
                        let _ = write!(out, "<th scope=\"col\">{}</th>", html(cell));
                    }
                    out.push_str("</tr></thead>\n<tbody>\n");
                    for row in rows {
                        out.push_str("<tr>");
                        for cell in row {
                            let _ = write!(out, "<td>{}</td>", html(cell));
                        }
                        out.push_str("</tr>\n");
                    }
                    out.push_str("</tbody>\n</table>\n");
                }
                Block::Linked(head, rows) => {
                    out.push_str("<table>\n<thead><tr>");
                    for cell in head {
                        let _ = write!(out, "<th scope=\"col\">{}</th>", html(cell));
                    }
                    out.push_str("</tr></thead>\n<tbody>\n");
                    for (href, row) in rows {
                        out.push_str("<tr>");
                        for (n, cell) in row.iter().enumerate() {
                            let _ = match n {
                                0 => write!(out, "<td><a href=\"{}\">{}</a></td>", html(href), html(cell)),
                                _ => write!(out, "<td>{}</td>", html(cell)),
                            };
                        }
                        out.push_str("</tr>\n");
                    }
                    out.push_str("</tbody>\n</table>\n");
                }
                Block::List(items) => {
                    out.push_str("<ul>\n");
                    for item in items {
                        let _ = writeln!(out, "<li>{}</li>", html(item));
                    }
                    out.push_str("</ul>\n");
                }
            }
        }
        out.push_str("</body>\n</html>\n");
        out
    }
}

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:70rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.8rem}h2{font-size:1.35rem;margin-top:2.2rem;border-bottom:1px solid #999}h3{font-size:1.1rem}\
table{border-collapse:collapse;width:100%;margin:1rem 0;font-size:.92rem}\
th,td{border:1px solid #999;padding:.35rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
th{background:#eee}\
@media print{body{font-size:10pt;max-width:none;margin:0}h2,h3{break-after:avoid}tr{break-inside:avoid}thead{display:table-header-group}}\
@page{margin:18mm}";

/// Text that no terminal and no reader of a page is driven by: control characters and marks that turn the direction of writing are
/// written out.
fn plain(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '>' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_people_becomes_mark_up() {
        let evil = "<script>alert(1)</script> [x](javascript:y) | `a` *b* \u{202e}c\nd \"e\" 'f' & ![i](j)";
        let mut page = Page { title: evil.to_owned(), blocks: Vec::new() };
        page.heading(2, evil);
        page.text(evil);
        page.table(&["a"], vec![vec![evil.to_owned()]], "none");
        page.blocks.push(Block::List(vec![evil.to_owned()]));
        let written = page.html();
        assert!(!written.contains("<script") && !written.contains('\u{202e}'), "{written}");
        assert_eq!(written.matches("&lt;script&gt;").count(), 6);
        let written = page.markdown();
        assert!(!written.contains("<script") && !written.contains("[x]("), "{written}");
        assert!(written.contains("\\[x\\](javascript:y) \\|"), "{written}");
        assert_eq!(written.lines().count(), 11, "a line break makes no line: {written}");
    }

    #[test]
    fn an_empty_table_says_so() {
        let mut page = Page::default();
        page.table(&["a"], Vec::new(), "none at all");
        assert_eq!(page.blocks, [Block::Text("none at all".to_owned())]);
    }
}
