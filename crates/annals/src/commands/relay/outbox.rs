//! One session with an outbox: the lock, the rows, what becomes of them, and being woken up.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio_postgres::{AsyncMessage, Client};

use super::connection::{Driver, Source, Trouble, silence, trouble};
use super::row::Row;
use super::table::Table;
use crate::client::ingest::Rejected;
use crate::exit::{Exit, Failure};

/// Most rows read and sent together.
pub(super) const BATCH_ROWS_MAX: usize = 1_000;

/// Events are read until they have so many bytes; the last one may go beyond.
pub(super) const BATCH_BYTES_MAX: usize = 4 << 20;

/// Longest answer of PostgreSQL to one statement.
const STATEMENT_MAX: Duration = Duration::from_secs(60);

/// The first half of the locks' number, `anls`; the second is the table's.
const LOCK: i32 = 0x616e_6c73;

/// What holds for a session. That a deletion may be lost when PostgreSQL itself is killed is harmless, as the rows are then sent
/// again as duplicates: so nobody waits for its disk. The keepalives free the lock of a relay whose machine is gone.
const SETTINGS: &str = "\
set synchronous_commit = off;
set statement_timeout = '60s';
set lock_timeout = '30s';
set tcp_keepalives_idle = 30;
set tcp_keepalives_interval = 10;
set tcp_keepalives_count = 3;
set default_transaction_isolation = 'read committed'";

/// A row that is not sent again.
#[derive(Clone, Debug)]
pub(super) struct Parked {
    pub(super) row: i64,
    pub(super) rejected: Rejected,
}

/// A session.
pub(super) struct Outbox {
    client: Client,
    /// Something was inserted, or the connection is gone.
    woken: Arc<Notify>,
    table: Table,
    with_tenant: bool,
}

/// A column of the tables.
struct Column {
    name: String,
    form: String,
    not_null: bool,
    unique: bool,
    of_outbox: bool,
}

impl Outbox {
    /// Connects, and checks that the tables are what is needed.
    pub(super) async fn open(source: &Source, table: &Table) -> Result<Self, Trouble> {
        let (client, driver) = source.connect().await?;
        let woken = Arc::new(Notify::new());
        tokio::spawn(drive(driver, Arc::clone(&woken)));
        let mut outbox = Self { client, woken, table: table.clone(), with_tenant: false };
        answer(outbox.client.batch_execute(SETTINGS)).await?;
        outbox.with_tenant = outbox.look().await?;
        Ok(outbox)
    }

    /// Checks columns, types and rights; gives whether there is a column for the tenant.
    async fn look(&self) -> Result<bool, Trouble> {
        let names = (self.table.quoted(), self.table.rejected().quoted());
        let rows = answer(self.client.query(Table::LOOK, &[&names.0, &names.1])).await?;
        let column = |row: &tokio_postgres::Row| {
            Ok(Column {
                name: row.try_get(0)?,
                form: row.try_get(1)?,
                not_null: row.try_get(2)?,
                unique: row.try_get(3)?,
                of_outbox: row.try_get::<_, Option<bool>>(4)?.unwrap_or(false),
            })
        };
        let columns: Result<Vec<_>, tokio_postgres::Error> = rows.iter().map(column).collect();
        let columns = columns.map_err(|error| trouble(&error))?;
        let with_tenant = check(&self.table, &columns).map_err(Trouble::Lasting)?;
        let rights = answer(self.client.query_one(Table::RIGHTS, &[&names.0, &names.1])).await?;
        let get = |index| rights.try_get::<_, bool>(index).map_err(|error| trouble(&error));
        let encoding: String = rights.try_get(2).map_err(|error| trouble(&error))?;
        let lacking = match (get(0)?, get(1)?) {
            (false, _) => Some(("select, delete", self.table.clone())),
            (true, false) => Some(("insert", self.table.rejected())),
            (true, true) => None,
        };
        if let Some((rights, table)) = lacking {
            let failure = Failure::new(Exit::Denied, format!("table {table}: the role may not {rights}"));
            return Err(Trouble::Lasting(failure.with_hint(format!("grant {rights} on it to the role"))));
        }
        if encoding == "SQL_ASCII" {
            let message = "the database's encoding is SQL_ASCII, which does not say what texts mean";
            return Err(Trouble::Lasting(Failure::new(Exit::Invalid, message)));
        }
        Ok(with_tenant)
    }

