//! A log as C2SP tiles: in a folder, or from a server.

use std::path::Path;
use std::time::Instant;

use annals_bundle::KeyChange;
use annals_tree::Hash;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::{Note, VerifierKey};
use annals_tree::proof::verify_consistency;
use annals_tree::tile::Tile;
use serde_json::json;

use super::report::{Report, Verdict};
use crate::api::LogApi;
use crate::commands::publish::shelf::{CHECKPOINT, VKEY, opening_key, read_file};
use crate::exit::{Exit, Failure};
use crate::verify::memory::Remembered;
use crate::verify::tiles::{Finding, TileSource, Watch, walk};

/// A place that has one log as tiles.
pub(super) trait LogSource: TileSource {
    /// The signed note of its checkpoint.
    async fn checkpoint(&self) -> Result<String, Failure>;

    /// The signed note of its newest checkpoint with a quorum of witnesses, as the place understands it.
    async fn cosigned(&self) -> Result<String, Failure>;

    /// The key that stands beside it: of several the one that opens `note`.
    async fn found_key(&self, note: &str) -> Result<Option<VerifierKey>, Failure>;

    /// The proof that a size extends an earlier one, from those who can give one without the whole tree.
    async fn consistency(&self, from: u64, to: u64) -> Result<Option<Vec<Hash>>, Failure>;
}

/// One log to verify.
pub(super) struct Published<S> {
    pub(super) source: S,
    /// Whose, where it is known.
    pub(super) tenant: Option<String>,
}

impl<S: LogSource> Published<S> {
    pub(super) async fn verify(&self, report: &mut Report) -> Result<(), Failure> {
        let note = self.source.checkpoint().await?;
        // Only to learn which log this is; nothing is believed before the signature was checked.
        let claimed = Note::parse(&note).map_err(Into::into).and_then(|note| Checkpoint::parse(note.text()));
        let origin = match claimed {
            Ok(checkpoint) => checkpoint.origin,
            Err(error) => {
                return report.finding(&format!("`checkpoint`: {error}"), json!({"file": "checkpoint"}));
            }
        };
        let found = self.source.found_key(&note).await?;
        if let Some(other) = found.as_ref().filter(|key| key.name() != origin) {
            let message = format!("log {origin}: the key beside it is of `{}`", other.name());
            return report.finding(&message, json!({"file": "checkpoint", "origin": origin}));
        }
        let Some(against) = report.against(&origin, found.as_ref())? else { return Ok(()) };
        let (checkpoint, key) = match against.open(&note, &origin) {
            Ok(opened) => opened,
            Err(error) => {
                let details = json!({"file": "checkpoint", "origin": origin});
                return report.finding(&format!("log {origin}: `checkpoint`: {error}"), details);
            }
        };
        let mut findings = Vec::new();
        if let Some((size, root)) = against.earlier {
            findings.extend(self.check_growth(&checkpoint, size, root).await?);
        }
        let shrank_or_forked = !findings.is_empty();
        for finding in findings {
            self.say(report, &origin, &finding)?;
        }
        let walked = self.walk(report, &checkpoint, against.earlier.map(|(size, _)| size)).await?;
        let mut intact = !shrank_or_forked && walked.findings == 0;
        if walked.findings == 0 && walked.root != checkpoint.root {
            intact = false;
            self.say(
                report,
                &origin,
                &Finding::of_log("the entries do not give the root that the checkpoint signs"),
            )?;
        }
        if let (Some((size, root)), Some(found)) = (against.earlier, walked.earlier_root)
            && !shrank_or_forked
            && found != root
        {
            intact = false;
            self.say(report, &origin, &Finding::of_log(another_history(size)))?;
        }
        let changes =
            walked.keys.iter().filter_map(|(at, entry)| Some((*at, KeyChange::read(entry, &origin)?)));
        let changes: Vec<(u64, KeyChange)> = changes.collect();
        if let Err(problem) = against.introduced(&key, checkpoint.size, &changes) {
            intact = false;
            self.say(report, &origin, &Finding::of_log(problem))?;
        }
        report.verdict(&Verdict {
            tenant: self.tenant.as_deref(),
            log: None,
            origin: &origin,
            size: checkpoint.size,
            root: checkpoint.root,
            trust: against.trust(),
            earlier: against.earlier.map(|(size, _)| size),
            intact,
            remark: None,
        })?;
        if intact {
            if report.wants_witnesses() {
                self.count_cosignatures(report, &checkpoint, &key).await?;
            }
            let public_key = key.to_string();
            let root = checkpoint.root.to_string();
            report.remember(&Remembered {
                origin,
                public_key,
                size: checkpoint.size,
                root,
                checkpoint: Some(note),
            })?;
        }
        Ok(())
    }

