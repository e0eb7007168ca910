//! Event secrets, and the tree (after Goldreich, Goldwasser and Micali) they are derived from.
//!
//! One random 32-byte root gives up to 4,096 secrets of 16 bytes. The two halves of
//! SHA-256(0x06 || seed) are the 16-byte seeds of a node's children; secret `c` is the leaf reached
//! by the 12 bits of `c`, most significant first, where 0 takes the first half:
//!
//! ```text
//! root (32 bytes)
//! ├─ 0 ── … 12 levels … ── secret 0, secret 1, …
//! └─ 1 ── …
//! ```
//!
//! To forget one secret and keep the others the root is *punctured*: replaced by the seeds of the
//! siblings along the path to that leaf, at most 12. From them the forgotten secret cannot be
//! computed, as SHA-256 does not run backwards.
//!
//! What is left of a root is known by the root's *name*, SHA-256(0x07 || root), from which the root cannot be computed either.
//!
//! A [`PuncturedRoot`] is stored as, big-endian:
//!
//! ```text
//! u8   version = 1
//! u16  number of subtrees, 0 to 4,096
//! per subtree, ascending and not overlapping:
//!   u16  first counter, a multiple of 2^(12 - depth)
//!   u8   depth, 1 to 12
//!   16B  seed
//! ```
//!
//! Secrets are wiped when dropped and never shown by `Debug`. Copies the compiler leaves on the
//! stack are not chased.

use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::hash;

/// Bytes in a [`Secret`] and in every seed below the root.
pub const SECRET_BYTES: usize = 16;

/// Bytes in a [`SecretRoot`].
pub const ROOT_BYTES: usize = 32;

/// Secrets under one root.
pub const SECRETS_PER_ROOT: u16 = 1 << DEPTH;

/// Levels below the root.
const DEPTH: u8 = 12;

type Seed = [u8; SECRET_BYTES];

/// The secret of one event, from which all its salts follow.
#[derive(Clone)]
pub struct Secret(Zeroizing<Seed>);

impl Secret {
    /// Takes 16 bytes that nobody can guess.
    #[must_use]
    pub fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// The bytes, for deriving and for sealed storage.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }
}

/// Compares in constant time.
impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Which of a root's secrets: 0 to 4,095.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter(u16);

impl Counter {
    /// The last counter of a root.
    pub const MAX: Counter = Counter(SECRETS_PER_ROOT - 1);

    /// `number` as a counter, or `None` from [`SECRETS_PER_ROOT`] on.
    #[must_use]
    pub const fn new(number: u16) -> Option<Counter> {
        if number < SECRETS_PER_ROOT { Some(Counter(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The counter after this one, if the root has it.
    #[must_use]
    pub const fn next(self) -> Option<Counter> {
        Counter::new(self.0 + 1)
    }

    /// Whether the path to this secret turns to the second half at `level`, counted from the root.
    fn turns_right(self, level: u8) -> bool {
        self.0 >> (DEPTH - 1 - level) & 1 == 1
    }
}

/// 32 random bytes that give 4,096 secrets.
#[derive(Clone)]
pub struct SecretRoot(Zeroizing<[u8; ROOT_BYTES]>);

impl SecretRoot {
    /// Takes 32 bytes fresh from a cryptographic random generator; never use them twice.
    #[must_use]
    pub fn from_bytes(bytes: [u8; ROOT_BYTES]) -> SecretRoot {
        SecretRoot(Zeroizing::new(bytes))
    }

    /// The bytes, for sealed storage.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; ROOT_BYTES] {
        &self.0
    }

    /// One secret, in 12 hashes. [`SecretRoot::secrets`] is cheaper for neighbours.
    #[must_use]
    pub fn secret(&self, counter: Counter) -> Secret {
        descend(&child(&expand(&*self.0), counter.turns_right(0)), 1, counter)
    }

    /// The secrets from `from` to the last, in order, at about one hash each.
    #[must_use]
    pub fn secrets(&self, from: Counter) -> Secrets {
        let mut secrets = Secrets { path: Zeroizing::default(), at: from, next: Some(from) };
        secrets.path[0] = expand(&*self.0);
        secrets.fill(1, from);
        secrets
    }

    /// What tells it from other roots, also once it is punctured: SHA-256(0x07 || root). Nothing of the root follows from it.
    #[must_use]
    pub fn name(&self) -> [u8; ROOT_BYTES] {
        hash::tagged(0x07, &[&*self.0]).0
    }

    /// Everything but the secret of `counter`.
    #[must_use]
    pub fn puncture(&self, counter: Counter) -> PuncturedRoot {
        let halves = expand(&*self.0);
        let top = |right: bool| Subtree {
            first: if right { SECRETS_PER_ROOT / 2 } else { 0 },
            depth: 1,
            seed: Zeroizing::new(child(&halves, right)),
        };
        let mut punctured = PuncturedRoot { subtrees: [top(false), top(true)].into() };
        punctured.puncture(counter);
        punctured
    }
}

impl fmt::Debug for SecretRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretRoot(…)")
    }
}

/// The secrets of a root in order; see [`SecretRoot::secrets`].
pub struct Secrets {
    /// Both children of each node on the path to `at`, from the root down.
    path: Zeroizing<[[u8; 2 * SECRET_BYTES]; DEPTH as usize]>,
    at: Counter,
    next: Option<Counter>,
}

impl Secrets {
    /// The secret of any counter, in as many hashes as its path has nodes below where it parts from that to the one given
    /// last: few for neighbours, at most 11. In order it goes on with the counter after it.
    #[must_use]
    pub fn secret(&mut self, counter: Counter) -> Secret {
        // The two paths part where the highest changed bit is read; nodes above it stay.
        let parted_at = (counter.0 ^ self.at.0).leading_zeros() - (u16::BITS - u32::from(DEPTH));
        self.fill(u8::try_from(parted_at).expect("a leading-zero count") + 1, counter);
        (self.at, self.next) = (counter, counter.next());
        Secret::from_bytes(child(&self.path[usize::from(DEPTH) - 1], counter.turns_right(DEPTH - 1)))
    }

