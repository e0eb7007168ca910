//! `annals publish`.

pub(crate) mod shelf;

use std::cell::Cell;
use std::process::ExitCode;

use annals_bundle::{KeyChange, follow};
use annals_tree::checkpoint::{Checkpoint, CheckpointError};
use annals_tree::note::{Note, SIGNATURES_MAX, VerifierKey};
use annals_tree::tile::{Tile, bundles, hash_tiles};
use serde_json::{Value, json};

use crate::api::{Api, LogApi};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::verify::tiles::{Finding, TileSource, Walked, Watch, walk};
use shelf::{CHECKPOINT, Seen, Shelf, VKEY};

/// The tenant whose log is the registry of all logs.
const REGISTRY: &str = "_registry";

/// Write a tenant's log as static files, in the layout of C2SP `tlog-tiles`
///
/// Everything is checked on the way: the checkpoint's signature, every entry, every tile. Files that are there already are kept
/// and checked along; one that is not what the server has is an alarm, and no new checkpoint is written then. The log holds
/// commitments, no personal data.
///
/// A bucket's credentials and address come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
/// AWS_ENDPOINT_URL.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals publish --tenant acme ./published
  annals publish --url https://audit.example.com --key annals_… --tenant acme /srv/www/acme-log
  annals publish --registry s3://public-logs/registry
  annals publish --all s3://public-logs
  annals verify ./published")]
pub(crate) struct Args {
    /// Folder to write to, which is made when missing, or `s3://BUCKET/PREFIX`
    #[arg(value_name = "DIR|URL")]
    place: String,
    /// The tenant; not needed with a tenant's key
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// The registry of all logs; needs a platform key
    #[arg(long, conflicts_with_all = ["tenant", "access"])]
    registry: bool,
    /// The logs of all tenants and the registry, each below DIR under its log id; needs a platform key with `read`, too
    #[arg(long, conflicts_with_all = ["tenant", "registry"])]
    all: bool,
    /// Its access log instead of its events
    #[arg(long)]
    access: bool,
    /// The server
    #[arg(long, value_name = "URL", env = "ANNALS_URL", default_value = "http://127.0.0.1:4722")]
    url: String,
    /// API key with the scope `verify`
    #[arg(long, value_name = "KEY", env = "ANNALS_KEY", hide_env_values = true)]
    key: Option<String>,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let api = Api::new(&args.url, args.key.clone())?;
    if args.all {
        return publish_all(args, &api, output).await;
    }
    let tenant = if args.registry { Some(REGISTRY) } else { args.tenant.as_deref() };
    let shelf = Shelf::to_write(&args.place, None)?;
    let published = Publisher::of(shelf, api.log(tenant, args.access)).await?.publish(output).await?;
    output.line(|| published.text(), || published.json("result"))?;
    Ok(ExitCode::SUCCESS)
}

/// One log after another. One that cannot be published is told and keeps none of the others back.
async fn publish_all(args: &Args, api: &Api, output: Output) -> Result<ExitCode, Failure> {
    let (mut logs, mut first, mut failed) = (0_u64, None, 0_u64);
    for tenant in api.tenants().await? {
        let published = async {
            let server = api.log(Some(&tenant), args.access);
            let id = server.describe().await?.log_id;
            // It becomes a folder's name: only what can be nothing else.
            if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(api.senseless("v1/log", "a log id that is none"));
            }
            let shelf = Shelf::to_write(&args.place, Some(&id))?;
            Publisher::of(shelf, server).await?.publish(output).await
        };
        match published.await {
            Ok(published) => {
                logs += 1;
                output.line(|| published.text(), || published.json("item"))?;
            }
            Err(failure) => {
                failed += 1;
                output.line(
                    || format!("failed    tenant `{tenant}`: {}", failure.message),
                    || json!({"type": "item", "item": "failure", "tenant": tenant, "kind": failure.exit.word(), "message": failure.message}),
                )?;
                first.get_or_insert(failure);
            }
        }
    }
    if let Some(first) = first {
        let message =
            format!("{failed} of {} logs were not published; the first: {}", logs + failed, first.message);
        return Err(Failure { message, ..first });
    }
    output.line(|| format!("published {logs} logs"), || json!({"type": "result", "logs": logs}))?;
    Ok(ExitCode::SUCCESS)
}