    /// Counts the cosignatures of a checkpoint that is of the same history as the one that was checked.
    async fn count_cosignatures(
        &self,
        report: &mut Report,
        checked: &Checkpoint,
        key: &VerifierKey,
    ) -> Result<(), Failure> {
        let text = self.source.cosigned().await?;
        let opened = Checkpoint::open(&text, key, &checked.origin);
        let (note, cosigned) = match (Note::parse(&text), opened) {
            (Ok(note), Ok(cosigned)) => (note, cosigned),
            (_, Err(error)) => {
                return self.say(
                    report,
                    &checked.origin,
                    &Finding::of_log(format!("the cosigned checkpoint: {error}")),
                );
            }
            (Err(error), _) => {
                return self.say(
                    report,
                    &checked.origin,
                    &Finding::of_log(format!("the cosigned checkpoint: {error}")),
                );
            }
        };
        // It may be older than what was checked; or newer, when the log grew meanwhile.
        let (from, to) =
            if cosigned.size <= checked.size { (&cosigned, checked) } else { (checked, &cosigned) };
        let proof = if from.size == 0 || from.size == to.size {
            Some(Vec::new())
        } else {
            self.source.consistency(from.size, to.size).await?
        };
        let proven = proof.is_some_and(|proof| {
            verify_consistency(from.size, &from.root, to.size, &to.root, &proof).is_ok()
        });
        if !proven {
            let finding = format!(
                "the checkpoint that witnesses cosigned, of {} records, is of another history",
                cosigned.size
            );
            return self.say(report, &checked.origin, &Finding::of_log(finding));
        }
        report.cosigned(&note, key, cosigned.size)
    }

    /// Whether the checkpoint can extend what was accepted before, as far as that shows without reading the tree.
    async fn check_growth(
        &self,
        checkpoint: &Checkpoint,
        size: u64,
        root: Hash,
    ) -> Result<Option<Finding>, Failure> {
        if checkpoint.size < size {
            return Ok(Some(Finding::of_log(shrank(size, checkpoint.size))));
        }
        let proof = match self.source.consistency(size, checkpoint.size).await {
            Ok(Some(proof)) => proof,
            Ok(None) => return Ok(None),
            Err(failure) if failure.exit == Exit::Invalid => Vec::new(),
            Err(failure) => return Err(failure),
        };
        let proven = verify_consistency(size, &root, checkpoint.size, &checkpoint.root, &proof);
        Ok(proven.err().map(|error| Finding::of_log(format!("{}: {error}", another_history(size)))))
    }

    async fn walk(
        &self,
        report: &mut Report,
        checkpoint: &Checkpoint,
        earlier: Option<u64>,
    ) -> Result<crate::verify::tiles::Walked, Failure> {
        let began = Instant::now();
        let mut progress = report.output.progress(checkpoint.size, "records");
        let mut said = Ok(());
        let walked = {
            let mut found = |finding: Finding| {
                if said.is_ok() {
                    said = self.say(report, &checkpoint.origin, &finding);
                }
            };
            walk(
                &self.source,
                checkpoint.size,
                earlier,
                Watch { checked: &mut |more| progress.add(more), found: &mut found },
            )
            .await
        };
        progress.finish();
        said?;
        report.took(checkpoint.size, began.elapsed());
        walked
    }

    fn say(&self, report: &mut Report, origin: &str, finding: &Finding) -> Result<(), Failure> {
        let details = json!({
            "tenant": self.tenant, "origin": origin, "file": finding.file, "position": finding.position,
        });
        let whose = self.tenant.as_ref().map_or_else(String::new, |tenant| format!("tenant `{tenant}`: "));
        report.finding(&format!("{whose}log {origin}: {finding}"), details)
    }
}

/// The log has become shorter.
pub(super) fn shrank(before: u64, now: u64) -> String {
    format!("{before} records were accepted before, now there are {now}: the end is missing")
}

/// The log is not the one that was accepted.
pub(super) fn another_history(size: u64) -> String {
    format!("its first {size} records are not those that were accepted before: this is another history")
}

/// A folder written by `annals publish`, or by anybody who keeps to C2SP's layout.
pub(super) struct Folder<'a>(pub(super) &'a Path);

impl Folder<'_> {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        read_file(&self.0.join(name))
    }
}

impl TileSource for Folder<'_> {
    async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, Failure> {
        self.read(&tile.to_string())
    }
}

impl LogSource for Folder<'_> {
    async fn checkpoint(&self) -> Result<String, Failure> {
        let bytes = self.read(CHECKPOINT)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn cosigned(&self) -> Result<String, Failure> {
        self.checkpoint().await
    }

    async fn found_key(&self, note: &str) -> Result<Option<VerifierKey>, Failure> {
        let keys = self.read(VKEY)?.unwrap_or_default();
        Ok(opening_key(&String::from_utf8_lossy(&keys), note))
    }

    async fn consistency(&self, _from: u64, _to: u64) -> Result<Option<Vec<Hash>>, Failure> {
        // The walk over the tree shows it.
        Ok(None)
    }
}

impl TileSource for LogApi {
    async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, Failure> {
        self.tile(tile).await
    }
}

impl LogSource for LogApi {
    async fn checkpoint(&self) -> Result<String, Failure> {
        self.checkpoint().await
    }

    async fn cosigned(&self) -> Result<String, Failure> {
        self.cosigned_checkpoint().await
    }

    async fn found_key(&self, _note: &str) -> Result<Option<VerifierKey>, Failure> {
        Ok(self.describe().await?.public_key.parse().ok())
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<Option<Vec<Hash>>, Failure> {
        self.consistency(from, to).await.map(Some)
    }
}
