//! Settings about what vouches for the log: the registry, reading again, witnesses.

use std::collections::BTreeSet;
use std::time::Duration;

use annals_server::{Scrubbing, WITNESS_ANSWER_MAX, WITNESS_ASKED_EVERY, WitnessAddress, Witnessing};
use annals_tree::cosignature::Quorum;

use super::{Values, quantity};
use crate::exit::Failure;

impl Values<'_> {
    /// How often logs that changed go into the registry.
    pub(super) fn register_every(&self) -> Result<Duration, Failure> {
        self.required("registry.every", |text| {
            let every = quantity::duration(text)?;
            let fits = (Duration::from_mins(1)..=Duration::from_hours(24 * 30)).contains(&every);
            fits.then_some(every).ok_or("must be between 1m and 30d")
        })
    }

    /// How everything is read again in the background, if it is.
    pub(super) fn scrubbing(&self) -> Result<Option<Scrubbing>, Failure> {
        let records_per_second = self.required("scrub.rate", |text| {
            text.parse().map_err(|_| "must be a number of records, 0 for none")
        })?;
        let every = self.required("scrub.every", |text| {
            let every = quantity::duration(text)?;
            let fits = (Duration::from_mins(1)..=Duration::from_hours(24 * 365)).contains(&every);
            fits.then_some(every).ok_or("must be between 1m and 365d")
        })?;
        Ok((records_per_second > 0).then_some(Scrubbing { records_per_second, every }))
    }

    /// Who cosigns checkpoints, if anybody.
    pub(super) fn witnessing(&self) -> Result<Option<Witnessing>, Failure> {
        let witnesses = self.list("witness.list", witness)?;
        let every = self.required("witness.every", |text| {
            let every = quantity::duration(text)?;
            let fits = (Duration::from_secs(1)..=Duration::from_hours(24 * 30)).contains(&every);
            fits.then_some(every).ok_or("must be between 1s and 30d")
        })?;
        let quorum = self.optional("witness.quorum", |text| {
            text.parse::<usize>().map_err(|_| "must be how many witnesses are enough")
        })?;
        if witnesses.is_empty() {
            return match quorum {
                Some(_) => Err(self.refuse("witness.quorum", "stands alone; `witness.list` is missing")),
                None => Ok(None),
            };
        }
        // Unsaid, all of them are needed: fewer is for somebody to decide.
        let quorum = quorum.unwrap_or(witnesses.len());
        let keys = witnesses.iter().map(|witness| witness.key.clone()).collect();
        let _reachable = Quorum::new(keys, quorum).map_err(|error| self.refuse("witness.list", error))?;
        let urls: BTreeSet<&str> = witnesses.iter().map(|witness| witness.url.as_str()).collect();
        if urls.len() < witnesses.len() {
            return Err(self.refuse("witness.list", "names an address twice"));
        }
        Ok(Some(Witnessing {
            witnesses,
            quorum,
            every,
            asked_every: WITNESS_ASKED_EVERY,
            answer_max: WITNESS_ANSWER_MAX,
        }))
    }
}

/// `URL VKEY`.
fn witness(text: &str) -> Result<WitnessAddress, String> {
    let (url, key) = text.trim().split_once(' ').ok_or("must be a URL, a space, and the witness' key")?;
    let parsed: reqwest::Url = url.parse().map_err(|_| "must begin with a URL")?;
    if !matches!(parsed.scheme(), "http" | "https")
        || !parsed.username().is_empty()
        || parsed.password().is_some()
    {
        return Err("must begin with the URL of a server, without a user or a password".to_owned());
    }
    let key =
        key.trim().parse().map_err(|error: annals_tree::note::KeyError| format!("is no witness: {error}"))?;
    Ok(WitnessAddress { url: url.to_owned(), key })
}
