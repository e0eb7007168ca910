//! Under which address a client came, for links that lead back.

use axum::http::{HeaderMap, Uri, header};

use crate::listen::Listening;

/// Longest name of a host, with its port, bytes.
const HOST_BYTES_MAX: usize = 260;

/// What the server knows of how clients reach it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    /// It speaks TLS itself.
    tls: bool,
    /// Only a proxy can come, which says how clients reached it.
    behind_proxy: bool,
}

impl Origin {
    pub(crate) fn of(listening: &Listening) -> Self {
        Self { tls: listening.tls.is_some(), behind_proxy: listening.behind_proxy.is_some() }
    }

    /// Scheme and host, such as `https://annals.example.com`; empty where the request does not name a host, which leaves links
    /// relative. Headers that proxies set are believed of a proxy alone.
    pub(crate) fn text(self, uri: &Uri, headers: &HeaderMap) -> String {
        let host = self
            .forwarded(headers, "host", "x-forwarded-host")
            .or_else(|| uri.authority().map(|authority| authority.as_str().to_owned()))
            .or_else(|| first(headers, header::HOST.as_str()))
            .filter(|host| is_host(host));
        let scheme = if self.is_https(headers) { "https" } else { "http" };
        host.map_or_else(String::new, |host| format!("{scheme}://{host}"))
    }

    /// Whether the client came over HTTPS.
    pub(crate) fn is_https(self, headers: &HeaderMap) -> bool {
        match self.forwarded(headers, "proto", "x-forwarded-proto") {
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => false,
            // Keys do not travel in clear to a proxy that says nothing.
            _ => self.tls || self.behind_proxy,
        }
    }

    /// What the proxy, if there is one, says of how the client came.
    fn forwarded(self, headers: &HeaderMap, name: &str, header: &str) -> Option<String> {
        let told = || first(headers, header).or_else(|| forwarded(headers, name));
        self.behind_proxy.then(told).flatten()
    }
}

/// The first of a header's values: what the proxy nearest to the client said, or the client, where that proxy adds to what it was
/// sent.
fn first(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// A member of the first element of `Forwarded` (RFC 7239), whose values have neither `,` nor `;` in them.
fn forwarded(headers: &HeaderMap, name: &str) -> Option<String> {
    let element = first(headers, "forwarded")?;
    element.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// Whether a text can stand in an address as host and port; what a client writes there comes back in a header.
fn is_host(text: &str) -> bool {
    (1..=HOST_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(tls: bool, behind_proxy: bool, headers: &[(&'static str, &str)]) -> String {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Origin { tls, behind_proxy }.text(&"/v1/events".parse().unwrap(), &headers)
    }

    #[test]
    fn the_host_is_the_one_asked_for_and_a_proxy_alone_may_say_otherwise() {
        let forged =
            [("host", "a.example"), ("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "ftp")];
        assert_eq!(origin(false, false, &forged), "http://a.example");
        assert_eq!(origin(true, false, &forged), "https://a.example");
        assert_eq!(origin(false, true, &forged), "https://evil.example");
        let forwarded =
            [("host", "inner:7117"), ("forwarded", "for=192.0.2.1;proto=http;host=\"a.example:81\", for=x")];
        assert_eq!(origin(false, true, &forwarded), "http://a.example:81");
        assert_eq!(origin(false, false, &forwarded), "http://inner:7117");
    }

    #[test]
    fn what_is_no_host_leaves_links_relative() {
        for host in ["", "a.example>; rel=\"x\"", "a/b", "a@b"] {
            assert_eq!(origin(true, false, &[("host", host)]), "", "{host}");
        }
        assert_eq!(origin(true, false, &[]), "");
    }
}
