//! Small services of their own, such as a witness: routes served with the same connections, limits and TLS as the server's.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::Stage;
use crate::listen::{Connections, Listening};
use crate::metrics::Metrics;
use crate::server::Handle;
use crate::tls::{Tls, TlsError};

/// Where a [`Standalone`] takes connections.
#[derive(Debug)]
pub enum Door {
    /// An address.
    Tcp(TcpListener),
    /// A socket in the file system; who may open it is up to the file's mode. Never with TLS.
    Unix(UnixListener),
}

/// A service that is ready to take connections.
pub struct Standalone {
    connections: Arc<Connections>,
}

impl Standalone {
    /// A service of these routes.
    ///
    /// # Errors
    ///
    /// [`TlsError`]: the certificate or key cannot be used.
    pub fn new(router: Router, listening: Listening) -> Result<Self, TlsError> {
        let tls = listening.tls.clone().map(Tls::open).transpose()?;
        let metrics = Arc::new(Metrics::new(""));
        Ok(Self { connections: Connections::new(router, metrics, tls, listening) })
    }

    /// What can be asked of it while it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::of(self.connections.clone())
    }

    /// Serves until `shutdown` resolves, then lets open requests finish.
    pub async fn serve(self, door: Door, shutdown: impl Future<Output = ()>) {
        let stage = watch::Sender::new(Stage::Serving);
        let serving = async {
            match door {
                Door::Tcp(listener) => self.connections.serve(vec![listener], stage.subscribe()).await,
                Door::Unix(listener) => unix(self.connections, listener, stage.subscribe()).await,
            }
        };
        let stop = async {
            shutdown.await;
            stage.send_replace(Stage::Stopping);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = serving => {}
            () = stop => {}
        }
    }
}

/// As [`Connections::serve`], over a socket in the file system.
async fn unix(connections: Arc<Connections>, listener: UnixListener, mut stage: watch::Receiver<Stage>) {
    let graceful = GracefulShutdown::new();
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stage.wait_for(|stage| *stage == Stage::Stopping) => break,
            Some(_) = open.join_next() => continue,
        };
        match accepted {
            Ok(_) if open.len() >= connections.limits.connections_max => {}
            Ok((stream, _)) => {
                let (connections, watcher) = (connections.clone(), graceful.watcher());
                open.spawn(async move { connections.connection(stream, watcher).await });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(crate::listen::ACCEPT_PAUSE).await;
            }
        }
    }
    let drained = async {
        graceful.shutdown().await;
        while open.join_next().await.is_some() {}
    };
    if tokio::time::timeout(connections.limits.drain_max, drained).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}