    /// Takes the table for this session; false when another has it.
    pub(super) async fn lock(&self) -> Result<bool, Trouble> {
        let taken = answer(self.client.query_one(Table::LOCK, &[&LOCK, &self.table.quoted()])).await?;
        taken.try_get(0).map_err(|error| trouble(&error))
    }

    /// Has the session woken by what the recipe's trigger says.
    pub(super) async fn listen(&self) -> Result<(), Trouble> {
        answer(self.client.batch_execute(&self.table.listen())).await
    }

    /// The highest number there is; 0 when there is none.
    pub(super) async fn last(&self) -> Result<i64, Trouble> {
        let last = answer(self.client.query_one(&self.table.last(), &[])).await?;
        last.try_get(0).map_err(|error| trouble(&error))
    }

    /// The first rows, in order.
    pub(super) async fn head(&self) -> Result<Vec<Row>, Trouble> {
        let rows = answer(self.client.query(&self.table.head(self.with_tenant), &[])).await?;
        let row = |row: &tokio_postgres::Row| {
            Ok(Row {
                number: row.try_get(0)?,
                event_id: row.try_get(1)?,
                tenant: row.try_get(2)?,
                event: row.try_get(3)?,
            })
        };
        rows.iter().map(row).collect::<Result<_, _>>().map_err(|error| trouble(&error))
    }

    /// Deletes rows that are stored and parks those that are not, all of it or nothing.
    ///
    /// Another relay may have been faster, when this one's connection was thought dead: what is gone is left alone.
    pub(super) async fn settle(&mut self, stored: &[i64], parked: &[Parked]) -> Result<(), Trouble> {
        let (delete, park) = (self.table.delete(), self.table.park(self.with_tenant));
        let transaction = answer(self.client.transaction()).await?;
        if !parked.is_empty() {
            let numbers: Vec<i64> = parked.iter().map(|parked| parked.row).collect();
            let errors: Vec<String> = parked.iter().map(|parked| error(&parked.rejected)).collect();
            answer(transaction.execute(&park, &[&numbers, &errors])).await?;
        }
        answer(transaction.execute(&delete, &[&stored])).await?;
        answer(transaction.commit()).await
    }

    /// Waits until something was inserted, but no longer than `poll`.
    pub(super) async fn wait(&self, poll: Duration) {
        // Either way the table is looked at next.
        drop(tokio::time::timeout(poll, self.woken.notified()).await);
    }
}

/// Drives a connection until it ends.
async fn drive(mut driver: Driver, woken: Arc<Notify>) {
    // What ends it shows in the next statement.
    while let Some(Ok(message)) = std::future::poll_fn(|context| driver.poll_message(context)).await {
        if matches!(message, AsyncMessage::Notification(_)) {
            woken.notify_one();
        }
    }
    woken.notify_one();
}

