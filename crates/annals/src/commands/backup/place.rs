//! Where backups are: a folder or a bucket, and the few things that are done with objects in it.
//!
//! Objects are made once and never changed. A small one is put only where there is none yet; a large one goes in parts and
//! appears when it is whole. Its name holds a part of its hash, so putting it twice puts the same bytes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use annals_journal::RealDisk;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Name;
use object_store::{
    Attribute, ClientConfigKey, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, RetryConfig,
    UpdateVersion, WriteMultipart,
};

use crate::exit::{Exit, Failure, reason};

/// What is read or written at once. A larger object goes in parts of this size, of which S3 takes 10,000.
pub(crate) const PIECE_BYTES: u64 = 8 << 20;

/// Pieces under way at once.
const PIECES_AT_ONCE: usize = 4;

/// Longest time for one piece.
const PIECE_TIME_MAX: &str = "120s";

/// How long a request is tried again when the store does not answer.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A folder or bucket, and the prefix in it.
pub(crate) struct Place {
    store: Arc<dyn ObjectStore>,
    prefix: Name,
    /// As it was given.
    shown: String,
}

/// An object as a listing has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    pub(crate) bytes: u64,
    pub(crate) modified: SystemTime,
}

/// With which headers an object is to be handed out by a bucket that is read over HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) content_type: &'static str,
    pub(crate) cache_control: &'static str,
}

/// Tells an object from those that were there before and come after it.
#[derive(Debug)]
pub(crate) struct Version(UpdateVersion);

/// Reads bytes at an offset, as many as fit.
pub(crate) type Read<'a> = dyn FnMut(u64, &mut [u8]) -> Result<(), Failure> + 'a;

impl Place {
    /// A place to write to; a folder is made when it is missing.
    pub(crate) fn to_write(text: &str) -> Result<Self, Failure> {
        if let Kind::Folder(path) = Kind::of(text)? {
            RealDisk::create(&path)
                .map_err(|error| Failure::io("make the folder for backups", &path, &error))?;
        }
        Self::existing(text)
    }

