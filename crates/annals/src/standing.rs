//! What the small services, `witness` and `signer`, share: a folder with a key and a memory, a door, and signals.
//!
//! ```text
//! DIR/            0700
//!   lock          held by the process that has the folder
//!   <name>.key    0600, the private key
//!   <memory>/     a journal of what was signed last
//! ```

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use annals_journal::{Disk as _, Lock, RealDisk};
use annals_ledger::signing::JournalMemory;
use annals_server::{Door, Limits, Listening, Standalone, TlsFiles};
use axum::Router;
use ipnet::IpNet;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::config::listen_address;
use crate::data_folder::{lock, open_journal, write_secret};
use crate::exit::{Exit, Failure};
use crate::running::Signals;
use crate::tls;

/// Connections that are open at once.
const CONNECTIONS_MAX: usize = 256;

/// Where to listen, and how connections are kept private.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Listening")]
pub(crate) struct DoorFlags {
    /// Certificate chain (PEM), to serve HTTPS. Read again on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Network of a proxy that ends TLS in front; may be repeated
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    behind_proxy: Vec<IpNet>,
}

/// An address to listen on: `ADDR:PORT`, or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err("must be `unix:` and the path of a socket"),
            Some(path) => Ok(Self::Unix(path.into())),
            None => listen_address(text).map(Self::Tcp),
        }
    }
}

/// A bound door, and what is known about it.
pub(crate) struct Bound {
    door: Door,
    listening: Listening,
    /// Where the service is reached.
    pub(crate) url: String,
    /// A socket that goes with us.
    socket: Option<PathBuf>,
}

impl DoorFlags {
    /// Binds; nothing is accepted yet.
    ///
    /// # Errors
    ///
    /// `Invalid`: what is sent would travel in clear, or the TLS files cannot be used; `Unavailable`: the address is taken.
    pub(crate) async fn bind(&self, place: &Place) -> Result<Bound, Failure> {
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        let files = files.map(|(certificates, key)| TlsFiles { certificates, key });
        if let Some(files) = &files {
            tls::check(files)?;
        }
        let listening = Listening {
            tls: files,
            behind_proxy: (!self.behind_proxy.is_empty()).then(|| self.behind_proxy.clone()),
            limits: Limits { connections_max: CONNECTIONS_MAX, ..Limits::default() },
        };
        match place {
            Place::Tcp(address) => tcp(*address, listening).await,
            Place::Unix(_) if listening.tls.is_some() || listening.behind_proxy.is_some() => {
                let message = "a socket in the file system has no TLS and no proxy in front";
                Err(Failure::new(Exit::Invalid, message))
            }
            Place::Unix(path) => unix(path, listening),
        }
    }
}

async fn tcp(address: SocketAddr, listening: Listening) -> Result<Bound, Failure> {
    if !address.ip().is_loopback() && listening.tls.is_none() && listening.behind_proxy.is_none() {
        let message =
            format!("`--listen`: `{address}` is reachable from other machines, and nothing would be private");
        return Err(Failure::new(Exit::Invalid, message).with_hint(
            "give `--tls-cert` and `--tls-key`, or `--behind-proxy CIDR` when a proxy in front ends TLS; or listen on 127.0.0.1",
        ));
    }
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::new(Exit::Unavailable, format!("cannot listen on `{address}`: {error}"))
            .with_hint("give another address with `--listen ADDR:PORT`; port 0 takes a free one")
    })?;
    let address = listener.local_addr().unwrap_or(address);
    let scheme = if listening.tls.is_some() { "https" } else { "http" };
    Ok(Bound { door: Door::Tcp(listener), listening, url: format!("{scheme}://{address}"), socket: None })
}

fn unix(path: &Path, listening: Listening) -> Result<Bound, Failure> {
    let failed = |error: io::Error| Failure::io("listen on", path, &error);
    // The folder is locked by now: a socket that is there is a dead one. Anything else is not ours to remove.
    match fs::symlink_metadata(path) {
        Ok(found) if std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) => {
            fs::remove_file(path).map_err(failed)?;
        }
        Ok(_) => return Err(failed(io::ErrorKind::AlreadyExists.into())),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(failed)?;
    let url = format!("unix:{}", path.display());
    Ok(Bound { door: Door::Unix(listener), listening, url, socket: Some(path.to_owned()) })
}

