//! Where vendors' APIs are: at the root, below a prefix of a tenant's, or at a host name of their own; and under which other paths.

use annals_event::TenantId;

use crate::VENDORS;
use crate::api::Vendor;
use crate::settings::window_days;

/// First segments of our own paths, which no prefix may hide.
const OWN: [&str; 9] =
    ["v1", "docs", "verify", "healthz", "readyz", "version", "metrics", "openapi.json", "-"];

/// A path that nothing is at: what is asked for below a mount and is not the vendor's.
const NOWHERE: &str = "/-";

/// A vendor's API at a place of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    host: Option<Host>,
    /// Without a slash at its end; empty for the whole host.
    prefix: String,
    tenant: Option<TenantId>,
    vendor: &'static str,
    window_days: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// This one.
    Exact(String),
    /// One label before this, which begins with a dot.
    Below(String),
}

/// Where a request is to go.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The path that is meant, if it is another than the one sent.
    pub path: Option<String>,
    /// Whose it is.
    pub vendor: Option<&'static Vendor>,
    /// What the mount says, if it came through one.
    pub mounted: Mounted,
}

/// What a mount says of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounted {
    /// What stood before the vendor's own path.
    pub prefix: String,
    /// Whose entries they are: not always a name that a tenant can have.
    pub tenant: Option<String>,
    /// Entries older than so many days are not shown.
    pub window_days: Option<u32>,
}

impl Mount {
    /// Reads `PLACE TENANT VENDOR`, with `window_days=N` behind it or not. A place is a prefix such as `/acme/video`, a host such as
    /// `logs.example.com`, or both; of `*.example.com` the first label is the tenant, where the tenant is `*`. Elsewhere `*` is
    /// the tenant of the key.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let (Some(place), Some(tenant), Some(name)) = (words.next(), words.next(), words.next()) else {
            return Err("must be `PLACE TENANT VENDOR`, such as `/acme/video acme panda`".to_owned());
        };
        let mut days = None;
        for word in words {
            match word.split_once('=') {
                Some(("window_days", text)) => days = Some(window_days(text)?),
                _ => return Err(format!("says `{word}`, which is not `window_days=N`")),
            }
        }
        let vendor = VENDORS.iter().find(|vendor| vendor.name == name);
        let vendor = vendor.ok_or_else(|| {
            let names: Vec<_> = VENDORS.iter().map(|vendor| vendor.name).collect();
            format!("names the vendor `{name}`; there are `{}`", names.join("`, `"))
        })?;
        let tenant = match tenant {
            "*" => None,
            name => Some(
                TenantId::new(name).map_err(|error| format!("names the tenant `{name}`, which {error}"))?,
            ),
        };
        let (host, prefix) = match place.find('/') {
            Some(at) => place.split_at(at),
            None => (place, ""),
        };
        Ok(Self {
            host: host_of(host)?,
            prefix: prefix_of(prefix, host)?,
            tenant,
            vendor: vendor.name,
            window_days: days,
        })
    }

    /// How much it says: of several that fit, the one that says most is meant.
    fn rank(&self) -> (u8, usize) {
        let host = match self.host {
            Some(Host::Exact(_)) => 2,
            Some(Host::Below(_)) => 1,
            None => 0,
        };
        (host, self.prefix.len())
    }

    /// What stands behind the prefix, and the tenant that the host names, if the mount is meant.
    fn fits<'a>(&self, host: &str, path: &'a str) -> Option<(&'a str, Option<String>)> {
        let label = match &self.host {
            None => None,
            Some(Host::Exact(name)) if name == host => None,
            Some(Host::Below(suffix)) => Some(
                host.strip_suffix(suffix.as_str())
                    .filter(|label| !label.is_empty() && !label.contains('.'))?,
            ),
            Some(Host::Exact(_)) => return None,
        };
        let rest = path.strip_prefix(self.prefix.as_str())?;
        let rest = Some(rest).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        Some((rest, label.map(str::to_owned)))
    }
}

fn host_of(text: &str) -> Result<Option<Host>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let name = text.to_ascii_lowercase();
    let (is_below, rest) = match name.strip_prefix('*') {
        Some(rest) => (true, rest.strip_prefix('.').unwrap_or_default()),
        None => (false, name.as_str()),
    };
    let fits = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if !rest.split('.').all(fits) {
        return Err(format!(
            "names the host `{text}`, which is no host name such as `logs.example.com` or `*.example.com`"
        ));
    }
    Ok(Some(if is_below { Host::Below(format!(".{rest}")) } else { Host::Exact(rest.to_owned()) }))
}

