//! `annals backup` and `annals restore` of a ledger whose signing key is with a signer of its own.

use crate::support::{Server, World};

fn signer(world: &World) -> Server {
    let args = ["signer", "--json", "--data", "signer", "--listen", "unix:s.sock", "--name", "log.example"];
    Server::start(&mut world.command(&args))
}

fn serving(world: &World, data: &str) -> std::process::Command {
    let mut command = world.command(&["serve", "--json", "--data", data, "--listen", "127.0.0.1:0"]);
    let url = format!("unix:{}", world.path("s.sock").display());
    command.env("ANNALS_SIGNER__URL", url).env("ANNALS_SIGNER__TOKEN_FILE", world.path("signer/token"));
    command
}

/// Names of all files below a folder, and whether one of them holds this text.
fn holds(folder: &std::path::Path, needle: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap();
        path.display().to_string().contains(needle)
            || bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

#[tokio::test]
async fn a_ledger_without_its_key_comes_back_and_goes_on_with_its_signer() {
    let world = World::new();
    let signer = signer(&world);
    let server = Server::start(&mut serving(&world, "data"));
    let key = server.operator_key();
    server.post(&key, 0, 50).await;
    let verify = |server: &Server| world.run(&["verify", server.url(), "--key", &key, "--tenant", "acme"]);
    assert_eq!(verify(&server).code, Some(0));
    let backup = |data: &str| {
        let said = world.run(&["backup", "backups", "--data", data, "--json"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.result()["events"].as_u64().unwrap()
    };
    assert_eq!(backup("data"), 50, "while the server runs");
    server.stop();
    assert_eq!(backup("data"), 50);
    assert!(!holds(&world.path("backups"), "PRIVATE+KEY"), "the key is not there");

    // Elsewhere; the signer remembers what it signed, and all of it is there.
    std::fs::rename(world.path("data"), world.path("lost")).unwrap();
    let said = world.run(&["restore", "backups", "--data", "back", "--json"]);
    assert_eq!((said.code, &said.result()["events"]), (Some(0), &50.into()), "{said:?}");
    assert!(said.stderr.contains("is with a signer of its own"), "{said:?}");
    assert!(!said.stderr.contains("put your copy"), "{said:?}");
    assert_eq!(world.run(&["verify", "back"]).code, Some(0));
    let server = Server::start(&mut serving(&world, "back"));
    server.post(&key, 50, 30).await;
    let said = verify(&server);
    assert!(said.code == Some(0) && said.stdout.contains("extends the 50 accepted before"), "{said:?}");
    server.stop();

    // An older backup lacks what was signed since: the signer does not sign another history of it.
    let said = world.run(&["restore", "backups", "--at", "1", "--data", "older", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = World::finished(&mut serving(&world, "older"));
    assert!(said.code == Some(8) && said.stderr.contains("was signed before"), "{said:?}");
    signer.stop();
}
