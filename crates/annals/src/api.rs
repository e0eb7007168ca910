//! Asking a server: one log of it, as `verify` and `publish` need it.

use std::time::Duration;

use annals_tree::tile::Tile;
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::exit::{Exit, Failure, reason};

/// Longest answer that is read: a bundle of 256 entries of the longest kind is half of it.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Time for a connection, and between two pieces of an answer.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const READ_MAX: Duration = Duration::from_secs(30);

/// A server and the key to ask it with.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    client: Client,
    base: Url,
    key: Option<String>,
}

/// One log of a server.
#[derive(Clone, Debug)]
pub(crate) struct LogApi {
    api: Api,
    /// Query parameters that name the log.
    names: Vec<(&'static str, String)>,
}

/// `GET /v1/log`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LogAnswer {
    pub(crate) origin: String,
    pub(crate) public_key: String,
}

#[derive(Deserialize)]
struct TenantsAnswer {
    tenants: Vec<TenantAnswer>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct TenantAnswer {
    id: String,
}

#[derive(Deserialize)]
struct ConsistencyAnswer {
    hashes: Vec<String>,
}

/// RFC 9457, as far as it is shown.
#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

impl Api {
    /// A server by its URL. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// `Invalid`: the URL is none.
    pub(crate) fn new(url: &str, key: Option<String>) -> Result<Self, Failure> {
        let invalid = |why: &str| {
            Failure::new(Exit::Invalid, format!("`{url}` {why}"))
                .with_hint("give a URL such as http://127.0.0.1:4722")
        };
        let mut base: Url = url.parse().map_err(|_| invalid("is not a URL"))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(invalid("is not the URL of a server"));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        // reqwest asks for a provider to be in place; a second call finds the first one's.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder()
            .connect_timeout(CONNECT_MAX)
            .read_timeout(READ_MAX)
            .user_agent(concat!("annals/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                Failure::new(Exit::Unavailable, format!("cannot make connections: {}", reason(&error)))
            })?;
        Ok(Self { client, base, key })
    }

    /// One of its logs: the tenant's own or its access log; without a tenant, the key's.
    pub(crate) fn log(&self, tenant: Option<&str>, access: bool) -> LogApi {
        let mut names = Vec::new();
        names.extend(tenant.map(|tenant| ("tenant", tenant.to_owned())));
        names.extend(access.then(|| ("log", "access".to_owned())));
        LogApi { api: self.clone(), names }
    }

    /// All tenants that the key may see.
    pub(crate) async fn tenants(&self) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = vec![("limit", "1000".to_owned())];
            query.extend(after.map(|after| ("after", after)));
            let page: TenantsAnswer = self.json("v1/tenants", &query).await?;
            all.extend(page.tenants.into_iter().map(|tenant| tenant.id));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    async fn json<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, Failure> {
        let bytes = self.get(path, query).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.senseless(path, &error.to_string()))
    }

    fn senseless(&self, path: &str, why: &str) -> Failure {
        Failure::new(Exit::Unavailable, format!("`{}{path}` answers what annals does not: {why}", self.base))
    }

    /// The body of a successful answer.
    async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Vec<u8>, Failure> {
        let mut url = self.base.join(path).expect("our paths are relative URLs");
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.get(url.clone());
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let unreached = |error: reqwest::Error| {
            let failure = Failure::new(
                Exit::Unavailable,
                format!("no answer from `{}`: {}", self.base, reason(&error.without_url())),
            );
            failure.with_hint("is the server running, and is the URL right?")
        };
        let mut response = request.send().await.map_err(unreached)?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unreached)? {
            if body.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(self.senseless(path, &format!("more than {ANSWER_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        if response.status().is_success() {
            Ok(body)
        } else {
            Err(refusal(&response, &body, self.key.is_some()))
        }
    }
}

impl LogApi {
    /// What the log is called, and the key that the server says is its.
    pub(crate) async fn describe(&self) -> Result<LogAnswer, Failure> {
        self.api.json("v1/log", &self.names).await
    }

    /// The signed note of its newest checkpoint.
    pub(crate) async fn checkpoint(&self) -> Result<String, Failure> {
        let bytes = self.api.get("v1/log/checkpoint", &self.names).await?;
        String::from_utf8(bytes)
            .map_err(|_| self.api.senseless("v1/log/checkpoint", "bytes that are no text"))
    }

    /// One tile, or none when the server has no such tile.
    pub(crate) async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, Failure> {
        match self.api.get(&format!("v1/log/{tile}"), &self.names).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(failure) if failure.exit == Exit::Missing => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The proof that the tree of `to` begins with that of `from`.
    pub(crate) async fn consistency(&self, from: u64, to: u64) -> Result<Vec<annals_tree::Hash>, Failure> {
        let mut query = self.names.clone();
        query.extend([("from", from.to_string()), ("to", to.to_string())]);
        let answer: ConsistencyAnswer = self.api.json("v1/proofs/consistency", &query).await?;
        let hashes = answer.hashes.iter().map(|hash| hash.parse()).collect::<Result<_, _>>();
        hashes.map_err(|error: annals_tree::hash::ParseHashError| {
            self.api.senseless("v1/proofs/consistency", &error.to_string())
        })
    }
}

/// A refusal in the server's words.
fn refusal(response: &Response, body: &[u8], with_key: bool) -> Failure {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let status = response.status();
    let exit = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::Denied,
        StatusCode::NOT_FOUND => Exit::Missing,
        StatusCode::CONFLICT => Exit::Conflict,
        StatusCode::TOO_MANY_REQUESTS => Exit::Busy,
        StatusCode::SERVICE_UNAVAILABLE
            if matches!(problem.code.as_str(), "busy" | "stopping" | "uncertain") =>
        {
            Exit::Busy
        }
        _ if problem.code == "damaged" => Exit::Damaged,
        _ if problem.code == "bug" => Exit::Bug,
        status if status.is_server_error() => Exit::Unavailable,
        _ => Exit::Invalid,
    };
    let words = [&problem.detail, &problem.title].into_iter().find(|words| !words.is_empty());
    let words =
        words.map_or_else(|| format!("HTTP status {status}"), |words| format!("{words} ({})", problem.code));
    let failure = Failure::new(exit, format!("the server refuses: {words}"));
    match status {
        StatusCode::UNAUTHORIZED if !with_key => failure.with_hint("give a key with `--key` or `ANNALS_KEY`"),
        StatusCode::BAD_REQUEST if problem.code == "tenant_required" => {
            failure.with_hint("name the tenant with `--tenant`")
        }
        _ => failure,
    }
}
