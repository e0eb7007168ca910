//! OpenAPI of what vendors' tables say.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_dialects::{Api, Form, KeyPlace, Kind, Member, Paging, Route, Vendor};
use axum::routing::MethodRouter;
use serde_json::{Map, Value, json};
use utoipa_axum::router::UtoipaMethodRouter;

use super::routes::TENANT;
use crate::app::App;

/// What is said of every list.
const ALL_LISTS: &str = "The newest comes first, unless it is asked or set otherwise. Unknown parameters are ignored, of a repeated one the last \
                         counts, an empty one is as none.";

const PAGE: Member = Member::integer("page", "Which page, from 1");
const AS_OF: Member =
    Member::integer("as_of", "As of which size of the log, so that pages do not move while events arrive");

const RETRY_AFTER: Member = Member::integer("retry-after", "Seconds to wait").or_absent();

/// An operation of a vendor.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    vendor: &'static Vendor,
    route: &'static Route,
    /// Of a list.
    form: Option<&'static Form>,
    /// Its parameters may stand in a body.
    has_body: bool,
    /// Its id, where it is the same by `POST`.
    posted: Option<&'static str>,
}

impl Operation {
    /// A list.
    pub(super) fn list<A: Api>() -> Self {
        Self { form: Some(A::FORM), ..Self::one(A::VENDOR, &A::FORM.route) }
    }

    /// Anything else.
    pub(super) fn one(vendor: &'static Vendor, route: &'static Route) -> Self {
        Self { vendor, route, form: None, has_body: false, posted: None }
    }

    /// The same, whose parameters may stand in a body.
    pub(super) fn with_body(self) -> Self {
        Self { has_body: true, ..self }
    }

    /// The same by `POST`, with its parameters in the body.
    pub(super) fn by_post(self, id: &'static str) -> Self {
        Self { posted: Some(id), ..self }
    }
}

/// A route with its operations, which are of one path.
pub(super) fn described(
    operations: &[Operation],
    methods: MethodRouter<Arc<App>>,
) -> UtoipaMethodRouter<Arc<App>> {
    let mut named = BTreeMap::new();
    let mut item = Map::new();
    let mut path = "";
    for operation in operations {
        path = operation.route.path;
        let method = if operation.posted.is_some() { "post" } else { "get" };
        item.insert(method.to_owned(), operation.document(&mut named));
    }
    let paths = serde_json::from_value(json!({ path: item })).expect("the tables make an OpenAPI path");
    let schemas = named.into_iter().map(|(name, schema)| {
        (name.to_owned(), serde_json::from_value(schema).expect("the tables make an OpenAPI schema"))
    });
    (schemas.collect(), paths, methods)
}

type NamedSchemas = BTreeMap<&'static str, Value>;

impl Operation {
    fn document(&self, named: &mut NamedSchemas) -> Value {
        let Self { vendor, route, .. } = self;
        let key = format!("A key needs `read`, or `{}` among its dialects.", vendor.name);
        let lists = self.form.map_or("", |_| ALL_LISTS);
        let words = [
            "For clients written for that vendor, with which annals is not affiliated.",
            route.about,
            lists,
            &key,
        ];
        let words: Vec<_> = words.into_iter().filter(|words| !words.is_empty()).collect();
        let mut document = json!({
            "tags": ["dialects"], "operationId": self.posted.unwrap_or(route.id), "summary": route.summary,
            "description": words.join(" "), "security": [{"key": ["read"]}],
            "parameters": self.parameters(), "responses": self.responses(named),
        });
        if self.posted.is_some() {
            let members: Vec<_> = self.asked().into_iter().map(Member::or_absent).collect();
            let body = schema_of(&members, named);
            document["requestBody"] = json!({"content": {"application/json": {"schema": body}}});
        }
        document
    }

    /// The parameters that say what is asked for.
    fn asked(&self) -> Vec<Member> {
        let own = self.route.parameters.iter().copied();
        let Some(form) = self.form else { return own.collect() };
        let pages = match form.paging {
            Paging::Numbers => vec![PAGE, AS_OF],
            Paging::Cursor(name) => vec![Member::text(name, "The cursor of a page")],
        };
        let size = Member::integer(form.size, "");
        own.chain([size]).chain(pages).collect()
    }

