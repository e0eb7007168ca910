//! Asking a server, and one log of it as `verify` and `publish` need it.

pub(crate) mod again;
pub(crate) mod lines;
pub(crate) mod live;

use std::time::Duration;

use annals_tree::tile::Tile;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::exit::{Exit, Failure, reason};

/// Longest answer that is read: a bundle of 256 entries of the longest kind is half of it.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Time for a connection, and between two pieces of an answer.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const READ_MAX: Duration = Duration::from_secs(30);

/// Time between two pieces of an answer that looks through all there is for something rare.
const PATIENT_READ_MAX: Duration = Duration::from_secs(600);

/// Which server, with which key, about whom: the same flags for every command that asks one.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerFlags {
    /// The server
    #[arg(long, value_name = "URL", env = "ANNALS_URL", default_value = "http://127.0.0.1:4722")]
    pub(crate) url: String,
    /// API key to ask it with
    #[arg(long, value_name = "KEY", env = "ANNALS_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// The tenant; not needed with a tenant's key
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
}

impl ServerFlags {
    /// The server. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// As of [`Api::new`].
    pub(crate) fn api(&self) -> Result<Api, Failure> {
        Api::new(&self.url, self.key.clone())
    }

    /// The query parameter that names the tenant, if one was named.
    pub(crate) fn tenant_parameter(&self) -> Query {
        self.tenant.iter().map(|tenant| ("tenant".to_owned(), tenant.clone())).collect()
    }
}

