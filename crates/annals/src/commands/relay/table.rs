//! The outbox's names, and every statement on it.

use std::fmt;

use super::outbox::{BATCH_BYTES_MAX, BATCH_ROWS_MAX};
use super::row::EVENT_BYTES_MAX;
use crate::exit::{Exit, Failure};

/// PostgreSQL's longest name, bytes, and what is put behind a table's name.
const NAME_BYTES_MAX: usize = 63;
const REJECTED: &str = "_rejected";

/// An outbox table, by its names as PostgreSQL has them, in capitals or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    schema: Option<String>,
    name: String,
}

impl Table {
    /// `NAME` or `SCHEMA.NAME`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        let fits = |name: &str, bytes_max| {
            !name.is_empty()
                && name.len() <= bytes_max
                && !name.contains(|c: char| c == '.' || c.is_control())
        };
        let name_bytes_max = NAME_BYTES_MAX - REJECTED.len();
        if !fits(name, name_bytes_max) || !schema.is_none_or(|schema| fits(schema, NAME_BYTES_MAX)) {
            let message = format!("`{}` is not a table's name", text.escape_debug());
            return Err(Failure::new(Exit::Invalid, message)
                .with_hint(format!("give NAME or SCHEMA.NAME; NAME has at most {name_bytes_max} bytes")));
        }
        Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned() })
    }

    /// Where rejected rows are parked.
    pub(super) fn rejected(&self) -> Self {
        Self { schema: self.schema.clone(), name: format!("{}{REJECTED}", self.name) }
    }

    /// As it stands in a statement.
    pub(super) fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(&self.name)),
            None => quoted(&self.name),
        }
    }

    /// Columns and their types of both tables, and what the session may do with them. Parameters: both names, quoted.
    pub(super) const LOOK: &'static str = "\
select a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       exists (select from pg_index i where i.indrelid = a.attrelid and i.indisunique and i.indpred is null
               and i.indnkeyatts = 1 and i.indkey[0] = a.attnum),
       a.attrelid = to_regclass($1)
