//! What all requests share, and the routes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use annals_dialects::{Allowances, Dialects, Places};
use annals_ledger::{Ledger, Record, TenantLog};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::AccessLog;
use crate::body::Budget;
use crate::dialects;
use crate::docs::VerifyPage;
use crate::erasures::{ERASURE_APPROVALS, Eraser};
use crate::metrics::Metrics;
use crate::oidc::{OidcSettings, Provider, routes as oidc};
use crate::origin::Origin;
use crate::problem::Problem;
use crate::request::{self, RequestIds};
use crate::scrub::{Scrubber, Scrubbing};
use crate::searching::Turns;
use crate::session::{SESSION_MAX, Sessions, routes as session};
use crate::viewer::Viewer;
use crate::witnesses::{Witnesses, Witnessing};
use crate::{
    bundle, docs, erasures, events, export, feed, holds, ingest, keys, live, openapi, opening, operate,
    prove, redaction, registry, retention, saved_views, search, summary, tenants, viewer, viewer_tokens,
};

/// Shared by all requests.
pub(crate) struct App {
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) access: Arc<AccessLog>,
    pub(crate) settings: Settings,
    /// How far the server is on its way to its end.
    pub(crate) stage: watch::Sender<Stage>,
    pub(crate) bodies: Arc<Budget>,
    /// As many batches are read at once as there are cores; more would only take turns.
    pub(crate) reading: Semaphore,
    /// At searches and what else looks through records.
    pub(crate) turns: Turns,
    pub(crate) request_ids: RequestIds,
    pub(crate) origin: Origin,
    /// Of people with browsers.
    pub(crate) sessions: Sessions,
    /// Who vouches for some of them, if anybody.
    pub(crate) provider: Option<Provider>,
    /// Who cosigns checkpoints, if anybody.
    pub(crate) witnesses: Option<Arc<Witnesses>>,
    /// Carries out what was approved.
    pub(crate) eraser: Eraser,
    /// Reads everything again.
    pub(crate) scrubber: Option<Scrubber>,
    pub(crate) openapi: OnceLock<Bytes>,
    /// What that says of each vendor's API.
    pub(crate) vendors_openapi: OnceLock<BTreeMap<&'static str, Bytes>>,
    /// Where vendors' APIs are.
    pub(crate) places: Places,
    /// How many requests to them keys have left.
    pub(crate) allowances: Mutex<Allowances>,
}

/// A server's way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// As always.
    Serving,
    /// Readiness fails, all else goes on.
    Unready,
    /// Nobody is let in; streams and polls end.
    Stopping,
}

/// What an operator may set about requests.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program's version.
    pub version: String,
    /// Refuse reads that cannot be put on record.
    pub access_strict: bool,
    /// A tenant begins with its first event; else it must be made first.
    pub tenants_on_write: bool,
    /// How vendors' APIs are answered.
    pub dialects: Dialects,
    /// Who cosigns checkpoints, if anybody.
    pub witnessing: Option<Witnessing>,
    /// How often logs that changed go into the registry; none for never.
    pub register_every: Option<Duration>,
    /// How often what is due expires; none for never.
    pub expire_every: Option<Duration>,
    /// How many keys must approve a case of erasure, the one that asks among them.
    pub erasure_approvals: u32,
    /// How everything is read again; none for not at all.
    pub scrubbing: Option<Scrubbing>,
    /// What `/verify` shows.
    pub verify_page: Option<VerifyPage>,
    /// What `/viewer` shows.
    pub viewer: Option<Viewer>,
    /// How long a session lasts.
    pub session_max: Duration,
    /// Who vouches for people, if anybody.
    pub oidc: Option<OidcSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            access_strict: false,
            tenants_on_write: true,
            dialects: Dialects::default(),
            witnessing: None,
            register_every: None,
            expire_every: None,
            erasure_approvals: ERASURE_APPROVALS,
            scrubbing: None,
            verify_page: None,
            viewer: None,
            session_max: SESSION_MAX,
            oidc: None,
        }
    }
}

impl App {
    pub(crate) fn new(
        ledger: Ledger,
        metrics: Arc<Metrics>,
        settings: Settings,
        origin: Origin,
    ) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut prefix = [0; 8];
        // Ids only tell requests apart; a start without randomness may repeat those of another.
        if let Err(error) = getrandom::fill(&mut prefix) {
            tracing::warn!(%error, "no random bytes for request ids");
        }
        let provider = settings.oidc.clone().map(|settings| Provider::new(settings, ledger.clone()));
        let witnesses = settings.witnessing.clone();
        let witnesses = witnesses.map(|asked| Witnesses::new(ledger.clone(), metrics.clone(), asked));
        Arc::new(Self {
            witnesses: witnesses.map(Arc::new),
            eraser: Eraser::new(ledger.clone()),
            scrubber: settings.scrubbing.map(|scrubbing| Scrubber::new(ledger.clone(), scrubbing)),
            access: Arc::new(AccessLog::new(ledger.clone(), settings.access_strict)),
            ledger,
            metrics,
            places: settings.dialects.places(),
            allowances: Mutex::default(),
            sessions: Sessions::new(settings.session_max),
            provider,
            settings,
            stage: watch::Sender::new(Stage::Serving),
            bodies: Arc::default(),
            reading: Semaphore::new(cores),
            turns: Turns::new(cores),
            request_ids: RequestIds::new(u64::from_be_bytes(prefix)),
            origin,
            openapi: OnceLock::new(),
            vendors_openapi: OnceLock::new(),
        })
    }

    /// The record with this event id.
    ///
    /// # Errors
    ///
    /// It is sealed and cannot be read.
    pub(crate) async fn by_id(&self, log: &TenantLog, id: &str) -> Result<Option<Record>, Problem> {
        let (ledger, log, id) = (self.ledger.clone(), log.clone(), id.to_owned());
        Ok(blocking(move || ledger.by_id(&log, &id)).await?)
    }

    /// Resolves when the server is to stop.
    pub(crate) async fn stopped(&self) {
        let mut stage = self.stage.subscribe();
        // The sender lives as long as the app.
        drop(stage.wait_for(|stage| *stage == Stage::Stopping).await);
    }
}

