//! `ledger rebuild` folds the log anew; `--check` does so beside the live tables and compares them row by row.

use std::cmp::Ordering;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, Rows};

use super::db::{chain, is_void};
use super::state::{State, Watch};
use super::table::{self, Table};
use crate::installation::Pin;
use crate::{Error, Ledger};

/// How many differences are listed.
pub const MAX_DIFFERENCES: usize = 1000;

/// Tables that were folded anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Entries folded.
    pub entries: u64,
    /// Entries that were not believed.
    pub anomalies: u64,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Entries folded.
    pub entries: u64,
    /// Rows compared.
    pub rows: u64,
    /// What differs, at most [`MAX_DIFFERENCES`].
    pub differences: Vec<Difference>,
    /// Differences that are not listed.
    pub more: u64,
}

/// Something in the live tables that the log does not say, or says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table; `sqlite_schema` when the tables themselves differ, `integrity_check` when the file is damaged.
    pub table: String,
    /// The row's key, `column=value` each.
    pub key: String,
    /// The log index that the row comes from.
    pub index: Option<u64>,
    /// What differs.
    pub kind: DifferenceKind,
}

/// How a live row differs from what the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DifferenceKind {
    /// It has other values in these columns.
    Altered {
        /// Column, value in the live table, value that the log says.
        columns: Vec<(String, String, String)>,
    },
    /// The log says it, and it is not in the live table.
    Missing,
    /// It is in the live table, and the log does not say it.
    Unfounded,
}

/// Folds the log of `ledger` anew into the file `path`. Readers keep what they hold.
///
/// # Errors
/// What the ledger and the database say.
pub fn rebuild(path: &Path, ledger: &mut Ledger, pin: Option<&Pin>, watch: &Watch) -> Result<Rebuilt, Error> {
    let mut state = State::connect(path, ledger.shared_vault(), pin)?;
    state.fold_anew(ledger, watch)?;
    let anomalies = state.db.query_row("SELECT count(*) FROM anomalies", [], |row| row.get(0))?;
    Ok(Rebuilt { entries: state.size(), anomalies })
}

/// Folds the log anew beside the live tables and compares. The live tables are neither changed nor brought up to date.
///
/// # Errors
/// [`Error::NoProjection`] when there is none; what the ledger and the database say.
pub fn check(path: &Path, ledger: &mut Ledger, pin: Option<&Pin>, watch: &Watch) -> Result<Checked, Error> {
    if !path.exists() {
        return Err(Error::NoProjection { path: path.display().to_string() });
    }
    let found = check_file(path, ledger, pin, watch);
    match found {
        Err(error) if is_void(&error) => {
            let key = chain(&error);
            let table = "integrity_check".to_owned();
            let difference = Difference { table, key, index: None, kind: DifferenceKind::Unfounded };
            Ok(Checked { differences: vec![difference], ..Checked::default() })
        }
        found => found,
    }
}

fn check_file(path: &Path, ledger: &mut Ledger, pin: Option<&Pin>, watch: &Watch) -> Result<Checked, Error> {
    let mut live = State::connect(path, ledger.shared_vault(), pin)?;
    if live.version()? != table::version() {
        let key = "user_version".to_owned();
        let columns = vec![("value".to_owned(), live.version()?.to_string(), table::version().to_string())];
        let kind = DifferenceKind::Altered { columns };
        let difference = Difference { table: "sqlite_schema".into(), key, index: None, kind };
        return Ok(Checked { differences: vec![difference], ..Checked::default() });
    }
    let size = live.hold_unread()?;
    ledger.refresh()?;
    let mut fresh = State::scratch(ledger.shared_vault(), pin)?;
    // As far as the live tables say they go; beyond the log's end there is nothing.
    fresh.fold(ledger, size.min(ledger.size()), watch, |_| Ok(()))?;
    fresh.store_position(ledger)?;
    live.compare(&fresh)
}

