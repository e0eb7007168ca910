//! `annals export --bundle`, and `annals verify` on what it wrote and on what others made of it.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::{Note, SigningKey};
use expect_test::expect;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::support::{Said, Server, World};

async fn server(world: &World, records: u64) -> (Server, String) {
    let server = world.serve(&[]);
    let key = server.operator_key();
    for from in (0..records).step_by(1_000) {
        server.post(&key, from, (records - from).min(1_000)).await;
    }
    (server, key)
}

fn export(world: &World, server: &Server, key: &str, file: &str, extra: &[&str]) -> Said {
    let mut args =
        vec!["export", "--bundle", "--url", server.url(), "--key", key, "--tenant", "acme", "--output", file];
    args.extend(extra);
    world.run(&args)
}

/// The files of an archive, in order.
#[derive(Clone, Debug)]
pub(crate) struct Files(Vec<(String, Vec<u8>)>);

impl Files {
    pub(crate) fn read(path: &Path) -> Self {
        let mut archive = ZipArchive::new(Cursor::new(std::fs::read(path).unwrap())).unwrap();
        let mut files = Vec::new();
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            files.push((file.name().unwrap().into_owned(), content));
        }
        Self(files)
    }

    /// As other tools pack: sizes in front, no descriptors.
    pub(crate) fn write(&self, path: &Path, method: CompressionMethod) {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in &self.0 {
            zip.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
            zip.write_all(content).unwrap();
        }
        std::fs::write(path, zip.finish().unwrap().into_inner()).unwrap();
    }

    pub(crate) fn get(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.0.iter_mut().find(|(known, _)| known == name).unwrap().1
    }

    pub(crate) fn text(&mut self, name: &str) -> String {
        String::from_utf8(self.get(name).clone()).unwrap()
    }

    pub(crate) fn add(&mut self, name: &str, content: Vec<u8>) {
        self.0.push((name.to_owned(), content));
    }

    pub(crate) fn manifest(&mut self, change: impl FnOnce(&mut Value)) {
        let mut manifest: Value = serde_json::from_slice(self.get("manifest.json")).unwrap();
        change(&mut manifest);
        *self.get("manifest.json") = serde_json::to_vec(&manifest).unwrap();
    }

    /// Makes the manifest list the files as they are now.
    pub(crate) fn relist(&mut self) {
        let listed: Vec<Value> = self
            .0
            .iter()
            .filter(|(name, _)| name != "manifest.json")
            .map(|(name, content)| {
                let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
                json!({"name": name, "bytes": content.len(), "sha256": hash})
            })
            .collect();
        self.manifest(|manifest| manifest["files"] = listed.into());
    }

    /// Signs a checkpoint anew, with a key that `trust.json` then names.
    pub(crate) fn sign(&mut self, seed: u8, change: impl FnOnce(&mut Checkpoint)) {
        let note = self.text("checkpoint");
        let mut checkpoint = Checkpoint::parse(Note::parse(&note).unwrap().text()).unwrap();
        change(&mut checkpoint);
        let key = SigningKey::from_seed(&checkpoint.origin, &[seed; 32]).unwrap();
        *self.get("checkpoint") = key.sign(&checkpoint.to_text()).unwrap().into_bytes();
        let trust = json!({"keys": [{"key": key.verifier_key().to_string(), "from": 0, "until": null}], "witnesses": []});
        *self.get("trust.json") = trust.to_string().into_bytes();
    }
}