/// Every route with its description. A handler has no other way in.
pub(crate) fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(ingest::post_events, search::events))
        .routes(routes!(events::event))
        .routes(routes!(summary::summary))
        .routes(routes!(export::export))
        .routes(routes!(feed::feed))
        .routes(routes!(live::live))
        .routes(routes!(feed::access))
        .merge(dialects::routes::router())
        .routes(routes!(bundle::bundle))
        .routes(routes!(bundle::head))
        .routes(routes!(bundle::log))
        .routes(routes!(prove::event_proof))
        .routes(routes!(opening::opening))
        .routes(routes!(prove::checkpoint))
        .routes(routes!(registry::proof))
        .routes(routes!(prove::inclusion))
        .routes(routes!(prove::consistency))
        .routes(routes!(prove::log))
        .routes(routes!(prove::log_checkpoint))
        .routes(routes!(prove::tile))
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::end))
        .routes(routes!(redaction::get, redaction::put))
        .routes(routes!(erasures::list, erasures::create))
        .routes(routes!(erasures::get))
        .routes(routes!(erasures::approve))
        .routes(routes!(erasures::withdraw))
        .routes(routes!(retention::get, retention::put))
        .routes(routes!(retention::preview))
        .routes(routes!(holds::list, holds::begin))
        .routes(routes!(holds::release))
        .routes(routes!(viewer_tokens::create))
        .routes(routes!(saved_views::list))
        .routes(routes!(saved_views::put, saved_views::remove))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::end))
        .routes(routes!(operate::confirm_clock))
        .routes(routes!(operate::status))
        .routes(routes!(operate::version))
        .routes(routes!(operate::healthz))
        .routes(routes!(operate::readyz))
        .routes(routes!(operate::metrics))
        .routes(routes!(operate::openapi))
        .routes(routes!(session::begin, session::show, session::end))
        .routes(routes!(session::ways))
        .routes(routes!(session::link))
        .routes(routes!(oidc::begin))
        .routes(routes!(oidc::back))
        .routes(routes!(viewer::page))
        .routes(routes!(viewer::page_in_folder))
        .routes(routes!(viewer::page_at))
        .routes(routes!(viewer::asset))
        .routes(routes!(docs::root))
        .routes(routes!(docs::page))
        .routes(routes!(docs::script))
        .routes(routes!(docs::style))
        .routes(routes!(docs::verify))
}

/// The routes, ready to serve.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (router, document) = described().split_for_parts();
    let document = app.openapi.get_or_init(|| openapi::finish(document));
    app.vendors_openapi.get_or_init(|| dialects::documents::of_vendors(document));
    dialects::placed(wrapped(router, app.clone()), app)
}

/// Routes with all that every request passes through.
fn wrapped(router: Router<Arc<App>>, app: Arc<App>) -> Router {
    router
        .fallback(request::unknown_route)
        .layer(CatchPanicLayer::custom(request::panicked))
        .layer(middleware::from_fn_with_state(app.clone(), request::pass))
        .with_state(app)
}

/// Runs what blocks or takes long off the threads that serve connections.
pub(crate) async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(run).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// A JSON answer whose text is written already.
pub(crate) fn json(status: StatusCode, body: impl Into<axum::body::Body>) -> Response {
    (status, [(axum::http::header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

#[cfg(test)]
pub(crate) mod tests {
    use annals_journal::MemoryJournal;
    use annals_journal::sim::SimDisk;
    use annals_ledger::{Options, Parts, SeededEntropy, Store, TailLimits};
    use axum::body::Body;
    use axum::http::Request;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::system::SystemClock;

    pub(crate) fn app() -> Arc<App> {
        let metrics = Arc::new(Metrics::new("1.2.3"));
        let parts = Parts {
            journal: Box::new(MemoryJournal::new()),
            signer_journal: Box::new(MemoryJournal::new()),
            segments: Store::new(Arc::new(SimDisk::new(1)), 1 << 20),
            signing_seed: [1; 32],
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SeededEntropy::new(1)),
            observer: metrics.clone(),
        };
        let options = Options {
            name: None,
            event_bytes_max: 1 << 18,
            tail: TailLimits::default(),
            version: "1.2.3".to_owned(),
        };
        App::new(
            Ledger::open(parts, &options).unwrap().ledger,
            metrics,
            Settings::default(),
            Origin::default(),
        )
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_that_tells_nothing() {
        async fn boom() -> StatusCode {
            panic!("the password is swordfish")
        }
        let router = wrapped(Router::new().route("/boom", get(boom)), app());
        let request = Request::get("/boom").header("x-request-id", "r-1").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&problem["code"], &problem["request_id"]), (&"bug".into(), &"r-1".into()));
        assert!(!problem.to_string().contains("swordfish"));
    }

    #[test]
    fn the_description_is_what_the_router_serves() {
        let (_, document) = described().split_for_parts();
        let source = include_str!("app.rs");
        let routes = source.lines().filter(|line| line.trim_start().starts_with(".routes(routes!(")).count();
        let (_, vendors) = dialects::routes::router().split_for_parts();
        let vendors = vendors.paths.paths.len();
        assert_eq!(
            document.paths.paths.len(),
            routes + vendors,
            "each line of routes is one documented path"
        );
    }
}
