//! `annals backup`.

pub(crate) mod index;
mod keep;
pub(crate) mod place;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use annals_event::Timestamp;
use annals_ledger::archive::Snapshot;
use annals_ledger::{Clock as _, LogKind};
use annals_server::SystemClock;
use indicatif::HumanBytes;
use serde_json::{Value, json};

use crate::config::SettingFlags;
use crate::data_folder::{self, SIGNER_PUB, SIGNING_KEY};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::show::table::{self, Cell, Column};
use index::{Index, JournalRange, LedgerName, Object, counted};
use place::{Listed, Place};
use source::Source;

/// Copy all of a ledger to a folder or bucket, while its server runs
///
/// Each run makes one numbered backup, of everything that was acknowledged before it began. What an earlier one has copied is not
/// copied again. The signing key is not in it: keep a copy of it apart. `annals restore` brings a backup back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals backup /mnt/backup/annals --data /var/lib/annals
  annals backup s3://my-bucket/annals --data /var/lib/annals --keep 30
  annals backup s3://my-bucket/annals --list

For a bucket, credentials and endpoint come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL.")]
pub(crate) struct Args {
    /// A folder, or `s3://BUCKET/PREFIX`; for the backups of this ledger alone
    #[arg(value_name = "DIR|URL")]
    to: String,
    /// Then remove older backups: this many are left, and only what they need
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keep: Option<u64>,
    /// Only list the backups that are there
    #[arg(long, conflicts_with = "keep")]
    list: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    if args.list {
        list(&args.to, output).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let data = args.settings.config()?.data;
    let Some(folders) = data_folder::folders_to_audit(&data) else {
        return Err(data_folder::no_ledger(&data));
    };
    if place::is_inside(&args.to, &data) {
        let message = format!("`{}` is inside the data folder `{}`", args.to, data.display());
        return Err(
            Failure::new(Exit::Invalid, message).with_hint("what is lost with the folder is no backup")
        );
    }
    let place = Place::to_write(&args.to)?;
    let listing = place.list().await?;
    let base = base(&place, &listing, output).await?;
    let mut source = tokio::task::block_in_place(|| source::read(&folders))
        .map_err(|error| source::failed(&error, &data))?;
    same_ledger(&place, base.as_ref(), &source.snapshot)?;

    let number = index::numbers(&listing).last().map_or(1, |newest| newest + 1);
    let signer_apart = data.join(SIGNER_PUB).exists() && !data.join(SIGNING_KEY).exists();
    let copied = copy(&place, &listing, base.as_ref(), &mut source, output).await?;
    let index = finish(&place, &listing, number, &source.snapshot, copied.objects, signer_apart).await?;
    let removed = match args.keep {
        Some(kept) => keep::keep(&place, kept).await,
        None => Ok(keep::Removed::default()),
    };
    // The backup stands, also when older ones could not be removed.
    said(&place, &index, copied.count, copied.bytes, removed.as_ref().ok(), output)?;
    removed.map(|_| ExitCode::SUCCESS)
}

/// Prints the backups that are there; one whose index cannot be read is a finding and an error.
pub(crate) async fn list(text: &str, output: Output) -> Result<(), Failure> {
    const COLUMNS: &[Column] = &[
        Column { title: "BACKUP", least: 6, typical: 0, leaves: 0 },
        Column { title: "MADE AT", least: 20, typical: 0, leaves: 0 },
        Column { title: "LEDGER", least: 10, typical: 0, leaves: 2 },
        Column { title: "TENANTS", least: 7, typical: 0, leaves: 3 },
        Column { title: "EVENTS", least: 6, typical: 0, leaves: 0 },
        Column { title: "OBJECTS", least: 7, typical: 0, leaves: 4 },
        Column { title: "SIZE", least: 8, typical: 0, leaves: 1 },
    ];
    let place = Place::existing(text)?;
    let mut items = Vec::new();
    let mut unreadable = None;
    for number in index::numbers(&place.list().await?) {
        match index::read(&place, number).await {
            Ok(index) => items.push(index.to_item()),
            Err(failure) => {
                output.note(&failure.message);
                unreadable.get_or_insert(failure);
            }
        }
    }
    if items.is_empty() && unreadable.is_none() {
        output.note(&format!("there is no backup in `{}`", place.shown()));
    }
    let row = |item: &Value| {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| item[name].to_string();
        let size = HumanBytes(item["bytes"].as_u64().unwrap_or_default()).to_string();
        let cells = [
            number("number"),
            text("made_at"),
            text("ledger"),
            number("tenants"),
            number("events"),
            number("objects"),
            size,
        ];
        cells.iter().map(|cell| Cell::new(cell)).collect()
    };
    if !items.is_empty() || output.is_json() {
        table::print("backup", &items, COLUMNS, row, output)?;
    }
    unreadable.map_or(Ok(()), Err)
}

/// The newest backup that can be read. What is wrong with newer ones is said: it is no reason to make no backup.
async fn base(
    place: &Place,
    listing: &BTreeMap<String, Listed>,
    output: Output,
) -> Result<Option<Index>, Failure> {
    for number in index::numbers(listing).into_iter().rev() {
        match index::read(place, number).await {
            Ok(index) => return Ok(Some(index)),
            Err(failure) if matches!(failure.exit, Exit::Damaged | Exit::Missing) => {
                output.note(&format!("warning: {}", failure.message));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(None)
}

/// One place has the backups of one ledger: of two, each would hide and remove what the other made.
fn same_ledger(place: &Place, base: Option<&Index>, snapshot: &Snapshot) -> Result<(), Failure> {
    let name = ledger_name(snapshot);
    match base {
        Some(base) if base.ledger.id != name.id => {
            let message =
                format!("`{}` has backups of another ledger, `{}`", place.shown(), base.ledger.name);
            Err(Failure::new(Exit::Conflict, message)
                .with_hint("give each ledger a folder or prefix of its own"))
        }
        _ => Ok(()),
    }
}

fn ledger_name(snapshot: &Snapshot) -> LedgerName {
    let genesis = &snapshot.genesis;
    LedgerName {
        name: genesis.name.clone(),
        id: format!("{:032x}", u128::from_be_bytes(genesis.ledger_id)),
        public_key: snapshot.signing_key.to_string(),
    }
}

/// What copying came to.
struct Copied {
    /// All objects of the backup.
    objects: Vec<Object>,
    /// Those that were not there yet.
    count: u64,
    bytes: u64,
}

/// Brings everything to the place that is not there yet.
async fn copy(
    place: &Place,
    listing: &BTreeMap<String, Listed>,
    base: Option<&Index>,
    source: &mut Source,
    output: Output,
) -> Result<Copied, Failure> {
    // Only what the newest backup names is taken to be there: it is not being removed by anybody.
    let is_there =
        |object: &&Object| listing.get(&object.object).is_some_and(|listed| listed.bytes == object.bytes);
    let known: BTreeMap<&str, &Object> = base
        .iter()
        .flat_map(|index| &index.objects)
        .filter(is_there)
        .map(|object| (object.object.as_str(), object))
        .collect();
    let mut objects = Vec::new();
    let mut missing = BTreeSet::new();
    for item in &mut source.items {
        let object = match item.known_as(known.values().copied())? {
            Some(object) => object,
            None => tokio::task::block_in_place(|| item.object())?,
        };
        if !known.contains_key(object.object.as_str()) {
            missing.insert(objects.len());
        }
        objects.push(object);
    }
    let bytes = missing.iter().map(|index| objects[*index].bytes).sum();
    let mut progress = output.progress_of_bytes(bytes);
    for index in &missing {
        let object = &objects[*index];
        let item = &mut source.items[*index];
        let mut read = |at: u64, into: &mut [u8]| tokio::task::block_in_place(|| item.read_at(at, into));
        place.put(&object.object, object.bytes, &mut read, &mut |moved| progress.add(moved)).await?;
    }
    progress.finish();
    Ok(Copied { objects, count: missing.len() as u64, bytes })
}

/// Looks whether everything is there, and makes the backup count.
async fn finish(
    place: &Place,
    before: &BTreeMap<String, Listed>,
    number: u64,
    snapshot: &Snapshot,
    objects: Vec<Object>,
    signer_apart: bool,
) -> Result<Index, Failure> {
    let listing = place.list().await?;
    let absent =
        objects.iter().find(|object| listing.get(&object.object).is_none_or(|at| at.bytes != object.bytes));
    let another = || {
        let message = format!("another backup to `{}` was made meanwhile", place.shown());
        Failure::new(Exit::Conflict, message).with_hint("run this again; only one at a time makes sense")
    };
    if index::numbers(&listing) != index::numbers(before) {
        return Err(another());
    }
    if let Some(absent) = absent {
        let message = format!("`{}` was copied and is not there", place.shown_object(&absent.object));
        return Err(Failure::new(Exit::Unavailable, message));
    }
    let journal = JournalRange { first: snapshot.first.0, next: snapshot.next.0 };
    let tenants = snapshot.logs.iter().filter(|log| log.kind == LogKind::Tenant && !log.tenant.is_annals());
    let (count, events) = tenants.fold((0, 0), |(count, events), log| (count + 1, events + log.size));
    let index = Index::new(number, now(), ledger_name(snapshot), journal, (events, count), objects);
    let index = Index { signer_apart, ..index };
    // From here on the backup counts.
    if !place.put_new(&Index::object_name(number), index.encode().into()).await? {
        return Err(another());
    }
    Ok(index)
}

/// To the second, in UTC.
fn now() -> String {
    let now = Timestamp::to_bytes(SystemClock.now());
    format!("{}Z", std::str::from_utf8(&now[..19]).expect("an instant is written in ASCII"))
}

fn said(
    place: &Place,
    index: &Index,
    copied: u64,
    bytes: u64,
    removed: Option<&keep::Removed>,
    output: Output,
) -> Result<(), Failure> {
    let there = index.objects.len() as u64 - copied;
    let removed = removed.copied().unwrap_or_default();
    output.line(
        || {
            let removed = match removed.backups {
                0 => String::new(),
                count => format!("; {} removed", counted(count, "older backup")),
            };
            format!(
                "backup {} of ledger {}: {} of {}; {} copied ({}), {there} were there{removed}, in {}",
                index.number, index.ledger.name, counted(index.events, "event"), counted(index.tenants, "tenant"),
                counted(copied, "object"), HumanBytes(bytes), place.shown()
            )
        },
        || {
            json!({
                "type": "result", "number": index.number, "made_at": index.made_at, "ledger": index.ledger.name,
                "events": index.events, "tenants": index.tenants, "objects": index.objects.len(), "bytes": index.bytes(),
                "objects_copied": copied, "bytes_copied": bytes,
                "backups_removed": removed.backups, "objects_removed": removed.objects,
            })
        },
    )
}
