//! Tables as Parquet, beside CSV and JSON Lines, with the cargo feature `parquet`. The same table gives the same bytes by the same
//! version of the writer: no time, no name of a machine, no codec, one row group.

use super::Put;
use super::table::Table;
use crate::Error;

#[cfg(feature = "parquet")]
pub(super) use written::WRITER;

/// Adds a table, where the writer that is named is the one at hand.
#[cfg(feature = "parquet")]
pub(super) fn add(table: &Table, writer: &str, put: &mut dyn Put) -> Result<(), Error> {
    let name = format!("tables/{}.parquet", table.name);
    if writer != WRITER {
        return put.cannot(&name, format!("it was written by {writer}, and this program has {WRITER}"));
    }
    put.add(&name, &written::bytes(table)?)
}

/// Says of a table that it cannot be derived: this program writes no Parquet.
#[cfg(not(feature = "parquet"))]
pub(super) fn add(table: &Table, writer: &str, put: &mut dyn Put) -> Result<(), Error> {
    let why = format!("it was written by {writer}, and this program was built without the feature parquet");
    put.cannot(&format!("tables/{}.parquet", table.name), why)
}

#[cfg(feature = "parquet")]
mod written {
    use std::sync::Arc;

    use ::parquet::basic::{Compression, Encoding, LogicalType, Repetition, Type as Physical};
    use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
    use ::parquet::errors::ParquetError;
    use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
    use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
    use ::parquet::schema::types::{Type, TypePtr};
    use serde_json::{Map, Value};

    use super::Table;
    use crate::Error;
    use crate::audit::AuditError;

    /// The writer: what it writes may change with its version, and with how it is used here.
    pub(crate) const WRITER: &str = "parquet-rs 60.1.0, plain 1";

    /// Columns of whole numbers, in whichever table.
    const NUMBERS: [&str; 14] = [
        "entry",
        "version",
        "bytes",
        "line",
        "lines",
        "count",
        "exceptions",
        "operated",
        "waiting",
        "deployments",
        "entries_in_all",
        "enrolled",
        "closed",
        "gone_entry",
    ];
    /// Columns of yes and no.
    const BOOLEANS: [&str; 5] = ["success", "conflict", "counts", "left", "pipeline"];

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Kind {
        Number,
        Boolean,
        Text,
    }

    impl Kind {
        /// By the name alone, so that every pack has the same schema.
        fn of(column: &str) -> Self {
            match column {
                _ if NUMBERS.contains(&column) => Self::Number,
                _ if BOOLEANS.contains(&column) => Self::Boolean,
                _ => Self::Text,
            }
        }
    }

    /// The file of a table.
    pub(crate) fn bytes(table: &Table) -> Result<Vec<u8>, Error> {
        let rows: Vec<Map<String, Value>> = table
            .written()
            .1
            .lines()
            .map(|line| serde_json::from_str(line).map_err(|e| fault(table.name, &e.to_string())))
            .collect::<Result<_, _>>()?;
        written(table, &rows).map_err(|e| match e {
            Trouble::Writer(e) => fault(table.name, &e.to_string()).into(),
            Trouble::Value(what) => fault(table.name, &what).into(),
        })
    }

    fn fault(table: &str, what: &str) -> AuditError {
        AuditError::Parquet { table: table.to_owned(), what: what.to_owned() }
    }

    enum Trouble {
        Writer(ParquetError),
        Value(String),
    }

    impl From<ParquetError> for Trouble {
        fn from(e: ParquetError) -> Self {
            Self::Writer(e)
        }
    }

    fn schema(table: &Table) -> Result<TypePtr, ParquetError> {
        let fields = table.columns.iter().map(|column| {
            let (physical, logical) = match Kind::of(column) {
                Kind::Number => (Physical::INT64, None),
                Kind::Boolean => (Physical::BOOLEAN, None),
                Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            };
            let field = Type::primitive_type_builder(column, physical);
            Ok(Arc::new(field.with_repetition(Repetition::OPTIONAL).with_logical_type(logical).build()?))
        });
        let fields = fields.collect::<Result<Vec<_>, ParquetError>>()?;
        Ok(Arc::new(Type::group_type_builder(table.name).with_fields(fields).build()?))
    }

