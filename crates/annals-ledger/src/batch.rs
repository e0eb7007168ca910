//! What one journal batch holds, byte by byte.
//!
//! Everything that is not deterministic (time, secrets, given ids, log ids) is fixed by the acceptor and travels here, so
//! that every replica and every replay builds the same ledger. All integers are big-endian.
//!
//! ```text
//! batch    u8 version = 1 | u8 kind | body
//! kind 1   genesis: the first batch of a ledger, and only that
//!            16B ledger id | 16B key of the id hashes | 32B Ed25519 public key | i64 created_at (µs)
//!            u8 len, name | 16B log id of `_annals` | 16B log id of its access log
//! kind 2   records
//!            i64 accepted_at (µs) | u8 flags (1 = atomic, 2 = ids were looked up)
//!            [flag 2] u64 the place up to which the acceptor had seen the journal when it looked them up
//!            u8 n, n × 32B secret roots
//!            u16 n, n × tenant: u8 len, id | u8 flags (1 = new, 3 = new and announced); when new: 16B log id, 16B access log id, secret
//!            u32 n, n × item:
//!              u16 tenant | u8 log (0 events, 1 access) | u8 flags | u8 operation | secret | 32B commitment
//!              u64 id hash | u32 offset of the id's escaped text in the bytes | u16 its length
//!              [flag 128] u8 the kind of the entry, 2 to 6: a statement, of which the entry has the bytes in clear
//!              [flag 2] secret: a spare one, for a record that annals adds because of this item
//!              [flag 4] i64 occurred_at (µs)
//!              [flag 8] u64 source hash | u64 source.seq
//!              u32 len, the event's canonical bytes
//! kind 3   a signed ledger head, as `annals_tree::head` encodes it
//! secret   u8 index into the batch's roots | u16 counter, 0 to 4,095
//! ```
//!
//! Item flags: 1 = made by annals itself; 2, 4, 8 as above; 16 = the operation was derived; 32 = when ids were looked up, there was an event with this
//! one; 64 = and it was the same event (only said in atomic batches); 128 as above. Unknown kinds and versions are errors: an older program must not
//! half-understand a newer journal.
//!
//! What was looked up decides nothing while the segments can be read. Where an id cannot be looked for when the batch is applied, now or at a later
//! start, it says what a look would have found.
//!
//! Limits: 255 roots, 65,535 tenants and [`ITEMS_MAX`] items a batch; the journal bounds its bytes.

use annals_event::{Operation, TenantId, Timestamp};
use annals_journal::Place;
use annals_tree::note::VerifierKey;
pub use annals_tree::origin::LogKind;
use annals_tree::{Counter, EntryKind, Hash};

/// The version this program writes and the only one it reads.
const VERSION: u8 = 1;
const KIND_GENESIS: u8 = 1;
const KIND_RECORDS: u8 = 2;
const KIND_HEAD: u8 = 3;

/// Most items in one batch.
pub const ITEMS_MAX: usize = 10_000;

/// Most bytes of an item beside its event's.
pub(crate) const ITEM_HEADER_BYTES_MAX: usize = 2 + 1 + 1 + 1 + 3 + 32 + 8 + 6 + 1 + 3 + 8 + 16 + 4;

const BATCH_ATOMIC: u8 = 1;
const BATCH_LOOKED: u8 = 2;
const TENANT_NEW: u8 = 1;
const TENANT_ANNOUNCED: u8 = 3;
const ITEM_SYSTEM: u8 = 1;
const ITEM_SPARE: u8 = 2;
const ITEM_OCCURRED_AT: u8 = 4;
const ITEM_SOURCE: u8 = 8;
const ITEM_DERIVED: u8 = 16;
const ITEM_KNOWN: u8 = 32;
const ITEM_SAME: u8 = 64;
const ITEM_STATED: u8 = 128;

/// 128 random bits that name one log for ever.
pub type LogId = [u8; 16];

/// One secret of a batch: an index into the batch's roots, and the leaf of the tree under that root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecretRef {
    /// Index into [`Records::roots`].
    pub root: u8,
    /// Leaf of that root's tree.
    pub counter: Counter,
}

