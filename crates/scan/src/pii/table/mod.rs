//! Tables: delimited text, JSON and SQL dumps, read record by record and never kept.
//!
//! A column of which a rule says what it is gives one finding with the number of its values, and not one for each. A
//! record with several things that are nothing alone gives a finding for the records of its table.
//!
//! | module | holds |
//! |---|---|
//! | `rules` | what rules ask of columns |
//! | `names` | names of columns, in one style |
//! | `sheet` | columns, records, and what they come to |
//! | `delimited`, `json`, `sql` | the formats |

mod delimited;
mod json;
mod names;
mod rules;
mod sheet;
mod sql;

use std::ops::Range;

use super::parquet::{self, Unread};
use crate::family::{Follow, Group, Overview, Seen};
use crate::rules::{Matching, Rule};
use countersign_model::Hasher;
use delimited::Delimited;
use json::Json;
use rules::{ColumnRule, NameRule};
use sheet::Columns;
use sql::Sql;

/// All rules that look at columns.
#[derive(Debug)]
struct Tables {
    rules: Vec<ColumnRule>,
    names: Vec<NameRule>,
}

/// How much of the end of a Parquet file is kept: footers of wide tables are some hundred kilobytes.
const FOOTER: usize = 4 * 1024 * 1024;

/// More names of columns than anybody reads.
const MAX_NAMED: usize = 100;

/// What the family says of files as a whole; `None` when no rule looks at columns.
pub(crate) fn overview(rules: &[&Rule]) -> Option<Box<dyn Overview>> {
    let specs = || {
        (0_u32..).zip(rules).filter_map(|(n, rule)| match &rule.matching {
            Some(Matching::Pii(spec)) => Some((n, spec, rule.confidence)),
            _ => None,
        })
    };
    let names: Vec<NameRule> = specs().filter_map(|(n, spec, c)| NameRule::new(n, spec, c)).collect();
    let rules: Vec<ColumnRule> = specs().filter_map(|(n, spec, c)| ColumnRule::new(n, spec, c)).collect();
    (!rules.is_empty() || !names.is_empty()).then(|| Box::new(Tables { rules, names }) as Box<dyn Overview>)
}

impl Overview for Tables {
    fn keywords(&self) -> &[&'static str] {
        &sql::KEYWORDS
    }

    fn begin<'o>(&'o self, excluded: &'o [u32]) -> Option<Box<dyn Follow + 'o>> {
        let looks = self.rules.iter().any(|r| excluded.binary_search(&r.index).is_err());
        looks.then(|| {
            let form = Form::Unknown;
            Box::new(File { rules: &self.rules, excluded, form, sql: None, columns: Columns::default() }) as Box<_>
        })
    }

    fn wants_end(&self, excluded: &[u32], head: &[u8]) -> Option<usize> {
        let looks = self.names.iter().any(|r| excluded.binary_search(&r.index).is_err());
        (looks && head.starts_with(parquet::MAGIC)).then_some(FOOTER)
    }

    fn by_end(&self, excluded: &[u32], end: &[u8]) -> Result<Vec<Group>, &'static str> {
        let columns = match parquet::columns(end) {
            Ok(columns) => columns,
            // What only begins like one is any other binary file.
            Err(Unread::Broken) => return Ok(Vec::new()),
            Err(Unread::Long) => return Err("the footer of the Parquet file is longer than 4 MiB"),
        };
        let mut groups = Vec::new();
        for rule in self.names.iter().filter(|r| excluded.binary_search(&r.index).is_err()) {
            let mut hasher = Hasher::new();
            let mut named = Vec::new();
            for path in &columns {
                let name = names::words(path);
                if rule.is_about(&name) {
                    hasher.update(&(path.len() as u64).to_be_bytes());
                    hasher.update(path);
                    named.push(name.replace(' ', "_"));
                }
            }
            if named.is_empty() {
                continue;
            }
            let count = named.len();
            let noun = if count == 1 { "column" } else { "columns" };
            named.truncate(MAX_NAMED);
            groups.push(Group {
                rule: rule.index,
                ticket: groups.len(),
                confidence: rule.confidence,
                count: count as u64,
                text: shortened(format!("{count} {noun} of a Parquet file: {}", named.join(", "))),
                values: hasher.finish(),
            });
        }
        Ok(groups)
    }
}

/// As much as a report shows. All of it is ASCII.
fn shortened(mut text: String) -> String {
    if text.len() > 160 {
        text.truncate(157);
        text.push_str("...");
    }
    text
}

/// What a file is, by its beginning.
#[derive(Debug)]
enum Form {
    Unknown,
    Text,
    Delimited(Delimited),
    Json(Json),
}

/// One file.
#[derive(Debug)]
struct File<'o> {
    rules: &'o [ColumnRule],
    /// Rules that do not look at this file, sorted.
    excluded: &'o [u32],
    form: Form,
    sql: Option<Sql>,
    columns: Columns,
}

impl Follow for File<'_> {
    fn part(&mut self, text: &[u8], part: Range<usize>, hits: &[(usize, Range<usize>)], seen: &mut Seen) {
        if matches!(self.form, Form::Unknown) {
            self.form = if let Some(json) = Json::sniff(&text[part.clone()]) {
                Form::Json(json)
            } else {
                Delimited::sniff(self.rules, &mut self.columns, text, part.clone()).map_or(Form::Text, Form::Delimited)
            };
        }
        match &mut self.form {
            Form::Delimited(table) => table.part(self.rules, &mut self.columns, text, part.clone(), seen),
            Form::Json(json) => json.part(self.rules, &mut self.columns, text, part.clone(), seen),
            Form::Text | Form::Unknown => {
                if self.sql.is_some() || !hits.is_empty() {
                    let sql = self.sql.get_or_insert_with(Sql::default);
                    sql.part(self.rules, &mut self.columns, text, part, hits, seen);
                }
            }
        }
        seen.values.retain(|(_, rule, _)| self.excluded.binary_search(rule).is_err());
    }

    fn end(self: Box<Self>) -> Vec<Group> {
        let Self { rules, excluded, columns, .. } = *self;
        let mut groups = columns.end(rules);
        groups.retain(|g| excluded.binary_search(&g.rule).is_err());
        groups
    }
}