from pg_attribute a
where a.attrelid in (to_regclass($1), to_regclass($2)) and a.attnum > 0 and not a.attisdropped";

    /// Whether the session may do what it will have to, and how the database writes texts.
    pub(super) const RIGHTS: &'static str = "\
select has_table_privilege(to_regclass($1), 'select') and has_table_privilege(to_regclass($1), 'delete'),
       has_table_privilege(to_regclass($2), 'insert'), current_setting('server_encoding')";

    /// Takes the lock of a table for the session, unless another one has it. Parameters: our number, the name, quoted.
    pub(super) const LOCK: &'static str = "select pg_try_advisory_lock($1, to_regclass($2)::oid::int4)";

    /// The first rows, as many as are sent together.
    ///
    /// Each look begins at the lowest row there is, not behind the last one sent: a row of a transaction that took longer is
    /// not passed over.
    pub(super) fn head(&self, with_tenant: bool) -> String {
        let (table, tenant) = (self.quoted(), tenant(with_tenant, "tenant"));
        format!(
            "\
select id, event_id::text, tenant, event
from (select id, event_id, tenant, case when bytes <= {EVENT_BYTES_MAX} then event end as event,
             sum(least(bytes, {EVENT_BYTES_MAX})) over (order by id) - least(bytes, {EVENT_BYTES_MAX}) as bytes_before
      from (select id, event_id, {tenant} as tenant, event::text as event, octet_length(event::text) as bytes
            from {table} order by id limit {BATCH_ROWS_MAX}) as first_rows) as summed_rows
where bytes_before < {BATCH_BYTES_MAX}
order by id"
        )
    }

    /// The highest number there is.
    pub(super) fn last(&self) -> String {
        format!("select coalesce(max(id), 0) from {}", self.quoted())
    }

    /// Deletes rows by their numbers.
    pub(super) fn delete(&self) -> String {
        format!("delete from {} where id = any($1::bigint[])", self.quoted())
    }

    /// Moves rows to where rejected ones are parked. Parameters: their numbers, and the errors as JSON.
    pub(super) fn park(&self, with_tenant: bool) -> String {
        let (table, rejected) = (self.quoted(), self.rejected().quoted());
        let (into, from, back) = match with_tenant {
            true => (", tenant", ", tenant", ", o.tenant"),
            false => ("", "", ""),
        };
        format!(
            "\
with moved as (
    delete from {table} o using unnest($1::bigint[], $2::text[]) as refused (id, error)
    where o.id = refused.id
    returning o.id, o.event_id{back}, o.event, o.created_at, refused.error
)
insert into {rejected} (error, id, event_id{into}, event, created_at)
select error::json, id, event_id{from}, event, created_at from moved"
        )
    }

    /// Wakes the session when somebody notifies.
    pub(super) fn listen(&self) -> String {
        format!("listen {}", quoted(&self.name))
    }

    /// Both tables, the trigger and the rights, as `--print-sql` prints them.
    pub(super) fn definition(&self) -> String {
        let schema = self.schema.as_ref().map(|schema| format!("{}.", plain(schema))).unwrap_or_default();
        let name = |suffix: &str| format!("{schema}{}", plain(&format!("{}{suffix}", self.name)));
        let (table, rejected, notify) = (name(""), name(REJECTED), name("_notify"));
        let trigger = plain(&format!("{}_notify", self.name));
        let channel = self.name.replace('\'', "''");
        format!(
            "\
-- The outbox: what the product inserts in its own transactions. Rows are never updated.
create table {table} (
    -- The order in which rows are sent.
    id         bigint generated always as identity primary key,
    -- The event's id, unless it has one: sent again, the event is known by it.
    event_id   uuid not null default gen_random_uuid(),
    -- For a platform key: whose event it is. A key of one tenant needs none.
    tenant     text,
    -- The event. json keeps it as it was written; jsonb would change numbers and drop members that stand twice.
    event      json not null,
    created_at timestamptz not null default now()
);

-- Rows come and go: vacuum by their number, not by their share.
alter table {table} set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Rows whose event was rejected, beside the error. They are yours: look at them, put them back, delete them.
create table {rejected} (
    number      bigint generated always as identity primary key,
    rejected_at timestamptz not null default now(),
    -- code, pointer and detail, as the server says them.
    error       json not null,
    id          bigint not null,
    event_id    uuid not null,
    tenant      text,
    event       json not null,
    created_at  timestamptz not null
);

-- Optional: wakes the relay at once instead of at its next look at the table. Leave it out where thousands of transactions
-- a second write to the outbox: PostgreSQL lets those that notify commit one after the other.
create function {notify}() returns trigger language plpgsql as $$
begin
    perform pg_notify('{channel}', '');
    return null;
end
$$;
create trigger {trigger} after insert on {table}
    for each statement execute function {notify}();

-- The rights, for roles of yours: the product writes, the relay takes out.
-- grant insert, select (id, event_id) on {table} to product;
-- grant select, delete on {table} to relay;
-- grant insert on {rejected} to relay;
"
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "`{schema}.{}`", self.name),
            None => write!(f, "`{}`", self.name),
        }
    }
}

fn tenant(with_tenant: bool, column: &'static str) -> &'static str {
    if with_tenant { column } else { "null::text" }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name for people to read, in quotes only where it needs them.
fn plain(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if is_plain { name.to_owned() } else { quoted(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_whatever_is_in_it() {
        let table = Table::parse(r#"Shop.out"; drop table x; --"#).unwrap();
        assert_eq!(table.quoted(), r#""Shop"."out""; drop table x; --""#);
        assert_eq!(table.rejected().quoted(), r#""Shop"."out""; drop table x; --_rejected""#);
        assert!(Table::parse("o'brien").unwrap().definition().contains("pg_notify('o''brien', '')"));
        assert!(table.definition().contains(r#"create table "Shop"."out""; drop table x; --" ("#));
    }

    #[test]
    fn a_name_that_postgresql_would_cut_or_not_take_is_refused() {
        assert!(Table::parse(&"a".repeat(54)).is_ok());
        for text in ["", ".", "a.", ".a", "a.b.c", "a\0b", &"a".repeat(55)] {
            assert!(Table::parse(text).is_err(), "{text}");
        }
    }
}