/// The identity of a ledger, fixed at its first start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// Names the ledger in its own records.
    pub ledger_id: [u8; 16],
    /// Keys the hashes of event ids and sources, so that no client can aim at one bucket.
    pub id_key: [u8; 16],
    /// Verifies ledger heads and checkpoints.
    pub public_key: [u8; 32],
    /// When the ledger was made.
    pub created_at: Timestamp,
    /// First part of every log's origin, 1 to 220 bytes.
    pub name: String,
    /// Log ids of `_annals`: events, access.
    pub control_logs: (LogId, LogId),
}

impl Genesis {
    /// Verifies the ledger's heads; under a log's origin, that log's checkpoints.
    #[must_use]
    pub fn verifier_key(&self) -> Option<VerifierKey> {
        VerifierKey::new(&self.name, &self.public_key).ok()
    }
}

/// One tenant that a batch writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchTenant {
    /// The tenant.
    pub id: TenantId,
    /// Present when the acceptor did not know the tenant.
    pub new: Option<NewTenant>,
}

/// What a new tenant needs that is random.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTenant {
    /// Log id of its events.
    pub events: LogId,
    /// Log id of its access log.
    pub access: LogId,
    /// For the record in `_annals` that says the tenant began.
    pub secret: SecretRef,
    /// The batch brings that record itself.
    pub announced: bool,
}

/// What the acceptor found when it looked for an event's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prior {
    /// No event with this id, or it did not look.
    #[default]
    None,
    /// An event with this id; in an atomic batch, another event.
    Known,
    /// The same event.
    Same,
}

/// One item of a batch. Its bytes stay where they are, in the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Index into [`Records::tenants`].
    pub tenant: u16,
    /// Which of the tenant's logs.
    pub log: LogKind,
    /// Made by annals itself.
    pub system: bool,
    /// Code of the operation, sent or derived.
    pub operation: u8,
    /// The operation was derived from the action, not sent.
    pub derived: bool,
    /// The event's secret.
    pub secret: SecretRef,
    /// What the leaf commits to.
    pub commitment: Hash,
    /// Keyed hash of (tenant, log, id).
    pub id_hash: u64,
    /// The id's text as it is escaped there, without quotes: offset and length in the event's bytes.
    pub id_at: (u32, u16),
    /// For a statement of the log's own, the kind of its entry, which has the bytes in clear.
    pub stated: Option<EntryKind>,
    /// What was there when its id was looked up.
    pub prior: Prior,
    /// For a record that annals adds because of this item.
    pub spare: Option<SecretRef>,
    /// When the client said it happened.
    pub occurred_at: Option<Timestamp>,
    /// Keyed hash of (source.name, source.instance), and source.seq.
    pub source: Option<(u64, u64)>,
    /// The event's canonical bytes, as a range of the batch.
    pub bytes: (u32, u32),
}

impl Item {
    /// The event's canonical bytes.
    #[must_use]
    pub fn event<'a>(&self, batch: &'a [u8]) -> &'a [u8] {
        &batch[self.bytes.0 as usize..self.bytes.1 as usize]
    }

    /// The event's id.
    #[must_use]
    pub fn id<'a>(&self, batch: &'a [u8]) -> &'a [u8] {
        &self.event(batch)[self.id_at.0 as usize..][..usize::from(self.id_at.1)]
    }
}

/// A batch of records, decoded; event bytes are ranges of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// The acceptor's clock.
    pub accepted_at: Timestamp,
    /// All or nothing.
    pub atomic: bool,
    /// The ids were looked for among all records of the batches before this place.
    pub looked_to: Option<Place>,
    /// Secret roots used by this batch.
    pub roots: Vec<[u8; 32]>,
    /// Tenants written to.
    pub tenants: Vec<BatchTenant>,
    /// The items, in the order sent.
    pub items: Vec<Item>,
}

