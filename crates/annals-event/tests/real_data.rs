//! Events that real systems wrote, when there is a folder of them.

use std::collections::BTreeMap;

use annals_event::{Normalised, Rules, Scratch, UnitScratch, normalise, rebuild, units};

/// `ANNALS_REAL_DATA` names a folder of NDJSON files, one event a line, as `POST /v1/events` takes them.
#[test]
fn every_real_event_is_accepted_or_refused_with_a_reason() {
    let Some(folder) = std::env::var_os("ANNALS_REAL_DATA") else {
        eprintln!("skipped: ANNALS_REAL_DATA is not set");
        return;
    };
    let (mut scratch, mut event, mut unit_scratch) =
        (Scratch::default(), Normalised::default(), UnitScratch::default());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "ndjson") {
            continue;
        }
        let (mut accepted, mut refused, mut unit_count) =
            (0_usize, BTreeMap::<String, usize>::new(), 0_usize);
        let mut operations = BTreeMap::<&str, usize>::new();
        let body = std::fs::read(&path).unwrap();
        for line in annals_event::json::lines(&body) {
            if let Err(rejection) = normalise(line, &Rules::default(), &mut scratch, &mut event) {
                assert!(!rejection.message.is_empty());
                *refused.entry(format!("{} {}", rejection.code, rejection.pointer)).or_default() += 1;
                continue;
            }
            accepted += 1;
            *operations.entry(event.operation().as_str()).or_default() += 1;
            let mut parts = Vec::new();
            units(event.bytes(), &mut unit_scratch, |name, value| {
                parts.push((name.to_owned(), value.to_vec()))
            })
            .unwrap();
            unit_count += parts.len();
            let rebuilt =
                rebuild(parts.iter().map(|(name, value)| (name.as_str(), value.as_slice()))).unwrap();
            assert_eq!(rebuilt, event.bytes());
            let canonical = event.bytes().to_vec();
            normalise(&canonical, &Rules::default(), &mut scratch, &mut event).unwrap();
            assert_eq!(event.bytes(), canonical);
        }
        eprintln!(
            "{}: {accepted} accepted, refused {refused:?}, {unit_count} units, {operations:?}",
            path.display()
        );
    }
}
