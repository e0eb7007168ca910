//! A published log that is not on this machine: in a bucket, or handed out by whoever serves its files over HTTP.

use annals_tree::Hash;
use annals_tree::note::{Note, VerifierKey};
use annals_tree::tile::Tile;

use super::published::LogSource;
use crate::api::Api;
use crate::commands::publish::shelf::{CHECKPOINT, Shelf, VKEY, opening_key};
use crate::exit::{Exit, Failure};
use crate::verify::tiles::TileSource;

/// Static files at a URL.
pub(super) struct Web {
    api: Api,
    /// As it was when the files were found.
    checkpoint: String,
}

impl Web {
    /// The published log at a URL, if that is what is there.
    pub(super) async fn at(api: Api) -> Result<Option<Self>, Failure> {
        let checkpoint = api.file(CHECKPOINT).await?;
        let checkpoint = checkpoint.and_then(|bytes| String::from_utf8(bytes).ok());
        // Many servers have a page for every address.
        let checkpoint = checkpoint.filter(|text| Note::parse(text).is_ok());
        Ok(checkpoint.map(|checkpoint| Self { api, checkpoint }))
    }
}

impl TileSource for Web {
    async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, Failure> {
        self.api.file(&tile.to_string()).await
    }
}

impl LogSource for Web {
    async fn checkpoint(&self) -> Result<String, Failure> {
        Ok(self.checkpoint.clone())
    }

    async fn cosigned(&self) -> Result<String, Failure> {
        Ok(self.checkpoint.clone())
    }

    async fn found_key(&self, note: &str) -> Result<Option<VerifierKey>, Failure> {
        Ok(key(self.api.file(VKEY).await?, note))
    }

    async fn consistency(&self, _from: u64, _to: u64) -> Result<Option<Vec<Hash>>, Failure> {
        // The walk over the tree shows it.
        Ok(None)
    }
}

/// A bucket that `annals publish` wrote to.
pub(super) struct Bucket(pub(super) Shelf);

impl TileSource for Bucket {
    async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, Failure> {
        self.0.tile(tile).await
    }
}

impl LogSource for Bucket {
    async fn checkpoint(&self) -> Result<String, Failure> {
        let Some(bytes) = self.0.read(CHECKPOINT).await? else {
            let message = format!("`{}` is missing", self.0.shown_file(CHECKPOINT));
            return Err(
                Failure::new(Exit::Missing, message).with_hint("give the URL that `annals publish` wrote to")
            );
        };
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn cosigned(&self) -> Result<String, Failure> {
        self.checkpoint().await
    }

    async fn found_key(&self, note: &str) -> Result<Option<VerifierKey>, Failure> {
        Ok(key(self.0.read(VKEY).await?, note))
    }

    async fn consistency(&self, _from: u64, _to: u64) -> Result<Option<Vec<Hash>>, Failure> {
        // The walk over the tree shows it.
        Ok(None)
    }
}

fn key(keys: Option<Vec<u8>>, note: &str) -> Option<VerifierKey> {
    opening_key(&String::from_utf8_lossy(&keys?), note)
}
