//! What a request reads: one log or all tenants, what it narrows that to, and that this stands on record.

use annals_event::TenantId;
use annals_ledger::{FeedScope, LogKind, TenantLog};
use serde_json::{Map, Value};

use crate::access::{Subject, Verb};
use crate::app::App;
use crate::auth::Asker;
use crate::problem::Problem;
use crate::view::Shape;

/// What a request was let in to read.
pub(crate) struct Reading {
    /// Where.
    pub(crate) scope: FeedScope,
    /// Records name their tenant.
    pub(crate) for_platform: bool,
    /// How they are written.
    pub(crate) shape: Shape,
    /// What is asked of it.
    verb: Verb,
    /// What it narrows its question to.
    filter: Map<String, Value>,
    /// That it is read stands on record; a tenant that does not exist yet has nothing to put it on.
    pub(crate) on_record: bool,
}

impl Reading {
    /// Lets a request in to a log of the tenant, or without one to all tenants, and puts it on record as read.
    ///
    /// `tenant` is what the key and the request name, as [`Caller::tenant_or_all`](crate::auth::Caller::tenant_or_all) has it.
    pub(crate) async fn enter(
        app: &App,
        asker: &Asker,
        tenant: Result<Option<TenantId>, Problem>,
        kind: LogKind,
        filter: Map<String, Value>,
    ) -> Result<Self, Problem> {
        Self::enter_to(app, asker, Verb::Read, tenant, kind, filter).await
    }

    /// As [`Reading::enter`], to do something else with it than to read it.
    pub(crate) async fn enter_to(
        app: &App,
        asker: &Asker,
        verb: Verb,
        tenant: Result<Option<TenantId>, Problem>,
        kind: LogKind,
        filter: Map<String, Value>,
    ) -> Result<Self, Problem> {
        let tenant = app.entering(asker, verb, tenant).await?;
        let scope =
            tenant.clone().map_or(FeedScope::All, |tenant| FeedScope::Log(TenantLog { tenant, kind }));
        let for_platform = asker.caller.is_platform();
        let mut reading =
            Self { scope, for_platform, shape: Shape::of(&asker.caller), verb, filter, on_record: false };
        reading.on_record = reading.note(app, asker).await?;
        // A key's own tenant may have no event yet: it is empty, and can be waited on.
        if let Some(tenant) = tenant.as_ref().filter(|_| for_platform) {
            app.known(tenant)?;
        }
        Ok(reading)
    }

    /// Puts on record that what was entered before is read on.
    pub(crate) async fn enter_again(&self, app: &App, asker: &Asker) -> Result<(), Problem> {
        self.note(app, asker).await.map(drop)
    }

    async fn note(&self, app: &App, asker: &Asker) -> Result<bool, Problem> {
        let subject = match &self.scope {
            FeedScope::All => Subject::All,
            FeedScope::Log(log) => Subject::Log(log.clone()),
        };
        app.enter(asker, self.verb, &subject, self.filter.clone()).await
    }
}