impl Bound {
    /// Serves these routes until a signal says to stop. `ready` runs once connections are taken, `hangup` on SIGHUP.
    ///
    /// # Errors
    ///
    /// What `ready` failed with.
    pub(crate) async fn serve(
        self,
        router: Router,
        ready: impl FnOnce() -> Result<(), Failure>,
        hangup: impl FnMut(),
    ) -> Result<ExitCode, Failure> {
        let Self { door, listening, socket, .. } = self;
        let mut signals = Signals::listen()?;
        let service = Standalone::new(router, listening)
            .map_err(|error| Failure::new(Exit::Invalid, error.to_string()))?;
        let handle = service.handle();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut serving = tokio::spawn(service.serve(door, async move { drop(stopped.await) }));
        let outcome = ready();
        if outcome.is_ok() {
            signals.stop(&handle, hangup).await;
        }
        drop(stop);
        let code = tokio::select! {
            _ = &mut serving => ExitCode::SUCCESS,
            code = signals.second() => code,
        };
        if let Some(socket) = socket {
            // The next start removes what is left.
            drop(fs::remove_file(socket));
        }
        outcome.map(|()| code)
    }
}

/// A folder with a key and a memory that is ours alone until this is dropped.
pub(crate) struct KeyFolder {
    path: PathBuf,
    _lock: Lock,
}

impl KeyFolder {
    /// Takes the folder, making it where it is missing. `doing` says what for; `ours` are names that show it to be ours.
    ///
    /// # Errors
    ///
    /// Another process has it (`Busy`); it holds something else (`Invalid`); the system refuses.
    pub(crate) fn create(path: &Path, doing: &str, ours: &[&str]) -> Result<Self, Failure> {
        RealDisk::create(path).map_err(|error| Failure::io("make the data folder", path, &error))?;
        let names = fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>())
            .map_err(|error| Failure::io("read the data folder", path, &error))?;
        let known = |name: &&std::ffi::OsString| *name != "lock" && !ours.iter().any(|ours| *name == ours);
        if let Some(other) = names.iter().find(known) {
            let message =
                format!("`{}` holds `{}`, and is no folder for this", path.display(), other.display());
            return Err(
                Failure::new(Exit::Invalid, message).with_hint("give another folder with `--data DIR`")
            );
        }
        Ok(Self { path: path.to_owned(), _lock: lock(path, doing)? })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The text of a key, if it is there.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub(crate) fn key(&self, name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        let path = self.path.join(name);
        match fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::io("read the key", &path, &error)),
        }
    }

    /// Keeps a new key. Never one beside a memory, which speaks of another key that is lost.
    ///
    /// # Errors
    ///
    /// `Missing`: there is a memory; or the system refuses.
    pub(crate) fn keep_key(&self, name: &str, text: &str, memory: &str) -> Result<(), Failure> {
        let path = self.path.join(name);
        if self.has_journal(memory)? {
            let message = format!("`{}` is missing, and its memory is there", path.display());
            return Err(Failure::new(Exit::Missing, message).with_hint("put your own copy of it there"));
        }
        write_secret(&path, text).map_err(|error| Failure::io("write the key", &path, &error))
    }

    fn has_journal(&self, memory: &str) -> Result<bool, Failure> {
        let path = self.path.join(memory);
        match RealDisk::existing(&path).and_then(|disk| disk.list()) {
            Ok(files) => Ok(files.iter().any(|name| name.ends_with(".journal"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::io("read the folder", &path, &error)),
        }
    }

    /// Opens the memory, or begins one.
    ///
    /// # Errors
    ///
    /// It cannot be read; what was signed is then not known, and nothing may be signed.
    pub(crate) fn memory(&self, name: &str) -> Result<JournalMemory, Failure> {
        let path = self.path.join(name);
        JournalMemory::open(open_journal(&path)?).map_err(|error| {
            Failure::new(Exit::Damaged, format!("the memory in `{}`: {error}", path.display()))
                .with_hint("put back a copy; a memory that begins anew may sign a second history")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_addresses_or_sockets() {
        assert_eq!("unix:/run/s.sock".parse(), Ok(Place::Unix("/run/s.sock".into())));
        assert_eq!("localhost:1".parse(), Ok(Place::Tcp(([127, 0, 0, 1], 1).into())));
        for bad in ["unix:", "here", "/run/s.sock", ""] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_key_is_made_beside_a_memory_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let taken = KeyFolder::create(folder.path(), "testing", &["w.key", "memory"]).unwrap();
        drop(taken.memory("memory").unwrap());
        let failure = taken.keep_key("w.key", "secret", "memory").unwrap_err();
        assert_eq!((failure.exit, taken.key("w.key").unwrap()), (Exit::Missing, None));
    }

    #[test]
    fn a_folder_that_holds_something_else_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("photo.jpg"), "x").unwrap();
        let Err(failure) = KeyFolder::create(folder.path(), "testing", &["w.key"]) else {
            panic!("it was taken")
        };
        assert_eq!(failure.exit, Exit::Invalid);
    }
}