/// One journal batch, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Batch {
    /// The ledger's identity.
    Genesis(Genesis),
    /// Records of one request.
    Records(Records),
    /// A signed ledger head, encoded.
    Head(Vec<u8>),
}

/// A batch that is not in the form above.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// The batch ends inside a field.
    #[error("batch ends at byte {at}, inside a field")]
    Short {
        /// Offset in the batch.
        at: usize,
    },
    /// A newer program wrote it.
    #[error("batch has version {version}, this program reads version {VERSION}")]
    Version {
        /// The version found.
        version: u8,
    },
    /// A field holds what it may not hold.
    #[error("batch has a bad {field} at byte {at}")]
    Field {
        /// Which field.
        field: &'static str,
        /// Offset in the batch.
        at: usize,
    },
}

/// Writes a batch of records. The items' event bytes come from `bytes_of`, in order.
pub fn encode_records<'a>(records: &Records, bytes_of: impl Fn(usize) -> &'a [u8], out: &mut Vec<u8>) {
    assert!(records.items.len() <= ITEMS_MAX, "a batch is bounded at the door");
    out.extend([VERSION, KIND_RECORDS]);
    out.extend(records.accepted_at.as_micros().to_be_bytes());
    out.push(flag(records.atomic, BATCH_ATOMIC) | flag(records.looked_to.is_some(), BATCH_LOOKED));
    if let Some(place) = records.looked_to {
        out.extend(place.0.to_be_bytes());
    }
    out.push(u8::try_from(records.roots.len()).expect("10,000 items use at most 9 roots"));
    for root in &records.roots {
        out.extend(root);
    }
    out.extend(u16::try_from(records.tenants.len()).expect("at most one tenant an item").to_be_bytes());
    for tenant in &records.tenants {
        put_short_text(out, tenant.id.as_str());
        match &tenant.new {
            None => out.push(0),
            Some(new) => {
                out.push(if new.announced { TENANT_ANNOUNCED } else { TENANT_NEW });
                out.extend(new.events);
                out.extend(new.access);
                put_secret(out, new.secret);
            }
        }
    }
    out.extend(length(records.items.len()));
    for (index, item) in records.items.iter().enumerate() {
        put_item(out, item, bytes_of(index));
    }
}

fn put_item(out: &mut Vec<u8>, item: &Item, bytes: &[u8]) {
    let flags = flag(item.system, ITEM_SYSTEM)
        | flag(item.spare.is_some(), ITEM_SPARE)
        | flag(item.occurred_at.is_some(), ITEM_OCCURRED_AT)
        | flag(item.source.is_some(), ITEM_SOURCE)
        | flag(item.derived, ITEM_DERIVED)
        | flag(item.prior != Prior::None, ITEM_KNOWN)
        | flag(item.prior == Prior::Same, ITEM_SAME)
        | flag(item.stated.is_some(), ITEM_STATED);
    out.extend(item.tenant.to_be_bytes());
    out.push(match item.log {
        LogKind::Tenant => 0,
        LogKind::Access => 1,
    });
    out.push(flags);
    out.push(item.operation);
    put_secret(out, item.secret);
    out.extend(item.commitment.0);
    out.extend(item.id_hash.to_be_bytes());
    out.extend(item.id_at.0.to_be_bytes());
    out.extend(item.id_at.1.to_be_bytes());
    if let Some(kind) = item.stated {
        out.push(kind.number());
    }
    if let Some(secret) = item.spare {
        put_secret(out, secret);
    }
    if let Some(at) = item.occurred_at {
        out.extend(at.as_micros().to_be_bytes());
    }
    if let Some((source, seq)) = item.source {
        out.extend(source.to_be_bytes());
        out.extend(seq.to_be_bytes());
    }
    out.extend(length(bytes.len()));
    out.extend_from_slice(bytes);
}

/// Writes a genesis batch.
pub fn encode_genesis(genesis: &Genesis) -> Vec<u8> {
    let mut out = vec![VERSION, KIND_GENESIS];
    out.extend(genesis.ledger_id);
    out.extend(genesis.id_key);
    out.extend(genesis.public_key);
    out.extend(genesis.created_at.as_micros().to_be_bytes());
    put_short_text(&mut out, &genesis.name);
    out.extend(genesis.control_logs.0);
    out.extend(genesis.control_logs.1);
    out
}

