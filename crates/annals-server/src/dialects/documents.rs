//! The description of one vendor's API: what the document of all routes says of it.

use std::collections::{BTreeMap, BTreeSet};

use annals_dialects::VENDORS;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Where schemas are, in references.
const SCHEMAS: &str = "#/components/schemas/";

/// The document of each vendor, cut out of that of all routes. A vendor's operations have ids that begin with its name.
pub(crate) fn of_vendors(document: &[u8]) -> BTreeMap<&'static str, Bytes> {
    let all: Value = serde_json::from_slice(document).expect("the document is JSON");
    let cut = VENDORS.iter().map(|vendor| {
        let own = serde_json::to_vec(&of_vendor(&all, vendor.name)).expect("a document serialises");
        (vendor.name, own.into())
    });
    cut.collect()
}

fn of_vendor(all: &Value, vendor: &str) -> Value {
    let mut paths = Map::new();
    for (path, item) in all["paths"].as_object().into_iter().flatten() {
        let is_own = |operation: &Value| {
            let id = operation["operationId"].as_str().unwrap_or_default();
            id.strip_prefix(vendor).is_some_and(|rest| rest.starts_with('_'))
        };
        let own: Map<_, _> = item
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, operation)| is_own(operation))
            .map(|(method, operation)| (method.clone(), operation.clone()))
            .collect();
        if !own.is_empty() {
            paths.insert(path.clone(), own.into());
        }
    }
    let paths = Value::Object(paths);
    let mut document = all.clone();
    document["components"]["schemas"] = schemas(&all["components"]["schemas"], &paths);
    document["info"]["title"] = json!(format!("annals for clients of {vendor}"));
    document["info"]["description"] = json!(
        "An audit log's events as clients of this vendor ask for them. annals is not affiliated with the vendor."
    );
    let is_dialects = |tag: &&Value| tag["name"] == "dialects";
    document["tags"] = all["tags"].as_array().into_iter().flatten().filter(is_dialects).cloned().collect();
    document["paths"] = paths;
    document
}

/// The schemas that these paths refer to, and those that they refer to.
fn schemas(all: &Value, paths: &Value) -> Value {
    let (mut named, mut open) = (BTreeSet::new(), references(paths));
    while let Some(name) = open.pop_first() {
        open.extend(references(&all[&name]));
        named.insert(name);
        open.retain(|name| !named.contains(name));
    }
    named.into_iter().map(|name| (name.clone(), all[&name].clone())).collect::<Map<_, _>>().into()
}

fn references(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(SCHEMAS));
            own.map(str::to_owned).into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => BTreeSet::new(),
    }
}