    /// A place that holds backups.
    pub(crate) fn existing(text: &str) -> Result<Self, Failure> {
        let (store, prefix): (Arc<dyn ObjectStore>, Name) = match Kind::of(text)? {
            Kind::Folder(path) => {
                if !path.is_dir() {
                    return Err(Failure::new(Exit::Missing, format!("`{text}` is no folder"))
                        .with_hint("give the folder or URL that `annals backup` wrote to"));
                }
                let store = LocalFileSystem::new_with_prefix(&path).map_err(|error| failed(text, &error))?;
                (Arc::new(store.with_fsync(true)), Name::default())
            }
            Kind::Bucket { bucket, prefix } => {
                // The client's TLS needs a provider; `main` may have asked no server before.
                drop(rustls::crypto::ring::default_provider().install_default());
                let store = AmazonS3Builder::from_env()
                    .with_bucket_name(bucket)
                    .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), PIECE_TIME_MAX)
                    .with_retry(RetryConfig { retry_timeout: RETRY_MAX, ..RetryConfig::default() })
                    .build()
                    .map_err(|error| failed(text, &error))?;
                (Arc::new(store), prefix)
            }
        };
        Ok(Self { store, prefix, shown: text.trim_end_matches('/').to_owned() })
    }

    /// A bucket that lasts as long as this.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        let store = Arc::new(object_store::memory::InMemory::new());
        Self { store, prefix: Name::default(), shown: "memory".to_owned() }
    }

    /// What lies under a further part of the prefix.
    pub(crate) fn below(&self, name: &str) -> Self {
        Self { store: self.store.clone(), prefix: self.name(name), shown: self.shown_object(name) }
    }

    /// As it was given.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// An object's name, as people see it.
    pub(crate) fn shown_object(&self, name: &str) -> String {
        format!("{}/{name}", self.shown)
    }

    /// All objects under the prefix, by their names after it.
    pub(crate) async fn list(&self) -> Result<BTreeMap<String, Listed>, Failure> {
        let mut found = BTreeMap::new();
        let mut listing = self.store.list((!self.prefix.is_root()).then_some(&self.prefix));
        while let Some(meta) = listing.try_next().await.map_err(|error| failed(&self.shown, &error))? {
            if let Some(parts) = meta.location.prefix_match(&self.prefix) {
                let name: Name = parts.collect();
                let listed = Listed { bytes: meta.size, modified: meta.last_modified.into() };
                found.insert(name.to_string(), listed);
            }
        }
        Ok(found)
    }

    /// A small object, whole; none when there is none.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Bytes>, Failure> {
        let got = match self.store.get(&self.name(name)).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        match got {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&self.shown_object(name), &error)),
        }
    }

    /// An object of so many bytes, piece by piece. A missing one is [`Exit::Missing`].
    pub(crate) fn pieces(&self, name: &str, bytes: u64) -> impl Stream<Item = Result<Bytes, Failure>> {
        let shown = self.shown_object(name);
        let get = move |range: Range<u64>| {
            let (store, name, shown) = (self.store.clone(), self.name(name), shown.clone());
            async move { store.get_range(&name, range).await.map_err(|error| failed(&shown, &error)) }
        };
        let starts = (0..bytes).step_by(usize::try_from(PIECE_BYTES).expect("a few MiB"));
        let ranges: Vec<_> = starts.map(|start| start..bytes.min(start + PIECE_BYTES)).collect();
        stream::iter(ranges).map(get).buffered(PIECES_AT_ONCE)
    }

    /// An object of at most so many bytes, whole, and its version; none when there is none.
    pub(crate) async fn get_version(
        &self,
        name: &str,
        bytes_max: u64,
    ) -> Result<Option<(Bytes, Version)>, Failure> {
        let got = match self.store.get(&self.name(name)).await {
            Ok(got) => {
                if got.meta.size > bytes_max {
                    return Err(too_large(&self.shown_object(name), got.meta.size, bytes_max));
                }
                let version =
                    UpdateVersion { e_tag: got.meta.e_tag.clone(), version: got.meta.version.clone() };
                got.bytes().await.map(|bytes| (bytes, Version(version)))
            }
            Err(error) => Err(error),
        };
        match got {
            Ok(got) => Ok(Some(got)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&self.shown_object(name), &error)),
        }
    }

    /// Puts a small object where there is none. `false` when there is one that differs.
    pub(crate) async fn put_new(&self, name: &str, bytes: Bytes) -> Result<bool, Failure> {
        self.put_if(name, bytes, PutMode::Create.into()).await
    }

    /// As [`Place::put_new`], into a bucket.
    pub(crate) async fn put_new_served(
        &self,
        name: &str,
        bytes: Bytes,
        served: Served,
    ) -> Result<bool, Failure> {
        self.put_if(name, bytes, served.options(PutMode::Create)).await
    }

    /// Replaces an object in a bucket. `false` when another version of it is there by now.
    pub(crate) async fn replace(
        &self,
        name: &str,
        bytes: Bytes,
        served: Served,
        version: Version,
    ) -> Result<bool, Failure> {
        self.put_if(name, bytes, served.options(PutMode::Update(version.0))).await
    }

    async fn put_if(&self, name: &str, bytes: Bytes, options: PutOptions) -> Result<bool, Failure> {
        match self.store.put_opts(&self.name(name), bytes.clone().into(), options).await {
            Ok(_) => Ok(true),
            // Perhaps it was ours, and only the answer was lost.
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                self.is_there(name, &bytes).await
            }
            Err(error) => Err(failed(&self.shown_object(name), &error)),
        }
    }

    /// Whether an object is just this. One of another length is not read.
    async fn is_there(&self, name: &str, bytes: &Bytes) -> Result<bool, Failure> {
        let got = match self.store.get(&self.name(name)).await {
            Ok(got) if got.meta.size != bytes.len() as u64 => return Ok(false),
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        match got {
            Ok(there) => Ok(there == *bytes),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(&self.shown_object(name), &error)),
        }
    }

    /// Puts an object of so many bytes under a name that holds its hash. `moved` is told of bytes as they go.
    pub(crate) async fn put(
        &self,
        name: &str,
        bytes: u64,
        read: &mut Read<'_>,
        moved: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Failure> {
        if bytes <= PIECE_BYTES {
            let piece = piece(0, bytes, read)?;
            if !self.put_new(name, piece).await? {
                let message = format!("`{}` is there and holds something else", self.shown_object(name));
                return Err(Failure::new(Exit::Damaged, message)
                    .with_hint("move that object away; the backups that name it are damaged"));
            }
            moved(bytes);
            return Ok(());
        }
        let upload = self.store.put_multipart(&self.name(name)).await;
        let upload = upload.map_err(|error| failed(&self.shown_object(name), &error))?;
        let size = usize::try_from(PIECE_BYTES).expect("a few MiB");
        let mut upload = WriteMultipart::new_with_chunk_size(upload, size);
        let sent = self.send(name, bytes, read, moved, &mut upload).await;
        if let Err(failure) = sent {
            // What was sent of it is of no use; the first failure is the one to tell.
            drop(upload.abort().await);
            return Err(failure);
        }
        upload.finish().await.map_err(|error| failed(&self.shown_object(name), &error))?;
        Ok(())
    }

    async fn send(
        &self,
        name: &str,
        bytes: u64,
        read: &mut Read<'_>,
        moved: &mut (dyn FnMut(u64) + Send),
        upload: &mut WriteMultipart,
    ) -> Result<(), Failure> {
        let mut at = 0;
        while at < bytes {
            let end = bytes.min(at + PIECE_BYTES);
            let waited = upload.wait_for_capacity(PIECES_AT_ONCE).await;
            waited.map_err(|error| failed(&self.shown_object(name), &error))?;
            upload.put(piece(at, end - at, read)?);
            moved(end - at);
            at = end;
        }
        Ok(())
    }

    /// Removes an object; one that is gone is no error.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), Failure> {
        match self.store.delete(&self.name(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(&self.shown_object(name), &error)),
        }
    }

    fn name(&self, name: &str) -> Name {
        self.prefix.parts().chain(&Name::from(name)).collect()
    }
}

