//! The server's side: a signer that is another process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use annals_ledger::{SignError, SigningService};
use annals_tree::Hash;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::head::{Head, SignedHead};
use annals_tree::note::{KeyError, VerifierKey};
use annals_tree::signer::TreeHead;
use annals_tree::succession::{self, Succession};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{
    BODY_BYTES_MAX, CheckpointRequest, HeadRequest, HeadRequestLog, Refused, Signature, SignedAnswer,
    SignedLog, write_hashes,
};
use crate::exit::{Exit, Failure, reason};

/// Time for a connection, and for an answer.
const CONNECT_MAX: Duration = Duration::from_secs(1);
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// After no answer the signer is left alone for so long; who asks meanwhile is told at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the signer is, and what it knows us by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignerAddress {
    pub(crate) place: SignerPlace,
    pub(crate) token_file: PathBuf,
}

/// See [`SignerAddress`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignerPlace {
    Http(Url),
    Unix(PathBuf),
}

/// A signer elsewhere, and what it is known to have signed.
pub(crate) struct RemoteSigner {
    caller: Caller,
    key: VerifierKey,
    /// How its key follows others, as it says.
    successions: Vec<Succession>,
    signed: BTreeMap<String, TreeHead>,
    /// What is known may be behind: nothing was asked yet, or the last answer was lost or a refusal.
    is_stale: bool,
}

impl RemoteSigner {
    /// The signer at an address. `pinned` is the key that it must have, or that its key must follow; without one it must answer
    /// now, and tells.
    ///
    /// # Errors
    ///
    /// The token cannot be read; there is no answer and no key is known; it has another key.
    pub(crate) fn connect(address: &SignerAddress, pinned: Option<VerifierKey>) -> Result<Self, Failure> {
        let path = &address.token_file;
        let token = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|error| Failure::io("read the signer's token in", path, &error))?;
        let caller = Caller::start(&address.place, token.trim())?;
        let answer: Result<SignedAnswer, SignError> = caller.get("v1/signed");
        let keys = answer.and_then(|answer| {
            answer.keys().map_err(|error| SignError::Refused(format!("it has no key: {error}")))
        });
        let said = match (keys, &pinned) {
            (Ok(keys), _) => Some(keys),
            // It may be away or talk nonsense, when it is known whom to wait for: events are taken meanwhile.
            (Err(_), Some(_)) => None,
            (Err(error), None) => {
                return Err(Failure::new(Exit::Unavailable, format!("the signer: {error}"))
                    .with_hint("a new ledger needs its signer once; `annals signer` starts one"));
            }
        };
        let leads_to = |said: &(VerifierKey, Vec<Succession>), pinned: &VerifierKey| {
            *pinned == said.0 || succession::path(pinned, &said.0, &said.1).is_some()
        };
        let (key, successions) = match (said, pinned) {
            (Some(said), Some(pinned)) if leads_to(&said, &pinned) => said,
            // Another one is refused whenever something is to be signed, and events are taken meanwhile.
            (_, Some(pinned)) => (pinned, Vec::new()),
            (Some(said), None) => said,
            (None, None) => unreachable!("it had to answer"),
        };
        Ok(Self { caller, key, successions, signed: BTreeMap::new(), is_stale: true })
    }

    /// What the signer says of itself.
    fn ask(&self) -> Result<SignedAnswer, SignError> {
        self.caller.get("v1/signed")
    }

    /// The key that is expected of it.
    pub(crate) fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Asks for a signature. Whatever comes of it but a good one, what is known may be behind.
    fn sign(&mut self, path: &str, request: &impl Serialize) -> Result<String, SignError> {
        self.is_stale = true;
        let answer: Signature = self.caller.post(path, request)?;
        Ok(answer.signed)
    }
}

impl SigningService for RemoteSigner {
    fn verifier_key(&self) -> VerifierKey {
        self.key.clone()
    }

    fn successions(&self) -> Vec<Succession> {
        self.successions.clone()
    }

