//! The disk fails: what is answered, what goes on, and what comes back by itself.

use expect_test::expect;

use crate::site::{Site, event};

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_reads_go_on_and_ingest_comes_back_by_itself() {
    let site = Site::on_disk().await;
    site.post("acme", &event("e1")).await;
    site.faults.set_no_space(true);
    let refused = site.ask("POST /v1/events", "acme", event("e2").as_bytes()).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "disk_full"));
    assert_eq!(refused.header("retry-after"), "30");
    site.check(
        "GET /readyz",
        "",
        "",
        expect![[r#"
        503
        {
          "checks": {
            "clock": {
              "ok": true
            },
            "journal": {
              "ok": false,
              "reason": "the journal's disk is full"
            },
            "ledger": {
              "ok": true
            },
            "segments": {
              "ok": true
            },
            "serving": {
              "ok": true
            },
            "signer": {
              "ok": true
            }
          },
          "ready": false
        }
    "#]],
    )
    .await;
    assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.json()["size"], 1);
    assert_eq!(site.ask("GET /healthz", "", b"").await.status, 200);
    site.faults.set_no_space(false);
    site.until("GET /readyz", "", |answer| answer.status == 200).await;
    assert_eq!(site.post("acme", &event("e2")).await["results"][0]["position"], 1);
    let control = site.ask("GET /v1/feed?tenant=_annals&limit=1000", "operator", b"").await.text();
    assert!(control.contains("annals.ingest.refused"), "the outage is itself on record");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_flush_nothing_is_taken_until_a_restart() {
    let site = Site::on_disk().await;
    site.post("acme", &event("e1")).await;
    site.faults.set_failing_syncs(true);
    let uncertain = site.ask("POST /v1/events", "acme", event("e2").as_bytes()).await;
    assert_eq!(
        (uncertain.status.as_u16(), uncertain.code().as_str()),
        (503, "uncertain"),
        "{}",
        uncertain.text()
    );
    site.faults.set_failing_syncs(false);
    // Readiness says so without anybody sending more.
    let told = site.until("GET /readyz", "", |answer| answer.text().contains("since a flush failed")).await;
    assert_eq!((told.status.as_u16(), &told.json()["checks"]["journal"]["ok"]), (503, &false.into()));
    let refused = site.ask("POST /v1/events", "acme", event("e3").as_bytes()).await;
    assert_eq!(refused.code(), "journal_unavailable");
    assert!(!refused.text().contains("injected"), "what the disk said is for the operator");
    assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.json()["size"], 1, "reads go on");
    let site = site.restart().await;
    let answer = site.post("acme", &event("e2")).await;
    assert_eq!(answer["results"][0]["position"], 1, "stored once, whether or not the first try survived");
    assert_eq!(site.ask("GET /readyz", "", b"").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_writes_refuse_plainly_and_come_back() {
    let site = Site::on_disk().await;
    site.faults.set_failing_writes(true);
    let refused = site.ask("POST /v1/events", "acme", event("e1").as_bytes()).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "journal_unavailable"));
    site.faults.set_failing_writes(false);
    site.until("GET /readyz", "", |answer| answer.status == 200).await;
    assert_eq!(site.post("acme", &event("e1")).await["created"], 1);
}