/// What was published.
struct Published {
    checkpoint: Checkpoint,
    key: VerifierKey,
    /// Cosignatures that the server has: it checked them.
    cosignatures: usize,
    /// Lines beside these that stood there before. Nobody checked them here.
    lines_kept: usize,
    written: u64,
    kept: u64,
    place: String,
}

impl Published {
    fn text(&self) -> String {
        let Checkpoint { origin, size, root, .. } = &self.checkpoint;
        let cosigned = match self.cosignatures {
            0 => String::new(),
            1 => ", 1 cosignature".to_owned(),
            more => format!(", {more} cosignatures"),
        };
        let lines = match self.lines_kept {
            0 => String::new(),
            1 => ", 1 unchecked signature line kept".to_owned(),
            more => format!(", {more} unchecked signature lines kept"),
        };
        let (written, kept, place) = (self.written, self.kept, &self.place);
        format!(
            "published log {origin}: {size} records, root {root}{cosigned}{lines}; {written} tiles written, {kept} kept, in {place}"
        )
    }

    fn json(&self, kind: &str) -> Value {
        let mut line = json!({
            "type": kind, "origin": self.checkpoint.origin, "size": self.checkpoint.size,
            "root": self.checkpoint.root.to_string(), "public_key": self.key.to_string(), "cosignatures": self.cosignatures,
            "lines_kept": self.lines_kept, "tiles_written": self.written, "tiles_kept": self.kept,
        });
        if kind == "item" {
            line["item"] = "log".into();
            line["place"] = self.place.as_str().into();
        }
        line
    }
}

/// A checkpoint whose signature was checked.
struct Signed {
    checkpoint: Checkpoint,
    note: String,
}

impl Signed {
    /// Signature lines beside the log's own. Cosignatures, when the note comes from the server, which checked them.
    fn other_lines(&self) -> usize {
        Note::parse(&self.note).map_or(0, |note| note.signatures().len().saturating_sub(1))
    }

    /// Takes over the signature lines of an earlier note of the same text, but for those of keys that signed this one: whoever may
    /// write there cannot put a line of his own in the place of one that the server checked. How many these are.
    fn keep_lines_of(&mut self, earlier: &str) -> usize {
        let (Ok(note), Ok(before)) = (Note::parse(&self.note), Note::parse(earlier)) else { return 0 };
        if note.text() != before.text() {
            return 0;
        }
        let ours = note.signatures();
        let lines = earlier.rsplit_once("\n\n").map_or("", |(_, lines)| lines).lines();
        let kept = before
            .signatures()
            .iter()
            .zip(lines)
            .filter(|(theirs, _)| !ours.iter().any(|ours| (&ours.name, ours.id) == (&theirs.name, theirs.id)))
            .map(|(_, line)| format!("{line}\n"))
            .take(SIGNATURES_MAX.saturating_sub(ours.len()));
        let kept: Vec<String> = kept.collect();
        self.note.extend(kept.iter().map(String::as_str));
        kept.len()
    }
}

/// What is put beside the tiles, in this order, so that whatever a crash leaves has the key that opens its checkpoint.
fn steps(note: Option<&str>, key: &VerifierKey, old: Option<&VerifierKey>) -> Vec<(&'static str, String)> {
    let mut steps = Vec::new();
    // While the keys change both stand there, and readers take the one that opens the note.
    match old {
        Some(old) => steps.push((VKEY, format!("{key}\n{old}\n"))),
        None => steps.push((VKEY, format!("{key}\n"))),
    }
    steps.extend(note.map(|note| (CHECKPOINT, note.to_owned())));
    if old.is_some() {
        steps.push((VKEY, format!("{key}\n")));
    }
    steps
}

