//! Has records expire in the background, as their tenants' rules say.

use std::sync::Arc;
use std::time::Duration;

use annals_ledger::{Expirer, Ledger, Looked};

use crate::app::blocking;
use crate::metrics::Metrics;

/// Between two turns, unless said otherwise: no record is to be there an hour after its rule.
pub const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// Records stated in one turn; the next one comes sooner then.
const RECORDS_AT_ONCE: u64 = 1 << 20;

/// Before the first turn.
const FIRST: Duration = Duration::from_secs(2);

/// Goes on for ever.
pub(crate) async fn run(ledger: Ledger, metrics: Arc<Metrics>, every: Duration) {
    let mut expirer = ledger.expirer();
    tokio::time::sleep(every.min(FIRST)).await;
    loop {
        let stated;
        (expirer, stated) = turn(expirer, &metrics).await;
        if expirer.waits_for_sealing() {
            let sealed = {
                let ledger = ledger.clone();
                blocking(move || ledger.seal_now()).await
            };
            match sealed {
                Ok(()) => expirer = turn(expirer, &metrics).await.0,
                Err(error) => {
                    tracing::warn!(%error, "records that are due are not sealed yet");
                    metrics.expiry_failed();
                }
            }
        }
        metrics.held(expirer.held());
        metrics.expiry_waits(expirer.waits());
        let is_behind = stated >= RECORDS_AT_ONCE;
        tokio::time::sleep(if is_behind { every.min(FIRST) } else { every }).await;
    }
}

/// What is due now, and how many records were stated.
async fn turn(mut expirer: Expirer, metrics: &Metrics) -> (Expirer, u64) {
    if let Err(error) = expirer.begin().await {
        tracing::warn!(%error, "a tenant's log could not be told what was decided");
        metrics.expiry_failed();
    }
    let (found, ended) = blocking(move || {
        let ended = expirer.ended();
        (expirer, ended)
    })
    .await;
    expirer = found;
    for tenant in ended {
        if let Err(error) = expirer.register_end(&tenant).await {
            tracing::warn!(%error, "the registry could not be told that a tenant ended");
            metrics.expiry_failed();
        }
    }
    let mut stated = 0;
    while stated < RECORDS_AT_ONCE {
        let (going, looked) = blocking(move || {
            let looked = expirer.look();
            (expirer, looked)
        })
        .await;
        expirer = going;
        match looked {
            Ok(Looked::Done) => break,
            Ok(Looked::More) => {}
            Ok(Looked::Due(due)) => match expirer.state(due).await {
                Ok(records) => {
                    stated += records;
                    metrics.expired(records);
                }
                Err(error) => {
                    tracing::warn!(%error, "records that are due could not be stated");
                    metrics.expiry_failed();
                }
            },
            Err(damaged) => {
                tracing::error!(%damaged, "what is due in a log cannot be found");
                metrics.expiry_failed();
            }
        }
    }
    (expirer, stated)
}
