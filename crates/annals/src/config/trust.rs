//! Settings about what vouches for the log: the registry, reading again, witnesses; the signer.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use annals_server::{
    ERASURE_APPROVALS_MAX, Scrubbing, WITNESS_ANSWER_MAX, WITNESS_ASKED_EVERY, WitnessAddress, Witnessing,
};
use annals_tree::cosignature::Quorum;

use super::{Values, quantity};
use crate::exit::Failure;
use crate::signer::client::{SignerAddress, SignerPlace};

impl Values<'_> {
    /// How often logs that changed go into the registry.
    pub(super) fn register_every(&self) -> Result<Duration, Failure> {
        self.required("registry.every", |text| {
            let every = quantity::duration(text)?;
            let fits = (Duration::from_mins(1)..=Duration::from_hours(24 * 30)).contains(&every);
            fits.then_some(every).ok_or("must be between 1m and 30d")
        })
    }

    /// How many keys must approve a case of erasure.
    pub(super) fn erasure_approvals(&self) -> Result<u32, Failure> {
        self.required("erasure.approvals", |text| {
            let approvals = text.parse().ok().filter(|count| (1..=ERASURE_APPROVALS_MAX).contains(count));
            approvals.ok_or("must be 1 to 16")
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
        let registry_only = self.required("witness.logs", |text| match text {
            "all" => Ok(false),
            "registry" => Ok(true),
            _ => Err("must be `all` or `registry`"),
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
            registry_only,
            asked_every: WITNESS_ASKED_EVERY,
            answer_max: WITNESS_ANSWER_MAX,
        }))
    }
}

impl Values<'_> {
    /// Who has the key, when it is not in the data folder.
    pub(super) fn signer(&self) -> Result<Option<SignerAddress>, Failure> {
        let file = |text: &str| Ok::<_, &str>(PathBuf::from(text));
        match (self.optional("signer.url", signer_place)?, self.optional("signer.token_file", file)?) {
            (Some(place), Some(token_file)) => Ok(Some(SignerAddress { place, token_file })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(self.refuse("signer.url", "stands alone; `signer.token_file` is missing")),
            (None, Some(_)) => Err(self.refuse("signer.token_file", "stands alone; `signer.url` is missing")),
        }
    }
}

fn signer_place(text: &str) -> Result<SignerPlace, &'static str> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(SignerPlace::Unix(path.into()));
    }
    let mut url: reqwest::Url = text.parse().map_err(|_| "must be `unix:PATH` or a URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must be a URL without a user or a password");
    }
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if is_here => {}
        "http" => return Err("is on another machine, and the token would travel in clear"),
        _ => return Err("must be `unix:PATH` or a URL"),
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(SignerPlace::Http(url))
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