/// A shelf that is filled up from a server as its tiles are asked for.
struct Publisher {
    shelf: Shelf,
    server: LogApi,
    origin: String,
    key: VerifierKey,
    /// Records that the server has.
    size: u64,
    written: Cell<u64>,
    kept: Cell<u64>,
}

impl Publisher {
    async fn of(shelf: Shelf, server: LogApi) -> Result<Self, Failure> {
        let log = server.describe().await?;
        let key = log.public_key.parse().map_err(|error| {
            Failure::new(Exit::Damaged, format!("log {}: the server's key: {error}", log.origin))
        })?;
        let (written, kept) = (Cell::new(0), Cell::new(0));
        Ok(Self { shelf, server, origin: log.origin, key, size: log.size, written, kept })
    }

    async fn publish(self, output: Output) -> Result<Published, Failure> {
        let (earlier, seen) = self.published_before().await?;
        let mut newest = self.newest(earlier.as_ref()).await?;
        let checkpoint = &newest.checkpoint;
        let walked =
            self.fill(checkpoint, earlier.as_ref().map(|earlier| earlier.checkpoint.size), output).await?;
        let same_past =
            earlier.as_ref().is_none_or(|earlier| walked.earlier_root == Some(earlier.checkpoint.root));
        if walked.findings > 0 || walked.root != checkpoint.root || !same_past {
            return Err(self.alarm(checkpoint, output).await?);
        }
        let old = match &earlier {
            Some(earlier) => self.earlier_key(earlier, checkpoint.size, &walked)?,
            None => None,
        };
        let cosignatures = newest.other_lines();
        let lines_kept = match &earlier {
            Some(earlier) if old.is_none() => newest.keep_lines_of(&earlier.note),
            _ => 0,
        };
        let is_there = earlier.is_some_and(|earlier| earlier.note == newest.note);
        let mut seen = Some(seen);
        for (name, text) in steps((!is_there).then_some(&newest.note), &self.key, old.as_ref()) {
            match seen.take_if(|_| name == CHECKPOINT) {
                Some(seen) => self.shelf.put_checkpoint(text.as_bytes(), seen).await?,
                None => self.shelf.put_key(text.as_bytes()).await?,
            }
        }
        if let (1.., Some(more @ 1..)) = (cosignatures, self.size.checked_sub(newest.checkpoint.size)) {
            output.note(&format!("note: log {}: {more} newer records are not cosigned yet", self.origin));
        }
        Ok(Published {
            checkpoint: newest.checkpoint,
            key: self.key,
            cosignatures,
            lines_kept,
            written: self.written.get(),
            kept: self.kept.get(),
            place: self.shelf.shown(),
        })
    }

    /// The server's newest checkpoint that witnesses cosigned; the newest of all where there is none, or where that would be a step
    /// back.
    async fn newest(&self, earlier: Option<&Signed>) -> Result<Signed, Failure> {
        let before = earlier.map_or(0, |earlier| earlier.checkpoint.size);
        // What was cosigned before another key came is not signed with the log's key.
        if let Ok(cosigned) = self.open(self.server.cosigned_checkpoint().await?)
            && cosigned.checkpoint.size >= before
        {
            return Ok(cosigned);
        }
        let newest = self.open(self.server.checkpoint().await?)?;
        let now = newest.checkpoint.size;
        if now < before {
            let message = format!(
                "log {}: {before} records were published before, now the server has {now}: the end is missing",
                self.origin
            );
            return Err(Failure::new(Exit::Damaged, message)
                .with_hint("nothing was written; compare the two with `annals verify`"));
        }
        Ok(newest)
    }

    fn open(&self, note: String) -> Result<Signed, Failure> {
        match Checkpoint::open(&note, &self.key, &self.origin) {
            Ok(checkpoint) => Ok(Signed { checkpoint, note }),
            Err(error) => Err(Failure::new(
                Exit::Damaged,
                format!("log {}: the server's checkpoint: {error}", self.origin),
            )),
        }
    }

