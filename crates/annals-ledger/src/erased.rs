//! An event of which units were erased: what is left of it, and what its commitment is made of.
//!
//! When units go, the event's secret goes too, as it gives the salts of all: who had it could try out values against a digest. So
//! the units that stay are kept with their salts, and those that went by their digests. In place of an actor or a target
//! that went a pseudonym *stands in*, so that what one person did can still be told from what another did; it is in no digest.
//!
//! ```text
//! u8 version = 1 | u16 units | per unit, in the order of the event as it was:
//!   u8 0: it stays       16B salt | u16 len, name | u32 len, value
//!   u8 1: it went        32B digest | u64 position of the entry that says so
//!   u8 2: as 1, and something stands in   | u16 len, name | u32 len, value
//! ```
//!
//! All integers are big-endian. The event as it reads is what its units make, those that stand in included.

use annals_event::{UnitScratch, rebuild, units};
use annals_tree::commitment::{self, SALT_BYTES, Salt, salt};
use annals_tree::{Hash, Secret, unit_digest};

const VERSION: u8 = 1;
const KEPT: u8 = 0;
const GONE: u8 = 1;
const REPLACED: u8 = 2;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedEvent {
    units: Vec<ErasedUnit>,
}

/// One unit of such an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErasedUnit {
    /// It stays.
    Kept {
        /// With it the digest can be made.
        salt: Salt,
        /// A JSON Pointer.
        name: String,
        /// Canonical JSON.
        value: String,
    },
    /// It went.
    Gone {
        /// Of what it was.
        digest: Hash,
        /// Position of the entry that says so.
        by: u64,
        /// Name and value of what reads in its place.
        stand_in: Option<(String, String)>,
    },
}

/// Bytes that are no such event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an erased event is not what was written, at byte {at}")]
pub struct ErasedError {
    /// Where.
    pub at: usize,
}

impl ErasedEvent {
    /// An event of which nothing went yet; none when the bytes are not an event's.
    #[must_use]
    pub fn whole(event: &[u8], secret: &Secret) -> Option<Self> {
        let mut kept = Vec::new();
        let mut is_text = true;
        units(event, &mut UnitScratch::default(), |name, value| {
            let index = u32::try_from(kept.len()).expect("an event has few units");
            let text = str::from_utf8(value);
            is_text &= text.is_ok();
            kept.push(ErasedUnit::Kept {
                salt: salt(secret, index),
                name: name.to_owned(),
                value: text.unwrap_or_default().to_owned(),
            });
        })
        .ok()?;
        is_text.then_some(Self { units: kept })
    }

    /// Its units, in order.
    #[must_use]
    pub fn units(&self) -> &[ErasedUnit] {
        &self.units
    }

    /// Takes units out by their numbers, as the entry at `by` says; `pseudonym` reads in the place of whom they spoke. What is not
    /// there, went before or is never erased (the envelope) stays as it is.
    pub fn erase(&mut self, numbers: &[u32], by: u64, pseudonym: &str) {
        let stands_for_actor = self.first_of_actor(numbers);
        for number in numbers {
            let index = usize::try_from(*number).unwrap_or(usize::MAX);
            let Some(unit) = self.units.get_mut(index).filter(|_| index > 0) else { continue };
            let ErasedUnit::Kept { salt, name, value } = unit else { continue };
            let Ok(digest) = unit_digest(salt, name.as_bytes(), value.as_bytes()) else { continue };
            let quoted = serde_json::Value::from(pseudonym).to_string();
            let stand_in = if name.starts_with("/targets/") {
                Some((name.clone(), format!("{{\"id\":{quoted}}}")))
            } else {
                (stands_for_actor == Some(index)).then(|| (ACTOR_ID.to_owned(), quoted))
            };
            *unit = ErasedUnit::Gone { digest, by, stand_in };
        }
    }

    /// Whether one of these units has not gone yet and can go.
    #[must_use]
    pub fn has_any(&self, numbers: &[u32]) -> bool {
        numbers.iter().any(|number| {
            let index = usize::try_from(*number).unwrap_or(usize::MAX);
            index > 0 && matches!(self.units.get(index), Some(ErasedUnit::Kept { .. }))
        })
    }

