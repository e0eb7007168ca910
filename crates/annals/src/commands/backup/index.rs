//! The index of a backup: what names its objects. A backup without one does not count.
//!
//! The object `backup-NNNNNNNN.json` holds exactly these bytes, `HASH` being the SHA-256 of `INDEX` in hexadecimal:
//!
//! ```text
//! {"sha256":"HASH","backup":INDEX}\n
//! ```
//!
//! All of it is described in `docs/reference/backup-format.md`.

use std::collections::BTreeMap;

use annals_tree::Hash;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::place::{Listed, Place};
use crate::exit::{Exit, Failure};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

const PREFIX: &str = "backup-";
const SUFFIX: &str = ".json";

/// What stands before and after the two values.
const BEFORE: &str = "{\"sha256\":\"";
const BETWEEN: &str = "\",\"backup\":";
const AFTER: &str = "}\n";

/// One backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    pub(crate) version: u32,
    /// From 1, rising.
    pub(crate) number: u64,
    /// When it was made, RFC 3339 UTC.
    pub(crate) made_at: String,
    /// What made it.
    pub(crate) program: String,
    pub(crate) ledger: LedgerName,
    /// Its signing key was not in the data folder, but with a signer of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) signer_apart: bool,
    pub(crate) journal: JournalRange,
    /// Records of the tenants' events.
    pub(crate) events: u64,
    /// Tenants, without `_annals`.
    pub(crate) tenants: u64,
    pub(crate) objects: Vec<Object>,
}

/// Which ledger it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LedgerName {
    pub(crate) name: String,
    /// 32 hexadecimal digits.
    pub(crate) id: String,
    /// Verifies what it signed.
    pub(crate) public_key: String,
}

/// Batches of the journal that are in the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JournalRange {
    /// The first; those before it are in the segments.
    pub(crate) first: u64,
    /// The one after the last.
    pub(crate) next: u64,
}

/// One object of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    /// Its file's name in the data folder's folder for its kind.
    pub(crate) file: String,
    /// Its name after the prefix.
    pub(crate) object: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// Of a segment: SHA-256 of its last 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) end_sha256: Option<String>,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Segment,
    Manifest,
    Journal,
    Signer,
    /// Sizes and roots of all logs; no file of the data folder.
    Logs,
}

impl Kind {
    /// The folder of its objects under the prefix.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Segment => "segments",
            Self::Manifest => "manifests",
            Self::Journal => "journal",
            Self::Signer => "signer",
            Self::Logs => "logs",
        }
    }

    pub(crate) const ALL: [Self; 5] =
        [Self::Segment, Self::Manifest, Self::Journal, Self::Signer, Self::Logs];

    /// What a file's name begins and ends with around 16 hexadecimal digits.
    fn around_number(self) -> (&'static str, &'static str) {
        match self {
            Self::Segment => ("segment-", ".seg"),
            Self::Manifest => ("manifest-", ""),
            Self::Journal | Self::Signer => ("", ".journal"),
            Self::Logs => ("logs-", ".ndjson"),
        }
    }
}

impl Object {
    /// An object for a file with this content's hash.
    pub(crate) fn new(kind: Kind, file: String, bytes: u64, sha256: Hash) -> Self {
        let sha256 = sha256.to_string();
        let object = format!("{}/{}", kind.folder(), object_name(&file, &sha256));
        Self { kind, file, object, bytes, sha256, end_sha256: None }
    }

    /// Whether it may be written as a file: an index could come from anywhere.
    fn is_sound(&self) -> bool {
        let (before, after) = self.kind.around_number();
        let number = self.file.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        number.is_some_and(|number| number.len() == 16 && number.bytes().all(hex))
            && self.sha256.parse::<Hash>().is_ok()
            && self.object == format!("{}/{}", self.kind.folder(), object_name(&self.file, &self.sha256))
    }
}

/// `segment-0000000000000001.seg` with hash `12ab…` is `segment-0000000000000001-12ab….seg`, with 16 digits of the hash: after a
/// restore another file may get a name that was given before.
fn object_name(file: &str, sha256: &str) -> String {
    let (stem, extension) = file.rsplit_once('.').map_or((file, None), |(stem, end)| (stem, Some(end)));
    let hash = sha256.get(..16).unwrap_or(sha256);
    match extension {
        Some(extension) => format!("{stem}-{hash}.{extension}"),
        None => format!("{stem}-{hash}"),
    }
}

/// `1 event`, `2 events`.
pub(crate) fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// SHA-256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

impl Index {
    /// The object that holds it.
    pub(crate) fn object_name(number: u64) -> String {
        format!("{PREFIX}{number:08}{SUFFIX}")
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let body = serde_json::to_string(self).expect("an index serialises");
        format!("{BEFORE}{}{BETWEEN}{body}{AFTER}", sha256(body.as_bytes())).into_bytes()
    }

