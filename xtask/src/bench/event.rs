//! The events of the benchmark: about 840 bytes with the members of a busy web application, each with an id of its own.

/// Digits that make an id unique, at a fixed place in every event.
const NUMBER_DIGITS: usize = 12;
const NUMBER_MARK: &str = "\"id\":\"018f3c1a-7b2e-7c3d-9e4f-";

/// One event, as a client sends it.
pub(crate) fn event(n: usize) -> String {
    let (user, video) = (n * 7919 % 997, n * 104_729 % 50_021);
    format!(
        concat!(
            r#"{{"id":"018f3c1a-7b2e-7c3d-9e4f-{n:012x}","tenant":"acme","occurred_at":"2026-11-21T10:{minute:02}:{second:02}.{micro:06}Z","#,
            r#""action":"video.update","operation":"update","category":"video","#,
            r#""description":"User {user} renamed the video {video}","#,
            r#""actor":{{"type":"user","id":"usr_{user:08x}","name":"Person Number {user}","email":"user{user}@example.com","#,
            r#""credential":{{"type":"token","id":"tok_{user:04x}"}}}},"#,
            r#""targets":[{{"type":"video","id":"vid_{video:08x}","name":"Keynote {video}"}}],"#,
            r#""context":{{"ip":"203.0.113.{ip}","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36","session_id":"ses_{user:012x}"}},"#,
            r#""request":{{"id":"req_{n:016x}","method":"PATCH","path":"/v1/videos/vid_{video:08x}","status_code":200}},"#,
            r#""outcome":{{"result":"success"}},"changes":{{"before":{{"title":"Old {video}"}},"after":{{"title":"Keynote {video}"}}}},"#,
            r#""metadata":{{"region":"eu-west-1","plan":"pro","bytes":{n}}}}}"#,
        ),
        n = n,
        user = user,
        video = video,
        minute = n / 60 % 60,
        second = n % 60,
        micro = n % 1_000_000,
        ip = user % 250,
    )
}

/// A request that is sent over and over, its events' ids rising.
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Where each event's number stands.
    numbers: Vec<usize>,
    next: usize,
}

impl Request {
    /// The requests of one connection: NDJSON with `batch` events.
    pub(crate) fn new(key: &str, connection: usize, batch: usize) -> Self {
        // A billion events for each connection before two connections meet.
        let next = connection * 1_000_000_000;
        let body: String = (0..batch).map(|n| event(next + n) + "\n").collect();
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut numbers = Vec::with_capacity(batch);
        let mut at = head.len();
        for line in body.split_inclusive('\n') {
            numbers.push(at + line.find(NUMBER_MARK).expect("every event has an id") + NUMBER_MARK.len());
            at += line.len();
        }
        Self { bytes: [head, body].concat().into_bytes(), numbers, next }
    }

    /// The next request's bytes.
    pub(crate) fn next(&mut self) -> &[u8] {
        for at in &self.numbers {
            let mut number = self.next;
            for digit in self.bytes[*at..*at + NUMBER_DIGITS].iter_mut().rev() {
                *digit = b"0123456789abcdef"[number % 16];
                number /= 16;
            }
            self.next += 1;
        }
        &self.bytes
    }
}
