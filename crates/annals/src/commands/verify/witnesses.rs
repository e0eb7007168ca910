//! Who else saw a log: cosignatures on its checkpoint, held against a quorum.

use annals_event::Timestamp;
use annals_ledger::Clock as _;
use annals_server::SystemClock;
use annals_tree::cosignature::{CosignatureError, Quorum, WitnessKey};
use annals_tree::note::{Note, VerifierKey};
use serde_json::json;

use super::report::Report;
use crate::exit::{Exit, Failure};

/// So far may a witness' clock be ahead of ours.
const AHEAD_MAX_US: i64 = 600_000_000;

/// The quorum that the flags ask for, if they do.
///
/// # Errors
///
/// `Invalid`: a text is no witness' key, or the quorum can never be reached.
pub(super) fn quorum(keys: &[String], needed: Option<usize>) -> Result<Option<Quorum>, Failure> {
    if keys.is_empty() {
        return Ok(None);
    }
    let keys = keys.iter().map(|text| {
        text.parse::<WitnessKey>().map_err(|error| {
            Failure::new(Exit::Invalid, format!("`--witness`: `{text}`: {error}"))
                .with_hint("a witness prints its key when it starts, `name+id+base64`")
        })
    });
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let needed = needed.unwrap_or(keys.len());
    let quorum = Quorum::new(keys, needed);
    quorum.map(Some).map_err(|error| Failure::new(Exit::Invalid, format!("`--witness`: {error}")))
}

/// Whether enough cosigned a checkpoint that the log's `key` signed.
pub(super) fn is_met(quorum: &Quorum, note: &Note, key: &VerifierKey) -> bool {
    let tally = quorum.count(note, key);
    let cosigned = tally.each.iter().filter(|said| said.as_ref().is_ok_and(|at| instant(*at).is_ok()));
    cosigned.count() >= tally.needed
}

/// Says who cosigned a checkpoint over `size` records that the log's `key` signed; fewer than needed is a finding.
pub(super) fn say(
    report: &mut Report,
    quorum: &Quorum,
    note: &Note,
    key: &VerifierKey,
    size: u64,
) -> Result<(), Failure> {
    let origin = key.name();
    let tally = quorum.count(note, key);
    let witnesses: Vec<(&str, Result<String, &str>)> = quorum
        .witnesses()
        .iter()
        .zip(&tally.each)
        .map(|(witness, said)| (witness.name(), said.map_err(|error| words(&error)).and_then(instant)))
        .collect();
    let cosigned = witnesses.iter().filter(|(_, said)| said.is_ok()).count();
    let each = || {
        let each = witnesses.iter().map(|(name, said)| match said {
            Ok(at) => format!("`{name}` at {at}"),
            Err(why) => format!("`{name}` {why}"),
        });
        each.collect::<Vec<_>>().join("; ")
    };
    report.output.line(
        || {
            let all = witnesses.len();
            format!("cosigned  log {origin}: {size} records, by {cosigned} of {all} witnesses: {}", each())
        },
        || {
            let each = witnesses.iter().map(|(name, said)| match said {
                Ok(at) => json!({"name": name, "cosigned_at": at}),
                Err(why) => json!({"name": name, "reason": why}),
            });
            json!({
                "type": "item", "item": "cosignatures", "origin": origin, "size": size, "cosigned": cosigned,
                "needed": tally.needed, "witnesses": each.collect::<Vec<_>>(),
            })
        },
    )?;
    if cosigned < tally.needed {
        let message = format!("log {origin}: {cosigned} witnesses cosigned, {} are needed", tally.needed);
        return report.finding(&message, json!({"origin": origin}));
    }
    Ok(())
}

fn words(error: &CosignatureError) -> &'static str {
    match error {
        CosignatureError::Missing => "did not",
        _ => "has a wrong cosignature there",
    }
}

/// The time of a cosignature; not one that is still to come.
fn instant(seconds: u64) -> Result<String, &'static str> {
    let micros = i64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1_000_000));
    let at = micros.and_then(Timestamp::from_micros);
    let at = at.ok_or("has a cosignature without a time that can be")?;
    if at.as_micros() > SystemClock.now().as_micros().saturating_add(AHEAD_MAX_US) {
        return Err("has a cosignature of a time to come");
    }
    // To the second, as it was said.
    Ok(format!("{}Z", &at.to_string()[..19]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosignature_from_the_future_does_not_count() {
        assert_eq!(instant(1_679_315_147).unwrap(), "2023-03-20T12:25:47Z");
        assert!(instant(4_000_000_000).is_err());
        assert!(instant(u64::MAX).is_err());
    }
}