    /// The checkpoint that stands there from before, if one does, and what it takes to replace it.
    async fn published_before(&self) -> Result<(Option<Signed>, Seen), Failure> {
        let (note, seen) = self.shelf.read_to_replace(CHECKPOINT).await?;
        let Some(note) = note else { return Ok((None, seen)) };
        let note = String::from_utf8_lossy(&note).into_owned();
        // Who signed it is seen when the log was read: the key may have been another.
        let checkpoint =
            Note::parse(&note).map_err(Into::into).and_then(|note| Checkpoint::parse(note.text()));
        let checkpoint = match checkpoint {
            Ok(checkpoint) if checkpoint.origin == self.origin => checkpoint,
            Ok(checkpoint) => return Err(self.not_earlier(&CheckpointError::Origin(checkpoint.origin))),
            Err(error) => return Err(self.not_earlier(&error)),
        };
        Ok((Some(Signed { checkpoint, note }), seen))
    }

    /// The key of what was published before, when it is another than the log's: one that led to it, by the log's own entries.
    fn earlier_key(
        &self,
        earlier: &Signed,
        size: u64,
        walked: &Walked,
    ) -> Result<Option<VerifierKey>, Failure> {
        let Err(error) = Checkpoint::open(&earlier.note, &self.key, &self.origin) else { return Ok(None) };
        let changes = walked.keys.iter();
        let changes: Vec<(u64, KeyChange)> =
            changes.filter_map(|(at, entry)| Some((*at, KeyChange::read(entry, &self.origin)?))).collect();
        let leads_here = |change: &KeyChange| {
            let key = change.succession.old().with_name(&self.origin).ok()?;
            let leads = Checkpoint::open(&earlier.note, &key, &self.origin).is_ok()
                && follow(&key, Some(earlier.checkpoint.size), &self.key, size, &changes).is_ok();
            leads.then_some(key)
        };
        match changes.iter().find_map(|(_, change)| leads_here(change)) {
            Some(key) => Ok(Some(key)),
            None => Err(self.not_earlier(&error)),
        }
    }

    fn not_earlier(&self, error: &CheckpointError) -> Failure {
        let file = self.shelf.shown_file(CHECKPOINT);
        let message = format!("`{file}` is not an earlier state of log {}: {error}", self.origin);
        Failure::new(Exit::Conflict, message).with_hint("publish each log into a folder of its own")
    }

    /// Walks the whole tree, which brings every tile to the shelf.
    async fn fill(
        &self,
        checkpoint: &Checkpoint,
        earlier: Option<u64>,
        output: Output,
    ) -> Result<Walked, Failure> {
        let mut progress = output.progress(checkpoint.size, "records");
        let mut found = |finding: Finding| output.note(&format!("damaged: {finding}"));
        let walked = walk(
            self,
            checkpoint.size,
            earlier,
            Watch { checked: &mut |more| progress.add(more), found: &mut found },
        )
        .await;
        progress.finish();
        walked
    }

    /// Something does not fit: names the files that are not what the server has.
    async fn alarm(&self, checkpoint: &Checkpoint, output: Output) -> Result<Failure, Failure> {
        let mut differing = 0;
        for tile in bundles(checkpoint.size).chain(hash_tiles(checkpoint.size)) {
            let ours = self.shelf.read(&tile.to_string()).await?;
            if ours.is_some() && ours != self.server.tile(tile).await? {
                differing += 1;
                let name = self.shelf.shown_file(&tile.to_string());
                output.line(
                    || format!("damaged   `{name}` is not what the server has"),
                    || json!({"type": "item", "item": "finding", "file": tile.to_string(), "message": "not what the server has"}),
                )?;
            }
        }
        let whose = if differing > 0 { "the folder's files" } else { "the server's tiles" };
        let message = format!(
            "log {}: {whose} do not give the root that its checkpoint signs; no checkpoint was written",
            self.origin
        );
        Ok(Failure::new(Exit::Damaged, message)
            .with_hint("`annals verify` on the folder and on the server shows which of the two is wrong"))
    }
}

