//! The viewer's files, as browsers get them.

use annals_server::{Listening, Settings};

use crate::site::{Site, settings};

#[tokio::test(flavor = "multi_thread")]
async fn every_path_of_the_viewer_is_its_page_under_a_policy_that_lets_nothing_in() {
    let site = Site::new().await;
    assert_eq!(site.ask("GET /", "", b"").await.header("location"), "/viewer");
    for path in ["/viewer", "/viewer/", "/viewer/actor?id=u1", "/viewer/sign-in?ticket=x", "/viewer/a/b.js"] {
        let page = site.ask(&format!("GET {path}"), "", b"").await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (200, "text/html; charset=utf-8"),
            "{path}"
        );
        assert!(page.text().contains("/viewer/assets/viewer.js"), "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        for (name, value) in [
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-cache"),
            ("access-control-allow-origin", ""),
        ] {
            assert_eq!(page.header(name), value, "{path}: {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_are_loaded_from_anywhere_compressed_and_again_only_when_they_changed() {
    let site = Site::new().await;
    let script = site.ask("GET /viewer/assets/viewer.js", "", b"").await;
    assert_eq!((script.status.as_u16(), script.text().as_str()), (200, "console.log(1)"));
    for (name, value) in [
        ("content-type", "text/javascript; charset=utf-8"),
        ("access-control-allow-origin", "*"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("cache-control", "no-cache"),
        ("vary", "accept-encoding"),
        ("content-encoding", ""),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(script.header(name), value, "{name}");
    }
    let compressed = site.ask("GET /viewer/assets/viewer.js\naccept-encoding: br, gzip", "", b"").await;
    assert_eq!((compressed.header("content-encoding"), compressed.text().as_str()), ("gzip", "compressed"));
    assert_ne!(compressed.header("etag"), script.header("etag"), "they are different bytes");
    for (tag, status) in [(script.header("etag"), 304), ("\"other\"", 200), (compressed.header("etag"), 200)]
    {
        let again = site.ask(&format!("GET /viewer/assets/viewer.js\nif-none-match: {tag}"), "", b"").await;
        assert_eq!(again.status, status, "{tag}");
        assert_eq!(again.header("access-control-allow-origin"), "*");
    }
    // Nothing compressed stands beside it.
    let style = site.ask("GET /viewer/assets/viewer.css\naccept-encoding: gzip", "", b"").await;
    assert_eq!((style.header("content-encoding"), style.text().as_str()), ("", "body{}"));
    let chunk = site.ask("GET /viewer/assets/chunk-2YK6QR3A.js", "", b"").await;
    assert_eq!(chunk.header("cache-control"), "public, max-age=31536000, immutable");
    for none in ["index.html", "viewer.js.gz", "nothing.js", "..%2f..%2fetc%2fpasswd"] {
        let answer = site.ask(&format!("GET /viewer/assets/{none}"), "", b"").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "route_unknown"), "{none}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_the_viewer_says_so_and_leads_to_the_reference() {
    let site = Site::with(Settings { viewer: None, ..settings() }, Listening::default()).await;
    assert_eq!(site.ask("GET /", "", b"").await.header("location"), "/docs");
    for head in ["GET /viewer", "GET /viewer/actor", "GET /viewer/assets/viewer.js", "POST /v1/session/links"]
    {
        let answer = site.ask(head, "operator", b"").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "route_unknown"), "{head}");
        assert!(answer.text().contains("built without the viewer"), "{head}");
    }
}