/// Query parameters in order.
pub(crate) type Query = Vec<(String, String)>;

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
    pub(crate) log_id: String,
    pub(crate) public_key: String,
    pub(crate) size: u64,
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
        // Messages name the server; a secret must not stand in its name.
        if !base.username().is_empty() || base.password().is_some() {
            return Err(Failure::new(Exit::Invalid, "the server's URL holds a user or a password")
                .with_hint("give the key with `--key` or `ANNALS_KEY`, and the URL without them"));
        }
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(invalid("is not the URL of a server"));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self { client: client(READ_MAX)?, base, key })
    }

    /// The same server, for answers whose pieces may be long in coming.
    ///
    /// # Errors
    ///
    /// `Unavailable`: no connections can be made.
    pub(crate) fn patient(self) -> Result<Self, Failure> {
        Ok(Self { client: client(PATIENT_READ_MAX)?, ..self })
    }

    /// The server's URL.
    pub(crate) fn url(&self) -> &str {
        self.base.as_str()
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
        let tenants = self.all(&["v1", "tenants"], "tenants", &Query::new()).await?;
        Ok(tenants.iter().filter_map(|tenant| tenant["id"].as_str().map(str::to_owned)).collect())
    }

    async fn json<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, Failure> {
        let bytes = self.get(path, query).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.senseless(path, &error.to_string()))
    }

    /// An answer that no server of annals gives.
    pub(crate) fn senseless(&self, path: &str, why: &str) -> Failure {
        Failure::new(Exit::Unavailable, format!("`{}{path}` answers what annals does not: {why}", self.base))
    }

    /// The body of a successful answer.
    async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Vec<u8>, Failure> {
        let mut url = self.base.join(path).expect("our paths are relative URLs");
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let response = self.answer(self.authorised(self.client.get(url))).await?;
        self.body(response, path).await
    }

    /// A file that anybody may read, asked for without the key; none when there is none. A bucket that nobody may list says of a
    /// missing file that it is forbidden.
    ///
    /// # Errors
    ///
    /// As of [`Self::answer`].
    pub(crate) async fn file(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        let url = self.base.join(path).expect("our paths are relative URLs");
        let response = self.client.get(url).send().await.map_err(|error| self.unreached(error))?;
        match response.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                Ok(None)
            }
            status if status.is_success() => self.body(response, path).await.map(Some),
            status => {
                let body = self.body(response, path).await?;
                Err(self.refusal(status, &body))
            }
        }
    }

    /// A request for what lies under these segments of a path.
    pub(crate) fn request(&self, method: Method, path: &[&str], query: &Query) -> RequestBuilder {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("the base was checked").pop_if_empty().extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.authorised(self.client.request(method, url))
    }

    fn authorised(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Asks, and gives the answer once it is known to be a success.
    ///
    /// # Errors
    ///
    /// `Unavailable`: no answer. What the server refuses is of the kind that the refusal has, in the server's words.
    pub(crate) async fn answer(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unreached(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = self.body(response, "").await?;
        Err(self.refusal(status, &body))
    }

    /// A refusal in the server's words.
    pub(crate) fn refusal(&self, status: StatusCode, body: &[u8]) -> Failure {
        refusal(status, body, self.key.is_some())
    }

    /// Asks for one JSON value.
    ///
    /// # Errors
    ///
    /// As of [`Self::answer`]; and `Unavailable` when the answer is no JSON.
    pub(crate) async fn value(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let response = self.answer(request).await?;
        let path = response.url().path().trim_start_matches('/').to_owned();
        let body = self.body(response, &path).await?;
        serde_json::from_slice(&body).map_err(|error| self.senseless(&path, &error.to_string()))
    }

    /// Whether events are taken, and if not, why. Both are answers, of different status.
    ///
    /// # Errors
    ///
    /// As of [`Self::value`].
    pub(crate) async fn readiness(&self) -> Result<Value, Failure> {
        let request = self.request(Method::GET, &["readyz"], &Query::new());
        let response = request.send().await.map_err(|error| self.unreached(error))?;
        let body = self.body(response, "readyz").await?;
        serde_json::from_slice(&body).map_err(|error| self.senseless("readyz", &error.to_string()))
    }

    /// Every item of a list that comes in pages.
    ///
    /// # Errors
    ///
    /// As of [`Self::value`].
    pub(crate) async fn all(
        &self,
        path: &[&str],
        list: &str,
        filters: &Query,
    ) -> Result<Vec<Value>, Failure> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = filters.clone();
            query.push(("limit".to_owned(), "1000".to_owned()));
            query.extend(after.map(|after| ("after".to_owned(), after)));
            let mut page = self.value(self.request(Method::GET, path, &query)).await?;
            match page[list].take() {
                Value::Array(items) => all.extend(items),
                _ => return Err(self.senseless(&path.join("/"), &format!("no `{list}`"))),
            }
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// No answer, or one that broke off.
    pub(crate) fn unreached(&self, error: reqwest::Error) -> Failure {
        let message = format!("no answer from `{}`: {}", self.base, reason(&error.without_url()));
        Failure::new(Exit::Unavailable, message).with_hint("is the server running, and is the URL right?")
    }

    /// All of an answer.
    pub(crate) async fn body(&self, mut response: Response, path: &str) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.unreached(error))? {
            if body.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(self.senseless(path, &format!("more than {ANSWER_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
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

    /// The signed note of its newest checkpoint that witnesses cosigned; of one that none did, without their lines.
    pub(crate) async fn cosigned_checkpoint(&self) -> Result<String, Failure> {
        let mut query = self.names.clone();
        query.push(("cosigned", "true".to_owned()));
        let bytes = self.api.get("v1/checkpoint", &query).await?;
        String::from_utf8(bytes).map_err(|_| self.api.senseless("v1/checkpoint", "bytes that are no text"))
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

fn client(read_max: Duration) -> Result<Client, Failure> {
    // reqwest asks for a provider to be in place; a second call finds the first one's.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .connect_timeout(CONNECT_MAX)
        .read_timeout(read_max)
        // Events go to the server that was named, and nowhere else.
        .redirect(Policy::none())
        .user_agent(concat!("annals/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| {
            Failure::new(Exit::Unavailable, format!("cannot make connections: {}", reason(&error)))
        })
}

/// A refusal in the server's words.
fn refusal(status: StatusCode, body: &[u8], with_key: bool) -> Failure {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
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
    // What was meant is for a line of its own.
    let (words, meant) = match words.and_then(|words| words.rsplit_once("; did you mean ")) {
        Some((words, meant)) => (Some(words), Some(meant)),
        None => (words.map(String::as_str), None),
    };
    let words =
        words.map_or_else(|| format!("HTTP status {status}"), |words| format!("{words} ({})", problem.code));
    let failure = Failure::new(exit, format!("the server refuses: {words}"));
    match status {
        StatusCode::UNAUTHORIZED if !with_key => failure.with_hint("give a key with `--key` or `ANNALS_KEY`"),
        status if status.is_redirection() => {
            failure.with_hint("give the address that it leads to with `--url`")
        }
        StatusCode::BAD_REQUEST if problem.code == "tenant_required" => {
            failure.with_hint("name the tenant with `--tenant`")
        }
        _ => match meant {
            Some(meant) => failure.with_hint(format!("did you mean {meant}")),
            None => failure,
        },
    }
}
