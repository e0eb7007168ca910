//! The routes of all vendors. Which list is behind each stands here, and what those few do that is not a list; all else they have in
//! common ([`super::call`]), and what is told of them stands in their tables.

use std::sync::Arc;

use annals_dialects::frameio::{self, FrameioEvents, FrameioV2, FrameioV4};
use annals_dialects::{Api, Dialects, Member, nirvana, panda, plandocket};
use annals_ledger::Scope;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::VendorCall;
use super::describe::{Operation, described};
use crate::app::{self, App};
use crate::body::{Arriving, SMALL_BODY_BYTES_MAX};
use crate::problem::Problem;
use crate::query::PathText;

type Routes = UtoipaMethodRouter<Arc<App>>;

/// All of them.
pub(crate) fn router() -> OpenApiRouter<Arc<App>> {
    let me = described(&[Operation::one(&frameio::VENDOR, &frameio::ME)], get(me));
    let of_nirvana = described(&[Operation::one(&nirvana::VENDOR, &nirvana::ONE)], get(nirvana_entry));
    let of_plandocket =
        described(&[Operation::one(&plandocket::VENDOR, &plandocket::ONE)], get(plandocket_entry));
    let by_get = Operation::list::<panda::Panda>().with_body();
    let by_post = by_get.by_post("panda_audit_logs_by_post");
    OpenApiRouter::new()
        .routes(list(|all| all.bigpanda.clone()))
        .routes(list_of_account(|all| FrameioV2(all.frameio.clone())))
        .routes(list_of_account(|all| FrameioEvents(all.frameio.clone())))
        .routes(list_of_account(|all| FrameioV4(all.frameio.clone())))
        .routes(me)
        .routes(list(|all| all.nirvana.clone()))
        .routes(of_nirvana)
        .routes(described(&[by_get, by_post], get(panda_list).post(panda_list)))
        .routes(list(|all| all.plandocket.clone()))
        .routes(of_plandocket)
}

/// A list of the key's tenant.
fn list<A: Api>(api: fn(&Dialects) -> A) -> Routes {
    let handler = move |State(app): State<Arc<App>>, call: VendorCall| async move {
        call.list(&app, api(&app.settings.dialects)).await
    };
    described(&[Operation::list::<A>()], get(handler))
}

/// A list of the tenant that the path names.
fn list_of_account<A: Api>(api: fn(&Dialects) -> A) -> Routes {
    let handler = move |State(app): State<Arc<App>>, call: VendorCall, PathText(account): PathText| async move {
        call.of_tenant(&account).list(&app, api(&app.settings.dialects)).await
    };
    described(&[Operation::list::<A>()], get(handler))
}

/// Frame.io's clients ask it for the id of their account.
async fn me(call: VendorCall) -> Result<Response, Problem> {
    let caller = call.caller();
    caller.require(Scope::Read)?;
    let me = frameio::write_me(&caller.key_id.0, call.tenant()?.as_str(), caller.name.as_deref());
    Ok(app::json(StatusCode::OK, me))
}

async fn nirvana_entry(
    State(app): State<Arc<App>>,
    call: VendorCall,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    call.entry(&app, app.settings.dialects.nirvana.clone(), &id).await
}

async fn plandocket_entry(
    State(app): State<Arc<App>>,
    call: VendorCall,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    let position = plandocket::position_of(&id);
    call.entry_at(&app, app.settings.dialects.plandocket.clone(), position).await
}

/// The vendor's page shows its parameters as a JSON object: they may stand in a body, with either method.
async fn panda_list(
    State(app): State<Arc<App>>,
    call: VendorCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = Arriving::new(body, &headers).receive(SMALL_BODY_BYTES_MAX, &app.bodies).await?;
    call.list_with(&app, app.settings.dialects.panda.clone(), &body.bytes).await
}

/// What a platform key adds to a question.
pub(super) const TENANT: Member = Member::text("tenant", "With a platform key: the tenant");