impl Served {
    fn options(self, mode: PutMode) -> PutOptions {
        let attributes =
            [(Attribute::ContentType, self.content_type), (Attribute::CacheControl, self.cache_control)];
        PutOptions { mode, attributes: attributes.into_iter().collect(), ..PutOptions::default() }
    }
}

fn piece(at: u64, bytes: u64, read: &mut Read<'_>) -> Result<Bytes, Failure> {
    let mut buffer = vec![0; usize::try_from(bytes).expect("a few MiB")];
    read(at, &mut buffer)?;
    Ok(buffer.into())
}

/// What a text names.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Folder(PathBuf),
    Bucket { bucket: String, prefix: Name },
}

impl Kind {
    fn of(text: &str) -> Result<Self, Failure> {
        let invalid = |what: &str| {
            Failure::new(Exit::Invalid, format!("`{text}` {what}"))
                .with_hint("give a folder, or `s3://BUCKET/PREFIX`")
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() {
                Err(invalid("is no folder"))
            } else {
                Ok(Self::Folder(text.into()))
            };
        };
        if scheme != "s3" {
            return Err(invalid("is a URL of a kind that holds no backups"));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || bucket.contains(['@', ':', '?', '#']) {
            return Err(invalid("names no bucket"));
        }
        let prefix = Name::parse(prefix).map_err(|error| invalid(&format!("has a bad prefix: {error}")))?;
        Ok(Self::Bucket { bucket: bucket.to_owned(), prefix })
    }
}

/// Whether the place is inside a folder: a backup there would be lost with it.
pub(crate) fn is_inside(text: &str, folder: &Path) -> bool {
    let Ok(Kind::Folder(path)) = Kind::of(text) else { return false };
    let absolute = |path: &Path| {
        // The part that exists, resolved, and the rest of it as it is.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        path.ancestors()
            .find_map(|above| Some((above, above.canonicalize().ok()?)))
            .and_then(|(above, real)| Some(real.join(path.strip_prefix(above).ok()?)))
            .unwrap_or(path.clone())
    };
    absolute(&path).starts_with(absolute(folder))
}

/// What is longer than anything that belongs there.
pub(crate) fn too_large(what: &str, bytes: u64, bytes_max: u64) -> Failure {
    Failure::new(Exit::Damaged, format!("`{what}` has {bytes} bytes, and {bytes_max} are read at most"))
}

fn failed(what: &str, error: &Error) -> Failure {
    let exit = match error {
        Error::NotFound { .. } => Exit::Missing,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Exit::Denied,
        Error::InvalidPath { .. } | Error::UnknownConfigurationKey { .. } => Exit::Invalid,
        _ => Exit::Unavailable,
    };
    let failure = match error {
        Error::NotFound { .. } => Failure::new(exit, format!("`{what}` is missing")),
        _ => Failure::new(exit, format!("`{what}`: {}", reason(error).replace('\n', " "))),
    };
    if what.starts_with("s3://") && failure.exit != Exit::Missing {
        return failure.with_hint(
            "credentials and endpoint come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL",
        );
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_a_bucket() {
        assert_eq!(Kind::of("backups").unwrap(), Kind::Folder("backups".into()));
        let bucket = |prefix: &str| Kind::Bucket { bucket: "b".to_owned(), prefix: Name::from(prefix) };
        assert_eq!(Kind::of("s3://b").unwrap(), bucket(""));
        assert_eq!(Kind::of("s3://b/").unwrap(), bucket(""));
        assert_eq!(Kind::of("s3://b/a/c/").unwrap(), bucket("a/c"));
        for bad in
            ["", "s3://", "s3:///x", "s3://key:secret@b/x", "gs://b", "https://b.example/x", "s3://b/a//c"]
        {
            assert_eq!(Kind::of(bad).unwrap_err().exit, Exit::Invalid, "{bad}");
        }
    }

    #[test]
    fn a_folder_inside_the_data_folder_is_told() {
        let world = tempfile::tempdir().unwrap();
        let data = world.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&data, world.path().join("link")).unwrap();
        let inside = |name: &str| is_inside(world.path().join(name).to_str().unwrap(), &data);
        assert!(inside("data") && inside("data/backups") && inside("link/new/folder"));
        assert!(!inside("data-backups") && !inside("elsewhere") && !is_inside("s3://b/data", &data));
    }

    #[tokio::test]
    async fn a_large_object_goes_in_parts_to_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        goes_in_parts(Place::to_write(folder.path().to_str().unwrap()).unwrap()).await;
    }

