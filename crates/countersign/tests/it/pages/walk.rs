//! What a walk over pages reads of them.

/// A link in the content of a page.
pub(crate) struct Link {
    pub(crate) href: String,
    /// Its words.
    pub(crate) text: String,
    pub(crate) is_tile: bool,
    pub(crate) is_filter: bool,
    /// It leads to the next part of a list.
    pub(crate) is_next: bool,
}

/// The content of a page.
fn content(body: &str) -> &str {
    let inside = body.split_once("<main").map_or(body, |(_, main)| main);
    inside.split_once("</main>").map_or(inside, |(main, _)| main)
}

/// Markup as its words.
fn words(markup: &str) -> String {
    let mut out = String::new();
    let mut rest = markup;
    while let Some((text, tag)) = rest.split_once('<') {
        out.push_str(text);
        rest = tag.split_once('>').map_or("", |(_, more)| more);
    }
    out.push_str(rest);
    out.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").trim().to_owned()
}

/// The words between two pieces of markup, the first time that they stand there.
pub(crate) fn text_of(body: &str, before: &str, after: &str) -> Option<String> {
    let rest = body.split_once(before)?.1;
    Some(words(rest.split_once(after)?.0))
}

/// Every link of the content that leads to this server.
pub(crate) fn links(body: &str) -> Vec<Link> {
    let main = content(body);
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(begin) = main[at..].find("<a ") {
        let begin = at + begin;
        let end = begin + main[begin..].find("</a>").unwrap();
        let (tag, inside) = main[begin..end].split_once('>').unwrap();
        at = end;
        let Some(href) = tag.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()) else { continue };
        if !href.starts_with('/') {
            continue;
        }
        let before = &main[..begin];
        let is_filter = before.rfind("<nav class=\"filters\"") > before.rfind("</nav>");
        let (is_tile, is_next) = (tag.contains("class=\"tile"), tag.contains("rel=\"next\""));
        all.push(Link { href: href.replace("&amp;", "&"), text: words(inside), is_tile, is_filter, is_next });
    }
    all
}

/// How many rows the list of a page has, or the part with that id. Where there is no list there is the sentence that says so.
pub(crate) fn rows_of(body: &str, id: Option<&str>, address: &str) -> u64 {
    let mark = id.map_or_else(|| "data-list".to_owned(), |id| format!("id=\"{id}\""));
    let main = content(body);
    let at = main.find(&mark).unwrap_or_else(|| panic!("{address} has no list ({mark})"));
    let list = &main[at..];
    let count = |text: &str, what: &str| u64::try_from(text.matches(what).count()).unwrap();
    let Some((list, _)) = id.and_then(|_| list.split_once("</section>")) else {
        // A list without rows is a sentence, whose class stands before the mark.
        if main[..at].ends_with("class=\"none\" ") {
            return 0;
        }
        return count(list.split_once("<tbody>").unwrap().1.split("</tbody>").next().unwrap(), "<tr>");
    };
    let rows = list.split_once("<tbody>").map(|(_, rows)| rows.split("</tbody>").next().unwrap());
    rows.map_or_else(|| count(list, "<article"), |rows| count(rows, "<tr>"))
}

/// The columns in whose cells stand numbers that are no links; a zero has no list.
pub(crate) fn unlinked_numbers(body: &str) -> Vec<String> {
    let mut out = Vec::new();
    for table in content(body).split("<table").skip(1) {
        let table = table.split("</table>").next().unwrap();
        let names: Vec<String> =
            table.split("<th scope=\"col\">").skip(1).map(|th| words(th.split("</th>").next().unwrap())).collect();
        let rows = table.split_once("<tbody>").map_or("", |(_, rows)| rows);
        for row in rows.split("<tr>").skip(1) {
            let cells: Vec<&str> = row.split("<t").skip(1).filter(|cell| cell.starts_with(['d', 'h'])).collect();
            for (cell, name) in cells.iter().zip(&names) {
                let (tag, inside) = cell.split_once('>').unwrap();
                let inside = inside.split("</t").next().unwrap();
                let is_number =
                    tag.contains("class=\"n\"") && words(inside).contains(|c: char| ('1'..='9').contains(&c));
                if is_number && !inside.contains("<a ") && !out.contains(name) {
                    out.push(name.clone());
                }
            }
        }
    }
    out
}
