//! Rows of the hot path's tables on tokio-postgres, and the statements that read and write many at once.
//!
//! Rows travel as one array a column; which columns there are is told in `tables`.

use std::{error::Error, ops::RangeFrom};

use bytes::BytesMut;
use tokio_postgres::{
    Row,
    types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked},
};

use crate::tables::{Table, quoted};

/// A value on its way to the server, with its type.
pub type Param = (Box<dyn ToSql + Sync + Send>, Type);

/// Any value as a [`Param`].
pub fn param(value: impl ToSql + Sync + Send + 'static, kind: Type) -> Param {
    (Box::new(value), kind)
}

/// Where a version of a row stands in its table, as the server tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place([u8; 6]);

impl FromSql<'_> for Place {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.try_into()?))
    }

    accepts!(TID);
}

impl ToSql for Place {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(TID);
    to_sql_checked!();
}

/// A table that the hot path writes.
pub trait Written: Table {
    /// The last of the columns, which most rows leave NULL.
    const RARE: &'static [&'static str];

    /// True when all of those are NULL.
    fn is_bare(&self) -> bool;

    /// One array for each of the columns, in their order.
    fn arrays(rows: Vec<Self>, width: Width) -> Vec<Param>;
}

/// Which columns travel. An array of NULLs costs the server as much as one of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// All but the rare ones, which become NULL.
    Bare,
    Full,
}

impl Width {
    fn columns<T: Written>(self) -> &'static [&'static str] {
        match self {
            Self::Bare => &T::COLUMNS[..T::COLUMNS.len() - T::RARE.len()],
            Self::Full => T::COLUMNS,
        }
    }
}

/// Rows by what they need; no empty group.
pub fn by_width<T: Written>(rows: Vec<T>) -> impl Iterator<Item = (Width, Vec<T>)> {
    let (bare, full) = rows.into_iter().partition(T::is_bare);
    let groups = [(Width::Bare, bare), (Width::Full, full)];
    groups.into_iter().filter(|(_, rows): &(_, Vec<T>)| !rows.is_empty())
}

/// A table that the hot path reads.
pub trait Read: Table {
    /// Reads a row whose first columns are these, in their order: to look for each by its name costs more than to read it.
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error>;
}

/// Adds rows: $1 and on are [`Written::arrays`].
pub fn insert_of<T: Written>(width: Width) -> String {
    let columns = width.columns::<T>();
    format!(
        "INSERT INTO {} ({}) SELECT * FROM {}",
        T::TABLE,
        quoted(columns),
        arrays_of(columns)
    )
}

/// Writes every column of the rows that `key` finds: $1 and on are [`Written::arrays`].
pub fn update_of<T: Written>(key: &str, width: Width) -> String {
    update_and::<T>(key, width, "")
}

/// Like [`update_of`], for runs: the change feed tells of it. Rows that are added are stamped by their default.
pub fn change_of<T: Written>(key: &str, width: Width) -> String {
    update_and::<T>(key, width, ", changed_in = pg_current_xact_id()::text::bigint")
}

fn update_and<T: Written>(key: &str, width: Width, more: &str) -> String {
    let columns = width.columns::<T>();
    let written = columns
        .iter()
        .filter(|column| **column != key)
        .map(|column| format!("\"{column}\" = n.\"{column}\""));
    let emptied = T::COLUMNS[columns.len()..]
        .iter()
        .map(|column| format!("\"{column}\" = NULL"));
    let set: Vec<String> = written.chain(emptied).collect();
    let (table, rows, set) = (T::TABLE, arrays_of(columns), set.join(", "));
    let columns = quoted(columns);
    format!("UPDATE {table} t SET {set}{more} FROM {rows} AS n ({columns}) WHERE t.{key} = n.{key}")
}

fn arrays_of(columns: &[&str]) -> String {
    let places: Vec<String> = (1..=columns.len()).map(|place| format!("${place}")).collect();
    format!("UNNEST({})", places.join(", "))
}

/// The value of a row's next column.
pub fn next<'r, T: FromSql<'r>>(row: &'r Row, place: &mut RangeFrom<usize>) -> Result<T, tokio_postgres::Error> {
    row.try_get(place.next().unwrap_or(usize::MAX))
}