    fn parameters(&self) -> Vec<Value> {
        let place = |member: &Member, place: &str| {
            let mut about = match self.form {
                Some(Form { size, sizes, .. }) if *size == member.name => format!(
                    "Entries of a page: {} by default; brought within {} to {}",
                    sizes.default, sizes.min, sizes.max
                ),
                _ => member.about.to_owned(),
            };
            if self.is_open(member) {
                about.push_str(". That may be set otherwise");
            }
            let schema = schema(member.kind, &mut NamedSchemas::new());
            json!({"name": member.name, "in": place, "required": place == "path", "description": about, "schema": schema})
        };
        let in_path = self.route.segments.iter().map(|member| place(member, "path"));
        let asked = if self.posted.is_some() { Vec::new() } else { self.asked() };
        let key = self.vendor.keys.iter().filter_map(|key| match key {
            KeyPlace::Query(name) => Some(Member::text(name, "The key")),
            KeyPlace::Header(_) => None,
        });
        // Where a path names the account, that is the tenant.
        let names_tenant = self.route.segments.iter().any(|member| member.about == "The tenant");
        let tenant = Some(TENANT).filter(|_| !names_tenant);
        let in_query = asked.into_iter().chain(key).chain(tenant);
        in_path.chain(in_query.map(|member| place(&member, "query"))).collect()
    }

    /// Whether a setting changes what is said of a parameter.
    fn is_open(&self, member: &Member) -> bool {
        let settings: &[&str] = match self.form {
            Some(form) if form.size == member.name => &["page_size", "page_size_max", "page_size_beyond"],
            Some(_) if member.name == PAGE.name => &["first_page"],
            _ => &[],
        };
        let of_vendor = |name: &&str| format!("dialects.{}.{name}", self.vendor.name);
        settings.iter().map(of_vendor).any(|key| self.vendor.common.iter().any(|setting| setting.key == key))
    }

    fn responses(&self, named: &mut NamedSchemas) -> Value {
        let mut statuses = vec![
            (self.vendor.invalid_status, "A parameter cannot be read"),
            (401, "No valid key"),
            (403, "The key may not read here, or names no tenant"),
            (404, "There is no such tenant, or no such entry"),
            (429, "The key has made too many requests"),
            (500, "What must be read is damaged"),
        ];
        if self.form.is_some() {
            statuses.push((503, "The search takes more than 5 s, or too many wait"));
        }
        if self.has_body {
            statuses.extend([(413, "The body is too long"), (415, "The body's encoding is not known")]);
        }
        let mut responses = Map::new();
        let mut add = |status: u16, about: &str, form: Kind, own: &[Member]| {
            let headers = own.iter().chain(self.vendor.headers).map(|header| {
                let told = json!({
                    "description": header.about, "required": !header.is_optional, "schema": schema(header.kind, named),
                });
                (header.name.to_owned(), told)
            });
            let headers: Map<_, _> = headers.collect();
            let content = json!({"application/json": {"schema": schema(form, named)}});
            let told = json!({"description": about, "headers": headers, "content": content});
            responses.insert(status.to_string(), told);
        };
        add(200, "As asked for", self.route.answer, self.route.headers);
        for (status, about) in statuses {
            let waits = matches!(status, 429 | 503);
            let own = if waits { &[RETRY_AFTER][..] } else { &[] };
            add(status, about, self.vendor.error_form(self.route.path, status), own);
        }
        responses.into()
    }
}

/// The schema of a kind; those with a name go to `named`.
fn schema(kind: Kind, named: &mut NamedSchemas) -> Value {
    match kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Time => json!({"type": "string", "format": "date-time"}),
        Kind::Integer => json!({"type": "integer", "format": "int64"}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Any => json!({"type": ["object", "array", "string", "number", "boolean", "null"]}),
        Kind::Object => json!({"type": "object"}),
        Kind::Members(members) => schema_of(members, named),
        Kind::List(of) => json!({"type": "array", "items": schema(*of, named)}),
        Kind::Named(of) => {
            if !named.contains_key(of.name) {
                let mut schema = schema_of(of.members, named);
                schema["description"] = json!(of.about);
                named.insert(of.name, schema);
            }
            json!({"$ref": format!("#/components/schemas/{}", of.name)})
        }
    }
}

fn schema_of(members: &[Member], named: &mut NamedSchemas) -> Value {
    let mut properties = Map::new();
    for member in members {
        let mut schema = schema(member.kind, named);
        if member.is_nullable {
            schema["type"] = json!([schema["type"], "null"]);
        }
        if !member.about.is_empty() && schema.get("$ref").is_none() {
            schema["description"] = json!(member.about);
        }
        properties.insert(member.name.to_owned(), schema);
    }
    let required: Vec<_> =
        members.iter().filter(|member| !member.is_optional).map(|member| member.name).collect();
    json!({"type": "object", "properties": properties, "required": required})
}
