//! What the simulated disk holds, and what becomes of it.

use std::{collections::BTreeMap, io, mem, num::NonZeroU64};

use super::{Fault, Op};

/// The unit of a write that is kept or lost as one, unless it is torn.
const SECTOR: usize = 512;

#[derive(Debug)]
pub(super) struct State {
    fate: Fate,
    /// Counts crashes.
    life: u64,
    off: bool,
    inodes: BTreeMap<u64, Inode>,
    inodes_made: u64,
    names: BTreeMap<String, u64>,
    names_durable: BTreeMap<String, u64>,
    name_changes: Vec<NameChange>,
    pub(super) changes: u64,
    pub(super) power_left: Option<u64>,
    pub(super) scripted: Vec<(Op, u32, Fault)>,
    pub(super) one_in: Option<NonZeroU64>,
    pub(super) capacity: Option<u64>,
}

#[derive(Debug, Default)]
struct Inode {
    /// What reading shows.
    live: Vec<u8>,
    /// What was synced.
    durable: Vec<u8>,
    /// What a sync would make durable.
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug)]
enum NameChange {
    Link(String, u64),
    Unlink(String),
    Rename(String, String),
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            fate: Fate(seed),
            life: 0,
            off: false,
            inodes: BTreeMap::new(),
            inodes_made: 0,
            names: BTreeMap::new(),
            names_durable: BTreeMap::new(),
            name_changes: Vec::new(),
            changes: 0,
            power_left: None,
            scripted: Vec::new(),
            one_in: None,
            capacity: None,
        }
    }

    pub(super) fn life(&self) -> u64 {
        self.life
    }

    pub(super) fn is_on(&self) -> bool {
        !self.off
    }

    pub(super) fn crash(&mut self) {
        self.life += 1;
        self.off = false;
        self.power_left = None;
        // Now and then the disk had everything, or nothing; in between each part has its own luck.
        let kept_in_8 = self.fate.below(9);
        for change in mem::take(&mut self.name_changes) {
            if self.fate.in_8(kept_in_8) {
                change.apply(&mut self.names_durable);
            }
        }
        self.names = self.names_durable.clone();
        for inode in self.inodes.values_mut() {
            inode.crash(&mut self.fate, kept_in_8);
        }
        let names = &self.names;
        self.inodes.retain(|inode, _| names.values().any(|named| named == inode));
    }

    pub(super) fn open(&mut self, name: &str) -> io::Result<(u64, u64)> {
        self.powered()?;
        let inode = *self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok((inode, self.life))
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<(u64, u64)> {
        let outcome = self.begin(Op::Create)?;
        if outcome.is_done() {
            match self.names.get(name) {
                Some(inode) => self.inode(*inode)?.change(Change::Length(0)),
                None => {
                    self.inodes_made += 1;
                    self.inodes.insert(self.inodes_made, Inode::default());
                    self.change_name(NameChange::Link(name.to_owned(), self.inodes_made));
                }
            }
        }
        outcome.answer()?;
        self.open(name)
    }

    pub(super) fn list(&mut self) -> io::Result<Vec<String>> {
        self.powered()?;
        Ok(self.names.keys().cloned().collect())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let outcome = self.begin(Op::Remove)?;
        if !self.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if outcome.is_done() {
            self.change_name(NameChange::Unlink(name.to_owned()));
        }
        outcome.answer()
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let outcome = self.begin(Op::Rename)?;
        if !self.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if outcome.is_done() {
            self.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
        }
        outcome.answer()
    }

    pub(super) fn sync_dir(&mut self) -> io::Result<()> {
        let outcome = self.begin(Op::SyncDir)?;
        let mut left = Vec::new();
        for change in mem::take(&mut self.name_changes) {
            match outcome.sync_fate(&mut self.fate) {
                SyncFate::Durable => change.apply(&mut self.names_durable),
                // File systems journal names: what they could not write down, they do not forget.
                SyncFate::Pending | SyncFate::Forgotten => left.push(change),
            }
        }
        self.name_changes = left;
        outcome.answer()
    }

    pub(super) fn free_bytes(&mut self) -> io::Result<u64> {
        self.powered()?;
        Ok(self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used_bytes())))
    }

    pub(super) fn read_at(&mut self, inode: u64, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.powered()?;
        if self.scripted_fault(Op::Read).is_some() {
            return Err(io::Error::other("simulated: read failed"));
        }
        let live = &self.inode(inode)?.live;
        let from = index(offset).min(live.len());
        let count = into.len().min(live.len() - from);
        into[..count].copy_from_slice(&live[from..from + count]);
        Ok(count)
    }

    pub(super) fn write_at(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut outcome = self.begin(Op::Write)?;
        let offset = index(offset);
        let mut landing = bytes.len();
        if let Some(capacity) = self.capacity {
            let file_bytes = self.inode(inode)?.live.len();
            let free = index(capacity.saturating_sub(self.used_bytes()));
            let fitting = (file_bytes + free).saturating_sub(offset);
            if fitting < landing {
                landing = fitting;
                outcome = Outcome::Failed(Fault::NoSpace);
            }
        }
        if !outcome.is_done() {
            landing = index(self.fate.below(landing as u64 + 1));
        }
        if landing > 0 {
            self.inode(inode)?.change(Change::Write { offset, bytes: bytes[..landing].to_vec() });
        }
        outcome.answer()
    }

    pub(super) fn truncate(&mut self, inode: u64, bytes: u64) -> io::Result<()> {
        let outcome = self.begin(Op::Truncate)?;
        if outcome.is_done() {
            self.inode(inode)?.change(Change::Length(index(bytes)));
        }
        outcome.answer()
    }

    pub(super) fn sync(&mut self, inode: u64) -> io::Result<()> {
        let outcome = self.begin(Op::Sync)?;
        let changes = mem::take(&mut self.inode(inode)?.changes);
        for change in changes {
            match outcome.sync_fate(&mut self.fate) {
                SyncFate::Durable => change.apply(&mut self.inode(inode)?.durable),
                SyncFate::Pending => self.inode(inode)?.changes.push(change),
                SyncFate::Forgotten => {}
            }
        }
        outcome.answer()
    }

    pub(super) fn file_bytes(&mut self, inode: u64) -> io::Result<u64> {
        self.powered()?;
        Ok(self.inode(inode)?.live.len() as u64)
    }

    pub(super) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        self.names.get(name).and_then(|inode| self.inodes.get(inode)).map(|inode| inode.live.clone())
    }

    pub(super) fn put(&mut self, name: &str, contents: Vec<u8>) {
        self.inodes_made += 1;
        self.inodes.insert(
            self.inodes_made,
            Inode { live: contents.clone(), durable: contents, changes: Vec::new() },
        );
        self.names.insert(name.to_owned(), self.inodes_made);
        self.names_durable.insert(name.to_owned(), self.inodes_made);
    }

    /// Counts a change and decides how it goes.
    fn begin(&mut self, op: Op) -> io::Result<Outcome> {
        self.powered()?;
        self.changes += 1;
        if let Some(left) = self.power_left {
            if left == 0 {
                // The change itself may still have come through, in part or whole; the caller does not learn.
                self.off = true;
                let through = self.fate.below(2) == 0;
                return Ok(Outcome::Failed(if through { Fault::AnswerLost } else { Fault::Error }));
            }
            self.power_left = Some(left - 1);
        }
        if let Some(fault) = self.scripted_fault(op) {
            return Ok(Outcome::Failed(fault));
        }
        match self.one_in {
            Some(one_in) if self.fate.below(one_in.get()) == 0 => {
                Ok(Outcome::Failed(match self.fate.below(3) {
                    0 => Fault::Error,
                    1 if op != Op::Sync && op != Op::SyncDir => Fault::NoSpace,
                    _ => Fault::AnswerLost,
                }))
            }
            _ => Ok(Outcome::Done),
        }
    }

    fn scripted_fault(&mut self, op: Op) -> Option<Fault> {
        let mut due = None;
        for (index, (scripted, skipped, _)) in self.scripted.iter_mut().enumerate() {
            if *scripted == op {
                match skipped.checked_sub(1) {
                    Some(left) => *skipped = left,
                    None => due = due.or(Some(index)),
                }
            }
        }
        due.map(|index| self.scripted.remove(index).2)
    }

    fn powered(&self) -> io::Result<()> {
        if self.off { Err(io::Error::other("simulated: the power is off")) } else { Ok(()) }
    }

    fn inode(&mut self, inode: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    fn used_bytes(&self) -> u64 {
        let sizes = self
            .names
            .values()
            .filter_map(|inode| self.inodes.get(inode))
            .map(|inode| inode.live.len() as u64);
        sizes.sum()
    }
}

