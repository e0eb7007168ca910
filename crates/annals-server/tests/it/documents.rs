//! The description of the routes, and the catalogue of errors.

use annals_server::{Code, Listening, Settings, VerifyPage, item_codes};
use serde_json::Value;

use crate::site::{Site, settings};

/// Every operation of the document: method, path, description.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    });
    operations.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_described_and_answers() {
    let site = Site::new().await;
    let document = site.ask("GET /openapi.json", "", b"").await.json();
    let operations = operations(&document);
    assert!(operations.len() >= 24, "{}", operations.len());
    for (method, path, operation) in operations {
        let name = format!("{method} {path}");
        assert!(
            operation["summary"].as_str().is_some_and(|text| text.ends_with('.')),
            "{name} has no summary"
        );
        assert!(operation["operationId"].is_string(), "{name}");
        assert!(operation["security"].is_array(), "{name} does not say what key it needs");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status < &"4".to_owned()), "{name} has no good answer");
        let is_open = operation["security"] == serde_json::json!([{}]);
        assert!(is_open || responses.contains_key("401"), "{name} does not say what happens without a key");
        let filled = path.replace("{id}", "none").replace("{path}", "0/000").replace("{account_id}", "none");
        let filled = filled.replace("{file}", "viewer.js");
        let answer = site.ask(&format!("{method} {filled}"), "", b"").await;
        if name == "POST /v1/session" {
            assert_eq!((answer.status.as_u16(), &answer.json()["pointer"]), (400, &"/key".into()));
        } else if path.starts_with("/v1/session/oidc") {
            assert_eq!(answer.status, 404, "{name}: no provider is configured");
        } else if is_open {
            assert!(responses.contains_key(answer.status.as_str()) && answer.status.as_u16() < 400, "{name}");
        } else {
            assert_eq!(answer.status, 401, "{name} answers without a key");
        }
        if let Some(parameters) = operation["parameters"].as_array() {
            for parameter in parameters {
                assert!(parameter["description"].is_string(), "{name}: {parameter}");
                let declared = parameter["in"] != "path"
                    || path.contains(&format!("{{{}}}", parameter["name"].as_str().unwrap()));
                assert!(declared, "{name}: {parameter}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reference_in_the_document_leads_somewhere() {
    let site = Site::new().await;
    let document = site.ask("GET /openapi.json", "", b"").await.json();
    let text = document.to_string();
    let references = text.split("\"#/components/").skip(1).map(|rest| rest.split('"').next().unwrap());
    for reference in references {
        let pointer = format!("/components/{reference}");
        assert!(document.pointer(&pointer).is_some(), "{pointer} is missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documented_parameters_are_the_known_ones() {
    let site = Site::new().await;
    let document = site.ask("GET /openapi.json", "", b"").await.json();
    for (method, path, operation) in operations(&document) {
        // Vendors' clients send what the vendor knows and we do not.
        let ignores = operation["tags"] == serde_json::json!(["dialects"]);
        if ignores || operation["security"] == serde_json::json!([{}]) {
            continue;
        }
        let filled = path.replace("{id}", "none").replace("{path}", "0/000");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
            let name = parameter["name"].as_str().unwrap();
            let head = format!("{method} {filled}?{name}=%00");
            // A live feed that takes it does not end.
            if site.open(&head, "operator", b"{}").await.status() == 200 {
                continue;
            }
            let answer = site.ask(&head, "operator", b"{}").await;
            assert!(!answer.text().contains("parameter_unknown"), "{method} {path} does not take `{name}`");
        }
        let mut names: Vec<_> =
            parameters.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{method} {path}: {names:?}");
        if names.contains(&"filter") {
            let missing = annals_event::filter::parameter_names().iter().find(|name| !names.contains(name));
            assert_eq!(missing, None, "{method} {path}");
        }
        let answer = site.ask(&format!("{method} {filled}?colour=red"), "operator", b"{}").await;
        assert_eq!(answer.code(), "parameter_unknown", "{method} {path}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_that_verifies_bundles_is_shown_under_its_own_policy() {
    const PAGE: &str = "<html><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-AA=='\"></html>";
    let verify_page = VerifyPage::new(PAGE.as_bytes());
    assert!(verify_page.is_some() && VerifyPage::new(b"<html></html>").is_none());
    let open = PAGE.replace("'none'", "*").leak();
    assert!(VerifyPage::new(open.as_bytes()).is_none(), "a policy lets nothing in but what it names");
    let site = Site::with(Settings { verify_page, ..settings() }, Listening::default()).await;
    let page = site.ask("GET /verify", "", b"").await;
    assert_eq!((page.status.as_u16(), page.text()), (200, PAGE.to_owned()));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(
        page.header("content-security-policy"),
        "default-src 'none'; script-src 'sha256-AA=='; frame-ancestors 'none'"
    );
    let without =
        Site::with(Settings::default(), Listening::default()).await.ask("GET /verify", "", b"").await;
    assert_eq!((without.status.as_u16(), without.code()), (404, "route_unknown".to_owned()));
}

#[test]
fn every_code_is_in_the_catalogue() {
    let catalogue = include_str!("../../../../docs/reference/errors.md");
    for code in Code::ALL.iter().map(|code| code.as_str()).chain(item_codes()) {
        assert!(catalogue.contains(&format!("### `{code}`")), "`{code}` is not in docs/reference/errors.md");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_reference_takes_nothing_from_elsewhere() {
    let site = Site::new().await;
    let page = site.ask("GET /docs", "", b"").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
    let html = page.text();
    for inline in ["<style", "style=", "onclick", "<script>", "javascript:"] {
        assert!(!html.contains(inline), "the policy forbids `{inline}`");
    }
    let links: Vec<&str> =
        html.split(['"']).filter(|text| text.starts_with('/') || text.contains("://")).collect();
    assert!(links.len() >= 4, "{links:?}");
    for link in links {
        let answer = site.ask(&format!("GET {link}"), "", b"").await;
        assert_eq!(answer.status, 200, "{link}");
        assert!(link == "/openapi.json" || !answer.text().contains("http"), "{link} names another place");
    }
}
