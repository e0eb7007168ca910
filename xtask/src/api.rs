//! What the tests ask a server, and how they check its answers.

use annals_tree::Hash;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::VerifierKey;
use annals_tree::proof::{verify_consistency, verify_inclusion};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::fault::{Result, While, require};
use crate::http::{Answer, Client};

/// Records of a feed's page.
const PAGE_RECORDS: u64 = 1_000;

/// Answer of `POST /v1/events`.
#[derive(Debug, Deserialize)]
pub(crate) struct Ingested {
    /// What became of each item, in the order sent.
    pub(crate) results: Vec<IngestedItem>,
}

/// What became of one item.
#[derive(Debug, Deserialize)]
pub(crate) struct IngestedItem {
    /// `created`, `duplicate` or `rejected`.
    pub(crate) status: String,
    /// Where it is, unless it was rejected.
    pub(crate) position: Option<u64>,
    /// Its leaf, unless it was rejected.
    pub(crate) leaf: Option<String>,
    /// Why it was rejected.
    pub(crate) error: Option<ItemError>,
}

/// Why an item was rejected.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemError {
    /// Stable name.
    pub(crate) code: String,
    /// Where in the item.
    pub(crate) pointer: String,
}

#[derive(Deserialize)]
struct Page {
    records: Vec<Box<RawValue>>,
    next: u64,
    size: u64,
}

#[derive(Deserialize)]
struct Proof {
    hashes: Vec<String>,
}

#[derive(Deserialize)]
struct Log {
    public_key: String,
}

/// Reads an answer with status 200 as JSON.
pub(crate) fn json<T: DeserializeOwned>(what: &str, answer: &Answer) -> Result<T> {
    require!(answer.status == 200, "{what}: status {}: {}", answer.status, answer.text());
    serde_json::from_slice(&answer.body).while_doing(what)
}

fn get<T: DeserializeOwned>(client: &mut Client, path: &str) -> Result<T> {
    let answer = client.get(path).while_doing(path)?;
    json(path, &answer)
}

/// All records of a tenant from `from` on, in order, as they stand in the answers.
///
/// # Errors
///
/// Also when the feed's own arithmetic is wrong: a page that is not full before the end, or that goes back.
pub(crate) fn feed(client: &mut Client, tenant: &str, from: u64) -> Result<Vec<Box<RawValue>>> {
    let mut records = Vec::new();
    let mut at = from;
    loop {
        let page: Page = get(client, &format!("/v1/feed?tenant={tenant}&from={at}&limit={PAGE_RECORDS}"))?;
        let count = page.records.len() as u64;
        require!(
            page.next == at + count,
            "feed of {tenant}: {count} records from {at}, but next is {}",
            page.next
        );
        require!(
            count == PAGE_RECORDS.min(page.size.saturating_sub(at)),
            "feed of {tenant}: a page of {count} records from {at} of {}",
            page.size
        );
        records.extend(page.records);
        at = page.next;
        if at >= page.size {
            return Ok(records);
        }
    }
}

/// The key that verifies a tenant's checkpoints.
pub(crate) fn log_key(client: &mut Client, tenant: &str) -> Result<String> {
    Ok(get::<Log>(client, &format!("/v1/log?tenant={tenant}"))?.public_key)
}

/// A checkpoint as an auditor keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The log's key.
    pub(crate) key: VerifierKey,
    /// What the checkpoint says.
    pub(crate) head: Checkpoint,
}

/// The signed checkpoint of a tenant's log, as it was sent.
pub(crate) fn checkpoint_note(client: &mut Client, tenant: &str) -> Result<String> {
    let path = format!("/v1/log/checkpoint?tenant={tenant}");
    let answer = client.get(&path).while_doing(&path)?;
    require!(answer.status == 200, "{path}: status {}: {}", answer.status, answer.text());
    String::from_utf8(answer.body).while_doing(&path)
}

/// Fetches a checkpoint and checks its signature.
pub(crate) fn checkpoint(client: &mut Client, tenant: &str, key: &VerifierKey) -> Result<Seen> {
    let note = checkpoint_note(client, tenant)?;
    let head = Checkpoint::open(&note, key, key.name()).while_doing(format!("checkpoint of {tenant}"))?;
    Ok(Seen { key: key.clone(), head })
}

/// Fetches the current checkpoint and checks that it extends one seen before.
pub(crate) fn extended(client: &mut Client, tenant: &str, seen: &Seen) -> Result<Seen> {
    let new = checkpoint(client, tenant, &seen.key)?;
    let (from, to) = (seen.head.size, new.head.size);
    let proof: Proof = get(client, &format!("/v1/proofs/consistency?tenant={tenant}&from={from}&to={to}"))?;
    verify_consistency(from, &seen.head.root, to, &new.head.root, &hashes(&proof)?)
        .while_doing(format!("log of {tenant}, from checkpoint {from} to {to}"))?;
    Ok(new)
}

/// Checks that a leaf is at its position under a checkpoint.
pub(crate) fn included(
    client: &mut Client,
    tenant: &str,
    seen: &Seen,
    position: u64,
    leaf: &str,
) -> Result<()> {
    let size = seen.head.size;
    let path = format!("/v1/proofs/inclusion?tenant={tenant}&position={position}&size={size}");
    let proof: Proof = get(client, &path)?;
    verify_inclusion(&hash(leaf)?, position, size, &hashes(&proof)?, &seen.head.root).while_doing(path)
}

fn hashes(proof: &Proof) -> Result<Vec<Hash>> {
    proof.hashes.iter().map(|text| hash(text)).collect()
}

/// A hash from its lower-case hex.
pub(crate) fn hash(text: &str) -> Result<Hash> {
    text.parse().while_doing(format!("hash `{text}`"))
}
