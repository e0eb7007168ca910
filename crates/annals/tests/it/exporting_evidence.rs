//! `annals export --bundle` from servers that are not annals: what takes a look at all lines together, and what does not hold.

use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::http::HeaderMap;
use axum::routing::get;
use serde_json::json;

use crate::adversary::{Bundle, Dice, ORIGIN};
use crate::support::{Said, World};

/// Lines that a server gives with a page.
const PAGE_LINES: usize = 7;

/// Gives this log and a head that goes with it; where.
async fn serve(bundle: &Bundle, lines: Vec<String>) -> String {
    let size = bundle.log().iter().filter(|byte| **byte == b'\n').count();
    let head = json!({
        "origin": ORIGIN, "tenant": "acme", "log": "events", "size": size, "checkpoint": bundle.signed(),
        "filter": null, "withheld": [], "trust": {"keys": [{"key": bundle.key(), "from": 0, "until": null}], "witnesses": []},
        "earlier": null, "program": "somebody's", "created_at": "2026-11-22T00:00:00Z",
    });
    let head = head.to_string();
    let lines = Arc::new(lines);
    let log = move |Query(asked): Query<std::collections::BTreeMap<String, String>>| {
        let lines = lines.clone();
        async move {
            let start: usize = asked["start"].parse().unwrap();
            let end = lines.len().min(start + PAGE_LINES);
            let mut headers = HeaderMap::new();
            headers.insert("annals-size", size.into());
            if end < size {
                headers.insert("annals-next", end.into());
            }
            (headers, lines[start..end].concat())
        }
    };
    let app = Router::new()
        .route("/v1/bundle/head", get(move || async move { head }))
        .route("/v1/bundle/log", get(log));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// Exports what that server gives, and says which files are there afterwards.
async fn export(bundle: &Bundle, lines: Vec<String>) -> (World, Said, Vec<String>) {
    let (world, url) = (World::new(), serve(bundle, lines).await);
    let key = format!("annals_{}", "0".repeat(40));
    let args =
        ["export", "--bundle", "--url", &url, "--key", &key, "--mode", "gap-free", "--output", "a.zip"];
    let said = world.run(&args);
    let names = std::fs::read_dir(world.path("")).unwrap().map(|file| file.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap()).filter(|name| name.contains("a.zip"));
    let names = names.collect();
    (world, said, names)
}

fn lines(bundle: &Bundle) -> Vec<String> {
    String::from_utf8(bundle.log()).unwrap().split_inclusive('\n').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_excused_by_a_later_line_is_exported() {
    for seed in 1..4 {
        let bundle = Bundle::honest(&mut Dice(seed));
        let (world, said, files) = export(&bundle, lines(&bundle)).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.contains(" 1 erased, "), "{said:?}");
        assert_eq!(files, ["a.zip"]);
        let said = world.run(&["verify", "a.zip", "--log-key", &bundle.key()]);
        assert_eq!(said.code, Some(0), "{said:?}");
    }
}

/// What a server may do to its lines, and what is said of it.
type Lie = (fn(&mut Vec<String>), &'static str);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_hold_is_not_written_and_not_kept() {
    let lies: [Lie; 5] = [
        (|lines| lines[3] = lines[3].replace("mail3@", "mail4@"), "position 3: "),
        (|lines| lines[8] = "nothing\n".to_owned(), "expected"),
        (|lines| lines.swap(2, 9), "position 9: comes where position 2 has to"),
        (
            |lines| lines.iter_mut().for_each(|line| *line = line.replace("video.view", "video.show")),
            "position 2: ",
        ),
        (
            |lines| (12..17).for_each(|by| lines[0] = lines[0].replace(&format!("\",{by}]"), "\",9]")),
            "position 0: said to be erased by entry 9",
        ),
    ];
    for (lie, told) in lies {
        let bundle = Bundle::honest(&mut Dice(5));
        let mut changed = lines(&bundle);
        lie(&mut changed);
        assert_ne!(changed, lines(&bundle), "{told}");
        let (_, said, files) = export(&bundle, changed).await;
        assert_eq!(said.code, Some(8), "{said:?}");
        assert!(said.stderr.starts_with("error: what the server sent does not hold: "), "{said:?}");
        assert!(said.stderr.contains(told), "{told}: {said:?}");
        assert_eq!(files, [""; 0], "{told}");
    }
}