impl State {
    /// Compares these tables with `sound`, row by row.
    ///
    /// # Errors
    /// When either cannot be read.
    pub fn compare(&self, sound: &Self) -> Result<Checked, Error> {
        let mut checked = Checked { entries: sound.size(), ..Checked::default() };
        // An index that does not agree with its table gives wrong answers from sound rows.
        let mut query = self.db.prepare("PRAGMA integrity_check(100)")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let what: String = row.get(0)?;
            if what != "ok" {
                let table = "integrity_check".to_owned();
                checked.add(Difference { table, key: what, index: None, kind: DifferenceKind::Unfounded });
            }
        }
        const SCHEMA: &str = "SELECT type, name, tbl_name, sql FROM sqlite_schema
            WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name";
        let schema = Table { name: "sqlite_schema", key: &["type", "name"], index: "", sql: SCHEMA };
        let before = checked.differences.len();
        checked.table(&schema, SCHEMA, &self.db, &sound.db)?;
        if checked.differences.len() > before {
            // Rows of other tables or columns cannot be compared.
            return Ok(checked);
        }
        for table in table::all() {
            let sql = format!("SELECT * FROM {} ORDER BY {}", table.name, table.key.join(", "));
            checked.table(table, &sql, &self.db, &sound.db)?;
        }
        Ok(checked)
    }
}

impl Checked {
    fn add(&mut self, difference: Difference) {
        if self.differences.len() < MAX_DIFFERENCES {
            self.differences.push(difference);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Goes through both tables in the order of their keys.
    fn table(&mut self, table: &Table, sql: &str, live: &Connection, sound: &Connection) -> Result<(), Error> {
        let (mut live, mut sound) = (live.prepare(sql)?, sound.prepare(sql)?);
        let columns: Vec<String> = sound.column_names().map(str::to_owned).collect();
        let at = |name: &&str| columns.iter().position(|c| c == name);
        let layout = Layout {
            table: table.name,
            key: table.key.iter().filter_map(at).collect(),
            index: columns.iter().position(|c| c == table.index),
            columns: &columns,
        };
        let (mut live, mut sound) = (live.query([])?, sound.query([])?);
        let (mut a, mut b) = (next(&mut live, columns.len())?, next(&mut sound, columns.len())?);
        loop {
            let order = match (&a, &b) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => layout.order(a, b),
            };
            if let (Ordering::Less, Some(row)) = (order, &a) {
                self.add(layout.difference(row, DifferenceKind::Unfounded));
            }
            if let (Ordering::Greater, Some(row)) = (order, &b) {
                self.add(layout.difference(row, DifferenceKind::Missing));
            }
            if let (Ordering::Equal, Some(a), Some(b)) = (order, &a, &b) {
                self.rows = self.rows.saturating_add(1);
                let columns = layout.altered(a, b);
                if !columns.is_empty() {
                    self.add(layout.difference(b, DifferenceKind::Altered { columns }));
                }
            }
            if order.is_le() {
                a = next(&mut live, columns.len())?;
            }
            if order.is_ge() {
                b = next(&mut sound, columns.len())?;
            }
        }
    }
}

/// Where in a table's rows the key and the log index stand.
struct Layout<'a> {
    table: &'a str,
    key: Vec<usize>,
    index: Option<usize>,
    columns: &'a [String],
}

impl Layout<'_> {
    fn order(&self, a: &[Value], b: &[Value]) -> Ordering {
        self.key.iter().map(|i| order(&a[*i], &b[*i])).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    }

    fn altered(&self, live: &[Value], sound: &[Value]) -> Vec<(String, String, String)> {
        let pairs = self.columns.iter().zip(live.iter().zip(sound));
        pairs.filter(|(_, (a, b))| a != b).map(|(name, (a, b))| (name.clone(), show(a), show(b))).collect()
    }

    fn difference(&self, row: &[Value], kind: DifferenceKind) -> Difference {
        let key: Vec<String> = self.key.iter().map(|i| format!("{}={}", self.columns[*i], show(&row[*i]))).collect();
        let index = self.index.and_then(|i| match &row[i] {
            Value::Integer(index) => u64::try_from(*index).ok(),
            _ => None,
        });
        Difference { table: self.table.to_owned(), key: key.join(" "), index, kind }
    }
}

fn next(rows: &mut Rows<'_>, width: usize) -> Result<Option<Vec<Value>>, Error> {
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((0..width).map(|i| row.get(i)).collect::<Result<_, _>>()?))
}

/// The order in which SQLite sorts values that stand in strict columns.
fn order(a: &Value, b: &Value) -> Ordering {
    const fn rank(value: &Value) -> u8 {
        match value {
            Value::Null => 0,
            Value::Integer(_) | Value::Real(_) => 1,
            Value::Text(_) => 2,
            Value::Blob(_) => 3,
        }
    }
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// A value for people; long texts are cut.
fn show(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(i) => i.to_string(),
        Value::Real(r) => r.to_string(),
        Value::Text(text) if text.chars().count() > 120 => format!("{}…", text.chars().take(120).collect::<String>()),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}
