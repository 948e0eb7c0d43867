//! SQL on an object's storage.

use std::sync::Arc;

use worker::{SqlCursor, SqlCursorRawIterator, SqlStorage, SqlStorageValue};

/// How many values a query may be given at most.
const MOST_BINDINGS: usize = 100;

/// A value in a table.
pub(crate) type Value = SqlStorageValue;

/// The SQL of an object. It works on the spot: between two statements nothing else happens, unless somebody waits.
#[derive(Debug)]
pub(crate) struct Sql {
    storage: SqlStorage,
    #[cfg(feature = "testing")]
    pub(crate) meter: Arc<crate::testing::Meter>,
}

/// What the platform said about a statement.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SqlError(String);

impl SqlError {
    pub(crate) fn new(said: impl Into<String>) -> Self {
        Self(said.into())
    }
}

impl From<worker::Error> for SqlError {
    fn from(error: worker::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<SqlError> for Arc<dyn std::error::Error + Send + Sync> {
    fn from(error: SqlError) -> Self {
        Arc::<SqlError>::new(error)
    }
}

impl Sql {
    pub(crate) fn new(storage: SqlStorage) -> Self {
        Self {
            storage,
            #[cfg(feature = "testing")]
            meter: Arc::default(),
        }
    }

    /// Runs a statement whose rows, if it has any, are read as they are taken.
    pub(crate) fn query(&self, statement: &str, values: Vec<Value>) -> Result<Rows, SqlError> {
        debug_assert!(values.len() <= MOST_BINDINGS);
        let cursor = self.storage.exec(statement, values)?;
        Ok(Rows {
            rows: cursor.raw(),
            #[cfg(feature = "testing")]
            meter: Arc::clone(&self.meter),
            _cursor: cursor,
        })
    }

    /// Runs a statement that changes something.
    pub(crate) fn run(&self, statement: &str, values: Vec<Value>) -> Result<(), SqlError> {
        self.query(statement, values)?.try_for_each(|row| row.map(drop))
    }

    /// Returns the only row of a query, or the first.
    pub(crate) fn row(&self, statement: &str, values: Vec<Value>) -> Result<Option<Row>, SqlError> {
        self.query(statement, values)?.next().transpose()
    }
}

/// The rows of a query.
pub(crate) struct Rows {
    rows: SqlCursorRawIterator,
    #[cfg(feature = "testing")]
    meter: Arc<crate::testing::Meter>,
    _cursor: SqlCursor,
}

impl Iterator for Rows {
    type Item = Result<Row, SqlError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.rows.next()?.map(|values| Row { values: values.into_iter() }).map_err(SqlError::from))
    }
}

#[cfg(feature = "testing")]
impl Drop for Rows {
    fn drop(&mut self) {
        self.meter.count(self._cursor.rows_read(), self._cursor.rows_written());
    }
}

/// A row, whose values are taken one after another.
pub(crate) struct Row {
    values: std::vec::IntoIter<Value>,
}

impl Row {
    pub(crate) fn number(&mut self) -> Result<u64, SqlError> {
        match self.values.next() {
            Some(Value::Integer(number)) => u64::try_from(number).map_err(|_| SqlError::new("a number is below zero")),
            other => Err(unexpected("a number", other)),
        }
    }

    pub(crate) fn signed(&mut self) -> Result<i64, SqlError> {
        match self.values.next() {
            Some(Value::Integer(number)) => Ok(number),
            other => Err(unexpected("a number", other)),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, SqlError> {
        match self.values.next() {
            Some(Value::Blob(bytes)) => Ok(bytes),
            other => Err(unexpected("bytes", other)),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], SqlError> {
        <[u8; N]>::try_from(self.bytes()?).map_err(|_| SqlError::new(format!("there are not {N} bytes")))
    }

    pub(crate) fn text(&mut self) -> Result<String, SqlError> {
        match self.values.next() {
            Some(Value::String(text)) => Ok(text),
            other => Err(unexpected("a text", other)),
        }
    }
}

fn unexpected(wanted: &str, found: Option<Value>) -> SqlError {
    let found = match found {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Boolean(_)) => "a truth value",
        Some(Value::Integer(_) | Value::Float(_)) => "a number",
        Some(Value::String(_)) => "a text",
        Some(Value::Blob(_)) => "bytes",
    };
    SqlError::new(format!("{found} stands where {wanted} was written: the object's tables are damaged"))
}

/// The largest number that is written. JavaScript, through which all of them pass, has no larger ones.
pub(crate) const LARGEST: u64 = (1 << 53) - 1;

/// Returns the value for a number. Those of ours are not larger than [`LARGEST`], and bounds of callers mean the same then.
pub(crate) fn number(number: u64) -> Value {
    Value::Integer(number.min(LARGEST) as i64)
}

/// Returns the value for bytes.
pub(crate) fn blob(bytes: &[u8]) -> Value {
    Value::Blob(bytes.to_vec())
}
