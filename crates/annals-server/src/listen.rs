//! Our accept loop: what `axum::serve` does not offer is here (limits on connections, time for headers, TLS that is read
//! again, peers that are refused, and a stop that lets answers finish).

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals_ledger::cursor::CURSOR_BYTES_MAX;
use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::app::Stage;
use crate::metrics::Metrics;
use crate::tls::{Tls, TlsFiles};

/// Wait after an accept that failed for want of file descriptors or memory.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Longest head of an HTTP/2 request, bytes: the longest cursor fits. Over HTTP/1.1 an address has at most as many.
const HEAD_BYTES_MAX: u32 = 64 << 10;

const _: () = assert!(CURSOR_BYTES_MAX + (8 << 10) < HEAD_BYTES_MAX as usize);

/// How connections are taken.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    /// TLS, unless a proxy in front does it.
    pub tls: Option<TlsFiles>,
    /// When set, connections from other addresses are refused: only the proxy may come.
    pub behind_proxy: Option<Vec<IpNet>>,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds on connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at once; more are closed at once.
    pub connections_max: usize,
    /// Time for a TLS handshake, for the first request to come, and for each request's headers.
    pub headers_max: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// When the server is to stop: time between being unready and letting nobody in, for load balancers to notice.
    pub unready_first: Duration,
    /// Time for open requests to finish when the server stops.
    pub drain_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            headers_max: Duration::from_secs(30),
            streams_max: 128,
            unready_first: Duration::ZERO,
            drain_max: Duration::from_secs(25),
        }
    }
}

/// What every connection needs.
pub(crate) struct Connections {
    pub(crate) router: Router,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tls: Option<Tls>,
    pub(crate) behind_proxy: Option<Vec<IpNet>>,
    pub(crate) limits: Limits,
    open: Arc<Semaphore>,
}

impl Connections {
    pub(crate) fn new(
        router: Router,
        metrics: Arc<Metrics>,
        tls: Option<Tls>,
        listening: Listening,
    ) -> Arc<Self> {
        let Listening { behind_proxy, limits, tls: _ } = listening;
        let open = Arc::new(Semaphore::new(limits.connections_max));
        Arc::new(Self { router, metrics, tls, behind_proxy, limits, open })
    }

    /// Accepts until the stage is [`Stage::Stopping`], then lets open requests finish. What is not done by then is cut off.
    pub(crate) async fn serve(self: Arc<Self>, listeners: Vec<TcpListener>, stage: watch::Receiver<Stage>) {
        let graceful = Arc::new(GracefulShutdown::new());
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(self.clone().accept(listener, graceful.clone(), stage.clone()));
        }
        // The loops end by themselves, and hand back the connections they opened.
        let mut connections = JoinSet::new();
        while let Some(opened) = accepting.join_next().await {
            match opened {
                Ok(mut opened) => {
                    drop(connections.spawn(async move { while opened.join_next().await.is_some() {} }))
                }
                Err(error) => tracing::error!(%error, "an accept loop ended badly"),
            }
        }
        let drained = async {
            let graceful = Arc::into_inner(graceful).expect("the accept loops have ended");
            graceful.shutdown().await;
            while connections.join_next().await.is_some() {}
        };
        if tokio::time::timeout(self.limits.drain_max, drained).await.is_err() {
            tracing::warn!("some requests did not finish in time and were cut off");
        }
    }

    /// Takes connections from one listener; returns those still open.
    async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        graceful: Arc<GracefulShutdown>,
        mut stage: watch::Receiver<Stage>,
    ) -> JoinSet<()> {
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stage.wait_for(|stage| *stage == Stage::Stopping) => return open,
                Some(_) = open.join_next() => continue,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer, graceful.watcher(), &mut open),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, watcher: Watcher, open: &mut JoinSet<()>) {
        let permit = match self.open.clone().try_acquire_owned() {
            Ok(permit) if self.may_come(peer.ip()) => permit,
            _ => {
                self.metrics.connection_refused();
                return;
            }
        };
        let this = self.clone();
        open.spawn(async move {
            let _counted = this.metrics.connection();
            // Small answers are not to wait for a full packet.
            drop(stream.set_nodelay(true));
            match &this.tls {
                None => this.connection(stream, watcher).await,
                Some(tls) => {
                    let accept = tokio_rustls::TlsAcceptor::from(tls.config()).accept(stream);
                    match tokio::time::timeout(this.limits.headers_max, accept).await {
                        Ok(Ok(stream)) => this.connection(stream, watcher).await,
                        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                        Err(_) => tracing::debug!("a TLS handshake took too long"),
                    }
                }
            }
            drop(permit);
        });
    }

    fn may_come(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.behind_proxy.as_ref().is_none_or(|nets| nets.iter().any(|net| net.contains(&peer)))
    }

    /// Serves one connection to its end.
    pub(crate) async fn connection(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        watcher: Watcher,
    ) {
        let asked = Arc::new(AtomicBool::new(false));
        let router = self.router.clone();
        let service = {
            let asked = asked.clone();
            service_fn(move |request: hyper::Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                router.clone().oneshot(request.map(axum::body::Body::new))
            })
        };
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.limits.headers_max);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams_max)
            .max_header_list_size(HEAD_BYTES_MAX)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20));
        let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        let mut connection = pin!(connection);
        let served = tokio::select! {
            served = &mut connection => served,
            // hyper bounds a request's headers, but not the silence before the first byte.
            () = silent(&asked, self.limits.headers_max) => return,
        };
        if let Err(error) = served {
            tracing::debug!(error = &*error, "a connection broke off");
        }
    }
}

/// Ends when no request came in time; else never.
async fn silent(asked: &AtomicBool, patience: Duration) {
    tokio::time::sleep(patience).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}
