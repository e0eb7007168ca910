//! The description of all routes: an OpenAPI 3.1 document, made from the handlers.

use bytes::Bytes;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "annals",
        description = "An audit log: takes events, keeps them in order, proves them, and hands them back.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "events", description = "Events in and out"),
        (name = "dialects", description = "Vendors' APIs, for clients that were written for them; affiliated with none"),
        (name = "prove", description = "Checkpoints and proofs"),
        (name = "control", description = "Tenants and keys"),
        (name = "viewer", description = "The page for people, and signing in to it"),
        (name = "operate", description = "Health and metrics"),
    )
)]
struct Document;

/// What the document says beside the routes.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("annals_…")
        .description(Some("An API key; the scopes named at a route are what the key needs. The cookie of `POST /v1/session` stands for the key it was made with."))
        .build();
    document.components.get_or_insert_default().add_security_scheme("key", SecurityScheme::Http(scheme));
    document
}

/// The document as it is served: OpenAPI has no way to write a path parameter that may hold slashes.
pub(crate) fn finish(mut document: utoipa::openapi::OpenApi) -> Bytes {
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    serde_json::to_vec(&document).expect("a document serialises").into()
}
