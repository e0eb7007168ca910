//! A server for one test, and the way to ask it things.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals_event::Timestamp;
use annals_journal::sim::SimDisk;
use annals_journal::{FaultDisk, Faults, FileJournal, JournalId, MemoryJournal, RealDisk};
use annals_ledger::{Clock, Ledger, Options, Parts, SeededEntropy, TailLimits};
use annals_server::{Listening, Metrics, Server, Settings};
use expect_test::Expect;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Nothing here takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// 2026-11-21T10:00:00Z.
const START_US: i64 = 1_795_255_200_000_000;

/// Starts of servers in this process: no two have the same randomness.
static STARTS: AtomicU64 = AtomicU64::new(0);

/// A clock that a test sets.
pub(crate) struct TestClock {
    wall_us: AtomicI64,
    monotonic_us: AtomicI64,
    /// What passes whenever somebody looks at the clock.
    step_us: AtomicI64,
}

impl TestClock {
    fn new() -> Self {
        Self {
            wall_us: AtomicI64::new(START_US),
            monotonic_us: AtomicI64::new(1_000_000),
            step_us: AtomicI64::new(0),
        }
    }

    /// Time passes.
    pub(crate) fn pass(&self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).unwrap();
        self.wall_us.fetch_add(micros, Ordering::SeqCst);
        self.monotonic_us.fetch_add(micros, Ordering::SeqCst);
    }

    /// From now on so much time passes whenever somebody looks, as if all work took long.
    pub(crate) fn crawl(&self, step: Duration) {
        self.step_us.store(i64::try_from(step.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// The wall clock is set.
    pub(crate) fn jump(&self, seconds: i64) {
        self.wall_us.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.wall_us.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic_us(&self) -> u64 {
        let step = self.step_us.load(Ordering::SeqCst);
        self.wall_us.fetch_add(step, Ordering::SeqCst);
        (self.monotonic_us.fetch_add(step, Ordering::SeqCst) + step).try_into().unwrap()
    }
}

/// Where the records are.
struct Store {
    journals: Journals,
    segments: SimDisk,
    tail: TailLimits,
}

/// In memory, or on a disk that can be told to fail.
enum Journals {
    Memory { journal: MemoryJournal, signer: MemoryJournal },
    Disk { folder: tempfile::TempDir },
}

impl Store {
    fn new(journals: Journals) -> Self {
        Self { journals, segments: SimDisk::new(1), tail: TailLimits::default() }
    }

    fn in_memory() -> Self {
        Self::new(Journals::Memory { journal: MemoryJournal::new(), signer: MemoryJournal::new() })
    }

    fn on_disk() -> Self {
        Self::new(Journals::Disk { folder: tempfile::tempdir().unwrap() })
    }
}

/// A viewer; `viewer.js` stands beside what it is when compressed, as far as anybody here looks.
pub(crate) const VIEWER: &[(&str, &[u8])] = &[
    ("index.html", b"<!doctype html><script type=\"module\" src=\"/viewer/assets/viewer.js\"></script>"),
    ("viewer.js", b"console.log(1)"),
    ("viewer.js.gz", b"compressed"),
    ("viewer.css", b"body{}"),
    ("chunk-2YK6QR3A.js", b"export{}"),
    ("annals-log.js", b"import './chunk-2YK6QR3A.js'"),
];

/// Settings of a server, unless a test says otherwise.
pub(crate) fn settings() -> Settings {
    let page = b"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-AA=='\">";
    Settings {
        version: "1.2.3".to_owned(),
        verify_page: annals_server::VerifyPage::new(page),
        viewer: annals_server::Viewer::new(VIEWER),
        ..Settings::default()
    }
}

/// A running server.
pub(crate) struct Site {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) address: SocketAddr,
    keys: Vec<(String, String)>,
    store: Store,
    settings: Settings,
    handle: annals_server::Handle,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem's code.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Site {
    /// A new server over journals in memory, with the tenant `acme` and keys `operator` and `acme` (all scopes).
    pub(crate) async fn new() -> Self {
        Self::with(settings(), Listening::default()).await
    }

    pub(crate) async fn with(settings: Settings, listening: Listening) -> Self {
        Self::first_start(Store::in_memory(), settings, listening).await
    }

    /// As [`Site::new`], where records are sealed when there are so many of them.
    pub(crate) async fn sealing_each(records: u64) -> Self {
        let tail = TailLimits { records_max: records, ..TailLimits::default() };
        let store = Store { tail, ..Store::in_memory() };
        Self::first_start(store, settings(), Listening::default()).await
    }

    /// As [`Site::new`], over files.
    pub(crate) async fn on_disk() -> Self {
        Self::on_disk_with(settings()).await
    }

    pub(crate) async fn on_disk_with(settings: Settings) -> Self {
        Self::first_start(Store::on_disk(), settings, Listening::default()).await
    }

    async fn first_start(store: Store, settings: Settings, listening: Listening) -> Self {
        let tls = listening.tls.is_some() || listening.behind_proxy.is_some();
        let mut site = Self::start(store, Arc::new(TestClock::new()), settings, listening, Vec::new()).await;
        if !tls {
            site.make_key("acme", r#"{"tenant": "acme", "scopes": ["write", "read", "export", "verify", "admin"], "name": "Ana"}"#).await;
        }
        site
    }

    async fn start(
        store: Store,
        clock: Arc<TestClock>,
        settings: Settings,
        listening: Listening,
        mut keys: Vec<(String, String)>,
    ) -> Self {
        let (journal, signer_journal, faults): (
            Box<dyn annals_journal::Journal>,
            Box<dyn annals_journal::Journal>,
            _,
        ) = match &store.journals {
            Journals::Memory { journal, signer } => {
                (Box::new(journal.clone()), Box::new(signer.clone()), Arc::default())
            }
            Journals::Disk { folder } => {
                let (disk, faults) = FaultDisk::new(RealDisk::create(folder.path().join("journal")).unwrap());
                let options = annals_journal::Options {
                    reserve_bytes: 0,
                    ..annals_journal::Options::new(JournalId([7; 16]))
                };
                let (journal, _) = FileJournal::open(Arc::new(disk), &options).unwrap();
                let disk = RealDisk::create(folder.path().join("signer")).unwrap();
                let (signer, _) = FileJournal::open(Arc::new(disk), &options).unwrap();
                (Box::new(journal), Box::new(signer), faults)
            }
        };
        let metrics = Arc::new(Metrics::new("1.2.3"));
        let parts = Parts {
            journal,
            signer_journal,
            segments: annals_ledger::Store::new(Arc::new(store.segments.clone()), 1 << 20),
            signing_seed: [5; 32],
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(STARTS.fetch_add(1, Ordering::SeqCst))),
            observer: metrics.clone(),
        };
        let options = Options {
            name: Some("annals-test".to_owned()),
            event_bytes_max: 256 << 10,
            tail: store.tail,
            version: "1.2.3".to_owned(),
        };
        let opened = Ledger::open(parts, &options).unwrap();
        if let Some(key) = opened.operator_key {
            keys.push(("operator".to_owned(), key.reveal().to_owned()));
        }
        let server = Server::new(opened.ledger.clone(), metrics, settings.clone(), listening).unwrap();
        let handle = server.handle();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(vec![listener], async { drop(stopped.await) }));
        Self {
            ledger: opened.ledger,
            clock,
            faults,
            address,
            keys,
            store,
            settings,
            handle,
            stop: Some(stop),
            serving,
        }
    }

    /// The folder of segments.
    pub(crate) fn segments(&self) -> &SimDisk {
        &self.store.segments
    }

    /// Makes a key under a name that requests use.
    pub(crate) async fn make_key(&mut self, name: &str, body: &str) -> Value {
        self.make_key_as("operator", name, body).await
    }

    /// As [`Site::make_key`], by somebody.
    pub(crate) async fn make_key_as(&mut self, by: &str, name: &str, body: &str) -> Value {
        let made = self.ask("POST /v1/keys", by, body.as_bytes()).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let made = made.json();
        self.keys.push((name.to_owned(), made["key"].as_str().unwrap().to_owned()));
        made
    }

    pub(crate) fn know_key(&mut self, name: &str, secret: &str) {
        self.keys.push((name.to_owned(), secret.to_owned()));
    }

    pub(crate) fn handle(&self) -> &annals_server::Handle {
        &self.handle
    }

    /// The secret of a key by its name; the name itself when there is none.
    pub(crate) fn key(&self, name: &str) -> String {
        self.keys.iter().find(|(known, _)| known == name).map_or(name, |(_, secret)| secret).to_owned()
    }

    /// Stops accepting and waits until the server has ended.
    pub(crate) async fn stop(&mut self) {
        self.begin_stop();
        self.stop_begun().await;
    }

    /// Waits until a stop that was begun has ended.
    pub(crate) async fn stop_begun(&mut self) {
        tokio::time::timeout(PATIENCE, &mut self.serving).await.unwrap().unwrap();
    }

    pub(crate) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).unwrap();
        }
    }

    /// Stops, and starts again on what was stored.
    pub(crate) async fn restart(self) -> Self {
        let settings = self.settings.clone();
        self.restart_with(settings).await
    }

    /// As [`Site::restart`], with other settings.
    pub(crate) async fn restart_with(mut self, settings: Settings) -> Self {
        self.stop().await;
        let ledger = self.ledger.clone();
        tokio::task::spawn_blocking(move || ledger.stop()).await.unwrap();
        drop(self.ledger);
        Self::start(self.store, self.clock, settings, Listening::default(), self.keys).await
    }

    /// One request, with a key by name; an empty name sends none. The line is `METHOD /path`, further lines are headers.
    pub(crate) async fn ask(&self, head: &str, key: &str, body: &[u8]) -> Answer {
        let response = self.open(head, key, body).await;
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// As [`Site::ask`]; the body of the answer is still to be read.
    pub(crate) async fn open(&self, head: &str, key: &str, body: &[u8]) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        send(stream, self.request(head, key, body)).await
    }

    pub(crate) fn request(&self, head: &str, key: &str, body: &[u8]) -> Request<Full<Bytes>> {
        let mut lines = head.lines();
        let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path).header("host", "annals.example.com");
        let mut named_id = false;
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            named_id |= name.eq_ignore_ascii_case("x-request-id");
            request = request.header(name, value);
        }
        if !named_id {
            request = request.header("x-request-id", "r-1");
        }
        if !body.is_empty() && !head.to_ascii_lowercase().contains("content-type") {
            request = request.header("content-type", "application/json");
        }
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.key(key)));
        }
        request.body(Full::new(Bytes::copy_from_slice(body))).unwrap()
    }

    /// Sends events as the key's tenant; all must be kept.
    pub(crate) async fn post(&self, key: &str, body: &str) -> Value {
        let answer = self.ask("POST /v1/events", key, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Asks, and compares `STATUS` and the body with what is expected.
    pub(crate) async fn check(&self, head: &str, key: &str, body: &str, expected: Expect) {
        let answer = self.ask(head, key, body.as_bytes()).await;
        expected.assert_eq(&shown(&answer));
    }

    /// Repeats a question until the answer fits.
    pub(crate) async fn until(&self, head: &str, key: &str, fits: impl Fn(&Answer) -> bool) -> Answer {
        let last = Mutex::new(String::new());
        let asking = async {
            loop {
                let answer = self.ask(head, key, b"").await;
                if fits(&answer) {
                    return answer;
                }
                *last.lock().unwrap() = answer.text();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(answer) => answer,
            Err(_) => panic!("{head}: still {}", last.lock().unwrap()),
        }
    }
}

/// Status and body; links to the catalogue are left out, as they only repeat the code, and what is
/// random: hashes, given ids.
pub(crate) fn shown(answer: &Answer) -> String {
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(mut value) => {
            masked(&mut value);
            serde_json::to_string_pretty(&value).unwrap()
        }
        Err(_) => String::from_utf8_lossy(&answer.body).into_owned(),
    };
    format!("{}\n{body}\n", answer.status.as_u16())
}

fn masked(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(next)) = members.get_mut("next") {
                *next = "(cursor)".to_owned();
            }
            if members.contains_key("code") && members.contains_key("title") {
                members.remove("type");
                members.remove("title");
            }
            members.values_mut().for_each(masked);
        }
        Value::Array(items) => items.iter_mut().for_each(masked),
        Value::String(text) if is_hex(text, 64) => *text = "(hash)".to_owned(),
        Value::String(text) if text.strip_prefix("key_").is_some_and(|rest| is_hex(rest, 16)) => {
            *text = "(key id)".to_owned()
        }
        Value::String(text) if text.len() == 36 && is_hex(&text.replace('-', ""), 32) => {
            *text = "(uuid)".to_owned()
        }
        _ => {}
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(crate) async fn send(stream: TcpStream, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    tokio::time::timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()
}

/// A well-formed event, as JSON.
pub(crate) fn event(id: &str) -> String {
    format!(r#"{{"id":"{id}","action":"video.update","actor":{{"type":"user","id":"u1"}}}}"#)
}

/// An array of `count` events with ids `PREFIX-0` and on.
pub(crate) fn events(prefix: &str, count: usize) -> String {
    let items: Vec<String> = (0..count).map(|index| event(&format!("{prefix}-{index}"))).collect();
    format!("[{}]", items.join(","))
}

/// The events log of a tenant.
pub(crate) fn log(tenant: &str) -> annals_ledger::TenantLog {
    annals_ledger::TenantLog {
        tenant: annals_event::TenantId::new(tenant).unwrap(),
        kind: annals_ledger::LogKind::Tenant,
    }
}
