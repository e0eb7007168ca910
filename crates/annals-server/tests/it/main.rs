//! The server as its clients see it: real connections to a real server in this process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod bundles;
mod control;
mod dialects;
mod documents;
mod erasing;
mod exporting;
mod faults;
mod feed;
mod frameio;
mod hostile;
mod http;
mod ingest;
mod oidc;
mod operate;
mod plandocket;
mod prove;
mod redaction;
mod registry;
mod replay;
mod retention;
mod saved_views;
mod sealed;
mod searching;
mod sessions;
mod site;
mod stop;
mod summary;
mod tenants_apart;
mod vendors;
mod viewer;
mod viewer_tokens;
mod witnesses;