/// Writes a head batch.
pub fn encode_head(signed: &[u8]) -> Vec<u8> {
    [&[VERSION, KIND_HEAD], signed].concat()
}

/// Reads a batch.
///
/// # Errors
///
/// [`BatchError`] names the place. Bytes that this program wrote and that the journal's checksum covers always decode.
pub fn decode(bytes: &[u8]) -> Result<Batch, BatchError> {
    let mut input = Input { bytes, at: 0 };
    let version = input.u8()?;
    if version != VERSION {
        return Err(BatchError::Version { version });
    }
    let batch = match input.u8()? {
        KIND_GENESIS => Batch::Genesis(genesis(&mut input)?),
        KIND_RECORDS => Batch::Records(records(&mut input)?),
        KIND_HEAD => Batch::Head(input.take(bytes.len() - input.at)?.to_vec()),
        _ => return Err(input.bad("kind")),
    };
    if input.at != bytes.len() {
        return Err(input.bad("end"));
    }
    Ok(batch)
}

fn genesis(input: &mut Input<'_>) -> Result<Genesis, BatchError> {
    Ok(Genesis {
        ledger_id: input.array()?,
        id_key: input.array()?,
        public_key: input.array()?,
        created_at: input.time("created_at")?,
        name: input.short_text()?.to_owned(),
        control_logs: (input.array()?, input.array()?),
    })
}

fn records(input: &mut Input<'_>) -> Result<Records, BatchError> {
    let accepted_at = input.time("accepted_at")?;
    let flags = input.u8()?;
    if flags & !(BATCH_ATOMIC | BATCH_LOOKED) != 0 {
        return Err(input.bad("batch flags"));
    }
    let atomic = flags & BATCH_ATOMIC != 0;
    let looked_to =
        if flags & BATCH_LOOKED == 0 { None } else { Some(Place(u64::from_be_bytes(input.array()?))) };
    let roots = (0..input.u8()?).map(|_| input.array()).collect::<Result<Vec<[u8; 32]>, _>>()?;
    let tenant_count = u16::from_be_bytes(input.array()?);
    let mut tenants = Vec::with_capacity(usize::from(tenant_count));
    for _ in 0..tenant_count {
        tenants.push(tenant(input, roots.len())?);
    }
    let item_count = input.len()?;
    if item_count > ITEMS_MAX {
        return Err(input.bad("item count"));
    }
    let mut items = Vec::with_capacity(item_count);
    for _ in 0..item_count {
        items.push(item(input, roots.len(), tenants.len())?);
    }
    Ok(Records { accepted_at, atomic, looked_to, roots, tenants, items })
}

fn tenant(input: &mut Input<'_>, roots: usize) -> Result<BatchTenant, BatchError> {
    let id = TenantId::from_stored(input.short_text()?).map_err(|_| input.bad("tenant id"))?;
    let new = match input.u8()? {
        0 => None,
        flags @ (TENANT_NEW | TENANT_ANNOUNCED) => Some(NewTenant {
            events: input.array()?,
            access: input.array()?,
            secret: input.secret(roots)?,
            announced: flags == TENANT_ANNOUNCED,
        }),
        _ => return Err(input.bad("tenant flags")),
    };
    Ok(BatchTenant { id, new })
}