impl TileSource for Publisher {
    async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, Failure> {
        if let Some(bytes) = self.shelf.tile(tile).await? {
            self.kept.set(self.kept.get() + 1);
            return Ok(Some(bytes));
        }
        let bytes = self.server.tile(tile).await?;
        if let Some(bytes) = &bytes {
            self.shelf.put_tile(tile, bytes).await?;
            self.written.set(self.written.get() + 1);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use annals_tree::note::SigningKey;

    use super::shelf::opening_key;
    use super::*;

    fn signing_key(seed: u8) -> SigningKey {
        SigningKey::from_seed("log", &[seed; 32]).unwrap()
    }

    #[test]
    fn the_key_of_the_checkpoint_stands_beside_it_after_every_step() {
        let (old, new) = (signing_key(1), signing_key(2));
        let key = |key: &SigningKey| key.verifier_key();
        let checkpoint = |key: &SigningKey, size: u64| key.sign(&format!("log\n{size}\nAAAA\n")).unwrap();
        let mut there = std::collections::BTreeMap::new();
        let first = steps(Some(&checkpoint(&old, 1)), &key(&old), None);
        let rotated = steps(Some(&checkpoint(&new, 2)), &key(&new), Some(&key(&old)));
        assert_eq!((first.len(), rotated.len()), (2, 3));
        for (name, text) in [first, rotated].concat() {
            there.insert(name, text);
            let Some(note) = there.get(CHECKPOINT) else { continue };
            let found = opening_key(&there[VKEY], note).unwrap();
            assert!(Note::open(note, &found).is_ok(), "{there:?}");
        }
        assert_eq!(there[VKEY], format!("{}\n", key(&new)), "in the end there is one");
        // After a crash before the end, nothing but the key is to be put.
        assert_eq!(steps(None, &key(&new), None), [(VKEY, format!("{}\n", key(&new)))]);
    }

    #[test]
    fn a_line_that_stood_there_takes_no_place_of_one_of_the_server() {
        let text = "log\n1\nAAAA\n";
        let note = signing_key(1).sign(text).unwrap();
        let other = |name: &str, seed: u8| {
            let key = SigningKey::from_seed(name, &[seed; 32]).unwrap();
            key.sign(text).unwrap().lines().last().unwrap().to_owned() + "\n"
        };
        let (ours, theirs) = (other("w1", 3), other("w2", 4));
        // The same name and key id, and another signature.
        let broken = with_another_signature(&ours);
        let earlier = format!("{note}{broken}{theirs}{}", theirs.replace("w2", "w3"));
        let root = annals_tree::Hash([0; 32]);
        let checkpoint = Checkpoint { origin: "log".to_owned(), size: 1, root, extensions: Vec::new() };
        let mut newest = Signed { checkpoint, note: format!("{note}{ours}") };
        assert_eq!(newest.keep_lines_of(&earlier), 2);
        assert_eq!(newest.note, format!("{note}{ours}{theirs}{}", theirs.replace("w2", "w3")));
        // Of another text none is kept, and never more than a note may have.
        assert_eq!(newest.keep_lines_of(&signing_key(1).sign("log\n2\nAAAA\n").unwrap()), 0);
        newest.note = format!("{note}{ours}");
        let many: String = (0..SIGNATURES_MAX - 1).map(|n| theirs.replace("w2", &format!("x{n}"))).collect();
        assert_eq!(newest.keep_lines_of(&format!("{note}{many}")), SIGNATURES_MAX - 2);
        assert!(Note::parse(&newest.note).is_ok());
    }

    /// The line with a letter near its end changed: the name and the key id stay.
    fn with_another_signature(line: &str) -> String {
        let at = line.trim_end().trim_end_matches('=').len() - 5;
        let swapped = if &line[at..=at] == "A" { "B" } else { "A" };
        format!("{}{swapped}{}", &line[..at], &line[at + 1..])
    }
}
