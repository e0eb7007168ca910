//! The control socket of a running server, for whoever may write in its data folder.
//!
//! `DIR/control.sock`, mode 0600. One line with a command in, one line with a JSON object out:
//!
//! ```text
//! key reset     {"operator_key": "annals_…"}
//! anything else {"error": "…", "kind": "invalid"}
//! ```

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use annals_ledger::Ledger;
use rustix::fs::Mode;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use crate::exit::{Exit, Failure, reason};

/// Replace the operator key.
pub(crate) const KEY_RESET: &str = "key reset";

/// Longest line either way, bytes.
const LINE_BYTES_MAX: u64 = 4096;

/// Connections that may wait for their turn.
const BACKLOG: u32 = 16;

/// Time for one exchange.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the server answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    /// The new operator key.
    Key { operator_key: String },
    /// It was not done.
    Error { error: String, kind: String },
}

/// The listening socket; removed when dropped.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Listens in a data folder that is locked by us, so that a socket found there is a dead one.
    ///
    /// # Errors
    ///
    /// As the system says; a folder whose path is longer than about 90 bytes can have no socket.
    pub(crate) fn listen(data: &Path) -> io::Result<Self> {
        let path = socket(data);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixSocket::new_stream()?;
        // On Linux the file gets the mode that the socket has, so that it is never open to others; elsewhere this is refused.
        if let Err(error) = rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR) {
            tracing::debug!(%error, "the control socket gets its mode only once it is there");
        }
        socket.bind(&path)?;
        let listener = socket.listen(BACKLOG)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Answers for ever, one connection after another.
    pub(crate) async fn serve(&self, ledger: &Ledger) {
        loop {
            let exchanged = match self.listener.accept().await {
                Ok((stream, _)) => tokio::time::timeout(PATIENCE, exchange(stream, ledger)).await,
                Err(error) => {
                    tracing::warn!(%error, "the control socket does not accept");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            match exchanged {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a command on the control socket was not answered"),
                Err(_) => tracing::warn!("a command on the control socket took too long"),
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // The next start removes what is left.
        drop(std::fs::remove_file(&self.path));
    }
}

async fn exchange(mut stream: UnixStream, ledger: &Ledger) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_BYTES_MAX)).read_line(&mut line).await?;
    let answer = match line.trim_end() {
        KEY_RESET => match ledger.reset_operator_key().await {
            Ok(secret) => Answer::Key { operator_key: secret.reveal().to_owned() },
            Err(error) => {
                Answer::Error { kind: Exit::from(error.kind()).word().to_owned(), error: error.to_string() }
            }
        },
        _ => Answer::Error { kind: Exit::Invalid.word().to_owned(), error: "unknown command".to_owned() },
    };
    let mut line = serde_json::to_vec(&answer).expect("texts serialise");
    line.push(b'\n');
    write.write_all(&line).await
}

/// Sends one command to the server that runs on a data folder.
///
/// # Errors
///
/// No server listens there, or it refuses.
pub(crate) async fn ask(data: &Path, command: &str) -> Result<String, Failure> {
    let path = socket(data);
    let unanswered = |error: io::Error| {
        Failure::new(
            Exit::Unavailable,
            format!("the server on `{}` does not answer: {error}", data.display()),
        )
    };
    let exchange = async {
        let mut stream = UnixStream::connect(&path).await?;
        stream.write_all(format!("{command}\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut line).await?;
        Ok(line)
    };
    let line = tokio::time::timeout(PATIENCE, exchange).await;
    let line = line.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(unanswered)?;
    match serde_json::from_str(&line) {
        Ok(Answer::Key { operator_key }) => Ok(operator_key),
        Ok(Answer::Error { error, kind }) => {
            let exit = if kind == Exit::Busy.word() { Exit::Busy } else { Exit::Unavailable };
            Err(Failure::new(exit, format!("the server refused: {error}")))
        }
        Err(error) => {
            Err(Failure::new(Exit::Bug, format!("the server's answer makes no sense: {}", reason(&error))))
        }
    }
}

fn socket(data: &Path) -> PathBuf {
    data.join("control.sock")
}