    /// The unit in whose place the pseudonym of an actor reads: the actor's id, or where it has none the first unit of it that goes.
    fn first_of_actor(&self, numbers: &[u32]) -> Option<usize> {
        let is_of_actor = |unit: &ErasedUnit| match unit {
            ErasedUnit::Kept { name, .. } => name.starts_with("/actor/") && name != ACTOR_TYPE,
            ErasedUnit::Gone { .. } => false,
        };
        let is_id = |unit: &ErasedUnit| matches!(unit, ErasedUnit::Kept { name, .. } if name == ACTOR_ID);
        let stands_already = self.units.iter().any(
            |unit| matches!(unit, ErasedUnit::Gone { stand_in: Some((name, _)), .. } if name == ACTOR_ID),
        );
        let goes = |index: &usize| u32::try_from(*index).is_ok_and(|number| numbers.contains(&number));
        match self.units.iter().position(is_id) {
            // An id that stays needs nobody to stand in for it.
            Some(id) => Some(id).filter(goes),
            None if stands_already => None,
            None => (0..self.units.len()).filter(|index| is_of_actor(&self.units[*index])).find(goes),
        }
    }

    /// What its entry commits to; none when a name is longer than any is.
    #[must_use]
    pub fn commitment(&self) -> Option<Hash> {
        let digests: Option<Vec<Hash>> = self.units.iter().map(ErasedUnit::digest).collect();
        digests.map(|digests| commitment::commitment(&digests))
    }

    /// The event as it reads; none when its units make none.
    #[must_use]
    pub fn event(&self) -> Option<Vec<u8>> {
        let shown = self.units.iter().filter_map(|unit| match unit {
            ErasedUnit::Kept { name, value, .. } => Some((name.as_str(), value.as_bytes())),
            ErasedUnit::Gone { stand_in: Some((name, value)), .. } => Some((name.as_str(), value.as_bytes())),
            ErasedUnit::Gone { stand_in: None, .. } => None,
        });
        rebuild(shown).ok()
    }

    /// The bytes of the form above.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(u16::try_from(self.units.len()).expect("an event has few units").to_be_bytes());
        for unit in &self.units {
            match unit {
                ErasedUnit::Kept { salt, name, value } => {
                    out.push(KEPT);
                    out.extend(salt);
                    put_pair(&mut out, name, value);
                }
                ErasedUnit::Gone { digest, by, stand_in } => {
                    out.push(if stand_in.is_some() { REPLACED } else { GONE });
                    out.extend(digest.0);
                    out.extend(by.to_be_bytes());
                    if let Some((name, value)) = stand_in {
                        put_pair(&mut out, name, value);
                    }
                }
            }
        }
        out
    }

    /// Reads them.
    ///
    /// # Errors
    ///
    /// [`ErasedError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ErasedError> {
        let mut input = Input { bytes, at: 0 };
        if input.array()? != [VERSION] {
            return Err(ErasedError { at: 0 });
        }
        let count = u16::from_be_bytes(input.array()?);
        let mut units = Vec::new();
        for _ in 0..count {
            let what: [u8; 1] = input.array()?;
            units.push(match what[0] {
                KEPT => {
                    let salt = input.array::<SALT_BYTES>()?;
                    let (name, value) = input.pair()?;
                    ErasedUnit::Kept { salt, name, value }
                }
                what @ (GONE | REPLACED) => {
                    let (digest, by) = (Hash(input.array()?), u64::from_be_bytes(input.array()?));
                    let stand_in = if what == REPLACED { Some(input.pair()?) } else { None };
                    ErasedUnit::Gone { digest, by, stand_in }
                }
                _ => return Err(ErasedError { at: input.at }),
            });
        }
        if input.at == bytes.len() { Ok(Self { units }) } else { Err(ErasedError { at: input.at }) }
    }
}

impl ErasedUnit {
    /// Its digest, which its going does not change.
    #[must_use]
    pub fn digest(&self) -> Option<Hash> {
        match self {
            Self::Kept { salt, name, value } => unit_digest(salt, name.as_bytes(), value.as_bytes()).ok(),
            Self::Gone { digest, .. } => Some(*digest),
        }
    }
}

const ACTOR_ID: &str = "/actor/id";
const ACTOR_TYPE: &str = "/actor/type";

