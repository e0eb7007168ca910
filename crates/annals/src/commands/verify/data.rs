//! A data folder: the events themselves, against what was committed and signed.

use std::path::Path;
use std::time::Instant;

use annals_ledger::audit::{AuditError, AuditedLog, Finding, Notice, Span, audit};
use annals_ledger::manifest::ManifestError;
use annals_ledger::{LogKind, StoreError};
use annals_tree::note::VerifierKey;
use serde_json::{Value, json};

use super::published::{another_history, shrank};
use super::report::{Against, Led, Report, Verdict};
use crate::data_folder;
use crate::exit::{Exit, Failure, reason};
use crate::verify::memory::Remembered;

pub(super) fn verify(path: &Path, tenant: Option<&str>, report: &mut Report) -> Result<(), Failure> {
    let folders = data_folder::folders_to_audit(path).expect("the caller saw a journal there");
    let began = Instant::now();
    let mut progress = report.output.progress(bytes_to_read(path), "bytes");
    let mut bytes = 0;
    let mut said = Ok(());
    let audited = audit(&folders, &mut |notice| match notice {
        Notice::Checked { bytes: more, .. } => {
            bytes += more;
            progress.set(bytes);
        }
        Notice::Found(finding) => {
            if said.is_ok() {
                said = report.finding(&finding.to_string(), details(&finding));
            }
        }
    });
    progress.finish();
    said?;
    let audited = audited.map_err(|error| match error {
        AuditError::Empty => data_folder::no_ledger(path),
        AuditError::Journal(annals_journal::OpenError::Version { .. })
        | AuditError::Segments(StoreError::Manifest { cause: ManifestError::Version { .. }, .. }) => {
            Failure::new(Exit::Invalid, reason(&error))
        }
        _ => Failure::new(Exit::Unavailable, reason(&error)),
    })?;
    report.took(audited.records, began.elapsed());
    if let Some(unknown) =
        tenant.filter(|tenant| !audited.logs.iter().any(|log| log.tenant.as_str() == *tenant))
    {
        return Err(Failure::new(
            Exit::Missing,
            format!("tenant `{unknown}` does not exist in `{}`", path.display()),
        ));
    }
    // One key signs all logs of a ledger; the key of one of them, or of the ledger, is what they are all held against.
    report.widen_key(&audited.logs);
    let successions = audited.successions();
    let (mut unshown, mut earlier_alone) = (0_u64, 0_u64);
    for log in audited.logs.iter().filter(|log| tenant.is_none_or(|tenant| log.tenant.as_str() == tenant)) {
        let found = audited.verifier_key(&log.origin);
        let Some(against) = report.against(&log.origin, found.as_ref())? else { continue };
        let earlier_root = against.earlier.and_then(|(size, _)| audited.root_at(&log.origin, size));
        let key = found.expect("a ledger that was audited has its key");
        let leads = against.leads(&key, &successions);
        earlier_alone += u64::from(leads == Ok(Led::Back));
        judge(log, &against, (&key, leads.map(drop)), earlier_root, report)?;
        let shown = against.earlier.map_or(0, |(size, _)| size).max(log.headed);
        // A folder that keeps no signatures may have lost what told of them, too.
        let signed = if audited.keeps_heads { log.signed.map_or(0, |(size, _)| size) } else { log.size };
        unshown += u64::from(log.intact && shown < signed);
    }
    if earlier_alone > 0 {
        let logs =
            if earlier_alone == 1 { "1 log is".to_owned() } else { format!("{earlier_alone} logs are") };
        report.output.note(&format!(
            "note: {logs} signed by an earlier key alone, which the one given follows: who has that earlier key could have signed \
             the same today"
        ));
    }
    if unshown > 0 {
        let logs = if unshown == 1 { "1 log".to_owned() } else { format!("{unshown} logs") };
        report.output.note(&format!(
            "note: of {logs} the folder has no signature over the newest records: if they were signed, that stands in the \
             signer's memory alone, which whoever writes the folder may have written, too. A checkpoint from elsewhere shows it, as \
             `annals verify URL` does"
        ));
        if !audited.keeps_heads {
            report.output.note(
                "note: the folder is as an earlier version wrote it, which did not keep the newest signature of each log. Once a \
                 server of this version has run on it and sealed records, it is not: then somebody took the signatures out",
            );
        }
    }
    report.tail(audited.tail_bytes);
    Ok(())
}