/// A statement's outcome, within bounds of time.
async fn answer<T>(outcome: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Trouble> {
    match tokio::time::timeout(STATEMENT_MAX, outcome).await {
        Ok(outcome) => outcome.map_err(|error| trouble(&error)),
        Err(_) => Err(Trouble::Passing(silence(STATEMENT_MAX))),
    }
}

/// The column `error` of a parked row.
fn error(Rejected { code, pointer, detail }: &Rejected) -> String {
    json!({"code": code, "pointer": pointer, "detail": detail}).to_string()
}

/// Checks that both tables have the columns that are used; gives whether there is one for the tenant.
fn check(table: &Table, columns: &[Column]) -> Result<bool, Failure> {
    let hint = "`annals relay --print-sql` prints the tables that are needed";
    let find = |of_outbox: bool, name: &str| {
        columns.iter().find(|column| column.of_outbox == of_outbox && column.name == name)
    };
    let need = |of_outbox: bool, name: &str, forms: &[&str]| {
        let whole = if of_outbox { table.clone() } else { table.rejected() };
        if !columns.iter().any(|column| column.of_outbox == of_outbox) {
            let message = format!("table {whole} does not exist, or is not visible to the role");
            return Err(Failure::new(Exit::Missing, message).with_hint(hint));
        }
        let column = find(of_outbox, name).filter(|column| forms.contains(&&*column.form));
        column.ok_or_else(|| {
            let message = format!("table {whole} has no column `{name}` of type {}", forms.join(" or "));
            Failure::new(Exit::Invalid, message).with_hint(hint)
        })
    };
    let invalid = |what: &str| Failure::new(Exit::Invalid, format!("table {table}: {what}")).with_hint(hint);
    let id = need(true, "id", &["bigint"])?;
    let event = need(true, "event", &["json", "jsonb", "text"])?;
    let always = [
        id,
        need(true, "event_id", &["uuid"])?,
        event,
        need(true, "created_at", &["timestamp with time zone"])?,
    ];
    if let Some(column) = always.iter().find(|column| !column.not_null) {
        return Err(invalid(&format!("column `{}` may be null", column.name)));
    }
    if !id.unique {
        return Err(invalid("column `id` is not unique, and rows are deleted by it"));
    }
    // Not jsonb, which takes no `\u0000`, as a pointer may have it.
    need(false, "error", &["json"])?;
    need(false, "id", &["bigint"])?;
    need(false, "event_id", &["uuid"])?;
    need(false, "event", &[&event.form])?;
    need(false, "created_at", &["timestamp with time zone"])?;
    let with_tenant = find(true, "tenant").is_some();
    if with_tenant {
        need(true, "tenant", &["text"])?;
        need(false, "tenant", &["text"])?;
    }
    Ok(with_tenant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(of_outbox: bool, text: &str) -> impl Iterator<Item = Column> {
        text.split(", ").map(move |column| {
            let (name, form) = column.split_once(' ').unwrap();
            Column {
                name: name.to_owned(),
                form: form.to_owned(),
                not_null: name != "tenant",
                unique: name == "id",
                of_outbox,
            }
        })
    }

    const OUTBOX: &str =
        "id bigint, event_id uuid, tenant text, event json, created_at timestamp with time zone";
    const REJECTED: &str =
        "error json, id bigint, event_id uuid, tenant text, event json, created_at timestamp with time zone";

    fn checked(outbox: &str, rejected: &str) -> Result<bool, String> {
        let table = Table::parse("audit_outbox").unwrap();
        let columns: Vec<Column> = columns(true, outbox).chain(columns(false, rejected)).collect();
        check(&table, &columns).map_err(|failure| failure.message)
    }

    #[test]
    fn the_recipes_tables_are_taken_also_without_tenants_and_as_jsonb() {
        assert_eq!(checked(OUTBOX, REJECTED), Ok(true));
        assert_eq!(checked(&OUTBOX.replace("tenant text, ", ""), REJECTED), Ok(false));
        assert_eq!(
            checked(
                &OUTBOX.replace("event json", "event jsonb"),
                &REJECTED.replace("event json", "event jsonb")
            ),
            Ok(true)
        );
    }

    #[test]
    fn a_table_that_rows_could_be_lost_from_is_refused_at_the_start() {
        let check = |outbox: &str, rejected: &str, why: &str| {
            let message = checked(outbox, rejected).unwrap_err();
            assert!(message.contains(why), "{message}");
        };
        check(&OUTBOX.replace("id bigint", "id integer"), REJECTED, "no column `id` of type bigint");
        check(
            &OUTBOX.replace("event json", "event jsonb"),
            REJECTED,
            "`audit_outbox_rejected` has no column `event`",
        );
        check(OUTBOX, &REJECTED.replace("tenant text, ", ""), "no column `tenant` of type text");
        check(&OUTBOX.replace("event_id uuid, ", ""), REJECTED, "no column `event_id`");
        let table = Table::parse("audit_outbox").unwrap();
        let mut columns: Vec<Column> = columns(true, OUTBOX).collect();
        assert_eq!(check_kind(&table, &columns), Exit::Missing);
        columns[0].unique = false;
        columns.extend(self::columns(false, REJECTED));
        assert_eq!(check_kind(&table, &columns), Exit::Invalid);
    }

    fn check_kind(table: &Table, columns: &[Column]) -> Exit {
        check(table, columns).unwrap_err().exit
    }
}