fn put_pair(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend(
        u16::try_from(name.len()).expect("a unit's name was committed to by its 16-bit length").to_be_bytes(),
    );
    out.extend_from_slice(name.as_bytes());
    out.extend(u32::try_from(value.len()).expect("an event is far below 4 GiB").to_be_bytes());
    out.extend_from_slice(value.as_bytes());
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ErasedError> {
        let error = ErasedError { at: self.at };
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or(error)?;
        self.at += N;
        Ok(*taken)
    }

    fn text(&mut self, length: usize) -> Result<String, ErasedError> {
        let error = ErasedError { at: self.at };
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..length)).ok_or(error)?;
        self.at += length;
        str::from_utf8(taken).map(str::to_owned).map_err(|_| error)
    }

    fn pair(&mut self) -> Result<(String, String), ErasedError> {
        let name = u16::from_be_bytes(self.array()?);
        let name = self.text(usize::from(name))?;
        let value = u32::from_be_bytes(self.array()?);
        let value = self.text(usize::try_from(value).map_err(|_| ErasedError { at: self.at })?)?;
        Ok((name, value))
    }
}

#[cfg(test)]
mod tests {
    use annals_tree::Committer;

    use super::*;

    const EVENT: &str = r#"{"action":"video.delete","actor":{"email":"eva@example.com","id":"usr_1","name":"Eva","type":"user"},"context":{"ip":"203.0.113.9","session_id":"s-1"},"description":"Eva deleted it","id":"e1","metadata":{"a":1,"b":{"x":"eva@example.com"}},"targets":[{"id":"vid_9","name":"Harbour","type":"video"},{"id":"usr_1","type":"user"}]}"#;

    fn secret() -> Secret {
        Secret::from_bytes([7; 16])
    }

    fn committed() -> Hash {
        let mut committer = Committer::new(&secret());
        units(EVENT.as_bytes(), &mut UnitScratch::default(), |name, value| {
            committer.unit(name.as_bytes(), value).unwrap();
        })
        .unwrap();
        committer.finish()
    }

    fn numbers(event: &ErasedEvent, names: &[&str]) -> Vec<u32> {
        let is_named = |unit: &ErasedUnit| match unit {
            ErasedUnit::Kept { name, .. } => names.contains(&name.as_str()),
            ErasedUnit::Gone { .. } => false,
        };
        (0..).zip(event.units()).filter(|(_, unit)| is_named(unit)).map(|(number, _)| number).collect()
    }

    #[test]
    fn what_is_left_gives_the_same_commitment_and_reads_without_what_went() {
        let mut event = ErasedEvent::whole(EVENT.as_bytes(), &secret()).unwrap();
        assert_eq!(event.event().unwrap(), EVENT.as_bytes());
        let actor = [
            "/actor/email",
            "/actor/id",
            "/actor/name",
            "/context",
            "/context/ip",
            "/description",
            "/targets/1",
        ];
        event.erase(&numbers(&event, &actor), 41, "erased-7f3a");
        assert_eq!(event.commitment(), Some(committed()));
        let expected = r#"{"action":"video.delete","actor":{"id":"erased-7f3a","type":"user"},"id":"e1","metadata":{"a":1,"b":{"x":"eva@example.com"}},"targets":[{"id":"vid_9","name":"Harbour","type":"video"},{"id":"erased-7f3a","type":"user"}]}"#;
        assert_eq!(str::from_utf8(&event.event().unwrap()).unwrap(), expected);
        // A second case takes more, and what went stays as it went.
        event.erase(&numbers(&event, &["/metadata/b", "/targets/0"]), 57, "erased-90ab");
        assert_eq!(event.commitment(), Some(committed()));
        let read = String::from_utf8(event.event().unwrap()).unwrap();
        assert!(
            read.contains(r#""metadata":{"a":1}"#) && read.contains(r#"{"id":"erased-90ab","type":"video"}"#),
            "{read}"
        );
        assert!(read.contains("erased-7f3a") && !read.contains("eva@"), "{read}");
        let encoded = event.encode();
        assert_eq!(ErasedEvent::decode(&encoded).unwrap(), event);
        for cut in 0..encoded.len() {
            assert!(ErasedEvent::decode(&encoded[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn an_actor_without_an_id_has_a_pseudonym_too_and_the_envelope_stays() {
        let sent = r#"{"action":"a","actor":{"email":"eva@example.com","name":"Eva"},"id":"e"}"#;
        let mut event = ErasedEvent::whole(sent.as_bytes(), &secret()).unwrap();
        let before = event.commitment();
        event.erase(&[0, 1, 2, 99], 3, "erased-1");
        assert_eq!(event.commitment(), before);
        assert_eq!(event.event().unwrap(), br#"{"action":"a","actor":{"id":"erased-1"},"id":"e"}"#);
    }
}