    fn expect(&mut self, key: &VerifierKey) -> bool {
        self.key = key.clone();
        self.is_stale = true;
        true
    }

    fn signed(&self) -> &BTreeMap<String, TreeHead> {
        &self.signed
    }

    fn prepare(&mut self) -> Result<(), SignError> {
        if !self.is_stale {
            return Ok(());
        }
        let answer = self.ask()?;
        if answer.key != self.key.to_string() {
            let follows = answer
                .keys()
                .is_ok_and(|(key, successions)| succession::path(&self.key, &key, &successions).is_some());
            let way_out = if follows { ", which follows it: restart the server to take it over" } else { "" };
            let message = format!("the signer: it has the key {}, not {}{way_out}", answer.key, self.key);
            return Err(SignError::Refused(message));
        }
        let signed = answer.signed.into_iter().map(SignedLog::read).collect::<Option<_>>();
        self.signed = signed.ok_or_else(|| senseless("v1/signed"))?;
        self.is_stale = false;
        Ok(())
    }

    fn checkpoint(&mut self, origin: &str, head: TreeHead, proof: &[Hash]) -> Result<String, SignError> {
        let note = self.sign(
            "v1/checkpoint",
            &CheckpointRequest {
                key: Some(self.key.to_string()),
                origin: origin.to_owned(),
                size: head.size,
                root: head.root.to_string(),
                proof: write_hashes(proof),
            },
        )?;
        let key = self.key.with_name(origin).map_err(|_| senseless("v1/checkpoint"))?;
        let is_ours = Checkpoint::open(&note, &key, origin)
            .is_ok_and(|checkpoint| checkpoint == Checkpoint::new(origin, head.size, head.root));
        if !is_ours {
            return Err(senseless("v1/checkpoint"));
        }
        self.signed.insert(origin.to_owned(), head);
        self.is_stale = false;
        Ok(note)
    }

    fn head(&mut self, head: &Head, proofs: &[Vec<Hash>]) -> Result<Vec<u8>, SignError> {
        let logs = head.logs.iter().zip(proofs).map(|(entry, proof)| HeadRequestLog {
            log: entry.log.to_string(),
            size: entry.size,
            root: entry.root.to_string(),
            proof: write_hashes(proof),
        });
        let request = HeadRequest {
            key: Some(self.key.to_string()),
            at_us: head.at_us,
            ledger_size: head.ledger_size,
            logs: logs.collect(),
        };
        let encoded = self.sign("v1/head", &request)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| senseless("v1/head"))?;
        let mut expected = head.clone();
        expected.logs.sort_unstable();
        let is_ours = SignedHead::decode(&bytes)
            .is_ok_and(|signed| signed.verify(&self.key).is_ok_and(|signed| *signed == expected));
        if !is_ours {
            return Err(senseless("v1/head"));
        }
        let name = self.key.name().to_owned();
        let signed = head
            .logs
            .iter()
            .map(|entry| (entry.log.origin(&name), TreeHead { size: entry.size, root: entry.root }));
        self.signed.extend(signed);
        self.is_stale = false;
        Ok(bytes)
    }
}

impl SignedAnswer {
    /// The key, and what leads to it.
    fn keys(&self) -> Result<(VerifierKey, Vec<Succession>), String> {
        let key = self.key.parse().map_err(|error: KeyError| error.to_string())?;
        let successions = self.successions.iter().map(|note| Succession::open(note));
        Ok((key, successions.collect::<Result<_, _>>().map_err(|error| error.to_string())?))
    }
}

fn senseless(path: &str) -> SignError {
    SignError::Refused(format!("the signer: `{path}` answers what was not asked for"))
}

/// One request to the signer, and where its answer goes.
type Call = (Method, String, Vec<u8>, SyncSender<Result<Vec<u8>, SignError>>);

/// A thread of its own that asks: whoever waits may be on any thread, also on one that must not block on the network's.
struct Caller {
    calls: Sender<Call>,
}