    /// Expands the nodes on the path to `counter` from `level` down.
    fn fill(&mut self, level: u8, counter: Counter) {
        for level in level..DEPTH {
            let above = usize::from(level) - 1;
            self.path[above + 1] = expand(&child(&self.path[above], counter.turns_right(level - 1)));
        }
    }
}

impl Iterator for Secrets {
    type Item = Secret;

    fn next(&mut self) -> Option<Secret> {
        self.next.map(|counter| self.secret(counter))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("next", &self.next).finish_non_exhaustive()
    }
}

/// A root from which some secrets were removed for ever.
#[derive(Clone, PartialEq, Eq)]
pub struct PuncturedRoot {
    /// What is left, ascending and without overlap.
    subtrees: Vec<Subtree>,
}

/// The secrets `first .. first + 2^(12 - depth)`.
#[derive(Clone)]
struct Subtree {
    first: u16,
    depth: u8,
    seed: Zeroizing<Seed>,
}

impl PartialEq for Subtree {
    fn eq(&self, other: &Subtree) -> bool {
        (self.first, self.depth) == (other.first, other.depth) && bool::from(self.seed.ct_eq(&*other.seed))
    }
}

impl Eq for Subtree {}

impl Subtree {
    fn secrets(&self) -> u16 {
        SECRETS_PER_ROOT >> self.depth
    }

    fn holds(&self, counter: Counter) -> bool {
        (self.first..self.first + self.secrets()).contains(&counter.0)
    }
}

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 3;
const SUBTREE_BYTES: usize = 3 + SECRET_BYTES;

/// Bytes are not a [`PuncturedRoot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not the length the header asks for.
    #[error("punctured root: {0} bytes, not what its header asks for")]
    Length(usize),
    /// A version this code does not know.
    #[error("punctured root: version {0}, only {VERSION} is known")]
    Version(u8),
    /// A subtree that is misplaced, overlaps the one before, or is out of order.
    #[error("punctured root: subtree {0} has no such place in the tree")]
    Subtree(usize),
}

impl PuncturedRoot {
    /// One secret, or `None` when it was removed.
    #[must_use]
    pub fn secret(&self, counter: Counter) -> Option<Secret> {
        let subtree = &self.subtrees[self.find(counter)?];
        Some(descend(&subtree.seed, subtree.depth, counter))
    }