fn item(input: &mut Input<'_>, roots: usize, tenants: usize) -> Result<Item, BatchError> {
    let tenant = u16::from_be_bytes(input.array()?);
    if usize::from(tenant) >= tenants {
        return Err(input.bad("tenant"));
    }
    let log = match input.u8()? {
        0 => LogKind::Tenant,
        1 => LogKind::Access,
        _ => return Err(input.bad("log")),
    };
    let flags = input.u8()?;
    let prior = match flags & (ITEM_KNOWN | ITEM_SAME) {
        0 => Prior::None,
        ITEM_KNOWN => Prior::Known,
        ITEM_SAME => return Err(input.bad("item flags")),
        _ => Prior::Same,
    };
    let operation = input.u8()?;
    if Operation::from_code(operation).is_none() {
        return Err(input.bad("operation"));
    }
    let secret = input.secret(roots)?;
    let commitment = Hash(input.array()?);
    let id_hash = u64::from_be_bytes(input.array()?);
    let id_at = (u32::from_be_bytes(input.array()?), u16::from_be_bytes(input.array()?));
    let stated = if flags & ITEM_STATED == 0 {
        None
    } else {
        let kind = EntryKind::from_number(input.u8()?).filter(|kind| *kind != EntryKind::Event);
        Some(kind.ok_or_else(|| input.bad("kind of entry"))?)
    };
    let spare = (flags & ITEM_SPARE != 0).then(|| input.secret(roots)).transpose()?;
    let occurred_at = (flags & ITEM_OCCURRED_AT != 0).then(|| input.time("occurred_at")).transpose()?;
    let source = if flags & ITEM_SOURCE == 0 {
        None
    } else {
        Some((u64::from_be_bytes(input.array()?), u64::from_be_bytes(input.array()?)))
    };
    let len = input.len()?;
    let start = input.at;
    input.take(len)?;
    let id_end = u64::from(id_at.0) + u64::from(id_at.1);
    if id_end > len as u64 {
        return Err(input.bad("id range"));
    }
    let bytes = (offset(start), offset(input.at));
    let system = flags & ITEM_SYSTEM != 0;
    let derived = flags & ITEM_DERIVED != 0;
    Ok(Item {
        tenant,
        log,
        system,
        operation,
        derived,
        secret,
        commitment,
        id_hash,
        id_at,
        stated,
        prior,
        spare,
        occurred_at,
        source,
        bytes,
    })
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], BatchError> {
        let taken = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.get(..len))
            .ok_or(BatchError::Short { at: self.at })?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BatchError> {
        Ok(self.take(N)?.try_into().expect("take gave N bytes"))
    }

    fn u8(&mut self) -> Result<u8, BatchError> {
        Ok(self.take(1)?[0])
    }

    /// A u32 count, as an index.
    fn len(&mut self) -> Result<usize, BatchError> {
        let len = u32::from_be_bytes(self.array()?);
        usize::try_from(len).map_err(|_| self.bad("length"))
    }

    fn time(&mut self, field: &'static str) -> Result<Timestamp, BatchError> {
        let micros = i64::from_be_bytes(self.array()?);
        Timestamp::from_micros(micros).ok_or_else(|| self.bad(field))
    }

    fn secret(&mut self, roots: usize) -> Result<SecretRef, BatchError> {
        let root = self.u8()?;
        let counter = Counter::new(u16::from_be_bytes(self.array()?)).ok_or_else(|| self.bad("secret"))?;
        if usize::from(root) < roots { Ok(SecretRef { root, counter }) } else { Err(self.bad("secret")) }
    }

    fn short_text(&mut self) -> Result<&'a str, BatchError> {
        let len = usize::from(self.u8()?);
        std::str::from_utf8(self.take(len)?).map_err(|_| self.bad("text"))
    }

    fn bad(&self, field: &'static str) -> BatchError {
        BatchError::Field { field, at: self.at }
    }
}

/// A range of an event's bytes in the form items hold it.
pub(crate) fn id_range(range: std::ops::Range<usize>) -> (u32, u16) {
    let length = u16::try_from(range.len()).expect("an id is at most 200 bytes, escaped at most 1,200");
    (offset(range.start), length)
}

fn put_short_text(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).expect("tenants and names are at most 220 bytes"));
    out.extend_from_slice(text.as_bytes());
}

fn put_secret(out: &mut Vec<u8>, secret: SecretRef) {
    out.push(secret.root);
    out.extend(secret.counter.get().to_be_bytes());
}

fn length(len: usize) -> [u8; 4] {
    offset(len).to_be_bytes()
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a batch is at most 32 MiB")
}

fn flag(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}
