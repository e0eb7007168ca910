//! `annals restore`.

mod files;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use annals_ledger::LogKind;
use annals_ledger::audit::{AuditError, Audited, Notice, audit};
use serde_json::{Value, json};

use super::backup::index::{self, Index, Kind, counted};
use super::backup::place::Place;
use crate::data_folder;
use crate::exit::{Exit, Failure, reason};
use crate::key_file::KeyFile;
use crate::output::Output;
use files::Unfinished;

/// Bring a backup back into a new data folder, checking every byte
///
/// Each object is compared with the hash in the backup's index while it is copied; then the whole folder is gone through as `annals verify`
/// does. What does not match is named, and no folder is left that looks like a restored one. `annals serve` goes on where the backup
/// ends.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals restore /mnt/backup/annals --data ./annals-data --signing-key ./signing.key
  annals restore s3://my-bucket/annals --at 12 --data ./as-of-then
  annals restore s3://my-bucket/annals --list

For a bucket, credentials and endpoint come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL.")]
pub(crate) struct Args {
    /// The folder or `s3://BUCKET/PREFIX` that `annals backup` wrote to
    #[arg(value_name = "DIR|URL")]
    from: String,
    /// The data folder to make; missing or empty
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    data: Option<PathBuf>,
    /// Which backup; the newest unless said otherwise
    #[arg(long, value_name = "N")]
    at: Option<u64>,
    /// A copy of the ledger's `signing.key`; without it the folder does not start until the key is put there
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// Only list the backups that are there
    #[arg(long, conflicts_with_all = ["at", "data", "signing_key"])]
    list: bool,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let Some(data) = args.data.as_ref().filter(|_| !args.list) else {
        super::backup::list(&args.from, output).await?;
        return Ok(ExitCode::SUCCESS);
    };
    let place = Place::existing(&args.from)?;
    let index = chosen(&place, args.at).await?;
    let key = args.signing_key.as_deref().map(|path| read_key(path, &index)).transpose()?;
    let folder = Unfinished::begin(data)?;
    let lists = files::copy(&place, &index, &folder, output).await?;
    let audited = tokio::task::block_in_place(|| check(&folder, &index, &lists, output))?;
    folder.finish(key.as_ref())?;
    said(&place, &index, &audited, data, key.is_some(), output)?;
    Ok(ExitCode::SUCCESS)
}

/// The backup to restore. A newest one that cannot be read is not passed over in silence.
async fn chosen(place: &Place, at: Option<u64>) -> Result<Index, Failure> {
    let numbers = index::numbers(&place.list().await?);
    let number = match (at, numbers.last()) {
        (Some(at), Some(_)) if numbers.contains(&at) => at,
        (Some(at), Some(newest)) => {
            let message = format!("there is no backup {at} in `{}`; the newest is {newest}", place.shown());
            return Err(Failure::new(Exit::Missing, message).with_hint("`annals restore --list` shows all"));
        }
        (None, Some(newest)) => *newest,
        (_, None) => {
            return Err(Failure::new(Exit::Missing, format!("there is no backup in `{}`", place.shown()))
                .with_hint("give the folder or URL that `annals backup` wrote to"));
        }
    };
    index::read(place, number).await.map_err(|failure| match numbers.iter().rev().find(|n| **n < number) {
        Some(older) if at.is_none() => failure.with_hint(format!("`--at {older}` restores the one before")),
        _ => failure,
    })
}

/// The signing key in a file, when it is the ledger's, or one that followed that since the backup.
fn read_key(path: &Path, index: &Index) -> Result<KeyFile, Failure> {
    let key = KeyFile::read(path, Exit::Invalid)?;
    if !index.ledger.public_key.parse().is_ok_and(|ledger| key.follows(&ledger)) {
        let message = format!("`{}` is not the key of ledger `{}`", path.display(), index.ledger.name);
        return Err(Failure::new(Exit::Invalid, message)
            .with_hint(format!("its public key is {}", index.ledger.public_key)));
    }
    Ok(key)
}

