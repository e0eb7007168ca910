//! `annals signer import`: the key leaves the server.
//!
//! In this order: the memory is copied, the key is written beside it, the public key is left in the data folder, the private key and the
//! old memory go from there. A crash anywhere leaves a folder from which the same command goes on; until the key is gone there,
//! the server starts as before, and the signer's memory is no older than what that key signed.

use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;

use annals_ledger::signing::JournalMemory;
use serde_json::json;

use super::OURS;
use crate::data_folder::{DataFolder, SIGNER, SIGNING_KEY, open_journal, pin_signer};
use crate::exit::{Exit, Failure};
use crate::key_file::KeyFile;
use crate::output::Output;
use crate::standing::KeyFolder;

pub(super) fn run(from: &Path, into: &Path, output: Output) -> Result<ExitCode, Failure> {
    let data = DataFolder::existing(from, "giving its key to a signer")?;
    let folder = KeyFolder::create(into, "taking a key", OURS)?;
    let path = data.path().join(SIGNING_KEY);
    if !path.exists() {
        let message = format!("`{}` has no key: it has a signer already", from.display());
        return Err(Failure::new(Exit::Missing, message));
    }
    let file = KeyFile::read(&path, Exit::Damaged)?;
    match folder.key(SIGNING_KEY)? {
        Some(known) if known.trim_end() != file.to_text().trim_end() => {
            let message = format!("`{}` has the key of another ledger", into.display());
            return Err(
                Failure::new(Exit::Conflict, message).with_hint("give another folder with `--data DIR`")
            );
        }
        // It was begun before; the server may have signed more since.
        _ => copy_memory(&data, &folder)?,
    }
    if folder.key(SIGNING_KEY)?.is_none() {
        let path = folder.path().join(SIGNING_KEY);
        file.write(&path).map_err(|error| Failure::io("write the key", &path, &error))?;
    }
    let public_key = file.key.verifier_key();
    pin_signer(data.path(), &public_key)?;
    let removed = fs::remove_file(&path)
        .and_then(|()| fs::remove_dir_all(data.path().join(SIGNER)))
        .and_then(|()| File::open(data.path())?.sync_all());
    removed.map_err(|error| Failure::io("remove the key from", data.path(), &error))?;
    output.line(
        || {
            format!(
                "moved          the key of ledger `{}` to {}\nnext           start `annals signer --data {}`, and the server with `signer.url` and `signer.token_file`",
                file.key.name(),
                folder.path().display(),
                folder.path().display()
            )
        },
        || json!({"type": "result", "ledger_key": public_key.to_string(), "data": folder.path().display().to_string()}),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Adds all that was signed on the server to the signer's memory. Later entries win, and the server's are the later ones.
fn copy_memory(data: &DataFolder, folder: &KeyFolder) -> Result<(), Failure> {
    let from = data.path().join(SIGNER);
    let damaged =
        |error: String| Failure::new(Exit::Damaged, format!("the memory in `{}`: {error}", from.display()));
    let memory = JournalMemory::open(open_journal(&from)?).map_err(damaged)?;
    let into = folder.path().join(SIGNER);
    let mut journal = open_journal(&into)?;
    for batch in memory.to_batches() {
        let next = journal.next();
        journal.append(next, &[&batch]).map_err(|error| {
            Failure::new(Exit::Unavailable, format!("cannot write `{}`: {error}", into.display()))
        })?;
    }
    Ok(())
}
