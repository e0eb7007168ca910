//! `annals publish`.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::VerifierKey;
use annals_tree::tile::{Tile, bundles, hash_tiles};
use serde_json::json;

use crate::api::{Api, LogApi};
use crate::exit::{Exit, Failure};
use crate::files;
use crate::output::Output;
use crate::verify::tiles::{Finding, TileSource, Walked, Watch, walk};

/// Write a tenant's log as static files, in the layout of C2SP `tlog-tiles`
///
/// Everything is checked on the way: the checkpoint's signature, every entry, every tile. Files that are there already are kept
/// and checked along; one that is not what the server has is an alarm, and no new checkpoint is written then. The log holds
/// commitments, no personal data.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals publish --tenant acme ./published
  annals publish --url https://audit.example.com --key annals_… --tenant acme /srv/www/acme-log
  annals verify ./published")]
pub(crate) struct Args {
    /// Folder to write to; made when missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The tenant; not needed with a tenant's key
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
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
    let server = Api::new(&args.url, args.key.clone())?.log(args.tenant.as_deref(), args.access);
    let shelf = Shelf { folder: &args.folder, server, written: Cell::new(0), kept: Cell::new(0) };
    let (checkpoint, key, note) = shelf.newest().await?;
    let earlier = shelf.published_before(&checkpoint, &key)?;
    let walked = shelf.fill(&checkpoint, earlier.as_ref().map(|earlier| earlier.size), output).await?;
    let same_past = earlier.as_ref().is_none_or(|earlier| walked.earlier_root == Some(earlier.root));
    if walked.findings > 0 || walked.root != checkpoint.root || !same_past {
        return Err(shelf.alarm(&checkpoint, output).await?);
    }
    shelf.write("vkey", format!("{key}\n").as_bytes())?;
    // The checkpoint comes last: until now the folder was whole under the one before.
    shelf.write("checkpoint", note.as_bytes())?;
    let (written, kept) = (shelf.written.get(), shelf.kept.get());
    output.line(
        || {
            format!(
                "published log {}: {} records, root {}; {written} tiles written, {kept} kept, in {}",
                checkpoint.origin, checkpoint.size, checkpoint.root, args.folder.display()
            )
        },
        || {
            json!({
                "type": "result", "origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.to_string(),
                "public_key": key.to_string(), "tiles_written": written, "tiles_kept": kept,
            })
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// A published folder that is filled up from a server as its tiles are asked for.
struct Shelf<'a> {
    folder: &'a Path,
    server: LogApi,
    written: Cell<u64>,
    kept: Cell<u64>,
}

impl Shelf<'_> {
    /// The server's newest checkpoint, the key it is signed with, and the note as signed.
    async fn newest(&self) -> Result<(Checkpoint, VerifierKey, String), Failure> {
        let log = self.server.describe().await?;
        let key: VerifierKey = log.public_key.parse().map_err(|error| {
            Failure::new(Exit::Damaged, format!("log {}: the server's key: {error}", log.origin))
        })?;
        let note = self.server.checkpoint().await?;
        let checkpoint = Checkpoint::open(&note, &key, &log.origin).map_err(|error| {
            Failure::new(Exit::Damaged, format!("log {}: the server's checkpoint: {error}", log.origin))
        })?;
        Ok((checkpoint, key, note))
    }

    /// The checkpoint that the folder holds from before, if it does.
    fn published_before(
        &self,
        newest: &Checkpoint,
        key: &VerifierKey,
    ) -> Result<Option<Checkpoint>, Failure> {
        let Some(note) = self.read("checkpoint")? else { return Ok(None) };
        let note = String::from_utf8_lossy(&note);
        let earlier = Checkpoint::open(&note, key, &newest.origin).map_err(|error| {
            let message = format!(
                "`{}` is not an earlier state of log {}: {error}",
                self.path("checkpoint").display(),
                newest.origin
            );
            Failure::new(Exit::Conflict, message).with_hint("publish each log into a folder of its own")
        })?;
        if earlier.size > newest.size {
            let message = format!(
                "log {}: {} records were published before, now the server has {}: the end is missing",
                newest.origin, earlier.size, newest.size
            );
            return Err(Failure::new(Exit::Damaged, message)
                .with_hint("nothing was written; compare the two with `annals verify`"));
        }
        Ok(Some(earlier))
    }

    /// Walks the whole tree, which brings every tile into the folder.
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
            let ours = self.read(&tile.to_string())?;
            if ours.is_some() && ours != self.server.tile(tile).await? {
                differing += 1;
                let name = self.path(&tile.to_string()).display().to_string();
                output.line(
                    || format!("damaged   `{name}` is not what the server has"),
                    || json!({"type": "item", "item": "finding", "file": tile.to_string(), "message": "not what the server has"}),
                )?;
            }
        }
        let whose = if differing > 0 { "the folder's files" } else { "the server's tiles" };
        let message = format!(
            "log {}: {whose} do not give the root that its checkpoint signs; no checkpoint was written",
            checkpoint.origin
        );
        Ok(Failure::new(Exit::Damaged, message)
            .with_hint("`annals verify` on the folder and on the server shows which of the two is wrong"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.path(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::io("read", &path, &error)),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.path(name);
        let made = files::make_folder(path.parent().unwrap_or(self.folder));
        made.and_then(|()| files::replace(&path, bytes)).map_err(|error| Failure::io("write", &path, &error))
    }
}

impl TileSource for Shelf<'_> {
    async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, Failure> {
        let name = tile.to_string();
        if let Some(bytes) = self.read(&name)? {
            self.kept.set(self.kept.get() + 1);
            return Ok(Some(bytes));
        }
        let bytes = self.server.tile(tile).await?;
        if let Some(bytes) = &bytes {
            self.write(&name, bytes)?;
            self.written.set(self.written.get() + 1);
        }
        Ok(bytes)
    }
}