    #[tokio::test]
    async fn a_large_object_goes_in_parts_and_comes_back_from_a_bucket() {
        match std::env::var("ANNALS_TEST_S3_URL") {
            Ok(url) => goes_in_parts(Place::to_write(&format!("{url}/parts")).unwrap()).await,
            Err(_) => println!("skipped: ANNALS_TEST_S3_URL is not set"),
        }
    }

    async fn goes_in_parts(place: Place) {
        let bytes = 2 * PIECE_BYTES + 12_345;
        // Each byte says where it stands, with a period that no piece has.
        let fill = |at: u64, into: &mut [u8]| {
            (at..).zip(into).for_each(|(at, byte)| *byte = u8::try_from(at % 251).unwrap());
        };
        let mut read = |at: u64, into: &mut [u8]| {
            fill(at, into);
            Ok(())
        };
        let mut moved = 0;
        // Twice: what was put before is put again as it was.
        for _ in 0..2 {
            moved = 0;
            place.put("segments/large", bytes, &mut read, &mut |more| moved += more).await.unwrap();
        }
        assert_eq!(moved, bytes);
        assert_eq!(place.list().await.unwrap()["segments/large"].bytes, bytes);
        let pieces: Vec<Bytes> = place.pieces("segments/large", bytes).try_collect().await.unwrap();
        let mut expected = vec![0; usize::try_from(bytes).unwrap()];
        fill(0, &mut expected);
        assert!(pieces.concat() == expected);

        // One that cannot be read to its end is not there at all.
        let mut broken = |at: u64, into: &mut [u8]| {
            fill(at, into);
            if at == 0 { Ok(()) } else { Err(Failure::new(Exit::Unavailable, "the disk is gone")) }
        };
        let failed = place.put("segments/broken", bytes, &mut broken, &mut |_| ()).await.unwrap_err();
        assert_eq!(failed.message, "the disk is gone");
        assert!(!place.list().await.unwrap().contains_key("segments/broken"));

        // A small one is put where there is none, and once more when it is the same.
        assert!(place.put_new("index", Bytes::from_static(b"one")).await.unwrap());
        assert!(place.put_new("index", Bytes::from_static(b"one")).await.unwrap());
        assert!(!place.put_new("index", Bytes::from_static(b"two")).await.unwrap());
        assert_eq!(place.get("index").await.unwrap().unwrap(), "one");
        for name in ["segments/large", "index", "index"] {
            place.remove(name).await.unwrap();
        }
        assert!(place.list().await.unwrap().is_empty() && place.get("index").await.unwrap().is_none());
    }
}
