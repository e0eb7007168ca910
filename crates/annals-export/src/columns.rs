//! The columns of CSV and Parquet.
//!
//! Each is a member of an event under the name of the query parameter that finds events by it. Columns are only ever added, and
//! before the last one.

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// An integer from 0 to 2^64 - 1.
    Number,
    /// An integer from 0 to 999.
    StatusCode,
    /// An instant, in µs.
    Time,
    /// `true` or `false`.
    Bool,
    /// A JSON value, as it was sent.
    Json,
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// The member that stands in it.
    pub path: &'static [&'static str],
    /// What it holds.
    pub kind: Kind,
}

const fn c(name: &'static str, path: &'static [&'static str], kind: Kind) -> Column {
    Column { name, path, kind }
}

use Kind as K;

/// Every column, in order.
pub const COLUMNS: &[Column] = &[
    c("position", &["position"], K::Number),
    c("received_at", &["received_at"], K::Time),
    c("occurred_at", &["occurred_at"], K::Time),
    c("id", &["id"], K::Text),
    c("action", &["action"], K::Text),
    c("operation", &["operation"], K::Text),
    c("category", &["category"], K::Text),
    c("severity", &["severity"], K::Text),
    c("description", &["description"], K::Text),
    c("reason", &["reason"], K::Text),
    c("actor_type", &["actor", "type"], K::Text),
    c("actor_id", &["actor", "id"], K::Text),
    c("actor_name", &["actor", "name"], K::Text),
    c("actor_email", &["actor", "email"], K::Text),
    c("actor_credential_type", &["actor", "credential", "type"], K::Text),
    c("actor_credential_id", &["actor", "credential", "id"], K::Text),
    c("actor_chain", &["actor", "chain"], K::Json),
    c("actor_metadata", &["actor", "metadata"], K::Json),
    c("targets", &["targets"], K::Json),
    c("context_ip", &["context", "ip"], K::Text),
    c("context_user_agent", &["context", "user_agent"], K::Text),
    c("context_session_id", &["context", "session_id"], K::Text),
    c("context_location", &["context", "location"], K::Text),
    c("context_application", &["context", "application"], K::Text),
    c("request_id", &["request", "id"], K::Text),
    c("request_method", &["request", "method"], K::Text),
    c("request_path", &["request", "path"], K::Text),
    c("request_status_code", &["request", "status_code"], K::StatusCode),
    c("trace_trace_id", &["trace", "trace_id"], K::Text),
    c("trace_span_id", &["trace", "span_id"], K::Text),
    c("outcome_result", &["outcome", "result"], K::Text),
    c("outcome_reason", &["outcome", "reason"], K::Text),
    c("changes_before", &["changes", "before"], K::Json),
    c("changes_after", &["changes", "after"], K::Json),
    c("changes_complete", &["changes", "complete"], K::Bool),
    c("scope_team", &["scope", "team"], K::Text),
    c("scope_project", &["scope", "project"], K::Text),
    c("source_name", &["source", "name"], K::Text),
    c("source_version", &["source", "version"], K::Text),
    c("source_instance", &["source", "instance"], K::Text),
    c("source_seq", &["source", "seq"], K::Number),
    c("metadata", &["metadata"], K::Json),
    c("derived", &["derived"], K::Json),
    c("tenant", &["tenant"], K::Text),
    c("ledger_seq", &["ledger_seq"], K::Number),
    c("other", &[], K::Json),
];

/// The last column: what no other one holds, in its place, as one JSON object.
pub const OTHER: usize = COLUMNS.len() - 1;

/// The index of a column.
#[must_use]
pub fn index_of(name: &str) -> Option<usize> {
    COLUMNS.iter().position(|column| column.name == name)
}

/// Columns in the order in which they are wanted, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection(Vec<usize>);

/// Why a list of columns is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// There is no such column.
    #[error("`{}` is no column{}", shown(.name), near(.name))]
    Unknown {
        /// What was named.
        name: String,
    },
    /// One is named twice.
    #[error("`{name}` is named twice")]
    Twice {
        /// Which.
        name: &'static str,
    },
}

impl Default for Selection {
    /// All of them.
    fn default() -> Self {
        Self((0..COLUMNS.len()).collect())
    }
}

impl Selection {
    /// The columns of a list with commas between them.
    ///
    /// # Errors
    ///
    /// [`SelectionError`].
    pub fn parse(list: &str) -> Result<Self, SelectionError> {
        let mut indexes = Vec::new();
        for name in list.split(',').map(str::trim) {
            let index = index_of(name).ok_or_else(|| SelectionError::Unknown { name: name.to_owned() })?;
            if indexes.contains(&index) {
                return Err(SelectionError::Twice { name: COLUMNS[index].name });
            }
            indexes.push(index);
        }
        Ok(Self(indexes))
    }

    /// Their indexes in [`COLUMNS`].
    #[must_use]
    pub fn indexes(&self) -> &[usize] {
        &self.0
    }

    /// The columns.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &'static Column> {
        self.0.iter().map(|index| &COLUMNS[*index])
    }
}

/// Longest part of a name in a message, characters.
const SHOWN_CHARS_MAX: usize = 64;

fn shown(name: &str) -> String {
    name.chars().take(SHOWN_CHARS_MAX).collect()
}

/// A column that may have been meant: written with dots, or by its last word.
fn near(name: &str) -> String {
    let name = name.replace(['.', '-'], "_").to_ascii_lowercase();
    let meant = index_of(&name).map(|index| COLUMNS[index].name).or_else(|| {
        let ends = |column: &&Column| column.name.ends_with(&format!("_{name}"));
        COLUMNS.iter().find(ends).map(|column| column.name)
    });
    meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default()
}