fn prefix_of(text: &str, host: &str) -> Result<String, String> {
    let prefix = text.trim_end_matches('/');
    if host.is_empty() && prefix.is_empty() {
        return Err("names neither a host nor a prefix".to_owned());
    }
    if !prefix.is_empty() {
        check_segments(prefix)?;
    }
    let first = prefix.split('/').nth(1).unwrap_or_default();
    let begins_so = |root: &&str| root.split('/').nth(1) == Some(first);
    let of_vendors = || VENDORS.iter().flat_map(|vendor| vendor.roots).any(begins_so);
    if host.is_empty() && (OWN.contains(&first) || of_vendors()) {
        return Err(format!("names a prefix that begins with `/{first}`, where other routes are"));
    }
    Ok(prefix.to_owned())
}

/// Whether a vendor's list may be at this path as well.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    check_segments(path)?;
    let first = path.split('/').nth(1).unwrap_or_default();
    let is_taken = OWN.contains(&first) || VENDORS.iter().any(|vendor| vendor.owns(path));
    if is_taken { Err("is where other routes are".to_owned()) } else { Ok(()) }
}

fn check_segments(path: &str) -> Result<(), String> {
    let fits = |segment: &str| {
        !segment.is_empty()
            && !matches!(segment, "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    if path.strip_prefix('/').is_some_and(|path| path.split('/').all(fits)) {
        return Ok(());
    }
    Err(format!("names `{path}`, which must be `/` and segments of `A–Z a–z 0–9 - . _ ~`"))
}

/// Everything that leads to vendors' APIs.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The one that says most first.
    mounts: Vec<Mount>,
    /// Paths beside the vendors' own aliases.
    aliases: Vec<(String, &'static str)>,
}

impl Places {
    /// All that settings say.
    #[must_use]
    pub fn new(mut mounts: Vec<Mount>, aliases: Vec<(String, &'static str)>) -> Self {
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.rank()));
        Self { mounts, aliases }
    }

    /// Where a request goes. `host` is as the client knows it, with its port or not.
    #[must_use]
    pub fn place(&self, host: &str, path: &str) -> Place {
        if !self.mounts.is_empty() {
            let host =
                host.rsplit_once(':').map_or(host, |(name, port)| if is_port(port) { name } else { host });
            let host = host.to_ascii_lowercase();
            for mount in &self.mounts {
                if let Some((rest, label)) = mount.fits(&host, path) {
                    return self.mounted(mount, rest, label);
                }
            }
        }
        let (vendor, meant) = self.meant(path);
        Place { path: meant, vendor, mounted: Mounted::default() }
    }

    fn mounted(&self, mount: &Mount, rest: &str, label: Option<String>) -> Place {
        let vendor = VENDORS.iter().copied().find(|vendor| vendor.name == mount.vendor);
        let (of, meant) = self.meant(rest);
        let is_vendors = of.is_some_and(|of| of.name == mount.vendor);
        let path = if is_vendors { meant.unwrap_or_else(|| rest.to_owned()) } else { NOWHERE.to_owned() };
        let tenant = mount.tenant.as_ref().map(|tenant| tenant.as_str().to_owned()).or(label);
        let mounted = Mounted { prefix: mount.prefix.clone(), tenant, window_days: mount.window_days };
        Place { path: Some(path), vendor, mounted }
    }

    /// Whose path it is, and which one is meant if that is another.
    fn meant(&self, path: &str) -> (Option<&'static Vendor>, Option<String>) {
        let trimmed = path.strip_suffix('/').unwrap_or(path);
        let of_settings = self.aliases.iter().map(|(from, to)| (from.as_str(), *to));
        let of_vendors = VENDORS.iter().flat_map(|vendor| vendor.aliases.iter().copied());
        let alias = of_settings.chain(of_vendors).find_map(|(from, to)| filled(from, to, trimmed));
        let meant = alias.as_deref().unwrap_or(trimmed);
        match Vendor::of_path(meant) {
            Some(vendor) => (Some(vendor), (meant != path).then(|| meant.to_owned())),
            None => (None, None),
        }
    }
}

