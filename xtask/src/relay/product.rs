//! A product that writes its events in its own transactions, from several connections, until it is killed.
//!
//! What must become of each event stands in its own table `orders`, written by the same transaction: what committed is known
//! there, whoever was killed when.

use std::thread::JoinHandle;
use std::time::Duration;

use postgres::{Client, NoTls, Transaction};

use crate::fault::{Result, While};
use crate::rng::Rng;

/// Its table, beside the outbox.
pub(crate) const ORDERS: &str =
    "create table orders (marker text primary key, tenant text not null, fate text not null);
grant insert on orders to product";

/// Whose events they are.
pub(crate) const TENANTS: [&str; 2] = ["acme", "birch"];

/// What an event carries that must come back digit by digit.
pub(crate) const DIGITS: &str = "9007199254740993.10";

/// Connections that write at once.
const CONNECTIONS: u64 = 4;

/// Most events of one transaction.
const EVENTS_MAX: u64 = 4;

/// What is to become of an event. Its name stands in `orders`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Stored,
    /// Its row stands twice; it is stored once.
    Doubled,
    /// It has no actor.
    Required,
    /// Another event has its id.
    Conflict,
}

impl Fate {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Doubled => "doubled",
            Self::Required => "required",
            Self::Conflict => "conflict",
        }
    }

    fn draw(rng: &mut Rng) -> Self {
        match rng.below(20) {
            0 => Self::Doubled,
            1 => Self::Required,
            2 => Self::Conflict,
            _ => Self::Stored,
        }
    }
}

/// Writes until it is killed, or loses its database.
pub(crate) fn run(database: &str, seed: u64) -> Result<()> {
    let mut rng = Rng::new(seed);
    let write = |connection| {
        let (mut rng, database) = (rng.split(), database.to_owned());
        std::thread::spawn(move || -> Result<()> {
            let mut client = Client::connect(&database, NoTls).while_doing("connect")?;
            for number in 0.. {
                transact(&mut client, &mut rng, &format!("{seed}-{connection}-{number}"))?;
            }
            Ok(())
        })
    };
    let writers: Vec<JoinHandle<Result<()>>> = (0..CONNECTIONS).map(write).collect();
    for writer in writers {
        writer.join().map_err(|_| "a connection panicked")??;
    }
    Ok(())
}

fn transact(client: &mut Client, rng: &mut Rng, name: &str) -> Result<()> {
    let rolls_back = rng.one_in(8);
    let mut transaction = client.transaction().while_doing("begin")?;
    for index in 0..=rng.below(EVENTS_MAX) {
        let what = if rolls_back { "rolled-back-" } else { "" };
        write(&mut transaction, rng, &format!("{what}{name}-{index}")).while_doing("insert")?;
    }
    // A transaction that takes longer commits lower numbers behind higher ones.
    if rng.one_in(10) {
        std::thread::sleep(Duration::from_millis(rng.below(150)));
    }
    let ended = if rolls_back { transaction.rollback() } else { transaction.commit() };
    ended.while_doing("end a transaction")?;
    std::thread::sleep(Duration::from_millis(rng.below(12)));
    Ok(())
}

fn write(
    transaction: &mut Transaction<'_>,
    rng: &mut Rng,
    marker: &str,
) -> std::result::Result<(), postgres::Error> {
    let fate = Fate::draw(rng);
    let tenant = TENANTS[usize::from(rng.one_in(2))];
    let order = "insert into orders (marker, tenant, fate) values ($1, $2, $3)";
    transaction.execute(order, &[&marker, &tenant, &fate.name()])?;
    let actor = if fate == Fate::Required { "" } else { r#""actor": {"type": "user", "id": "u1"},"# };
    let metadata = format!(r#""metadata": {{"marker": "{marker}", "digits": {DIGITS}}}"#);
    // An event comes in one line or in several, and names its tenant itself or leaves that to its row.
    let end = if rng.one_in(2) { "\n" } else { "" };
    let named = rng.one_in(2);
    let whose = if named { format!(r#""tenant": "{tenant}","#) } else { String::new() };
    let event = |id: &str, action: &str| {
        format!(r#"{{{id}{whose}{end}"action": "{action}",{end}{actor}{end}{metadata}}}"#)
    };
    let mut insert = |event: &str| {
        // As text: the driver has no JSON of its own, and PostgreSQL checks it all the same.
        let statement = "insert into audit_outbox (tenant, event) values ($1, $2::text::json)";
        transaction.execute(statement, &[&(!named).then_some(tenant), &event])
    };
    let own = format!(r#""id": "{marker}","#);
    match fate {
        Fate::Stored | Fate::Required => insert(&event("", "order.pay"))?,
        Fate::Doubled => {
            insert(&event(&own, "order.pay"))?;
            insert(&event(&own, "order.pay"))?
        }
        Fate::Conflict => {
            insert(&event(&own, "order.pay"))?;
            insert(&event(&own, "order.refund"))?
        }
    };
    Ok(())
}