/// Goes through the whole folder, and holds what is in it against what the backup says is in it.
fn check(folder: &Unfinished, index: &Index, lists: &[Vec<u8>], output: Output) -> Result<Audited, Failure> {
    let folders = data_folder::folders_to_audit(folder.path()).expect("the journal was copied there");
    let mut progress = output.counting("bytes checked");
    let (mut said, mut unsigned) = (Ok(()), 0);
    let audited = audit(&folders, &mut |notice| match notice {
        Notice::Checked { bytes, .. } => progress.add(bytes),
        Notice::Found(finding) => {
            // A backup that was made while the signer was away is as good as the ledger was.
            let is_damage = !finding.is_of_signatures_missing();
            unsigned += u64::from(!is_damage);
            let word = if is_damage { "damaged  " } else { "unsigned " };
            if said.is_ok() {
                said = output.line(
                    || format!("{word} {finding}"),
                    || json!({"type": "item", "item": "finding", "message": finding.to_string()}),
                );
            }
        }
    });
    progress.finish();
    said?;
    let damaged = |what: String| {
        Failure::new(Exit::Damaged, format!("backup {}: {what}", index.number)).with_hint(
            "no folder was made; another backup may still be good, `annals restore --list` shows all",
        )
    };
    let audited = audited.map_err(|error| match error {
        AuditError::Empty => damaged("it holds no ledger".to_owned()),
        AuditError::Journal(annals_journal::OpenError::Version { .. }) => {
            Failure::new(Exit::Invalid, reason(&error))
        }
        _ => Failure::new(Exit::Unavailable, reason(&error)),
    })?;
    let wrong = audited.findings - unsigned;
    if wrong > 0 {
        let things = if wrong == 1 { "thing does" } else { "things do" };
        return Err(damaged(format!("{wrong} {things} not hold in what was copied")));
    }
    if audited.verifier_key(&index.ledger.name).map(|key| key.to_string()).as_ref()
        != Some(&index.ledger.public_key)
    {
        return Err(damaged("its ledger has another public key than its index says".to_owned()));
    }
    compare(&audited, lists).map_err(damaged)?;
    Ok(audited)
}

/// Every log must be what it was when the backup was made.
fn compare(audited: &Audited, lists: &[Vec<u8>]) -> Result<(), String> {
    let mut found: BTreeMap<&str, (u64, String)> =
        audited.logs.iter().map(|log| (log.origin.as_str(), (log.size, log.root.to_string()))).collect();
    for line in
        lists.iter().flat_map(|list| list.split(|byte| *byte == b'\n')).filter(|line| !line.is_empty())
    {
        let log: Value =
            serde_json::from_slice(line).map_err(|error| format!("its list of logs: {error}"))?;
        let origin = log["origin"].as_str().unwrap_or_default();
        let expected = (log["size"].as_u64().unwrap_or_default(), log["root"].as_str().unwrap_or_default());
        match found.remove(origin) {
            Some((size, root)) if (size, root.as_str()) == expected => {}
            Some((size, _)) => {
                return Err(format!(
                    "log {origin} had {} records and comes back with {size}, or with other ones",
                    expected.0
                ));
            }
            None => return Err(format!("log {origin} does not come back")),
        }
    }
    match found.keys().next() {
        Some(origin) => Err(format!("log {origin} comes back and was not there")),
        None => Ok(()),
    }
}

fn said(
    place: &Place,
    index: &Index,
    audited: &Audited,
    data: &Path,
    has_key: bool,
    output: Output,
) -> Result<(), Failure> {
    let signed = audited.logs.iter().filter(|log| log.signed.is_some()).count();
    let access: u64 = audited.logs.iter().filter(|log| log.kind == LogKind::Access).map(|log| log.size).sum();
    output.line(
        || {
            format!(
                "restored backup {} of {} from `{}`: ledger {}, {} of {}, {} of access; {} checked, {}, in `{}`",
                index.number, index.made_at, place.shown(), index.ledger.name, counted(index.events, "event"),
                counted(index.tenants, "tenant"), counted(access, "record"), counted(audited.records, "record"),
                counted(signed as u64, "signed log"), data.display()
            )
        },
        || {
            json!({
                "type": "result", "number": index.number, "made_at": index.made_at, "ledger": index.ledger.name,
                "public_key": index.ledger.public_key, "events": index.events, "tenants": index.tenants,
                "objects": index.objects.len(), "bytes": index.bytes(), "records_checked": audited.records,
                "logs_signed": signed, "signing_key": has_key,
            })
        },
    )?;
    if !has_key && index.signer_apart {
        output.note(
            "note: this ledger's signing key is with a signer of its own: start `annals serve` with its `signer.*` settings",
        );
    } else if !has_key {
        output.note(&format!(
            "note: the signing key is in no backup; put your copy of it to `{}` (mode 0600): until then the folder does not start",
            data.join(data_folder::SIGNING_KEY).display()
        ));
    }
    Ok(())
}

/// Kinds that are files of the data folder, and in which of its folders they are.
fn data_folder_of(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Segment | Kind::Manifest => Some(data_folder::SEGMENTS),
        Kind::Journal => Some(data_folder::JOURNAL),
        Kind::Signer => Some(data_folder::SIGNER),
        Kind::Logs => None,
    }
}

/// The entries of a folder; none when it is missing.
fn entries(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
