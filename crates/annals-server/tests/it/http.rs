//! What holds for every route: ids, headers, methods, connections, TLS.

use std::sync::Arc;
use std::time::Duration;

use annals_server::{Limits, Listening, Settings, TlsFiles};
use expect_test::expect;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site::{PATIENCE, Site, event};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_is_kept_or_given() {
    let site = Site::new().await;
    let kept = site.ask("GET /nowhere\nx-request-id: abc.1-2_3", "", b"").await;
    assert_eq!((kept.header("x-request-id"), &kept.json()["request_id"]), ("abc.1-2_3", &"abc.1-2_3".into()));
    let long = "x".repeat(129);
    for sent in ["a b", "é", "", &long] {
        let given = site.ask(&format!("GET /nowhere\nx-request-id: {sent}"), "", b"").await;
        assert_ne!(given.header("x-request-id"), sent);
        assert!(!given.header("x-request-id").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_and_methods_are_problems() {
    let site = Site::new().await;
    site.check(
        "GET /v1/nothing",
        "",
        "",
        expect![[r#"
        404
        {
          "code": "route_unknown",
          "detail": "there is no such route; `/openapi.json` lists them all",
          "request_id": "r-1",
          "status": 404
        }
    "#]],
    )
    .await;
    let answer = site.ask("DELETE /v1/events", "acme", b"").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (405, "method"));
    assert_eq!(answer.header("allow"), "POST,GET,HEAD");
    assert_eq!(answer.header("content-type"), "application/problem+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_changes_or_deletes_an_event() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    for method in ["PUT", "PATCH", "DELETE", "POST"] {
        assert_eq!(
            site.ask(&format!("{method} /v1/events/e1"), "operator", b"").await.status,
            405,
            "{method}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_not_to_be_stored_or_guessed_at() {
    let site = Site::new().await;
    for head in ["GET /v1/feed", "GET /healthz", "GET /nowhere"] {
        let answer = site.ask(head, "acme", b"").await;
        assert_eq!(
            (answer.header("cache-control"), answer.header("x-content-type-options")),
            ("no-store", "nosniff"),
            "{head}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_from_elsewhere_than_the_proxy_is_closed() {
    let listening =
        Listening { behind_proxy: Some(vec!["192.0.2.0/24".parse().unwrap()]), ..Listening::default() };
    let site = Site::with(Settings::default(), listening).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    // The connection may be reset before or after it takes our bytes.
    drop(stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await);
    let mut said = Vec::new();
    drop(tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap());
    assert!(said.is_empty(), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_and_slow_connections_are_closed() {
    let limits = Limits { headers_max: Duration::from_millis(200), ..Limits::default() };
    let site = Site::with(Settings::default(), Listening { limits, ..Listening::default() }).await;
    for said in [b"".as_slice(), b"PRI * HTTP/2", b"GET /healthz HTTP/1.1\r\nhost: x"] {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        drop(
            tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
                .await
                .expect("the server closes it"),
        );
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_cap_are_closed_and_counted() {
    let limits = Limits { connections_max: 2, ..Limits::default() };
    let site = Site::with(Settings::default(), Listening { limits, ..Listening::default() }).await;
    // The system may hand them over in another order than they came in.
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        asking.spawn(async move {
            let mut said = Vec::new();
            drop(stream.read_to_end(&mut said).await);
            said
        });
    }
    let closed = tokio::time::timeout(PATIENCE, asking.join_next()).await.expect("the server closes one");
    assert!(closed.unwrap().unwrap().is_empty());
    assert_eq!(asking.len(), 2, "the others are kept");
}

/// Trusts whatever is shown; the test looks at the certificate itself.
#[derive(Debug)]
struct Anyone;

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Asks for `/healthz` over TLS; gives the status and the certificate shown.
async fn over_tls(site: &Site, protocol: &[u8]) -> (u16, Vec<u8>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(site.address).await.unwrap();
    let stream =
        connector.connect(ServerName::try_from("annals.example.com").unwrap(), stream).await.unwrap();
    let (_, session) = stream.get_ref();
    assert_eq!(session.alpn_protocol(), Some(protocol));
    let shown = session.peer_certificates().unwrap()[0].to_vec();
    let mut request = site.request("GET /healthz", "", b"");
    let response = if protocol == b"h2" {
        *request.uri_mut() = "https://annals.example.com/healthz".parse().unwrap();
        request.headers_mut().remove("host");
        let executor = hyper_util::rt::TokioExecutor::new();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        sender.send_request(request).await.unwrap()
    };
    (response.status().as_u16(), shown)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_as_long_as_a_cursor_may_be_is_taken_over_http_2_too() {
    let site = Site::new().await;
    let stream = TcpStream::connect(site.address).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let cursor = "x".repeat(annals_ledger::cursor::CURSOR_BYTES_MAX);
    let mut request = site.request(&format!("GET /v1/events?cursor={cursor}"), "acme", b"");
    *request.uri_mut() = format!("http://a.example{}", request.uri()).parse().unwrap();
    request.headers_mut().remove("host");
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 400, "it is no cursor, but it is read");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_read_again_and_a_bad_file_keeps_the_old() {
    let folder = tempfile::tempdir().unwrap();
    let files = TlsFiles { certificates: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    let write = || {
        let made = rcgen::generate_simple_self_signed(vec!["annals.example.com".to_owned()]).unwrap();
        std::fs::write(&files.certificates, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    };
    let first = write();
    let site =
        Site::with(Settings::default(), Listening { tls: Some(files.clone()), ..Listening::default() }).await;
    assert_eq!(over_tls(&site, b"http/1.1").await, (200, first.clone()));
    assert_eq!(over_tls(&site, b"h2").await, (200, first.clone()));
    std::fs::write(&files.certificates, "nonsense").unwrap();
    assert!(site.handle().reload_tls().is_err());
    assert_eq!(over_tls(&site, b"h2").await, (200, first.clone()));
    let second = write();
    site.handle().reload_tls().unwrap();
    assert_eq!(over_tls(&site, b"h2").await, (200, second));
}