/// Holds one log against what was accepted of it before, says how it came off, and remembers what is signed of it.
fn judge(
    log: &AuditedLog,
    against: &Against,
    (key, leads): (&VerifierKey, Result<(), String>),
    earlier_root: Option<annals_tree::Hash>,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut intact = log.intact;
    if let Some((size, root)) = against.earlier
        && earlier_root != Some(root)
    {
        intact = false;
        let what = if size > log.size { shrank(size, log.size) } else { another_history(size) };
        let message = format!("tenant `{}`: log {}: {what}", log.tenant, log.origin);
        report.finding(&message, json!({"tenant": log.tenant.as_str(), "origin": log.origin}))?;
    }
    if let Err(problem) = leads {
        intact = false;
        report.finding(&format!("log {}: {problem}", log.origin), json!({"origin": log.origin}))?;
    }
    let signed = log.signed.map_or(0, |(size, _)| size);
    let unsigned = log.size - signed.min(log.size);
    report.verdict(&Verdict {
        tenant: Some(log.tenant.as_str()),
        log: Some(word(log.kind)),
        origin: &log.origin,
        size: log.size,
        root: log.root,
        trust: against.trust(),
        earlier: against.earlier.map(|(size, _)| size),
        intact,
        remark: (unsigned > 0).then(|| format!("the last {unsigned} not signed yet")),
    })?;
    match log.signed {
        Some((size, root)) if intact => report.remember(&Remembered {
            origin: log.origin.clone(),
            public_key: key.to_string(),
            size,
            root: root.to_string(),
            checkpoint: None,
        }),
        _ => Ok(()),
    }
}

fn word(kind: LogKind) -> &'static str {
    match kind {
        LogKind::Tenant => "events",
        LogKind::Access => "access",
    }
}

/// A finding's values, for programs.
fn details(finding: &Finding) -> Value {
    match finding {
        Finding::Frame { damage, holds } => json!({
            "file": damage.file, "offset": damage.offset, "holds": all(holds),
        }),
        Finding::Block { damage, holds } => json!({
            "file": &*damage.file, "offset": damage.at, "holds": all(holds),
        }),
        Finding::Segment { name, holds, .. } => json!({"file": name, "holds": all(holds)}),
        Finding::Manifest { name, .. } | Finding::KeptHead { name, .. } => json!({"file": name}),
        Finding::Kept { tenant, log, good, signed, name } => json!({
            "tenant": tenant.as_str(), "log": word(*log), "good": good, "signed": signed, "file": name,
        }),
        Finding::Unsigned { holds } => json!({"holds": all(holds)}),
        Finding::Numbers { file, .. } => json!({"file": &**file}),
        Finding::Sealed { tenant, log, position, file, row, .. } => json!({
            "tenant": tenant.as_str(), "log": word(*log), "position": position.0, "file": &**file, "row": row,
        }),
        Finding::Sum { span, file }
        | Finding::Subtree { span, file }
        | Finding::Misplaced { span, file, .. } => {
            json!({"file": &**file, "holds": [one(span)]})
        }
        Finding::Hole { span } => json!({"holds": [one(span)]}),
        Finding::Stranger { tenant, log, file, .. } => {
            json!({"tenant": tenant.as_str(), "log": word(*log), "file": &**file})
        }
        Finding::Entry { tenant, log, size, .. } => {
            json!({"tenant": tenant.as_str(), "log": word(*log), "size": size})
        }
        Finding::Record { tenant, log, position, at } => json!({
            "tenant": tenant.as_str(), "log": word(*log), "position": position.map(|position| position.0),
            "file": &*at.file, "offset": at.offset,
        }),
        Finding::Head { tenant, origin, good, signed, at } => json!({
            "tenant": tenant.as_str(), "origin": origin, "good": good, "signed": signed, "file": &*at.file, "offset": at.offset,
        }),
        Finding::Batch { at, .. } | Finding::HeadSignature { at } => {
            json!({"file": &*at.file, "offset": at.offset})
        }
        Finding::Signer { origin, signed, found } => {
            json!({"origin": origin, "signed": signed, "found": found})
        }
        _ => json!({}),
    }
}

fn all(spans: &[Span]) -> Value {
    spans.iter().map(one).collect()
}

fn one(span: &Span) -> Value {
    json!({
        "tenant": span.tenant.as_str(), "log": word(span.log), "first": span.first.0, "last": span.last.0,
    })
}

/// How much there is to read, for the progress. Segments that only an older manifest names are not read.
fn bytes_to_read(path: &Path) -> u64 {
    let folders = ["journal", "segments"].map(|folder| std::fs::read_dir(path.join(folder)));
    let files = folders.into_iter().flatten().flatten();
    files.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).sum()
}
