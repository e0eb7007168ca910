//! The server as the program uses it.

use std::future::Future;
use std::sync::Arc;

use annals_ledger::{KeyId, Ledger};
use tokio::net::TcpListener;

use crate::app::{App, Settings, Stage, router};
use crate::expiry;
use crate::listen::{Connections, Listening};
use crate::metrics::Metrics;
use crate::origin::Origin;
use crate::registry::Registrar;
use crate::session::Who;
use crate::tls::{Tls, TlsError};

/// A server that is ready to take connections.
pub struct Server {
    app: Arc<App>,
    connections: Arc<Connections>,
}

/// What can be asked of a server that runs. Clones are of the same server.
#[derive(Clone)]
pub struct Handle(Arc<Connections>);

impl Server {
    /// A server over an open ledger. `metrics` are those that the ledger reports to.
    ///
    /// # Errors
    ///
    /// [`TlsError`]: the certificate or key cannot be used.
    pub fn new(
        ledger: Ledger,
        metrics: Arc<Metrics>,
        settings: Settings,
        listening: Listening,
    ) -> Result<Self, TlsError> {
        let tls = listening.tls.clone().map(Tls::open).transpose()?;
        let app = App::new(ledger, metrics.clone(), settings, Origin::of(&listening));
        let connections = Connections::new(router(app.clone()), metrics, tls, listening);
        Ok(Self { app, connections })
    }

    /// Path and query of a link that signs a browser in to the viewer with the key of this name, once, within
    /// [`SIGN_IN_LINK_MAX`](crate::SIGN_IN_LINK_MAX). None without a viewer.
    #[must_use]
    pub fn sign_in_link(&self, key: &KeyId) -> Option<String> {
        let _viewer = self.app.settings.viewer.as_ref()?;
        self.app.sign_in_link(Who::Key(key.clone()), None).ok().map(|(link, _)| link)
    }

    /// What can be asked of it while it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(self.connections.clone())
    }

    /// Serves until `shutdown` resolves, then stops: unready at once; after [`Limits::unready_first`](crate::Limits) no new
    /// connections, live streams and long polls end, open requests get [`Limits::drain_max`](crate::Limits) to finish. The
    /// ledger is left running; stop it next.
    pub async fn serve(self, listeners: Vec<TcpListener>, shutdown: impl Future<Output = ()>) {
        let Self { app, connections } = self;
        let unready_first = connections.limits.unready_first;
        let serving = connections.serve(listeners, app.stage.subscribe());
        let stop = async {
            shutdown.await;
            app.stage.send_replace(Stage::Unready);
            tokio::time::sleep(unready_first).await;
            app.stage.send_replace(Stage::Stopping);
            std::future::pending::<()>().await;
        };
        let witnessing = async {
            match &app.witnesses {
                Some(witnesses) => witnesses.run().await,
                None => std::future::pending().await,
            }
        };
        let registering = async {
            match app.settings.register_every {
                Some(every) => Registrar::new(app.ledger.clone(), every).run().await,
                None => std::future::pending().await,
            }
        };
        let scrubbing = async {
            match &app.scrubber {
                Some(scrubber) => scrubber.run().await,
                None => std::future::pending().await,
            }
        };
        let expiring = async {
            match app.settings.expire_every {
                Some(every) => expiry::run(app.ledger.clone(), app.metrics.clone(), every).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = serving => {}
            () = stop => {}
            () = witnessing => {}
            () = registering => {}
            () = scrubbing => {}
            () = app.eraser.run() => {}
            () = expiring => {}
        }
        app.access.settle().await;
    }
}

impl Handle {
    pub(crate) fn of(connections: Arc<Connections>) -> Self {
        Self(connections)
    }

    /// Reads the TLS files again; new connections use them. On an error what was in force stays. Does nothing without TLS.
    ///
    /// # Errors
    ///
    /// [`TlsError`]: the files cannot be used.
    pub fn reload_tls(&self) -> Result<(), TlsError> {
        self.0.tls.as_ref().map_or(Ok(()), Tls::reload)
    }
}
