//! Whether a server answers the question that it was asked. A proof of another one may hold as well.

use std::collections::BTreeSet;

use annals_server::bundle::BundleHead;

use crate::api::Query;
use crate::exit::{Exit, Failure};

/// Parameters that are no conditions on events.
const ABOUT: [&str; 9] = ["earlier", "from", "log", "mode", "size", "start", "tenant", "to", "withhold"];

/// Holds what a bundle is said to be about against what was asked: conditions, units withheld, which log, and the tenant where
/// one was named.
///
/// # Errors
///
/// It is about something else.
pub(crate) fn answers(head: &BundleHead, query: &Query) -> Result<(), Failure> {
    let of = |name: &'static str| query.iter().filter(move |pair| pair.0 == name).map(|pair| pair.1.as_str());
    let another = |what: &str, said: &str, asked: &str| {
        let message = format!("the server answers another question: {what} `{said}` instead of `{asked}`");
        Failure::new(Exit::Damaged, message).with_hint("whatever it proves is not what was asked")
    };
    let mut said: Vec<_> =
        form_urlencoded::parse(head.filter.as_deref().unwrap_or_default().as_bytes()).into_owned().collect();
    let mut asked: Query =
        query.iter().filter(|(name, _)| !ABOUT.contains(&name.as_str())).cloned().collect();
    said.sort_unstable();
    asked.sort_unstable();
    if said != asked {
        let text =
            |pairs: &Query| form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        return Err(another("conditions", &text(&said), &text(&asked)));
    }
    let withheld: BTreeSet<&str> = head.withheld.iter().map(String::as_str).collect();
    let to_withhold: BTreeSet<&str> = of("withhold").collect();
    if withheld != to_withhold {
        let text = |units: &BTreeSet<&str>| units.iter().copied().collect::<Vec<_>>().join(" ");
        return Err(another("units withheld", &text(&withheld), &text(&to_withhold)));
    }
    let log = of("log").next().unwrap_or("events");
    if head.log != log {
        return Err(another("log", &head.log, log));
    }
    match of("tenant").next() {
        Some(tenant) if head.tenant != tenant => Err(another("tenant", &head.tenant, tenant)),
        _ => Ok(()),
    }
}
