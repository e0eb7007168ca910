//! A server on a data folder, from its start to its stop: what `serve` and `demo` share.

use std::future::Future;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use annals_ledger::{KeyId, KeySecret, Ledger, Opened};
use annals_server::{Handle, Limits, Listening, Metrics, Server, Settings, TlsFiles, VerifyPage};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::config::{Config, Oidc};
use crate::control::Control;
use crate::data_folder::{DataFolder, LedgerOptions};
use crate::exit::{Exit, Failure};
use crate::tls;
use crate::verify::page::page;
use crate::viewer::viewer;

/// A server that is bound and has its ledger open, but takes no connections yet.
pub(crate) struct Running {
    pub(crate) ledger: Ledger,
    /// The operator key, when the ledger is new.
    pub(crate) operator_key: Option<KeySecret>,
    /// Where the server is reached.
    pub(crate) url: String,
    server: Server,
    listener: TcpListener,
    signals: Signals,
    folder: DataFolder,
}

impl Running {
    /// Where the viewer is, if there is one; with a live key, a link that signs in with it once.
    pub(crate) fn viewer_url(&self, key: Option<&KeyId>) -> Option<String> {
        let _viewer = viewer()?;
        let link = key.and_then(|key| self.server.sign_in_link(key));
        Some(format!("{}{}", self.url, link.as_deref().unwrap_or("/viewer")))
    }

    /// Binds, takes the folder, opens the ledger.
    ///
    /// # Errors
    ///
    /// Whatever keeps the server from starting; nothing runs then.
    pub(crate) async fn open(config: &Config) -> Result<Self, Failure> {
        let signals = Signals::listen()?;
        let listening = listening(config);
        let settings = settings(config)?;
        // Before a ledger is begun: its operator key is given once, and a start that fails after that would lose it.
        if let Some(files) = &listening.tls {
            tls::check(files)?;
        }
        // Whether the address is free is looked at after the folder: who starts the same server twice is to hear about
        // the first one, not about its port.
        let bound = TcpListener::bind(config.listen).await;
        let address =
            bound.as_ref().ok().and_then(|listener| listener.local_addr().ok()).unwrap_or(config.listen);
        let folder = DataFolder::create(&config.data, &format!("serving {address}"))?;
        let listener = bound.map_err(|error| {
            Failure::new(Exit::Unavailable, format!("cannot listen on `{}`: {error}", config.listen))
                .with_hint("give another address with `--listen ADDR:PORT`; port 0 takes a free one")
        })?;
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
        let options = LedgerOptions {
            name: config.log_name.clone(),
            event_bytes_max: config.event_bytes_max,
            cache_bytes_max: config.cache_bytes_max,
            tail: config.tail,
            observer: metrics.clone(),
            signer: config.signer.clone(),
        };
        let Opened { ledger, operator_key } = folder.open_ledger(options)?;
        let server = Server::new(ledger.clone(), metrics, settings, listening).map_err(|error| {
            ledger.stop();
            Failure::new(Exit::Invalid, error.to_string())
        })?;
        let url = url(config, address);
        Ok(Self { ledger, operator_key, url, server, listener, signals, folder })
    }

    /// Serves until a signal says to stop; `ready` runs once connections are taken. Then drains, stops the ledger, and gives
    /// the folder back.
    ///
    /// # Errors
    ///
    /// What `ready` failed with; the server is stopped then too.
    pub(crate) async fn serve(
        self,
        ready: impl AsyncFnOnce(&Ledger) -> Result<(), Failure>,
    ) -> Result<ExitCode, Failure> {
        let Self { ledger, server, listener, mut signals, folder, .. } = self;
        let control = Control::listen(folder.path()).map_err(|error| {
            tracing::warn!(%error, "no control socket; `annals key reset` works only while the server is stopped");
        });
        let control = control.ok();
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = server.handle();
        let serving = tokio::spawn(server.serve(vec![listener], async move { drop(stopped.await) }));
        let answering = async {
            match &control {
                Some(control) => control.serve(&ledger).await,
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::select! {
            outcome = async {
                ready(&ledger).await?;
                signals.stop(&handle, || {}).await;
                Ok(())
            } => outcome,
            () = answering => Ok(()),
        };
        drop(stop);
        tracing::info!("stopping; a second signal stops at once");
        let settled = async {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the server ended badly");
            }
            let ledger = ledger.clone();
            drop(tokio::task::spawn_blocking(move || ledger.stop()).await);
        };
        tokio::select! {
            () = settled => {}
            code = signals.second() => {
                // The ledger's threads may still write: the folder stays ours until the process is gone.
                std::mem::forget(folder);
                return Ok(code);
            }
        }
        drop(control);
        drop(folder);
        outcome.map(|()| ExitCode::SUCCESS)
    }

    /// Runs `work` before any connection is taken, unless a signal comes first; the ledger is stopped then, and the exit code
    /// given.
    pub(crate) async fn interruptible<T>(&mut self, work: impl Future<Output = T>) -> Result<T, ExitCode> {
        tokio::select! {
            done = work => Ok(done),
            code = self.signals.second() => Err(code),
        }
    }
}

fn settings(config: &Config) -> Result<Settings, Failure> {
    Ok(Settings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        access_strict: config.access_strict,
        tenants_on_write: !config.tenants_explicit,
        dialects: config.dialects.clone(),
        witnessing: config.witnessing.clone(),
        register_every: Some(config.register_every),
        expire_every: Some(annals_server::EXPIRE_EVERY),
        erasure_approvals: config.erasure_approvals,
        scrubbing: config.scrubbing,
        verify_page: page().and_then(VerifyPage::new),
        viewer: viewer(),
        session_max: config.session_max,
        oidc: config.oidc.as_ref().map(Oidc::read).transpose()?,
    })
}

fn listening(config: &Config) -> Listening {
    Listening {
        tls: config.tls.as_ref().map(|tls| TlsFiles { certificates: tls.cert.clone(), key: tls.key.clone() }),
        behind_proxy: (!config.behind_proxy.is_empty()).then(|| config.behind_proxy.clone()),
        limits: Limits { drain_max: config.shutdown, ..Limits::default() },
    }
}

/// The address as a client on this machine writes it.
fn url(config: &Config, address: SocketAddr) -> String {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    if address.ip().is_unspecified() {
        return format!("{scheme}://localhost:{}", address.port());
    }
    format!("{scheme}://{address}")
}

/// The signals a server heeds.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Never looked at: that somebody listens turns a write beyond the file size limit into an error, which is told and
    /// tried again like a full disk, where the default is to kill the process.
    _file_size: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(Exit::Unavailable, format!("cannot listen for signals: {error}"))
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
            _file_size: listen(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Waits for the first signal to stop; reads TLS files again on the way, and does what else a hangup asks for.
    pub(crate) async fn stop(&mut self, server: &Handle, mut hangup: impl FnMut()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    match server.reload_tls() {
                        Ok(()) => tracing::info!("TLS files were read again"),
                        Err(error) => tracing::error!(%error, "TLS files cannot be used; those read before stay in force"),
                    }
                    hangup();
                }
            }
        }
    }

    /// Waits for a signal that ends the process at once; gives its exit code.
    pub(crate) async fn second(&mut self) -> ExitCode {
        tokio::select! {
            _ = self.terminate.recv() => ExitCode::from(143),
            _ = self.interrupt.recv() => ExitCode::from(130),
        }
    }
}