impl Inode {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.changes.push(change);
    }

    fn crash(&mut self, fate: &mut Fate, kept_in_8: u64) {
        let mut parts: Vec<Change> =
            mem::take(&mut self.changes).into_iter().flat_map(Change::into_sectors).collect();
        if fate.below(2) == 0 {
            fate.shuffle(&mut parts);
        }
        for part in parts {
            if fate.in_8(kept_in_8) {
                part.apply(&mut self.durable);
            } else if let Change::Write { offset, bytes } = part {
                lose(&mut self.durable, fate, offset, &bytes);
            }
        }
        self.live = self.durable.clone();
    }
}

/// What is left of a write within one sector that did not come through.
fn lose(durable: &mut Vec<u8>, fate: &mut Fate, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    match fate.below(4) {
        // The file has grown, but the bytes never came.
        0 if end > durable.len() => durable.resize(end, 0),
        1 => {
            let torn = index(fate.below(bytes.len() as u64));
            put_at(durable, offset, &bytes[..torn]);
        }
        2 => {
            let torn = index(fate.below(bytes.len() as u64));
            put_at(durable, offset + torn, &bytes[torn..]);
        }
        _ => {}
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put_at(to, *offset, bytes),
            Self::Length(bytes) => to.resize(*bytes, 0),
        }
    }

    /// A write in parts that lie within one sector each.
    fn into_sectors(self) -> Vec<Self> {
        let Self::Write { offset, bytes } = self else { return vec![self] };
        let mut parts = Vec::new();
        let mut from = 0;
        while from < bytes.len() {
            let left_in_sector = SECTOR - (offset + from) % SECTOR;
            let to = bytes.len().min(from + left_in_sector);
            parts.push(Self::Write { offset: offset + from, bytes: bytes[from..to].to_vec() });
            from = to;
        }
        parts
    }
}

