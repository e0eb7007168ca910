//! Signer and witness on other machines: asked over TLS, and only where the certificate is of somebody we trust.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Server, World};

/// A certificate and its key, in files of the world; whoever trusts it names it in `SSL_CERT_FILE`.
fn certificate(world: &World, name: &str) {
    let issued =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    std::fs::write(world.path(&format!("{name}.pem")), issued.cert.pem()).unwrap();
    std::fs::write(world.path(&format!("{name}.key")), issued.signing_key.serialize_pem()).unwrap();
}

/// A service that is reached with this certificate.
fn start(world: &World, args: &[&str], name: &str) -> Server {
    let (cert, key) = (format!("{name}.pem"), format!("{name}.key"));
    let tls = ["--json", "--listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key];
    let server = Server::start(&mut world.command(&[args, &tls].concat()));
    assert!(server.url().starts_with("https://"), "{}", server.url());
    server
}

/// A server with these settings that trusts this certificate.
fn serving(world: &World, trusted: &str, settings: &[(&str, String)]) -> Command {
    let mut command = world.command(&["serve", "--json", "--data", "data", "--listen", "127.0.0.1:0"]);
    command.env("SSL_CERT_FILE", world.path(&format!("{trusted}.pem")));
    command.envs(settings.iter().map(|(name, value)| (*name, value.as_str())));
    command
}

/// Asks until the answer is what is wanted.
async fn until(server: &Server, path: &str, key: &str, wanted: impl Fn(u16, &Value) -> bool) -> Value {
    for _ in 0..600 {
        let (status, answer) = server.get(path, key).await;
        if wanted(status, &answer) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("`{path}` does not come to what is wanted: {:?}", server.get(path, key).await)
}

#[tokio::test]
async fn a_signer_over_tls_signs_for_who_trusts_its_certificate() {
    let world = World::new();
    certificate(&world, "ours");
    certificate(&world, "others");
    let signer = start(&world, &["signer", "--data", "signer", "--name", "log.example"], "ours");
    let settings = [
        ("ANNALS_SIGNER__URL", signer.url().to_owned()),
        ("ANNALS_SIGNER__TOKEN_FILE", world.path("signer/token").display().to_string()),
    ];
    // Somebody who has the address has not the certificate: no ledger is begun with a key of his.
    let said = World::finished(&mut serving(&world, "others", &settings));
    assert_eq!(said.code, Some(7), "{said:?}");
    assert!(said.stdout.contains("certificate") || said.stderr.contains("certificate"), "{said:?}");

    let server = Server::start(&mut serving(&world, "ours", &settings));
    let key = server.operator_key();
    server.post(&key, 0, 20).await;
    assert_eq!(server.get("/v1/log?tenant=acme", &key).await.1["size"], 20);
    let published = world.run(&["publish", "--url", server.url(), "--key", &key, "--tenant", "acme", "log"]);
    assert_eq!(published.code, Some(0), "{published:?}");
    let ledger = signer.first_line["ledger_key"].as_str().unwrap();
    let said = world.run(&["verify", "log", "--log-key", ledger]);
    assert_eq!(said.code, Some(0), "{said:?}");
    server.stop();

    // The certificate is another now: events are taken, and nothing is signed meanwhile.
    let server = Server::start(&mut serving(&world, "others", &settings));
    server.post(&key, 20, 5).await;
    let ready =
        until(&server, "/readyz", "", |_, ready| ready["checks"]["signer"]["reason"].is_string()).await;
    assert_eq!(ready["ready"], true, "{ready}");
    let again = world.run(&["publish", "--url", server.url(), "--key", &key, "--tenant", "acme", "log"]);
    assert_eq!(again.code, Some(7), "{again:?}");
    server.stop();
    let server = Server::start(&mut serving(&world, "ours", &settings));
    let again = world.run(&["publish", "--url", server.url(), "--key", &key, "--tenant", "acme", "log"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let said = world.run(&["verify", "log"]);
    assert!(said.stdout.contains("extends the 20 accepted before"), "{said:?}");
    server.stop();
    signer.stop();
}

#[tokio::test]
async fn a_witness_over_tls_cosigns_for_who_trusts_its_certificate() {
    let world = World::new();
    certificate(&world, "ours");
    certificate(&world, "others");
    let server = world.serve(&[]);
    let key = server.operator_key();
    let ledger = server.get("/v1/status", &key).await.1["ledger_key"].as_str().unwrap().to_owned();
    server.stop();
    let args = ["witness", "--data", "w", "--ledger", &ledger, "--name", "w1"];
    let witness = start(&world, &args, "ours");
    let w1 = witness.first_line["witness_key"].as_str().unwrap().to_owned();
    let settings = [("ANNALS_WITNESS__LIST", format!("{} {w1}", witness.url()))];

    let server = Server::start(&mut serving(&world, "others", &settings));
    server.post(&key, 0, 20).await;
    let verify = |server: &Server| {
        world.run(&["verify", server.url(), "--key", &key, "--tenant", "acme", "--witness", &w1])
    };
    assert_eq!(verify(&server).code, Some(8), "nobody cosigned");
    let status = until(&server, "/v1/status", &key, |_, status| {
        status["witnessing"]["witnesses"][0]["reason"].is_string()
    })
    .await;
    assert_eq!(status["witnessing"]["witnesses"][0]["ok"], false, "{status}");
    server.stop();

    let server = Server::start(&mut serving(&world, "ours", &settings));
    let said = verify(&server);
    assert!(said.code == Some(0) && said.stdout.contains("by 1 of 1 witnesses"), "{said:?}");
    server.stop();
    witness.stop();
}
