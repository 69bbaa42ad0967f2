//! Figures in tables of their own: what a table is, and one row of it as measured in one round.

use serde::Serialize;

/// A table of the report.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Table {
    pub(crate) title: &'static str,
    /// What ratios are to.
    pub(crate) of: &'static str,
    pub(crate) columns: &'static [Column],
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Column {
    /// Names the unit too.
    pub(crate) name: &'static str,
    /// Whether the table shows how it relates to the row it is compared with.
    pub(crate) compared: bool,
}

/// A column that is compared.
pub(crate) const fn compared(name: &'static str) -> Column {
    Column { name, compared: true }
}

/// A column that stands for itself.
pub(crate) const fn plain(name: &'static str) -> Column {
    Column { name, compared: false }
}

/// One row, as measured in one round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Record {
    pub(crate) round: usize,
    #[serde(rename = "table", serialize_with = "title")]
    pub(crate) table: &'static Table,
    pub(crate) row: String,
    /// The row of the same table and round that this one is compared with.
    pub(crate) base: Option<String>,
    /// One for each column.
    pub(crate) values: Vec<f64>,
}

impl Record {
    pub(crate) fn new(round: usize, table: &'static Table, row: impl Into<String>, values: &[f64]) -> Self {
        Self { round, table, row: row.into(), base: None, values: values.to_vec() }
    }

    /// Compared with another row, or with itself, which makes it the one that is 1.00.
    pub(crate) fn to(self, base: impl Into<String>) -> Self {
        Self { base: Some(base.into()), ..self }
    }
}

fn title<S: serde::Serializer>(table: &&'static Table, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(table.title)
}