fn put_at(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Link(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Unlink(name) => {
                names.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
}

/// How an operation goes.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Done,
    Failed(Fault),
}

enum SyncFate {
    Durable,
    Pending,
    Forgotten,
}

impl Outcome {
    fn is_done(self) -> bool {
        matches!(self, Self::Done | Self::Failed(Fault::AnswerLost))
    }

    fn sync_fate(self, fate: &mut Fate) -> SyncFate {
        if self.is_done() {
            return SyncFate::Durable;
        }
        match fate.below(3) {
            0 => SyncFate::Durable,
            1 => SyncFate::Pending,
            _ => SyncFate::Forgotten,
        }
    }

    fn answer(self) -> io::Result<()> {
        match self {
            Self::Done => Ok(()),
            Self::Failed(Fault::NoSpace) => Err(io::ErrorKind::StorageFull.into()),
            Self::Failed(Fault::Error) => Err(io::Error::other("simulated: failed")),
            Self::Failed(Fault::AnswerLost) => Err(io::Error::other("simulated: the answer was lost")),
        }
    }
}

/// The dice: splitmix64.
#[derive(Debug)]
struct Fate(u64);

impl Fate {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0. The bias towards small numbers is of no matter here.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn in_8(&mut self, kept: u64) -> bool {
        self.below(8) < kept
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            let other = self::index(self.below(index as u64 + 1));
            items.swap(index, other);
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("simulated files fit in memory")
}