impl Caller {
    fn start(place: &SignerPlace, token: &str) -> Result<Self, Failure> {
        // reqwest asks for a provider to be in place; a second call finds the first one's.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX)
            .redirect(Policy::none())
            .user_agent(concat!("annals/", env!("CARGO_PKG_VERSION")));
        let (builder, base) = match place {
            SignerPlace::Http(url) => (builder, url.clone()),
            SignerPlace::Unix(path) => {
                (builder.unix_socket(path.clone()), "http://signer/".parse().expect("this is a URL"))
            }
        };
        let failed =
            |error: String| Failure::new(Exit::Unavailable, format!("cannot make connections: {error}"));
        let client = builder.build().map_err(|error| failed(reason(&error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        let (calls, waiting) = channel::<Call>();
        let token = Zeroizing::new(token.to_owned());
        let work = move || {
            let mut away: Option<(Instant, String)> = None;
            while let Ok((method, path, body, answer)) = waiting.recv() {
                let answered = match &away {
                    Some((since, why)) if since.elapsed() < PAUSE => Err(SignError::Away(why.clone())),
                    _ => {
                        let url = base.join(&path).expect("our paths are relative URLs");
                        runtime.block_on(ask(&client, method, url, body, &token))
                    }
                };
                match &answered {
                    Err(SignError::Away(_)) if away.as_ref().is_some_and(|(at, _)| at.elapsed() < PAUSE) => {}
                    Err(SignError::Away(why)) => away = Some((Instant::now(), why.clone())),
                    _ => away = None,
                }
                // Whoever asked may have lost patience.
                drop(answer.send(answered));
            }
        };
        std::thread::Builder::new()
            .name("annals-signer".to_owned())
            .spawn(work)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { calls })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, SignError> {
        self.call(Method::GET, path, Vec::new())
    }

    fn post<T: DeserializeOwned>(&self, path: &str, request: &impl Serialize) -> Result<T, SignError> {
        let body = serde_json::to_vec(request).expect("numbers, texts and lists serialise");
        self.call(Method::POST, path, body)
    }

    fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Vec<u8>) -> Result<T, SignError> {
        let (answer, answered) = sync_channel(1);
        let gone = || SignError::Away("the signer: nobody asks it any more".to_owned());
        self.calls.send((method, path.to_owned(), body, answer)).map_err(|_| gone())?;
        let bytes = match answered.recv_timeout(ANSWER_MAX * 2) {
            Ok(answered) => answered?,
            Err(RecvTimeoutError::Timeout) => {
                return Err(SignError::Away("the signer: no answer in time".to_owned()));
            }
            Err(RecvTimeoutError::Disconnected) => return Err(gone()),
        };
        serde_json::from_slice(&bytes).map_err(|_| senseless(path))
    }
}

async fn ask(
    client: &Client,
    method: Method,
    url: Url,
    body: Vec<u8>,
    token: &str,
) -> Result<Vec<u8>, SignError> {
    let away = |error: reqwest::Error| {
        SignError::Away(format!("the signer does not answer: {}", reason(&error.without_url())))
    };
    let request = client.request(method, url).bearer_auth(token).header("content-type", "application/json");
    let mut response = request.body(body).send().await.map_err(away)?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(away)? {
        if bytes.len() + piece.len() > BODY_BYTES_MAX {
            return Err(SignError::Refused("the signer: its answer is too long".to_owned()));
        }
        bytes.extend_from_slice(&piece);
    }
    if status.is_success() {
        return Ok(bytes);
    }
    let said = serde_json::from_slice::<Refused>(&bytes).map(|refused| refused.error);
    let said = said.unwrap_or_else(|_| format!("HTTP status {}", status.as_u16()));
    if status.is_server_error() {
        return Err(SignError::Away(format!("the signer: {said}")));
    }
    Err(SignError::Refused(format!("the signer refuses: {said}")))
}