    fn written(table: &Table, rows: &[Map<String, Value>]) -> Result<Vec<u8>, Trouble> {
        let properties = WriterProperties::builder()
            .set_created_by(WRITER.to_owned())
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(Compression::UNCOMPRESSED)
            .set_encoding(Encoding::PLAIN)
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_offset_index_disabled(true)
            .build();
        let mut file = SerializedFileWriter::new(Vec::new(), schema(table)?, Arc::new(properties))?;
        let mut group = file.next_row_group()?;
        for column in table.columns {
            let cells = rows.iter().map(|row| row.get(*column).unwrap_or(&Value::Null));
            let odd = |value: &Value| Trouble::Value(format!("`{column}` is not of its type: {value}"));
            match Kind::of(column) {
                Kind::Number => {
                    let cells =
                        cells.map(|v| if v.is_null() { Ok(None) } else { v.as_i64().map(Some).ok_or_else(|| odd(v)) });
                    put::<Int64Type>(&mut group, cells.collect::<Result<_, _>>()?)?;
                }
                Kind::Boolean => {
                    let cells =
                        cells.map(|v| if v.is_null() { Ok(None) } else { v.as_bool().map(Some).ok_or_else(|| odd(v)) });
                    put::<BoolType>(&mut group, cells.collect::<Result<_, _>>()?)?;
                }
                Kind::Text => {
                    let cells = cells.map(|v| shown(v).map(|text| ByteArray::from(text.into_bytes())));
                    put::<ByteArrayType>(&mut group, cells.collect())?;
                }
            }
        }
        group.close()?;
        Ok(file.into_inner()?)
    }

    /// One column: what is there, and for each row whether it is.
    fn put<T: DataType>(
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        cells: Vec<Option<T::T>>,
    ) -> Result<(), ParquetError> {
        let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
        let values: Vec<T::T> = cells.into_iter().flatten().collect();
        let missing = || ParquetError::General("it has fewer columns than its schema".to_owned());
        let mut column = group.next_column()?.ok_or_else(missing)?;
        column.typed::<T>().write_batch(&values, Some(&levels), None)?;
        column.close()
    }

    /// A value as text; lists as in CSV, but without the apostrophes that spreadsheets need.
    fn shown(value: &Value) -> Option<String> {
        match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Array(all) => {
                let texts = all.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned));
                Some(texts.collect::<Vec<_>>().join(" "))
            }
            other => Some(other.to_string()),
        }
    }

    #[cfg(test)]
    mod tests {
        use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
        use ::parquet::record::Field;
        use serde_json::json;

        use super::{Table, WRITER, bytes};

        #[test]
        fn what_is_written_is_read_back_and_is_the_same_twice() {
            let mut table = Table::new("t", &["entry", "success", "text", "entries"]);
            table.push(json!({"entry": 7, "success": true, "text": "=A1, \"ä\"", "entries": [3, 4]}));
            table.push(json!({"entry": null, "success": null, "text": null, "entries": []}));
            let first = bytes(&table).unwrap();
            assert_eq!(first, bytes(&table).unwrap());
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, &first).unwrap();
            let reader = SerializedFileReader::new(file).unwrap();
            let meta = reader.metadata().file_metadata();
            assert_eq!((meta.num_rows(), meta.created_by()), (2, Some(WRITER)));
            let rows: Vec<Vec<Field>> = reader
                .get_row_iter(None)
                .unwrap()
                .map(|row| row.unwrap().into_columns().into_iter().map(|(_, field)| field).collect())
                .collect();
            let text = |text: &str| Field::Str(text.to_owned());
            assert_eq!(rows[0], [Field::Long(7), Field::Bool(true), text("=A1, \"ä\""), text("3 4")]);
            assert_eq!(rows[1], [Field::Null, Field::Null, Field::Null, text("")]);
            // A table without rows is one all the same.
            let empty = Table::new("t", &["entry"]);
            assert!(bytes(&empty).unwrap().starts_with(b"PAR1"));
            // A column never changes its type.
            let mut odd = Table::new("t", &["entry"]);
            odd.push(json!({"entry": "seven"}));
            assert_eq!(countersign_model::Diagnostic::code(&bytes(&odd).unwrap_err()), "CS-AUDIT-046");
        }
    }
}