/// `to`, its `{}` filled with the segments of `path` where `from` has them, if that fits.
fn filled(from: &str, to: &str, path: &str) -> Option<String> {
    let (from, path) = (from.split('/'), path.split('/'));
    if from.clone().count() != path.clone().count() {
        return None;
    }
    let mut segments = Vec::new();
    for (wanted, segment) in from.zip(path) {
        match wanted {
            "{}" if !segment.is_empty() => segments.push(segment),
            wanted if wanted == segment => {}
            _ => return None,
        }
    }
    let mut filled = to.to_owned();
    for segment in segments {
        filled = filled.replacen("{}", segment, 1);
    }
    Some(filled)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(mounts: &[&str]) -> Places {
        let mounts = mounts.iter().map(|text| Mount::parse(text).unwrap()).collect();
        Places::new(mounts, vec![("/our/{}/logs".to_owned(), "/v1/audit_logs/{}")])
    }

    /// `vendor path tenant prefix`, each `-` where there is none.
    fn told(places: &Places, host: &str, path: &str) -> String {
        let place = places.place(host, path);
        let or_none = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
        [
            or_none(place.vendor.map(|vendor| vendor.name)),
            or_none(place.path.as_deref()),
            or_none(place.mounted.tenant.as_deref()),
            or_none(Some(&place.mounted.prefix)),
        ]
        .join(" ")
    }

    #[test]
    fn a_path_is_the_vendors_by_whole_segments_and_a_slash_at_its_end_makes_no_other() {
        let places = places(&[]);
        for (path, expected) in [
            ("/v1/audit_logs", "nirvana - - -"),
            ("/v1/audit_logs/", "nirvana /v1/audit_logs - -"),
            ("/v1/audit_logs/e1/x", "nirvana - - -"),
            ("/v1/audit_logs2", "- - - -"),
            ("/v1/events", "- - - -"),
            ("/v1/events/", "- - - -"),
            ("", "- - - -"),
            ("/", "- - - -"),
            ("/our/e1/logs", "nirvana /v1/audit_logs/e1 - -"),
            ("/our/%2F/logs/", "nirvana /v1/audit_logs/%2F - -"),
            ("/our//logs", "- - - -"),
            ("/our/a/b/logs", "- - - -"),
        ] {
            assert_eq!(told(&places, "a.example", path), expected, "{path}");
        }
    }

    #[test]
    fn a_mount_leads_to_its_vendor_and_nowhere_else() {
        let places = places(&[
            "/acme/n acme nirvana",
            "/acme/n/deeper globex nirvana window_days=30",
            "n.example.com * nirvana",
            "*.n.example.com * nirvana",
            "*.n.example.com/fixed acme nirvana",
        ]);
        for (host, path, expected) in [
            ("a", "/acme/n/v1/audit_logs/", "nirvana /v1/audit_logs acme /acme/n"),
            ("a", "/acme/n/deeper/v1/audit_logs/x", "nirvana /v1/audit_logs/x globex /acme/n/deeper"),
            ("a", "/acme/nn/v1/audit_logs", "- - - -"),
            ("a", "/acme/n/v1/events", "nirvana /- acme /acme/n"),
            ("a", "/acme/n", "nirvana /- acme /acme/n"),
            ("a", "/v1/audit_logs", "nirvana - - -"),
            ("N.Example.com:8443", "/v1/audit_logs", "nirvana /v1/audit_logs - -"),
            ("n.example.com", "/v1/keys", "nirvana /- - -"),
            ("Acme.n.example.com", "/v1/audit_logs", "nirvana /v1/audit_logs acme -"),
            ("x.acme.n.example.com", "/v1/keys", "- - - -"),
            ("other.n.example.com", "/fixed/v1/audit_logs", "nirvana /v1/audit_logs acme /fixed"),
        ] {
            assert_eq!(told(&places, host, path), expected, "{host}{path}");
        }
        assert_eq!(places.place("a", "/acme/n/deeper/v1/audit_logs").mounted.window_days, Some(30));
    }

    #[test]
    fn a_mount_that_cannot_be_is_refused() {
        for (text, problem) in [
            ("", "must be"),
            ("/acme acme", "must be"),
            ("/acme acme okta", "names the vendor"),
            ("/acme _acme nirvana", "names the tenant"),
            ("/v1/x acme nirvana", "other routes"),
            ("/- acme nirvana", "other routes"),
            ("/ acme nirvana", "neither a host"),
            ("/a//b acme nirvana", "segments"),
            ("/a/../b acme nirvana", "segments"),
            ("a_b!.example acme nirvana", "host name"),
            ("*example.com * nirvana", "host name"),
            ("a.*.example.com * nirvana", "host name"),
            ("/acme acme nirvana window_days=0", "number of days"),
            ("/acme acme nirvana days=3", "is not `window_days=N`"),
        ] {
            let told = Mount::parse(text).unwrap_err();
            assert!(told.contains(problem), "{text}: {told}");
        }
    }
}