#[tokio::test]
async fn evidence_is_exported_and_verified_without_the_server() {
    let world = World::new();
    let (server, key) = server(&world, 300).await;
    let said = export(&world, &server, &key, "all.zip", &[]);
    expect![[r#"
        exit 0
        --- stdout
        exported evidence of log [LEDGER]/t/[LOG] to all.zip: 300 records as of its checkpoint, 300 events shown that match; 300 intact, 0 withheld, 0 erased, 0 expired, 0 unexplained; [NUMBER] bytes
    "#]]
    .assert_eq(&said.masked(&world));
    for (file, extra) in [
        ("some.zip", &["--filter", "metadata.number gt 290"][..]),
        (
            "gap-free.zip",
            &["--mode", "gap-free", "--from", "100", "--to", "200", "--filter", "metadata.number lt 150"],
        ),
        (
            "covered.zip",
            &["--mode", "covered", "--withhold", "/actor/name", "--filter", "metadata.number gt 290"],
        ),
        ("access.zip", &["--access"]),
    ] {
        assert_eq!(export(&world, &server, &key, file, extra).code, Some(0), "{file}");
    }
    server.stop();
    world.check(&["verify", "all.zip"], &expect![[r#"
        exit 0
        --- stdout
        range     positions 0 to 299, a selection: 300 events match and are shown
        ok        tenant `acme`, log [LEDGER]/t/[LOG]: 300 records, root [HASH], 300 intact, 0 withheld, 0 erased, 0 expired, 0 unexplained
        --- stderr
        note: a selection shows that its events are in the log, unchanged; that it leaves none out that matches cannot be seen from it. `--mode covered` shows that.
        checked [COUNT] records in [TIME]
        note: the key was taken from the target itself and is remembered from now on; so far this shows only that the log agrees with itself. Compare the key with one you got elsewhere, or give it with `--log-key`.
    "#]]);
    for (file, matched, verdicts) in [
        ("some.zip", 9, json!({"intact": 9, "withheld": 0, "erased": 0, "expired": 0, "unexplained": 0})),
        (
            "gap-free.zip",
            50,
            json!({"intact": 50, "withheld": 50, "erased": 0, "expired": 0, "unexplained": 0}),
        ),
        (
            "covered.zip",
            9,
            json!({"intact": 0, "withheld": 300, "erased": 0, "expired": 0, "unexplained": 0}),
        ),
    ] {
        let said = world.run(&["verify", file, "--json"]);
        assert_eq!(said.code, Some(0), "{file}: {}", said.stdout);
        let first: Value = serde_json::from_str(said.stdout.lines().next().unwrap()).unwrap();
        assert_eq!((&first["matched"], &first["verdicts"]), (&matched.into(), &verdicts), "{file}");
    }
    assert_eq!(world.run(&["verify", "access.zip"]).code, Some(0));
    let each = world.run(&["verify", "gap-free.zip", "--positions"]);
    assert_eq!(each.stdout.matches("intact      position ").count(), 50);
    assert!(each.stdout.contains("withheld    position 199\n"), "{}", each.stdout);
    let report = Files::read(&world.path("covered.zip")).text("report.html");
    assert!(report.contains("video.update") && !report.contains("Ana Example"), "its name is withheld");
}

#[tokio::test]
async fn a_killed_export_goes_on_and_its_log_is_the_same() {
    let world = World::new();
    let (server, key) = server(&world, 12_000).await;
    assert_eq!(export(&world, &server, &key, "whole.zip", &["--mode", "gap-free"]).code, Some(0));
    let mut kills = 0;
    for attempt in 0..10 {
        let file = format!("killed{attempt}.zip");
        let args = [
            "export",
            "--bundle",
            "--url",
            server.url(),
            "--key",
            &key,
            "--tenant",
            "acme",
            "--output",
            &file,
            "--mode",
            "gap-free",
        ];
        let lines = world.path(&format!("{file}.bundle.ndjson"));
        let mut child = world.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while child.try_wait().unwrap().is_none()
            && std::fs::metadata(&lines).map_or(0, |lines| lines.len()) < 1_000_000
        {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if world.path(&file).exists() {
            continue;
        }
        kills += 1;
        // What was being written may be cut anywhere.
        let written = std::fs::read(&lines).unwrap();
        std::fs::write(&lines, &written[..written.len() - usize::min(written.len(), 37 * attempt)]).unwrap();
        let other = world.run(&[&args[..], &["--withhold", "/actor/name"]].concat());
        assert_eq!(other.code, Some(5), "another question does not go on with it: {}", other.stderr);
        assert_eq!(world.run(&args).code, Some(0));
        assert!(!lines.exists() && !world.path(&format!("{file}.bundle.json")).exists());
        assert!(!world.path(&format!("{file}.bundle.part")).exists());
        let (mut one, mut two) = (Files::read(&world.path(&file)), Files::read(&world.path("whole.zip")));
        assert_eq!(one.get("log.ndjson"), two.get("log.ndjson"));
        assert_eq!(world.run(&["verify", &file]).code, Some(0));
        if kills == 3 {
            break;
        }
    }
    assert!(kills > 0, "one was killed in the middle");
    let again = export(&world, &server, &key, "whole.zip", &[]);
    expect![[r#"
        exit 5
        --- stderr
        error: `whole.zip` is there already
        hint: `--force` puts the new file in its place
    "#]]
    .assert_eq(&again.masked(&world));
    server.stop();
}

#[tokio::test]
async fn other_tools_may_pack_it_anew() {
    let world = World::new();
    let (server, key) = server(&world, 50).await;
    assert_eq!(export(&world, &server, &key, "a.zip", &[]).code, Some(0));
    server.stop();
    let mut files = Files::read(&world.path("a.zip"));
    files.0.reverse();
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        files.write(&world.path("b.zip"), method);
        let said = world.run(&["verify", "b.zip"]);
        assert_eq!(said.code, Some(0), "{}", said.stdout);
    }
}

type Change = (&'static str, fn(&mut Files), &'static str);

/// What somebody may do who has a bundle, and who can make manifest and hashes fit again.
const CHANGES: &[Change] = &[
    (
        "a value of an event",
        |files| replace(files, "log.ndjson", "Ana Example", "Eve Example"),
        "position 0: the event's values are not those that were recorded",
    ),
    ("a line is gone", |files| drop_line(files, 17), "position 18: comes where position 17 has to"),
    ("two lines in another order", |files| swap_lines(files, 3), "position 4: comes where position 3 has to"),
    ("a line twice", |files| repeat_line(files, 9), "position 9: comes where position 10 has to"),
    (
        "the end is gone",
        |files| drop_line(files, 59),
        "position 59: the log ends here, its checkpoint has 60 records",
    ),
    ("a line cut short", |files| files.get("log.ndjson").truncate(9_000), "the last line is cut short"),
    (
        "a line that is none",
        |files| replace(files, "log.ndjson", "{\"position\":5,", "{\"place\":5,"),
        "after position 5: ",
    ),
    (
        "an entry in the past",
        |files| backdate(files, 30),
        "the records and hashes do not give the root that was signed",
    ),
    (
        "a lie about counts",
        |files| files.manifest(|of| of["counts"]["disclosed"] = 59.into()),
        "the manifest counts 60 records, 59 of them disclosed; there are 60 and 60",
    ),
    (
        "a lie about the range",
        |files| files.manifest(|of| of["range"] = json!([0, 61])),
        "the manifest's range 0 to 61 is none of this log",
    ),
    (
        "a range that is less",
        |files| files.manifest(|of| of["range"] = json!([0, 40])),
        "position 40: an event outside of the range that the manifest names",
    ),
    (
        "an empty range",
        |files| files.manifest(|of| of["range"] = json!([5, 5])),
        "the bundle accounts for no position: its range is empty",
    ),
    (
        "a filter that takes less",
        |files| files.manifest(|of| of["filter"] = "action=user.login".into()),
        "position 0: an event that the filter does not take",
    ),
    (
        "a filter that is none",
        |files| files.manifest(|of| of["filter"] = "filter=((".into()),
        "`manifest.json`: the filter cannot be read: ",
    ),
    (
        "another log's name",
        |files| files.manifest(|of| of["origin"] = "log.example/t/00".into()),
        "the manifest is of log log.example/t/00, the checkpoint of ",
    ),
    (
        "another size",
        |files| files.manifest(|of| of["size"] = 59.into()),
        "the manifest says 59 records, the checkpoint 60",
    ),
    (
        "a manifest that is none",
        |files| *files.get("manifest.json") = b"{\"format\":\"annals-bundle/1\"}".to_vec(),
        "`manifest.json`: missing field",
    ),
    ("a checkpoint that is none", |files| *files.get("checkpoint") = b"hello\n".to_vec(), "`checkpoint`: "),
    ("a signature by nobody", |files| flip_signature(files), "`checkpoint`: "),
    (
        "no checkpoint",
        |files| files.0.retain(|(name, _)| name != "checkpoint"),
        "the bundle has no `checkpoint`",
    ),
    (
        "an erasure that nobody stated",
        |files| erase(files, 12),
        "position 12: said to be erased by entry 20, which the bundle does not have",
    ),
    (
        "an expiry that nobody stated",
        |files| expire(files, 12),
        "position 12: said to be expired by entry 20, which the bundle does not have",
    ),
    (
        "an erasure that is not in the log",
        |files| forge_lifecycle(files),
        "an entry of `lifecycle.ndjson` excuses others and is not in the log",
    ),
    ("a fork under the same key", |files| fork(files), "`checkpoint`: "),
];

/// Changes after which the manifest's hashes are left as they were.
const UNLISTED: &[Change] = &[
    (
        "a report that says otherwise",
        |files| replace(files, "report.html", "Ana Example", "Eve Example"),
        "`report.html` does not have the SHA-256 that `manifest.json` says",
    ),
    (
        "white space in the log",
        |files| replace(files, "log.ndjson", "{\"position\":5,", "{\"position\":5 ,"),
        "`log.ndjson` has ",
    ),
    (
        "a letter of the log",
        |files| replace(files, "log.ndjson", "\"entry\"", "\"ent\\u0072y\""),
        "`log.ndjson` has ",
    ),
    (
        "a file that is not listed",
        |files| files.manifest(|of| drop(of["files"].as_array_mut().unwrap().remove(0))),
        "`checkpoint` is not listed in `manifest.json`",
    ),
    (
        "a file that is not there",
        |files| files.0.retain(|(name, _)| name != "README.txt"),
        "`manifest.json` lists `README.txt`, which is not there",
    ),
    (
        "a file listed twice",
        |files| {
            files.manifest(|of| {
                let first = of["files"][0].clone();
                of["files"].as_array_mut().unwrap().push(first);
            })
        },
        "`manifest.json` lists `checkpoint` twice",
    ),
    (
        "an unknown file",
        |files| files.0.push(("extra.txt".to_owned(), b"x".to_vec())),
        "`extra.txt` is no file of a bundle",
    ),
    (
        "a path that leads elsewhere",
        |files| files.0.push(("../../x".to_owned(), b"x".to_vec())),
        "`../../x` is no file of a bundle",
    ),
    (
        "another format",
        |files| files.manifest(|of| of["format"] = "annals-bundle/9".into()),
        "is a bundle of the format `annals-bundle/9`",
    ),
];

fn lines(files: &mut Files) -> Vec<String> {
    files.text("log.ndjson").split_inclusive('\n').map(str::to_owned).collect()
}

fn set_lines(files: &mut Files, lines: &[String]) {
    *files.get("log.ndjson") = lines.concat().into_bytes();
    let shown = lines.iter().filter(|line| line.contains("\"units\"")).count();
    let records = lines.iter().filter(|line| line.starts_with("{\"position\"")).count();
    files.manifest(|of| of["counts"] = json!({"records": records, "disclosed": shown}));
}

fn replace(files: &mut Files, name: &str, from: &str, to: &str) {
    let text = files.text(name);
    assert!(text.contains(from), "`{from}` is in {name}");
    *files.get(name) = text.replacen(from, to, 1).into_bytes();
}

fn drop_line(files: &mut Files, at: usize) {
    let mut all = lines(files);
    all.remove(at);
    set_lines(files, &all);
}

fn swap_lines(files: &mut Files, at: usize) {
    let mut all = lines(files);
    all.swap(at, at + 1);
    set_lines(files, &all);
}

fn repeat_line(files: &mut Files, at: usize) {
    let mut all = lines(files);
    all.insert(at, all[at].clone());
    set_lines(files, &all);
}

/// Sets the time in an entry back; the commitment stays.
fn backdate(files: &mut Files, at: usize) {
    let mut all = lines(files);
    let mut line: Value = serde_json::from_str(&all[at]).unwrap();
    let entry = line["entry"].as_str().unwrap().to_owned();
    line["entry"] = format!("{}{:016x}{}", &entry[..8], 1, &entry[24..]).into();
    all[at] = format!("{line}\n");
    set_lines(files, &all);
}

fn flip_signature(files: &mut Files) {
    let note = files.text("checkpoint");
    let at = note.rfind(' ').unwrap() + 20;
    let other = if note.as_bytes()[at] == b'A' { "B" } else { "A" };
    *files.get("checkpoint") = format!("{}{other}{}", &note[..at], &note[at + 1..]).into_bytes();
}

/// Hides a record's last unit as if entry 20 had erased it.
fn erase(files: &mut Files, at: usize) {
    hide_units(files, at, |number, count| (number + 1 == count).then_some(json!(20)));
}

/// Gives digests in place of units, with what `hidden` says behind them.
fn hide_units(files: &mut Files, at: usize, hidden: impl Fn(usize, usize) -> Option<Value>) {
    let mut all = lines(files);
    let mut line: Value = serde_json::from_str(&all[at]).unwrap();
    let secret = line["secret"].as_str().unwrap().to_owned();
    let bytes: Vec<u8> =
        (0..16).map(|byte| u8::from_str_radix(&secret[2 * byte..2 * byte + 2], 16).unwrap()).collect();
    let secret = annals_tree::Secret::from_bytes(bytes.try_into().unwrap());
    let units = line["units"].as_array().unwrap().clone();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let count = units.len();
    let shown = units.iter().enumerate().map(|(number, unit)| {
        let salt = annals_tree::commitment::salt(&secret, u32::try_from(number).unwrap());
        let (name, value) = (unit[0].as_str().unwrap(), unit[1].as_str().unwrap());
        let digest = annals_tree::unit_digest(&salt, name.as_bytes(), value.as_bytes()).unwrap();
        match hidden(number, count) {
            Some(Value::Null) => json!([hex(&digest.0)]),
            Some(by) => json!([hex(&digest.0), by]),
            None => json!([name, value, hex(&salt)]),
        }
    });
    line["units"] = shown.collect();
    line.as_object_mut().unwrap().remove("secret");
    all[at] = format!("{line}\n");
    set_lines(files, &all);
}

fn expire(files: &mut Files, at: usize) {
    let mut all = lines(files);
    let mut line: Value = serde_json::from_str(&all[at]).unwrap();
    let members = line.as_object_mut().unwrap();
    members.remove("secret");
    members.remove("units");
    line["expired"] = 20.into();
    all[at] = format!("{line}\n");
    set_lines(files, &all);
}

/// An erasure that `lifecycle.ndjson` has and the log has not.
fn forge_lifecycle(files: &mut Files) {
    erase(files, 12);
    let body = br#"{"metadata":{"approvals":2,"approvals_required":2,"case":"00","erased":[{"runs":[[0,19]],"units":[0,1,2,3,4,5,6]}],"reason":"x","stage":"done"}}"#;
    let entry = annals_tree::entry::Entry::stating(annals_tree::EntryKind::Erasure, 0, 1, body.to_vec());
    let entry = entry.unwrap().encode().unwrap();
    let entry: String = entry.iter().map(|byte| format!("{byte:02x}")).collect();
    *files.get("lifecycle.ndjson") = format!("{{\"position\":20,\"entry\":\"{entry}\"}}\n").into_bytes();
}

/// The checkpoint of another tree, with the signature of this one.
fn fork(files: &mut Files) {
    let note = files.text("checkpoint");
    let root = note.lines().nth(2).unwrap().to_owned();
    let other = if root.starts_with('A') { "B" } else { "A" };
    *files.get("checkpoint") = note.replacen(&root, &format!("{other}{}", &root[1..]), 1).into_bytes();
}

#[tokio::test]
async fn whatever_is_changed_in_a_bundle_is_found() {
    let world = World::new();
    let (server, key) = server(&world, 60).await;
    assert_eq!(export(&world, &server, &key, "good.zip", &[]).code, Some(0));
    server.stop();
    for (changes, is_relisted) in [(CHANGES, true), (UNLISTED, false)] {
        for (what, change, expected) in changes {
            let mut files = Files::read(&world.path("good.zip"));
            change(&mut files);
            if is_relisted && *what != "a manifest that is none" {
                files.relist();
            }
            files.write(&world.path("bad.zip"), CompressionMethod::Deflated);
            let said = world.run(&["verify", "bad.zip", "--json"]);
            let code = if *what == "another format" { 2 } else { 8 };
            assert_eq!(said.code, Some(code), "{what}: {} {}", said.stdout, said.stderr);
            assert!(
                said.stdout.contains(&json!(expected).to_string()[1..expected.len()]),
                "{what}: {}",
                said.stdout
            );
            assert!(!said.stdout.contains("\"verdict\":\"ok\""), "{what}: {}", said.stdout);
        }
    }
    assert_eq!(world.run(&["verify", "good.zip"]).code, Some(0));
}

#[tokio::test]
async fn a_covered_bundle_that_leaves_a_hit_out_is_found() {
    let world = World::new();
    let (server, key) = server(&world, 40).await;
    let extra = ["--mode", "covered", "--filter", "metadata.number ge 35"];
    assert_eq!(export(&world, &server, &key, "good.zip", &extra).code, Some(0));
    server.stop();
    assert_eq!(world.run(&["verify", "good.zip"]).code, Some(0));
    for (hit, expected) in [
        (Hide::All, "position 37: whether the filter takes this event cannot be told from what is shown"),
        (Hide::Looked, "position 37: whether the filter takes this event cannot be told from what is shown"),
        (Hide::Others, "position 37: the filter takes this event, and the bundle does not show it"),
    ] {
        let mut files = Files::read(&world.path("good.zip"));
        hide(&mut files, 37, hit);
        files.relist();
        files.write(&world.path("bad.zip"), CompressionMethod::Deflated);
        let said = world.run(&["verify", "bad.zip"]);
        assert_eq!(said.code, Some(8), "{}", said.stdout);
        assert!(said.stdout.contains(expected), "{}", said.stdout);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Hide {
    All,
    /// The unit that the filter looks at.
    Looked,
    /// All others.
    Others,
}

fn hide(files: &mut Files, at: usize, what: Hide) {
    if what == Hide::All {
        expire(files, at);
        return replace(files, "log.ndjson", ",\"expired\":20", "");
    }
    // The filter looks at the last unit.
    hide_units(files, at, |number, count| match what {
        Hide::Looked => (number + 1 == count).then_some(Value::Null),
        _ => (number > 0 && number + 1 < count).then_some(Value::Null),
    });
}

#[tokio::test]
async fn keys_and_earlier_checkpoints_are_held_against_a_bundle() {
    let world = World::new();
    let (server, key) = server(&world, 30).await;
    assert_eq!(export(&world, &server, &key, "old.zip", &[]).code, Some(0));
    let old = Files::read(&world.path("old.zip")).text("checkpoint");
    std::fs::write(world.path("old.checkpoint"), old).unwrap();
    server.post(&key, 30, 20).await;
    let bare = ["--filter", "metadata.number eq 49"];
    assert_eq!(export(&world, &server, &key, "new.zip", &bare).code, Some(0));
    let linked = [&bare[..], &["--earlier", "old.checkpoint"]].concat();
    assert_eq!(export(&world, &server, &key, "linked.zip", &linked).code, Some(0));

    // Another tenant's key.
    let other = SigningKey::from_seed("log.example/t/00", &[3; 32]).unwrap().verifier_key().to_string();
    let said = world.run(&["verify", "new.zip", "--log-key", &other]);
    assert_eq!(said.code, Some(8));
    assert!(said.stdout.contains("the key given is of `log.example/t/00`"), "{}", said.stdout);

    assert_eq!(world.run(&["verify", "old.zip"]).code, Some(0));
    let said = world.run(&["verify", "new.zip"]);
    assert_eq!(said.code, Some(8));
    assert!(said.stdout.contains("nothing in the bundle shows that it extends the 30 records accepted before; ask for one made with `--earlier 30`"), "{}", said.stdout);
    let said = world.run(&["verify", "linked.zip"]);
    assert_eq!(said.code, Some(0), "{}", said.stdout);
    assert!(said.stdout.contains("extends the 30 accepted before"), "{}", said.stdout);
    // Now the first one is old.
    let said = world.run(&["verify", "old.zip"]);
    assert_eq!(said.code, Some(8));
    assert!(
        said.stdout.contains("has 30 records, and 50 were accepted before: it is older than what is known"),
        "{}",
        said.stdout
    );
    // By itself an export is tied to what was verified here.
    server.post(&key, 50, 5).await;
    assert_eq!(
        export(&world, &server, &key, "next.zip", &["--filter", "metadata.number eq 1"]).code,
        Some(0)
    );
    let said = world.run(&["verify", "next.zip"]);
    assert!(said.stdout.contains("extends the 50 accepted before"), "{}", said.stdout);
    server.stop();

    // A whole history by somebody else is that of another key.
    let mut files = Files::read(&world.path("next.zip"));
    files.sign(7, |_| ());
    files.relist();
    files.write(&world.path("forged.zip"), CompressionMethod::Deflated);
    let said = world.run(&["verify", "forged.zip"]);
    assert_eq!(said.code, Some(8));
    assert!(
        said.stdout.contains("the key that the log shows is another than the one it is checked with"),
        "{}",
        said.stdout
    );
    // A checkpoint that a key signed which nobody knows.
    let mut files = Files::read(&world.path("next.zip"));
    let trust = files.text("trust.json");
    files.sign(7, |_| ());
    *files.get("trust.json") = trust.into_bytes();
    files.relist();
    files.write(&world.path("forged.zip"), CompressionMethod::Deflated);
    let said = world.run(&["verify", "forged.zip"]);
    assert_eq!(said.code, Some(8));
    assert!(said.stdout.contains("`checkpoint`: "), "{}", said.stdout);
}

#[tokio::test]
async fn a_broken_archive_is_no_bundle() {
    let world = World::new();
    let (server, key) = server(&world, 60).await;
    assert_eq!(export(&world, &server, &key, "good.zip", &[]).code, Some(0));
    server.stop();
    let good = std::fs::read(world.path("good.zip")).unwrap();
    let refused = |bytes: &[u8], expected: &str| {
        std::fs::write(world.path("bad.zip"), bytes).unwrap();
        let said = world.run(&["verify", "bad.zip"]);
        assert_eq!(said.code, Some(8), "{expected}: {} {}", said.stdout, said.stderr);
        assert!(said.stdout.contains(expected), "{expected}: {}", said.stdout);
    };
    for length in [0, 1, 21, 22, 100, good.len() / 2, good.len() - 1] {
        refused(&good[..length], "it may be cut short");
    }
    refused(&[&good[..], b"x"].concat(), "it may be cut short");
    refused(&[b"x", &good[..]].concat(), "it may be cut short");
    let place = |needle: &[u8], nth: usize| {
        let found = good.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle);
        found.map(|(at, _)| at).nth(nth).unwrap()
    };
    let patched = |at: usize, patch: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + patch.len()].copy_from_slice(patch);
        bytes
    };
    // The name in the directory stands twice then, and the other way round in the header of the file.
    let central = place(b"trust.json", 1);
    refused(&patched(central, b"checkpoint"), "`checkpoint` is there twice");
    let local = place(b"trust.json", 0);
    refused(
        &patched(local, b"checkpoint"),
        "`trust.json`: its header and the directory do not say the same of its name",
    );
    let directory = place(b"PK\x01\x02", 0);
    refused(
        &patched(directory + 8, &[9, 0]),
        "`checkpoint` is encrypted, or written in a way that bundles are not",
    );
    refused(&patched(directory + 10, &[12, 0]), "`checkpoint` is compressed in a way that bundles are not");
    refused(
        &patched(directory + 16, &[1, 2, 3, 4]),
        "`checkpoint`: what stands behind its data and the directory do not say the same",
    );
    refused(
        &patched(6, &[0, 0]),
        "`checkpoint`: its header and the directory do not say the same of how it is written",
    );
    // One file that says it has more than any bundle's, and one that has more than it says.
    let mut files = Files::read(&world.path("good.zip"));
    *files.get("README.txt") = vec![b'a'; 2 << 20];
    files.relist();
    files.write(&world.path("bomb.zip"), CompressionMethod::Deflated);
    refused(
        &std::fs::read(world.path("bomb.zip")).unwrap(),
        "`README.txt` has 2097152 bytes, a bundle's at most 1048576",
    );
    let mut files = Files::read(&world.path("good.zip"));
    *files.get("README.txt") = vec![b'a'; 1 << 20];
    files.relist();
    files.manifest(|of| {
        let listed = of["files"].as_array_mut().unwrap();
        listed.iter_mut().find(|file| file["name"] == "README.txt").unwrap()["bytes"] = 7.into();
    });
    files.write(&world.path("bomb.zip"), CompressionMethod::Deflated);
    let bytes = std::fs::read(world.path("bomb.zip")).unwrap();
    let mut short = bytes.clone();
    let name = b"README.txt";
    let places = (0..bytes.len() - name.len()).filter(|at| bytes[*at..].starts_with(name));
    let places: Vec<usize> = places.collect();
    // Behind the local header's fixed part, and behind the directory's.
    for length_at in [places[0] - 30 + 22, places[places.len() - 1] - 46 + 24] {
        assert_eq!(bytes[length_at..length_at + 4], (1_u32 << 20).to_le_bytes());
        short[length_at..length_at + 4].copy_from_slice(&7_u32.to_le_bytes());
    }
    refused(&short, "`README.txt` is longer than the directory says");
}

#[tokio::test]
async fn no_byte_of_an_archive_can_be_changed_unseen() {
    let world = World::new();
    let (server, key) = server(&world, 3).await;
    assert_eq!(export(&world, &server, &key, "good.zip", &[]).code, Some(0));
    server.stop();
    let good = std::fs::read(world.path("good.zip")).unwrap();
    let step = good.len() / 60;
    for at in (0..good.len()).step_by(step.max(1)) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(world.path("bad.zip"), bytes).unwrap();
        let said = world.run(&["verify", "bad.zip"]);
        // A few bytes of headers mean nothing: times, attributes, versions.
        let is_the_same = said.code == Some(0) && {
            let (one, two) = (Files::read(&world.path("good.zip")), Files::read(&world.path("bad.zip")));
            one.0 == two.0
        };
        assert!(is_the_same || said.code == Some(8), "byte {at}: {said:?}");
    }
}
