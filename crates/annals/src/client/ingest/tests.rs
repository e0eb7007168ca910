use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[test]
fn pauses_grow_to_their_longest_and_jitter_takes_off_up_to_half() {
    let longest: Vec<u128> = (0..8).map(|tries| pause(tries, u8::MAX).as_millis()).collect();
    assert_eq!(longest, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    assert_eq!(pause(0, 0), Duration::from_millis(50));
    assert_eq!(pause(u32::MAX, u8::MAX), PAUSE_MAX);
}

#[test]
fn an_event_is_one_line_whatever_is_in_it() {
    let events = ["{\"a\":\n1}", "", " \n", "{\"b\":\"x\ny\"}"];
    assert_eq!(lines(&events), b"{\"a\":\r1}\nnull\nnull\n{\"b\":\"x\ry\"}\n");
}

#[test]
fn a_request_stays_below_the_limits_and_a_giant_has_its_own() {
    let sizes = |events: &[Vec<u8>]| parts(events).map(|part| part.len()).collect::<Vec<_>>();
    assert_eq!(sizes(&[]), Vec::<usize>::new());
    assert_eq!(sizes(&vec![vec![0; 10]; BATCH_EVENTS_MAX + 1]), [BATCH_EVENTS_MAX, 1]);
    let (giant, small) = (vec![0; BATCH_BYTES_MAX], vec![0; 10]);
    assert_eq!(sizes(&[small.clone(), giant, small.clone(), small]), [1, 1, 2]);
}

proptest! {
    #[test]
    fn every_event_is_in_one_request_in_its_order(
        sizes in proptest::collection::vec(0_usize..(BATCH_BYTES_MAX / 3), 0..20),
    ) {
        let events: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0; *size]).collect();
        let parts: Vec<_> = parts(&events).collect();
        let together: Vec<usize> = parts.iter().cloned().flatten().collect();
        prop_assert_eq!(together, (0..events.len()).collect::<Vec<_>>());
        for part in parts {
            let bytes: usize = sizes[part.clone()].iter().map(|size| size + 1).sum();
            prop_assert!(part.len() == 1 || bytes <= BATCH_BYTES_MAX);
        }
    }
}

/// Answers one request each with what the script says, and gives back the lines it was sent.
fn scripted(
    script: &'static [(&'static str, &'static str)],
) -> (Sender, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let answer = |(head, body): &(&str, &str)| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut sent = vec![0; length];
            reader.read_exact(&mut sent).unwrap();
            if *head != "hang up" {
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                )
                .unwrap();
            }
            String::from_utf8(sent).unwrap()
        };
        script.iter().map(answer).collect()
    });
    let sending = Sending { strict: false, retry_for: Duration::from_secs(20), output: Output::new(false) };
    (Sender::new(Api::new(&url, None).unwrap(), sending), thread)
}

const CREATED: &str = r#"{"results":[{"status":"created","id":"e","position":7,"leaf":"00"}]}"#;

#[tokio::test]
async fn what_may_not_have_arrived_is_sent_again_byte_for_byte() {
    let (sender, thread) = scripted(&[
        ("hang up", ""),
        ("503 Unavailable\r\nretry-after: 0", r#"{"code":"uncertain"}"#),
        ("503 Unavailable\r\nretry-after: 1", r#"{"code":"busy"}"#),
        ("429 Too Many Requests", ""),
        ("502 Bad Gateway", "<html>"),
        ("503 Unavailable", "<html>"),
        ("200 OK", CREATED),
    ]);
    let answers = sender.send(&["{}"]).await.unwrap();
    let expected = ItemAnswer { status: ItemStatus::Created, id: Some("e".to_owned()), position: Some(7) };
    assert_eq!(answers, [expected]);
    assert_eq!(thread.join().unwrap(), ["{}\n"; 7]);
    assert_eq!(sender.resent(), 4, "refused ones and those that waited cannot be stored");
}

#[tokio::test]
async fn what_waiting_does_not_mend_ends_at_once() {
    for (script, exit) in [
        (&[("401 Unauthorized", r#"{"code":"unauthenticated"}"#)], Exit::Denied),
        (&[("403 Forbidden", r#"{"code":"scope"}"#)], Exit::Denied),
        (&[("404 Not Found", "")], Exit::Missing),
        (&[("400 Bad Request", r#"{"code":"parameter_unknown"}"#)], Exit::Invalid),
        (&[("500 Internal Server Error", r#"{"code":"bug"}"#)], Exit::Bug),
        (&[("200 OK", r#"{"results":[]}"#)], Exit::Unavailable),
        (&[("503 Unavailable\r\nretry-after: 21", r#"{"code":"disk_full"}"#)], Exit::Unavailable),
    ] {
        let (sender, thread) = scripted(script);
        assert_eq!(sender.send(&["{}"]).await.unwrap_err().exit, exit, "{script:?}");
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_sent_in_halves_and_one_event_that_is_rejected() {
    const TOO_LARGE: (&str, &str) = ("413 Too Large", r#"{"code":"batch_bytes","detail":"too large"}"#);
    const TWO: &str = r#"{"results":[{"status":"created"},{"status":"duplicate"}]}"#;
    const PROXY: (&str, &str) = ("413 Too Large", "<html>");
    let (sender, thread) = scripted(&[PROXY, TOO_LARGE, ("200 OK", CREATED), TOO_LARGE, ("200 OK", TWO)]);
    let answers = sender.send(&["1", "2", "3", "4"]).await.unwrap();
    assert_eq!(thread.join().unwrap(), ["1\n2\n3\n4\n", "1\n2\n", "1\n", "2\n", "3\n4\n"]);
    let rejected =
        Rejected { code: "batch_bytes".to_owned(), pointer: String::new(), detail: "too large".to_owned() };
    let statuses: Vec<_> = answers.into_iter().map(|answer| answer.status).collect();
    assert_eq!(
        statuses,
        [ItemStatus::Created, ItemStatus::Rejected(rejected), ItemStatus::Created, ItemStatus::Duplicate]
    );
}