    /// Reads the index with this number; what is wrong with it otherwise.
    fn decode(number: u64, bytes: &[u8]) -> Result<Self, (Exit, String)> {
        let damaged = |what: &str| (Exit::Damaged, what.to_owned());
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("is no text"))?;
        let parts = text.strip_prefix(BEFORE).and_then(|text| text.strip_suffix(AFTER));
        let (hash, body) = parts
            .and_then(|text| text.split_once(BETWEEN))
            .ok_or_else(|| damaged("is not the index of a backup, or not all of it"))?;
        if hash != sha256(body.as_bytes()).to_string() {
            return Err(damaged("does not match its SHA-256"));
        }
        let value: Value = serde_json::from_str(body).map_err(|error| damaged(&error.to_string()))?;
        if value["version"] != VERSION {
            let what = format!("has version {}, this program reads version {VERSION}", value["version"]);
            return Err((Exit::Invalid, what));
        }
        let index: Self =
            serde_json::from_value(value).map_err(|error| damaged(&format!("is malformed: {error}")))?;
        if index.number != number {
            return Err(damaged(&format!("is the one with number {}", index.number)));
        }
        if let Some(object) = index.objects.iter().find(|object| !object.is_sound()) {
            return Err(damaged(&format!("names an object that no backup has: `{}`", object.object)));
        }
        Ok(index)
    }

    /// A new one.
    pub(crate) fn new(
        number: u64,
        made_at: String,
        ledger: LedgerName,
        journal: JournalRange,
        (events, tenants): (u64, u64),
        objects: Vec<Object>,
    ) -> Self {
        let program = format!("annals {}", env!("CARGO_PKG_VERSION"));
        let signer_apart = false;
        Self {
            version: VERSION,
            number,
            made_at,
            program,
            ledger,
            signer_apart,
            journal,
            events,
            tenants,
            objects,
        }
    }

    /// Bytes of all its objects.
    pub(crate) fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }

    /// What a list shows of it.
    pub(crate) fn to_item(&self) -> Value {
        json!({
            "number": self.number, "made_at": self.made_at, "ledger": self.ledger.name, "events": self.events,
            "tenants": self.tenants, "objects": self.objects.len(), "bytes": self.bytes(),
        })
    }
}

/// Numbers of the indexes in a listing, rising.
pub(crate) fn numbers(listing: &BTreeMap<String, Listed>) -> Vec<u64> {
    let number = |name: &String| {
        let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        let number = digits.parse().ok()?;
        (Index::object_name(number) == *name).then_some(number)
    };
    let mut numbers: Vec<u64> = listing.keys().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Reads one index.
pub(crate) async fn read(place: &Place, number: u64) -> Result<Index, Failure> {
    let name = Index::object_name(number);
    let Some(bytes) = place.get(&name).await? else {
        return Err(Failure::new(Exit::Missing, format!("`{}` is missing", place.shown_object(&name))));
    };
    Index::decode(number, &bytes)
        .map_err(|(exit, what)| Failure::new(exit, format!("`{}` {what}", place.shown_object(&name))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let ledger =
            LedgerName { name: "log.example".to_owned(), id: "00".repeat(16), public_key: "k".to_owned() };
        let objects = vec![
            Object::new(Kind::Segment, "segment-000000000000000a.seg".to_owned(), 7, sha256(b"segment")),
            Object::new(Kind::Manifest, "manifest-0000000000000001".to_owned(), 8, sha256(b"manifest")),
        ];
        let journal = JournalRange { first: 3, next: 9 };
        Index::new(2, "2026-11-21T09:00:00Z".to_owned(), ledger, journal, (41, 2), objects)
    }

    #[test]
    fn an_index_reads_back_and_any_other_byte_is_told() {
        let bytes = index().encode();
        assert_eq!(Index::decode(2, &bytes).unwrap(), index());
        assert_eq!(Index::decode(3, &bytes).unwrap_err().1, "is the one with number 2");
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(Index::decode(2, &flipped).is_err(), "byte {at}");
            assert!(Index::decode(2, &bytes[..at]).is_err(), "cut to {at}");
        }
    }

    #[test]
    fn a_newer_version_is_told() {
        let newer = Index { version: 2, ..index() }.encode();
        let told = Index::decode(2, &newer).unwrap_err();
        assert_eq!(told, (Exit::Invalid, "has version 2, this program reads version 1".to_owned()));
    }

    #[test]
    fn no_index_leads_out_of_the_folder() {
        for file in
            ["../signing.key", "segment-000000000000000a.seg/x", "segment-000000000000000A.seg", "lock"]
        {
            let mut index = index();
            index.objects[0] = Object::new(Kind::Segment, file.to_owned(), 1, sha256(b""));
            let (exit, _) = Index::decode(2, &index.encode()).unwrap_err();
            assert_eq!(exit, Exit::Damaged, "{file}");
        }
        let mut index = index();
        index.objects[1].object = "elsewhere/manifest".to_owned();
        assert!(Index::decode(2, &index.encode()).is_err());
    }
}