    /// Removes one more secret; nothing changes when it was gone already.
    pub fn puncture(&mut self, counter: Counter) {
        let Some(place) = self.find(counter) else {
            return;
        };
        let whole = self.subtrees.remove(place);
        let mut seed = whole.seed;
        let mut siblings = Vec::with_capacity(usize::from(DEPTH));
        for level in whole.depth..DEPTH {
            let halves = expand(&*seed);
            let right = counter.turns_right(level);
            let depth = level + 1;
            let secrets = SECRETS_PER_ROOT >> depth;
            let near = counter.0 / secrets * secrets;
            siblings.push(Subtree {
                first: near ^ secrets,
                depth,
                seed: Zeroizing::new(child(&halves, !right)),
            });
            *seed = child(&halves, right);
        }
        siblings.sort_unstable_by_key(|subtree| subtree.first);
        self.subtrees.splice(place..place, siblings);
    }

    /// The counters whose secrets were removed, rising.
    pub fn removed(&self) -> impl Iterator<Item = Counter> + '_ {
        let ends = self.subtrees.iter().map(|subtree| subtree.first + subtree.secrets());
        let from = core::iter::once(0).chain(ends);
        let to = self.subtrees.iter().map(|subtree| subtree.first).chain(core::iter::once(SECRETS_PER_ROOT));
        from.zip(to).flat_map(|(from, to)| from..to).map(Counter)
    }

    /// How many secrets are left.
    #[must_use]
    pub fn remaining(&self) -> u16 {
        self.subtrees.iter().map(Subtree::secrets).sum()
    }

    /// The stored form; see the module's layout. It is as secret as the root was.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let count = u16::try_from(self.subtrees.len()).expect("at most one subtree for each secret");
        let mut bytes =
            Zeroizing::new(Vec::with_capacity(HEADER_BYTES + self.subtrees.len() * SUBTREE_BYTES));
        bytes.push(VERSION);
        bytes.extend_from_slice(&count.to_be_bytes());
        for subtree in &self.subtrees {
            bytes.extend_from_slice(&subtree.first.to_be_bytes());
            bytes.push(subtree.depth);
            bytes.extend_from_slice(&*subtree.seed);
        }
        bytes
    }

    /// Reads what [`PuncturedRoot::encode`] wrote.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`]; the seeds themselves cannot be told right from wrong.
    pub fn decode(bytes: &[u8]) -> Result<PuncturedRoot, DecodeError> {
        let (&[version, high, low], rest) =
            bytes.split_first_chunk::<HEADER_BYTES>().ok_or(DecodeError::Length(bytes.len()))?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let (chunks, tail) = rest.as_chunks::<SUBTREE_BYTES>();
        if chunks.len() != usize::from(u16::from_be_bytes([high, low])) || !tail.is_empty() {
            return Err(DecodeError::Length(bytes.len()));
        }
        let mut subtrees = Vec::with_capacity(chunks.len());
        let mut free_from = 0;
        for (number, [high, low, depth, seed @ ..]) in chunks.iter().enumerate() {
            let subtree = Subtree {
                first: u16::from_be_bytes([*high, *low]),
                depth: *depth,
                seed: Zeroizing::new(*seed),
            };
            let fits = (1..=DEPTH).contains(depth)
                && (free_from..SECRETS_PER_ROOT).contains(&subtree.first)
                && subtree.first.is_multiple_of(subtree.secrets());
            if !fits {
                return Err(DecodeError::Subtree(number));
            }
            free_from = subtree.first + subtree.secrets();
            subtrees.push(subtree);
        }
        Ok(PuncturedRoot { subtrees })
    }

    fn find(&self, counter: Counter) -> Option<usize> {
        let after = self.subtrees.partition_point(|subtree| subtree.first <= counter.0);
        let place = after.checked_sub(1)?;
        self.subtrees[place].holds(counter).then_some(place)
    }
}

impl fmt::Debug for PuncturedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PuncturedRoot").field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}

/// The secret of `counter` under the node at `depth` that has this seed.
fn descend(seed: &Seed, depth: u8, counter: Counter) -> Secret {
    let mut seed = *seed;
    for level in depth..DEPTH {
        let mut halves = expand(&seed);
        seed = child(&halves, counter.turns_right(level));
        halves.zeroize();
    }
    Secret::from_bytes(seed)
}

/// The seeds of both children: SHA-256(0x06 || `seed`).
fn expand(seed: &[u8]) -> [u8; 2 * SECRET_BYTES] {
    hash::tagged(0x06, &[seed]).0
}

fn child(halves: &[u8; 2 * SECRET_BYTES], right: bool) -> Seed {
    halves.as_chunks().0[usize::from(right)]
}

#[cfg(test)]
mod tests;
